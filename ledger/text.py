r"""The one way from the text of a file to the outside: terminals, spreadsheets, books, pages, file names.

A journal, a table of data or a spec may be a stranger's, and its text is data everywhere. No function here
lets it move a cursor, begin a second line, a formula, a directive or a tag, or leave a folder. A character
that could is written as a visible escape, such as ``\x1b`` or ``\u202e``. Names of accounts and commodities
in books of other programs have alphabets of their own in `tieout.ledger.export.names`.

    >>> line("red: \x1b[31m, then\nno check failed")
    'red: \\x1b[31m, then\\x0ano check failed'
"""

import hashlib
import html
import json
import re
import unicodedata
from string import ascii_letters, digits

_HEX = "[0-9a-f]"
# A backslash that would read as an escape of `visible`.
_LOOKALIKE = rf"\\(?=x{_HEX}{{2}}|u{_HEX}{{4}}|U{_HEX}{{8}})"

_NOT_ASCII_OR_CONTROL = re.compile("[^ -~]")
# Characters without a shape that count as letters, marks or symbols.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})

# All controls but tab and line feed, the controls of direction, and what UTF-8 cannot hold.
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL = re.compile(f"[{_CONTROLS}]|{_LOOKALIKE}")

# The characters that begin a formula, also full-width and small, after what a spreadsheet may strip.
_FORMULA = re.compile(
    "'*(?:[\t\r\n]|[\\s\u200b-\u200f\u2060\ufeff]*[=+\\-@\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20])"
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)

_BEANCOUNT = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"})

_FILE_NAME = frozenset(ascii_letters + digits + "-_.")
_LONGEST_FILE_NAME = 120
"""Characters of a file's name, which leaves room for suffixes within the 255 of common systems."""
# Names of devices on Windows, with any suffix.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)", re.IGNORECASE)


def line(text: object) -> str:
    """Return *text* as one line for a terminal, in characters that a terminal shows as they are.

    Escaped are control characters, line breaks, characters without a shape, and letters written from right to
    left, because terminals reorder the figures beside them. A line stays the same when it is passed again.
    """
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return _NOT_ASCII_OR_CONTROL.sub(_for_terminal, plain)


def _for_terminal(match: re.Match[str]) -> str:
    character = match[0]
    # A mark without a letter before it would change the character before the text.
    is_for_terminal = (
        character.isprintable()
        and not _INVISIBLE.match(character)
        and unicodedata.bidirectional(character) not in _RIGHT_TO_LEFT
        and (match.start() > 0 or not unicodedata.category(character).startswith("M"))
    )
    return character if is_for_terminal else visible(character)


def visible(character: str) -> str:
    r"""Return the escape of a character: ``\x1b``, ``\u202e`` or ``\U000e0001``."""
    code = ord(character)
    return f"\\x{code:02x}" if code < 1 << 8 else f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"


def without_controls(text: str) -> str:
    r"""Return *text* with visible escapes for control characters other than tab and line feed.

    A backslash that would read as such an escape is written ``\x5c``. Different texts stay different.
    """
    return _CONTROL.sub(lambda match: visible(match[0]), text)


def spreadsheet_cell(text: str) -> str:
    """Return *text* as a cell of a CSV file or a workbook, never a formula, and without control characters.

    An apostrophe goes before a text that would begin one. A text that is just a number stays the same.
    """
    begins_formula = _FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return ("'" if begins_formula else "") + without_controls(text)


def beancount_string(text: str) -> str:
    """Return *text* as a string of beancount, with its quotation marks."""
    return f'"{without_controls(text).translate(_BEANCOUNT)}"'


def hledger_text(text: str) -> str:
    r"""Return *text* as a part of a description of hledger.

    A character that would end it, or that hledger strips, is written as ``\``, its code point and ``Z``.
    """
    end = len(text) - 1
    return "".join(
        character
        if character.isprintable()
        and character not in ";\\"
        and not (character.isspace() and index in {0, end})
        else f"\\{ord(character):X}Z"
        for index, character in enumerate(text)
    )


def json_text(value: object) -> str:
    """Return *value* as JSON in ASCII, so that control characters and those of direction are escapes."""
    # The module does not escape this one, which occurs inside strings only.
    return json.dumps(value).replace("\x7f", "\\u007f")


def html_text(text: str) -> str:
    """Return *text* for a page or a quoted attribute of one."""
    return html.escape(without_controls(text))


def toml_string(text: str) -> str:
    """Return *text* as a basic string of TOML, with its quotation marks. It has no place for surrogates."""
    body = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(rf"[\t\n{_CONTROLS}]", lambda match: _toml(match[0]), body) + '"'


def _toml(character: str) -> str:
    if 0xD800 <= ord(character) <= 0xDFFF:  # noqa: PLR2004  the surrogates
        return "\\" + visible(character)
    return f"\\u{ord(character):04x}"


def file_name(text: str) -> str:
    """Return *text* as the name of a file in one folder: no separator, no leading dot, no device.

    Other characters than ASCII letters, digits and ``-_.`` are written as ``%`` and their bytes in
    hexadecimal. A long name is cut and ends with a digest. Different texts stay different.
    """
    name = "".join(
        c if c in _FILE_NAME and not (c == "." and index == 0) else _percent(c)
        for index, c in enumerate(text)
    )
    if _DEVICE.match(name):
        name = _percent(name[0]) + name[1:]
    if len(name) > _LONGEST_FILE_NAME:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        name = f"{name[: _LONGEST_FILE_NAME - len(digest) - 1]}~{digest}"
    return name or "%"


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))

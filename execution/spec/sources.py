"""A TOML file, and the lines of its keys."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tieout.execution.errors import ExecutionError, InvalidSpec

Place = tuple[str | int, ...]
"""The path of a key in a spec: ``("bars", "path")``, ``("features", 0, "path")``."""

MOST_BYTES = 4 * 2**20
_MOST_LEVELS = 32
_MOST_NUMBER = 10**100
_MOST_TEXT = 1_000
"""Characters of an error. A value that it quotes may have millions."""

_PART = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY})\s*\]")
_ENTRY = re.compile(rf"\s*({_KEY})\s*=")
_LONG_KEY = re.compile(rf"(?<![\w-])(?:{_PART}[ \t]*\.[ \t]*){{{_MOST_LEVELS}}}")
"""A key of so many parts that reading it takes the square of them."""


@frozen
class Document:
    """The document of a spec: its name in messages, the lines of its keys, and the class of its errors."""

    name: str
    lines: Mapping[Place, int] = field(factory=dict)
    error: type[ExecutionError] = InvalidSpec

    def line(self, place: Place) -> int:
        """Return the line of a key, or of the nearest key around it, 0 if there is none."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 0)

    def wrong(self, place: Place, text: str) -> ExecutionError:
        """Return an error that names the document and the line of a key."""
        line = self.line(place)
        if len(text) > _MOST_TEXT:
            # The end often has the remedy.
            text = f"{text[: _MOST_TEXT // 2]} ... {text[-_MOST_TEXT // 2 :]}"
        return self.error(f"{self.name}, line {line}: {text}" if line else f"{self.name}: {text}")


def parse(path: Path) -> tuple[dict[str, Any], Document]:
    """Read a TOML file and the lines of its keys. Raises `InvalidSpec` if it is not TOML, or no spec."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InvalidSpec(f"{path} has more than {MOST_BYTES:,} bytes; a spec is a short text")
        # Some editors begin a file with a byte order mark.
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        data = tomllib.loads(_without_long_keys(text))
    except FileNotFoundError:
        raise InvalidSpec(f"there is no file {path}") from None
    except RecursionError:
        raise InvalidSpec(f"{path}: its values are nested too deeply; a spec has a few levels") from None
    except OSError as error:
        raise InvalidSpec(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSpec(f"{path}: this is not TOML: {error}") from None
    except ValueError:  # of `int`, for thousands of digits
        raise InvalidSpec(f"{path}: it has a whole number of more than 100 digits") from None
    document = Document(str(path), _lines(text, data))
    require_shape(data, document)
    return data, document


def _without_long_keys(text: str) -> str:
    """Return the text. Raises `RecursionError` for a key whose many parts would take very long to read."""
    if key := _LONG_KEY.search(text):
        raise RecursionError(key[0])
    return text


def require_shape(data: object, document: Document) -> None:
    """Raise the error of the document for values that no spec has: nested deeply, or absurdly large.

    Whole numbers have up to 100 digits. Text has no NUL, and can be encoded.
    """
    levels: list[tuple[Place, object]] = [((), data)]
    for _ in range(_MOST_LEVELS):
        deeper: list[tuple[Place, object]] = []
        for place, value in levels:
            if fault := _fault(value):
                key = next((step for step in reversed(place) if isinstance(step, str)), "a value")
                raise document.wrong(place, f"{key} {fault}")
            if isinstance(value, dict):
                for key in value:
                    if fault := _fault(key):
                        raise document.wrong(place, f"a key {fault}")
                deeper.extend(((*place, key), item) for key, item in value.items())
            elif isinstance(value, list):
                deeper.extend(((*place, number), item) for number, item in enumerate(value))
        levels = deeper
    if levels:
        raise document.wrong(levels[0][0], f"the values are nested more than {_MOST_LEVELS} levels deep")


def _fault(value: object) -> str:
    """Return the fault of one value, without its name, or nothing."""
    if isinstance(value, int) and abs(value) >= _MOST_NUMBER:
        return "is a whole number of more than 100 digits"
    if isinstance(value, str):
        if "\0" in value:
            return "has the character NUL"
        try:
            value.encode()
        except UnicodeEncodeError:
            return "is not text: it has half of a surrogate pair"
    return ""


def _lines(text: str, data: Mapping[str, Any]) -> dict[Place, int]:
    """Find the line of every key outside of braces. Text inside a value that looks like a key is ignored."""
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            brackets, key = header.groups()
            place = _through(_parts(key), counts)
            if brackets == "[[":
                counts[place] = counts.get(place, -1) + 1
                place = (*place, counts[place])
            if _holds(data, place):
                table = place
                lines.setdefault(table, number)
        elif entry := _ENTRY.match(line):
            parts = _parts(entry[1])
            for end in range(1, len(parts) + 1):
                if _holds(data, (*table, *parts[:end])):
                    lines.setdefault((*table, *parts[:end]), number)
    return lines


def _parts(key: str) -> Place:
    """Return the names in a dotted key, none if it is not one: a line of a text may look like a key."""
    try:
        table: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts = []
    while isinstance(table, dict):
        ((name, table),) = table.items()
        parts.append(name)
    return tuple(parts)


def _through(parts: Place, counts: Mapping[Place, int]) -> Place:
    """Return the path of a header, through the last element of each array of tables on it."""
    place: Place = ()
    for n, part in enumerate(parts):
        place = (*place, part)
        if place in counts and n < len(parts) - 1:
            place = (*place, counts[place])
    return place


def _holds(data: Any, place: Place) -> bool:
    for part in place:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True

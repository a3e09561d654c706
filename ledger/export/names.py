"""Names that a tool refuses, written so that it takes them and so that they can be read back.

A character that has no place is written as a mark, its code point in hexadecimal and ``Z``; the
mark itself, where it may stand, is doubled. A name that may not begin as it does, or that means
something else to the tool, is given ``X``, the mark and ``Z`` in front. Different names stay
different, and `unescape` restores each:

    >>> PARTS.escape("brk.b"), PARTS.escape("BTC-USD"), PARTS.unescape("X-Zbrk-2EZb")
    ('X-Zbrk-2EZb', 'BTC--USD', 'brk.b')
"""

import re
from collections.abc import Set as AbstractSet
from string import ascii_letters, ascii_uppercase, digits, punctuation

from attrs import field, frozen

CONTRA = ("Market", "Trading", "Memo")
"""Roots of our chart that other tools do not know; there they stand under Equity."""


@frozen
class Alphabet:
    """What a name may be made of: *first*, *inner* and *last* characters, each a part of *inner*."""

    mark: str
    first: AbstractSet[str]
    inner: AbstractSet[str]
    last: AbstractSet[str]
    reserved: AbstractSet[str] = frozenset()
    _escaped: re.Pattern[str] = field(init=False)

    @_escaped.default
    def _pattern(self) -> re.Pattern[str]:
        mark = re.escape(self.mark)
        return re.compile(f"{mark}(?:{mark}|([0-9A-F]+)Z)")

    @property
    def front(self) -> str:
        """What a name begins with that could not begin as it does."""
        return f"X{self.mark}Z"

    def escape(self, name: str) -> str:
        """*name* in this alphabet."""
        end = len(name) - 1
        written = "".join(
            self._character(c, self.last if i == end else self.inner) for i, c in enumerate(name)
        )
        shielded = written[0] not in self.first or written in self.reserved
        return self.front + written if shielded else written

    def unescape(self, written: str) -> str:
        """The name that `escape` was given."""
        return self._escaped.sub(
            lambda found: chr(int(found[1], 16)) if found[1] else self.mark,
            written.removeprefix(self.front),
        )

    def path(self, path: str) -> str:
        """An account's path, its parts in this alphabet and its contra accounts under Equity."""
        root, *parts = path.split(":")
        written = [self.escape(part) for part in parts]
        if root in CONTRA:
            return ":".join(("Equity", root, *written))
        if root == "Equity" and written[0] in CONTRA:
            written[0] = self.front + written[0]
        return ":".join((root, *written))

    def unpath(self, written: str) -> str:
        """The path that `path` was given."""
        root, *parts = written.split(":")
        if root == "Equity" and parts[0] in CONTRA:
            root, *parts = parts
        return ":".join((root, *map(self.unescape, parts)))

    def _character(self, character: str, allowed: AbstractSet[str]) -> str:
        if character not in allowed:
            return f"{self.mark}{ord(character):X}Z"
        return 2 * character if character == self.mark else character


_ALPHANUMERIC = frozenset(ascii_letters + digits)
_UPPER = frozenset(ascii_uppercase)
_PRINTED = (_ALPHANUMERIC | frozenset(punctuation)) - frozenset(';":')

PARTS = Alphabet("-", _UPPER | frozenset(digits), _ALPHANUMERIC | {"-"}, _ALPHANUMERIC | {"-"})
"""The parts of an account's name in beancount."""

CURRENCIES = Alphabet(
    "'",
    _UPPER,
    _UPPER | frozenset(digits) | frozenset("'._-"),
    _UPPER | frozenset(digits),
    frozenset({"TRUE", "FALSE", "NULL"}),
)
"""Commodities in beancount."""

QUOTED = Alphabet("\\", _PRINTED, _PRINTED, _PRINTED)
"""The parts of an account's name and, in quotation marks, commodities in hledger."""

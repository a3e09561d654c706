"""Names of accounts and commodities, escaped for tools that refuse some characters.

A character that the tool refuses is written as a mark, its code point in hexadecimal and ``Z``. The mark
itself is doubled where the tool allows it. ``X``, the mark and ``Z`` go before a keyword of the tool, and
before a name with a first character that the tool refuses. Different names stay different, and
`unescape` restores each:

    >>> PARTS.escape("brk.b"), PARTS.escape("BTC-USD"), PARTS.unescape("X-Zbrk-2EZb")
    ('X-Zbrk-2EZb', 'BTC--USD', 'brk.b')
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from string import ascii_letters, ascii_uppercase, digits, punctuation

from attrs import field, frozen

from tieout.ledger.books.commodity import Commodity

CONTRA = ("Market", "Trading", "Memo")
"""Roots of the chart that other tools do not know. Exports have them under Equity."""


@frozen
class Alphabet:
    """The characters of a name: *first*, *inner* and *last*. All of *first* and *last* are in *inner*."""

    mark: str
    first: AbstractSet[str]
    inner: AbstractSet[str]
    last: AbstractSet[str]
    keywords: AbstractSet[str] = frozenset()
    _escape: re.Pattern[str] = field(init=False)

    @_escape.default
    def _pattern(self) -> re.Pattern[str]:
        mark = re.escape(self.mark)
        return re.compile(f"{mark}(?:{mark}|([0-9A-F]+)Z)")

    @property
    def front(self) -> str:
        """The prefix of a name with a first character that the tool refuses."""
        return f"X{self.mark}Z"

    def escape(self, name: str) -> str:
        """Write *name* in this alphabet."""
        end = len(name) - 1
        text = "".join(self._character(c, self.last if i == end else self.inner) for i, c in enumerate(name))
        needs_front = text[0] not in self.first or text in self.keywords
        return self.front + text if needs_front else text

    def unescape(self, text: str) -> str:
        """Restore the name that `escape` wrote."""
        while text.startswith(self.front):
            text = text.removeprefix(self.front)
        return self._escape.sub(lambda match: chr(int(match[1], 16)) if match[1] else self.mark, text)

    def symbols(self, commodities: Sequence[Commodity]) -> list[str]:
        """Write the symbol of each commodity. An instrument's is marked where a currency has the same."""
        currencies = {commodity.symbol for commodity in commodities if commodity.is_currency}
        return [
            self.front * (not c.is_currency and c.symbol in currencies) + self.escape(c.symbol)
            for c in commodities
        ]

    def path(self, path: str) -> str:
        """Write the path of an account in this alphabet, with contra accounts under Equity."""
        root, *parts = path.split(":")
        names = [self.escape(part) for part in parts]
        if root in CONTRA:
            return ":".join(("Equity", root, *names))
        if root == "Equity" and names[0] in CONTRA:
            names[0] = self.front + names[0]
        return ":".join((root, *names))

    def unpath(self, text: str) -> str:
        """Restore the path that `path` wrote."""
        root, *parts = text.split(":")
        if root == "Equity" and parts[0] in CONTRA:
            root, *parts = parts
        return ":".join((root, *map(self.unescape, parts)))

    def _character(self, character: str, alphabet: AbstractSet[str]) -> str:
        if character not in alphabet:
            return f"{self.mark}{ord(character):X}Z"
        return 2 * character if character == self.mark else character


_ALPHANUMERIC = frozenset(ascii_letters + digits)
_UPPER = frozenset(ascii_uppercase)
_PRINTABLE = (_ALPHANUMERIC | frozenset(punctuation)) - frozenset(';":')

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

QUOTED = Alphabet("\\", _PRINTABLE, _PRINTABLE, _PRINTABLE)
"""The parts of an account's name and, in quotation marks, commodities in hledger."""

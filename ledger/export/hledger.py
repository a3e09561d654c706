"""The journal in the format of hledger: https://hledger.org/1.25/hledger.html#journal-format.

A transaction has its number as code and its kind as payee. hledger keeps the cost of an amount but does not
match lots. A posting therefore names its lot in a tag, and ``hledger balance --pivot lot -B`` sums by it.
"""

from collections.abc import Iterator
from functools import cache

from tieout.ledger.export.entries import Entry, Layer, Posting, Price, Register
from tieout.ledger.export.names import QUOTED
from tieout.ledger.text import hledger_text, line


class Hledger:
    """A writer of a register and its entries as the text of hledger."""

    suffix = ".hledger"

    def __init__(self, register: Register) -> None:
        self._register = register
        self._symbols = [_quoted(text) for text in QUOTED.symbols(register.commodities)]
        self._account = cache(QUOTED.path)

    def preamble(self, layer: Layer) -> Iterator[str]:
        """Declare everything that the strict checks of hledger require."""
        register = self._register
        yield f"; tieout journal {line(register.run)}, {layer} layer"
        yield f"; head digest {line(register.head)}"
        yield "decimal-mark ."
        for commodity, symbol in zip(register.commodities, self._symbols, strict=True):
            yield f"commodity 1.{'0' * commodity.scale} {symbol}"
        for kind in register.kinds:
            yield f"payee {hledger_text(kind)}"
        for path in register.account_commodities(layer):
            yield f"account {self._account(path)}"

    def price(self, price: Price) -> str:
        """Write the worth of one unit at the end of a day, for ``hledger balance --value=end``."""
        money = self._symbols[self._register.currencies[price.commodity]]
        return f"P {price.day} {self._symbols[price.commodity]} {price.price:f} {money}"

    def entry(self, entry: Entry) -> Iterator[str]:
        """Write one transaction."""
        yield ""
        note = f" | {hledger_text(entry.note)}" if entry.note else ""
        yield f"{entry.day} ({entry.txn}) {hledger_text(entry.kind)}{note}"
        tags = "".join(f", {name}:{number}" for name, number in entry.references())
        yield f"    ; time:{entry.time}{tags}"
        for posting in entry.postings:
            yield f"    {self._account(posting.path)}  {self._amount(posting)}"

    def _amount(self, posting: Posting) -> str:
        amount = self._decimal(posting.commodity, posting.units)
        if posting.lot < 0:
            return amount
        lot = self._register.lots[posting.lot]
        cost = self._decimal(self._register.currencies[lot.instrument], abs(posting.cost))
        return f"{amount} @@ {cost}  ; lot:{posting.lot}, opened:{lot.day}"

    def _decimal(self, commodity: int, units: int) -> str:
        return f"{self._register.commodities[commodity].decimal(units):f} {self._symbols[commodity]}"


def _quoted(symbol: str) -> str:
    is_bare = symbol.isascii() and symbol.isalpha()
    return symbol if is_bare else f'"{symbol}"'

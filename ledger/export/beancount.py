"""The journal in the format of beancount: https://beancount.github.io/docs/beancount_language_syntax.html.

Dates have no time there, so the exact time is metadata beside the number of the transaction. Entries of one
day keep their order. Lots are booked strictly: each has its number as a label, so that a reduction matches
exactly one.
"""

from collections.abc import Iterator
from functools import cache

from tieout.ledger.export.entries import Entry, Layer, Posting, Price, Register
from tieout.ledger.export.names import CURRENCIES, PARTS
from tieout.ledger.text import beancount_string, line


class Beancount:
    """A writer of a register and its entries as the text of beancount."""

    suffix = ".beancount"

    def __init__(self, register: Register) -> None:
        self._register = register
        self._symbols = CURRENCIES.symbols(register.commodities)
        self._account = cache(PARTS.path)

    def preamble(self, layer: Layer) -> Iterator[str]:
        """Write options, commodities and accounts."""
        register = self._register
        yield f"; tieout journal {line(register.run)}, {layer} layer"
        yield f"; head digest {line(register.head)}"
        yield f'option "title" {beancount_string(f"tieout {register.run}")}'
        yield 'option "booking_method" "STRICT"'
        for commodity, symbol in zip(register.commodities, self._symbols, strict=True):
            if commodity.is_currency:
                yield f'option "operating_currency" "{symbol}"'
                # Half of the smallest amount. Amounts are whole units, so no difference is tolerated.
                yield f'option "inferred_tolerance_default" "{symbol}:{commodity.decimal(1) / 2:f}"'
        yield ""
        for commodity, symbol in zip(register.commodities, self._symbols, strict=True):
            yield f"{register.first_day} commodity {symbol}"
            yield f"  symbol: {beancount_string(commodity.symbol)}"
        yield ""
        for path, commodities in register.account_commodities(layer).items():
            symbols = ",".join(self._symbols[number] for number in commodities)
            yield f"{register.first_day} open {self._account(path)} {symbols}"

    def price(self, price: Price) -> str:
        """Write the worth of one unit at the end of a day, from which Fava draws market values."""
        money = self._symbols[self._register.currencies[price.commodity]]
        return f"{price.day} price {self._symbols[price.commodity]} {price.price:f} {money}"

    def entry(self, entry: Entry) -> Iterator[str]:
        """Write one transaction."""
        yield ""
        yield f"{entry.day} * {beancount_string(entry.kind)} {beancount_string(entry.note)}"
        yield f"  txn: {entry.txn}"
        yield f'  time: "{entry.time}"'
        for name, number in entry.references():
            yield f"  {name}: {number}"
        for posting in entry.postings:
            yield f"  {self._account(posting.path)}  {self._amount(posting)}"

    def _amount(self, posting: Posting) -> str:
        amount = self._decimal(posting.commodity, posting.units)
        if posting.lot < 0:
            return amount
        lot = self._register.lots[posting.lot]
        if not posting.is_new_total:
            return f'{amount} {{{lot.day}, "{posting.lot}"}}'
        cost = self._decimal(self._register.currencies[lot.instrument], abs(posting.cost))
        return f'{amount} {{{{{cost}, {lot.day}, "{posting.lot}"}}}}'

    def _decimal(self, commodity: int, units: int) -> str:
        return f"{self._register.commodities[commodity].decimal(units):f} {self._symbols[commodity]}"

"""The value of the books at given prices."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from tieout.ledger.books.arithmetic import NO_AMOUNT, notional
from tieout.ledger.books.arrays import Books
from tieout.ledger.books.chart import CARRYING, CASH, Chart
from tieout.ledger.books.commodity import Amount, Commodity
from tieout.ledger.errors import AmountOutOfRange, MissingMark, NotAnAmount


def positions(books: Books) -> dict[int, int]:
    """Units in lots by instrument, below zero when short. Futures have no lots and no market value."""
    lots = books.lots[books.lots["id"] >= 0]
    totals = np.zeros(books.commodities.size, np.int64)
    np.add.at(totals, lots["queue"] // 2, lots["quantity"])
    return {int(number): int(totals[number]) for number in np.flatnonzero(totals)}


class Statement(NamedTuple):
    """The parts of equity in one currency: the first four without the accounts that carry positions."""

    cash: int = 0
    restricted: int = 0
    receivable: int = 0
    liabilities: int = 0
    market_value: int = 0

    @property
    def equity(self) -> int:
        """The sum of all parts."""
        return sum(self)


def _part(path: str, kind: str, *, is_cash: bool) -> str:
    """Return the part of equity that an account belongs to."""
    if is_cash:
        return "cash"
    if kind == "liability":
        return "liabilities"
    return "restricted" if path.startswith("Assets:Margin:") else "receivable"


def money(books: Books, chart: Chart) -> dict[int, Statement]:
    """Return the parts of equity in each currency, without positions."""
    totals: dict[int, Statement] = {}
    for number, account in enumerate(chart.accounts):
        if account.type not in ("asset", "liability") or not chart.commodities[account.commodity].is_currency:
            continue
        parts = totals.setdefault(account.commodity, Statement())
        if account.instrument < 0 or number - chart.first[account.instrument] not in CARRYING:
            is_cash = number == chart.first[account.commodity] + CASH
            name = _part(account.path, account.type, is_cash=is_cash)
            amount = getattr(parts, name) + int(books.accounts[number].balance)
            totals[account.commodity] = parts._replace(**{name: amount})
    return totals


def statement(books: Books, chart: Chart, marks: Mapping[int, float]) -> dict[int, Statement]:
    """Return the parts of equity in each currency, with holdings at *marks*."""
    values = dict.fromkeys(range(len(chart.commodities)), 0)
    for number, quantity in positions(books).items():
        instrument = chart.commodities[number]
        if number not in marks:
            raise MissingMark(f"{instrument.symbol} is held and was never marked; mark it first")
        currency = chart.commodities.currency(instrument.currency)
        values[currency] += market_value(instrument, chart.commodities[currency], quantity, marks[number])
    return {
        currency: parts._replace(market_value=values[currency])
        for currency, parts in money(books, chart).items()
    }


def market_value(instrument: Commodity, currency: Commodity, quantity: int, price: float) -> int:
    """Value *quantity* units at *price*, in units of the currency, rounded once as a fill is."""
    ratio = 10.0**currency.scale / 10.0**instrument.scale
    value = notional(quantity, float(price), instrument.multiplier, ratio)
    if value == NO_AMOUNT:
        raise AmountOutOfRange(
            f"{instrument.decimal(quantity)} {instrument.symbol} at {price} does not fit into 64 bits"
        )
    return value


def cost(chart: Chart, symbol: str, quantity: Amount, price: float) -> Decimal:
    """Return the cost of *quantity* of an instrument at *price*."""
    instrument = chart.commodities[chart.commodities.instrument(symbol)]
    currency = chart.commodities[chart.commodities.currency(instrument.currency)]
    return currency.decimal(market_value(instrument, currency, instrument.units(quantity), price))


def price(value: object) -> float:
    """Return *value* as a price at which holdings are marked: zero or more."""
    try:
        price = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        price = float("nan")
    if not 0 <= price < float("inf"):
        raise NotAnAmount(f"a mark is a price of zero or more, not {value!r}")
    return price

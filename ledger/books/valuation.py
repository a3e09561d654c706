"""The value of the books at given prices."""

from collections.abc import Mapping
from decimal import Decimal

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


def money(books: Books, chart: Chart) -> dict[int, tuple[int, int]]:
    """Return cash and net assets by currency. Net assets leave out the accounts that carry positions."""
    totals: dict[int, tuple[int, int]] = {}
    for number, account in enumerate(chart.accounts):
        if account.type not in ("asset", "liability") or not chart.commodities[account.commodity].is_currency:
            continue
        balance = int(books.accounts[number].balance)
        cash, net = totals.get(account.commodity, (0, 0))
        if number == chart.first[account.commodity] + CASH:
            cash = balance
        if account.instrument < 0 or number - chart.first[account.instrument] not in CARRYING:
            net += balance
        totals[account.commodity] = (cash, net)
    return totals


def statement(books: Books, chart: Chart, marks: Mapping[int, float]) -> dict[int, tuple[int, int, int]]:
    """Cash, market value and equity by currency, with holdings at *marks*."""
    values = dict.fromkeys(range(len(chart.commodities)), 0)
    for number, quantity in positions(books).items():
        instrument = chart.commodities[number]
        if number not in marks:
            raise MissingMark(f"{instrument.symbol} is held and was never marked; mark it first")
        currency = chart.commodities.currency(instrument.currency)
        values[currency] += market_value(instrument, chart.commodities[currency], quantity, marks[number])
    return {
        currency: (cash, values[currency], net + values[currency])
        for currency, (cash, net) in money(books, chart).items()
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

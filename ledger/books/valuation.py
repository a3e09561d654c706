"""What the books say that everything is worth, at given prices."""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from tieout.ledger.books.arithmetic import NO_AMOUNT, notional
from tieout.ledger.books.arrays import Books
from tieout.ledger.books.chart import CARRYING, CASH, Chart
from tieout.ledger.books.commodity import Amount, Commodity
from tieout.ledger.errors import AmountOutOfRange, MissingMark


def held(books: Books) -> dict[int, int]:
    """Units in lots by instrument, below zero when short. Futures have no lots and no value of their own."""
    lots = books.lots[books.lots["id"] >= 0]
    totals = np.zeros(books.commodities.size, np.int64)
    np.add.at(totals, lots["queue"] // 2, lots["quantity"])
    return {int(number): int(totals[number]) for number in np.flatnonzero(totals)}


def money(books: Books, chart: Chart) -> dict[int, tuple[int, int]]:
    """Cash, and assets less liabilities without what positions are carried at, by currency."""
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
    worth = dict.fromkeys(range(len(chart.commodities)), 0)
    for number, quantity in held(books).items():
        instrument = chart.commodities[number]
        if number not in marks:
            raise MissingMark(f"{instrument.symbol} is held and was never marked; mark it first")
        currency = chart.commodities.number(instrument.currency)
        worth[currency] += market_value(instrument, chart.commodities[currency], quantity, marks[number])
    return {
        currency: (cash, worth[currency], net + worth[currency])
        for currency, (cash, net) in money(books, chart).items()
    }


def market_value(instrument: Commodity, currency: Commodity, quantity: int, price: float) -> int:
    """*quantity* units at *price* in units of the currency, rounded once as a fill is booked."""
    ratio = 10.0**currency.scale / 10.0**instrument.scale
    value = notional(quantity, float(price), instrument.multiplier, ratio)
    if value == NO_AMOUNT:
        raise AmountOutOfRange(
            f"{instrument.decimal(quantity)} {instrument.symbol} at {price} does not fit into 64 bits"
        )
    return value


def cost(chart: Chart, symbol: str, quantity: Amount, price: float) -> Decimal:
    """What *quantity* of an instrument costs at *price*."""
    instrument = chart.commodities[chart.commodities.instrument(symbol)]
    currency = chart.commodities[chart.commodities.number(instrument.currency)]
    return currency.decimal(market_value(instrument, currency, instrument.units(quantity), price))

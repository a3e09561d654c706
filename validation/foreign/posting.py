"""The compiled loop that posts another engine's fills as differences of its states.

Each trade and each charge has the engine's state before and after it, in floats. The loop rounds both states
to whole units and posts the difference, so nothing drifts.

It splits the money of a fill into its fee, rounded, its gross, the rounded quantity at the price, and a rest
that goes to `Expenses:Rounding`. For one fill the rest is at most the price of one unit of the instrument,
two units of money and 2**-50 of the cash. At a price of 50 that is 0.0000025 a fill, and a quarter of a
dollar in 100,000 fills if all go one way. At a price of 100,000 it is a tenth of a cent a fill. Where the
change of cash is further from quantity at price and fee, all of it is booked as gross. The journal then fails
the check of notionals, as it should.
"""

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from tieout.execution.kernels.booking import kind_of
from tieout.execution.kernels.orders import Basis
from tieout.ledger.books.arithmetic import NO_AMOUNT, notional, rounded
from tieout.ledger.books.arrays import STATUS, Books
from tieout.ledger.books.chart import CASH, COMMISSIONS, ROUNDING, UNITS
from tieout.ledger.books.events import flip
from tieout.ledger.books.kinds import KIND
from tieout.ledger.books.posting import begin, commit, move
from tieout.ledger.numeric import Int64s, Record, Records
from tieout.validation.foreign.compiled import entry, inlined
from tieout.validation.foreign.flows import book_charge, kind_booked
from tieout.validation.foreign.orders import EPSILON, ONE

MONEY, MONEY_SCALE = "USD", 6
CENTS = 10.0**MONEY_SCALE
RATIO = CENTS / ONE
"""Units of money per unit of an instrument at a price of one."""
SLACK = 2.0
"""Units of money: the sum of the roundings of two states of cash, of a fee and of a product."""

TRADE = np.dtype(
    [
        ("bar", "i8"),
        ("column", "i8"),
        ("order", "i8"),  # counted from 0 as orders were placed
        ("quantity_before", "f8"),  # position in the instrument
        ("quantity_after", "f8"),
        ("cash_before", "f8"),
        ("cash_after", "f8"),
        ("fee", "f8"),  # below zero: a rebate
        ("price", "f8"),
    ]
)
"""A fill as the states of the engine before and after it. Rows are in the sequence of events."""
CHARGE = np.dtype(
    [
        ("bar", "i8"),
        ("column", "i8"),  # -1: of the account
        ("trade", "i8"),  # the row of the trade after it
        ("kind", "i8"),  # a Kind, or FEE, TAX, OTHER of flows. Cash tells interest paid from received
        ("cash_before", "f8"),
        ("cash_after", "f8"),
    ]
)
"""Money that moved without a fill: interest on short or long positions, and other payments."""


class Stop(IntEnum):
    """Reasons why a row cannot be booked, beside the statuses of the ledger."""

    STATE = 101
    PRICE = 102
    CASH_APART = 103
    UNITS_APART = 104
    FEE = 105
    MONEY = 106


# numba freezes members of an IntEnum only as plain integers.
_NO_STATE, _NO_PRICE, _NO_FEE = int(Stop.STATE), int(Stop.PRICE), int(Stop.FEE)
_CASH_APART, _UNITS_APART, _NO_MONEY = int(Stop.CASH_APART), int(Stop.UNITS_APART), int(Stop.MONEY)
_QUANTITY, _AMOUNT = int(Basis.QUANTITY), int(Basis.AMOUNT)

PROGRESS = np.dtype(
    [
        ("fills", "i8"),
        ("status", "i8"),
        ("row", "i8"),  # the trade or charge that cannot be booked
        ("is_charge", "i8"),
        ("balance", "i8"),  # in units, of the books
    ]
)


class Batch(NamedTuple):
    """Arguments of the loop."""

    trades: Records
    charges: Records
    timestamp: Int64s
    instruments: Int64s  # commodity by column
    orders: Int64s  # row of the table orders by trade
    cash: Int64s  # the engine's cash, rounded: one for all columns or one per column
    extra_accounts: tuple[int, int, int]  # of `EXTRA_ACCOUNTS`
    fills: Records  # out
    progress: Records  # out, one row


@entry
def perform(books: Books, batch: Batch) -> None:
    """Post all charges and trades in sequence. Stops at the first that cannot be booked."""
    charge_row = 0
    for i in range(batch.trades.size + 1):
        while charge_row < batch.charges.size and batch.charges[charge_row].trade <= i:
            _charge(books, batch, charge_row)
            charge_row += 1
        if i < batch.trades.size:
            _trade(books, batch, i)
        if batch.progress[0].status != STATUS.POSTED:
            return


@inlined
def _trade(books: Books, batch: Batch, i: int) -> None:
    """Post a fill as the difference of two states."""
    progress, trade = batch.progress[0], batch.trades[i]
    if progress.status != STATUS.POSTED:
        return
    units_before, units_after = rounded(trade.quantity_before * ONE), rounded(trade.quantity_after * ONE)
    payment = _payment(batch, trade.column, trade.cash_before, trade.cash_after, i, 0)
    commodity = batch.instruments[trade.column]
    position = books.accounts[books.commodities[commodity].first + UNITS].balance
    fee = rounded(trade.fee * CENTS)
    if NO_AMOUNT in (units_before, units_after):
        _stop(progress, _NO_STATE, i, 0, 0)
    elif fee == NO_AMOUNT:
        _stop(progress, _NO_FEE, i, 0, 0)
    elif units_before != position:
        _stop(progress, _UNITS_APART, i, 0, position)
    elif units_after != units_before and not 0.0 <= trade.price < math.inf:
        _stop(progress, _NO_PRICE, i, 0, 0)
    if progress.status != STATUS.POSTED:
        return
    if units_after == units_before:
        _move_money(books, batch, i, payment, fee)
    else:
        _fill(books, batch, i, units_after - units_before, payment, fee)


@inlined
def _room_for_rounding(trade: Record, gross: int) -> float:
    """Return the largest difference between money and quantity at price that rounding explains."""
    size = abs(trade.cash_before) * CENTS + abs(trade.cash_after) * CENTS + abs(gross)
    return float(trade.price * RATIO + SLACK + size * EPSILON)


@inlined
def _fill(books: Books, batch: Batch, i: int, quantity: int, payment: int, fee: int) -> None:
    """Post a fill of *quantity*, for which cash went down by *paid*, and record it."""
    progress, trade = batch.progress[0], batch.trades[i]
    commodity, order = batch.instruments[trade.column], batch.orders[i]
    position = books.accounts[books.commodities[commodity].first + UNITS].balance
    money = books.commodities[commodity].money
    side = 1 if quantity > 0 else -1
    gross = side * (payment - fee)
    product = notional(abs(quantity), trade.price, 1.0, RATIO)
    rest, basis = 0, _AMOUNT
    if product != NO_AMOUNT and abs(gross - product) <= _room_for_rounding(trade, gross):
        rest, gross, basis = side * (gross - product), product, _QUANTITY
    elif gross < 0:
        gross, fee = 0, payment  # cash moved in the direction opposite to any trade
    begin(
        books, batch.timestamp[trade.bar], kind_of(position, quantity), commodity, order, progress.fills, -1
    )
    flip(books, commodity, quantity, gross, fee, True)  # noqa: FBT003  compiled code has no keywords
    move(books, money + ROUNDING, money + CASH, rest)
    status = commit(books)
    if status != STATUS.POSTED:
        _stop(progress, status, i, 0, 0)
        return

    # From here on nothing may fail.
    row = batch.fills[progress.fills]
    row.order_id = order
    row.timestamp = batch.timestamp[trade.bar]
    row.instrument = commodity
    row.side = side
    row.quantity = abs(quantity)
    row.price = trade.price
    row.reference_price = trade.price
    row.commission = fee
    row.basis = basis
    progress.fills += 1


@inlined
def _move_money(books: Books, batch: Batch, i: int, payment: int, fee: int) -> None:
    """Post the cost of a fill of less than a unit: its fee, and a rest below the price of a unit."""
    if payment == 0:
        return
    trade = batch.trades[i]
    if payment != fee and not abs(payment - fee) <= _room_for_rounding(trade, 0):  # nor at a price of NaN
        _stop(batch.progress[0], _NO_MONEY, i, 0, payment)
        return
    commodity = batch.instruments[trade.column]
    first = books.commodities[commodity].money
    begin(books, batch.timestamp[trade.bar], KIND.GENERAL, commodity, batch.orders[i], -1, -1)
    move(books, first + COMMISSIONS, first + CASH, fee)
    move(books, first + ROUNDING, first + CASH, payment - fee)
    status = commit(books)
    if status != STATUS.POSTED:
        _stop(batch.progress[0], status, i, 0, 0)


@inlined
def _charge(books: Books, batch: Batch, i: int) -> None:
    """Post money that moved without a fill."""
    progress, charge = batch.progress[0], batch.charges[i]
    if progress.status != STATUS.POSTED:
        return
    payment = _payment(batch, max(charge.column, 0), charge.cash_before, charge.cash_after, i, 1)
    if progress.status != STATUS.POSTED or payment == 0:
        return
    commodity = batch.instruments[charge.column] if charge.column >= 0 else -1
    begin(books, batch.timestamp[charge.bar], kind_booked(charge.kind, payment), commodity, -1, -1, -1)
    book_charge(books, batch.extra_accounts, charge.kind, commodity, payment)
    status = commit(books)
    if status != STATUS.POSTED:
        _stop(progress, status, i, 1, 0)


@inlined
def _payment(batch: Batch, column: int, before: float, after: float, row: int, is_charge: int) -> int:
    """Return the rounded cash that a row takes, and update the engine's cash in the batch."""
    money_before, money_after = rounded(before * CENTS), rounded(after * CENTS)
    place = column if batch.cash.size > 1 else 0
    if NO_AMOUNT in (money_before, money_after):
        _stop(batch.progress[0], _NO_STATE, row, is_charge, 0)
    elif money_before != batch.cash[place]:
        _stop(batch.progress[0], _CASH_APART, row, is_charge, batch.cash[place])
    else:
        batch.cash[place] = money_after
    return money_before - money_after


@inlined
def _stop(progress: Record, status: int, row: int, is_charge: int, balance: int) -> None:
    """Stop at *row*. A batch that has stopped keeps its first reason."""
    if progress.status == STATUS.POSTED:
        progress.status = status
        progress.row = row
        progress.is_charge = is_charge
        progress.balance = balance

"""What any engine did, as a real journal: the differences of its states, rounded, in the books.

Another engine carries floats: a position, cash. Each of them is rounded to whole units, instruments to 8
decimals and money to 6, half to even (`numpy.rint`); what is booked for a fill is the rounded state after it
less the rounded state before it. Nothing drifts and no dust stays: after every fill, units and cash in the
books are the engine's own, rounded. Cash in the books is `Assets:Cash` and the proceeds of short sales set
aside, `Assets:Margin:ShortProceeds`, which no engine here keeps apart.

The money of a fill is taken apart like this: its fee, rounded; its gross, the rounded quantity at the price,
as our own fills are; and what is left of the change of cash, to `Expenses:Rounding`. That is what rounding
may come to, and is never more: for one fill the price of one unit of the instrument, two units of money, and
2**-50 of the cash. At a price of 50 that is 0.0000025 a fill, and a quarter of a dollar in 100,000 of them if
all go one way; at a price of 100,000 it is a tenth of a cent a fill. Where the change of cash is further from
quantity at price and fee, all that is left is booked as gross, and the journal fails the check of notionals,
as it should. So a journal that verifies says that the engine's cash is what its fills say.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from tieout.execution.kernels.booking import kind_of
from tieout.execution.kernels.orders import Basis
from tieout.execution.kernels.state import FILL
from tieout.execution.records import RECORDS
from tieout.ledger.books.arithmetic import NO_AMOUNT, notional, rounded
from tieout.ledger.books.arrays import Books, Record, Records, Status, records
from tieout.ledger.books.chart import CASH, COMMISSIONS, ROUNDING, SHORT_PROCEEDS, UNITS
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import deposit, flip
from tieout.ledger.books.kinds import Kind
from tieout.ledger.books.layout import Layout
from tieout.ledger.books.posting import begin, commit, move
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal
from tieout.ledger.moment import iso
from tieout.validation.foreign.compiled import entry, leaf
from tieout.validation.foreign.flows import FEE, OWN_ACCOUNTS, book_charge, kind_booked
from tieout.validation.foreign.orders import (
    EPSILON,
    ONE,
    ORDER,
    SCALE,
    BookingRefused,
    Orders,
    orders_of,
    rows,
    times,
)
from tieout.validation.foreign.outcome import Refusal

__all__ = [
    "CHARGE",
    "ORDER",
    "TRADE",
    "Booked",
    "BookingRefused",
    "book",
    "charges_of",
    "orders_of",
    "trades_of",
]

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]


MONEY, MONEY_SCALE = "USD", 6
CENTS = 10.0**MONEY_SCALE
RATIO = CENTS / ONE
"""Units of money for a unit of an instrument at a price of one."""
SLACK = 2.0
"""Units of money that the roundings of two states of cash, of a fee and of a product may add up to."""

TRADE = np.dtype(
    [
        ("bar", "i8"),
        ("column", "i8"),
        ("order", "i8"),  # counted from 0 as orders were given
        ("quantity_before", "f8"),  # what was held of the instrument
        ("quantity_after", "f8"),
        ("cash_before", "f8"),
        ("cash_after", "f8"),
        ("fee", "f8"),  # below zero: a rebate
        ("price", "f8"),
    ]
)
"""A fill as the states of the engine before and after it. Rows are in the order in which they happened."""
CHARGE = np.dtype(
    [
        ("bar", "i8"),
        ("column", "i8"),  # -1: of the account
        ("trade", "i8"),  # the row of the trades that it comes before
        ("kind", "i8"),  # a Kind, or FEE, TAX, OTHER of charges; of interest paid or received, cash tells
        ("cash_before", "f8"),
        ("cash_after", "f8"),
    ]
)
"""Money that moved without a fill: interest on what is short, or long; what an account paid and received."""
_LOWEST_ROOM = 1024
_MOST = 2.0**62
"""Units of money that a statement can hold, with as much cash again."""
_POSTED = int(Status.POSTED)


class _Stop(IntEnum):
    """Why a row cannot be booked, beside what the ledger refuses."""

    STATE = 101
    PRICE = 102
    CASH_APART = 103
    UNITS_APART = 104
    FEE = 105
    MONEY = 106


# numba freezes members of an IntEnum only as plain integers.
_NO_STATE, _NO_PRICE, _NO_FEE = int(_Stop.STATE), int(_Stop.PRICE), int(_Stop.FEE)
_CASH_APART, _UNITS_APART, _NO_MONEY = int(_Stop.CASH_APART), int(_Stop.UNITS_APART), int(_Stop.MONEY)
_GENERAL = int(Kind.GENERAL)
_QUANTITY, _AMOUNT = int(Basis.QUANTITY), int(Basis.AMOUNT)

_DONE = np.dtype(
    [
        ("fills", "i8"),
        ("status", "i8"),
        ("row", "i8"),  # the trade, or charge, that stopped it
        ("is_charge", "i8"),
        ("here", "i8"),  # what the books have, in units
    ]
)


class _Batch(NamedTuple):
    """What the loop is given."""

    trades: Records
    charges: Records
    timestamp: Int64s
    instruments: Int64s  # commodity by column
    orders: Int64s  # row of the table orders by trade
    cash: Int64s  # the engine's own, rounded: one for all columns or one for each
    own: tuple[int, int, int]  # the accounts of what has no event
    fills: Records  # out
    done: Records  # out, one row


@frozen(eq=False)
class Booked:
    """A journal in memory, or in a file, and what its transfers add up to at the end of each bar.

    *timestamp* are the ends of the bars, int64[bars] nanoseconds. *cash* and *value* are float64[bars],
    *units* int64[bars, columns]. *fills* are the rows of the table fill, as `execution.kernels.state.FILL`.
    """

    journal: Journal
    timestamp: Int64s
    cash: Floats
    value: Floats
    units: Int64s
    fills: Records


def trades_of(count: int) -> Records:
    """Room for *count* trades."""
    return records(count, TRADE)


def charges_of(count: int) -> Records:
    """Room for *count* charges."""
    return records(count, CHARGE)


def book(  # noqa: PLR0913, PLR0917  one engine's whole account
    timestamp: ArrayLike,
    symbols: Sequence[str],
    opening_cash: float | Floats,
    trades: Records,
    prices: Floats,
    charges: Records | None = None,
    orders: Records | None = None,
    refusals: Sequence[Refusal] = (),
    *,
    path: Path | None = None,
    spec: Mapping[str, Any] | None = None,
    may_be_overdrawn: bool = True,
    is_stated: bool = True,
    stale: NDArray[np.bool_] | None = None,
) -> Booked:
    """Book what an engine did, in memory or in a new file at *path*.

    *timestamp* are the ends of the bars, rising, int64 nanoseconds or datetime64. *opening_cash* is one
    sum, or one for each column where columns do not share cash. *trades* are rows of `TRADE`,
    *charges* of `CHARGE`, *orders* of `ORDER`; *prices* are float64[bars, columns] at which holdings are valued, NaN where there is
    none yet, and *stale* which of them are carried on from a bar before. Without *is_stated* there are no
    marks and no statements.
    Raises `BookingRefused` where a state is no number, or is not the one that the trade before it left.
    """
    moments = np.ascontiguousarray(timestamp).astype("M8[ns]").view(np.int64)
    trades, charges = rows(trades, TRADE), rows(charges, CHARGE)
    opening = np.atleast_1d(np.asarray(opening_cash, np.float64))
    shape = (moments.size, len(symbols))
    _require(shape, opening, prices, (trades, charges))
    asked = Orders.of(trades, rows(orders, ORDER), refusals, moments)
    room = max(_LOWEST_ROOM, 13 * trades.size + 3 * charges.size + 1)  # as many transfers as there may be
    run = Run(
        spec=spec or {"states of": "another engine"},
        fingerprints=lambda: {
            "trades": _digest(trades),
            "charges": _digest(charges),
            "prices": _digest(prices),
        },
        policies=Policies(
            may_be_overdrawn=frozenset([f"Assets:Cash:{MONEY}"] if may_be_overdrawn else []),
            block_transfers=room,
        ),
    )
    journal = Journal.create(path, _layout(tuple(symbols), run.policies.may_be_overdrawn), run, [RECORDS])
    try:
        fills = _post(journal, moments, trades, charges, opening, asked)
        asked.record(journal, moments)
        _record(journal, fills)
        cash, at_hand, units = _folded(journal, moments, len(symbols))
        if is_stated:
            bar, column = np.nonzero(units)
            _mark(journal, moments, np.asarray(prices, np.float64), (bar, column), stale)
            _state(journal, moments, np.asarray(prices, np.float64), cash, at_hand, units)
    except BaseException:
        journal.discard()
        raise
    worth = np.where(units != 0, units * np.asarray(prices, np.float64), 0.0)
    value = cash / CENTS + worth.sum(axis=1) / ONE
    return Booked(journal, moments, cash / CENTS, value, units, fills)


# --- the loop ------------------------------------------------------------------------------------------


@entry
def perform(books: Books, batch: _Batch) -> None:
    """Post all charges and trades in their order; stops at the first that cannot be."""
    given = 0
    for i in range(batch.trades.size + 1):
        while given < batch.charges.size and batch.charges[given].trade <= i:
            _charge(books, batch, given)
            given += 1
        if i < batch.trades.size:
            _trade(books, batch, i)
        if batch.done[0].status != _POSTED:
            return


@leaf
def _trade(books: Books, batch: _Batch, i: int) -> None:
    """Post a fill as the difference of two states."""
    done, trade = batch.done[0], batch.trades[i]
    if done.status != _POSTED:
        return
    had, has = rounded(trade.quantity_before * ONE), rounded(trade.quantity_after * ONE)
    paid = _paid(batch, trade.column, trade.cash_before, trade.cash_after, i, 0)
    commodity = batch.instruments[trade.column]
    held = books.accounts[books.commodities[commodity].first + UNITS].balance
    fee = rounded(trade.fee * CENTS)
    if NO_AMOUNT in (had, has):
        _stop(done, _NO_STATE, i, 0, 0)
    elif fee == NO_AMOUNT:
        _stop(done, _NO_FEE, i, 0, 0)
    elif had != held:
        _stop(done, _UNITS_APART, i, 0, held)
    elif has != had and not 0.0 <= trade.price < math.inf:
        _stop(done, _NO_PRICE, i, 0, 0)
    if done.status != _POSTED:
        return
    if has == had:
        _move_money(books, batch, i, paid, fee)
    else:
        _fill(books, batch, i, has - had, paid, fee)


@leaf
def _room_for_rounding(trade: Record, gross: int) -> float:
    """How far the money of a trade may be from its quantity at its price, and be that rounded."""
    size = abs(trade.cash_before) * CENTS + abs(trade.cash_after) * CENTS + abs(gross)
    return float(trade.price * RATIO + SLACK + size * EPSILON)


@leaf
def _fill(books: Books, batch: _Batch, i: int, quantity: int, paid: int, fee: int) -> None:
    """Post a fill of *quantity*, for which cash went down by *paid*, and record it."""
    done, trade = batch.done[0], batch.trades[i]
    commodity, order = batch.instruments[trade.column], batch.orders[i]
    had = books.accounts[books.commodities[commodity].first + UNITS].balance
    money = books.commodities[commodity].money
    side = 1 if quantity > 0 else -1
    gross = side * (paid - fee)
    wanted = notional(abs(quantity), trade.price, 1.0, RATIO)
    left, basis = 0, _AMOUNT
    if wanted != NO_AMOUNT and abs(gross - wanted) <= _room_for_rounding(trade, gross):
        left, gross, basis = side * (gross - wanted), wanted, _QUANTITY
    elif gross < 0:
        gross, fee = 0, paid  # money went the way that no trade at a price takes it
    begin(books, batch.timestamp[trade.bar], kind_of(had, quantity), commodity, order, done.fills, -1)
    flip(books, commodity, quantity, gross, fee, True)  # noqa: FBT003  compiled code has no keywords
    move(books, money + ROUNDING, money + CASH, left)
    status = commit(books)
    if status != _POSTED:
        _stop(done, status, i, 0, 0)
        return

    # From here on nothing may fail.
    row = batch.fills[done.fills]
    row.order_id = order
    row.timestamp = batch.timestamp[trade.bar]
    row.instrument = commodity
    row.side = side
    row.quantity = abs(quantity)
    row.price = trade.price
    row.reference_price = trade.price
    row.commission = fee
    row.basis = basis
    done.fills += 1


@leaf
def _move_money(books: Books, batch: _Batch, i: int, paid: int, fee: int) -> None:
    """Post what a fill of less than a unit cost: its fee, and the rest, no more than a unit costs."""
    if paid == 0:
        return
    trade = batch.trades[i]
    if paid != fee and not abs(paid - fee) <= _room_for_rounding(trade, 0):  # nor at a price of NaN
        _stop(batch.done[0], _NO_MONEY, i, 0, paid)
        return
    commodity = batch.instruments[trade.column]
    first = books.commodities[commodity].money
    begin(books, batch.timestamp[trade.bar], _GENERAL, commodity, batch.orders[i], -1, -1)
    move(books, first + COMMISSIONS, first + CASH, fee)
    move(books, first + ROUNDING, first + CASH, paid - fee)
    status = commit(books)
    if status != _POSTED:
        _stop(batch.done[0], status, i, 0, 0)


@leaf
def _charge(books: Books, batch: _Batch, i: int) -> None:
    """Post money that moved without a fill."""
    done, charge = batch.done[0], batch.charges[i]
    if done.status != _POSTED:
        return
    paid = _paid(batch, max(charge.column, 0), charge.cash_before, charge.cash_after, i, 1)
    if done.status != _POSTED or paid == 0:
        return
    commodity = batch.instruments[charge.column] if charge.column >= 0 else -1
    begin(books, batch.timestamp[charge.bar], kind_booked(charge.kind, paid), commodity, -1, -1, -1)
    book_charge(books, batch.own, charge.kind, commodity, paid)
    status = commit(books)
    if status != _POSTED:
        _stop(done, status, i, 1, 0)


@leaf
def _paid(batch: _Batch, column: int, before: float, after: float, row: int, is_charge: int) -> int:
    """What a row took out of the engine's cash, rounded, which then stands at what it left."""
    had, has = rounded(before * CENTS), rounded(after * CENTS)
    place = column if batch.cash.size > 1 else 0
    if NO_AMOUNT in (had, has):
        _stop(batch.done[0], _NO_STATE, row, is_charge, 0)
    elif had != batch.cash[place]:
        _stop(batch.done[0], _CASH_APART, row, is_charge, batch.cash[place])
    else:
        batch.cash[place] = has
    return had - has


@leaf
def _stop(done: Record, status: int, row: int, is_charge: int, here: int) -> None:
    """Stop at *row*, unless stopped already: the first reason is the one told."""
    if done.status == _POSTED:
        done.status = status
        done.row = row
        done.is_charge = is_charge
        done.here = here


def _post(
    journal: Journal, timestamp: Int64s, trades: Records, charges: Records, opening: Floats, asked: "Orders"
) -> Records:
    """Post everything; the rows of the table fill."""
    room = journal.run.policies.block_transfers
    own = (-1, -1, -1)
    if np.any(charges["kind"] >= FEE):
        fees, received, paid = (journal.open_account(path, MONEY) for path in OWN_ACCOUNTS)
        own = fees, received, paid
    journal.ensure_capacity(transfers=room, txns=trades.size + charges.size + 1, lots=trades.size + 1)
    standing = np.rint(opening * CENTS).astype(np.int64)
    if standing.sum():
        journal.post(
            int(timestamp[0]), deposit, MONEY, str(journal.commodities[0].decimal(int(standing.sum())))
        )
    numbers = np.arange(1, len(journal.commodities), dtype=np.int64)
    fills, done = records(trades.size, FILL), records(1, _DONE)
    batch = _Batch(
        trades, charges, timestamp, numbers, asked.rows_of(trades["order"]), standing, own, fills, done
    )
    perform(journal.books, batch)
    if done[0].status != _POSTED:
        raise BookingRefused(_told(journal, batch))
    return fills[: done[0].fills]


def _told(journal: Journal, batch: _Batch) -> str:
    """Why a row cannot be booked."""
    done = batch.done[0]
    row = (batch.charges if done.is_charge else batch.trades)[done.row]
    symbol = (
        journal.commodities[int(batch.instruments[row.column])].symbol if row.column >= 0 else "the account"
    )
    where = f"{'charge' if done.is_charge else 'trade'} {done.row}, of {symbol} at bar {row.bar}"
    match int(done.status):
        case _Stop.STATE:
            states = ", ".join(f"{name} {row[name]}" for name in row.dtype.names if "_" in name)
            return f"{where}: a state is no number that can be booked: {states}"
        case _Stop.PRICE:
            return f"{where}: units changed hands at a price of {row.price}"
        case _Stop.CASH_APART:
            return f"{where}: starts from cash {row.cash_before}, the rows before it left {done.here / CENTS}"
        case _Stop.UNITS_APART:
            return f"{where}: starts from {row.quantity_before}, the rows before it left {done.here / ONE}"
        case _Stop.FEE:
            return f"{where}: the fee is {row.fee}"
        case _Stop.MONEY:
            return f"{where}: cash went down by {done.here / CENTS} for less than a unit at {row.price}"
        case status:
            return f"{where}: the ledger refuses it: {Status(status).name.lower().replace('_', ' ')}"


def _record(journal: Journal, fills: Records) -> None:
    """Add the rows of the table fill."""
    names = FILL.names or ()
    columns = {name: np.ascontiguousarray(fills[name]) for name in names}
    columns["timestamp"] = columns["timestamp"].view("M8[ns]")
    journal.add("fill", columns)


# --- what the transfers add up to ------------------------------------------------------------------------


def _folded(journal: Journal, timestamp: Int64s, columns: int) -> tuple[Int64s, Int64s, Int64s]:
    """Cash, cash without short proceeds, and units[bars, columns] at the end of each bar, from transfers."""
    books = journal.books
    state = books.state[0]
    txns, transfers = books.txns[: state.txns], books.transfers[: state.transfers]
    bar = np.searchsorted(timestamp, txns["timestamp"])
    bar = np.repeat(bar, np.diff(np.append(txns["first"], transfers.size)))
    amount = np.ascontiguousarray(transfers["amount"])
    first = np.array(journal.chart.first)
    is_hand, is_cash = np.zeros((2, books.accounts.size), bool)
    is_hand[first[0] + CASH] = True
    is_cash[np.append(first[1:] + SHORT_PROCEEDS, first[0] + CASH)] = True
    column = np.full(books.accounts.size, -1, np.int64)
    column[first[1:] + UNITS] = np.arange(columns)
    cash, at_hand = np.zeros((2, timestamp.size), np.int64)
    units = np.zeros((timestamp.size, columns), np.int64)
    for side, sign in (("debit", 1), ("credit", -1)):
        account = transfers[side]
        for total, counts in ((cash, is_cash), (at_hand, is_hand)):
            there = counts[account]
            np.add.at(total, bar[there], sign * amount[there])
        place = column[account]
        there = place >= 0
        np.add.at(units, (bar[there], place[there]), sign * amount[there])
    cash, at_hand, units = cash.cumsum(), at_hand.cumsum(), units.cumsum(axis=0)
    # Two means, one result: what the loop kept running, and what its transfers add up to.
    running = books.accounts["balance"]
    assert at_hand[-1] == running[is_hand].sum()
    assert cash[-1] == running[is_cash].sum()
    assert np.array_equal(units[-1], running[first[1:] + UNITS])
    return cash, at_hand, units


def _mark(
    journal: Journal,
    timestamp: Int64s,
    prices: Floats,
    held: tuple[Int64s, Int64s],
    stale: NDArray[np.bool_] | None,
) -> None:
    """Add a mark for all that is held, at every bar."""
    bar, column = held
    price = prices[held]
    if np.any(wrong := ~(price >= 0)):
        at = int(np.flatnonzero(wrong)[0])
        symbol = journal.commodities[int(column[at]) + 1].symbol
        raise BookingRefused(
            f"{symbol} is held at {iso(int(timestamp[bar[at]]))}, and its price there is {price[at]}"
        )
    is_stale = np.zeros(bar.size, bool) if stale is None else stale[held]
    journal.add(
        "mark",
        {"timestamp": times(timestamp, bar), "instrument": column + 1, "price": price, "stale": is_stale},
    )


def _state(
    journal: Journal, timestamp: Int64s, prices: Floats, cash: Int64s, at_hand: Int64s, units: Int64s
) -> None:
    """Add a statement at every bar."""
    bar, column = np.nonzero(units)
    price = prices[bar, column]
    # As the ledger rounds a product: float64, left to right, half to even.
    worth = np.rint(units[bar, column].astype(np.float64) * price * 1.0 * RATIO)
    whole = np.bincount(bar, np.abs(worth), timestamp.size)
    if not np.all(whole < _MOST):
        at = int(np.argmax(~(whole < _MOST)))
        raise BookingRefused(f"what is held at {iso(int(timestamp[at]))} is worth more than books can hold")
    market_value = np.zeros(timestamp.size, np.int64)
    np.add.at(market_value, bar, worth.astype(np.int64))
    state = journal.books.state[0]
    dated = journal.books.txns[: state.txns]["timestamp"]
    journal.add(
        "statement",
        {
            "timestamp": timestamp.view("M8[ns]"),
            "txn": np.searchsorted(dated, timestamp, "right") - 1,
            "currency": np.zeros(timestamp.size, np.int64),
            "cash": at_hand,
            "market_value": market_value,
            "equity": cash + market_value,
        },
    )


# --- at the door -------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _layout(symbols: tuple[str, ...], may_be_overdrawn: frozenset[str]) -> Layout:
    """Lay out books of dollars and instruments; many books of the same share one layout."""
    commodities = [currency(MONEY, MONEY_SCALE), *(instrument(s, scale=SCALE) for s in symbols)]
    return Layout.of(commodities, may_be_overdrawn=may_be_overdrawn)


def _require(shape: tuple[int, int], opening: Floats, prices: Floats, rows: tuple[Records, Records]) -> None:
    """Refuse what does not fit together."""
    if np.shape(prices) != shape:
        raise BookingRefused(
            f"prices are of shape {np.shape(prices)}, not of {shape[0]} bars and {shape[1]} columns"
        )
    if opening.size not in (1, shape[1]):
        raise BookingRefused(f"opening cash is given for {opening.size} columns of {shape[1]}")
    if not np.all(opening >= 0) or not np.all(np.isfinite(opening)):
        raise BookingRefused(f"opening cash is {', '.join(map(str, opening.tolist()))}")
    for name, table, lowest in (("trade", rows[0], 0), ("charge", rows[1], -1)):
        bar, column = table["bar"], table["column"]
        if np.any((bar < 0) | (bar >= shape[0]) | (column < lowest) | (column >= shape[1])):
            raise BookingRefused(f"a {name} is outside of the {shape[0]} bars and {shape[1]} columns")
        if np.any(np.diff(bar) < 0):
            at = int(np.flatnonzero(np.diff(bar) < 0)[0]) + 1
            raise BookingRefused(f"{name} {at} is at bar {bar[at]}, before the one before it")


def _digest(array: Any) -> str:
    """SHA-256 of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()

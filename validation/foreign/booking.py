"""The fills of any engine, booked as a journal.

Another engine carries floats: positions and cash. They are rounded to whole units, instruments to 8 decimals
and money to 6, half to even (`numpy.rint`). Each fill is booked as the rounded state after it less the
rounded state before it (see `foreign.posting`). After every fill, units and cash in the books are the
engine's own, rounded. So the engine's cash agrees with its fills if the journal verifies.

Cash in the books is `Assets:Cash` plus the proceeds of short sales, `Assets:Margin:ShortProceeds`, which no
other engine here keeps apart.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from tieout.execution.data.bars import dates
from tieout.execution.kernels.state import FILL
from tieout.execution.records import RECORDS
from tieout.ledger.books.arrays import STATUS, Status, records
from tieout.ledger.books.chart import CASH, SHORT_PROCEEDS, UNITS
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import deposit
from tieout.ledger.books.layout import Layout
from tieout.ledger.errors import OutOfBalance
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal
from tieout.ledger.moment import DAY, iso
from tieout.ledger.numeric import Floats, Int64s, Records
from tieout.validation.foreign.flows import EXTRA_ACCOUNTS, FEE
from tieout.validation.foreign.orders import ONE, ORDER, SCALE, BookingRefused, Orders, orders_of, rows, times
from tieout.validation.foreign.outcome import Refusal
from tieout.validation.foreign.posting import (
    CENTS,
    CHARGE,
    MONEY,
    MONEY_SCALE,
    PROGRESS,
    RATIO,
    TRADE,
    Batch,
    Stop,
    perform,
)

__all__ = [
    "CENTS",
    "CHARGE",
    "MONEY",
    "MONEY_SCALE",
    "ORDER",
    "TRADE",
    "Booked",
    "BookingRefused",
    "book",
    "charges_of",
    "orders_of",
    "trades_of",
]


_LOWEST_ROOM = 1024
_MOST = 2.0**62
"""Units of money that a statement can hold, with as much cash again."""


@frozen(eq=False)
class Booked:
    """A journal in memory or in a file, and the sums of its transfers at the end of each bar.

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
    """Return empty rows for *count* trades."""
    return records(count, TRADE)


def charges_of(count: int) -> Records:
    """Return empty rows for *count* charges."""
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
    has_statements: bool = True,
    stale: NDArray[np.bool_] | None = None,
) -> Booked:
    """Book the fills of an engine, in memory or in a new file at *path*.

    *timestamp* are the ends of the bars, rising, int64 nanoseconds or datetime64. *opening_cash* is one sum,
    or one per column if columns do not share cash. *trades* are rows of `TRADE`, *charges* of `CHARGE`,
    *orders* of `ORDER`. *prices*, float64[bars, columns], value the positions, and are NaN before the first.
    *stale* marks prices that are carried over from an earlier bar. Without *has_statements* there are no
    marks and no statements.

    Raises `BookingRefused` if a state is not a number, or differs from the state that the
    trade before it left.
    """
    moments = np.ascontiguousarray(timestamp).astype("M8[ns]").view(np.int64)
    trades, charges = rows(trades, TRADE), rows(charges, CHARGE)
    opening = np.atleast_1d(np.asarray(opening_cash, np.float64))
    shape = (moments.size, len(symbols))
    _require(shape, opening, prices, (trades, charges))
    engine_orders = Orders.of(trades, rows(orders, ORDER), refusals, moments)
    room = max(_LOWEST_ROOM, 13 * trades.size + 3 * charges.size + 1)  # the largest number of transfers
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
        fills = _post(journal, moments, trades, charges, opening, engine_orders)
        engine_orders.record(journal, moments)
        _record(journal, fills)
        cash, at_hand, units = _sum_transfers(journal, moments, len(symbols))
        if has_statements:
            bar, column = np.nonzero(units)
            _mark(journal, moments, np.asarray(prices, np.float64), (bar, column), stale)
            _state(journal, moments, np.asarray(prices, np.float64), cash, at_hand, units)
    except BaseException:
        journal.discard()
        raise
    worth = np.where(units != 0, units * np.asarray(prices, np.float64), 0.0)
    value = cash / CENTS + worth.sum(axis=1) / ONE
    return Booked(journal, moments, cash / CENTS, value, units, fills)


def _post(
    journal: Journal,
    timestamp: Int64s,
    trades: Records,
    charges: Records,
    opening: Floats,
    engine_orders: "Orders",
) -> Records:
    """Post everything, and return the rows of the table fill."""
    room = journal.run.policies.block_transfers
    extra_accounts = (-1, -1, -1)
    if np.any(charges["kind"] >= FEE):
        fees, received, payment = (journal.open_account(path, MONEY) for path in EXTRA_ACCOUNTS)
        extra_accounts = fees, received, payment
    journal.ensure_capacity(transfers=room, txns=trades.size + charges.size + 1, lots=trades.size + 1)
    cash = np.rint(opening * CENTS).astype(np.int64)
    if cash.sum():
        journal.post(int(timestamp[0]), deposit, MONEY, str(journal.commodities[0].decimal(int(cash.sum()))))
    numbers = np.arange(1, len(journal.commodities), dtype=np.int64)
    fills, progress = records(trades.size, FILL), records(1, PROGRESS)
    batch = Batch(
        trades,
        charges,
        timestamp,
        numbers,
        engine_orders.rows_of(trades["order"]),
        cash,
        extra_accounts,
        fills,
        progress,
    )
    perform(journal.books, batch)
    if progress[0].status != STATUS.POSTED:
        raise BookingRefused(_explain(journal, batch))
    return fills[: progress[0].fills]


def _explain(journal: Journal, batch: Batch) -> str:
    """Explain why a row cannot be booked."""
    progress = batch.progress[0]
    row = (batch.charges if progress.is_charge else batch.trades)[progress.row]
    symbol = (
        journal.commodities[int(batch.instruments[row.column])].symbol if row.column >= 0 else "the account"
    )
    where = f"{'charge' if progress.is_charge else 'trade'} {progress.row}, of {symbol} at bar {row.bar}"
    match int(progress.status):
        case Stop.STATE:
            states = ", ".join(f"{name} {row[name]}" for name in row.dtype.names if "_" in name)
            return f"{where}: a state is not a number that can be booked: {states}"
        case Stop.PRICE:
            return f"{where}: the price is {row.price}"
        case Stop.CASH_APART:
            balance = progress.balance / CENTS
            return f"{where}: starts from cash {row.cash_before}, the rows before it left {balance}"
        case Stop.UNITS_APART:
            balance = progress.balance / ONE
            return f"{where}: starts from {row.quantity_before}, the rows before it left {balance}"
        case Stop.FEE:
            return f"{where}: the fee is {row.fee}"
        case Stop.MONEY:
            return (
                f"{where}: cash went down by {progress.balance / CENTS} for less than a unit at {row.price}"
            )
        case status:
            return f"{where}: the ledger refuses it: {Status(status).name.lower().replace('_', ' ')}"


def _record(journal: Journal, fills: Records) -> None:
    """Write the rows of the table fill."""
    names = FILL.names or ()
    columns = {name: np.ascontiguousarray(fills[name]) for name in names}
    columns["timestamp"] = columns["timestamp"].view("M8[ns]")
    journal.add("fill", columns)


# --- sums of transfers -----------------------------------------------------------------


def _sum_transfers(journal: Journal, timestamp: Int64s, columns: int) -> tuple[Int64s, Int64s, Int64s]:
    """Sum up cash, cash without short proceeds, and units[bars, columns] at the end of each bar."""
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
            is_counted = counts[account]
            np.add.at(total, bar[is_counted], sign * amount[is_counted])
        place = column[account]
        is_counted = place >= 0
        np.add.at(units, (bar[is_counted], place[is_counted]), sign * amount[is_counted])
    cash, at_hand, units = cash.cumsum(), at_hand.cumsum(), units.cumsum(axis=0)
    # Check two ways to one result: the running balances of the loop, and the sums of its transfers.
    running = books.accounts["balance"]
    for name, total, balance in (
        ("cash", at_hand[-1], running[is_hand].sum()),
        ("cash with short proceeds", cash[-1], running[is_cash].sum()),
        ("units", units[-1], running[first[1:] + UNITS]),
    ):
        if not np.array_equal(total, balance):
            raise OutOfBalance(f"{name}: the transfers sum to {total}, the running balance is {balance}")
    return cash, at_hand, units


def _mark(
    journal: Journal,
    timestamp: Int64s,
    prices: Floats,
    cells: tuple[Int64s, Int64s],
    stale: NDArray[np.bool_] | None,
) -> None:
    """Write a mark for every position at every bar."""
    bar, column = cells
    price = prices[cells]
    if np.any(is_wrong := ~(price >= 0)):
        at = int(np.flatnonzero(is_wrong)[0])
        symbol = journal.commodities[int(column[at]) + 1].symbol
        raise BookingRefused(
            f"the price of {symbol} at {iso(int(timestamp[bar[at]]))} is {price[at]}, and there is a position"
            " to value"
        )
    is_stale = np.zeros(bar.size, bool) if stale is None else stale[cells]
    journal.add(
        "mark",
        {"timestamp": times(timestamp, bar), "instrument": column + 1, "price": price, "stale": is_stale},
    )


def _state(
    journal: Journal, timestamp: Int64s, prices: Floats, cash: Int64s, at_hand: Int64s, units: Int64s
) -> None:
    """Write a statement at every bar."""
    bar, column = np.nonzero(units)
    price = prices[bar, column]
    # As the ledger rounds a product: float64, left to right, half to even.
    worth = np.rint(units[bar, column].astype(np.float64) * price * 1.0 * RATIO)
    whole = np.bincount(bar, np.abs(worth), timestamp.size)
    if not np.all(whole < _MOST):
        at = int(np.argmax(~(whole < _MOST)))
        raise BookingRefused(
            f"the positions at {iso(int(timestamp[at]))} are worth more than the books can hold"
        )
    market_value = np.zeros(timestamp.size, np.int64)
    np.add.at(market_value, bar, worth.astype(np.int64))
    state = journal.books.state[0]
    dated = journal.books.txns[: state.txns]["timestamp"]
    journal.add(
        "statement",
        {
            "timestamp": timestamp.view("M8[ns]"),
            "session": (dates(timestamp, None) * DAY).view("M8[ns]"),
            "txn": np.searchsorted(dated, timestamp, "right") - 1,
            "currency": np.zeros(timestamp.size, np.int64),
            "cash": at_hand,
            "restricted": cash - at_hand,
            "receivable": np.zeros(timestamp.size, np.int64),
            "liabilities": np.zeros(timestamp.size, np.int64),
            "market_value": market_value,
            "equity": cash + market_value,
        },
    )


# --- checks of arguments ------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _layout(symbols: tuple[str, ...], may_be_overdrawn: frozenset[str]) -> Layout:
    """Lay out books of dollars and instruments. Books of the same commodities share one layout."""
    commodities = [currency(MONEY, MONEY_SCALE), *(instrument(s, scale=SCALE) for s in symbols)]
    return Layout.of(commodities, may_be_overdrawn=may_be_overdrawn)


def _require(shape: tuple[int, int], opening: Floats, prices: Floats, rows: tuple[Records, Records]) -> None:
    """Refuse arguments that do not fit together."""
    if np.shape(prices) != shape:
        raise BookingRefused(
            f"prices are of shape {np.shape(prices)}, not of {shape[0]} bars and {shape[1]} columns"
        )
    if opening.size not in (1, shape[1]):
        raise BookingRefused(f"opening cash has {opening.size} columns, not {shape[1]}")
    if not np.all(opening >= 0) or not np.all(np.isfinite(opening)):
        raise BookingRefused(
            f"opening cash must be finite and not negative, not {', '.join(map(str, opening.tolist()))}"
        )
    for name, table, lowest in (("trade", rows[0], 0), ("charge", rows[1], -1)):
        bar, column = table["bar"], table["column"]
        if np.any((bar < 0) | (bar >= shape[0]) | (column < lowest) | (column >= shape[1])):
            raise BookingRefused(f"a {name} is outside of the {shape[0]} bars and {shape[1]} columns")
        if np.any(np.diff(bar) < 0):
            at = int(np.flatnonzero(np.diff(bar) < 0)[0]) + 1
            raise BookingRefused(f"{name} {at} is at bar {bar[at]}, earlier than the previous one")


def _digest(array: Any) -> str:
    """Return the SHA-256 of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()

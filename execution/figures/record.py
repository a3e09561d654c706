"""A run in figures: its statements, what they had at stake, its round trips, how its orders ended.

Worked out from the rows of the journal, once and when it is asked for, in units and exact. The views
`equity`, `exposure`, `period`, `trade` and `order_history` say the same in SQL.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout.execution.figures import folding
from tieout.execution.figures.folding import (
    CARRIED,
    CHARGED,
    FLOWS,
    FOLDED,
    GAINS,
    LIVE,
    OUT_OF_RANGE,
    OWNERS,
    REALISED,
    SPLIT,
    UNITS,
    VARIATION,
    Folded,
    Rows,
    Transfers,
)
from tieout.execution.figures.tables import Column, Tables
from tieout.execution.kernels.orders import OrderEvent
from tieout.ledger.books.arithmetic import NO_AMOUNT
from tieout.ledger.books.arrays import records
from tieout.ledger.books.commodity import MAX_SCALE
from tieout.ledger.books.kinds import Kind
from tieout.ledger.errors import AmountOutOfRange, DamagedFile, UnknownCommodity
from tieout.ledger.moment import Moment, end_of

Int64s = NDArray[np.int64]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

WORKING, FILLED = "working", "filled"
ENDS = {int(event): event.name.lower() for event in OrderEvent if event is not OrderEvent.TRIGGERED}
"""How an order may end but by being filled."""
_OUTSIDE = {"equity", "contra"}
_CARRYING = {"asset", "liability"}
_ONES = np.array([float(10**scale) for scale in range(MAX_SCALE + 1)])
_LIMB = 1 << 31


@frozen
class Commodities:
    """What is counted, by number."""

    symbol: Column
    is_currency: Flags
    scale: Int64s
    currency: Int64s
    """An instrument's, and a currency's own."""
    multiplier: Floats

    @property
    def one(self) -> Floats:
        """How many units make one whole of each."""
        ones: Floats = _ONES[self.scale]
        return ones

    def numbered(self, symbol: str) -> int:
        """The number of a currency. Raises `UnknownCommodity`."""
        found = np.flatnonzero(self.is_currency & (self.symbol == symbol))
        if not found.size:
            raise UnknownCommodity(f"there is no currency {symbol!r} in the journal")
        return int(found[0])


@frozen
class Statements:
    """The table statement, in units."""

    timestamp: NDArray[np.datetime64]
    txn: Int64s
    currency: Int64s
    cash: Int64s
    market_value: Int64s
    equity: Int64s


@frozen
class Stakes:
    """Market values at each statement, of what was long and of what was short (below zero), and how many."""

    long: Int64s
    short: Int64s
    positions: Int64s

    @property
    def gross(self) -> Int64s:
        """Their distance."""
        return self.long - self.short


class History:
    """The run that *tables* record, as it stood at a moment where one is given, a date to its end.

    Raises `DamagedFile` where the tables do not fit together.
    """

    def __init__(self, tables: Tables, at: Moment | None = None) -> None:
        self._tables = tables
        self._until = None if at is None else np.datetime64(end_of(at), "ns")

    @cached_property
    def commodities(self) -> Commodities:
        """What is counted."""
        columns = self._tables.columns("commodity", ("symbol", "kind", "scale", "currency", "multiplier"))
        symbol, kind, scale, currency, multiplier = columns.values()
        known = (currency >= 0) & (currency < symbol.size)
        if not known.all():
            raise DamagedFile(f"{symbol[~known][0]} is priced in what is not there; verify the journal")
        return Commodities(symbol, kind == "currency", _whole(scale), _whole(currency), multiplier)

    @cached_property
    def statements(self) -> Statements:
        """What the run claimed."""
        names = ("timestamp", "txn", "currency", "cash", "market_value", "equity")
        timestamp, txn, currency, *money = self._dated("statement", names)
        if currency.size and not 0 <= currency.min() <= currency.max() < self.commodities.symbol.size:
            raise DamagedFile("a statement is in a currency that is not there; verify the journal")
        return Statements(timestamp, txn, _whole(currency), *money)

    @property
    def trips(self) -> Rows:
        """Round trips in the order in which they began; `folding.TRIP` says what is known of each."""
        return self._folded[0]

    @property
    def pnl(self) -> Int64s:
        """What each trip gained less its commission."""
        realized_pnl, commission = self.trips["realized_pnl"], self.trips["commission"]
        return joined(
            (realized_pnl >> 31) - (commission >> 31), (realized_pnl & _LIMB - 1) - (commission & _LIMB - 1)
        )

    @property
    def notional(self) -> Floats:
        """What was paid and received for each trip."""
        trips = self.trips
        high, low = (trips[f"bought_{part}"] + trips[f"sold_{part}"] for part in ("high", "low"))
        total: Floats = high.astype(np.float64) * _LIMB + low
        return total

    @property
    def put_in(self) -> Int64s:
        """What was put in since the statement before, of which that is told; below zero: taken out."""
        return self._folded[1]

    @property
    def stakes(self) -> Stakes:
        """What each statement had at stake, at the marks of its time."""
        return self._folded[2]

    def ends(self, currency: int) -> tuple[dict[str, int], int]:
        """How many orders in *currency* ended in each way, and how many fills they had."""
        timestamp, instrument, quantity = self._tables.columns(
            "orders", ("timestamp", "instrument", "quantity")
        ).values()
        count = timestamp.size
        fill_of, filled_with = self._of_orders("fill", "quantity", count)
        event_of, event = self._of_orders("order_event", "event", count)
        things = self.commodities
        known = (instrument >= 0) & (instrument < things.symbol.size)
        wanted = known & (things.currency[np.where(known, instrument, 0)] == currency)
        if self._until is not None:
            wanted &= timestamp <= self._until
        filled = np.zeros(count, np.int64)
        np.add.at(filled, fill_of, filled_with)
        fills = np.bincount(fill_of, minlength=count)
        ends = np.isin(event, list(ENDS))
        ended = np.zeros(count, np.int64)
        ended[event_of[ends][::-1]] = event[ends][::-1]  # the first of several stays
        ended[(fills > 0) & (filled == np.abs(quantity))] = -1
        told = {0: WORKING, -1: FILLED} | ENDS
        numbers, counts = np.unique(ended[wanted], return_counts=True)
        found = {told[int(n)]: int(c) for n, c in zip(numbers, counts, strict=True)}
        return found, int(fills[wanted].sum())

    # --- folding -----------------------------------------------------------------------------------

    @cached_property
    def _txns(self) -> Rows:
        timestamp, kind, instrument, fill, reverses = self._dated(
            "txn", ("timestamp", "kind", "instrument", "fill_id", "reverses")
        )
        if np.any(timestamp[1:] < timestamp[:-1]):
            raise DamagedFile("the transactions are not in the order of time; verify the journal")
        undone = reverses[(reverses >= 0) & (reverses < timestamp.size)]
        lives = reverses < 0
        lives[undone] = False
        closes = kind == Kind.CLOSE
        flows = ~closes  # of a reversal that is told by what it reverses
        has_one = np.flatnonzero((reverses >= 0) & (reverses < timestamp.size))
        flows[has_one] = ~closes[reverses[has_one]]
        txns = records(timestamp.size, folding.TXN)
        for bit, holds in (
            (LIVE, lives),
            (SPLIT, kind == Kind.SPLIT),
            (GAINS, ~closes),
            (FLOWS, flows),
        ):
            txns["trait"][holds] |= bit
        known = (instrument >= 0) & (instrument < self.commodities.symbol.size)
        txns["timestamp"] = _whole(timestamp)
        txns["instrument"] = np.where(known, instrument, -1)
        txns["cause"] = np.where(fill >= 0, fill, -2 - np.arange(timestamp.size))
        return txns

    @cached_property
    def _accounts(self) -> Rows:
        path, kind, commodity, instrument = self._tables.columns(
            "account", ("path", "type", "commodity", "instrument")
        ).values()
        things = self.commodities
        if path.size and not 0 <= commodity.min() <= commodity.max() < things.symbol.size:
            raise DamagedFile("an account is in a commodity that is not there; verify the journal")
        if path.size and not -1 <= instrument.min() <= instrument.max() < things.symbol.size:
            raise DamagedFile("an account is of an instrument that is not there; verify the journal")
        is_units = commodity == instrument
        trait = np.zeros(path.size, np.int32)
        trait[is_units & (kind == "asset")] |= UNITS
        carrying = np.array([word in _CARRYING for word in kind.tolist()], bool)
        trait[carrying & ~is_units & (instrument >= 0)] |= CARRIED
        outside = np.array([word in _OUTSIDE for word in kind.tolist()], bool)
        trait[outside & things.is_currency[commodity]] |= OWNERS
        for number in np.flatnonzero((instrument >= 0) & (kind == "income")).tolist():
            if path[number] == f"Income:Realised:{things.symbol[instrument[number]]}":
                trait[number] |= REALISED
        for number in np.flatnonzero(instrument < 0).tolist():
            if path[number] == "Income:Futures:VariationMargin":
                trait[number] |= VARIATION
            elif path[number] in {"Expenses:Commissions", "Income:Rebates"}:
                trait[number] |= CHARGED
        accounts = records(path.size, folding.ACCOUNT)
        accounts["instrument"], accounts["commodity"], accounts["trait"] = instrument, commodity, trait
        return accounts

    @cached_property
    def _marks(self) -> Rows:
        timestamp, instrument, price = self._dated("mark", ("timestamp", "instrument", "price"))
        marks = records(timestamp.size, folding.MARK)
        marks["timestamp"], marks["instrument"], marks["price"] = _whole(timestamp), instrument, price
        return _by(marks, "timestamp")

    @cached_property
    def _folded(self) -> tuple[Rows, Int64s, Stakes]:
        """Trips, what was put in, and stakes; the transfers, which are many, are let go."""
        transfers, things = self._transfers(), self.commodities.symbol.size
        standing = records(things, folding.STANDING)
        for name in ("first", "trip", "waiting"):
            standing[name] = -1
        # Room for the most that may come: pages that are never written to take no memory.
        size = transfers.txn.size
        room = Folded(
            records(size, folding.TRIP),
            records(size, folding.PART),
            records(2 * size, folding.NOTE),
            records(2 * size, folding.NOTE),
            records(2 * size, folding.NOTE),
            np.zeros(5, np.int64),
        )
        _require(folding.fold_trips(transfers, self._txns, self._accounts, standing, room))
        came = zip(room, room.counts.tolist(), strict=False)
        trips, parts, charges, flows, moves = (rows[:count] for rows, count in came)
        self._share(trips, parts, charges)
        standing["trip"] = -1
        folding.fold_marks(self._marks, standing, trips)
        return trips, self._put_in(flows), self._stakes(moves)

    def _share(self, trips: Rows, parts: Rows, charges: Rows) -> None:
        """Share the charges among the trips."""
        parts, charges = _by(parts, "cause"), _by(charges, "cause")
        _require(folding.share_charges(parts, charges, trips, self._priced()))
        if np.any(trips["commission"] == NO_AMOUNT) or np.any(trips["realized_pnl"] == NO_AMOUNT):
            _require(OUT_OF_RANGE)

    def _put_in(self, flows: Rows) -> Int64s:
        """What was put in by statement."""
        statements = self.statements
        high, low = np.zeros((2, statements.txn.size), np.int64)
        for money in np.unique(flows["commodity"]):
            # Of statements that cover the same transactions, the first one accounts for them.
            own = np.flatnonzero(statements.currency == money)
            covered, first = np.unique(statements.txn[own], return_index=True)
            of_money = flows[flows["commodity"] == money]
            place = np.searchsorted(covered, of_money["cause"])
            inside = place < covered.size
            where, amount = own[first[place[inside]]], of_money["amount"][inside]
            np.add.at(high, where, amount >> 31)
            np.add.at(low, where, amount & (_LIMB - 1))
        return joined(high, low)

    def _stakes(self, moves: Rows) -> Stakes:
        """What was at stake by statement."""
        statements, marked = self.statements, self._marks["timestamp"]
        moments = _whole(statements.timestamp)
        stakes = records(moments.size, folding.STAKE)
        stakes["txn"], stakes["currency"] = statements.txn, statements.currency
        stakes["begin"] = np.searchsorted(marked, moments, "left")
        stakes["end"] = np.searchsorted(marked, moments, "right")
        ordered = _by(stakes, "txn")
        _require(folding.fold_stakes(moves, self._priced(), self._marks, ordered))
        if ordered is not stakes:
            stakes[np.argsort(statements.txn, kind="stable")] = ordered
        return Stakes(*(stakes[name].copy() for name in ("long", "short", "positions")))

    def _priced(self) -> Rows:
        """The commodities as kernels take them."""
        things = self.commodities
        priced = records(things.symbol.size, folding.COMMODITY)
        priced["currency"], priced["multiplier"] = things.currency, things.multiplier
        priced["ratio"], priced["seen"] = things.one[things.currency] / things.one, -1
        return priced

    def _transfers(self) -> Transfers:
        names = ("txn", "debit", "credit", "amount", "lot")
        columns = list(self._tables.columns("transfer", names).values())
        if self._until is not None:
            there = columns[0] < self._txns.size
            columns = [column[there] for column in columns]
        kinds = ("i8", "i4", "i4", "i8", "i8")
        return Transfers(*(given(column, kind) for column, kind in zip(columns, kinds, strict=True)))

    # --- columns -----------------------------------------------------------------------------------

    def _dated(self, table: str, names: Sequence[str]) -> list[Column]:
        """Columns of a table, the time first, up to the moment."""
        columns = list(self._tables.columns(table, names).values())
        if self._until is not None:
            there = columns[0] <= self._until
            columns = [column[there] for column in columns]
        return columns

    def _of_orders(self, table: str, name: str, orders: int) -> tuple[Int64s, Int64s]:
        """The order of each row of *table*, and its column *name*; of the first *orders* orders."""
        _, order, values = self._dated(table, ("timestamp", "order_id", name))
        there = (order >= 0) & (order < orders)
        return order[there], _whole(values[there])


class _Nothing:
    """The tables of a journal in which there is nothing."""

    def columns(self, _: str, names: Sequence[str], /) -> dict[str, Column]:
        kinds = {"timestamp": "M8[ns]", "price": "f8"} | dict.fromkeys(
            ("symbol", "kind", "path", "type"), "O"
        )
        return {name: np.zeros(0, kinds.get(name, "i8")) for name in names}


def compile_kernels() -> None:
    """Compile what a history needs, or find it in the cache: by folding nothing."""
    assert not History(_Nothing()).trips.size


def joined(high: Int64s, low: Int64s) -> Int64s:
    """The sum of high * 2**31 and low. Raises `AmountOutOfRange` where that is more than 64 bits hold."""
    top = high + (low >> 31)
    if np.any((top >= _LIMB << 1) | (top < -(_LIMB << 1))):
        _require(OUT_OF_RANGE)
    return (top << 31) | (low & (_LIMB - 1))


def given(column: Column, kind: str) -> Column:
    """A column as kernels take it: contiguous, of that type, and not to be written to."""
    array = np.ascontiguousarray(column, kind).view()
    array.flags.writeable = False
    return array


def _whole(column: Column) -> Int64s:
    """Times as nanoseconds; other whole numbers in 64 bits."""
    return column.view(np.int64) if column.dtype.kind == "M" else column.astype(np.int64, copy=False)


def _by(rows: Rows, name: str) -> Rows:
    """*rows* in the order of a column, those alike as they come."""
    keys = rows[name]
    if np.all(keys[1:] >= keys[:-1]):
        return rows
    return rows[np.argsort(keys, kind="stable")]


def _require(outcome: int) -> None:
    """Raise what ended a fold."""
    if outcome == OUT_OF_RANGE:
        raise AmountOutOfRange("a sum over the journal does not fit into 64 bits")
    if outcome != FOLDED:
        raise DamagedFile("a transfer names what is not there, or is out of order; verify the journal")

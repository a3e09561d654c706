"""The figures of a run: its statements and their exposure, its round trips, and the status of its orders.

They are computed from the rows of the journal at the first use, exact and in units. The views `equity`,
`exposure`, `period`, `trade` and `order_history` compute the same in SQL.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout.execution.figures import folding
from tieout.execution.figures.folding import (
    CAPITAL,
    CLOSES,
    COMMISSION,
    COMPLETE,
    COST,
    FLOWS,
    GAINS,
    LIVE,
    OUT_OF_RANGE,
    REALIZED,
    SPLIT,
    UNITS,
    VARIATION,
    FoldRows,
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
from tieout.ledger.numeric import Flags, Floats, Int64s

WORKING, FILLED = "working", "filled"
END_STATUSES = {int(event): event.name.lower() for event in OrderEvent if event is not OrderEvent.TRIGGERED}
"""The final statuses of an order beside filled, by the number of their event."""
_CAPITAL_TYPES = {"equity", "contra"}
_COST_TYPES = {"asset", "liability"}
_ONES = np.array([float(10**scale) for scale in range(MAX_SCALE + 1)])
_LIMB = 1 << 31
_LATEST = np.iinfo(np.int64).max


@frozen
class Commodities:
    """Columns of the table commodity, by number."""

    symbol: Column
    is_currency: Flags
    scale: Int64s
    currency: Int64s
    """Number of an instrument's currency. A currency has its own number."""
    multiplier: Floats

    @property
    def one(self) -> Floats:
        """Number of units in one whole of each."""
        ones: Floats = _ONES[self.scale]
        return ones

    def currency_number(self, symbol: str) -> int:
        """Return the number of a currency. Raise `UnknownCommodity` where it does not exist."""
        numbers = np.flatnonzero(self.is_currency & (self.symbol == symbol))
        if not numbers.size:
            raise UnknownCommodity(f"there is no currency {symbol!r} in the journal")
        return int(numbers[0])


@frozen
class Statements:
    """Columns of the table statement, in units."""

    timestamp: NDArray[np.datetime64]
    session: NDArray[np.datetime64]
    txn: Int64s
    currency: Int64s
    cash: Int64s
    restricted: Int64s
    receivable: Int64s
    liabilities: Int64s
    market_value: Int64s
    equity: Int64s


@frozen
class Exposure:
    """Market values at each statement: *long*, *short* (zero or below), and the number of *positions*."""

    long: Int64s
    short: Int64s
    positions: Int64s

    @property
    def gross(self) -> NDArray[np.uint64]:
        """Gross market value: long less short. It may take all 64 bits."""
        return (self.long - self.short).view(np.uint64)


class History:
    """The run that *tables* record, up to the moment *at* where it is given. A date counts to its end.

    Raises `DamagedFile` where the tables do not fit together.
    """

    def __init__(self, tables: Tables, at: Moment | None = None) -> None:
        self._tables = tables
        self._until = None if at is None else np.datetime64(end_of(at), "ns")

    @cached_property
    def commodities(self) -> Commodities:
        """Commodities of the journal."""
        columns = self._tables.columns("commodity", ("symbol", "kind", "scale", "currency", "multiplier"))
        symbol, kind, scale, currency, multiplier = columns.values()
        is_valid = (currency >= 0) & (currency < symbol.size)
        if not is_valid.all():
            bad = symbol[~is_valid][0]
            raise DamagedFile(f"{bad} is priced in a currency that does not exist; verify the journal")
        return Commodities(symbol, kind == "currency", _whole(scale), _whole(currency), multiplier)

    @cached_property
    def statements(self) -> Statements:
        """Statements that the run recorded."""
        timestamp, session, txn, currency, *money = self._dated("statement", _OF_STATEMENT)
        if currency.size and not 0 <= currency.min() <= currency.max() < self.commodities.symbol.size:
            raise DamagedFile("a statement is in a currency that does not exist; verify the journal")
        return Statements(timestamp, session, txn, _whole(currency), *money)

    @property
    def round_trips(self) -> Rows:
        """Round trips in the order in which they began, as rows of `folding.ROUND_TRIP`."""
        return self._folds[0]

    @property
    def pnl(self) -> Int64s:
        """Realized P&L of each round trip, net of its commission."""
        realized_pnl, commission = self.round_trips["realized_pnl"], self.round_trips["commission"]
        return joined(
            (realized_pnl >> 31) - (commission >> 31), (realized_pnl & _LIMB - 1) - (commission & _LIMB - 1)
        )

    @property
    def notional(self) -> Floats:
        """Money paid plus money received for each round trip."""
        trips = self.round_trips
        high, low = (trips[f"bought_{part}"] + trips[f"sold_{part}"] for part in ("high", "low"))
        total: Floats = high.astype(np.float64) * _LIMB + low
        return total

    @property
    def net_flows(self) -> Int64s:
        """Contributions less withdrawals since the previous statement, one for each statement."""
        return self._folds[1]

    @property
    def first_flows(self) -> NDArray[np.datetime64]:
        """The time of the first contribution or withdrawal since the previous statement, NaT without one."""
        return self._folds[3]

    @property
    def exposure(self) -> Exposure:
        """Exposure at each statement, at the marks of its timestamp."""
        return self._folds[2]

    def order_counts(self, currency: int) -> tuple[dict[str, int], int]:
        """Count the orders in *currency* by status, and their fills."""
        timestamp, instrument, quantity = self._tables.columns(
            "orders", ("timestamp", "instrument", "quantity")
        ).values()
        count = timestamp.size
        fill_order, fill_quantity = self._of_orders("fill", "quantity", count)
        event_order, event = self._of_orders("order_event", "event", count)
        commodities = self.commodities
        is_valid = (instrument >= 0) & (instrument < commodities.symbol.size)
        counts = is_valid & (commodities.currency[np.where(is_valid, instrument, 0)] == currency)
        if self._until is not None:
            counts &= timestamp <= self._until
        total = np.zeros(count, np.int64)
        np.add.at(total, fill_order, fill_quantity)
        fills = np.bincount(fill_order, minlength=count)
        is_end = np.isin(event, list(END_STATUSES))
        status = np.zeros(count, np.int64)
        status[event_order[is_end][::-1]] = event[is_end][::-1]  # the first of several stays
        status[(fills > 0) & (total == np.abs(quantity))] = -1
        names = {0: WORKING, -1: FILLED} | END_STATUSES
        numbers, sizes = np.unique(status[counts], return_counts=True)
        orders = {names[int(n)]: int(size) for n, size in zip(numbers, sizes, strict=True)}
        return orders, int(fills[counts].sum())

    def closings(self, currency: int) -> int:
        """Count the positions in *currency* that were closed because their instrument ended."""
        txns = self._txns
        closed = txns["instrument"][(txns["trait"] & CLOSES != 0) & (txns["instrument"] >= 0)]
        return int(np.count_nonzero(self.commodities.currency[closed] == currency))

    # --- folding -----------------------------------------------------------------------------------

    @cached_property
    def _txns(self) -> Rows:
        timestamp, kind, instrument, fill, reverses = self._dated(
            "txn", ("timestamp", "kind", "instrument", "fill_id", "reverses")
        )
        if np.any(timestamp[1:] < timestamp[:-1]):
            raise DamagedFile("the transactions are not in the order of time; verify the journal")
        reversals = np.flatnonzero((reverses >= 0) & (reverses < timestamp.size))
        is_live = reverses < 0
        is_live[reverses[reversals]] = False
        is_close = kind == Kind.CLOSE
        has_flow = ~is_close  # a reversal has one where the transaction that it reverses has
        has_flow[reversals] = ~is_close[reverses[reversals]]
        txns = records(timestamp.size, folding.TXN)
        for bit, is_set in (
            (LIVE, is_live),
            (SPLIT, kind == Kind.SPLIT),
            (GAINS, ~is_close),
            (FLOWS, has_flow),
            (CLOSES, kind == Kind.DELISTING),
        ):
            txns["trait"][is_set] |= bit
        is_valid = (instrument >= 0) & (instrument < self.commodities.symbol.size)
        txns["timestamp"] = _whole(timestamp)
        txns["instrument"] = np.where(is_valid, instrument, -1)
        txns["cause"] = np.where(fill >= 0, fill, -2 - np.arange(timestamp.size))
        return txns

    @cached_property
    def _accounts(self) -> Rows:
        path, kind, commodity, instrument = self._tables.columns(
            "account", ("path", "type", "commodity", "instrument")
        ).values()
        commodities = self.commodities
        if path.size and not 0 <= commodity.min() <= commodity.max() < commodities.symbol.size:
            raise DamagedFile("an account is in a commodity that does not exist; verify the journal")
        if path.size and not -1 <= instrument.min() <= instrument.max() < commodities.symbol.size:
            raise DamagedFile("an account has an instrument that does not exist; verify the journal")
        is_units = commodity == instrument
        trait = np.zeros(path.size, np.int32)
        trait[is_units & (kind == "asset")] |= UNITS
        may_have_cost = np.array([word in _COST_TYPES for word in kind.tolist()], bool)
        trait[may_have_cost & ~is_units & (instrument >= 0)] |= COST
        may_be_capital = np.array([word in _CAPITAL_TYPES for word in kind.tolist()], bool)
        trait[may_be_capital & commodities.is_currency[commodity]] |= CAPITAL
        for number in np.flatnonzero((instrument >= 0) & (kind == "income")).tolist():
            if path[number] == f"Income:Realised:{commodities.symbol[instrument[number]]}":
                trait[number] |= REALIZED
        for number in np.flatnonzero(instrument < 0).tolist():
            if path[number] == "Income:Futures:VariationMargin":
                trait[number] |= VARIATION
            elif path[number] in {"Expenses:Commissions", "Income:Rebates"}:
                trait[number] |= COMMISSION
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
    def _folds(self) -> tuple[Rows, Int64s, Exposure, NDArray[np.datetime64]]:
        """Round trips, net flows, exposure, first flows. The transfers, which are many, are not kept."""
        transfers, commodities = self._transfers(), self.commodities.symbol.size
        progress = records(commodities, folding.PROGRESS)
        for name in ("first", "trip", "split_part"):
            progress[name] = -1
        # Room for the most that can come: pages that are never written take no memory.
        size = transfers.txn.size
        room = FoldRows(
            records(size, folding.ROUND_TRIP),
            records(size, folding.PART),
            records(2 * size, folding.AMOUNT),
            records(2 * size, folding.AMOUNT),
            records(2 * size, folding.AMOUNT),
            np.zeros(5, np.int64),
        )
        _require(folding.fold_round_trips(transfers, self._txns, self._accounts, progress, room))
        arrays = zip(room, room.counts.tolist(), strict=False)
        trips, parts, charges, flows, moves = (rows[:count] for rows, count in arrays)
        self._share(trips, parts, charges)
        progress["trip"] = -1
        folding.fold_marks(self._marks, progress, trips)
        net_flows, first_flows = self._sum_flows(flows)
        return trips, net_flows, self._fold_exposure(moves), first_flows

    def _share(self, trips: Rows, parts: Rows, charges: Rows) -> None:
        """Share the charges among the trips."""
        parts, charges = _by(parts, "cause"), _by(charges, "cause")
        _require(folding.share_charges(parts, charges, trips, self._commodity_rows()))
        if np.any(trips["commission"] == NO_AMOUNT) or np.any(trips["realized_pnl"] == NO_AMOUNT):
            _require(OUT_OF_RANGE)

    def _sum_flows(self, flows: Rows) -> tuple[Int64s, NDArray[np.datetime64]]:
        """Sum the net flows by statement, and find the time of the first of each."""
        statements, times = self.statements, self._txns["timestamp"]
        earliest = np.full(statements.txn.size, _LATEST)
        high, low = np.zeros((2, statements.txn.size), np.int64)
        for money in np.unique(flows["commodity"]):
            # Of statements that cover the same transactions, the first one accounts for them.
            numbers = np.flatnonzero(statements.currency == money)
            last_txns, first = np.unique(statements.txn[numbers], return_index=True)
            in_money = flows[flows["commodity"] == money]
            place = np.searchsorted(last_txns, in_money["cause"])
            inside = place < last_txns.size
            number, amount = numbers[first[place[inside]]], in_money["amount"][inside]
            np.add.at(high, number, amount >> 31)
            np.add.at(low, number, amount & (_LIMB - 1))
            np.minimum.at(earliest, number, times[in_money["cause"][inside]])
        earliest[earliest == _LATEST] = np.iinfo(np.int64).min  # NaT
        return joined(high, low), earliest.view("M8[ns]")

    def _fold_exposure(self, moves: Rows) -> Exposure:
        """Value the positions at each statement."""
        statements, mark_times = self.statements, self._marks["timestamp"]
        times = _whole(statements.timestamp)
        rows = records(times.size, folding.EXPOSURE)
        rows["txn"], rows["currency"] = statements.txn, statements.currency
        rows["begin"] = np.searchsorted(mark_times, times, "left")
        rows["end"] = np.searchsorted(mark_times, times, "right")
        ordered = _by(rows, "txn")
        _require(folding.fold_exposure(moves, self._commodity_rows(), self._marks, ordered))
        if ordered is not rows:
            rows[np.argsort(statements.txn, kind="stable")] = ordered
        return Exposure(*(rows[name].copy() for name in ("long", "short", "positions")))

    def _commodity_rows(self) -> Rows:
        """Return the commodities as rows for the kernels."""
        commodities = self.commodities
        rows = records(commodities.symbol.size, folding.COMMODITY)
        rows["currency"], rows["multiplier"] = commodities.currency, commodities.multiplier
        rows["ratio"] = commodities.one[commodities.currency] / commodities.one
        rows["statement"] = -1
        return rows

    def _transfers(self) -> Transfers:
        names = ("txn", "debit", "credit", "amount", "lot")
        columns = list(self._tables.columns("transfer", names).values())
        if self._until is not None:
            inside = columns[0] < self._txns.size
            columns = [column[inside] for column in columns]
        kinds = ("i8", "i4", "i4", "i8", "i8")
        return Transfers(*(kernel_column(column, kind) for column, kind in zip(columns, kinds, strict=True)))

    # --- columns -----------------------------------------------------------------------------------

    def _dated(self, table: str, names: Sequence[str]) -> list[Column]:
        """Return columns of a table, the timestamp first, up to the moment of the history."""
        columns = list(self._tables.columns(table, names).values())
        if self._until is not None:
            inside = columns[0] <= self._until
            columns = [column[inside] for column in columns]
        return columns

    def _of_orders(self, table: str, name: str, orders: int) -> tuple[Int64s, Int64s]:
        """Return the order of each row of *table* and its column *name*, for the first *orders* orders."""
        _, order, values = self._dated(table, ("timestamp", "order_id", name))
        is_valid = (order >= 0) & (order < orders)
        return order[is_valid], _whole(values[is_valid])


_OF_STATEMENT = tuple(name for name in Statements.__annotations__)


class _EmptyTables:
    """The tables of an empty journal."""

    def columns(self, _: str, names: Sequence[str], /) -> dict[str, Column]:
        kinds = {"timestamp": "M8[ns]", "session": "M8[ns]", "price": "f8"} | dict.fromkeys(
            ("symbol", "kind", "path", "type"), "O"
        )
        return {name: np.zeros(0, kinds.get(name, "i8")) for name in names}


def compile_kernels() -> None:
    """Compile the kernels of a history, or load them from the cache, by folding an empty journal."""
    assert not History(_EmptyTables()).round_trips.size


def joined(high: Int64s, low: Int64s) -> Int64s:
    """Return high * 2**31 + low. Raise `AmountOutOfRange` where that exceeds 64 bits."""
    top = high + (low >> 31)
    if np.any((top >= _LIMB << 1) | (top < -(_LIMB << 1))):
        _require(OUT_OF_RANGE)
    return (top << 31) | (low & (_LIMB - 1))


def kernel_column(column: Column, kind: str) -> Column:
    """Return a column for the kernels: contiguous, of type *kind*, and read-only."""
    array = np.ascontiguousarray(column, kind).view()
    array.flags.writeable = False
    return array


def _whole(column: Column) -> Int64s:
    """Convert timestamps to nanoseconds, and other whole numbers to 64 bits."""
    return column.view(np.int64) if column.dtype.kind == "M" else column.astype(np.int64, copy=False)


def _by(rows: Rows, name: str) -> Rows:
    """Sort *rows* by a column. Equal rows stay in their order."""
    keys = rows[name]
    if np.all(keys[1:] >= keys[:-1]):
        return rows
    return rows[np.argsort(keys, kind="stable")]


def _require(outcome: int) -> None:
    """Raise the error of a fold that was not complete."""
    if outcome == OUT_OF_RANGE:
        raise AmountOutOfRange("a sum over the journal does not fit into 64 bits")
    if outcome != COMPLETE:
        raise DamagedFile(
            "a transfer is out of order, or names a row that does not exist; verify the journal"
        )

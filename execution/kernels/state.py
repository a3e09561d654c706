"""The arrays that the bar step works on.

`Market` is the input and is never written. `Desk` is the state of execution: policies, working orders, and
the rows of the open block that are stored beside its transfers. No array here holds cash or a position.
Those are balances in `ledger.books.arrays.Books`.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tieout.execution.errors import InvalidSetting
from tieout.ledger.books import pool
from tieout.ledger.books.arrays import records, with_room
from tieout.ledger.numeric import Flags, Floats, Int64s, Records, first_size, next_size

POLICY = np.dtype(
    [
        ("same_close", "i8"),  # orders fill at the close of the bar at which they were decided
        ("unlimited", "i8"),  # neither cash nor holdings limit a fill
        ("insufficient", "i8"),
        ("address", "i8"),  # of a user's commission function, 0 for none
        ("percent", "f8"),  # commission: of the notional, ...
        ("per_share", "f8"),  # ... money units for each whole unit of the instrument, ...
        ("per_order", "f8"),  # ... and money units for each order,
        ("minimum", "f8"),  # money units an order, at least
        ("maximum", "f8"),  # share of the notional, at most, inf for none
        ("slippage", "f8"),  # share of the price
        ("participation", "f8"),  # share of a bar's volume, inf for none
        ("without_volume", "i8"),  # bars without volume fill too
        ("money", "i8"),  # first account number of the currency
        ("currency", "i8"),
        ("money_scale", "f8"),  # money units in one
        ("every_bar", "i8"),  # a statement each bar, not each session
        ("ended_tag", "i8"),  # of the order that closes an instrument without a later bar
    ]
)
INSTRUMENT = np.dtype(
    [
        ("commodity", "i8"),
        ("units", "i8"),  # account number of what is held
        ("step", "i8"),  # orders are multiples of it
        ("lot", "i8"),
        ("multiplier", "f8"),
        ("ratio", "f8"),  # money units per quantity unit
        ("scale", "f8"),  # quantity units in one
        ("price", "f8"),  # last close
        ("stale", "i8"),  # whether that close is of an earlier bar
        ("working", "i8"),  # orders
        ("pending", "i8"),  # units that working target and market orders will add
        ("turnover", "i8"),  # units traded at the bar `turnover_bar`
        ("turnover_bar", "i8"),
        ("holding", "i8"),  # place in the list of holdings, -1 for none
        ("has_ended", "i8"),  # it has no later bar
    ]
)
WORKING = np.dtype(
    [
        ("id", "i8"),
        ("column", "i8"),
        ("type", "i8"),
        ("tif", "i8"),
        ("remaining", "i8"),  # quantity still to trade, below zero to sell, 0 once it has ended
        ("limit", "f8"),
        ("stop", "f8"),
        ("filled_quantity", "i8"),  # without sign
        ("gross", "i8"),
        ("commission", "i8"),
        ("trial_bar", "i8"),  # the last bar at which it could have filled
        ("first_date", "i8"),  # the first date on which it could fill, -1 before
        ("reason", "i8"),  # why its last trial filled nothing
    ]
)
REQUEST = np.dtype(
    [
        ("bar", "i8"),  # the bar of the decision
        ("column", "i8"),
        ("sizing", "i8"),
        ("units", "i8"),  # for a quantity
        ("amount", "f8"),  # for a value in money units, or a share of equity
        ("type", "i8"),
        ("tif", "i8"),
        ("limit", "f8"),
        ("stop", "f8"),
        ("tag", "i8"),
        ("signal", "f8"),
        ("order", "i8"),  # to cancel or replace, then the resulting order, -1 for none
    ]
)
TOUCH = np.dtype([("when", "f8"), ("place", "i8")])
ENDING = np.dtype([("bar", "i8"), ("column", "i8")])

# Rows to be stored, as the tables of schema.sql without their dense first column. An event's `column` is not
# stored: it follows from the order.
ORDER = np.dtype(
    [
        ("timestamp", "i8"),
        ("instrument", "i4"),
        ("type", "u1"),
        ("tif", "u1"),
        ("quantity", "i8"),
        ("limit_price", "f8"),
        ("stop_price", "f8"),
        ("tag", "i4"),
        ("signal", "f8"),
    ]
)
FILL = np.dtype(
    [
        ("order_id", "i8"),
        ("timestamp", "i8"),
        ("instrument", "i4"),
        ("side", "i1"),
        ("quantity", "i8"),
        ("price", "f8"),
        ("reference_price", "f8"),
        ("commission", "i8"),
        ("basis", "u1"),
    ]
)
EVENT = np.dtype(
    [("timestamp", "i8"), ("order_id", "i8"), ("event", "u1"), ("reason", "u1"), ("column", "i4")]
)
LINK = np.dtype([("order_id", "i8"), ("relation", "u1"), ("other", "i8")])
MARK = np.dtype([("timestamp", "i8"), ("instrument", "i4"), ("price", "f8"), ("stale", "?")])
STATEMENT = np.dtype(
    [
        ("timestamp", "i8"),
        ("session", "i8"),
        ("txn", "i8"),
        ("currency", "i4"),
        ("cash", "i8"),
        ("restricted", "i8"),
        ("receivable", "i8"),
        ("liabilities", "i8"),
        ("market_value", "i8"),
        ("equity", "i8"),
    ]
)
DESK_STATE = np.dtype(
    [
        ("bar", "i8"),  # number of the bar under way, over all windows
        ("offset", "i8"),  # number of the window's first bar
        ("timestamp", "i8"),
        ("date", "i8"),
        ("working", "i8"),  # orders, in order of submission
        ("holdings", "i8"),
        ("endings", "i8"),  # instruments that have ended
        ("touches", "i8"),
        ("first_order", "i8"),  # numbers of the block's first rows
        ("first_fill", "i8"),
        ("orders", "i8"),  # rows in the block
        ("fills", "i8"),
        ("events", "i8"),
        ("links", "i8"),
        ("marks", "i8"),
        ("statements", "i8"),
        ("mark_bar", "i8"),  # the bar of the last marks
        ("valuation_bar", "i8"),  # the bar of the following figures, -1 after a trade
        ("cash", "i8"),
        ("market_value", "i8"),
        ("equity", "i8"),
        ("end_reason", "i8"),  # why orders are open at the end
        ("status", "i8"),  # of the posting that failed, else 0
    ]
)


class Market(NamedTuple):
    """A window of bars. Prices and volume are float64[bars, instruments], NaN where there is no bar."""

    timestamp: Int64s  # ends of the bars, nanoseconds since 1970
    date: Int64s  # days since 1970, in the zone of the data
    closing: Flags  # the last bar of its date
    month_end: Flags  # the last bar of its month
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    endings: Records  # instruments without a later bar, by the number of the bar at which they are closed


class Program(NamedTuple):
    """The orders of a whole-array strategy, aligned with the window. Only the arrays of its *kind* count."""

    kind: int
    weights: Floats
    entries: Flags
    exits: Flags
    requests: Records  # the sizes of entry and exit, or all orders by bar
    first: Int64s  # first request of each bar, over all windows


_NUMBERS = frozenset("biufMO")
"""Kinds of arrays that hold real numbers, or objects that may be some."""


def private_copy(values: Any, dtype: type) -> NDArray[Any]:
    """Copy an input array, so that the fingerprint of the run stays true.

    Raises `InvalidSetting` where it does not hold numbers, or hides some behind a mask.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise InvalidSetting("an array is masked; fill it, with NaN where there is no value")
    try:
        array: NDArray[Any] = np.asarray(values)
        is_numeric = array.dtype.kind in _NUMBERS
        numbers = array.astype(dtype, copy=False) if is_numeric else array
    except (TypeError, ValueError) as error:
        raise InvalidSetting(f"the values are not an array of numbers: {error}") from None
    if not is_numeric:
        raise InvalidSetting(f"an array of {array.dtype} does not hold real numbers; give {np.dtype(dtype)}")
    copy = pool.take(numbers.size, numbers.dtype)[: numbers.size].reshape(numbers.shape)
    copy[...] = numbers
    return copy


def read_only(array: Any) -> Any:
    """Return a view of *array* that cannot be written to, so that kernels compile for one type only."""
    view = array.view()
    view.flags.writeable = False
    return view


_NO_TIMES = read_only(np.zeros(1, np.int64))
_NO_FLAGS = read_only(np.zeros(1, np.bool_))
_NO_PRICES = read_only(np.zeros((1, 0)))
NO_MARKET = Market(
    timestamp=_NO_TIMES,
    date=_NO_TIMES,
    closing=_NO_FLAGS,
    month_end=_NO_FLAGS,
    open=_NO_PRICES,
    high=_NO_PRICES,
    low=_NO_PRICES,
    close=_NO_PRICES,
    volume=_NO_PRICES,
    endings=read_only(records(0, ENDING)),
)
"""One bar without instruments."""
EMPTY_PROGRAM = Program(
    0,
    _NO_PRICES,
    read_only(np.zeros((0, 0), np.bool_)),
    read_only(np.zeros((0, 0), np.bool_)),
    records(0, REQUEST),
    read_only(np.zeros(0, np.int64)),
)
"""A program without orders."""


class Desk(NamedTuple):
    """The state of execution during a run."""

    policy: Records  # one row
    state: Records  # one row
    instruments: Records
    working: Records
    holdings: Int64s  # columns
    exposure: Flags  # whether an instrument is held, or a target order for it works
    candidates: Int64s  # columns that may get an order at the bar under way
    touches: Records  # a heap
    orders: Records
    fills: Records
    events: Records
    links: Records
    marks: Records
    statements: Records


ROWS = {
    "orders": ORDER,
    "fills": FILL,
    "events": EVENT,
    "links": LINK,
    "marks": MARK,
    "statements": STATEMENT,
}
"""The arrays of a desk whose rows are stored with the block, and the type of a row."""
_QUEUES = {"working": WORKING, "touches": TOUCH}
"""The arrays with a place for every working order."""


def empty_desk(instruments: int, orders: int = 16_384) -> Desk:
    """Return a desk without policies and orders, with room for *orders* and their rows."""
    return Desk(
        policy=_NO_POLICY.copy(),
        state=_INITIAL_STATE.copy(),
        instruments=_INITIAL_INSTRUMENT.repeat(instruments),
        holdings=np.zeros(instruments, np.int64),
        exposure=np.zeros(instruments, np.bool_),
        candidates=np.zeros(instruments, np.int64),
        **_rows(first_size(orders)),
    )


_NO_POLICY = records(1, POLICY)
_INITIAL_STATE = records(1, DESK_STATE)
_INITIAL_STATE["mark_bar"] = _INITIAL_STATE["valuation_bar"] = -1
_INITIAL_INSTRUMENT = records(1, INSTRUMENT)
_INITIAL_INSTRUMENT["holding"] = _INITIAL_INSTRUMENT["turnover_bar"] = -1
_INITIAL_INSTRUMENT["price"] = np.nan

_ROW_TYPES = {name: np.dtype((np.record, dtype)) for name, dtype in (ROWS | _QUEUES).items()}
_MARKS = first_size(4)
"""Rows of marks for each row of orders at first: holdings are marked at every statement."""
_LINE = 64
"""Bytes of a cache line. Each array begins at one."""


def _rows(orders: int) -> dict[str, Records]:
    """Return arrays for *orders* and their rows in one piece of memory, which is faster than several."""
    counts = [orders * _MARKS if name == "marks" else orders for name in _ROW_TYPES]
    sizes = [n * dtype.itemsize for n, dtype in zip(counts, _ROW_TYPES.values(), strict=True)]
    starts = list(itertools.accumulate((-(-size // _LINE) * _LINE for size in sizes), initial=0))
    memory: Any = pool.take(starts.pop(), np.dtype(np.uint8))
    placed = zip(_ROW_TYPES.items(), counts, starts, strict=True)
    return {name: np.recarray(n, dtype, buf=memory, offset=a) for (name, dtype), n, a in placed}


def enlarged(desk: Desk, name: str) -> Desk:
    """Return the desk with more room in one of its arrays."""
    old = getattr(desk, name)
    return desk._replace(**{name: with_room(old, next_size(old.size))})

"""The arrays that the bar step works on.

`Market` is what comes in and is never written. `Desk` is what execution owns: policies, working orders, and
the rows of the open block that will be stored beside its transfers. No array here holds cash or a position:
those are balances in `tieout.ledger.books.arrays.Books`.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tieout.execution.errors import InvalidSetting
from tieout.ledger.books import pool
from tieout.ledger.books.arrays import Records, records, with_room

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Int64s = NDArray[np.int64]

POLICY = np.dtype(
    [
        ("same_close", "i8"),  # orders fill at the close of the bar that they were decided on
        ("unlimited", "i8"),  # neither cash nor holdings limit a fill
        ("insufficient", "i8"),
        ("address", "i8"),  # of a user's commission function, 0 for none
        ("percent", "f8"),  # commission: of the notional, ...
        ("per_share", "f8"),  # ... money units for each whole unit of the instrument, ...
        ("per_order", "f8"),  # ... and money units for each order,
        ("minimum", "f8"),  # money units an order, at least
        ("maximum", "f8"),  # share of the notional, at most; inf for none
        ("slippage", "f8"),  # share of the price
        ("participation", "f8"),  # share of a bar's volume; inf for none
        ("without_volume", "i8"),  # bars without volume fill too
        ("money", "i8"),  # first account number of the currency
        ("currency", "i8"),
        ("money_scale", "f8"),  # money units in one
        ("every_bar", "i8"),  # a statement each bar, not each session
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
        ("stale", "i8"),  # which is of an earlier bar
        ("working", "i8"),  # orders
        ("targeted", "i8"),  # units that working target orders will add
        ("used", "i8"),  # units traded of the volume of the bar `used_bar`
        ("used_bar", "i8"),
        ("held", "i8"),  # place in the list of what is held, -1 for none
    ]
)
WORKING = np.dtype(
    [
        ("id", "i8"),
        ("column", "i8"),
        ("type", "i8"),
        ("tif", "i8"),
        ("left", "i8"),  # quantity still to trade, below zero to sell; 0 once it has ended
        ("limit", "f8"),
        ("stop", "f8"),
        ("filled", "i8"),  # without sign
        ("gross", "i8"),
        ("commission", "i8"),
        ("tried", "i8"),  # the last bar at which it could have filled
        ("date", "i8"),  # the first date on which it could fill, -1 before
    ]
)
REQUEST = np.dtype(
    [
        ("bar", "i8"),  # decided at its close
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
        ("order", "i8"),  # to cancel or replace; then the order that came of it, -1 for none
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
        ("txn", "i8"),
        ("currency", "i4"),
        ("cash", "i8"),
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
        ("held", "i8"),
        ("ended", "i8"),  # instruments that have
        ("touched", "i8"),
        ("first_order", "i8"),  # numbers of the block's first rows
        ("first_fill", "i8"),
        ("orders", "i8"),  # rows in the block
        ("fills", "i8"),
        ("events", "i8"),
        ("links", "i8"),
        ("marks", "i8"),
        ("statements", "i8"),
        ("marked", "i8"),  # the bar whose closes the prices of what is held are of, where it has them
        ("valued", "i8"),  # the bar at which the following were found, -1 where something was traded since
        ("cash", "i8"),
        ("market_value", "i8"),
        ("equity", "i8"),
        ("ending", "i8"),  # why orders are open at the end: a reason
        ("status", "i8"),  # of the posting that failed; 0
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
    """What a whole-array strategy wants, aligned with the window. Only the arrays of its *kind* are read."""

    kind: int
    weights: Floats
    entries: Flags
    exits: Flags
    requests: Records  # the size of an entry; or all orders by bar
    first: Int64s  # first request of each bar, over all windows


_NUMBERS = frozenset("biufMO")
"""Kinds of arrays that hold real numbers, or objects that may be some."""


def owned(values: Any, dtype: type) -> NDArray[Any]:
    """An array of our own: what a run was given has to be what its fingerprint is of.

    Raises `InvalidSetting` where it does not hold numbers, or hides some behind a mask.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise InvalidSetting("an array is masked; fill it, with NaN where there is nothing")
    try:
        array: NDArray[Any] = np.asarray(values)
        is_known = array.dtype.kind in _NUMBERS
        given = array.astype(dtype, copy=False) if is_known else array
    except (TypeError, ValueError) as error:
        raise InvalidSetting(f"what was given is not an array of numbers: {error}") from None
    if not is_known:
        raise InvalidSetting(f"an array of {array.dtype} does not hold real numbers; give {np.dtype(dtype)}")
    own = pool.take(given.size, given.dtype)[: given.size].reshape(given.shape)
    own[...] = given
    return own


def fixed(array: Any) -> Any:
    """A view of *array* that cannot be written to: whoever made it, there is one type to compile for."""
    view = array.view()
    view.flags.writeable = False
    return view


_NO_TIMES = fixed(np.zeros(1, np.int64))
_NO_FLAGS = fixed(np.zeros(1, np.bool_))
_NO_PRICES = fixed(np.zeros((1, 0)))
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
    endings=fixed(records(0, ENDING)),
)
"""One bar of nothing."""
NO_PROGRAM = Program(
    0,
    _NO_PRICES,
    fixed(np.zeros((0, 0), np.bool_)),
    fixed(np.zeros((0, 0), np.bool_)),
    records(0, REQUEST),
    fixed(np.zeros(0, np.int64)),
)
"""A program that wants nothing."""


class Desk(NamedTuple):
    """What execution owns while a run is under way."""

    policy: Records  # one row
    state: Records  # one row
    instruments: Records
    working: Records
    held: Int64s  # columns
    exposed: Flags  # whether an instrument is held, or a target order for it works
    chosen: Int64s  # columns of which a program wants something at the bar under way
    touched: Records  # a heap
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
"""The arrays of a desk whose rows are stored with the block, and what a row is."""
_QUEUES = {"working": WORKING, "touched": TOUCH}
"""Those with a place for every order under way."""


def empty_desk(instruments: int, orders: int = 16_384) -> Desk:
    """A desk without policies and orders, with room for *orders* and their rows."""
    return Desk(
        policy=_NO_POLICY.copy(),
        state=_AT_THE_START.copy(),
        instruments=_UNTOUCHED.repeat(instruments),
        held=np.zeros(instruments, np.int64),
        exposed=np.zeros(instruments, np.bool_),
        chosen=np.zeros(instruments, np.int64),
        **_rows(orders),
    )


_NO_POLICY = records(1, POLICY)
_AT_THE_START = records(1, DESK_STATE)
_AT_THE_START["marked"] = _AT_THE_START["valued"] = -1
_UNTOUCHED = records(1, INSTRUMENT)
_UNTOUCHED["held"] = _UNTOUCHED["used_bar"] = -1
_UNTOUCHED["price"] = np.nan

_OF_ORDERS = {name: np.dtype((np.record, dtype)) for name, dtype in (ROWS | _QUEUES).items()}
_MARKS = 4
"""Marks for each order: what is held is marked at every statement."""
_LINE = 64
"""Bytes: each array begins where the processor reads."""


def _rows(orders: int) -> dict[str, Records]:
    """Room for *orders* and their rows, in one piece of memory: to ask for each on its own takes longer."""
    counts = [orders * _MARKS if name == "marks" else orders for name in _OF_ORDERS]
    sizes = [n * dtype.itemsize for n, dtype in zip(counts, _OF_ORDERS.values(), strict=True)]
    starts = list(itertools.accumulate((-(-size // _LINE) * _LINE for size in sizes), initial=0))
    memory: Any = pool.take(starts.pop(), np.dtype(np.uint8))
    placed = zip(_OF_ORDERS.items(), counts, starts, strict=True)
    return {name: np.recarray(n, dtype, buf=memory, offset=a) for (name, dtype), n, a in placed}


def doubled(desk: Desk, name: str) -> Desk:
    """The same desk with twice the room in one of its arrays."""
    old = getattr(desk, name)
    return desk._replace(**{name: with_room(old, 2 * old.size)})

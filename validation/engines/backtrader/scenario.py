"""A run of Backtrader as data, in that package's own words, and its text.

`Scenario` says what the feeds hold, how the broker is set, and what the strategy asks for at each bar. What a
strategy decides on the state of its broker is an action too: a target is sized, and a position closed, by the
broker's state when the action's turn comes.

Not to be said here: volume fillers, futures, leverage, short sales that are not credited, orders of a
history, children that come later than their parent, and as a number how long an order is good.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from attrs import asdict, field, fields, frozen
from numpy.typing import NDArray

from tieout.ledger.books.arrays import Records, records
from tieout.ledger.moment import DAY
from tieout.validation.engines.backtrader.tables import (
    ACTION,
    BUY,
    CANCEL,
    CHEAT_ON_CLOSE,
    CHEAT_ON_OPEN,
    CLOSE,
    ENTER,
    NEXT_OPEN,
    SELL,
    TARGET_PERCENT,
    TARGET_SIZE,
    TOP_UP,
    TRIM,
)

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

KINDS = (
    "buy",
    "sell",
    "enter",
    "close",
    "order_target_size",
    "order_target_value",
    "order_target_percent",
    "trim",
    "top_up",
    "cancel",
)
"""What may be asked for, by `ACTION`'s number.

To enter is to buy where nothing is held; to trim and to top up are ``order_target_percent`` where that sells,
and where that buys.
"""
TYPES = ("Market", "Close", "Limit", "Stop", "StopLimit", "StopTrail", "StopTrailLimit")
"""How an order is executed."""
FIELDS = ("open", "high", "low", "close")


@frozen
class Rules:
    """How broker and commission are set, and the cash at the start.

    *commission* is a share of the money, or money for a unit where *is_per_unit*. *interest* is a year's, as
    a share. *slip_perc* goes before *slip_fixed*. At most one of *coc* and *coo* holds; with *coo* the
    strategy decides in ``next_open``.
    """

    cash: float = 10_000.0
    commission: float = 0.0
    is_per_unit: bool = False
    interest: float = 0.0
    interest_long: bool = False
    int2pnl: bool = True
    checksubmit: bool = True
    coc: bool = False
    coo: bool = False
    slip_perc: float = 0.0
    slip_fixed: float = 0.0
    slip_open: bool = True
    slip_limit: bool = True
    slip_match: bool = True
    slip_out: bool = False

    def __attrs_post_init__(self) -> None:
        if not 0.0 < self.cash < np.inf:
            raise ValueError(f"Backtrader divides by the cash at the start, which is {self.cash}")
        if self.coc and self.coo:
            raise ValueError("an order fills at the close or at the open, not at both")

    @property
    def timing(self) -> int:
        """When a market order fills, by number."""
        return CHEAT_ON_CLOSE if self.coc else CHEAT_ON_OPEN if self.coo else NEXT_OPEN


@frozen
class Action:
    """One call of the strategy; what is None is not given.

    *size* is money with ``order_target_value`` and a share with ``order_target_percent``. *valid* is in days
    from the bar, and 0 is that day. *other* is the row of the action whose order is cancelled, or with whose
    order this one is one cancels the other; *parent* the row of the one that has to fill first. Children
    follow their parent at once.
    """

    bar: int
    kind: str
    size: float = 0.0
    column: int = 0
    type: str = "Market"
    price: float | None = None
    plimit: float | None = None
    trailamount: float | None = None
    trailpercent: float | None = None
    valid: float | None = None
    other: int | None = None
    parent: int | None = None

    @property
    def row(self) -> tuple[Any, ...]:
        """As a row of `ACTION`."""
        numbers = (self.price, self.plimit, self.trailamount, self.trailpercent, self.valid)
        rows = (self.other, self.parent)
        return (
            self.bar,
            self.column,
            KINDS.index(self.kind),
            TYPES.index(self.type),
            self.size,
            *(np.nan if number is None else number for number in numbers),
            *(-1 if row is None else row for row in rows),
        )

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """Out of a row of `ACTION`."""
        bar, column, kind, how, size, *given = row
        numbers = (None if number != number else number for number in given[:5])  # noqa: PLR0124  NaN
        rows = (None if number < 0 else number for number in given[5:])
        return cls(bar, KINDS[kind], size, column, TYPES[how], *numbers, *rows)

    @property
    def given(self) -> dict[str, Any]:
        """What is not as it is by default, by name."""
        return {
            one.name: value for one in fields(type(self)) if (value := getattr(self, one.name)) != one.default
        }


def table(actions: Iterable[Action]) -> Records:
    """Actions as rows, in the order in which they are given."""
    rows = [action.row for action in actions]
    found = records(len(rows), ACTION)
    found[:] = np.array(rows, ACTION)
    return found


@frozen(eq=False, slots=False)
class Scenario:
    """Feeds of float64[bars, columns], a row a time that any of them has: *timestamp* in nanoseconds, rising.

    *there* tells which bars an instrument has; where it has none its prices mean nothing. *actions* are rows
    of `ACTION` in the order of their bars.
    """

    timestamp: Int64s
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    there: Bools
    actions: Records
    rules: Rules = field(factory=Rules)

    def __attrs_post_init__(self) -> None:
        for name in (*FIELDS, "there"):
            if getattr(self, name).shape != (self.timestamp.size, self.columns):
                raise ValueError(f"{name} is of shape {getattr(self, name).shape}")
        if np.any(np.diff(self.timestamp) <= 0) or not np.all(self.there.any(axis=1)):
            raise ValueError("each time is after the one before it, and some instrument has a bar at it")
        if not np.all(self.there.any(axis=0)):
            raise ValueError("each instrument has a bar, without which Backtrader does not start")
        for wrong, what in _faults(self):
            if np.any(wrong):
                row = int(np.flatnonzero(wrong)[0])
                raise ValueError(f"action {row}, {Action.of(self.actions[row].tolist()).given}: {what}")

    @property
    def columns(self) -> int:
        """How many instruments there are."""
        return int(self.close.shape[1])

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Names of the instruments."""
        return tuple(f"A{column:04d}" for column in range(self.columns))

    @property
    def bars(self) -> Mapping[str, Floats]:
        """Prices by field."""
        return {name: getattr(self, name) for name in FIELDS}

    @cached_property
    def is_priced(self) -> Bools:
        """bool[bars, columns]: which bars are there with all of their prices."""
        priced = self.there.copy()
        for prices in self.bars.values():
            priced &= ~np.isnan(prices)
        return priced

    @property
    def asked(self) -> Iterator[Action]:
        """The actions, one by one."""
        return (Action.of(row) for row in self.actions.tolist())

    @property
    def text(self) -> str:
        """The scenario as JSON, an action a line."""
        bars = {
            name: [
                [
                    None if np.isnan(price) or not is_there else price
                    for price, is_there in zip(*row, strict=True)
                ]
                for row in zip(prices.tolist(), self.there.tolist(), strict=True)
            ]
            for name, prices in self.bars.items()
        }
        whole = {
            "rules": {
                name: value for name, value in asdict(self.rules).items() if value != getattr(Rules(), name)
            },
            "days": (self.timestamp / DAY).tolist(),
            "there": self.there.astype(int).tolist(),
            **bars,
        }
        lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in whole.items()]
        actions = ",\n  ".join(json.dumps(action.given) for action in self.asked)
        return "{" + ",\n".join([*lines, f'"actions": [\n  {actions}]']) + "}\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The scenario that has this text."""
        whole = json.loads(text)
        prices = {name: np.array(whole[name], np.float64) for name in FIELDS}
        return cls(
            timestamp=np.rint(np.array(whole["days"]) * DAY).astype(np.int64),
            there=np.array(whole["there"], bool),
            actions=table(Action(**action) for action in whole["actions"]),
            rules=Rules(**whole["rules"]),
            **prices,
        )


def of_bars(
    timestamp: Int64s, bars: Mapping[str, Floats], actions: Records, rules: Rules, there: Bools | None = None
) -> Scenario:
    """A scenario of bars by field, of which those are there that have a close unless *there* says it."""
    panels = {name: np.ascontiguousarray(bars[name], np.float64) for name in FIELDS}
    return Scenario(
        timestamp,
        there=~np.isnan(panels["close"]) if there is None else there,
        actions=actions,
        rules=rules,
        **panels,
    )


def flags(entries: Bools, exits: Bools, size: float) -> Records:
    """Instrument by instrument: enter with *size* where it is flat and so flagged, close what is held."""
    bar, column = np.nonzero(entries ^ exits)
    kind = np.where(entries[bar, column], ENTER, CLOSE)
    return _many(bar, column, kind, np.where(kind == ENTER, size, 0.0))


def targets(shares: Floats, *, sells_first: bool = False) -> Records:
    """Hold *shares* of the account's value, float64[bars, columns], NaN where nothing is said.

    At a bar what is to be 0 is closed first, in the order of columns; the others are ordered to their targets
    after that, with *sells_first* those first that have to be sold for it. Where nothing was ever to be held
    there is nothing to close.
    """
    ever = np.logical_or.accumulate(np.nan_to_num(shares) != 0.0, axis=0)
    goes, comes = (shares == 0.0) & ever, ~np.isnan(shares) & (shares != 0.0)
    wanted = [
        (CLOSE, goes),
        *((kind, comes) for kind in ((TRIM, TOP_UP) if sells_first else (TARGET_PERCENT,))),
    ]
    places = [np.nonzero(where) for _, where in wanted]
    bar, column = (np.concatenate(parts) for parts in zip(*places, strict=True))
    kind = np.repeat([kind for kind, _ in wanted], [len(rows) for rows, _ in places])
    rank = np.lexsort((column, kind, bar))
    bar, column, kind = bar[rank], column[rank], kind[rank]
    return _many(bar, column, kind, np.where(kind == CLOSE, 0.0, shares[bar, column]))


def _many(bar: Int64s, column: Int64s, kind: Int64s, amount: Floats) -> Records:
    """Market orders."""
    found = records(bar.size, ACTION)
    found["bar"], found["column"], found["kind"], found["amount"] = bar, column, kind, amount
    for name in ("price", "limit", "trail_amount", "trail_percent", "valid"):
        found[name] = np.nan
    found["other"] = found["parent"] = -1
    return found


def _faults(scenario: Scenario) -> Iterator[tuple[Bools, str]]:
    """What no scenario may ask for, and which actions do."""
    asked, row = np.asarray(scenario.actions), np.arange(scenario.actions.size)
    bar, column, kind, amount = (asked[name] for name in ("bar", "column", "kind", "amount"))
    other, parent = asked["other"], asked["parent"]
    yield (
        (bar < 0) | (bar >= scenario.timestamp.size) | (np.diff(bar, prepend=0) < 0),
        "is at no bar, or late",
    )
    yield (column < 0) | (column >= scenario.columns), "is of no instrument"
    yield (kind < BUY) | (kind > CANCEL) | (asked["type"] < 0) | (asked["type"] >= len(TYPES)), "is unknown"
    yield ~np.isfinite(amount) | ((kind <= ENTER) & (amount <= 0.0)), "has no size"
    for name in ("price", "limit", "trail_amount", "trail_percent", "valid"):
        yield (asked[name] < 0.0) | np.isinf(asked[name]), f"has a {name} of no meaning"
    yield (kind > TARGET_SIZE) & (kind != CANCEL) & (asked["price"] == 0.0), "divides by a price of 0"
    yield (other >= row) | ((kind == CANCEL) & (other < 0)), "means an action that is not before it"
    is_child = parent >= 0
    before = np.concatenate(([-2], parent[:-1]))[: parent.size]
    follows = (parent == row - 1) | ((parent == before) & (before >= 0))
    yield is_child & ~follows, "does not follow its parent"
    if np.any(is_child):
        of = np.where(is_child & (parent < row), parent, 0)
        is_alike = (
            (bar[of] == bar) & (parent[of] < 0) & np.isin(kind, (BUY, SELL)) & np.isin(kind[of], (BUY, SELL))
        )
        yield is_child & ~is_alike, "is no child of a purchase or a sale at its bar"

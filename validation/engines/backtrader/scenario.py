"""A run of Backtrader as data, in that package's own words, and its text.

A `Scenario` holds the data of the feeds, the settings of the broker, and the strategy's actions at each bar.
Decisions that depend on the state of the broker are actions too. A target is sized, and a position closed, by
the state at the time of the action.

A scenario does not cover volume fillers, futures, leverage, short sales without credit, orders of a history,
children that come later than their parent, and validity as a number.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from attrs import asdict, field, fields, frozen

from tieout.ledger.books.arrays import records
from tieout.ledger.moment import DAY
from tieout.ledger.numeric import Flags, Floats, Int64s, Records
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
"""Kinds of actions, by the number in `ACTION`.

``enter`` buys if the position is flat. ``trim`` and ``top_up`` are ``order_target_percent`` if that sells, or
if that buys.
"""
TYPES = ("Market", "Close", "Limit", "Stop", "StopLimit", "StopTrail", "StopTrailLimit")
"""Execution types of orders."""
FIELDS = ("open", "high", "low", "close")


@frozen
class Rules:
    """Settings of broker and commission, and the opening cash.

    *commission* is a share of the money, or an amount per unit with *is_per_unit*. *interest* is a share per
    year. *slip_perc* takes precedence over *slip_fixed*. At most one of *coc* and *coo* is true. With *coo*
    the strategy decides in ``next_open``.
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
        """The time at which a market order fills, by number."""
        return CHEAT_ON_CLOSE if self.coc else CHEAT_ON_OPEN if self.coo else NEXT_OPEN


@frozen
class Action:
    """One call of the strategy. None means that the call lacks the argument.

    *size* is money with ``order_target_value`` and a share with ``order_target_percent``. *valid* is in days
    from the bar, and 0 is that day. *other* is the row of the action to cancel, or of the other order of an
    OCO group. *parent* is the row of the order that must fill first. Children follow their parent at once.
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
        """The action as a row of `ACTION`."""
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
        """Convert a row of `ACTION` to an action."""
        bar, column, kind, how, size, *arguments = row
        numbers = (None if number != number else number for number in arguments[:5])  # noqa: PLR0124  NaN
        rows = (None if number < 0 else number for number in arguments[5:])
        return cls(bar, KINDS[kind], size, column, TYPES[how], *numbers, *rows)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that differ from their defaults, by name."""
        return {
            one.name: value for one in fields(type(self)) if (value := getattr(self, one.name)) != one.default
        }


def table(actions: Iterable[Action]) -> Records:
    """Convert actions to rows, in sequence."""
    tuples = [action.row for action in actions]
    rows = records(len(tuples), ACTION)
    rows[:] = np.array(tuples, ACTION)
    return rows


@frozen(eq=False, slots=False)
class Scenario:
    """Feeds of float64[bars, columns], a row a time that any of them has: *timestamp* in nanoseconds, rising.

    *there* is true where an instrument has a bar. Other prices are ignored. *actions* are rows of `ACTION`,
    sorted by bar.
    """

    timestamp: Int64s
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    there: Flags
    actions: Records
    rules: Rules = field(factory=Rules)

    def __attrs_post_init__(self) -> None:
        for name in (*FIELDS, "there"):
            if getattr(self, name).shape != (self.timestamp.size, self.columns):
                raise ValueError(f"{name} has the shape {getattr(self, name).shape}")
        if np.any(np.diff(self.timestamp) <= 0) or not np.all(self.there.any(axis=1)):
            raise ValueError("timestamps must rise, and some instrument must have a bar at each")
        if not np.all(self.there.any(axis=0)):
            raise ValueError("every instrument needs a bar, or Backtrader does not start")
        for wrong, what in _faults(self):
            if np.any(wrong):
                row = int(np.flatnonzero(wrong)[0])
                raise ValueError(f"action {row}, {Action.of(self.actions[row].tolist()).arguments}: {what}")

    @property
    def columns(self) -> int:
        """The number of instruments."""
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
    def is_priced(self) -> Flags:
        """bool[bars, columns]: true for bars with all of their prices."""
        priced = self.there.copy()
        for prices in self.bars.values():
            priced &= ~np.isnan(prices)
        return priced

    @property
    def action_objects(self) -> Iterator[Action]:
        """The actions, one by one."""
        return (Action.of(row) for row in self.actions.tolist())

    @property
    def text(self) -> str:
        """The scenario as JSON, one action per line."""
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
        actions = ",\n  ".join(json.dumps(action.arguments) for action in self.action_objects)
        return "{" + ",\n".join([*lines, f'"actions": [\n  {actions}]']) + "}\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse the text of a scenario."""
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
    timestamp: Int64s, bars: Mapping[str, Floats], actions: Records, rules: Rules, there: Flags | None = None
) -> Scenario:
    """Make a scenario from bars by field. Without *there*, an instrument has a bar where it has a close."""
    panels = {name: np.ascontiguousarray(bars[name], np.float64) for name in FIELDS}
    return Scenario(
        timestamp,
        there=~np.isnan(panels["close"]) if there is None else there,
        actions=actions,
        rules=rules,
        **panels,
    )


def flags(entries: Flags, exits: Flags, size: float) -> Records:
    """Make actions per instrument: enter with *size* at an entry if it is flat, close at an exit."""
    bar, column = np.nonzero(entries ^ exits)
    kind = np.where(entries[bar, column], ENTER, CLOSE)
    return _many(bar, column, kind, np.where(kind == ENTER, size, 0.0))


def targets(shares: Floats, *, sells_first: bool = False) -> Records:
    """Make actions that hold *shares* of the account's value, float64[bars, columns], NaN for no target.

    At a bar, targets of 0 are closed first, by column. Orders to the other targets follow, with *sells_first*
    the sales before the purchases. An instrument that never had a target other than 0 is not closed.
    """
    ever = np.logical_or.accumulate(np.nan_to_num(shares) != 0.0, axis=0)
    closes, opens = (shares == 0.0) & ever, ~np.isnan(shares) & (shares != 0.0)
    groups = [
        (CLOSE, closes),
        *((kind, opens) for kind in ((TRIM, TOP_UP) if sells_first else (TARGET_PERCENT,))),
    ]
    places = [np.nonzero(where) for _, where in groups]
    bar, column = (np.concatenate(parts) for parts in zip(*places, strict=True))
    kind = np.repeat([kind for kind, _ in groups], [len(rows) for rows, _ in places])
    rank = np.lexsort((column, kind, bar))
    bar, column, kind = bar[rank], column[rank], kind[rank]
    return _many(bar, column, kind, np.where(kind == CLOSE, 0.0, shares[bar, column]))


def _many(bar: Int64s, column: Int64s, kind: Int64s, amount: Floats) -> Records:
    """Make market orders."""
    rows = records(bar.size, ACTION)
    rows["bar"], rows["column"], rows["kind"], rows["amount"] = bar, column, kind, amount
    for name in ("price", "limit", "trail_amount", "trail_percent", "valid"):
        rows[name] = np.nan
    rows["other"] = rows["parent"] = -1
    return rows


def _faults(scenario: Scenario) -> Iterator[tuple[Flags, str]]:
    """Yield the faults that no scenario may have, with the actions that have them."""
    actions, row = np.asarray(scenario.actions), np.arange(scenario.actions.size)
    bar, column, kind, amount = (actions[name] for name in ("bar", "column", "kind", "amount"))
    other, parent = actions["other"], actions["parent"]
    yield (
        (bar < 0) | (bar >= scenario.timestamp.size) | (np.diff(bar, prepend=0) < 0),
        "has no bar, or is out of sequence",
    )
    yield (column < 0) | (column >= scenario.columns), "has no instrument"
    yield (
        (kind < BUY) | (kind > CANCEL) | (actions["type"] < 0) | (actions["type"] >= len(TYPES)),
        "is unknown",
    )
    yield ~np.isfinite(amount) | ((kind <= ENTER) & (amount <= 0.0)), "has no size"
    for name in ("price", "limit", "trail_amount", "trail_percent", "valid"):
        yield (actions[name] < 0.0) | np.isinf(actions[name]), f"has an invalid {name}"
    yield (kind > TARGET_SIZE) & (kind != CANCEL) & (actions["price"] == 0.0), "divides by a price of 0"
    yield (other >= row) | ((kind == CANCEL) & (other < 0)), "refers to an action that is not before it"
    is_child = parent >= 0
    before = np.concatenate(([-2], parent[:-1]))[: parent.size]
    follows = (parent == row - 1) | ((parent == before) & (before >= 0))
    yield is_child & ~follows, "does not follow its parent"
    if np.any(is_child):
        of = np.where(is_child & (parent < row), parent, 0)
        is_alike = (
            (bar[of] == bar) & (parent[of] < 0) & np.isin(kind, (BUY, SELL)) & np.isin(kind[of], (BUY, SELL))
        )
        yield is_child & ~is_alike, "is not a child of a buy or a sell at its bar"

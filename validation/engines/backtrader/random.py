"""Scenarios for Backtrader at random, from a seed or from Hypothesis, which shrinks a failing one.

Prices lie on a coarse grid and orders a few ticks from them, so that limits, stops, opens and closes
coincide. Sizes depend on cash, so that cash binds. Several orders per bar compete for it.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

import numpy as np
from attrs import define, evolve, field, frozen
from hypothesis import strategies

from tieout.ledger.moment import DAY
from tieout.ledger.numeric import Flags, Floats, Int64s
from tieout.validation.engines.backtrader.scenario import FIELDS, Action, Rules, Scenario, of_bars, table

T = TypeVar("T")

Pick = Callable[[int, int], int]
"""A function that draws an integer between two, both included."""

_FIRST_DAY = 17_533
_STOPS = ("Stop", "StopLimit", "StopTrail", "StopTrailLimit")


@frozen
class Size:
    """The largest size of a scenario."""

    bars: int
    columns: int
    actions: int


LARGE, SMALL = Size(40, 6, 40), Size(9, 2, 8)


def seeded(seed: int, number: int) -> Scenario:
    """Return scenario *number* of a seed."""
    return drawn(Random(f"{seed} {number}").randint)


@strategies.composite
def scenarios(draw: Callable[[strategies.SearchStrategy[int]], int], size: Size = SMALL) -> Scenario:
    """Draw scenarios from Hypothesis."""
    return drawn(lambda low, high: draw(strategies.integers(low, high)), size)


def drawn(pick: Pick, size: Size = LARGE) -> Scenario:
    """Draw a scenario."""
    return _Drawing(pick, size).scenario()


@define
class _Drawing:
    """A scenario in the making."""

    pick: Pick
    size: Size
    rows: list[Action] = field(factory=list)

    def one(self, options: Sequence[T]) -> T:
        return options[self.pick(0, len(options) - 1)]

    def once_in(self, times: int) -> bool:
        return self.pick(1, times) == times

    def scenario(self) -> Scenario:
        bars, columns = self.pick(5, self.size.bars), self.pick(1, self.one((1, 2, self.size.columns)))
        timestamp = self._times(bars)
        tick = self.one((0.25, 0.01, 0.1))
        panels = self._prices(bars, columns, tick)
        there = np.ones((bars, columns), bool)
        if columns > 1 and self.once_in(2):
            self._take_away(there)
        rules = self._rules(float(panels["close"][0].max()), tick)
        if self.once_in(60):
            panels["close"][self.pick(1, bars - 1), self.pick(0, columns - 1)] = np.nan
        is_careful = not self.once_in(20)
        for bar in sorted(self.pick(0, bars - 1) for _ in range(self.pick(1, self.size.actions))):
            self._act(bar, there, panels["close"], tick, rules, is_careful=is_careful)
        return of_bars(timestamp, panels, table(self.rows), rules, there)

    def _times(self, bars: int) -> Int64s:
        """Draw days with gaps, or eighths of days."""
        steps = self.one(((8,), (8, 8, 8, 24), (1, 2, 3, 8), (3,)))
        eighths = np.cumsum([self.one(steps) for _ in range(bars)])
        times: Int64s = _FIRST_DAY * DAY + eighths * (DAY // 8)
        return times

    def _prices(self, bars: int, columns: int, tick: float) -> dict[str, Floats]:
        """Draw walks in whole ticks, with opens and closes of at least eight ticks."""
        panels = {name: np.empty((bars, columns)) for name in FIELDS}
        width = self.one((1, 3, 8))
        for column in range(columns):
            close = self.pick(20, 80)
            for bar in range(bars):
                opened = max(8, close + self.pick(-width, width))
                close = max(8, opened + self.pick(-width, width))
                high, low = max(opened, close) + self.pick(0, width), min(opened, close) - self.pick(0, width)
                for name, price in (("open", opened), ("high", high), ("low", max(low, 4)), ("close", close)):
                    panels[name][bar, column] = price * tick
        return panels

    def _take_away(self, there: Flags) -> None:
        """Remove bars: an instrument begins late, ends early, or has gaps. The first is complete."""
        bars, columns = there.shape
        for column in range(1, columns):
            way = self.pick(0, 3)
            if way == 1:
                there[: self.pick(0, bars - 1), column] = False
            elif way == 2:
                there[self.pick(1, bars) :, column] = False
            elif way == 3:
                for _ in range(self.pick(1, bars)):
                    there[self.pick(1, bars - 1), column] = False

    def _rules(self, price: float, tick: float) -> Rules:
        per_unit = self.once_in(3)
        slip = self.pick(0, 3)
        timing = self.pick(0, 5)
        return Rules(
            cash=price * self.one((10, 100, 101, 1000, 5000)),
            commission=self.one((0.0, tick / 10, tick) if per_unit else (0.0, 0.001, 0.0137)),
            is_per_unit=per_unit,
            interest=self.one((0.0, 0.0, 0.05, 1.0)),
            interest_long=self.once_in(3),
            int2pnl=not self.once_in(3),
            checksubmit=not self.once_in(2),
            coc=timing == 4,
            coo=timing == 5,
            slip_perc=self.one((0.001, 0.01, 0.05)) if slip == 2 else 0.0,
            slip_fixed=tick * self.one((0.5, 1.0, 3.0)) if slip == 3 else 0.0,
            slip_open=not self.once_in(3),
            slip_limit=not self.once_in(3),
            slip_match=not self.once_in(3),
            slip_out=self.once_in(3),
        )

    def _act(
        self,
        bar: int,
        there: Flags,
        close: Floats,
        tick: float,
        rules: Rules,
        *,
        is_careful: bool,
    ) -> None:
        """Add an action, or the three of a bracket."""
        column = self.pick(0, there.shape[1] - 1)
        has_begun = there[: bar + 1, column].any() and (there[bar, column] or not rules.coo)
        if is_careful and not has_begun:
            column = 0  # which has all of its bars
        only_market = is_careful and not there[:, column].all()
        price = float(close[bar, column])
        price = price if price == price else 10 * tick  # noqa: PLR0124  NaN
        most = rules.cash / price
        way = self.pick(0, 9)
        if way == 0 and self.rows:
            self.rows.append(Action(bar, "cancel", other=self._earlier()))
        elif way == 1:
            self.rows.append(
                self._priced(Action(bar, "close", 0.0, column), price, tick, only_market=only_market)
            )
        elif way in {2, 3}:
            self._target(
                Action(bar, "order_target_size", 0.0, column), price, tick, most, only_market=only_market
            )
        elif way == 4 and not only_market:
            self._bracket(bar, column, price, tick, most)
        else:
            kind = self.one(("buy", "sell", "enter"))
            action = Action(bar, kind, self._units(most), column)
            self.rows.append(self._priced(action, price, tick, only_market=only_market))

    def _units(self, most: float) -> float:
        """Draw a size, mostly in whole units, up to 1.5 times what cash buys."""
        units = max(1, round(most * self.pick(1, 60) / 40))
        return units / self.one((1, 1, 1, 4, 3))

    def _target(self, action: Action, price: float, tick: float, most: float, *, only_market: bool) -> None:
        kind = self.one(("order_target_size", "order_target_value", "order_target_percent", "trim", "top_up"))
        size = share = self.pick(-6, 6) / 4
        if kind == "order_target_size":
            size = float(round(share * most))
        elif kind == "order_target_value":
            size = share * most * price
        action = self._priced(evolve(action, kind=kind, size=size), price, tick, only_market=only_market)
        self.rows.append(evolve(action, price=None) if action.price == 0.0 else action)

    def _priced(self, action: Action, price: float, tick: float, *, only_market: bool) -> Action:
        """Add an execution type to an action."""
        how = "Market" if only_market else self.one(("Market", "Market", "Limit", "Close", *_STOPS))
        other = self._earlier() if self.rows and self.once_in(4) else None
        return evolve(
            action,
            type=how,
            price=self._near(price, tick) if how in {"Limit", *_STOPS} or self.once_in(8) else None,
            plimit=self._near(price, tick)
            if how in {"StopLimit", "StopTrailLimit"} and not self.once_in(4)
            else None,
            trailamount=tick * self.pick(0, 6) if "Trail" in how and self.once_in(2) else None,
            trailpercent=self.one((0.0, 0.02, 0.1)) if "Trail" in how and self.once_in(2) else None,
            valid=self.pick(0, 40) / 8 if self.once_in(4) else None,
            other=other,
        )

    def _earlier(self) -> int:
        """Draw the row of an action that may have an order, preferably a recent one."""
        row = len(self.rows) - 1 - self.pick(0, min(len(self.rows) - 1, self.one((0, 3, 40))))
        return row if self.rows[row].kind != "cancel" else self.rows[row].other or 0

    def _near(self, price: float, tick: float) -> float | None:
        """Draw a price a few ticks away, or occasionally none."""
        return None if self.once_in(12) else max(0, round(price / tick) + self.pick(-8, 8)) * tick

    def _bracket(self, bar: int, column: int, price: float, tick: float, most: float) -> None:
        """Add a parent, and one or two children that close it, in whole or in part."""
        parent, kinds = len(self.rows), ("buy", "sell") if self.once_in(2) else ("sell", "buy")
        self.rows.append(
            self._priced(Action(bar, kinds[0], self._units(most), column), price, tick, only_market=False)
        )
        for _ in range(self.pick(1, 2)):
            size = self.rows[parent].size if not self.once_in(4) else self._units(most)
            child = self._priced(Action(bar, kinds[1], size, column), price, tick, only_market=False)
            self.rows.append(evolve(child, parent=parent))

"""A run of ours performed by another engine: its scenario, and the outcome with the numbers of our orders."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import numpy as np
from attrs import evolve

from tieout.execution.kernels.orders import OrderType
from tieout.ledger.moment import DAY
from tieout.validation.compare.orders import Grid, by_bar, charges, last_chance
from tieout.validation.compare.ours import Order, Performed
from tieout.validation.engines.backtrader import scenario as of_backtrader
from tieout.validation.engines.backtrader.imitation import Followed
from tieout.validation.engines.vectorbt import scenario as of_vectorbt
from tieout.validation.foreign.outcome import Fill, Outcome, Refusal

Engine = Literal["numba", "rust"]
Row = TypeVar("Row", Fill, Refusal)
Kind = TypeVar("Kind", bound=Outcome)


def vectorbt(run: Performed) -> tuple[of_vectorbt.Scenario, Grid]:
    """The orders of a run for ``Portfolio.from_orders``, and which of ours each is.

    Partial fills are allowed where our account cuts orders; a cash account is long only.
    """
    costs, grid = charges("vectorbt", run), Grid.of(run)
    scenario = of_vectorbt.Scenario(
        "orders",
        run.panels["close"],
        run.opening,
        {
            "size": grid.size,
            "price": run.panels["close" if run.is_same_close else "open"],
            "direction": "longonly" if run.is_limited else "both",
            "fees": costs.percent,
            "fixed_fees": costs.per_order,
            "slippage": costs.slippage,
            "allow_partial": run.cuts,
        },
        call_seq=grid.turn,
    )
    return scenario, grid


def by_vectorbt(run: Performed, engine: Engine = "numba") -> Outcome:
    """What VectorBT's *engine*, ``numba`` or ``rust``, makes of the orders of a run."""
    from tieout.validation.engines.vectorbt import package

    return through_vectorbt(run, lambda scenario: package.run(scenario, engine))


def through_vectorbt(run: Performed, perform: Callable[[of_vectorbt.Scenario], Outcome]) -> Outcome:
    """What *perform*, the package or its imitation, makes of the orders of a run."""
    scenario, grid = vectorbt(run)
    return renumbered(perform(scenario), grid.number.ravel().tolist())


def renumbered(outcome: Kind, numbers: Sequence[int]) -> Kind:
    """An outcome with orders numbered as ours are."""

    def own(rows: Sequence[Row]) -> list[Row]:
        return [evolve(row, order=numbers[row.order]) for row in rows]

    return evolve(outcome, fills=own(outcome.fills), refusals=own(outcome.refusals))


def backtrader(run: Performed, *, checks_submission: bool = True) -> tuple[of_backtrader.Scenario, list[int]]:
    """The orders of a run for Backtrader's strategy, and which of ours each of them is.

    An order at the same close fills, there, when the next bar comes: one more, at the last closes, is put to
    the end for those of the last bar. Slippage may leave the bar's range, as ours does.
    """
    costs = charges("backtrader", run)
    rules = of_backtrader.Rules(
        cash=run.opening,
        commission=costs.percent or costs.per_share,
        is_per_unit=costs.per_share != 0.0,
        checksubmit=checks_submission,
        coc=run.is_same_close,
        slip_perc=costs.slippage,
        slip_out=True,
    )
    actions, numbers = _actions(run)
    timestamp, bars, there = run.panels.timestamp, dict(run.panels.fields), run.panels.is_there
    if run.is_same_close:
        last = run.panels.valuation[-1:]
        bars = {name: np.vstack([prices, last]) for name, prices in bars.items()}
        timestamp = np.append(timestamp, timestamp[-1] + DAY)
        there = np.vstack([there, np.ones_like(there[:1])])
    scenario = of_backtrader.of_bars(timestamp, bars, of_backtrader.table(actions), rules, there)
    return scenario, numbers


def _actions(run: Performed) -> tuple[list[of_backtrader.Action], list[int]]:
    """The orders of a run, and what is taken back, in the order of their bars; and the orders' numbers."""
    given, cancelled = by_bar(run), defaultdict(list)
    for order in run.orders:
        if order.until >= 0:
            cancelled[order.until].append(order.number)
    actions: list[of_backtrader.Action] = []
    numbers: list[int] = []
    rows: dict[int, int] = {}
    for bar in sorted(given.keys() | cancelled.keys()):
        for order in given.get(bar, []):
            rows[order.number] = len(actions)
            actions.append(_action(run, order))
            numbers.append(order.number)
        actions += [
            of_backtrader.Action(bar, "cancel", other=rows[number])
            for number in cancelled.get(bar, [])
            if number in rows
        ]
    return actions, numbers


def _action(run: Performed, order: Order) -> of_backtrader.Action:
    last = last_chance(run, order)
    price = order.limit if order.type is OrderType.LIMIT else order.stop
    return of_backtrader.Action(
        order.bar,
        "buy" if order.quantity > 0 else "sell",
        abs(order.quantity),
        order.column,
        {OrderType.MARKET: "Market", OrderType.LIMIT: "Limit", OrderType.STOP: "Stop"}[order.type],
        price=None if order.type is OrderType.MARKET else price,
        valid=None if last < 0 else float(run.panels.timestamp[last] - run.panels.timestamp[order.bar]) / DAY,
    )


def by_backtrader(run: Performed, *, checks_submission: bool = True) -> Outcome:
    """What Backtrader makes of the orders of a run, at its bars."""
    from tieout.validation.engines.backtrader import package

    return through_backtrader(run, package.run, checks_submission=checks_submission)


def through_backtrader(
    run: Performed,
    perform: Callable[[of_backtrader.Scenario], Followed],
    *,
    checks_submission: bool = True,
) -> Outcome:
    """What *perform*, the package or its imitation, makes of the orders of a run."""
    scenario, numbers = backtrader(run, checks_submission=checks_submission)
    return settled(run, renumbered(perform(scenario), numbers))


def settled(run: Performed, followed: Followed) -> Outcome:
    """An outcome in which what was filled at a close is in the cash and the value of that bar.

    Backtrader works these orders when the next bar comes, so that it has all of it one bar later. Limits and
    stops it works on that next bar itself, and there they stay; what it fills on the bar after the last,
    which is there for the closes of the last alone, is left out.
    """
    if not run.is_same_close:
        return followed
    bars = len(run.panels.timestamp)
    fills, cash = [], followed.cash[1:].copy()
    held = np.zeros(run.panels["close"].shape)
    for fill, stamp in zip(followed.fills, followed.stamps, strict=True):
        if stamp == fill.bar:
            cash[stamp - 1] += fill.quantity * fill.price + fill.fee
        if stamp < bars:
            fills.append(evolve(fill, bar=stamp))
            held[stamp, fill.column] += fill.quantity
    waits = {order.number for order in run.orders if order.type is not OrderType.MARKET}
    refusals = [
        evolve(refusal, bar=refusal.bar - (refusal.order not in waits)) for refusal in followed.refusals
    ]
    worth = np.cumsum(held, axis=0) * np.nan_to_num(run.panels.valuation)
    return Outcome(
        sorted(fills, key=lambda fill: fill.bar),
        [refusal for refusal in refusals if refusal.bar < bars],
        cash,
        cash + np.sum(worth, axis=1),
    )

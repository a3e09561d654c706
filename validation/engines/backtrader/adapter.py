"""Backtrader for `tieout compare`: a run's orders for its strategy, and the known differences of rules."""

from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import version as package_version

import numpy as np
from attrs import evolve

from tieout.execution.kernels.orders import OrderType, Reason
from tieout.execution.models.commissions.per_share import PerShareCommission
from tieout.execution.models.commissions.percent import PercentCommission
from tieout.execution.models.slippage.percent import PercentSlippage
from tieout.ledger.moment import DAY
from tieout.validation.engines.backtrader import imitation
from tieout.validation.engines.backtrader.imitation import FullOutcome
from tieout.validation.engines.backtrader.scenario import Action, Rules, Scenario, of_bars, table
from tieout.validation.engines.interface import Adapter
from tieout.validation.foreign.explanations import (
    SHARED_RULES,
    UNLIMITED,
    Case,
    Rule,
    fills_less,
    is_refused_for,
)
from tieout.validation.foreign.native import NativeRun, Order
from tieout.validation.foreign.outcome import Outcome, renumbered
from tieout.validation.foreign.requests import charges, last_valid_bar, orders_by_bar

NAME = "Backtrader"
COMMISSIONS = (PercentCommission, PerShareCommission)


def scenario_of(run: NativeRun, *, checks_submission: bool = True) -> tuple[Scenario, list[int]]:
    """Translate the orders of a run for Backtrader's strategy. The list has the number of each order.

    Backtrader fills an order at the same close when the next bar arrives. An additional bar at the last
    closes lets the orders of the last bar fill. Slippage may leave the bar's range, as in tieout.
    """
    costs = charges(run, NAME, COMMISSIONS)
    rules = Rules(
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
    return of_bars(timestamp, bars, table(actions), rules, there), numbers


def _actions(run: NativeRun) -> tuple[list[Action], list[int]]:
    """Return the orders and cancellations of a run in the sequence of their bars, and the orders' numbers."""
    orders, cancellations = orders_by_bar(run), defaultdict(list)
    for order in run.orders:
        if order.until >= 0:
            cancellations[order.until].append(order.number)
    actions: list[Action] = []
    numbers: list[int] = []
    rows: dict[int, int] = {}
    for bar in sorted(orders.keys() | cancellations.keys()):
        for order in orders.get(bar, []):
            rows[order.number] = len(actions)
            actions.append(_action(run, order))
            numbers.append(order.number)
        actions += [
            Action(bar, "cancel", other=rows[number])
            for number in cancellations.get(bar, [])
            if number in rows
        ]
    return actions, numbers


def _action(run: NativeRun, order: Order) -> Action:
    last = last_valid_bar(run, order)
    price = order.limit if order.type is OrderType.LIMIT else order.stop
    return Action(
        order.bar,
        "buy" if order.quantity > 0 else "sell",
        abs(order.quantity),
        order.column,
        {OrderType.MARKET: "Market", OrderType.LIMIT: "Limit", OrderType.STOP: "Stop"}[order.type],
        price=None if order.type is OrderType.MARKET else price,
        valid=None if last < 0 else float(run.panels.timestamp[last] - run.panels.timestamp[order.bar]) / DAY,
    )


def outcome_of(
    run: NativeRun, perform: Callable[[Scenario], FullOutcome], *, checks_submission: bool = True
) -> Outcome:
    """Return the outcome of a run's orders under *perform*, the package or its imitation."""
    scenario, numbers = scenario_of(run, checks_submission=checks_submission)
    return at_closes(run, renumbered(perform(scenario), numbers))


def by_package(run: NativeRun, *, checks_submission: bool = True) -> Outcome:
    """Return the outcome of a run's orders in the package."""
    from tieout.validation.engines.backtrader import package

    return outcome_of(run, package.run, checks_submission=checks_submission)


def by_imitation(run: NativeRun, *, checks_submission: bool = True) -> Outcome:
    """Return the outcome of a run's orders in the imitation."""
    return outcome_of(run, imitation.imitate, checks_submission=checks_submission)


def at_closes(run: NativeRun, followed: FullOutcome) -> Outcome:
    """Move fills at a close, their cash and their value to the bar of that close.

    Backtrader executes these orders when the next bar arrives, so it reports all of it one bar late. It
    executes limits and stops on that next bar itself, and there they stay. Fills on the additional bar after
    the last are left out.
    """
    if not run.is_same_close:
        return followed
    bars = len(run.panels.timestamp)
    fills, cash = [], followed.cash[1:].copy()
    change = np.zeros(run.panels["close"].shape)
    for fill, stamp in zip(followed.fills, followed.stamps, strict=True):
        if stamp == fill.bar:
            cash[stamp - 1] += fill.quantity * fill.price + fill.fee
        if stamp < bars:
            fills.append(evolve(fill, bar=stamp))
            change[stamp, fill.column] += fill.quantity
    waiting = {order.number for order in run.orders if order.type is not OrderType.MARKET}
    refusals = [
        evolve(refusal, bar=refusal.bar - (refusal.order not in waiting)) for refusal in followed.refusals
    ]
    market_value = np.cumsum(change, axis=0) * np.nan_to_num(run.panels.valuation)
    return Outcome(
        sorted(fills, key=lambda fill: fill.bar),
        [refusal for refusal in refusals if refusal.bar < bars],
        cash,
        cash + np.sum(market_value, axis=1),
    )


# --- known differences of rules --------------------------------------------------------------------


def _is_margin(case: Case) -> bool:
    return case.engine_result.reason == "Margin"


def _slips_at_a_limit(case: Case) -> bool:
    """Check whether Backtrader filled a limit order at the same bar at a worse price, because of slippage."""
    fills = {fill.bar: fill for fill in case.result.fills}
    is_worse = any(
        fill.bar in fills and (fill.price - fills[fill.bar].price) * fill.quantity > 0
        for fill in case.engine_result.fills
    )
    return (
        case.order.type is OrderType.LIMIT
        and case.run.backtest.costs.slippage != PercentSlippage()
        and is_worse
    )


def _is_refused_at_once(case: Case) -> bool:
    """Check whether Backtrader refused the order for lack of cash by the bar after it was placed."""
    refusal = case.engine_result.refusal
    return _is_margin(case) and refusal is not None and refusal.bar <= case.order.bar + 1


def _fills_without_a_bar(case: Case) -> bool:
    """Check whether Backtrader filled an order at a time when its instrument had no bar."""
    return any(not case.run.panels.is_there[fill.bar, fill.column] for fill in case.engine_result.fills)


RULES = (
    *(rule for rule in SHARED_RULES if rule is not UNLIMITED),
    Rule(
        "the closing leg of a flip",
        "Backtrader closes the position and refuses only the opening leg when cash does not suffice",
        lambda case: _is_margin(case) and bool(case.engine_result.fills) and case.order.reduces,
    ),
    UNLIMITED,
    Rule(
        "the submission check",
        "Backtrader pays for all orders of a bar in advance, one after the other, at the closes at which they"
        " were placed or at their own limits and stops. From the one that takes cash below zero, all are"
        " refused, sales included, until sales bring it back",
        lambda case: _is_refused_at_once(case) and not case.engine_result.fills and not case.result.reason,
    ),
    Rule(
        "cut or refused",
        "tieout cuts an order to the size that cash pays for if the account says so, while Backtrader"
        " refuses it",
        lambda case: _is_margin(case) and case.run.cuts and bool(case.result.fills),
    ),
    Rule(
        "selling more than the position",
        "a tieout cash account sells only what it holds, while Backtrader goes short",
        lambda case: is_refused_for(Reason.INSUFFICIENT_POSITION)(case) and fills_less(case),
    ),
    Rule(
        "limits and stops at the same close",
        "At the same close tieout tries a limit or a stop on the close at which it was placed. Backtrader,"
        " whose cheat-on-close is for market orders alone, tries it on the next bar",
        lambda case: case.run.is_same_close and case.order.type is not OrderType.MARKET,
    ),
    Rule(
        "slippage of a limit order",
        "Backtrader applies slippage to a limit order that the open satisfies, while tieout applies none to"
        " limit orders",
        _slips_at_a_limit,
    ),
    Rule(
        "an old bar",
        "Backtrader tries an order other than a market order on its instrument's last bar until there is a"
        " new one, even on the bar at whose close it was placed. In tieout the order waits for the next bar",
        _fills_without_a_bar,
    ),
    Rule(
        "the path within a bar",
        "tieout fills orders in the sequence in which the path of the bar touches them, and reducing orders"
        " first. Backtrader fills them in the sequence of submission",
        lambda case: case.order.type is not OrderType.MARKET and bool(case.result.reason or _is_margin(case)),
    ),
)
ADAPTER = Adapter(
    NAME,
    lambda: package_version("backtrader"),
    "1.9.78.123",
    by_package,
    by_imitation,
    COMMISSIONS,
    RULES,
)

"""Random scenarios in VectorBT and in its imitation, whose journal has cash, value and fills.

The comparison has fills and refusals with their reasons, in the order in which they happened, account by
account. It has cash and value at every bar, and each row of the table fill with its transfers, as the journal
of the imitation has them. Where the package raises an error, the imitation has to raise it too.
"""

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve, frozen

from tieout.validation.engines.vectorbt.imitation import (
    Simulation,
    WouldRaise,
    book_trades,
    simulate,
    trades_from,
)
from tieout.validation.engines.vectorbt.random import seeded
from tieout.validation.engines.vectorbt.scenario import Engine, Scenario, where_engines_differ
from tieout.validation.evidence.distinct import distinct
from tieout.validation.evidence.tally import CASH_BOUND, Tally
from tieout.validation.foreign.booking import CENTS, Booked
from tieout.validation.foreign.orders import EPSILON, ONE
from tieout.validation.foreign.outcome import differences
from tieout.validation.foreign.rows import unlike

BOUND = frozenset({"NoCashLong", "NoCashShort", "CantCoverFees", "PartialFill"})
"""Reasons for a lack of cash."""
RAISED, LEFT_OUT = "both raise an error", "left out: "
DIVISION = "division by zero"
"""An error in numba, where Rust continues with an infinite limit."""
SIGNALS, LOCKED, APART = "from signals", "cash is locked", "cash is not shared"


def compare_random(count: int, seed: int, engine: Engine) -> Tally:
    """Compare *count* distinct scenarios drawn from *seed*.

    With Rust, scenarios in which numba and Rust differ are left out and counted.
    """
    tally = Tally()
    for name, scenario in distinct(partial(seeded, seed), _digest, seed):
        if tally.scenarios == count:
            break
        differ = where_engines_differ(scenario) if engine == "rust" else ()
        tally.regimes.update(LEFT_OUT + why for why in differ)
        if not differ:
            compare(tally, name, scenario, engine)
    return tally


def _digest(scenario: Scenario) -> bytes:
    return hashlib.sha256(scenario.text.encode()).digest()


@frozen
class Raised:
    """An error of one side."""

    is_division: bool
    text: str


def compare(tally: Tally, name: str, scenario: Scenario, engine: Engine) -> bool:
    """Compare and count one scenario, named *name* in a difference. Return whether it is equal.

    With Rust, a scenario in which numba divides by zero is left out.
    """
    from tieout.validation.engines.vectorbt import package

    imitation, portfolio = _imitation(scenario), _portfolio(scenario, engine)
    if isinstance(imitation, Raised) and imitation.is_division and engine == "rust":
        tally.regimes[LEFT_OUT + DIVISION] += 1
        return True
    if isinstance(imitation, Raised) or isinstance(portfolio, Raised):
        tally.scenarios += 1
        tally.regimes[RAISED] += 1
        sides = [side for side in (imitation, portfolio) if isinstance(side, Raised)]
        if len(sides) == 1:
            return tally.differ(name, [f"only one side raises an error: {sides[0]}"])
        is_alike = sides[0].is_division == sides[1].is_division
        return is_alike or tally.differ(name, [f"two different errors: {sides[0]}, {sides[1]}"])
    trades = trades_from(imitation)
    accounts = package.accounts(scenario, portfolio)
    booked = book_trades(scenario, trades, imitation.outcome.refusals)
    other = list(map(str, unlike(booked, trades, package.trades(scenario, portfolio))))
    booked.journal.discard()
    outcome = evolve(imitation.outcome, cash=booked.cash, value=booked.value)
    is_equal = tally.add(name, outcome, package.together(accounts), regimes(imitation))
    rest = [
        str(difference)
        for pair in zip(imitation.accounts, accounts, strict=True)
        for difference in differences(*pair)
    ]
    rest += [*departures(imitation, booked), *other]
    return is_equal and (not rest or tally.differ(name, rest))


def _imitation(scenario: Scenario) -> Simulation | Raised:
    try:
        return simulate(scenario)
    except WouldRaise as error:
        return Raised(error.is_division, str(error))


def _portfolio(scenario: Scenario, engine: Engine) -> Any:
    """Return the package's portfolio, or the error that it raises."""
    from tieout.validation.engines.vectorbt import package

    try:
        return package.portfolio(scenario, engine)
    except (ValueError, ZeroDivisionError) as error:
        return Raised(isinstance(error, ZeroDivisionError), str(error))


def departures(performance: Simulation, booked: Booked) -> Iterator[str]:
    """Yield the first bar at which the books are further than half a unit from the floats of the loop."""
    fills = performance.fills
    positions = np.zeros(performance.scenario.shape)
    for bar, column, after in zip(fills["bar"], fills["column"], fills["position_after"], strict=True):
        positions[bar:, column] = after
    # A float is itself rounded: the last bit of a large one can exceed half a unit.
    cash = performance.outcome.cash
    room = 0.5 * len(performance.desks) + np.abs(cash) * CENTS * EPSILON
    for bar in np.flatnonzero(np.abs(booked.cash - cash) * CENTS > room)[:1].tolist():
        yield f"bar {bar}: cash is {booked.cash[bar]} in the books, {cash[bar]} in the loop"
    apart = np.abs(booked.units - positions * ONE) > 0.5 + np.abs(positions) * ONE * EPSILON
    for bar, column in np.argwhere(apart)[:1].tolist():
        units = booked.units[bar, column] / ONE
        yield f"bar {bar}, column {column}: {units} units in the books, {positions[bar, column]} in the loop"


def regimes(performance: Simulation) -> Iterator[str]:
    """Yield the regimes of a scenario beyond those that follow from its fills."""
    scenario, fills = performance.scenario, performance.fills
    if BOUND & {refusal.reason for refusal in performance.outcome.refusals} or np.any(
        fills["cash_after"] == 0
    ):
        yield CASH_BOUND
    if scenario.kind == "signals":
        yield SIGNALS
    if np.any(scenario.of("lock_cash")):
        yield LOCKED
    if not scenario.cash_sharing:
        yield APART

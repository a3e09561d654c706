"""Random scenarios in the imitation of VectorBT and in VectorBT itself, and their journals: what differs.

Of each scenario are compared: fills and refusals with their reasons, in the order in which they happened,
account by account; cash and value at every bar, and each row of the table fill with its transfers, as the
journal of the imitation has them; and that where the package raises an error, the imitation does.
"""

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve, frozen

from tieout.validation.engines.vectorbt.imitation import (
    Performed,
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
"""Reasons that say that there was not cash enough."""
RAISED, LEFT_OUT = "both raise an error", "left out: "
DIVISION = "division by zero"
"""What numba raises an error of, where Rust goes on with an infinite limit."""
SIGNALS, LOCKED, APART = "from signals", "cash is locked", "cash is not shared"


def compare_random(count: int, seed: int, engine: Engine) -> Tally:
    """Compare *count* scenarios drawn from *seed*, no two of them the same.

    With Rust those are left out, and counted, of which numba and Rust make different things.
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
    """An error that a side raised."""

    is_division: bool
    text: str


def compare(tally: Tally, name: str, scenario: Scenario, engine: Engine) -> bool:
    """Compare one scenario, told as *name* where it differs, and count it; whether there is no difference.

    With Rust one in which numba divides by zero is left out.
    """
    from tieout.validation.engines.vectorbt import package

    ours, theirs = _ours(scenario), _theirs(scenario, engine)
    if isinstance(ours, Raised) and ours.is_division and engine == "rust":
        tally.regimes[LEFT_OUT + DIVISION] += 1
        return True
    if isinstance(ours, Raised) or isinstance(theirs, Raised):
        tally.scenarios += 1
        tally.regimes[RAISED] += 1
        sides = [side for side in (ours, theirs) if isinstance(side, Raised)]
        if len(sides) == 1:
            return tally.differ(name, [f"only one side raises an error: {sides[0]}"])
        is_alike = sides[0].is_division == sides[1].is_division
        return is_alike or tally.differ(name, [f"one error here, another there: {sides[0]}; {sides[1]}"])
    made, trades = theirs, trades_from(ours)
    accounts = package.accounts(scenario, made)
    booked = book_trades(scenario, trades, ours.outcome.refusals)
    other = list(map(str, unlike(booked, trades, package.trades(scenario, made))))
    booked.journal.discard()
    stated = evolve(ours.outcome, cash=booked.cash, value=booked.value)
    is_equal = tally.add(name, stated, package.together(accounts), regimes(ours))
    rest = [
        str(difference)
        for pair in zip(ours.accounts, accounts, strict=True)
        for difference in differences(*pair)
    ]
    rest += [*departures(ours, booked), *other]
    return is_equal and (not rest or tally.differ(name, rest))


def _ours(scenario: Scenario) -> Performed | Raised:
    try:
        return simulate(scenario)
    except WouldRaise as error:
        return Raised(error.is_division, str(error))


def _theirs(scenario: Scenario, engine: Engine) -> Any:
    """The package's portfolio, or the error that it raised."""
    from tieout.validation.engines.vectorbt import package

    try:
        return package.portfolio(scenario, engine)
    except (ValueError, ZeroDivisionError) as error:
        return Raised(isinstance(error, ZeroDivisionError), str(error))


def departures(performed: Performed, booked: Booked) -> Iterator[str]:
    """Where the books are further from the loop's own floats than half a unit: the first bar of each."""
    fills = performed.fills
    held = np.zeros(performed.scenario.shape)
    for bar, column, after in zip(fills["bar"], fills["column"], fills["position_after"], strict=True):
        held[bar:, column] = after
    # A float is itself rounded: the last bit of a large one is worth more than nothing.
    cash = performed.outcome.cash
    room = 0.5 * len(performed.desks) + np.abs(cash) * CENTS * EPSILON
    for bar in np.flatnonzero(np.abs(booked.cash - cash) * CENTS > room)[:1].tolist():
        yield f"bar {bar}: cash is {booked.cash[bar]} in the books, {cash[bar]} in the loop"
    apart = np.abs(booked.units - held * ONE) > 0.5 + np.abs(held) * ONE * EPSILON
    for bar, column in np.argwhere(apart)[:1].tolist():
        units = booked.units[bar, column] / ONE
        yield f"bar {bar}, column {column}: {units} units in the books, {held[bar, column]} in the loop"


def regimes(performed: Performed) -> Iterator[str]:
    """What a scenario has reached beyond what its fills tell."""
    scenario, fills = performed.scenario, performed.fills
    if BOUND & {refusal.reason for refusal in performed.outcome.refusals} or np.any(fills["cash_after"] == 0):
        yield CASH_BOUND
    if scenario.kind == "signals":
        yield SIGNALS
    if np.any(scenario.of("lock_cash")):
        yield LOCKED
    if not scenario.cash_sharing:
        yield APART

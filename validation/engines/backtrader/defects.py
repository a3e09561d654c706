"""Defects of Backtrader 1.9.78.123 that the imitation does not repeat, and the scenarios that may show them.

In every other scenario the imitation must agree with the package in everything. These rules decide from the
scenario alone.
"""

from collections.abc import Callable

import numpy as np
from attrs import frozen

from tieout.ledger.moment import DAY
from tieout.ledger.numeric import Flags
from tieout.validation.engines.backtrader.scenario import Scenario
from tieout.validation.engines.backtrader.tables import AT_CLOSE, CANCEL, MARKET

MINUTE = DAY // 1_440
"""The finest times that a float of days represents exactly enough. Tried on all minutes of 400 days."""


@frozen
class Defect:
    """A defect of Backtrader, the reason not to repeat it, and a test for scenarios in which it can occur."""

    name: str
    does: str
    reason: str
    can_happen: Callable[[Scenario], bool]


def possible_defects(scenario: Scenario) -> list[str]:
    """List the names of the defects that can occur in a scenario."""
    return [defect.name for defect in DEFECTS if defect.can_happen(scenario)]


def _has_unpriced_bars(scenario: Scenario) -> bool:
    return bool(np.any(scenario.there & ~scenario.is_priced))


def _is_early(scenario: Scenario) -> Flags:
    """Mark actions on an instrument that has no bar yet."""
    actions = np.asarray(scenario.actions)
    has_begun = np.logical_or.accumulate(scenario.there, axis=0)
    early: Flags = ~has_begun[actions["bar"], actions["column"]] & (actions["kind"] != CANCEL)
    return early


def _acts_before_the_first_bar(scenario: Scenario) -> bool:
    return bool(np.any(_is_early(scenario)))


def _works_while_bars_are_missing(scenario: Scenario) -> bool:
    """Check for an order other than a market order on an instrument that lacks a later bar."""
    actions = np.asarray(scenario.actions)
    absent = ~scenario.there
    lacks_later = np.logical_or.accumulate(absent[::-1], axis=0)[::-1]
    following = np.zeros_like(lacks_later)
    following[:-1] = lacks_later[1:]
    where = lacks_later if scenario.rules.coo else following
    can = (actions["type"] != MARKET) & (actions["kind"] != CANCEL)
    return bool(np.any(can & where[actions["bar"], actions["column"]]))


def _opens_without_a_bar(scenario: Scenario) -> bool:
    """Check, with cheat-on-open, for an order on an instrument at a bar that it lacks."""
    actions = np.asarray(scenario.actions)
    there = scenario.there[actions["bar"], actions["column"]]
    return bool(scenario.rules.coo and np.any(~there & (actions["kind"] != CANCEL)))


def _tells_time_inexactly(scenario: Scenario) -> bool:
    """Check for times that are no exact float of days, together with orders that depend on times."""
    actions = np.asarray(scenario.actions)
    days = actions["valid"]
    is_timed = ~np.isnan(days) | (actions["type"] == AT_CLOSE)
    inexact = np.any(scenario.timestamp % MINUTE) or np.any(np.rint(days[~np.isnan(days)] * DAY) % MINUTE)
    return bool(np.any(is_timed) and inexact)


DEFECTS = (
    Defect(
        "a bar without a price",
        "A market order fills at a price of NaN, because NaN passes the check that cash is not below zero."
        " Cash and value are NaN from then on.",
        "A fill without a price cannot be booked. Here the instrument has no bar then.",
        _has_unpriced_bars,
    ),
    Defect(
        "an old bar",
        "At every bar of any instrument, an order other than a market order is tried on the last bar of its"
        " own instrument. That may be the bar at whose close it was placed, so it fills before it existed.",
        "It trades at past prices. Here an order waits for a bar of its instrument.",
        _works_while_bars_are_missing,
    ),
    Defect(
        "the open of an old bar",
        "With cheat-on-open, a market order on an instrument without a bar fills at an old bar's open.",
        "It is a past price. Here an order waits for a bar of its instrument.",
        _opens_without_a_bar,
    ),
    Defect(
        "the last bar before the first",
        "Before the first bar of an instrument, its prices are those of its last bar.",
        "It looks ahead to the end. Here an instrument does not trade before its first bar.",
        _acts_before_the_first_bar,
    ),
    Defect(
        "time as a float",
        "Time is a float of days, precise to about ten microseconds. With bars of seconds, the last bit"
        " decides whether an order expires at the bar of its time or after it.",
        "It follows no rule. Here time is whole nanoseconds.",
        _tells_time_inexactly,
    ),
)

"""What Backtrader 1.9.78.123 does that is not followed, why, and which scenarios it can happen in.

A scenario in which none of these can happen is one in which the imitation has to agree with the package in
everything. Which those are is decided by these rules from the scenario alone.
"""

from collections.abc import Callable

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout.ledger.moment import DAY
from tieout.validation.engines.backtrader.scenario import Scenario
from tieout.validation.engines.backtrader.tables import AT_CLOSE, CANCEL, MARKET

Bools = NDArray[np.bool_]

MINUTE = DAY // 1_440
"""Whole minutes are told apart and met exactly where time is a float of days; tried on all of 400 days."""


@frozen
class Defect:
    """What Backtrader does, why that is not followed, and whether it can happen in a scenario."""

    name: str
    does: str
    reason: str
    can_happen: Callable[[Scenario], bool]


def found(scenario: Scenario) -> list[str]:
    """The names of the defects that can happen in a scenario."""
    return [defect.name for defect in DEFECTS if defect.can_happen(scenario)]


def _has_unpriced_bars(scenario: Scenario) -> bool:
    return bool(np.any(scenario.there & ~scenario.is_priced))


def _is_early(scenario: Scenario) -> Bools:
    """Which actions are of an instrument that has no bar yet."""
    asked = np.asarray(scenario.actions)
    begun = np.logical_or.accumulate(scenario.there, axis=0)
    early: Bools = ~begun[asked["bar"], asked["column"]] & (asked["kind"] != CANCEL)
    return early


def _acts_before_the_first_bar(scenario: Scenario) -> bool:
    return bool(np.any(_is_early(scenario)))


def _works_while_bars_are_missing(scenario: Scenario) -> bool:
    """An order that is not a market order, of an instrument that lacks a later bar."""
    asked = np.asarray(scenario.actions)
    absent = ~scenario.there
    lacks_later = np.logical_or.accumulate(absent[::-1], axis=0)[::-1]
    following = np.zeros_like(lacks_later)
    following[:-1] = lacks_later[1:]
    where = lacks_later if scenario.rules.coo else following
    can = (asked["type"] != MARKET) & (asked["kind"] != CANCEL)
    return bool(np.any(can & where[asked["bar"], asked["column"]]))


def _opens_without_a_bar(scenario: Scenario) -> bool:
    """Cheating on the open, an order of an instrument at a bar that it lacks, or may still lack."""
    asked = np.asarray(scenario.actions)
    there = scenario.there[asked["bar"], asked["column"]]
    return bool(scenario.rules.coo and np.any(~there & (asked["kind"] != CANCEL)))


def _tells_time_inexactly(scenario: Scenario) -> bool:
    """Times of day that are no exact float of days, and orders that are compared with a time."""
    asked = np.asarray(scenario.actions)
    days = asked["valid"]
    is_timed = ~np.isnan(days) | (asked["type"] == AT_CLOSE)
    inexact = np.any(scenario.timestamp % MINUTE) or np.any(np.rint(days[~np.isnan(days)] * DAY) % MINUTE)
    return bool(np.any(is_timed) and inexact)


DEFECTS = (
    Defect(
        "a bar without a price",
        "A market order fills at a price of NaN, because NaN is not below zero where cash is checked; cash"
        " and value are NaN from then on.",
        "A fill without a price cannot be booked. Here such a bar is one that the instrument does not have.",
        _has_unpriced_bars,
    ),
    Defect(
        "an old bar",
        "An order that is not a market order is tried at every bar of any instrument, on the last bar that"
        " its own has: also on the one at whose close it was given, so that it fills before it was there.",
        "It trades at prices of the past. Here an order waits for a bar of its instrument.",
        _works_while_bars_are_missing,
    ),
    Defect(
        "the open of an old bar",
        "Cheating on the open, a market order of an instrument without a bar fills at an old bar's open.",
        "It is a price of the past. Here an order waits for a bar of its instrument.",
        _opens_without_a_bar,
    ),
    Defect(
        "the last bar before the first",
        "Before an instrument has a bar its prices are those of the last bar that it will have.",
        "It looks ahead, to the end. Here an instrument is not traded before it has a bar.",
        _acts_before_the_first_bar,
    ),
    Defect(
        "time as a float",
        "Time is a float of days, good to about ten microseconds: with bars of seconds an order good until a"
        " bar's time expires at it or after it, by the last bit.",
        "It depends on no rule. Here time is whole nanoseconds.",
        _tells_time_inexactly,
    ),
)

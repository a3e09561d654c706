"""Random scenarios in Backtrader and in its imitation, whose journal has cash, value and fills."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from functools import partial

import numpy as np
from attrs import asdict, evolve

from tieout.validation.engines.backtrader.defects import possible_defects
from tieout.validation.engines.backtrader.imitation import (
    FullOutcome,
    Performance,
    all_differences,
    books,
    of_records,
    perform,
    trades_from,
)
from tieout.validation.engines.backtrader.random import seeded
from tieout.validation.engines.backtrader.scenario import TYPES, Scenario
from tieout.validation.engines.backtrader.tables import BUY, CHEAT_ON_CLOSE, CHEAT_ON_OPEN, ENTER, SELL
from tieout.validation.evidence.distinct import distinct
from tieout.validation.evidence.tally import CASH_BOUND, Tally
from tieout.validation.foreign.booking import CENTS, Booked
from tieout.validation.foreign.orders import ONE
from tieout.validation.foreign.outcome import Difference
from tieout.validation.foreign.rows import unlike

LEFT_OUT = "left out: "
"""Prefix of a defect among the regimes, which count the scenarios that it left out."""


def compare_random(count: int, seed: int = 0) -> Tally:
    """Compare *count* distinct scenarios of a seed in which no defect can happen."""
    from tieout.validation.engines.backtrader import package

    tally = Tally()
    left_out: Counter[str] = Counter()
    for name, scenario in distinct(partial(seeded, seed), _digest, seed):
        if defects := possible_defects(scenario):
            left_out.update(LEFT_OUT + defect for defect in defects)
            continue
        compare(tally, name, scenario, package.run(scenario))
        if tally.scenarios == count:
            break
    tally.regimes.update(left_out)
    return tally


def _digest(scenario: Scenario) -> bytes:
    parts = (scenario.timestamp, *scenario.bars.values(), scenario.there, scenario.actions)
    whole = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
    return hashlib.sha256(whole + repr(asdict(scenario.rules)).encode()).digest()


def compare(tally: Tally, name: str, scenario: Scenario, package: FullOutcome) -> bool:
    """Count one scenario, named *name* in a difference. Return whether imitation and books equal it."""
    performance = perform(scenario)
    imitation = performance.followed
    trades = trades_from(performance)
    booked = books(performance, has_statements=False)
    other = list(unlike(booked, trades, of_records(scenario, package)[0]))
    booked.journal.discard()
    outcome = evolve(imitation, cash=booked.cash, value=booked.value)
    is_equal = tally.add(name, outcome, package, {*regimes(performance)})
    if not is_equal:
        return False
    rest = [
        *all_differences(imitation, package),
        *departures(performance, booked),
        *last_bits(imitation, package),
        *other,
    ]
    return not rest or tally.differ(name, rest)


def last_bits(imitation: FullOutcome, package: FullOutcome) -> Iterator[Difference]:
    """Yield the differences in the last bit of two outcomes that are equal otherwise."""
    for here, there in zip(imitation.fills, package.fills, strict=True):
        if here != there:
            yield Difference(here.bar, here.column, "last bit of a fill", str(here), str(there))
    for name in ("cash", "value"):
        here, there = getattr(imitation, name), getattr(package, name)
        for bar in np.flatnonzero(here != there)[:1].tolist():
            yield Difference(bar, -1, f"last bit of {name}", repr(here[bar]), repr(there[bar]))


def departures(performance: Performance, booked: Booked) -> Iterator[Difference]:
    """Yield the first bar at which cash or positions in the books are not those of the loop, rounded."""
    executions, desk = performance.rows("executions"), performance.desk
    place = executions["bar"], executions["column"]
    positions = np.zeros_like(desk.close)
    positions[place] = executions["quantity_after"]  # of several at a bar the last
    has_traded = np.zeros(positions.shape, bool)
    has_traded[place] = True
    last = np.maximum.accumulate(np.where(has_traded, np.arange(len(positions))[:, None], 0), axis=0)
    positions = np.take_along_axis(positions, last, axis=0)
    for bar in np.flatnonzero(np.rint(desk.cash * CENTS) != np.rint(booked.cash * CENTS))[:1].tolist():
        yield Difference(bar, -1, "cash in the books", repr(desk.cash[bar]), repr(booked.cash[bar]))
    for bar, column in np.argwhere(np.rint(positions * ONE) != booked.units)[:1].tolist():
        units = repr(booked.units[bar, column])
        yield Difference(bar, column, "units in the books", repr(positions[bar, column]), units)


def regimes(performance: Performance) -> Iterator[str]:
    """Yield the regimes that a scenario reaches, by name."""
    imitation = performance.followed
    rules, desk = performance.scenario.rules, performance.desk
    orders, actions = performance.rows("orders"), performance.scenario.actions
    ends = {notice.order: notice.status for notice in imitation.notices}
    filled = [number for number, end in ends.items() if end == "Completed"]
    yield from (f"{TYPES[number]} order filled" for number in set(orders["type"][filled].tolist()))
    family = np.flatnonzero(orders["parent"] != np.arange(orders.size)).tolist()
    yield from (f"child of a bracket {ends.get(child, 'waiting').lower()}" for child in family)
    grouped = np.bincount(orders["leader"], minlength=orders.size)[orders["leader"]] > 1
    if any(grouped[number] and end == "Canceled" for number, end in ends.items()):
        yield "order of an OCO group cancelled"
    if "Expired" in ends.values():
        yield "order expired"
    kinds = actions["kind"][desk.order_of[: actions.size] >= 0]
    if np.any((kinds != BUY) & (kinds != SELL) & (kinds != ENTER)):
        yield "target or close"
    statuses = [(notice.order, notice.status) for notice in imitation.notices]
    if "Margin" in ends.values():
        yield CASH_BOUND
    if any((number, "Partial") in statuses for number, end in ends.items() if end == "Margin"):
        yield "flip closed and not opened"
    if imitation.fills and (rules.slip_perc or rules.slip_fixed):
        yield "slippage"
    if imitation.fills and rules.commission:
        yield "commission per unit" if rules.is_per_unit else "commission in percent"
    if imitation.credits:
        yield "interest"
    yield "submission checked" if rules.checksubmit else "submission not checked"
    if rules.timing in {CHEAT_ON_CLOSE, CHEAT_ON_OPEN}:
        yield "cheat on close" if rules.coc else "cheat on open"
    if not performance.scenario.there.all():
        yield "bars missing"
    if np.any(desk.cash < 0):
        yield "cash below zero"
    if np.any(desk.value < 0):
        yield "value below zero"

"""Random scenarios in Backtrader and in its imitation, whose journal has cash, value and fills."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from functools import partial

import numpy as np
from attrs import asdict, evolve

from tieout.validation.engines.backtrader.defects import found
from tieout.validation.engines.backtrader.imitation import (
    Followed,
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
"""Before the name of a defect among the regimes: how many scenarios it kept out."""


def compare_random(count: int, seed: int = 0) -> Tally:
    """Compare *count* scenarios of a seed, no two of them alike, of those in which no defect can happen."""
    from tieout.validation.engines.backtrader import package

    tally = Tally()
    left_out: Counter[str] = Counter()
    for name, scenario in distinct(partial(seeded, seed), _digest, seed):
        if defects := found(scenario):
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


def compare(tally: Tally, name: str, scenario: Scenario, theirs: Followed) -> bool:
    """Count one scenario, told as *name* where it differs; whether imitation and books equal *theirs*."""
    performance = perform(scenario)
    ours = performance.followed
    trades = trades_from(performance)
    booked = books(performance, is_stated=False)
    other = list(unlike(booked, trades, of_records(scenario, theirs)[0]))
    booked.journal.discard()
    stated = evolve(ours, cash=booked.cash, value=booked.value)
    is_equal = tally.add(name, stated, theirs, {*regimes(performance)})
    if not is_equal:
        return False
    rest = [
        *all_differences(ours, theirs),
        *departures(performance, booked),
        *last_bits(ours, theirs),
        *other,
    ]
    return not rest or tally.differ(name, rest)


def last_bits(ours: Followed, theirs: Followed) -> Iterator[Difference]:
    """Where floats of two outcomes that are equal otherwise are not the same to the last bit."""
    for here, there in zip(ours.fills, theirs.fills, strict=True):
        if here != there:
            yield Difference(here.bar, here.column, "last bit of a fill", str(here), str(there))
    for name in ("cash", "value"):
        here, there = getattr(ours, name), getattr(theirs, name)
        for bar in np.flatnonzero(here != there)[:1].tolist():
            yield Difference(bar, -1, f"last bit of {name}", repr(here[bar]), repr(there[bar]))


def departures(performance: Performance, booked: Booked) -> Iterator[Difference]:
    """Where the books are not the loop's own cash and positions, rounded: the first bar of each."""
    done, desk = performance.rows("executions"), performance.desk
    held = np.zeros_like(desk.close)
    held[done["bar"], done["column"]] = done["quantity_after"]  # of several at a bar the last
    has_traded = np.zeros(held.shape, bool)
    has_traded[done["bar"], done["column"]] = True
    last = np.maximum.accumulate(np.where(has_traded, np.arange(len(held))[:, None], 0), axis=0)
    held = np.take_along_axis(held, last, axis=0)
    for bar in np.flatnonzero(np.rint(desk.cash * CENTS) != np.rint(booked.cash * CENTS))[:1].tolist():
        yield Difference(bar, -1, "cash in the books", repr(desk.cash[bar]), repr(booked.cash[bar]))
    for bar, column in np.argwhere(np.rint(held * ONE) != booked.units)[:1].tolist():
        units = repr(booked.units[bar, column])
        yield Difference(bar, column, "units in the books", repr(held[bar, column]), units)


def regimes(performance: Performance) -> Iterator[str]:
    """What a scenario has reached, by name."""
    ours = performance.followed
    rules, desk = performance.scenario.rules, performance.desk
    orders, actions = performance.rows("orders"), performance.scenario.actions
    ends = {notice.order: notice.status for notice in ours.notices}
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
    statuses = [(notice.order, notice.status) for notice in ours.notices]
    if "Margin" in ends.values():
        yield CASH_BOUND
    if any((number, "Partial") in statuses for number, end in ends.items() if end == "Margin"):
        yield "reversal closed and not opened"
    if ours.fills and (rules.slip_perc or rules.slip_fixed):
        yield "slippage"
    if ours.fills and rules.commission:
        yield "commission per unit" if rules.is_per_unit else "commission in percent"
    if ours.credits:
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

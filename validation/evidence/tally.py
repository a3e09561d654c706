"""The result of comparing many scenarios, and the regimes that they reach."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from attrs import Factory, define

from tieout.validation.foreign.outcome import Fill, Outcome, differences

SHORT, FLIPPED, CASH_BOUND = "short", "flipped", "cash bound"
"""Regimes by name. The first two follow from fills. The engine's comparison says whether cash was binding."""

EXAMPLES = 10
"""Number of differences that are described."""

DUST = 1e-9
"""Positions smaller than this are zero: sums of floats leave a remainder."""


@define
class Tally:
    """Counts: *refusals* by the engine's own reason, *regimes* by name in scenarios that reach them."""

    scenarios: int = 0
    fills: int = 0
    bars: int = 0
    refusals: Counter[str] = Factory(Counter)
    regimes: Counter[str] = Factory(Counter)
    differing: int = 0
    differences: list[str] = Factory(list)

    def add(self, scenario: str, imitation: Outcome, package: Outcome, regimes: Iterable[str] = ()) -> bool:
        """Compare one scenario, named *scenario* in a difference. Return whether the two are equal.

        *regimes* are those beyond shorts and flips, which follow from the fills.
        """
        departures = differences(imitation, package)
        self.scenarios += 1
        self.fills += len(package.fills)
        self.bars += package.cash.shape[0]
        self.refusals.update(refusal.reason for refusal in package.refusals)
        self.regimes.update({*regimes, *regimes_of(package.fills)})
        return not departures or self.differ(scenario, departures)

    def differ(self, scenario: str, departures: Sequence[object]) -> Literal[False]:
        """Count a scenario, which has been counted already, as one that differs."""
        self.differing += 1
        if len(self.differences) < EXAMPLES:
            self.differences.append(f"{scenario}: {departures[0]} ({len(departures)} in all)")
        return False

    def __add__(self, other: "Tally") -> "Tally":
        """Add two tallies."""
        return Tally(
            self.scenarios + other.scenarios,
            self.fills + other.fills,
            self.bars + other.bars,
            self.refusals + other.refusals,
            self.regimes + other.regimes,
            self.differing + other.differing,
            (self.differences + other.differences)[:EXAMPLES],
        )


def regimes_of(fills: Iterable[Fill]) -> Iterator[str]:
    """Yield `SHORT` for a short position, and `FLIPPED` for a fill from long to short or back."""
    positions: defaultdict[int, float] = defaultdict(float)
    for fill in fills:
        before = positions[fill.column]
        after = before + fill.quantity
        if abs(after) < DUST:
            after = 0.0
        if after < 0.0:
            yield SHORT
        if before * after < 0.0:
            yield FLIPPED
        positions[fill.column] = after

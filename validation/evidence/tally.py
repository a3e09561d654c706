"""What a comparison of many scenarios came to, and which regimes it has reached."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from attrs import Factory, define

from tieout.validation.foreign.outcome import Fill, Outcome, differences

SHORT, REVERSED, CASH_BOUND = "short", "reversed", "cash bound"
"""Regimes by name. The first two are read from fills; whether cash decided, the engine's comparison says."""

TOLD = 10
"""How many differences are kept in words."""

DUST = 1e-9
"""Positions smaller than this are none: floats that are added leave some."""


@define
class Tally:
    """Counts. *refusals* by the engine's own reason, *regimes* by name in scenarios that reached them."""

    scenarios: int = 0
    fills: int = 0
    bars: int = 0
    refusals: Counter[str] = Factory(Counter)
    regimes: Counter[str] = Factory(Counter)
    differing: int = 0
    differences: list[str] = Factory(list)

    def add(self, scenario: str, ours: Outcome, theirs: Outcome, regimes: Iterable[str] = ()) -> bool:
        """Compare one scenario, told as *scenario* where it differs; whether the two are equal.

        *regimes* are those beyond shorts and reversals, which are seen in the fills.
        """
        found = differences(ours, theirs)
        self.scenarios += 1
        self.fills += len(theirs.fills)
        self.bars += theirs.cash.shape[0]
        self.refusals.update(refusal.reason for refusal in theirs.refusals)
        self.regimes.update({*regimes, *regimes_of(theirs.fills)})
        return not found or self.differ(scenario, found)

    def differ(self, scenario: str, found: Sequence[object]) -> Literal[False]:
        """Count a scenario, which is counted as one already, as one that differs."""
        self.differing += 1
        if len(self.differences) < TOLD:
            self.differences.append(f"{scenario}: {found[0]} ({len(found)} in all)")
        return False

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.scenarios + other.scenarios,
            self.fills + other.fills,
            self.bars + other.bars,
            self.refusals + other.refusals,
            self.regimes + other.regimes,
            self.differing + other.differing,
            (self.differences + other.differences)[:TOLD],
        )


def regimes_of(fills: Iterable[Fill]) -> Iterator[str]:
    """Whether anything was held short, and whether one fill went from long to short or back."""
    held: defaultdict[int, float] = defaultdict(float)
    for fill in fills:
        before = held[fill.column]
        after = before + fill.quantity
        if abs(after) < DUST:
            after = 0.0
        if after < 0.0:
            yield SHORT
        if before * after < 0.0:
            yield REVERSED
        held[fill.column] = after

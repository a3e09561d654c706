"""Timing in rounds: every contestant once a round, in turn, so that a slow spell of the machine hits all."""

import gc
import statistics
from collections.abc import Callable, Mapping

from attrs import frozen


@frozen
class Timing:
    """Seconds of one contestant, round by round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.seconds)

    def rate(self, count: int) -> float:
        """Items a second in the middle round."""
        return count / self.median

    def ratio(self, other: "Timing") -> tuple[float, float, float]:
        """How many times as fast as *other*, round by round: median, least, most."""
        ratios = [b / a for a, b in zip(self.seconds, other.seconds, strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)


def in_turn(
    contestants: Mapping[str, Callable[[], float]], rounds: int, *, warm_up: bool = True
) -> dict[str, Timing]:
    """Run all *contestants* for some *rounds*, after one that does not count unless there is no *warm_up*.

    A contestant returns the seconds that count; what it sets up and clears away does not.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(0 if warm_up else 1, rounds + 1):
        for name, run in contestants.items():
            gc.collect()
            took = run()
            if number:
                seconds[name].append(took)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}

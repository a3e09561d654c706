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
        """Return the seconds of the middle round."""
        return statistics.median(self.seconds)

    def rate(self, count: int) -> float:
        """Return the items a second in the middle round."""
        return count / self.median

    def ratio(self, other: "Timing") -> tuple[float, float, float]:
        """Return how many times as fast as *other* it is, round by round: median, smallest, largest."""
        ratios = [b / a for a, b in zip(self.seconds, other.seconds, strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)


def in_turn(
    contestants: Mapping[str, Callable[[], float]], rounds: int, *, warm_up: bool = True
) -> dict[str, Timing]:
    """Run all *contestants* for some *rounds*, after one that does not count unless *warm_up* is False.

    A contestant returns the seconds that count. Its preparation and its cleaning up do not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(0 if warm_up else 1, rounds + 1):
        for name, run in contestants.items():
            gc.collect()
            elapsed = run()
            if number:
                seconds[name].append(elapsed)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}

"""The task of an engine, and its answer."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

WARMUP = 13
"""The first bar whose scores count."""
BEST, INVESTED = 25, 0.95
"""Number of positions, and their total share of equity."""
QUANTITY = 100
"""Units of each entry by flags."""


class Rules(NamedTuple):
    """Rules of a workload.

    *fill* is ``close``, at the close of the bar that decides, or ``open``, at the next open. *rate* is the
    commission as a share of the amount. *cash* is the cash at the start.
    """

    fill: str
    cash: float
    rate: float


class Task(NamedTuple):
    """A workload, its arrays [bars, instruments] by name, the rules, and a folder for files."""

    workload: str
    arrays: Mapping[str, Any]
    rules: Rules
    folder: Path


class Run(NamedTuple):
    """Seconds of one run by what they include, and a function that returns the outcome.

    The outcome is the final value and the number of fills.
    """

    seconds: dict[str, float]
    outcome: Callable[[], tuple[float, int]]


Contestant = Callable[[], Run]


class Clock:
    """A stopwatch: `with Clock() as clock: ...`, then `clock.seconds`, or `clock.so_far` within it."""

    seconds: float = 0.0

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = self.so_far

    @property
    def so_far(self) -> float:
        """Return the seconds since the start."""
        return time.perf_counter() - self._start

"""What every engine is given, and what it gives back."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

WARMUP = 13
"""The first bar whose scores count."""
BEST, INVESTED = 25, 0.95
"""How many are held of the best, and the share of equity in them all."""
QUANTITY = 100
"""Units of an entry by flags."""


class Rules(NamedTuple):
    """Under which a workload is performed.

    *fill* is ``close``, at the close of the bar that decides, or ``open``, at the next open. *rate* is the
    commission as a share of the money. *cash* is what there is at the start.
    """

    fill: str
    cash: float
    rate: float


class Task(NamedTuple):
    """A workload, its arrays [bars, instruments] by name, the rules, and a folder for what is written."""

    workload: str
    arrays: Mapping[str, Any]
    rules: Rules
    folder: Path


class Run(NamedTuple):
    """One run: the seconds that count, by what is within them, and how to ask for the outcome.

    The outcome is the final value and the number of fills.
    """

    seconds: dict[str, float]
    outcome: Callable[[], tuple[float, int]]


Contestant = Callable[[], Run]


class Clock:
    """`with Clock() as clock: ...`, then `clock.seconds`; `clock.so_far` within it."""

    seconds: float = 0.0

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = self.so_far

    @property
    def so_far(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

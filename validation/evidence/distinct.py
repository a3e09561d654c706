"""Scenarios one after another, none of them twice."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeVar

T = TypeVar("T")


def distinct(draw: Callable[[int], T], digest: Callable[[T], bytes], seed: int) -> Iterator[tuple[str, T]]:
    """What is drawn for 0, 1, 2, ... and what it is called, each digest once."""
    seen: set[bytes] = set()
    for number in count():
        scenario = draw(number)
        if (found := digest(scenario)) not in seen:
            seen.add(found)
            yield f"seed {seed}, number {number}", scenario

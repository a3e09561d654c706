"""Distinct random scenarios."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeVar

T = TypeVar("T")


def distinct(draw: Callable[[int], T], digest: Callable[[T], bytes], seed: int) -> Iterator[tuple[str, T]]:
    """Yield the scenarios drawn for 0, 1, 2, ... with their names, each digest once."""
    digests: set[bytes] = set()
    for number in count():
        scenario = draw(number)
        if (key := digest(scenario)) not in digests:
            digests.add(key)
            yield f"seed {seed}, number {number}", scenario

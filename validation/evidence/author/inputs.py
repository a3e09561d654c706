"""The inputs of the author, and the choice of some of them.

Each kind lists all of its inputs. A choice takes a few of every kind, then in proportion.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random

from attrs import field, frozen

FEW = 4
"""Inputs of each kind that a choice takes first."""


@frozen
class Study:
    """The material of the inputs: the *journal* of an honest study, its *folder*, and the *bait*."""

    folder: Path
    journal: Path
    bait: Path


@frozen
class Input:
    """An input of a *kind*. *write* makes its file in a folder and returns the path.

    *text* goes where a command takes a text, *query* where it takes a query. *names* are the paths that a
    spec names, relative to its folder: to run it is to read and write those. *only* are the commands
    for an input that is not for all of them.
    """

    kind: str
    name: str
    write: Callable[[Path], Path]
    text: str = "transfer"
    query: str = "select * from transfer"
    names: tuple[str, ...] = field(default=())
    only: tuple[str, ...] = field(default=())


def chosen(kinds: Mapping[str, Iterable[Input]], count: int, seed: int) -> list[Input]:
    """Choose *count* inputs, some of each kind, in a drawn order within each."""
    random, ranked = Random(seed), []
    for kind, inputs in kinds.items():
        items = list(inputs)
        random.shuffle(items)
        # The first of a kind have rank 0, so that no kind is left out.
        ranked += [
            (place / len(items) if place >= FEW else 0.0, place, kind, item)
            for place, item in enumerate(items)
        ]
    ranked.sort(key=lambda entry: entry[:3])
    if count > len(ranked):
        raise ValueError(f"there are {len(ranked)} inputs, not {count}")
    return [item for *_, item in ranked[:count]]

"""Sizes of the slow proofs: one table, from which each proof reads its own.

The environment variable `TIEOUT_SIZE` chooses a column: ``long``, the default, or ``ci``. The sizes of ``ci``
fit into forty minutes on two cores. They still find faults: tests/validation/evidence/test_sizes.py plants
one for each proof, and sees it reported at no more than this size.

The mutants have no size. Each is another fault, so all of them are planted every time.
"""

import os
from typing import Final, NamedTuple


class Size(NamedTuple):
    """A size in continuous integration, and the full one."""

    ci: int
    long: int


SIZES: Final = {
    # Examples of each hypothesis property that `make long` repeats. Lots relieved in another order, a rare
    # fault, take more than a hundred.
    "property examples": Size(250, 1_000),
    # Random scenarios in the imitation of each package and in the package itself.
    "random runs of an imitation": Size(120, 10_000),
    "random runs in VectorBT's Rust": Size(40, 1_000),
    "random runs of the native engine": Size(40, 2_000),
    # Transactions of the largest journal that beancount and hledger check.
    "transactions for outsiders": Size(3_000, 10_000),
    # Files, texts and names of an author who is hostile. Every command gets every one.
    "inputs of a hostile author": Size(200, 300),
    # Trials of each fault, by the name of the fault. A trial's number chooses its kind: one kill in eight may
    # hit the making of the file, one in five happens twice, one flipped bit in ten is among the headers.
    "kill -9, small blocks": Size(12, 140),
    "kill -9, large blocks": Size(8, 60),
    "kill -9, a run from its spec": Size(4, 20),
    # One signal in two is Ctrl-C, and every command has its turn with both.
    "signal in any command": Size(40, 500),
    # Pairs of runs that are begun at once on one path. One in two has delays, one in four is of the same run.
    "pairs of runs by workers": Size(100, 2_000),
    "pairs of runs by commands": Size(10, 100),
    "WAL cut": Size(10, 100),
    "bit flipped in the WAL": Size(10, 100),
    "bit flipped in the file": Size(12, 100),
    "two blocks swapped": Size(6, 40),
    "full disk, small blocks": Size(3, 12),
    "full disk, large blocks": Size(3, 12),
    # Alterations of journals, alone and in pairs, over everything that is registered.
    "alterations by a forger": Size(300, 600),
}
"""The size of every slow proof by name."""


def size(name: str) -> int:
    """Return the size of a proof, in the column that `TIEOUT_SIZE` names.

    Raises `ValueError` for a name that is not a column.
    """
    column = os.environ.get("TIEOUT_SIZE", "long")
    if column not in Size._fields:
        raise ValueError(f"TIEOUT_SIZE must be {' or '.join(Size._fields)}, not {column!r}")
    return int(getattr(SIZES[name], column))

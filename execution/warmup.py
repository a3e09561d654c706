"""Compilation of the kernels, the first time on a machine, in two processes at a time.

The step calls the matching of orders, and the posting of events that are no trades, through pointers. So a
child process compiles the step and the figures while this one compiles those. Each finds the other's part in
the cache.

    python -m tieout.execution.warmup

compiles them beforehand. Where nothing can be kept, this process compiles all.
"""

import hashlib
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import numba
import numpy as np
from numba.core import config

from tieout.execution.figures.history import compile_kernels
from tieout.execution.kernels.compiled import FOLDER
from tieout.execution.kernels.state import EMPTY_PROGRAM, NO_MARKET, empty_desk
from tieout.execution.kernels.step import perform
from tieout.ledger.books.arrays import empty_books
from tieout.ledger.books.compiled import load_separate, without_separate
from tieout.ledger.books.events import deposit
from tieout.ledger.books.kernel_cache import can_keep
from tieout.ledger.books.posting import begin, commit, undo, unload
from tieout.ledger.process import start

_CHILD = "child"


@cache
def compile_once() -> None:
    """Compile the kernels of a run unless they are in the cache. The cache is asked once a process."""
    if config.DISABLE_JIT or _is_complete():  # type: ignore[attr-defined]  # set from the environment
        return
    if not can_keep(FOLDER):
        compile_all([begin, commit, undo, perform, deposit, unload])
        compile_kernels()
        return
    child = start("-m", "tieout.execution.warmup", _CHILD, stderr=DEVNULL)
    try:
        compile_all([begin, commit, undo])
        load_separate()
    finally:
        child.wait()
    # What the child could not compile is compiled here. What it did is read from the cache.
    compile_all([perform, deposit, unload])
    compile_kernels()
    if can_keep(FOLDER):
        marker().touch()


def compile_all(kernels: Iterable[Any]) -> None:
    """Compile each kernel for the types of its arguments, or read it from the cache."""
    books, desk, numbers = empty_books(1), empty_desk(1), np.zeros(1, np.int64)
    accounts = numbers.astype(np.int32)
    arguments = {
        begin: (books, 0, 0, 0, 0, 0, 0),
        commit: (books,),
        undo: (books,),
        deposit: (books, 0, 0),
        perform: (NO_MARKET, books, desk, EMPTY_PROGRAM, 0, 0, 0, 0),
        unload: (books, numbers, numbers, accounts, accounts, numbers, numbers),
    }
    for kernel in kernels:
        kernel.compile(tuple(numba.typeof(value) for value in arguments[kernel]))  # type: ignore[no-untyped-call]


def _is_complete() -> bool:
    """Check whether the cache is complete. One that this user may not look into is not."""
    try:
        return marker().exists()
    except PermissionError:
        return False


def marker() -> Path:
    """Return the path of the file that exists once the cache is complete for the sources in this place."""
    here = hashlib.sha256(str(Path(__file__).parent).encode()).hexdigest()
    return FOLDER / f"complete-{here[:16]}"


if __name__ == "__main__":
    if sys.argv[1:] == [_CHILD]:
        with without_separate():
            compile_all([perform, deposit, unload])
            compile_kernels()
    else:
        compile_once()

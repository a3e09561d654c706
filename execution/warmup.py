"""Compiling, the first time on a machine: from the leaves up, and in two processes at a time.

numba compiles what a kernel calls in the middle of compiling that kernel, and everything that is under way
is told of every step, so that deep calls cost more than shallow ones: leaves first spares that. The step and
the figures are compiled by another process meanwhile, without what the step reaches through addresses, which
is compiled here; each finds the other's part in the cache.

    python -m tieout.execution.warmup

does it beforehand.
"""

import hashlib
import inspect
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core import config
from numba.core.dispatcher import Dispatcher

from tieout.execution.figures.record import compile_kernels
from tieout.execution.kernels.compiled import FOLDER
from tieout.execution.kernels.state import NO_MARKET, NO_PROGRAM, REQUEST, Floats, empty_desk
from tieout.execution.kernels.step import perform
from tieout.ledger.books.arrays import Int32s, Int64s, Record, empty_books, records
from tieout.ledger.books.compiled import called, reached, uncalled
from tieout.ledger.books.events import deposit
from tieout.ledger.books.posting import begin, commit, undo, unload

HERE = (begin, commit, undo)
"""What is compiled here, beside what the step reaches through addresses."""
THERE = (perform, deposit, unload)
"""What the other process compiles, beside the figures."""
_THERE = "there"


@cache
def compile_once() -> None:
    """Compile all that a run needs, unless this machine has it already; looked for once a process."""
    if config.DISABLE_JIT or done().exists():  # type: ignore[attr-defined]  # set from the environment
        return
    # What it cannot compile is compiled here when it is needed.
    command = [sys.executable, "-m", "tieout.execution.warmup", _THERE]
    other = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: S603  this very module
    try:
        compile_all(_leaves_first([*HERE, *(one.kernel for one in reached(perform))]))
    finally:
        other.wait()
    compile_all(_leaves_first(THERE) if other.returncode else THERE)
    compile_kernels()
    done().touch()


def compile_all(kernels: Iterable[Any]) -> None:
    """Compile each for the types of its arguments, or find it in the cache."""
    for kernel in kernels:
        if (types := _types(kernel)) is not None:
            kernel.compile(types)


def _leaves_first(roots: Iterable[Any]) -> Iterator[Any]:
    """Every kernel that *roots* call, each before those that call it, and *roots*."""
    seen: set[Any] = set()

    def visit(kernel: Any) -> Iterator[Any]:
        if kernel in seen:
            return
        seen.add(kernel)
        for one in called(kernel):
            if isinstance(one, Dispatcher):
                yield from visit(one)
        yield kernel

    for root in roots:
        yield from visit(root)


def _types(kernel: Any) -> tuple[Any, ...] | None:
    """The types that *kernel* is called with; None where its arguments do not say so."""
    books, desk = empty_books(1), empty_desk(1)
    records_named = {
        "policy": desk.policy[0],
        "instrument": desk.instruments[0],
        "order": desk.working[0],
        "request": records(1, REQUEST)[0],
        "state": books.state[0],
        "lot": books.lots[0],
        "a": books.lots[0],
        "b": books.lots[0],
    }
    tables = {"books": books, "desk": desk, "market": NO_MARKET, "program": NO_PROGRAM}
    found = []
    for name, parameter in inspect.signature(kernel.py_func).parameters.items():
        if name in tables:
            given: Any = tables[name]
        elif parameter.annotation in (float, bool):
            given = parameter.annotation(0)
        elif parameter.annotation is int or getattr(parameter.annotation, "__origin__", None) is int:
            given = 0
        elif parameter.annotation == Floats:
            given = NO_MARKET.close[0]
        elif parameter.annotation in (Int64s, Int32s):
            given = np.zeros(1, np.int64 if parameter.annotation == Int64s else np.int32)
        elif parameter.annotation is Record and name in records_named:
            given = records_named[name]
        else:
            return None
        found.append(numba.typeof(given))  # type: ignore[no-untyped-call]
    return tuple(found)


def done() -> Path:
    """A file that says that everything is in the cache, of the sources in this place."""
    here = hashlib.sha256(str(Path(__file__).parent).encode()).hexdigest()
    return FOLDER / f"complete-{here[:16]}"


if __name__ == "__main__":
    if sys.argv[1:] == [_THERE]:
        with uncalled():
            compile_all(_leaves_first(THERE))
        compile_kernels()
    else:
        compile_once()

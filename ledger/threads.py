"""Polars in a forked process, where its threads are missing and every query waits for them forever."""

import os
import re
from pathlib import Path

from tieout.ledger.errors import ForkedWithoutThreads

_WORKER = re.compile(r"polars-\d+\n")
"""The name of a thread of Polars. The system shows it where it lists the threads of a process."""
_THREADS = Path("/proc/self/task")

_lost: dict[str, bool] = {"before fork": False, "here": False}


def require_threads(name: str) -> None:
    """Raise `ForkedWithoutThreads` where a query of the frame *name* would never end."""
    if _lost["here"]:
        raise ForkedWithoutThreads(
            f"{name} cannot be read in this process: it was forked after Polars had started its threads, and"
            ' they are missing here; start processes with multiprocessing.get_context("spawn")'
        )


def _has_threads() -> bool:
    """Check whether Polars has started threads in this process, on systems that list them."""
    for thread in _THREADS.glob("*/comm"):
        try:
            if _WORKER.fullmatch(thread.read_text()):
                return True
        except OSError:
            continue  # the thread has ended meanwhile
    return False


def _before_fork() -> None:
    _lost["before fork"] = _lost["here"] or _has_threads()


def _in_child() -> None:
    _lost["here"] = _lost["before fork"]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)

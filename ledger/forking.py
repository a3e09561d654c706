"""The process in which something was opened.

A forked process has the files of its parent without the threads that serve them. To use one there would wait
for those threads forever, or write beside the parent.
"""

import ctypes
import os
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from tieout.ledger.errors import OpenedBeforeFork

_forks = 0
"""Number of forks between the first process and this one."""

_IMMORTAL: WeakSet[Any] = WeakSet()
_IN_CHILD: list[Callable[[], None]] = []


class Home:
    """The process that opened something. Only that process may use it."""

    def __init__(self) -> None:
        self._forks = _forks

    @property
    def is_here(self) -> bool:
        """Check whether this is the process."""
        return self._forks == _forks

    def require(self, subject: object) -> None:
        """Raise `OpenedBeforeFork`, which names *subject*, in a process that was forked since."""
        if self._forks != _forks:
            raise OpenedBeforeFork(
                f"{subject or 'a journal in memory'} was opened before this process was forked, and cannot be"
                " used in it; open it in this process, or start processes with spawn or forkserver"
            )


def keep_in_child(thing: object) -> None:
    """Never delete *thing* in a forked process. Its deletion would wait for threads that are not there."""
    _IMMORTAL.add(thing)


def act_in_child(action: Callable[[], None]) -> None:
    """Call *action* in every process that is forked from this one."""
    _IN_CHILD.append(action)


def _after_fork() -> None:  # pragma: no cover  in a forked process
    global _forks  # noqa: PLW0603  a count for the whole process
    _forks += 1
    for thing in _IMMORTAL:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    for action in _IN_CHILD:
        action()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

"""Methods that one thread at a time may enter, and no forked process."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from tieout.ledger.forking import Home

S = TypeVar("S", bound="Exclusive")
P = ParamSpec("P")
R = TypeVar("R")


class Exclusive:
    """An object whose methods marked `exclusive` wait for each other. *subject* names it in an error."""

    def __init__(self, subject: object) -> None:
        self._subject = subject
        self._home = Home()
        self._turn = threading.RLock()


def exclusive(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Let one thread at a time into *method*. Raises `OpenedBeforeFork` in a forked process."""

    @wraps(method)
    def entered(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        # First, because in a forked process the lock may be held by a thread that is not there.
        self._home.require(self._subject)
        with self._turn:
            return method(self, *args, **kwargs)

    return entered

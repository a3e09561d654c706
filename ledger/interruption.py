"""Ctrl-C, held back while something is half done."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType

Interruptible = Callable[[], AbstractContextManager[None]]
"""The context of a part that Ctrl-C may end at once."""


@contextmanager
def uninterrupted() -> Iterator[Interruptible]:
    """Hold Ctrl-C back until the block has ended, and act on it then.

    The block may have parts in which it acts at once. Python runs handlers in the main thread only, so other
    threads need no protection.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield nullcontext
        return
    pending: list[tuple[int, FrameType | None]] = []

    def hold(number: int, frame: FrameType | None) -> None:
        pending.append((number, frame))

    @contextmanager
    def interruptible() -> Iterator[None]:
        if pending:
            handler(*pending.pop(0))
        signal.signal(signal.SIGINT, handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, hold)

    signal.signal(signal.SIGINT, hold)
    try:
        yield interruptible
    finally:
        signal.signal(signal.SIGINT, handler)
        if pending:
            handler(*pending[0])

"""Limits of time for work whose length a file decides."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.ledger.errors import TimeLimitReached

if TYPE_CHECKING:
    import duckdb

_LEAST = 60.0
_BYTES_A_SECOND = 100_000
"""Bytes of a file that take a second at most. The slowest check reads fifty times as many."""


def default_limit(path: Path) -> float:
    """Return the seconds that one step may take for the file at *path*."""
    return _LEAST + path.stat().st_size / _BYTES_A_SECOND


@contextmanager
def time_limit(path: Path, seconds: float, *connections: "duckdb.DuckDBPyConnection") -> Iterator[None]:
    """Interrupt the queries of *connections* after *seconds*, and raise `TimeLimitReached`."""
    import duckdb

    reached = threading.Event()

    def interrupt() -> None:
        reached.set()
        for connection in connections:
            connection.interrupt()

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (duckdb.Error, RuntimeError) as error:
        if not reached.is_set():
            raise
        raise TimeLimitReached(
            f"{path}: one step takes more than {seconds:,.0f} s; --time-limit allows more"
        ) from error
    finally:
        timer.cancel()

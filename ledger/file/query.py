"""The answer to a query, in the form that the caller works with."""

import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import frozen

from tieout.ledger.errors import InvalidQuery
from tieout.ledger.threads import require_threads

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa


READ_STATEMENTS = ("SELECT", "EXPLAIN", "MULTI")
"""Types of statement that a query may have. All of them read. (A pivot is MULTI.)"""
T = TypeVar("T")

_SECONDS_TO_WAIT = 0.2
"""Time after which a Ctrl-C is noticed that came just before a wait."""
_SECONDS_TO_END = 0.05
"""Time after which a query that goes on is interrupted again."""
# With `analyze`, alone or among options in brackets, `explain` executes the statement.
_EXPLAINS = re.compile(r"\s*explain\s+(?!analy[sz]e\b)\w", re.IGNORECASE)


@frozen
class Query:
    """The rows that a query returned, complete and independent of the journal."""

    table: "pa.Table"

    def arrow(self) -> "pa.Table":
        """Return the rows as a pyarrow Table."""
        return self.table

    def pl(self) -> "pl.DataFrame":
        """Return the rows as a Polars DataFrame."""
        import polars as pl

        require_threads("the answer of a query")
        frame = pl.from_arrow(self.table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def df(self) -> "pd.DataFrame":
        """Return the rows as a pandas DataFrame."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries, one a row."""
        rows: list[dict[str, Any]] = self.table.to_pylist()
        return rows


def execute(
    connection: "duckdb.DuckDBPyConnection",
    query: str,
    parameters: Sequence[Any] = (),
    at: int | None = None,
) -> Query:
    """Run *query*. With *at* (nanoseconds since 1970) the views show the books as of that time.

    Raises `InvalidQuery` where it is not one statement that reads, or DuckDB refuses it. Ctrl-C ends it.
    """
    import duckdb  # imported here to spare runs that are never queried the memory it takes

    try:
        statements = connection.extract_statements(query)
        kind = statements[0].type.name if len(statements) == 1 else ""
        if kind not in READ_STATEMENTS or (kind == "EXPLAIN" and not _EXPLAINS.match(query)):
            raise InvalidQuery(f"{query!r} is not one query; use a single select")
        if at is not None:
            connection.execute("set variable as_of = make_timestamp_ns(?)", [at])
        values = list(parameters) or None
        return Query(interruptible(connection, lambda: connection.sql(query, params=values).to_arrow_table()))
    except duckdb.Error as error:
        raise InvalidQuery(str(error)) from error
    finally:
        # In a transaction that an error has aborted nothing can be reset. The caller closes its connection.
        with suppress(duckdb.TransactionException):
            connection.execute("reset variable as_of")


def interruptible(connection: "duckdb.DuckDBPyConnection", work: Callable[[], T]) -> T:
    """Return the value of *work*, which queries *connection*. Ctrl-C ends the query.

    DuckDB looks for Ctrl-C between its own steps only, and one of them may take hours. So another thread runs
    the query, and this one waits.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()  # Python interrupts no other thread
    answer: Future[T] = Future()

    def run() -> None:
        if answer.set_running_or_notify_cancel():
            try:
                answer.set_result(work())
            except BaseException as error:  # noqa: BLE001  raised where the answer is asked for
                answer.set_exception(error)

    try:
        threading.Thread(target=run, name="tieout-query").start()
        # Python notices a Ctrl-C that comes just before a wait at the end of that wait, so none is long.
        while wait([answer], timeout=_SECONDS_TO_WAIT).not_done:
            ...
        return answer.result()
    except KeyboardInterrupt:
        # One interruption is obeyed, so a second is not waited for. A query that is about to begin does not
        # remember the first call.
        while not (answer.cancel() or answer.done()):
            with suppress(KeyboardInterrupt):
                connection.interrupt()
                wait([answer], timeout=_SECONDS_TO_END)
        raise

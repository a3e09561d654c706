"""The answer to a query, in the form that the reader works with."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from tieout.ledger.errors import InvalidQuery

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa


READING = ("SELECT", "EXPLAIN", "MULTI")
"""What may be asked: one statement that reads. (A pivot is MULTI.)"""
# An explanation with `analyze`, alone or among options in brackets, performs what it explains.
_EXPLAINS = re.compile(r"\s*explain\s+(?!analy[sz]e\b)\w", re.IGNORECASE)


@frozen
class Query:
    """The rows that a query gave, complete and independent of the journal."""

    table: "pa.Table"

    def arrow(self) -> "pa.Table":
        """As a pyarrow Table."""
        return self.table

    def pl(self) -> "pl.DataFrame":
        """As a Polars DataFrame."""
        import polars as pl

        frame = pl.from_arrow(self.table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def df(self) -> "pd.DataFrame":
        """As a pandas DataFrame."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def rows(self) -> list[dict[str, Any]]:
        """As dictionaries, one a row."""
        rows: list[dict[str, Any]] = self.table.to_pylist()
        return rows


def execute(
    connection: "duckdb.DuckDBPyConnection",
    query: str,
    parameters: Sequence[Any] = (),
    at: int | None = None,
) -> Query:
    """Run *query*; with *at* (nanoseconds) the views show the books as of then."""
    import duckdb  # what is never asked with SQL is spared the memory

    try:
        statements = connection.extract_statements(query)
        kind = statements[0].type.name if len(statements) == 1 else ""
        if kind not in READING or (kind == "EXPLAIN" and not _EXPLAINS.match(query)):
            raise InvalidQuery(f"{query!r} is not one query; ask with a single select")
        if at is not None:
            connection.execute("set variable as_of = make_timestamp_ns(?)", [at])
        relation = connection.sql(query, params=list(parameters) or None)
        return Query(relation.to_arrow_table())
    except duckdb.Error as error:
        raise InvalidQuery(str(error)) from error
    finally:
        connection.execute("reset variable as_of")

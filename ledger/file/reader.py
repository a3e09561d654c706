"""A closed journal, opened to be read.

The seals vouch for the file's tables. Nothing vouches for its views and functions, so they are not used. The
views used here are installed for this connection, and the functions are DuckDB's own.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tieout.ledger.closing import Closing
from tieout.ledger.errors import (
    DamagedFile,
    InvalidQuery,
    LedgerError,
    NewerSchema,
    NotAJournal,
    OlderSchema,
    UnknownView,
    nearest,
)
from tieout.ledger.file.columns import columns_of, read_columns
from tieout.ledger.file.database import Database, explain_errors, is_blank, is_damage
from tieout.ledger.file.instances import NAME
from tieout.ledger.file.layout import SealLayout
from tieout.ledger.file.query import Query, execute
from tieout.ledger.file.schema import SCHEMA_VERSION, Schema, in_order, installed_schemas, ledger_schema
from tieout.ledger.moment import Moment, end_of

if TYPE_CHECKING:
    import duckdb

REQUIRED_TABLES = ("run", "seal", "provenance", "transfer", "txn")
"""Tables without which a DuckDB file is not a journal."""
FEW_ROWS = 20_000
"""Number of rows up to which NumPy arrays straight from DuckDB are faster than Arrow."""
_RUN = ("id", "spec", "fingerprints", "strategy", "seed", "policies", "layout")


class Reader(Closing):
    """A journal's file, read-only. Raises a `StoreError` where it cannot be read as one.

    *database* is given where the file is open already, and is closed with the reader. The views are installed
    before the first query.
    """

    def __init__(self, path: str | Path, database: Database | None = None) -> None:
        self.path = Path(path)
        if database is None and self.path.is_file() and self.path.stat().st_size == 0:
            raise NotAJournal(f"{self.path} is empty: a journal that was never begun; delete it")
        self._database = database or Database(self.path, read_only=True)
        self._has_views = False
        try:
            with explain_errors(self.path, DamagedFile):
                tables = self._require_journal()
                self.run = self._read_run()
                self.layout: SealLayout = {t: dict(c) for t, c in json.loads(self.run["layout"])}
                self.policies: dict[str, Any] = json.loads(self.run["policies"])
                self.schemas: list[Schema] = [
                    ledger_schema(),
                    *installed_schemas(self.policies["records"]),
                ]
                self._require_tables(tables)
                prefer_builtin_functions(self._database.connection)
        except (ValueError, KeyError, TypeError) as error:
            self.close()
            raise DamagedFile(f"{self.path}: the table run cannot be read: {error!r}") from error
        except LedgerError:
            self.close()
            raise

    @property
    def connection(self) -> "duckdb.DuckDBPyConnection":
        """The connection, with all views installed."""
        connection = self._database.lend()
        if not self._has_views:
            self._has_views = True
            install_views(connection, self.schemas)
        return connection

    @property
    def views(self) -> list[str]:
        """The names of the views and checks."""
        return list(in_order(self.schemas))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def sql(self, query: str, parameters: Sequence[Any] = (), at: Moment | None = None) -> Query:
        """Run SQL over the journal. *at* shows the books as of a moment, and a date as of its end."""
        moment = None if at is None else end_of(at)
        try:
            return execute(self.connection, query, parameters, moment)
        except InvalidQuery as error:
            if is_damage(error.__cause__):
                raise DamagedFile(f"{self.path}: run `tieout doctor` on it ({error})") from error
            raise

    def columns(self, table: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return the columns *names* of *table*, with rows in the order of its dense first column.

        Numbers have their stored types, times are datetime64[ns], texts are objects. The arrays are
        read-only. Raises `DamagedFile` where rows are missing or doubled.
        """
        is_short = self._row_counts.get(table, 0) < FEW_ROWS
        return read_columns(self._numpy_columns if is_short else self._arrow_columns, table, names)

    def _numpy_columns(self, query: str) -> dict[str, NDArray[Any]]:
        with explain_errors(self.path, DamagedFile):
            return self._database.connection.execute(query).fetchnumpy()

    def _arrow_columns(self, query: str) -> dict[str, NDArray[Any]]:
        return columns_of(self._query_tables(query))

    def _query_tables(self, query: str) -> Query:
        """Run a query of this class that reads tables only. It needs no view."""
        with explain_errors(self.path, DamagedFile):
            return Query(self._database.connection.sql(query).to_arrow_table())

    @property
    def head(self) -> str:
        """The digest of the last block, empty where there is no block."""
        rows = self._query_tables("select digest from seal order by block desc limit 1").rows()
        return str(rows[0]["digest"]) if rows else ""

    def view(self, name: str, at: Moment | None = None) -> Query:
        """Return the rows of a view. Its name may have hyphens for underscores."""
        view = name.replace("-", "_")
        if view not in self.views:
            names = (v for v in self.views if not v.startswith(("check_", "examined_")))
            raise UnknownView(f"there is no view {name!r}{nearest(view, names)}")
        return self.sql(f"from {view}", at=at)

    def _require_journal(self) -> set[str]:
        """Return the names of the tables. Raises a `StoreError` unless this is a journal of this version."""
        rows = self._database.connection.execute(
            "select table_name, estimated_size from system.main.duckdb_tables()"
            " where schema_name = 'main' and database_name != 'temp'"
        ).fetchall()
        self._row_counts: dict[str, int] = dict(rows)
        tables = set(self._row_counts)
        runs = self._database.connection.execute("from run limit 1").fetchall() if "run" in tables else []
        if not runs and is_blank(self._database.connection):
            raise NotAJournal(f"{self.path} is empty: a journal that was never begun; delete it")
        if missing := set(REQUIRED_TABLES) - tables:
            raise NotAJournal(
                f"{self.path} is a DuckDB file but not a journal: no table {', '.join(sorted(missing))}"
            )
        versions = self._database.connection.execute("select schema_version from provenance").fetchall()
        if len(versions) != 1:
            raise DamagedFile(f"{self.path}: {len(versions)} rows in the table provenance, not one")
        ((version,),) = versions
        if version > SCHEMA_VERSION:
            raise NewerSchema(
                f"{self.path} has schema version {version}, this tieout reads version {SCHEMA_VERSION};"
                " update tieout"
            )
        if version < SCHEMA_VERSION:
            raise OlderSchema(
                f"{self.path} has schema version {version}, this tieout reads version {SCHEMA_VERSION};"
                " open it with the tieout that wrote it"
            )
        return tables

    def _require_tables(self, tables: set[str]) -> None:
        """Raise `DamagedFile` where a table is missing.

        A view does not replace a table of the ledger. It may replace a table of another package, because the
        seals show that.
        """
        ledger, *others = (set(schema.table_names) for schema in self.schemas)
        missing = set[str]().union(*others) - tables
        if missing:
            views = self._database.connection.execute(
                "select view_name from system.main.duckdb_views() where not internal"
            ).fetchall()
            missing -= {name for (name,) in views}
        if missing := ledger - tables | missing:
            raise DamagedFile(f"{self.path} has lost the table {', '.join(sorted(missing))}")

    def _read_run(self) -> dict[str, Any]:
        rows = self._database.connection.execute("from run").fetchall()
        if len(rows) != 1:
            raise DamagedFile(f"{self.path}: {len(rows)} rows in the table run, not one")
        return dict(zip(_RUN, rows[0], strict=True))


def install_views(connection: "duckdb.DuckDBPyConnection", schemas: Sequence[Schema]) -> None:
    """Install the views and checks of *schemas* for this connection."""
    for statement in in_order(schemas).values():
        connection.execute(statement.replace("create or replace view", "create or replace temp view"))


def prefer_builtin_functions(connection: "duckdb.DuckDBPyConnection") -> None:
    """Make DuckDB look for its own functions first.

    A macro `sum` in a file would otherwise blind every view with a total.
    """
    connection.execute(f"set search_path = 'temp.main,system.main,{NAME}.main'")

"""A closed journal, opened to be read.

The file's tables are believed only as far as the seals go, and its views and functions not at all: the views
used here are installed anew, for this connection alone, and the functions are DuckDB's own.
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
from tieout.ledger.file.columns import columns_of, queried
from tieout.ledger.file.database import NAME, Database, explained, is_blank, is_damage
from tieout.ledger.file.query import Query, execute
from tieout.ledger.file.schema import SCHEMA_VERSION, Schema, in_order, installed, ledger_schema
from tieout.ledger.file.store import Layout
from tieout.ledger.moment import Moment, end_of

if TYPE_CHECKING:
    import duckdb

MARKS_OF_A_JOURNAL = ("run", "seal", "provenance", "transfer", "txn")
FEW = 20_000
"""Rows up to which an answer is quicker to come by as it is than as Arrow."""
_RUN = ("id", "spec", "fingerprints", "strategy", "seed", "policies", "layout")


class Reader(Closing):
    """A journal's file, read-only. Raises a `StoreError` where it cannot be read as one.

    *database* is the file where it is open already; it is closed with the reader. The views are installed
    when SQL is first asked.
    """

    def __init__(self, path: str | Path, database: Database | None = None) -> None:
        self.path = Path(path)
        if database is None and self.path.is_file() and self.path.stat().st_size == 0:
            raise NotAJournal(f"{self.path} is empty: a journal that was never begun; delete it")
        self._database = database or Database(self.path, read_only=True)
        self._has_views = False
        try:
            with explained(self.path, DamagedFile):
                tables = self._require_journal()
                self.run = self._read_run()
                self.layout: Layout = {t: dict(c) for t, c in json.loads(self.run["layout"])}
                self.policies: dict[str, Any] = json.loads(self.run["policies"])
                self.schemas: list[Schema] = [
                    ledger_schema(),
                    *installed(self.policies["records"]),
                ]
                self._require_tables(tables)
                believe_no_function(self._database.connection)
        except (ValueError, KeyError, TypeError) as error:
            self.close()
            raise DamagedFile(f"{self.path}: the table run cannot be read: {error!r}") from error
        except LedgerError:
            self.close()
            raise

    @property
    def connection(self) -> "duckdb.DuckDBPyConnection":
        """The connection, with every view."""
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
        """Let go of the file."""
        self._database.close()

    def sql(self, query: str, parameters: Sequence[Any] = (), at: Moment | None = None) -> Query:
        """Run SQL over the journal; *at* shows the books as of a moment, a date to its end."""
        moment = None if at is None else end_of(at)
        try:
            return execute(self.connection, query, parameters, moment)
        except InvalidQuery as error:
            if is_damage(error.__cause__):
                raise DamagedFile(f"{self.path}: run `tieout doctor` on it ({error})") from error
            raise

    def columns(self, table: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The columns *names* of *table*, its rows in the order of its dense first column.

        Numbers as they are stored, times datetime64[ns], text as objects; not to be written to. Raises
        `DamagedFile` where rows are missing or there twice.
        """
        return queried(self._few if self._rows.get(table, 0) < FEW else self._many, table, names)

    def _few(self, query: str) -> dict[str, NDArray[Any]]:
        with explained(self.path, DamagedFile):
            return self._database.connection.execute(query).fetchnumpy()

    def _many(self, query: str) -> dict[str, NDArray[Any]]:
        return columns_of(self._of_tables(query))

    def _of_tables(self, query: str) -> Query:
        """A query of ours that names tables alone, and needs no view."""
        with explained(self.path, DamagedFile):
            return Query(self._database.connection.sql(query).to_arrow_table())

    @property
    def head(self) -> str:
        """The digest of the last block, nothing where there is none."""
        rows = self._of_tables("select digest from seal order by block desc limit 1").rows()
        return str(rows[0]["digest"]) if rows else ""

    def view(self, name: str, at: Moment | None = None) -> Query:
        """The rows of a view by its name, hyphens allowed."""
        view = name.replace("-", "_")
        if view not in self.views:
            shown = (v for v in self.views if not v.startswith(("check_", "examined_")))
            raise UnknownView(f"there is no view {name!r}{nearest(view, shown)}")
        return self.sql(f"from {view}", at=at)

    def _require_journal(self) -> set[str]:
        """The names of the tables, once they are those of a journal that can be read here."""
        found = self._database.connection.execute(
            "select table_name, estimated_size from system.main.duckdb_tables()"
            " where schema_name = 'main' and database_name != 'temp'"
        ).fetchall()
        self._rows: dict[str, int] = dict(found)
        tables = set(self._rows)
        runs = self._database.connection.execute("from run limit 1").fetchall() if "run" in tables else []
        if not runs and is_blank(self._database.connection):
            raise NotAJournal(f"{self.path} is empty: a journal that was never begun; delete it")
        if missing := set(MARKS_OF_A_JOURNAL) - tables:
            raise NotAJournal(
                f"{self.path} is a DuckDB file but not a journal: no table {', '.join(sorted(missing))}"
            )
        versions = self._database.connection.execute("select schema_version from provenance").fetchall()
        if len(versions) != 1:
            raise DamagedFile(f"{self.path}: {len(versions)} rows in the table provenance, not one")
        ((version,),) = versions
        if version > SCHEMA_VERSION:
            raise NewerSchema(
                f"{self.path} has schema version {version}, this tieout reads up to {SCHEMA_VERSION};"
                " update tieout"
            )
        if version < SCHEMA_VERSION:
            raise OlderSchema(
                f"{self.path} has schema version {version}; run `tieout doctor --migrate` to bring it to"
                f" {SCHEMA_VERSION}"
            )
        return tables

    def _require_tables(self, tables: set[str]) -> None:
        """Raise `DamagedFile` where a table is missing.

        A view in the place of one of the ledger's own is not believed; in the place of another's it breaks
        the seals.
        """
        own, *others = (set(schema.table_names) for schema in self.schemas)
        lost = set[str]().union(*others) - tables
        if lost:
            views = self._database.connection.execute(
                "select view_name from system.main.duckdb_views() where not internal"
            ).fetchall()
            lost -= {name for (name,) in views}
        if missing := own - tables | lost:
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


def believe_no_function(connection: "duckdb.DuckDBPyConnection") -> None:
    """Look for the built-in functions first: a macro `sum` in a file would blind every view that adds up."""
    connection.execute(f"set search_path = 'temp.main,system.main,{NAME}.main'")

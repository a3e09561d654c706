"""A private copy of the rows of a file that may have another author.

The author of a file decides what DuckDB answers about it: by generated columns, statistics, macros, views and
the layout in the row of the run. So the file is asked for whole tables only. Each is read once, without a
condition, into a database in memory that has the registered tables and views and never sees the file. Seals
are checked over the copy, and every figure is derived from it: what is hashed is what is shown.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from tieout.ledger.errors import DamagedFile, NotAJournal, StoreError, TimeLimitReached, UnknownRecords
from tieout.ledger.file.catalogue import (
    Catalogue,
    catalogue,
    columns,
    differences,
    macros,
    registered_catalogue,
)
from tieout.ledger.file.database import Database, explain_errors, is_blank
from tieout.ledger.file.identifier import quoted
from tieout.ledger.file.instances import NAME
from tieout.ledger.file.layout import SealLayout, layout_of
from tieout.ledger.file.limits import default_limit, time_limit
from tieout.ledger.file.schema import SCHEMA_VERSION, Schema, installed_schema, ledger_schema
from tieout.ledger.file.seal import DTYPES

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

REQUIRED_TABLES = ("run", "seal", "provenance", "transfer", "txn")
"""Tables without which a DuckDB file is not a journal."""
RUN = ("id", "spec", "fingerprints", "strategy", "seed", "policies", "layout")
"""Columns of the table run."""

_ROW_COUNTS = (
    "select table_name, estimated_size from system.main.duckdb_tables()"
    " where schema_name = 'main' and database_name = $1"
)
_TABLES = _ROW_COUNTS.replace("estimated_size", "sql")
_COMPUTED = " GENERATED ALWAYS AS"
"""The words in the definition of a table that has a computed column."""
_BATCH = 122_880
_ROWS_A_BYTE = 100
"""Rows for each byte of a file at most. A file of a journal has less than one."""
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_INCOMING = "incoming_rows"
"""Name of the rows of a table on their way into the copy."""
_UNSEALED = {
    "run": RUN,
    "provenance": ("schema_version", "created", "host", "versions", "revision"),
    "seal": ("block", "first_txn", "last_txn", "rows", "previous", "digest"),
}
"""The tables outside of the layout of the seals, with their columns. They are the same in every version."""


@frozen
class Description:
    """The row of a run, and what it says about its file.

    *gaps* name the parts that this installation cannot examine, *faults* those that are not as they must be.
    """

    run: dict[str, Any]
    policies: dict[str, Any]
    version: int
    layout: SealLayout
    schemas: list[Schema]
    gaps: list[str]
    faults: list[str]


@define
class Contents:
    """The rows of a file in a *database* of this process.

    *row_counts* has the number of rows of each table. *faults* and *gaps* are those of the description, and
    those that reading has shown. *wal* is the name of a WAL that was read with the file, or empty.
    *is_copy* is false where the database is the file itself. *catalogue* is that of the file.
    """

    database: Database
    description: Description
    row_counts: dict[str, int]
    is_copy: bool
    catalogue: Catalogue = field(factory=dict)
    faults: list[str] = field(factory=list)
    gaps: list[str] = field(factory=list)
    wal: str = ""


def describe(path: Path, run: Mapping[str, Any], version: int) -> Description:
    """Return what the row of a run says.

    *version* is that of the ledger's tables where the row names none.

    Raises `DamagedFile` where the row cannot be read.
    """
    try:
        policies = json.loads(run["policies"])
        recorded: SealLayout = {str(t): dict(c) for t, c in json.loads(run["layout"])}
        records = [(str(name), int(number)) for name, number in policies["records"]]
        json.loads(run["spec"]), json.loads(run["fingerprints"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedFile(
            f"{path}: the row of the table run is not that of a journal ({type(error).__name__}: {error})"
        ) from error
    if records and records[0][0] == "ledger":
        version = records.pop(0)[1]
    if version != SCHEMA_VERSION:
        gap = (
            f"its tables have version {version}, this tieout reads version {SCHEMA_VERSION};"
            f" {'update tieout' if version > SCHEMA_VERSION else 'open it with the tieout that wrote it'}"
        )
        bad = _bad_tables(recorded)
        layout = {table: kinds for table, kinds in recorded.items() if table not in bad}
        return Description(dict(run), policies, version, layout, [], [gap], [*bad.values()])
    schemas, gaps = [ledger_schema()], []
    for name, number in records:
        try:
            schemas.append(installed_schema(name, number))
        except UnknownRecords as error:
            gaps.append(str(error))
    registered, faults = layout_of(schemas), [*_bad_tables(recorded).values()]
    layout = registered
    if gaps:
        # Tables of records that are not installed are read as the run describes them.
        layout = {t: c for t, c in recorded.items() if t not in _bad_tables(recorded)}
        recorded = {t: c for t, c in recorded.items() if t in registered}
    if _in_order(recorded) != _in_order(registered):
        faults.append("its layout is not that of a journal with these records")
        layout = registered
    return Description(dict(run), policies, version, layout, schemas, gaps, faults)


def _in_order(layout: SealLayout) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(table, [*kinds.items()]) for table, kinds in layout.items()]


def _bad_tables(layout: SealLayout) -> dict[str, str]:
    """Return the tables of a layout with a name or a type that no package can have registered, and why."""
    return {
        table: f"its layout has the table {table!r}, which no package can register"
        for table, kinds in layout.items()
        if not kinds
        or not all(map(_NAME.fullmatch, (table, *kinds)))
        or not {*kinds.values()} <= DTYPES.keys()
        or table in _UNSEALED
    }


def copy_of(path: Path, *, with_catalogue: bool = False) -> Contents:
    """Copy the rows of a file into a database of this process.

    *with_catalogue* compares the catalogue of the file with the registered one too. No figure depends on it.

    Raises a `StoreError` where the file cannot be opened, is not a journal, or does not describe its run.
    """
    _require_bytes(path)
    limit = default_limit(path) if path.is_file() else 0.0
    with Database(path, read_only=True, isolated=True) as source, explain_errors(path, DamagedFile):
        connection = source.connection
        with time_limit(path, limit, connection):
            tables: dict[str, str] = dict(connection.execute(_TABLES, [NAME]).fetchall())
            _require_tables(path, {*tables})
            for table in _UNSEALED:
                if _COMPUTED in tables[table]:
                    raise DamagedFile(f"{path}: {_computed(table)}")
            objects = catalogue(connection) | macros(connection) if with_catalogue else {}
            unsealed = {table: _read_whole(connection, table, names) for table, names in _UNSEALED.items()}
        run, version = _run_row(path, unsealed, connection)
        description = describe(path, run, version)
        copy = _Copy.begin(path, description)
        try:
            if with_catalogue:
                copy.compare(objects)
            for table, rows in unsealed.items():
                copy.insert(table, rows.to_reader)
            with time_limit(path, limit, connection):
                actual = columns(connection, description.layout)
            for table, kinds in description.layout.items():
                if table not in tables:
                    # A view of that name is not performed: it may have no end.
                    copy.contents.faults.append(f"it has no table {table}")
                    continue
                if _COMPUTED in tables[table]:
                    copy.contents.faults.append(_computed(table))
                    continue
                if [*actual[table].items()] != [*kinds.items()]:
                    copy.contents.faults.append(f"the table {table} has not the columns of its layout")
                with time_limit(path, limit, connection, copy.connection):
                    copy.take(connection, table, kinds)
        except BaseException:
            copy.contents.database.close()
            raise
    copy.contents.wal = _wal(path)
    return copy.contents


def _computed(table: str) -> str:
    """Return the fault of a table that would have to be computed. Some computations cannot be interrupted."""
    return f"the table {table} has computed columns, which no journal has, and is not read"


def contents_in_place(path: Path, *, isolated: bool) -> Contents:
    """Open a file to read it in place. Nothing but its own catalogue vouches for the answers.

    That is for a file that this process has just written. An *isolated* one has no way to other files.
    Raises as `copy_of` does.
    """
    _require_bytes(path)
    database = Database(path, read_only=True, isolated=isolated)
    try:
        with explain_errors(path, DamagedFile):
            connection = database.connection
            counts: dict[str, int] = dict(connection.execute(_ROW_COUNTS, [NAME]).fetchall())
            _require_tables(path, {*counts})
            unsealed = {
                table: _read_whole(connection, table, names)
                for table, names in _UNSEALED.items()
                if table != "seal"
            }
            run, version = _run_row(path, unsealed, connection)
            description = describe(path, run, version)
            _require_layout(path, description, counts)
    except BaseException:
        database.close()
        raise
    faults, gaps = [*description.faults], [*description.gaps]
    return Contents(database, description, counts, is_copy=False, faults=faults, gaps=gaps, wal=_wal(path))


def _require_bytes(path: Path) -> None:
    if path.is_file() and path.stat().st_size == 0:
        raise NotAJournal(f"{path} is empty: a journal that was never begun; delete it")


def _require_tables(path: Path, tables: set[str]) -> None:
    if missing := {*REQUIRED_TABLES} - tables:
        if not tables:
            raise NotAJournal(f"{path} is empty: a journal that was never begun; delete it")
        raise NotAJournal(f"{path} is a DuckDB file but not a journal: no table {', '.join(sorted(missing))}")


def _require_layout(path: Path, description: Description, counts: Mapping[str, int]) -> None:
    if missing := description.layout.keys() - counts.keys():
        raise DamagedFile(f"{path} has lost the table {', '.join(sorted(missing))}")


def _run_row(
    path: Path, unsealed: Mapping[str, "pa.Table"], connection: "duckdb.DuckDBPyConnection"
) -> tuple[dict[str, Any], int]:
    """Return the row of the run and the version in the provenance. Raises where there is not one of each."""
    runs, provenance = unsealed["run"].to_pylist(), unsealed["provenance"].to_pylist()
    if not runs and is_blank(connection):
        raise NotAJournal(f"{path} is empty: a journal that was never begun; delete it")
    for table, rows in (("provenance", provenance), ("run", runs)):
        if len(rows) != 1:
            raise DamagedFile(f"{path}: {len(rows)} rows in the table {table}, not one")
    run, version = runs[0], provenance[0]["schema_version"]
    texts = [run[name] for name in RUN if name != "seed"]
    if not all(isinstance(text, str) for text in texts) or type(run["seed"]) is not int:
        raise DamagedFile(f"{path}: the table run has values of other types")
    if type(version) is not int:
        raise DamagedFile(f"{path}: the table provenance has no version")
    return run, version


def _read_whole(connection: "duckdb.DuckDBPyConnection", table: str, names: tuple[str, ...]) -> "pa.Table":
    return connection.sql(_whole(table, names)).to_arrow_table()


def _whole(table: str, names: tuple[str, ...]) -> str:
    """Return a query for whole columns of a table of the file, without a condition.

    DuckDB takes a name in any case and answers with that of the file.
    """
    columns = ", ".join(f"{quoted(name)} as {quoted(name)}" for name in names)
    return f"select {columns} from {NAME}.main.{quoted(table)}"  # noqa: S608  quoted


def _wal(path: Path) -> str:
    """Return the name of the WAL beside a file, empty where there is none."""
    wal = path.with_name(f"{path.name}.wal")
    return wal.name if wal.is_file() and wal.stat().st_size else ""


@frozen
class _Copy:
    """A copy in the making: its *contents*, and the most rows that the file may have."""

    path: Path
    contents: Contents
    most_rows: int

    @classmethod
    def begin(cls, path: Path, description: Description) -> "_Copy":
        """Create the tables of a description in an isolated database."""
        database = Database(None, isolated=True)
        try:
            _create(database.connection, description.layout)
        except BaseException:
            database.close()
            raise
        faults, gaps = [*description.faults], [*description.gaps]
        contents = Contents(database, description, {}, is_copy=True, faults=faults, gaps=gaps)
        return cls(path, contents, _ROWS_A_BYTE * path.stat().st_size)

    @property
    def connection(self) -> "duckdb.DuckDBPyConnection":
        """The connection to the copy."""
        return self.contents.database.connection

    def compare(self, objects: Catalogue) -> None:
        """Compare the catalogue of the file with the one of the copy."""
        self.contents.catalogue = objects
        if self.contents.gaps:
            return
        self.contents.faults.extend(
            differences(objects, registered_catalogue(self.contents.description.schemas))
        )

    def take(self, source: "duckdb.DuckDBPyConnection", table: str, kinds: Mapping[str, str]) -> None:
        """Copy one sealed table."""
        self.insert(table, lambda: source.sql(_whole(table, tuple(kinds))).to_arrow_reader(_BATCH))

    def insert(self, table: str, read: "Callable[[], pa.RecordBatchReader]") -> None:
        """Insert the rows of a table, all or none. A fault takes the place of rows that cannot be read."""
        counts = [0]
        self.contents.row_counts[table] = 0
        try:
            with explain_errors(self.path, DamagedFile):
                rows = read()
                batches = self._counted(table, rows, counts)
                # DuckDB takes longer to plan an insert than to read a short table.
                if (first := next(batches, None)) is not None:
                    self._insert(table, rows.schema, itertools.chain((first,), batches))
                self.contents.row_counts[table] = counts[0]
        except TimeLimitReached:
            raise
        except StoreError as error:
            self.contents.faults.append(f"the table {table} cannot be read: {error}")

    def _counted(
        self, table: str, rows: "pa.RecordBatchReader", counts: list[int]
    ) -> "Iterator[pa.RecordBatch]":
        """Count the rows in *counts*, and stop where a file claims more than it has room for."""
        for batch in rows:
            counts[0] += batch.num_rows
            if counts[0] > self.most_rows:
                raise DamagedFile(f"{self.path}: {table} has more rows than the file has room for")
            yield batch

    def _insert(self, table: str, schema: "pa.Schema", batches: "Iterable[pa.RecordBatch]") -> None:
        import pyarrow as pa

        self.connection.register(_INCOMING, pa.RecordBatchReader.from_batches(schema, batches))
        try:
            self.connection.execute(f"insert into {quoted(table)} select * from {_INCOMING}")  # noqa: S608  quoted
        finally:
            self.connection.unregister(_INCOMING)


def _create(connection: "duckdb.DuckDBPyConnection", layout: SealLayout) -> None:
    """Create the tables without conditions, so that checks find the rows that break one."""
    for table, names in _UNSEALED.items():
        kinds = {name: f"{_NUMBERS.get(name, 'VARCHAR')} not null" for name in names}
        _create_table(connection, table, kinds)
    for table, kinds in layout.items():
        _create_table(connection, table, kinds)


_NUMBERS = {
    "block": "BIGINT",
    "first_txn": "BIGINT",
    "last_txn": "BIGINT",
    "schema_version": "INTEGER",
    "seed": "BIGINT",
}
"""Types of the columns of those tables that are not texts."""


def _create_table(connection: "duckdb.DuckDBPyConnection", table: str, kinds: Mapping[str, str]) -> None:
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in kinds.items())
    connection.execute(f"create table {quoted(table)} ({columns})")

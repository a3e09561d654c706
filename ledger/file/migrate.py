"""Bringing the file of an earlier version up to date, whole or not at all.

`migrations/N.sql` leads from schema version N to N + 1. All scripts that a file needs run in one
transaction together with the new version number and the stored views, and the transaction is committed only
if every seal of the file still holds: what was sealed stays as it was.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import duckdb

from tieout.ledger.errors import DamagedFile, NewerSchema, NotAJournal, OlderSchema, SealBroken
from tieout.ledger.file import chain
from tieout.ledger.file.database import NAME, Database, explained
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.schema import SCHEMA_VERSION, in_order


@cache
def scripts() -> dict[int, str]:
    """The migrations of this version of tieout, by the version that each starts from."""
    folder = files("tieout.ledger") / "migrations"
    return {
        int(file.name.removesuffix(".sql")): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


def migrate(path: str | Path, steps: Mapping[int, str] | None = None) -> int:
    """Bring the file at *path* to the present schema version; the version that it had.

    Raises `NewerSchema` or `OlderSchema` where no scripts lead here, `SealBroken` where a seal would not
    hold afterwards, and leaves the file as it was whenever it raises. *steps* are the scripts, those of
    `scripts` if not given.
    """
    path, steps = Path(path), scripts() if steps is None else steps
    with explained(path, DamagedFile):
        with Database(path, read_only=True) as database:
            before = _version(path, database.connection)
        wanted = _path(path, before, steps)
        if not wanted:
            return before
    with explained(path), Database(path) as database:
        connection = database.connection
        connection.execute("begin")  # whatever raises closes the connection, which rolls back
        for script in wanted:
            connection.execute(script)
        connection.execute("update provenance set schema_version = ?", [SCHEMA_VERSION])
        _install_and_check(path, database)
        connection.execute("commit")
    return before


def _version(path: Path, connection: duckdb.DuckDBPyConnection) -> int:
    tables = connection.execute("select table_name from duckdb_tables()").fetchall()
    if ("provenance",) not in tables:
        raise NotAJournal(f"{path} is a DuckDB file but not a journal: no table provenance")
    versions = connection.execute("select schema_version from provenance").fetchall()
    if len(versions) != 1:
        raise DamagedFile(f"{path}: {len(versions)} rows in the table provenance, not one")
    return int(versions[0][0])


def _path(path: Path, version: int, steps: Mapping[int, str]) -> list[str]:
    """The scripts that lead from *version* to the present one."""
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"{path} has schema version {version}, this tieout knows up to {SCHEMA_VERSION}; update tieout"
        )
    needed = range(version, SCHEMA_VERSION)
    if missing := [step for step in needed if step not in steps]:
        raise OlderSchema(
            f"{path} has schema version {version}; nothing here leads from {missing[0]} to {missing[0] + 1}"
        )
    return [steps[step] for step in needed]


def _install_and_check(path: Path, database: Database) -> None:
    """See that the file is a journal whose seals all hold, and store the present views in it."""
    reader = Reader(path, database)
    for departure in chain.broken(reader):
        raise SealBroken(f"{path}: {departure}; the file stays as it is")
    database.connection.execute(f"use {NAME}")  # in the reader's search path nothing is created in the file
    for statement in in_order(reader.schemas).values():
        database.connection.execute(statement)

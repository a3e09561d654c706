"""Opening DuckDB files, and what its errors mean to somebody who keeps books."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb

from ledger.errors import (
    DamagedFile,
    DiskFull,
    LockedByWriter,
    NewerSchema,
    NoSuchFile,
    NotAJournal,
    ReadOnly,
    StoreError,
    WriteFailed,
)

# Files of DuckDB's 2.0 format cannot be read by 1.x; this is the oldest that holds what a journal needs.
STORAGE_VERSION = "v1.2.0"

# What DuckDB 2.0 or the system says, what it means, and what to do. The first that is found counts.
_MEANINGS: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (
        ("No space left", "File too large", "Disk quota exceeded"),
        DiskFull,
        "the disk is full; nothing acknowledged is lost. Make room and open the journal again",
    ),
    (
        ("Could not set lock", "different configuration"),
        LockedByWriter,
        "somebody else has the file open; close it there first",
    ),
    (("database does not exist", "No such file"), NoSuchFile, "there is no such file or folder"),
    (
        ("not a valid DuckDB database file", "Is a directory"),
        NotAJournal,
        "this is not a journal: not a DuckDB file at all",
    ),
    (
        # A WAL is written by whoever wrote the file, so a version that is unknown here is damage.
        ("replaying WAL", "replaying checkpoint WAL"),
        DamagedFile,
        "the last commits are damaged; run `tieout doctor` on it",
    ),
    (
        ("newer version of DuckDB", "Unsupported Storage Version"),
        NewerSchema,
        "a later version wrote this file; update tieout",
    ),
    (
        ("Permission denied", "Read-only file system", "Operation not permitted"),
        ReadOnly,
        "the file or its folder may not be opened so; see its permissions",
    ),
    (
        ("orrupt", "Could not read", "Serialization Error", "INTERNAL Error"),
        DamagedFile,
        "the file is damaged; run `tieout doctor` on it",
    ),
)


def connect(path: Path | None, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection to a database file, or to one in memory where *path* is None."""
    if path is None:
        return duckdb.connect(":memory:")
    with explained(path, DamagedFile):
        # By its kind, or DuckDB takes other formats for databases and fetches extensions for them; by its
        # one full name, or one process could write it twice. Nothing else may open a journal's file in
        # this process: closing it again would give up DuckDB's lock.
        name = f"duckdb:{path.resolve()}"
        if read_only:
            return duckdb.connect(name, read_only=True)
        return duckdb.connect(name, config={"storage_compatibility_version": STORAGE_VERSION})


@contextmanager
def explained(path: Path | None, otherwise: type[StoreError] = WriteFailed) -> Iterator[None]:
    """Turn an error of DuckDB into one of ours that names the file and the remedy."""
    try:
        yield
    except (duckdb.Error, OSError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        meaning, remedy = _meaning(error) or (otherwise, "")
        shown = f"{remedy} ({first})" if remedy else first
        raise meaning(f"{path}: {shown}") from error


def is_damage(error: BaseException | None) -> bool:
    """Whether an error that a query ran into says that the file is damaged."""
    return error is not None and (_meaning(error) or ("",))[0] is DamagedFile


def holds_nothing(path: Path) -> bool:
    """Whether there is no file, or one in which no journal was begun yet."""
    if not path.exists() or path.stat().st_size == 0:
        return True
    with closing(connect(path, read_only=True)) as connection, explained(path, DamagedFile):
        return is_blank(connection)


def is_blank(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a database has no tables, or those of a journal and not a row in any."""
    tables = {
        name
        for (name,) in connection.execute("select table_name from system.main.duckdb_tables()").fetchall()
    }
    if not {"run", "provenance", "txn"} <= tables:
        return not tables
    # Those first that every journal has rows in. Without any function: what a file calls so may be another.
    for table in ("run", *sorted(tables)):
        quoted = '"' + table.replace('"', '""') + '"'
        if connection.execute(f"select 1 from {quoted} limit 1").fetchall():  # noqa: S608  as the file has it
            return False
    return True


def _meaning(error: BaseException) -> tuple[type[StoreError], str] | None:
    for words, meaning, remedy in _MEANINGS:
        if any(word in str(error) for word in words):
            return meaning, remedy
    return None

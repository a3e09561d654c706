"""Opening DuckDB files, and what its errors mean to somebody who keeps books."""

from collections.abc import Iterator
from contextlib import contextmanager
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

# What DuckDB says, what it means, and what to do. The first that is found in the message counts.
_MEANINGS: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (
        ("No space left", "disk full", "not enough space"),
        DiskFull,
        "the disk is full; nothing acknowledged is lost. Make room and open the journal again",
    ),
    (
        ("Could not set lock", "different configuration", "Conflicting lock", "already attached"),
        LockedByWriter,
        "another writer has the file open; close it there first",
    ),
    (("database does not exist", "No such file"), NoSuchFile, "there is no such file"),
    (
        ("not a valid DuckDB database file",),
        NotAJournal,
        "this is not a journal: not a DuckDB file at all",
    ),
    (
        ("newer version", "can only read version", "storage version"),
        NewerSchema,
        "a later version wrote this file; update tieout",
    ),
    (
        ("Permission denied", "read-only file system", "Cannot open file", "Is a directory"),
        ReadOnly,
        "the file or its folder cannot be opened; see its permissions",
    ),
    (
        (
            "WAL",
            "Could not read",
            "Corrupt",
            "corrupt",
            "checksum",
            "Checksum",
            "deserialize",
            "Serialization",
            "INTERNAL",
            "Failed to load",
        ),
        DamagedFile,
        "the file is damaged; run `tieout doctor` on it",
    ),
)


def connect(path: Path | None, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection to a database file, or to one in memory where *path* is None."""
    if path is None:
        return duckdb.connect(":memory:")
    with explained(path, DamagedFile):
        if read_only:
            return duckdb.connect(str(path), read_only=True)
        return duckdb.connect(str(path), config={"storage_compatibility_version": STORAGE_VERSION})


@contextmanager
def explained(path: Path | None, otherwise: type[StoreError] = WriteFailed) -> Iterator[None]:
    """Turn an error of DuckDB into one of ours that names the file and the remedy."""
    try:
        yield
    except (duckdb.Error, OSError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        for words, meaning, remedy in _MEANINGS:
            if any(word in str(error) for word in words):
                raise meaning(f"{path}: {remedy} ({first})") from error
        raise otherwise(f"{path}: {first}") from error

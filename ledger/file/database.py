"""Opening DuckDB files, and what its errors mean to somebody who keeps books."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from attrs import define

from tieout.ledger.closing import Closing
from tieout.ledger.errors import (
    DamagedFile,
    DiskFull,
    JournalClosed,
    LockedByWriter,
    NewerSchema,
    NoSuchFile,
    NotAJournal,
    ReadOnly,
    StoreError,
    WriteFailed,
)

if TYPE_CHECKING:
    import duckdb

NAME = "journal"
"""What a database is called while it is open here."""

# Files of DuckDB's 2.0 format cannot be read by 1.x; this is the oldest that holds what a journal needs.
# A column takes whole blocks, and most of a journal's are short.
ROW_GROUP = 30_720
"""Rows that are compressed together; of DuckDB's own 122,880 many a journal has only one such group."""
_WRITTEN = f"type duckdb, storage_version 'v1.2.0', row_group_size {ROW_GROUP}, block_size 65536"

# What DuckDB 2.0 or the system says, what it means, and what to do. The first that is found counts.
_MEANINGS: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (
        ("No space left", "File too large", "Disk quota exceeded"),
        DiskFull,
        "the disk is full; nothing acknowledged is lost. Make room and open the journal again",
    ),
    (
        ("Could not set lock", "Unique file handle conflict"),
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


class Database(Closing):
    """A database file, or tables in memory where *path* is None. Close it to let go of the file.

    *connection* is for the SQL of whoever opened it, which leaves nothing behind; `lend` and `cursor` are for
    whoever asks with SQL of his own.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        self._path = path
        with explained(path, DamagedFile):
            self._instance: _Instance | None = _attached(path, read_only=read_only)
            self.connection = _cursor(self._instance)

    def lend(self) -> "duckdb.DuckDBPyConnection":
        """The connection, for SQL that may leave settings behind: the instance ends with it."""
        if self._instance is not None:
            self._instance.is_lent = True
        return self.connection

    def cursor(self) -> "duckdb.DuckDBPyConnection":
        """Another connection, as `lend`; it may outlive the database, and keeps the file open then."""
        with _TURN:
            if self._instance is None:
                raise JournalClosed(f"{self._path or 'the journal'} is closed")
            self._instance.is_lent = True
            return _cursor(self._instance)

    def checkpoint(self) -> None:
        """Move what was committed into the file. Closing tries this too, and does not say when it fails."""
        with explained(self._path):
            self.connection.execute(f"checkpoint {NAME}")

    def checkpoint_next_commit(self) -> None:
        """Have the next commit go into the file itself, and not by way of the WAL."""
        self.connection.execute("set checkpoint_threshold = '1KB'")

    def close(self) -> None:
        """Let go of the file. Again: nothing."""
        self.connection.close()
        with _TURN:
            instance, self._instance = self._instance, None
            if instance is not None:
                _let_go(instance)


@define(eq=False)
class _Instance:
    """An instance of DuckDB with one database attached to it: for one writer, or all readers of a file."""

    root: "duckdb.DuckDBPyConnection"
    read: Path | None = None
    users: int = 1
    is_lent: bool = False


_TURN = threading.RLock()
_READ: WeakValueDictionary[Path, _Instance] = WeakValueDictionary()
"""Those that are read. A reader that is forgotten and not closed keeps no file open."""
_SPARES: "list[duckdb.DuckDBPyConnection]" = []
"""Instances without a database, for the next that is opened: starting one takes ten times as long."""
_MOST_SPARES = 2


def _attached(path: Path | None, *, read_only: bool) -> _Instance:
    """The instance to which the file at *path* is attached now."""
    import duckdb  # a run in memory never comes here, and is spared the memory

    # By its one full name, or one process could write a file twice.
    full = None if path is None else path.resolve()
    place = ":memory:" if full is None else str(full).replace("'", "''")
    # By its kind, or DuckDB takes other formats for databases and fetches extensions for them.
    how = "type duckdb, read_only" if read_only else _WRITTEN
    with _TURN:
        # Once in this process, however many read it: whoever closes a file gives up the locks of all.
        if full is not None and read_only and (shared := _READ.get(full)) is not None:
            shared.users += 1
            return shared
        root = _SPARES.pop() if _SPARES else duckdb.connect(":memory:")
        try:
            root.execute(f"attach '{place}' as {NAME} ({how})")
        except BaseException:
            root.close()  # whatever state it is in
            raise
        instance = _Instance(root, full if read_only else None)
        if instance.read is not None:
            _READ[instance.read] = instance
        return instance


def _cursor(instance: _Instance) -> "duckdb.DuckDBPyConnection":
    cursor = instance.root.cursor()
    cursor.execute(f"use {NAME}")
    return cursor


def _let_go(instance: _Instance) -> None:
    """Let go of the file after its last user, and keep the instance for the next if it is as it was."""
    import duckdb

    instance.users -= 1
    if instance.users:
        return
    if instance.read is not None:
        _READ.pop(instance.read, None)
    if not instance.is_lent and len(_SPARES) < _MOST_SPARES:
        with suppress(duckdb.Error):  # damage to the file has made it unusable
            instance.root.execute(f"detach {NAME}")
            instance.root.execute("reset checkpoint_threshold")
            _SPARES.append(instance.root)
            return
    with suppress(duckdb.Error):  # whoever is asking still keeps it, and the file, until he has his answer
        instance.root.close()


def _before_fork() -> None:
    _TURN.acquire()
    while _SPARES:
        _SPARES.pop().close()


# A process that is forked off has an instance without its threads, and would wait for them for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_TURN.release, after_in_child=_TURN.release)


@contextmanager
def explained(path: Path | None, otherwise: type[StoreError] = WriteFailed) -> Iterator[None]:
    """Turn an error of DuckDB into one of ours that names the file and the remedy."""
    import duckdb

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
    with Database(path, read_only=True) as database, explained(path, DamagedFile):
        return is_blank(database.connection)


def is_blank(connection: "duckdb.DuckDBPyConnection") -> bool:
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

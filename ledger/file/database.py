"""DuckDB files, and the meaning of DuckDB's errors for a journal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

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
from tieout.ledger.file.instances import NAME, Attachment

if TYPE_CHECKING:
    import duckdb

USE_DOCTOR = "run `tieout doctor` on it"
"""The remedy for a damaged file."""
# Words in a message of DuckDB 2.0 or the system, the error that they mean, and the remedy. The first match
# counts.
_MEANINGS: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (
        ("No space left", "File too large", "Disk quota exceeded"),
        DiskFull,
        "the disk is full; nothing acknowledged is lost. Make room and open the journal again",
    ),
    (
        ("Could not set lock", "Unique file handle conflict"),
        LockedByWriter,
        "the file is open elsewhere; close it there first",
    ),
    (("database does not exist", "No such file"), NoSuchFile, "there is no such file or folder"),
    (
        ("not a valid DuckDB database file", "Is a directory"),
        NotAJournal,
        "this is not a journal, because it is not a DuckDB file",
    ),
    (
        # The writer of the file wrote its WAL too, so an unknown version of the WAL is damage.
        ("replaying WAL", "replaying checkpoint WAL"),
        DamagedFile,
        f"the last commits are damaged; {USE_DOCTOR}",
    ),
    (
        ("newer version of DuckDB", "Unsupported Storage Version"),
        NewerSchema,
        "a later version wrote this file; update tieout",
    ),
    (
        ("Permission denied", "Read-only file system", "Operation not permitted"),
        ReadOnly,
        "the file or its folder may not be opened this way; see its permissions",
    ),
    (
        ("orrupt", "Could not read", "Serialization Error", "INTERNAL Error"),
        DamagedFile,
        f"the file is damaged; {USE_DOCTOR}",
    ),
    (
        ("Connection already closed", "Connection has already been closed"),
        JournalClosed,
        "the file is closed; open it again",
    ),
)


class Database(Closing):
    """A database file, or tables in memory where *path* is None. Closing it releases the file.

    *connection* is for SQL of the code that opened the database, which leaves nothing behind. SQL of others
    goes through `lend` and `cursor`.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        self._path = path
        with explain_errors(path, DamagedFile):
            self._attachment = Attachment(path, read_only=read_only)
            self.connection = self._connect(is_lent=False)

    def lend(self) -> "duckdb.DuckDBPyConnection":
        """Return the connection for SQL that may leave settings behind. The instance ends with it.

        Raises `JournalClosed` after `close`.
        """
        if not self._attachment.lend():
            raise self._closed()
        return self.connection

    def cursor(self) -> "duckdb.DuckDBPyConnection":
        """Return another connection, lent as by `lend`.

        It may outlive the database, and holds the file open then. Raises `JournalClosed` after `close`.
        """
        return self._connect(is_lent=True)

    def _connect(self, *, is_lent: bool) -> "duckdb.DuckDBPyConnection":
        connection = self._attachment.connect(is_lent=is_lent)
        if connection is None:
            raise self._closed()
        return connection

    def _closed(self) -> JournalClosed:
        return JournalClosed(f"{self._path or 'the journal'} is closed; open it again")

    def checkpoint(self) -> None:
        """Move committed rows from the WAL into the file.

        Closing the connection tries this too, but does not report a failure.
        """
        with explain_errors(self._path):
            self.connection.execute(f"checkpoint {NAME}")

    def checkpoint_next_commit(self) -> None:
        """Make the next commit write to the file itself, without the WAL."""
        self.connection.execute("set checkpoint_threshold = '1KB'")

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self.connection.close()
        self._attachment.close()


@contextmanager
def explain_errors(path: Path | None, default: type[StoreError] = WriteFailed) -> Iterator[None]:
    """Turn an error of DuckDB or the system into a `StoreError` that names the file and the remedy.

    An error with an unknown meaning becomes a *default*.
    """
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        meaning, remedy = _meaning(error) or (default, "")
        explanation = f"{remedy} ({first})" if remedy else first
        raise meaning(f"{path}: {explanation}") from error


def is_damage(error: BaseException | None) -> bool:
    """Check whether the error of a query means that the file is damaged."""
    return error is not None and (_meaning(error) or ("",))[0] is DamagedFile


def holds_nothing(path: Path) -> bool:
    """Check whether there is no file, or a file in which no journal was begun yet."""
    if not path.exists() or path.stat().st_size == 0:
        return True
    with Database(path, read_only=True) as database, explain_errors(path, DamagedFile):
        return is_blank(database.connection)


def is_blank(connection: "duckdb.DuckDBPyConnection") -> bool:
    """Check whether a database has no tables, or the tables of a journal without a single row."""
    tables = {
        name
        for (name,) in connection.execute("select table_name from system.main.duckdb_tables()").fetchall()
    }
    if not {"run", "provenance", "txn"} <= tables:
        return not tables
    # The table run comes first, because every journal has a row in it. The query calls no function, because
    # the file may define another one of that name.
    for table in ("run", *sorted(tables)):
        quoted = '"' + table.replace('"', '""') + '"'
        if connection.execute(f"select 1 from {quoted} limit 1").fetchall():  # noqa: S608  a name from the file
            return False
    return True


def _meaning(error: BaseException) -> tuple[type[StoreError], str] | None:
    for words, meaning, remedy in _MEANINGS:
        if any(word in str(error) for word in words):
            return meaning, remedy
    return None

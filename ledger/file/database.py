"""DuckDB files, and the meaning of DuckDB's errors for a journal."""

from collections.abc import Callable, Iterator
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
from tieout.ledger.file.place import is_there, require_content
from tieout.ledger.file.schema import ledger_schema, registered_schemas
from tieout.ledger.forking import Home

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
        ("Unique file handle conflict",),
        LockedByWriter,
        "this process has the file open already; close that result, journal or connection first",
    ),
    (("Could not set lock",), LockedByWriter, "the file is open elsewhere; close it there first"),
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


_INTERRUPTED = "Query interrupted"
"""DuckDB's words for Ctrl-C, in an error of Python's own class."""


class Database(Closing):
    """A database file, or tables in memory where *path* is None. Closing it releases the file.

    *connection* is for SQL of the code that opened the database, which leaves nothing behind. SQL of others
    goes through `lend` and `cursor`. *isolated* is for the file of another author, and for its rows: the
    database has no way to any other file.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False, isolated: bool = False) -> None:
        self._path = path
        self._home = Home()
        with explain_errors(path, DamagedFile):
            self._attachment = Attachment(path, read_only=read_only, isolated=isolated)
            try:
                self._connection = self._connect(is_lent=False)
            except BaseException:
                self._attachment.close()
                raise

    @property
    def connection(self) -> "duckdb.DuckDBPyConnection":
        """The connection of the code that opened the database."""
        self._home.require(self._path)
        return self._connection

    @property
    def is_here(self) -> bool:
        """Check whether this process opened the database."""
        return self._home.is_here

    def lend(self) -> "duckdb.DuckDBPyConnection":
        """Return the connection for SQL that may leave settings behind. The instance ends with it.

        Raises `JournalClosed` after `close`.
        """
        connection = self.connection
        if not self._attachment.lend():
            raise self._closed()
        return connection

    def cursor(self) -> "duckdb.DuckDBPyConnection":
        """Return another connection, lent as by `lend`.

        It may outlive the database, and holds the file open then. Raises `JournalClosed` after `close`.
        """
        self._home.require(self._path)
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

    def rename(self, path: Path, rename: Callable[[], None]) -> None:
        """Continue under the name *path*, which *rename* gives to the file. Everything has to be in the file.

        No other connection may be in use. Where *rename* raises, the file is closed.
        """
        self.connection.close()
        self._path = path
        with explain_errors(path):
            self._attachment.reattach(path, rename)
            self._connection = self._connect(is_lent=False)

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self.connection.close()
        self._attachment.close()


@contextmanager
def explain_errors(path: Path | None, default: type[StoreError] = WriteFailed) -> Iterator[None]:
    """Turn an error of DuckDB or the system into a `StoreError` that names the file and the remedy.

    An error with an unknown meaning becomes a *default*. A query that Ctrl-C has ended is a
    `KeyboardInterrupt`.
    """
    import duckdb

    try:
        yield
    except RuntimeError as error:
        if str(error) == _INTERRUPTED:
            raise KeyboardInterrupt from error
        raise
    except (duckdb.Error, OSError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        meaning, remedy = _meaning(error) or (default, "")
        explanation = f"{remedy} ({first})" if remedy else first
        raise meaning(f"{path}: {explanation}") from error


def is_damage(error: BaseException | None) -> bool:
    """Check whether the error of a query means that the file is damaged."""
    return error is not None and (_meaning(error) or ("",))[0] is DamagedFile


def holds_nothing(path: Path) -> bool:
    """Check whether there is no file, or a journal in which nothing was stored yet.

    Raises `NotAJournal` where something lies there that is not a file of DuckDB.
    """
    if not is_there(path):
        return True
    require_content(path)
    with Database(path, read_only=True) as database, explain_errors(path, DamagedFile):
        return is_blank(database.connection)


def is_blank(connection: "duckdb.DuckDBPyConnection") -> bool:
    """Check whether a database has the tables of a journal without a single row, and no other table."""
    names = tables_in(connection)

    def is_empty(table: str) -> bool:
        query = f'select 1 from {NAME}.main."{table}" limit 1'  # noqa: S608  a registered name
        return not connection.execute(query).fetchall()

    # The table run comes first, because every journal has a row in it.
    if not set(ledger_schema().table_names) <= names or not is_empty("run"):
        return False
    registered = {name for schema in registered_schemas() for name in schema.table_names}
    return names <= registered and all(map(is_empty, sorted(names)))


def tables_in(connection: "duckdb.DuckDBPyConnection") -> set[str]:
    """Return the names of the tables, in any schema. The function is DuckDB's own, not one of the file."""
    rows = connection.execute(
        "select schema_name, table_name from system.main.duckdb_tables() where database_name = ?", [NAME]
    ).fetchall()
    return {table if schema == "main" else f"{schema}.{table}" for schema, table in rows}


def _meaning(error: BaseException) -> tuple[type[StoreError], str] | None:
    for words, meaning, remedy in _MEANINGS:
        if any(word in str(error) for word in words):
            return meaning, remedy
    return None

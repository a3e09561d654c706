"""New journals: a file with empty tables, and the row of its run."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tieout.ledger.errors import JournalExists
from tieout.ledger.file import provenance, seal
from tieout.ledger.file.database import Database, explain_errors
from tieout.ledger.file.layout import create_tables, schema_key
from tieout.ledger.file.schema import SCHEMA_VERSION, Schema
from tieout.ledger.file.store import Head, Storage

if TYPE_CHECKING:
    import duckdb

_EMPTY_FILES: dict[tuple[Any, ...], bytes] = {}


def create_storage(path: Path | None, schemas: Sequence[Schema], row: Mapping[str, str | int]) -> Storage:
    """Create a file, or tables in memory, and store the *row* of its run and its provenance.

    Raises `JournalExists` where another process has begun the file meanwhile.
    """
    if path is not None:
        create_file(path, schemas)
    database = Database(path)
    connection = database.connection
    try:
        with explain_errors(path):
            connection.execute("begin")
            if path is None:
                create_tables(connection, schemas)
            else:
                _require_no_run(path, connection)
            connection.execute("insert into run values (?, ?, ?, ?, ?, ?, ?)", list(row.values()))
            connection.execute(
                "insert into provenance values (?, ?, ?, ?, ?)",
                [SCHEMA_VERSION, *provenance.here().values()],
            )
            connection.execute("commit")
    except BaseException:
        database.close()
        raise
    start = seal.genesis(row)
    return Storage(database, start, Head(0, start))


def create_file(path: Path, schemas: Sequence[Schema]) -> None:
    """Create a file with the tables and views of *schemas* and no rows. Raises `JournalExists`.

    The file appears whole or not at all. Of two processes that want the name one is refused.
    """
    refusal = _name_taken(path)
    if path.exists():
        raise refusal
    whole = path.with_name(f".{path.name}.{uuid4().hex}.new")
    with explain_errors(path):
        try:
            with whole.open("xb") as file:
                file.write(_empty_file(schemas))
                file.flush()
                os.fsync(file.fileno())
            # The WAL of a journal that was removed without it would be replayed into this one.
            path.with_name(path.name + ".wal").unlink(missing_ok=True)
            os.link(whole, path)
        except FileExistsError:
            raise refusal from None
        finally:
            whole.unlink(missing_ok=True)


def _empty_file(schemas: Sequence[Schema]) -> bytes:
    """Return a file with tables and views, created once a process: a copy takes a hundredth of the time."""
    key = schema_key(schemas)
    if key not in _EMPTY_FILES:
        with TemporaryDirectory(prefix="tieout-") as folder:
            path = Path(folder) / "empty.duckdb"
            with Database(path) as database, explain_errors(path):
                create_tables(database.connection, schemas)
                database.checkpoint()
            _EMPTY_FILES[key] = path.read_bytes()
    return _EMPTY_FILES[key]


def _require_no_run(path: Path, connection: "duckdb.DuckDBPyConnection") -> None:
    """Raise `JournalExists` where another process replaced the file by its own before it was opened here."""
    if connection.execute("from run limit 1").fetchall():
        raise _name_taken(path)


def _name_taken(path: Path) -> JournalExists:
    return JournalExists(f"{path} exists; open it, or choose another name")

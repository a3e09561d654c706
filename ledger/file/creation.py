"""New journals: a file with empty tables, and the row of its run.

Everything happens under a `Claim` on the path. A file is prepared under a hidden name and appears whole.
Nothing is deleted but a journal without a row, and a journal that the caller asked to overwrite. That one
stays where it is until the new one has sealed its first block, and is then replaced in one step. So one of
the two lies there at every moment. A new one that fails or is killed before leaves the earlier one as it was.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from attrs import frozen

from tieout.ledger.errors import DamagedFile, FileReplaced, JournalExists, NotAJournal
from tieout.ledger.file import provenance, seal
from tieout.ledger.file.claim import Claim
from tieout.ledger.file.database import Database, explain_errors, holds_nothing, tables_in
from tieout.ledger.file.instances import NAME
from tieout.ledger.file.layout import create_tables, create_tables_and_views
from tieout.ledger.file.place import Identity, is_there, require_content, wals_of
from tieout.ledger.file.schema import SCHEMA_VERSION, Schema, schema_key
from tieout.ledger.file.store import Head, Storage
from tieout.ledger.file.views import Views

if TYPE_CHECKING:
    import duckdb

Consent = Callable[[Mapping[str, Any]], bool]
"""Decides, by the spec of its run, whether a journal may be overwritten."""

_EMPTY_FILES: dict[tuple[Any, ...], bytes] = {}


@frozen
class Earlier:
    """A whole journal that is to be overwritten, as it was when it was looked at."""

    path: Path
    status: tuple[int, ...]

    @classmethod
    def at(cls, path: Path) -> "Earlier":
        """Remember the file at *path*."""
        status = path.stat()
        return cls(path, (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))

    def replace(self, staging: Path) -> None:
        """Let the file *staging* take its place. Raises `FileReplaced` where it has changed."""
        if not self.path.exists() or Earlier.at(self.path) != self or wals_of(self.path):
            raise FileReplaced(
                f"{self.path} was changed or removed while it was to be overwritten; nothing was stored in"
                " it. Run again"
            )
        staging.replace(self.path)


def create_storage(
    claim: Claim | None,
    schemas: Sequence[Schema],
    row: Mapping[str, str | int],
    earlier: Earlier | None = None,
) -> Storage:
    """Create a file, or tables in memory, and store the *row* of its run and its provenance.

    Without an *earlier* journal the file appears under its name at once. Raises `JournalExists` where
    something lies there.
    """
    path = None
    if claim is not None:
        path = claim.path if earlier is None else claim.staging
        create_file(claim, schemas, is_staged=earlier is not None)
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
        identity = None if path is None else Identity.of_new(path)
    except BaseException:
        database.close()
        raise
    start = seal.genesis(row)
    if claim is None:
        return Storage(database, start, Head(0, start), views=Views.of(database, schemas))
    replace = None if earlier is None else partial(earlier.replace, claim.staging)
    return Storage(database, start, Head(0, start), claim.hold(), identity, replace)


def create_file(claim: Claim, schemas: Sequence[Schema], *, is_staged: bool = False) -> None:
    """Create a file with the tables and views of *schemas* and no rows. Raises `JournalExists`.

    The file appears whole or not at all, under the name that was claimed, or under the hidden one.
    """
    path, whole = claim.path, claim.staging
    if not is_staged:
        _require_free(path)
    with explain_errors(path):
        with whole.open("xb") as file:
            file.write(_empty_file(schemas))
            file.flush()
            os.fsync(file.fileno())
        if not is_staged:
            try:
                os.link(whole, path)
            except FileExistsError:
                raise _name_taken(path) from None
            whole.unlink()


def make_way(path: Path, consent: Consent) -> Earlier | None:
    """Prepare the path of a journal that is begun. Return the journal that it overwrites, None for none.

    A journal without a row is deleted. Any other is overwritten with *consent*. Raises `NotAJournal` where
    something else lies there, and `JournalExists` without consent.
    """
    if holds_nothing(path):
        discard_blank(path)
        return None
    with Database(path, read_only=True) as database, explain_errors(path, DamagedFile):
        spec = _spec_of(path, database.connection)
    if not consent(spec):
        raise JournalExists(f"{path} holds another run; choose another name")
    # Opened for writing, which also shows that nothing else has it open.
    with Database(path) as database:
        database.checkpoint()
    return Earlier.at(path)


def discard_blank(path: Path) -> None:
    """Delete a journal that holds nothing. Its WAL goes first, because alone it would belong to no file."""
    if is_there(path):
        for file in (*wals_of(path), path):
            file.unlink()


def _spec_of(path: Path, connection: "duckdb.DuckDBPyConnection") -> Mapping[str, Any]:
    """Return the spec of the run in a file. Raises `NotAJournal` where it has none.

    A journal of another version has a spec too.
    """
    if missing := {"run", "seal", "provenance", "txn", "transfer"} - tables_in(connection):
        raise NotAJournal(
            f"{path} is a DuckDB file but not a journal: no table {', '.join(sorted(missing))};"
            " choose another name"
        )
    rows = connection.execute(f"select spec from {NAME}.main.run").fetchall()  # noqa: S608  our own name
    try:
        ((text,),) = rows
        spec = json.loads(text)
    except (ValueError, TypeError) as error:
        raise DamagedFile(f"{path}: the table run cannot be read; choose another name") from error
    return spec if isinstance(spec, dict) else {}


def _require_free(path: Path) -> None:
    """Raise `JournalExists` where a file has the name, or a WAL that it would take for its own."""
    if is_there(path):
        require_content(path)
        raise _name_taken(path)
    if left := wals_of(path):
        raise JournalExists(
            f"{path} is not there, but its WAL {left[0].name} is, and may hold the last commits of a journal;"
            " move the two together again, or move the WAL away"
        )


def _empty_file(schemas: Sequence[Schema]) -> bytes:
    """Return a file with tables and views, created once a process: a copy takes a hundredth of the time."""
    key = schema_key(schemas)
    if key not in _EMPTY_FILES:
        with TemporaryDirectory(prefix="tieout-") as folder:
            path = Path(folder) / "empty.duckdb"
            with Database(path) as database, explain_errors(path):
                create_tables_and_views(database.connection, schemas)
                database.checkpoint()
            _EMPTY_FILES[key] = path.read_bytes()
    return _EMPTY_FILES[key]


def _require_no_run(path: Path, connection: "duckdb.DuckDBPyConnection") -> None:
    """Raise `JournalExists` where another program replaced the file by its own before it was opened here."""
    if connection.execute("from run limit 1").fetchall():
        raise _name_taken(path)


def _name_taken(path: Path) -> JournalExists:
    return JournalExists(f"{path} exists; open it, or choose another name")

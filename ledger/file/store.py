"""The journal's file: blocks in, each sealed and committed whole.

A block is everything that was posted since the last one, table by table as columns. It is sealed and
inserted at the same time on two threads, and becomes durable with its seal in one commit. With a file, a
thread of its own does this while the next block fills; in memory nothing is stored until somebody asks.
"""

import json
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from attrs import define, frozen
from numpy.typing import NDArray

from tieout.ledger.books.commodity import text
from tieout.ledger.errors import (
    InvalidPolicy,
    JournalClosed,
    JournalExists,
    LedgerError,
    ReplayDiverged,
    WriteFailed,
)
from tieout.ledger.file import provenance, seal
from tieout.ledger.file.database import ROW_GROUP, Database, explained
from tieout.ledger.file.schema import SCHEMA_VERSION, Schema, in_order
from tieout.ledger.file.seal import DTYPES, Columns

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Layout = dict[str, dict[str, str]]
"""The sealed tables in their order, each with its columns and their SQL types in theirs."""

_ROWS = "block_rows"
"""What a table's rows are called on their way in."""
_OUTSIDE_THE_BLOCKS = ("run", "seal", "provenance")


@frozen
class Block:
    """Rows of several tables that are stored together, and the transactions among them."""

    number: int
    first_txn: int
    last_txn: int
    tables: dict[str, Columns]


@define
class Head:
    """Where the chain ends: the number of blocks sealed, and the digest of the last."""

    blocks: int
    digest: bytes


def canonical(value: object) -> str:
    """JSON with sorted keys and without white space: the same text for the same value."""
    try:
        written = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError) as error:
        raise InvalidPolicy(f"a run is described by what JSON can hold: {error}") from None
    return text(written, InvalidPolicy)


def create_tables(connection: "duckdb.DuckDBPyConnection", schemas: Sequence[Schema]) -> Layout:
    """Create all tables and views of *schemas*; the layout of what will be sealed."""
    for schema in schemas:
        connection.execute(schema.tables)
    for statement in in_order(schemas).values():
        connection.execute(statement)
    layout: Layout = {}
    for table, column, kind in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns()"
        " where not internal and schema_name = 'main'"
        " and table_name in (select table_name from duckdb_tables())"
        " order by table_oid, column_index"
    ).fetchall():
        if table not in _OUTSIDE_THE_BLOCKS:
            layout.setdefault(table, {})[column] = kind
    return layout


def layout_of(schemas: Sequence[Schema]) -> Layout:
    """The layout of *schemas*, found once a process."""
    key = _key(schemas)
    if key not in _LAYOUTS:
        _LAYOUTS[key] = _plain(schemas) or _created(schemas)
    return _LAYOUTS[key]


def _created(schemas: Sequence[Schema]) -> Layout:
    with Database(None) as database:
        return create_tables(database.connection, schemas)


def _plain(schemas: Sequence[Schema]) -> Layout | None:
    """The same as it is written, without a database to ask; None where not every word of it is known."""
    layout: Layout = {}
    for schema in schemas:
        columns = schema.columns
        if columns is None or columns.keys() & layout.keys():
            return None
        layout |= columns
    for table in _OUTSIDE_THE_BLOCKS:
        layout.pop(table, None)
    kinds = {kind for columns in layout.values() for kind in columns.values()}
    return layout if kinds <= DTYPES.keys() else None


def begin_file(path: Path, schemas: Sequence[Schema]) -> None:
    """Make a file with the tables and views of *schemas* and not a row. Raises `JournalExists`.

    It is there whole or not at all, and of two who want the name one is refused.
    """
    taken = _taken(path)
    if path.exists():
        raise taken
    whole = path.with_name(f".{path.name}.{uuid4().hex}.new")
    with explained(path):
        try:
            with whole.open("xb") as file:
                file.write(_blank(schemas))
                file.flush()
                os.fsync(file.fileno())
            # Of a journal that was removed without it: it would be taken into this one.
            path.with_name(path.name + ".wal").unlink(missing_ok=True)
            os.link(whole, path)
        except FileExistsError:
            raise taken from None
        finally:
            whole.unlink(missing_ok=True)


def _blank(schemas: Sequence[Schema]) -> bytes:
    """A file with tables and views, made once a process: copying it takes a hundredth of the time."""
    key = _key(schemas)
    if key not in _BLANKS:
        with TemporaryDirectory(prefix="tieout-") as folder:
            path = Path(folder) / "blank.duckdb"
            with Database(path) as database, explained(path):
                create_tables(database.connection, schemas)
                database.checkpoint()
            _BLANKS[key] = path.read_bytes()
    return _BLANKS[key]


def _key(schemas: Sequence[Schema]) -> tuple[Any, ...]:
    return tuple((s.tables, *s.views.items(), *s.checks.items()) for s in schemas)


_BLANKS: dict[tuple[Any, ...], bytes] = {}
_LAYOUTS: dict[tuple[Any, ...], Layout] = {}


@frozen
class Opened:
    """A database with a journal's tables, and where its chain starts and ends."""

    database: Database
    genesis: bytes
    head: Head


def begun(path: Path | None, schemas: Sequence[Schema], row: Mapping[str, str | int]) -> Opened:
    """A new file, or tables in memory, with the *row* of its run and where it was made.

    Raises `JournalExists` where somebody else has begun the file meanwhile.
    """
    if path is not None:
        begin_file(path, schemas)
    database = Database(path)
    connection = database.connection
    try:
        with explained(path):
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
    return Opened(database, start, Head(0, start))


def _require_no_run(path: Path, connection: "duckdb.DuckDBPyConnection") -> None:
    """Somebody may have taken a file away before it was opened here, and begun one of his own."""
    if connection.execute("from run limit 1").fetchall():
        raise _taken(path)


def _taken(path: Path) -> JournalExists:
    return JournalExists(f"{path} exists; open it, or choose another name")


class Store:
    """One set of tables in a file or in memory, and the chain over them.

    One in memory is opened when somebody asks for what it holds. *sealed* are the digests of blocks that the
    file holds already and that are being performed again: such a block is compared, not written.
    """

    def __init__(
        self,
        path: Path | None,
        layout: Callable[[], Layout],
        opened: Callable[[], Opened],
        sealed: Sequence[str] = (),
    ) -> None:
        self.path = path
        self._layout = layout
        self._open = opened
        self._opened: Opened | None = None
        self._head = Head(0, b"")
        self._sealed = sealed
        self._waiting: list[Block] = []
        self._is_ending = False  # nothing follows the blocks taken over
        self._error: LedgerError | None = None
        self._told = False  # whether anybody has heard of it
        self._blocks: queue.Queue[Block | None] = queue.Queue(maxsize=1)
        self._turn = threading.RLock()  # in memory everybody stores for himself
        self._writer: threading.Thread | None = None
        if path is not None:
            self._begun()  # what is wrong with a file shows before anything is posted
            self._writer = threading.Thread(target=self._write_all, name="tieout-writer", daemon=True)
            self._writer.start()

    @cached_property
    def _sealer(self) -> ThreadPoolExecutor:
        """A thread for digests, made when there is something to seal: most in memory are never sealed."""
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="tieout-seal")

    @property
    def holds_blocks(self) -> bool:
        """Whether every block is here still, because nobody has asked for tables."""
        return self.path is None and self._opened is None

    def columns(self, table: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Columns of a table over all blocks, where they are here still; not to be written to."""
        with self._turn:
            parts = [block.tables[table] for block in self._waiting if table in block.tables]
        found = {}
        for name in names:
            none = np.zeros(0, seal.DTYPES[self.layout[table][name]])
            columns = [part[name] for part in parts] or [none]
            found[name] = (columns[0] if len(columns) == 1 else np.concatenate(columns)).view()
            found[name].flags.writeable = False
        return found

    @cached_property
    def layout(self) -> Layout:
        """The sealed tables with their columns."""
        return self._layout()

    @property
    def genesis(self) -> bytes:
        """The digest that the chain starts from."""
        return self._begun().genesis

    @property
    def _database(self) -> Database:
        return self._begun().database

    def _begun(self) -> Opened:
        """The tables, which are made now if this is the first that is asked of them."""
        with self._turn:
            if self._opened is None:
                opened = self._open()
                self._head = opened.head
                self._opened = opened
            return self._opened

    def put(self, block: Block, *, is_last: bool = False) -> None:
        """Take a block over for storing. Raises what an earlier one ran into."""
        self.require_sound()
        if self._writer is None:
            self._waiting.append(block)
        else:
            self._is_ending = is_last
            self._blocks.put(block)

    def sync(self) -> Head:
        """Wait until every block taken over is durable; where the chain ends then."""
        if self._writer is None:
            with self._turn:
                self._begun()
                while self._waiting:
                    self._attempt(self._waiting.pop(0))
        else:
            self._blocks.join()
        self.require_sound()
        return self._head

    def close(self) -> None:
        """Store what was taken over and let go of the file, even after an error."""
        if self._writer is not None:
            self._blocks.put(None)
            self._writer.join()
        if "_sealer" in vars(self):
            self._sealer.shutdown()
        if self._opened is not None:
            try:
                if self.path is not None and self._error is None:
                    self._database.checkpoint()
            finally:
                self._database.close()
        if not self._told:
            self.require_sound()

    @contextmanager
    def snapshot(
        self, stored: Mapping[str, int], open_rows: Mapping[str, Columns]
    ) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A cursor that sees everything posted so far, and whose changes are forgotten.

        That is the first *stored* rows of each table and *open_rows*.
        """
        self.sync()
        cursor = self._database.cursor()
        try:
            cursor.execute("begin")
            if self._head.blocks < len(self._sealed):
                self._forget(cursor, stored)
            self._insert(cursor, open_rows.items())
            yield cursor
        finally:
            cursor.close()  # rolls back

    def _forget(self, cursor: "duckdb.DuckDBPyConnection", stored: Mapping[str, int]) -> None:
        """Hide what the file holds already but what is performed again has not come to."""
        for table, columns in self.layout.items():
            cursor.execute(f'delete from "{table}" where "{next(iter(columns))}" >= ?', [stored[table]])  # noqa: S608  from the layout

    def require_sound(self) -> None:
        """Raise the error that a block ran into; once it is known, that nothing more is taken."""
        if self._error is None:
            return
        if not self._told:
            self._told = True
            raise self._error
        raise JournalClosed(
            f"{self.path or 'the journal'}: nothing more is taken after: {self._error}"
        ) from self._error

    def _write_all(self) -> None:
        while (block := self._blocks.get()) is not None:
            self._attempt(block)
            self._blocks.task_done()
        self._blocks.task_done()

    def _attempt(self, block: Block) -> None:
        """Store a block, unless one before it failed; an error is kept for whoever posts."""
        if self._error is not None:
            return
        try:
            self._store(block)
        except LedgerError as error:
            self._error = error
        except BaseException as error:  # noqa: BLE001  as above
            self._error = WriteFailed(f"{self.path}: {error!r}")
            self._error.__cause__ = error

    def _store(self, block: Block) -> None:
        connection = self._database.connection
        tables = [(t, block.tables[t]) for t in self.layout if t in block.tables]
        sealing = self._sealer.submit(seal.digest, self._head.digest, tables)
        if block.number < len(self._sealed):
            digest = sealing.result()
            if digest.hex() != self._sealed[block.number]:
                raise ReplayDiverged(
                    f"{self.path}: block {block.number} (transactions {block.first_txn} to"
                    f" {block.last_txn}) came out as {digest.hex()[:16]}, sealed is"
                    f" {self._sealed[block.number][:16]}"
                )
        else:
            with explained(self.path):
                if self._is_ending:
                    self._database.checkpoint_next_commit()
                connection.execute("begin")
                self._insert(connection, tables)
                digest = sealing.result()
                rows = canonical({name: len(next(iter(c.values()))) for name, c in tables})
                connection.execute(
                    "insert into seal values (?, ?, ?, ?, ?, ?)",
                    [
                        block.number,
                        block.first_txn,
                        block.last_txn,
                        rows,
                        self._head.digest.hex(),
                        digest.hex(),
                    ],
                )
                connection.execute("commit")
        self._head = Head(block.number + 1, digest)

    def _insert(self, cursor: "duckdb.DuckDBPyConnection", tables: Iterable[tuple[str, Columns]]) -> None:
        import pyarrow as pa  # what is never asked with SQL is spared the memory

        for table, columns in tables:
            whole = pa.Table.from_arrays([_arrow(values) for values in columns.values()], names=list(columns))
            # In parts of a row group each, which DuckDB compresses side by side; one part goes to one core.
            cursor.register(_ROWS, pa.Table.from_batches(whole.to_batches(ROW_GROUP), whole.schema))
            cursor.execute(f'insert into "{table}" select * from {_ROWS}')  # noqa: S608  from the layout
        cursor.unregister(_ROWS)


def _arrow(values: NDArray[Any]) -> "pa.Array":
    """A column without nulls, from its bytes: `pyarrow.array` imports pandas wherever that is installed."""
    import pyarrow as pa

    if values.dtype == object:
        texts = [value.encode() for value in values.tolist()]
        ends = np.zeros(values.size + 1, np.int32)
        np.cumsum([len(text) for text in texts], out=ends[1:])
        return _from_bytes(pa.string(), values.size, ends, b"".join(texts))
    if values.dtype == bool:
        return _from_bytes(pa.bool_(), values.size, np.packbits(values, bitorder="little"))
    return _from_bytes(pa.from_numpy_dtype(values.dtype), values.size, np.ascontiguousarray(values))


def _from_bytes(kind: "pa.DataType", size: int, *data: NDArray[Any] | bytes) -> "pa.Array":
    import pyarrow as pa

    return pa.Array.from_buffers(kind, size, [None, *map(pa.py_buffer, data)])

"""The journal's storage: blocks go in, and each is sealed and committed whole.

A block holds everything that was posted since the previous one: the columns of each table. It is sealed and
inserted at the same time on two threads, and becomes durable with its seal in one commit. With a file, a
separate thread does this while the next block fills. In memory nothing is stored until a query or the head
digest needs it.
"""

import queue
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, frozen
from numpy.typing import NDArray

from tieout.ledger.errors import JournalClosed, LedgerError, ReplayDiverged, WriteFailed
from tieout.ledger.file import seal
from tieout.ledger.file.arrow import insert_rows
from tieout.ledger.file.canonical import canonical
from tieout.ledger.file.claim import Claim
from tieout.ledger.file.database import Database, explain_errors
from tieout.ledger.file.layout import SealLayout
from tieout.ledger.file.place import Identity
from tieout.ledger.file.query import Query
from tieout.ledger.file.seal import Columns
from tieout.ledger.file.views import Views
from tieout.ledger.interruption import uninterrupted

if TYPE_CHECKING:
    import duckdb


Ask = Callable[["duckdb.DuckDBPyConnection"], Query]
_SEAL = "insert into seal values (?, ?, ?, ?, ?, ?)"


@frozen
class Block:
    """Rows of several tables that are stored together, and the transactions among them."""

    number: int
    first_txn: int
    last_txn: int
    tables: dict[str, Columns]


@define
class Head:
    """The end of the chain: the number of blocks sealed, and the digest of the last."""

    blocks: int
    digest: bytes


@define
class Storage:
    """A database with a journal's tables, and the start and end of its chain.

    A file has its *claim* and its *identity*. With *replace*, it has a hidden name and takes the place of an
    earlier journal by this function, once its first block is sealed. *copy* has the rows of a file that was
    opened, not begun, here. Queries go there, because the statistics of such a file are its author's.
    *views* are those over a database in memory, be it the copy. A file has its own.
    """

    database: Database
    genesis: bytes
    head: Head
    claim: Claim | None = None
    identity: Identity | None = None
    replace: Callable[[], None] | None = None
    copy: Database | None = None
    views: Views | None = None

    @classmethod
    def of(cls, database: Database, genesis: bytes, head: Head, claim: Claim, views: Views) -> "Storage":
        """Return the storage in the file that was claimed, which was there before.

        *views* are those over the copy of its rows.
        """
        identity = Identity.of_new(claim.path)
        return cls(database, genesis, head, claim.hold(), identity, copy=views.database, views=views)

    def replace_earlier(self, path: Path) -> None:
        """Take the place of the earlier journal at *path*."""
        assert self.replace is not None
        self.database.checkpoint()
        self.database.rename(path, self.replace)
        self.replace = None

    def require_in_place(self, path: Path) -> None:
        """Raise `FileReplaced` where another file, or none, has the name of this one."""
        if self.identity is not None and self.replace is None:
            self.identity.require(path)

    def abandon(self) -> None:
        """Close a storage that is not used any more, in the process that opened it."""
        if self.database.is_here:
            self.close()

    def close(self) -> None:
        """Close the database and end the claim. Safe to call twice."""
        try:
            self.database.close()
            if self.copy is not None:
                self.copy.close()
        finally:
            claim, self.claim = self.claim, None
            if claim is not None:
                claim.close()


class Store:
    """One set of tables in a file or in memory, and the chain over them.

    *connect* opens the storage, in memory not before it is needed. *digests* are those of the blocks that the
    file holds already and that are performed again. Such a block is compared with its digest and not written.
    """

    def __init__(
        self,
        path: Path | None,
        layout: Callable[[], SealLayout],
        connect: Callable[[], Storage],
        digests: Sequence[str] = (),
    ) -> None:
        self.path = path
        self._layout = layout
        self._connect = connect
        self._storage: Storage | None = None
        self._head = Head(0, b"")
        self._digests = digests
        self._waiting: list[Block] = []
        self._is_ending = False  # no block follows those already taken
        self._error: LedgerError | None = None
        self._is_error_raised = False
        self._blocks: queue.Queue[Block | None] = queue.Queue(maxsize=1)
        self._lock = threading.RLock()  # in memory the thread that queries stores the blocks
        self._writer: threading.Thread | None = None
        self._is_closed = False
        if path is not None:
            self._open()  # a fault of the file is raised before anything is posted

    @cached_property
    def _sealer(self) -> ThreadPoolExecutor:
        """A thread for digests, started for the first block: most journals in memory are never sealed."""
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="tieout-seal")

    @property
    def has_yet_to_replace(self) -> bool:
        """Check whether the file waits for its first block to take the place of another.

        The blocks that were taken are stored first.
        """
        if self.path is None:
            return False
        self._blocks.join()
        return self._open().replace is not None

    @property
    def identity(self) -> Identity | None:
        """The file, None in memory."""
        return None if self.path is None else self._open().identity

    @property
    def blocks_before(self) -> int:
        """The number of blocks that the file held already and that are compared."""
        return len(self._digests)

    @property
    def holds_blocks(self) -> bool:
        """Check whether all blocks are in memory still, because no query has needed tables."""
        return self.path is None and self._storage is None

    def columns(self, table: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return read-only columns of a table over all blocks that are in memory still."""
        with self._lock:
            parts = [block.tables[table] for block in self._waiting if table in block.tables]
        columns = {}
        for name in names:
            empty = np.zeros(0, seal.DTYPES[self.layout[table][name]])
            arrays = [part[name] for part in parts] or [empty]
            columns[name] = (arrays[0] if len(arrays) == 1 else np.concatenate(arrays)).view()
            columns[name].flags.writeable = False
        return columns

    @cached_property
    def layout(self) -> SealLayout:
        """The sealed tables with their columns."""
        return self._layout()

    @property
    def is_new(self) -> bool:
        """Check whether the storage was begun here and not opened."""
        return self._open().copy is None

    @property
    def genesis(self) -> bytes:
        """The digest that the chain starts from."""
        return self._open().genesis

    @property
    def _database(self) -> Database:
        return self._open().database

    def _open(self) -> Storage:
        """Return the storage, which is opened at the first call."""
        with self._lock:
            if self._storage is None:
                storage = self._connect()
                self._head = storage.head
                self._storage = storage
                # For a store that is lost between two lines by Ctrl-C. One with a writer is never lost.
                self._end = weakref.finalize(self, storage.abandon)
                self._end.atexit = False
            return self._storage

    def enqueue(self, block: Block, *, is_last: bool = False) -> None:
        """Take a block for storing. Raises the error of an earlier block."""
        self.require_sound()
        if self.path is None:
            self._waiting.append(block)
            return
        if self._writer is None:
            # Not before the first block, so that a store that Ctrl-C keeps from its journal can be dropped.
            self._writer = threading.Thread(target=self._write_all, name="tieout-writer", daemon=True)
            self._writer.start()
        self._is_ending = is_last
        self._blocks.put(block)

    def sync(self) -> Head:
        """Wait until every block taken is durable, and return the end of the chain.

        Raises `FileReplaced` where another program has removed or replaced the file.
        """
        if self.path is None:
            with self._lock:
                self._open()
                while self._waiting:
                    self._attempt(self._waiting.pop(0))
        else:
            self._blocks.join()
        self.require_sound()
        if self.path is not None:
            self._open().require_in_place(self.path)
        return self._head

    def close(self) -> None:
        """Store the blocks that were taken, and close the file even after an error. Safe to call twice."""
        if self._is_closed:
            return
        with uninterrupted():
            self._is_closed = True
            if self._writer is not None:
                self._blocks.put(None)
                self._writer.join()
            if "_sealer" in vars(self):
                self._sealer.shutdown()
            if self._storage is not None:
                self._end.detach()
                try:
                    if self.path is not None and self._error is None:
                        self._database.checkpoint()
                finally:
                    self._storage.close()
        if not self._is_error_raised:
            self.require_sound()

    def answer(
        self, row_counts: Mapping[str, int], open_rows: Mapping[str, Columns], query: str, ask: Ask
    ) -> Query:
        """Return the answer of *ask* to a query, over a cursor that sees everything posted so far.

        Everything is the first *row_counts* rows of each table and *open_rows*. Changes are rolled back.
        """
        self.sync()
        storage = self._open()

        def answer() -> Query:
            cursor = (storage.copy or storage.database).cursor()
            try:
                cursor.execute("begin")
                if self._head.blocks < len(self._digests):
                    self._hide(cursor, row_counts)
                insert_rows(cursor, open_rows.items())
                return ask(cursor)
            finally:
                cursor.close()  # rolls back

        if storage.views is None:
            return answer()
        with explain_errors(self.path):
            return storage.views.answer(query, answer)

    def _hide(self, cursor: "duckdb.DuckDBPyConnection", row_counts: Mapping[str, int]) -> None:
        """Hide the rows in the file that a replay has not reached."""
        for table, columns in self.layout.items():
            cursor.execute(f'delete from "{table}" where "{next(iter(columns))}" >= ?', [row_counts[table]])  # noqa: S608  from the layout

    def require_sound(self) -> None:
        """Raise the error of a block the first time, and `JournalClosed` from then on."""
        if self._error is None:
            return
        if not self._is_error_raised:
            self._is_error_raised = True
            raise self._error
        raise JournalClosed(
            f"{self.path or 'the journal'}: closed by a write that failed; open it again: {self._error}"
        ) from self._error

    def _write_all(self) -> None:
        while (block := self._blocks.get()) is not None:
            self._attempt(block)
            self._blocks.task_done()
        self._blocks.task_done()

    def _attempt(self, block: Block) -> None:
        """Store a block unless an earlier one failed. An error is kept for the thread that posts."""
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
        if block.number < len(self._digests):
            digest = sealing.result()
            if digest.hex() != self._digests[block.number]:
                raise ReplayDiverged(
                    f"{self.path}: block {block.number} (transactions {block.first_txn} to"
                    f" {block.last_txn}) has the digest {digest.hex()[:16]}, sealed is"
                    f" {self._digests[block.number][:16]}"
                )
        else:
            with explain_errors(self.path):
                storage = self._open()
                if self._is_ending or storage.replace is not None:
                    self._database.checkpoint_next_commit()
                connection.execute("begin")
                insert_rows(connection, tables)
                digest = sealing.result()
                rows = canonical({name: len(next(iter(c.values()))) for name, c in tables})
                row = [
                    block.number,
                    block.first_txn,
                    block.last_txn,
                    rows,
                    self._head.digest.hex(),
                    digest.hex(),
                ]
                connection.execute(_SEAL, row)
                connection.execute("commit")
                if (copy := storage.copy) is not None:
                    insert_rows(copy.connection, tables)
                    copy.connection.execute(_SEAL, row)
                if self.path is not None and storage.replace is not None:
                    storage.replace_earlier(self.path)
        self._head = Head(block.number + 1, digest)

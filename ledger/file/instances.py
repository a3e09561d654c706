"""Instances of DuckDB and the files that are attached to them.

Starting an instance takes ten times as long as attaching a file to a running one. Idle instances are
therefore kept for the next file. An instance serves one writer, or all readers of one file in this process.
"""

import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4
from weakref import WeakValueDictionary

from attrs import define

from tieout.ledger.errors import LockedByWriter
from tieout.ledger.file.place import real_path
from tieout.ledger.forking import keep_in_child

if TYPE_CHECKING:
    import duckdb

NAME = "journal"
"""Name under which a file is attached to its instance."""

# DuckDB 1.x cannot read files of the 2.0 format. This is the oldest format that holds what a journal needs.
# A column takes whole blocks, and most columns of a journal are short.
ROW_GROUP = 30_720
"""Rows that are compressed together. At DuckDB's own 122,880 many a journal has only one such group."""
_WRITABLE = f"type duckdb, storage_version 'v1.2.0', row_group_size {ROW_GROUP}, block_size 65536"
_MOST_IDLE = 2

_NO_EXTENSIONS: dict[str, str | bool | int | float | list[str]] = {
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""Settings of an isolated instance from its start."""
_ISOLATED = ("set enable_external_access = false", "set lock_configuration = true")
"""Settings of an isolated instance once its database is attached. They end every other access to files."""


@define(eq=False)
class _Instance:
    """An instance of DuckDB with one database attached: for one writer, or for all readers of a file."""

    root: "duckdb.DuckDBPyConnection"
    read_path: Path | None = None
    users: int = 1
    is_lent: bool = False


_LOCK = threading.RLock()
_OPEN_FOR_READING: WeakValueDictionary[Path, _Instance] = WeakValueDictionary()
"""Instances by the file that is read. They are weak: a reader that is never closed holds no file open."""
_IDLE: "list[duckdb.DuckDBPyConnection]" = []
"""Running instances without a database."""


class Attachment:
    """The use of an instance by one writer or one reader, with the file at *path* or an empty database.

    An *isolated* instance reads and writes no other file, and loads no extension. Its settings are fixed.
    """

    def __init__(self, path: Path | None, *, read_only: bool, isolated: bool = False) -> None:
        self._instance: _Instance | None = _attach(path, read_only=read_only, isolated=isolated)

    def connect(self, *, is_lent: bool) -> "duckdb.DuckDBPyConnection | None":
        """Return a new connection to the database, or None after `close`.

        An instance that was lent is not used again, because SQL of others may leave settings behind.
        """
        with _LOCK:
            if self._instance is None:
                return None
            self._instance.is_lent |= is_lent
            connection = self._instance.root.cursor()
            keep_in_child(connection)
            connection.execute(f"use {NAME}")
            return connection

    def lend(self) -> bool:
        """Mark the instance as lent, as `connect` does. Returns false after `close`."""
        with _LOCK:
            if self._instance is None:
                return False
            self._instance.is_lent = True
            return True

    def reattach(self, path: Path, rename: Callable[[], None]) -> None:
        """Detach the file of a writer, let *rename* give it the name *path*, and attach it again.

        Raises `LockedByWriter`, and renames nothing, where this process reads another file of that name.
        """
        with _LOCK:
            assert self._instance is not None
            if real_path(path) in _OPEN_FOR_READING:
                raise LockedByWriter(f"{path}: the file is open in this process; close it first")
            root = self._instance.root
            root.execute(f"detach {NAME}")
            rename()
            root.execute(f"attach {_quoted(path)} as {NAME} ({_WRITABLE})")
            root.execute("reset checkpoint_threshold")

    def close(self) -> None:
        """End the use. Safe to call twice."""
        with _LOCK:
            instance, self._instance = self._instance, None
            if instance is not None:
                _release(instance)


def _attach(path: Path | None, *, read_only: bool, isolated: bool) -> _Instance:
    """Return an instance to which the file at *path* is attached.

    A file that this process reads already is read in the same instance, isolated or not.
    """
    import duckdb  # imported here to spare runs in memory, which never come here, the memory it takes

    # A file has one full name. Under two names one process could write it twice.
    full = None if path is None else real_path(path)
    # Without the type DuckDB takes files of other formats for databases and downloads extensions for them.
    options = "type duckdb, read_only" if read_only else _WRITABLE
    with _LOCK:
        # A process opens a file once, however many read it: closing any handle gives up all its locks.
        if full is not None and read_only and (instance := _OPEN_FOR_READING.get(full)) is not None:
            instance.users += 1
            return instance
        if isolated:
            root = duckdb.connect(":memory:", config=_NO_EXTENSIONS | {"temp_directory": _spill_folder()})
        else:
            root = _IDLE.pop() if _IDLE else duckdb.connect(":memory:")
        keep_in_child(root)
        try:
            root.execute(f"attach {_quoted(full)} as {NAME} ({options})")
            for setting in _ISOLATED if isolated else ():
                root.execute(setting)
        except BaseException:
            root.close()  # its state is not known
            raise
        instance = _Instance(root, full if read_only else None, is_lent=isolated)
        if instance.read_path is not None:
            _OPEN_FOR_READING[instance.read_path] = instance
        return instance


def _spill_folder() -> str:
    """Name a folder for rows that do not fit into memory. DuckDB makes it when needed, and removes it."""
    return str(Path(tempfile.gettempdir()) / f"tieout-{uuid4().hex}")


def _quoted(path: Path | None) -> str:
    """Return the path as SQL, or that of a database in memory."""
    name = ":memory:" if path is None else str(path).replace("'", "''")
    return f"'{name}'"


def _release(instance: _Instance) -> None:
    """Detach the file after its last user, and keep the instance for the next one unless it was lent."""
    import duckdb

    instance.users -= 1
    if instance.users:
        return
    if instance.read_path is not None:
        _OPEN_FOR_READING.pop(instance.read_path, None)
    if not instance.is_lent and len(_IDLE) < _MOST_IDLE:
        with suppress(duckdb.Error):  # damage to the file has made the instance unusable
            instance.root.execute(f"detach {NAME}")
            instance.root.execute("reset checkpoint_threshold")
            _IDLE.append(instance.root)
            return
    with suppress(duckdb.Error):  # a query that is still running holds the file until it has its answer
        instance.root.close()


def _before_fork() -> None:
    _LOCK.acquire()
    while _IDLE:
        _IDLE.pop().close()


def _in_child() -> None:  # pragma: no cover  in a forked process
    """Forget the readers of the parent. Files are opened again here."""
    _OPEN_FOR_READING.clear()
    _LOCK.release()


# A forked process has the instances without their threads, and would wait for those threads forever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_LOCK.release, after_in_child=_in_child)

"""The claim on a journal's path: one writer at a time, among all threads and processes.

A claim is an advisory lock (flock) on the file `.NAME.lock` beside the journal. It begins before anything is
looked at, and ends when the file is closed. The lock that DuckDB takes needs a file, so it cannot cover the
beginning. It also belongs to the process: two threads do not exclude each other, and it ends where the
process closes any handle of the file.

The system ends a claim together with its process. A lock file that a killed process left behind is free: the
next claim takes it over and removes it in the end. It is removed while it is locked. A process that
locked it a moment later sees that its name is gone, and tries again.

The lock file names its process and the hidden file that is prepared for the journal. So what a killed process
had prepared is known, and the next claim removes it.
"""

import contextlib
import errno
import os
import re
import stat
import weakref
from io import FileIO
from pathlib import Path
from typing import Self
from uuid import uuid4

from tieout.ledger.closing import Closing
from tieout.ledger.errors import JournalExists, LockedByWriter, WriteFailed
from tieout.ledger.file.database import explain_errors
from tieout.ledger.file.place import place_of, wals_of
from tieout.ledger.forking import Home, act_in_child
from tieout.ledger.interruption import uninterrupted

_RECORD = re.compile(rb"tieout (\d+) ([0-9a-f]{32})\n")
_BEGIN = b"tieout "
_LONGEST = 100
"""Bytes of a lock file that are read. A record is shorter."""
_NO_FILES = (errno.ELOOP, errno.EISDIR, errno.ENXIO)
"""Errors where a link, a folder or a socket has the name."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class Claim(Closing):
    """The right to write a journal at *path*, for one journal and the code that begins it.

    Raises `LockedByWriter` where another writer has it. Each `with` and each `hold` is a use, and the claim
    ends with its last use. *staging* is a file beside the journal for what is not complete yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._home = Home()
        self._uses = 0
        self._lock = path.with_name(f".{path.name}.lock")
        number = uuid4().hex
        self.staging = _staging(path, number)
        with explain_errors(path):
            self._file = _locked(self._lock, path)
            # Also ends a claim that is lost between two lines by Ctrl-C, once it is not referred to.
            self._end = weakref.finalize(self, _release, self._file, self._lock, self.staging)
            _write_record(self._file, number)
        _ALIVE.add(self)

    def __enter__(self) -> Self:
        return self.hold()

    def hold(self) -> Self:
        """Use the claim until another `close`."""
        self._home.require(self.path)
        self._uses += 1
        return self

    def close(self) -> None:
        """End a use. The last one ends the claim, and removes what was staged and the lock file."""
        self._uses -= 1
        if self._uses <= 0:
            with uninterrupted():
                self._end()

    def leave_to_parent(self) -> None:  # pragma: no cover  in a forked process
        """End the claim in this forked process only."""
        self._end.detach()
        self._file.close()


def claimed(path: str | Path | Claim) -> Claim:
    """Return the claim on *path*, which may be one already."""
    return path if isinstance(path, Claim) else Claim(place_of(path))


_ALIVE: weakref.WeakSet[Claim] = weakref.WeakSet()


def _leave_to_parent() -> None:  # pragma: no cover  in a forked process
    for claim in _ALIVE:
        claim.leave_to_parent()


act_in_child(_leave_to_parent)


def _staging(path: Path, number: str) -> Path:
    return path.with_name(f".{path.name}.{number}.new")


def _locked(lock: Path, path: Path) -> FileIO:
    """Return the lock file, open and locked. Removes what a killed process had staged."""
    import fcntl  # imported here, because a system without it can keep journals in memory

    while True:
        try:
            file = FileIO(lock, "r+", opener=_open)
        except OSError as error:
            if error.errno in _NO_FILES:
                raise _name_taken(lock, path) from error
            raise
        try:
            record = _record(file, lock, path)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, lock):
                if match := _RECORD.fullmatch(_record(file, lock, path)):
                    _remove_staged(_staging(path, match[2].decode()))
                return file
            file.close()  # the claim before this one removed the file just now
        except BlockingIOError:
            file.close()
            raise LockedByWriter(_refusal(path, record)) from None
        except OSError as error:
            file.close()
            if error.errno in _NO_LOCKS:
                raise WriteFailed(f"{path}: its file system cannot lock files; choose another one") from error
            raise
        except BaseException:
            file.close()
            raise


def _open(name: str, _: int) -> int:
    """Open or make a lock file. A link is not followed, and a pipe is not waited for."""
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)


def _record(file: FileIO, lock: Path, path: Path) -> bytes:
    """Read a lock file. Raises `JournalExists` where it is a file of another program."""
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.seek(0)
        record = file.read(_LONGEST) or b""
        # A process that is killed, or a full disk, leaves less than a whole record.
        if record.startswith(_BEGIN) or _BEGIN.startswith(record):
            return record
    raise _name_taken(lock, path)


def _name_taken(lock: Path, path: Path) -> JournalExists:
    return JournalExists(
        f"{path}: the name of its lock, {lock.name}, is taken by another file; move that away, or choose"
        " another name"
    )


def _write_record(file: FileIO, number: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(f"tieout {os.getpid()} {number}\n".encode())


def _is_at(file: FileIO, lock: Path) -> bool:
    """Check whether an open file has its name still."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), lock.lstat())
    except FileNotFoundError:
        return False


def _refusal(path: Path, record: bytes) -> str:
    match = _RECORD.fullmatch(record)
    writer = match[1].decode() if match else ""
    name = "this process" if writer == str(os.getpid()) else f"PID {writer}" if writer else "another process"
    return f"{path}: the file is open elsewhere; close it there first ({name} is writing it)"


def _remove_staged(staging: Path) -> None:
    for file in (*wals_of(staging), staging):
        file.unlink(missing_ok=True)


def _release(file: FileIO, lock: Path, staging: Path) -> None:
    try:
        _remove_staged(staging)
        # In a folder where only the owner of a file may remove it, the lock file stays and blocks no one.
        with contextlib.suppress(PermissionError):
            lock.unlink(missing_ok=True)
    finally:
        file.close()

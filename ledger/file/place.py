"""The path of a journal, and the file that lies there."""

import os
import stat
from pathlib import Path

from attrs import frozen

from tieout.ledger.errors import FileReplaced, NotAJournal, WriteFailed

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@frozen
class Identity:
    """The file that lies at a path. Another one may lie there later."""

    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> "Identity | None":
        """Return the identity of the file at *path*, None where there is none."""
        try:
            status = path.stat()
        except OSError:
            return None
        return cls(status.st_dev, status.st_ino)

    @classmethod
    def of_new(cls, path: Path) -> "Identity":
        """Return the identity of the file that was just opened. Raises `FileReplaced` where it is gone."""
        identity = cls.of(path)
        if identity is None:
            raise _replaced(path)
        return identity

    def require(self, path: Path) -> None:
        """Raise `FileReplaced` unless the same file lies at *path* still."""
        if Identity.of(path) != self:
            raise _replaced(path)


def _replaced(path: Path) -> FileReplaced:
    return FileReplaced(
        f"{path} was removed or replaced while it was written; what was stored is not there."
        " Choose another name and run again"
    )


def place_of(path: str | Path) -> Path:
    """Return the full path, so that a later change of the folder does not matter.

    Links among the folders are followed. The last part is not followed.
    """
    text = os.fspath(path)
    if "\0" in text:
        raise NotAJournal(f"{text!r} is not a path: it has a NUL character; choose another name")
    full = Path(text)
    return Path(os.path.realpath(full.parent)) / full.name


def real_path(path: Path) -> Path:
    """Return the path with all links followed. A circle of links is not followed."""
    return Path(os.path.realpath(path))


def is_there(path: Path) -> bool:
    """Check whether there is a regular file. Raises `NotAJournal` for anything else of that name."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise WriteFailed(f"{path}: {error.strerror}; choose another name") from error
    if stat.S_ISREG(mode):
        return True
    if stat.S_ISLNK(mode):
        raise NotAJournal(
            f"{path} is a link, not a journal; give the path that it leads to, {real_path(path)}"
        )
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no file")
    raise NotAJournal(f"{path} is {kind}, not a journal; choose another name")


def require_content(path: Path) -> None:
    """Raise `NotAJournal` for an empty file, which tieout never makes."""
    if path.stat().st_size == 0:
        raise NotAJournal(f"{path} is an empty file, not a journal; delete it, or choose another name")


def wal_of(path: Path) -> Path:
    """Return the path of the WAL, which holds the last commits until they are in the file."""
    return path.with_name(f"{path.name}.wal")


def wals_of(path: Path) -> list[Path]:
    """List the WAL of a file, and those that DuckDB writes during a checkpoint, as far as they are there."""
    names = (f"{path.name}.wal{suffix}" for suffix in ("", ".checkpoint", ".recovery"))
    return [wal for name in names if os.path.lexists(wal := path.with_name(name))]

"""The files that keep compiled kernels between processes.

numba believes its files. One that a power cut has shortened ends every later run, and one that another user
has written runs that user's code. So a file begins here with a digest of its contents and of everything that
they were compiled from. It is used if the digest is right, and if no other user can write it. Otherwise the
kernel is compiled again. Where no file can be kept, every process compiles. Each of these is said once.
"""

import errno
import hashlib
import os
import pickle
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, UserProvidedCacheLocator
from numba.core.serialize import dumps

from tieout.ledger.terminal import say

SUFFIX = ".nbi"
"""Suffix of the file of a kernel."""

_DIGEST_SIZE = hashlib.sha256().digest_size
_IS_POSIX = os.name == "posix"
_ROOT = 0
# A pipe that lies in the place of a file is not waited for.
_FLAGS = os.O_NONBLOCK if _IS_POSIX else 0

_sentences: set[Callable[..., str]] = set()
"""The sentences that this process has written already."""


class _Locator(UserProvidedCacheLocator):
    def ensure_cache_path(self) -> None:
        """Make no folder before there is a kernel to keep."""


class _Implementation(CompileResultCacheImpl):
    _locator_classes: list[type[object]] = [_Locator]  # noqa: RUF012  as numba declares it


class KernelCache(FunctionCache):
    """numba's cache of a function, over files that are checked."""

    _impl_class = _Implementation

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]  # numba has few types
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file: Any = KernelFiles(Path(self.cache_path), self._impl.filename_base, stamp)


class KernelFiles:
    """The files of one function, one for each combination of types and processor.

    *name* begins their names, and *stamp* identifies the source of the function.
    """

    def __init__(self, folder: Path, name: str, stamp: object) -> None:
        self._folder = folder
        self._name = name
        self._stamp = stamp

    def load(self, key: object) -> Any:
        """Return what was saved for *key*, or None where it is not there, damaged, or open to others."""
        path = self._path(key)
        if not _is_safe(self._folder):
            return None
        try:
            content = _read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            _say(_damaged, path, error.strerror)
            return None
        digest, payload = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
        if digest != self._digest(key, payload):
            _say(_damaged, path, "its digest is wrong")
            return None
        return pickle.loads(payload)  # noqa: S301  this user wrote it, for this key

    def save(self, key: object, data: object) -> None:
        """Keep *data* for *key*, in the place of an earlier file."""
        payload: bytes = dumps(data)  # type: ignore[no-untyped-call]  # as above
        if can_keep(self._folder):
            try:
                _replace(self._path(key), self._digest(key, payload) + payload)
            except OSError as error:
                _say(_not_kept, self._folder, error.strerror)

    def flush(self) -> None:
        """Delete all files of the function."""
        for path in self._folder.glob(f"{self._name}.*{SUFFIX}"):
            path.unlink()

    def _path(self, key: object) -> Path:
        return self._folder / f"{self._name}.{hashlib.sha256(self._identity(key)).hexdigest()[:16]}{SUFFIX}"

    def _digest(self, key: object, payload: bytes) -> bytes:
        return hashlib.sha256(self._identity(key) + payload).digest()

    def _identity(self, key: object) -> bytes:
        return repr((numba.__version__, self._stamp, key)).encode()


def can_keep(folder: Path) -> bool:
    """Check whether files can be kept in *folder*, which is made if it is not there. If not, say why once."""
    try:
        if not folder.is_absolute():
            raise FileNotFoundError(errno.ENOENT, "this user has no home folder")
        folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        _say(_not_kept, folder, error.strerror)
        return False
    return _is_safe(folder)


def _is_safe(folder: Path) -> bool:
    """Check whether a folder is there and no other user can write in it. If one can, say so once."""
    try:
        status = folder.stat()
    except OSError:
        return False  # the reason is said when something is to be kept
    if not stat.S_ISDIR(status.st_mode):
        return False  # as above
    if _belongs_to_others(status):
        _say(_open_to_others, folder)
        return False
    return True


def _belongs_to_others(status: os.stat_result) -> bool:
    """Check whether another user than this one and root owns a file or folder, or can write it."""
    if not _IS_POSIX:
        return False
    return status.st_uid not in {_ROOT, os.geteuid()} or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _read(path: Path) -> bytes:
    """Read a file. Raise `OSError` where it is no file, or belongs to others."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _FLAGS)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        if _belongs_to_others(status):
            raise OSError(errno.EPERM, "another user can write it")
        return file.read()


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole, or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", delete=False) as file:
        try:
            file.write(content)
            file.close()
            Path(file.name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(file.name).unlink()
            raise


# --- sentences -----------------------------------------------------------------------------------------


def _say(sentence: Callable[..., str], folder: Path, *reason: str | None) -> None:
    """Write a sentence to the standard error, the first time."""
    if sentence not in _sentences and sys.stderr is not None:
        _sentences.add(sentence)
        say(f"tieout: {sentence(folder, *reason)}", error=True)


def _damaged(path: Path, reason: str) -> str:
    return (
        f"the compiled kernel {path} is damaged ({reason}) and is compiled again; if this is said again,"
        f" delete {path.parent}"
    )


def _not_kept(folder: Path, reason: str) -> str:
    return (
        f"compiled kernels cannot be kept in {folder} ({reason}), so every process compiles them again; set"
        " NUMBA_CACHE_DIR to a folder that can be written"
    )


def _open_to_others(folder: Path) -> str:
    return (
        f"compiled kernels are not kept in {folder}, because another user can write there, so every process"
        " compiles them again; set NUMBA_CACHE_DIR to a folder that only you can write"
    )

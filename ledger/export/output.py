"""The files of an export: new ones in one folder, written whole, and never over what no export wrote.

The folder holds exports and nothing else. A manifest, `tieout-export.json`, has the SHA-256 digest of each of
their files. A later export replaces a file only where its bytes are those of the manifest. Every file is
written under another name, created exclusively, so that no link is followed. All get their names at the end.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import duckdb

from tieout.ledger.closing import Closing
from tieout.ledger.errors import DamagedFile, ExportFailed
from tieout.ledger.file import database
from tieout.ledger.text import file_name, json_text

MANIFEST = "tieout-export.json"
LARGEST_MANIFEST = 1 << 20
"""Bytes of the largest manifest that is read."""
LISTED = 3
"""Files that an error names."""
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""Errors of a file system that has no hard links."""


class Output(Closing):
    """The new files of one export. They get their names in `publish`; without it, closing removes them.

    Raises `ExportFailed` where *folder* holds anything that no export wrote, or that was changed since.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder = folder
        self._suffix = suffix
        self._partials: dict[str, Path] = {}
        with explain_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._earlier = _files_of_exports(folder)

    def open(self, name: str, mode: str, **options: Any) -> IO[Any]:
        """Create the file *name*, which gets the suffix of the export, in *mode* `x` or `xb`."""
        final = file_name(f"{name}.{self._suffix}")
        partial = self._folder / f"{final}.partial"
        file: IO[Any] = partial.open(mode, **options)
        self._partials[final] = partial
        return file

    @contextmanager
    def text(self, name: str) -> Iterator[IO[str]]:
        """Write a text file."""
        with (
            explain_errors(self._folder / f"{name}.{self._suffix}"),
            self.open(name, "x", encoding="utf-8", newline="\n") as file,
        ):
            yield file
            _sync(file)

    @contextmanager
    def binary(self, name: str) -> Iterator[IO[bytes]]:
        """Write a binary file."""
        with explain_errors(self._folder / f"{name}.{self._suffix}"), self.open(name, "xb") as file:
            yield file
            _sync(file)

    def publish(self) -> list[Path]:
        """Give every file its name, write the manifest, and return the files.

        Files of an earlier export in the same format that this one does not have are removed.
        """
        digests = {name: _digest(partial) for name, partial in self._partials.items()}
        for name in self._earlier.keys() - digests.keys():
            if not name.endswith(f".{self._suffix}"):
                digests[name] = self._earlier[name]
        manifest = self._folder / f"{MANIFEST}.partial"
        with explain_errors(manifest), manifest.open("x", encoding="utf-8", newline="\n") as file:
            self._partials[MANIFEST] = manifest
            file.write(json_text({"files": dict(sorted(digests.items()))}) + "\n")
            _sync(file)
        names = list(self._partials)
        for name in names:
            path = self._folder / name
            with explain_errors(path):
                self._name(self._partials[name], path)
                del self._partials[name]
        for name in self._earlier.keys() - digests.keys():
            path = self._folder / name
            with explain_errors(path):
                _require_unchanged(path, self._earlier[name])
                path.unlink()
        _sync_folder(self._folder)
        return [self._folder / name for name in names if name != MANIFEST]

    def close(self) -> None:
        """Remove the files that did not get their names."""
        while self._partials:
            self._partials.popitem()[1].unlink(missing_ok=True)

    def _name(self, partial: Path, path: Path) -> None:
        """Give a file its name. One of that name is replaced only where an export wrote it."""
        if path.name in self._earlier and path.exists():
            _require_unchanged(path, self._earlier[path.name])
            partial.replace(path)
            return
        if path.name == MANIFEST and _is_file(path) and _manifest(path) is not None:
            partial.replace(path)
            return
        try:
            # A link, unlike a new name, is never made over a file.
            os.link(partial, path)
        except OSError as error:
            if error.errno not in _NO_LINKS or os.path.lexists(path):
                raise
            partial.rename(path)
        else:
            partial.unlink()


@contextmanager
def explain_errors(path: Path) -> Iterator[None]:
    """Turn an error of the system into `ExportFailed`, which names *path*."""
    try:
        yield
    except OSError as error:
        raise ExportFailed(f"{path} cannot be written: {error.strerror or error}") from error


@contextmanager
def explain_damage(path: Path) -> Iterator[None]:
    """Turn an error of DuckDB, with which a query of the journal *path* ends, into a `StoreError`."""
    try:
        yield
    except duckdb.Error:
        with database.explain_errors(path, DamagedFile):
            raise


def _files_of_exports(folder: Path) -> Mapping[str, str]:
    """Return the digests of the files of earlier exports.

    Raises `ExportFailed` where the folder holds others too. What beancount keeps beside the files that it has
    loaded may lie there, and stays.
    """
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    manifest = folder / MANIFEST
    files = _manifest(manifest) if MANIFEST in names and _is_file(manifest) else None
    is_manifest = files is not None
    files = files or {}
    caches = {f".{name}.picklecache" for name in files}
    others = [
        name
        for name in names
        if name not in caches
        and not (name == MANIFEST and is_manifest)
        and not (name in files and _is_file(folder / name) and _digest(folder / name) == files[name])
    ]
    if others:
        more = f" and {len(others) - LISTED} more" if len(others) > LISTED else ""
        raise ExportFailed(
            f"{folder} holds {', '.join(others[:LISTED])}{more}, which no finished export wrote or which was"
            " changed since; give a new or empty folder"
        )
    return {name: digest for name, digest in files.items() if name in names}


def _manifest(path: Path) -> dict[str, str] | None:
    """Return the digests in a manifest by file name, None where this is no manifest of an export."""
    if path.stat().st_size > LARGEST_MANIFEST:
        return None
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    files = document.get("files") if isinstance(document, dict) else None
    if not isinstance(files, dict) or not all(isinstance(digest, str) for digest in files.values()):
        return None
    return files


def _require_unchanged(path: Path, digest: str) -> None:
    if not _is_file(path) or _digest(path) != digest:
        raise ExportFailed(f"{path} was changed while the export ran; give a new or empty folder")


def _is_file(path: Path) -> bool:
    """Check whether this is a file itself, and no link to one."""
    return path.is_file() and not path.is_symlink()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the names of the files last, on a system that can open a folder."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

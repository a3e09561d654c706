"""The folders of the files that a spec or a journal names."""

import os
from pathlib import Path

from attrs import frozen

from tieout.ledger.file.place import real_path

IN_PYTHON = "build the same Backtest in Python and call its reperform(PATH)"
"""The way to perform a run again of which a journal does not record enough."""


class Unavailable(Exception):
    """A file or an object that is missing, or may not be used. The message is a sentence."""


@frozen
class SpecFolder:
    """The folder of a spec. Its author chose the paths, so they may lead anywhere."""

    place: Path

    def find(self, path: str) -> Path:
        """Return the file that *path* names. Raises `Unavailable` with a sentence if there is none."""
        file = self.place / path
        if not is_file(file):
            raise Unavailable(f"there is no file {path} in {real_path(self.place)}")
        return file


@frozen
class DataFolder:
    """The folder that a user names for the files of a journal, or None. No other file is read.

    *remedy* is the way on for a file that no such folder can hold.

    The journal may be a stranger's. So a path that leads out of the folder is refused, be it by ``..``, by a
    link, or as an absolute path to another place.
    """

    place: Path | None
    remedy: str = IN_PYTHON

    def find(self, path: str) -> Path:
        """Return the file that *path* names. Raises `Unavailable` with a sentence if none lies inside."""
        folder = self.require(path)
        file = self.resolve(path)
        if not self.holds(file):
            remedy = (
                self.remedy if ".." in Path(path).parts else "name the folder that holds it with --data-dir"
            )
            raise Unavailable(f"the file {path} lies outside of {folder}; {remedy}")
        if not is_file(file):
            raise Unavailable(f"there is no file {path} in {folder}; name the folder with --data-dir")
        return file

    def require(self, path: str) -> Path:
        """Return the folder. Raises `Unavailable` if none was named."""
        if self.place is None:
            raise Unavailable(f"it names the file {path}; name the folder that holds it with --data-dir")
        return real_path(self.place)

    def resolve(self, path: str) -> Path:
        """Return the place that *path* means, with all links followed."""
        return Path(os.path.realpath((self.place or Path()) / path))

    def holds(self, file: Path) -> bool:
        """Check whether a resolved path lies inside the folder."""
        return self.place is not None and file.is_relative_to(os.path.realpath(self.place))


def is_file(path: Path) -> bool:
    """Check whether there is a regular file. A name that is too long names none."""
    try:
        return path.is_file()
    except OSError:
        return False

"""What may go wrong where files are written, said in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import duckdb

from tieout.ledger.errors import ExportFailed


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the system or of DuckDB into one that names *path*."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        raise ExportFailed(f"{path} cannot be written: {str(error).splitlines()[0]}") from error


@contextmanager
def whole(path: Path) -> Iterator[TextIO]:
    """A text file that takes its name once it is complete; half of one would pass for a journal."""
    partial = path.with_name(f"{path.name}.partial")
    with writing(path):
        try:
            with partial.open("w", encoding="utf-8", newline="\n") as file:
                yield file
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

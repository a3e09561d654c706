"""Files that are written whole, and the errors of writing them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import duckdb

from tieout.ledger.errors import ExportFailed


@contextmanager
def explain_errors(path: Path) -> Iterator[None]:
    """Turn an error of the system or of DuckDB into `ExportFailed`, which names *path*."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        raise ExportFailed(f"{path} cannot be written: {str(error).splitlines()[0]}") from error


@contextmanager
def complete(path: Path) -> Iterator[TextIO]:
    """Open a text file that gets its name once it is complete. Half of one would pass for a journal."""
    partial = path.with_name(f"{path.name}.partial")
    with explain_errors(path):
        try:
            with partial.open("w", encoding="utf-8", newline="\n") as file:
                yield file
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

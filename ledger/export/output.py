"""What may go wrong where files are written, said in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ledger.errors import ExportFailed


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the system or of DuckDB into one that names *path*."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        raise ExportFailed(f"{path} cannot be written: {str(error).splitlines()[0]}") from error

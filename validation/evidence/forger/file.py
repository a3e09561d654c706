"""A copy of a journal in the forger's hands: DuckDB changes it, or its bytes are changed."""

from pathlib import Path
from typing import Any

import duckdb

from tieout.ledger.closing import Closing
from tieout.ledger.file.identifier import quoted
from tieout.validation.evidence.forger.base import Base, sorted_texts


class NotMade(Exception):
    """An alteration has no place in this file, for example because an earlier one took it away."""


class File(Closing):
    """A copy of a *base* at *path*. A connection is opened when first needed."""

    def __init__(self, base: Base, path: Path) -> None:
        self.base = base
        self.path = path
        self._connection: duckdb.DuckDBPyConnection | None = None
        path.write_bytes(base.content)

    @property
    def wal(self) -> Path:
        """The path of the WAL beside the file."""
        return self.path.with_name(f"{self.path.name}.wal")

    def run(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Perform SQL in the file itself."""
        if self._connection is None:
            self._connection = duckdb.connect(str(self.path))
        return self._connection.execute(statement, list(parameters)).fetchall()

    def arrays(self, query: str) -> dict[str, Any]:
        """Return the columns of a query as arrays."""
        self.run("select 1")
        assert self._connection is not None
        return dict(self._connection.execute(query).fetchnumpy())

    def close(self) -> None:
        """Write everything to the file, and release it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def content(self) -> bytes:
        """The bytes of the closed file."""
        self.close()
        return self.path.read_bytes()

    def rewrite(self, content: bytes) -> None:
        """Replace the bytes of the closed file."""
        self.close()
        self.path.write_bytes(content)

    def has_rows_of_base(self) -> bool:
        """Check whether DuckDB answers `select *` over every table as for the base."""
        try:
            if self._connection is None:
                self._connection = duckdb.connect(str(self.path), read_only=True)
            return all(
                rows == sorted_texts(self.run(f"select * from main.{quoted(table)}"))  # noqa: S608  quoted
                for table, rows in self.base.selected.items()
            )
        except (duckdb.Error, OSError, UnicodeDecodeError):
            return False
        finally:
            self.close()

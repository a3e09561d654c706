"""A closed journal, opened to be read.

Everything is read from a copy of the file's rows: see `isolation`. The views and functions of the file are
not used. The views used here are the registered ones, and the functions are DuckDB's own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import NDArray

from tieout.ledger.closing import Closing
from tieout.ledger.errors import (
    DamagedFile,
    InvalidQuery,
    NewerSchema,
    OlderSchema,
    StoreError,
    UnknownRecords,
    UnknownView,
    nearest,
)
from tieout.ledger.file.catalogue import Catalogue
from tieout.ledger.file.columns import columns_of, read_columns
from tieout.ledger.file.database import USE_DOCTOR, explain_errors, is_damage
from tieout.ledger.file.instances import NAME
from tieout.ledger.file.isolation import Contents, Description, contents_in_place, copy_of
from tieout.ledger.file.query import Query, execute
from tieout.ledger.file.schema import SCHEMA_VERSION
from tieout.ledger.file.views import Views
from tieout.ledger.moment import Moment, end_of

if TYPE_CHECKING:
    import duckdb

FEW_ROWS = 20_000
"""Number of rows up to which NumPy arrays straight from DuckDB are faster than Arrow."""


class Reader(Closing):
    """A journal's file, read-only. Raises a `StoreError` where it cannot be read as one.

    The file may have another author. Its rows are copied once, and everything is read from that copy.

    With *allow_gaps* a file of another version is opened too, and one with records that are not installed.
    Only the seals of such a file can be checked in full. *with_catalogue* compares the definitions in the
    file with the registered ones too. No answer depends on them. *contents* are given where the file is open.
    """

    def __init__(
        self,
        path: str | Path,
        contents: Contents | None = None,
        *,
        allow_gaps: bool = False,
        with_catalogue: bool = False,
    ) -> None:
        self.path = Path(path)
        contents = contents or copy_of(self.path, with_catalogue=with_catalogue)
        self._contents = contents
        self._database = contents.database
        self._is_detached = False
        description = contents.description
        self._views = Views.of(self._database, description.schemas, are_temporary=not contents.is_copy)
        self.run = description.run
        self.policies = description.policies
        self.layout = description.layout
        self.schemas = description.schemas
        if contents.gaps and not allow_gaps:
            self.close()
            raise _refusal(self.path, description)
        if not self.is_copy:
            prefer_builtin_functions(self._database.connection)

    @classmethod
    def in_place(cls, path: str | Path, *, isolated: bool = True) -> Self:
        """Open a file without a copy. Its answers are those of its own catalogue and statistics.

        That is for a large file of one's own. A file that this process has just written is opened without
        isolation, so that a query may read other files too.
        """
        return cls(path, contents_in_place(Path(path), isolated=isolated))

    @property
    def is_copy(self) -> bool:
        """Check whether the rows are a copy, out of reach of the file."""
        return self._contents.is_copy

    @property
    def catalogue(self) -> Catalogue:
        """The tables, views and other objects of the file."""
        return self._contents.catalogue

    def detach(self) -> Views:
        """Return the views over the copy of the rows. Its database is the caller's to close from now on."""
        assert self.is_copy
        self._is_detached = True
        return self._views

    @property
    def faults(self) -> list[str]:
        """The places where the file's catalogue, layout or tables are not those of a journal."""
        return self._contents.faults

    @property
    def gaps(self) -> list[str]:
        """The parts of the file that this installation cannot examine."""
        return self._contents.gaps

    @property
    def wal(self) -> str:
        """The name of the WAL that was read with the file, empty where there was none."""
        return self._contents.wal

    @property
    def connection(self) -> "duckdb.DuckDBPyConnection":
        """The connection, with all views installed."""
        with explain_errors(self.path, DamagedFile):  # a table in place may lack a column
            self._views.install_all()
        return self._database.lend()

    @property
    def tables(self) -> "duckdb.DuckDBPyConnection":
        """The connection, for a query of tables. Views may be missing."""
        return self._database.lend()

    def execute(self, query: str, parameters: Sequence[Any] = ()) -> "duckdb.DuckDBPyConnection":
        """Run a query of this program. Its answer is fetched from the connection."""
        with explain_errors(self.path, DamagedFile):
            self._views.install_for(query)
        return self._database.lend().execute(query, parameters)

    @property
    def views(self) -> list[str]:
        """The names of the views and checks."""
        return [*self._views.statements.in_order]

    def close(self) -> None:
        """Close the file, or drop the copy of its rows."""
        if not self._is_detached:
            self._database.close()

    def sql(self, query: str, parameters: Sequence[Any] = (), at: Moment | None = None) -> Query:
        """Run SQL over the journal. *at* shows the books as of a moment, and a date as of its end."""
        moment, connection = None if at is None else end_of(at), self._database.lend()
        try:
            with explain_errors(self.path, DamagedFile):
                return self._views.answer(query, lambda: execute(connection, query, parameters, moment))
        except InvalidQuery as error:
            if is_damage(error.__cause__):
                raise DamagedFile(f"{self.path}: the file is damaged; {USE_DOCTOR} ({error})") from error
            raise

    def columns(self, table: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return the columns *names* of *table*, with rows in the order of its dense first column.

        Numbers have their stored types, times are datetime64[ns], texts are objects. The arrays are
        read-only. Raises `DamagedFile` where rows are missing or doubled.
        """
        is_short = self._contents.row_counts.get(table, 0) < FEW_ROWS
        return read_columns(self._numpy_columns if is_short else self._arrow_columns, table, names)

    def _numpy_columns(self, query: str) -> dict[str, NDArray[Any]]:
        with explain_errors(self.path, DamagedFile):
            return self._database.connection.execute(query).fetchnumpy()

    def _arrow_columns(self, query: str) -> dict[str, NDArray[Any]]:
        return columns_of(self._query_tables(query))

    def _query_tables(self, query: str) -> Query:
        """Run a query of this class that reads tables only. It needs no view."""
        with explain_errors(self.path, DamagedFile):
            return Query(self._database.connection.sql(query).to_arrow_table())

    @property
    def head(self) -> str:
        """The digest of the last block, empty where there is no block."""
        rows = self._query_tables("select digest from seal order by block desc limit 1").rows()
        return str(rows[0]["digest"]) if rows else ""

    def view(self, name: str, at: Moment | None = None) -> Query:
        """Return the rows of a view. Its name may have hyphens for underscores."""
        view = name.replace("-", "_")
        if view not in self.views:
            names = (v for v in self.views if not v.startswith(("check_", "examined_")))
            raise UnknownView(f"there is no view {name!r}{nearest(view, names)}")
        return self.sql(f"from {view}", at=at)


def _refusal(path: Path, description: Description) -> StoreError:
    """Return the error for a file that can be examined in part only."""
    if description.version == SCHEMA_VERSION:
        return UnknownRecords(f"{path}: {'; '.join(description.gaps)}")
    kind = NewerSchema if description.version > SCHEMA_VERSION else OlderSchema
    return kind(f"{path} has another layout: {description.gaps[0]}")


def prefer_builtin_functions(connection: "duckdb.DuckDBPyConnection") -> None:
    """Make DuckDB look for its own functions first.

    A macro `sum` in a file would otherwise blind every view with a total.
    """
    connection.execute(f"set search_path = 'temp.main,system.main,{NAME}.main'")

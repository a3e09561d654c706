"""Views that are installed when a query needs them.

DuckDB plans a view when it is created, which takes longer than most queries. So a database of this process
gets those views that are asked for, and those that they read.
"""

from collections.abc import Callable, Iterable, Sequence

from attrs import define, field

from tieout.ledger.errors import InvalidQuery
from tieout.ledger.file.database import Database
from tieout.ledger.file.query import Query
from tieout.ledger.file.schema import Schema, Statements, statements_of


@define
class Views:
    """The views and checks of *statements*, to be installed in *database*.

    Temporary ones belong to the connection that the database lends, and hide views of the same names in a
    file. They are installed together, because a query may put together a name that only the file has.
    """

    database: Database
    statements: Statements
    are_temporary: bool = False
    _installed: set[str] = field(factory=set)

    @classmethod
    def of(cls, database: Database, schemas: Sequence[Schema], *, are_temporary: bool = False) -> "Views":
        """Return the views and checks of *schemas*. None is installed yet."""
        return cls(database, statements_of(schemas), are_temporary)

    def install_all(self) -> None:
        """Install every view."""
        self._install(self.statements.in_order)

    def install_for(self, query: str) -> None:
        """Install the views that a query names."""
        self._install(self.statements.in_order if self.are_temporary else self.statements.named_in(query))

    def answer(self, query: str, ask: Callable[[], Query]) -> Query:
        """Return the answer of *ask* to a query, once its views are installed.

        A query may put a name together, and DuckDB proposes names that are near. So it is asked again with
        all views where a name is not there. Any other error comes at once.
        """
        import duckdb  # imported here, as in `query`

        self.install_for(query)
        try:
            return ask()
        except InvalidQuery as error:
            is_name = isinstance(error.__cause__, (duckdb.CatalogException, duckdb.BinderException))
            if not is_name or len(self._installed) == len(self.statements.in_order):
                raise
        self.install_all()
        return ask()

    def _install(self, names: Iterable[str]) -> None:
        connection, kind = self.database.lend(), "temp view" if self.are_temporary else "view"
        for name in names:
            if name not in self._installed:
                statement = self.statements.in_order[name]
                connection.execute(statement.replace("create or replace view", f"create or replace {kind}"))
                self._installed.add(name)

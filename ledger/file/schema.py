"""The tables, views and checks of a package, read from its `.sql` files.

The ledger's own tables are described in the same way as those of other packages, so all are stored, sealed
and verified alike. A package registers a `Schema` under the entry point group ``tieout.records``. Its name
and version go into the genesis of every journal that holds its tables.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from graphlib import TopologicalSorter
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from attrs import frozen

from tieout.ledger.errors import InvalidRecords, UnknownRecords

SCHEMA_VERSION = 3
"""Version of the ledger's own tables. The row of a run names it."""

_TABLE = re.compile(r"\bcreate\s+table\s+\"?(\w+)", re.IGNORECASE)
_BODY = re.compile(_TABLE.pattern + r"\"?\s*\((.*?)\)\s*;", re.IGNORECASE | re.DOTALL)
_COLUMN = re.compile(r"\s*\"?(\w+)\"?\s+(\w+)(?:\s+not\s+null)?\s*(?:check\s*$)?", re.IGNORECASE)
_INNER = re.compile(r"\([^()]*\)")
_NOT_COLUMNS = {"check", "constraint", "foreign", "like", "primary", "unique"}
"""Words that begin a line of a table which is not a column."""


@frozen
class Schema:
    """The SQL of one package: *tables* creates tables, *views* and *checks* map a name to its statement."""

    name: str
    version: int
    tables: str
    views: dict[str, str]
    checks: dict[str, str]

    @property
    def table_names(self) -> list[str]:
        """The names of the tables."""
        return _TABLE.findall(_without_comments(self.tables))

    @property
    def columns(self) -> dict[str, dict[str, str]] | None:
        """The columns of each table, and their types in capitals.

        None where the SQL of the tables has any other clause, such as a key, or no list of columns.
        """
        text = _without_comments(self.tables)
        tables: dict[str, dict[str, str]] = {}
        for table, body in _BODY.findall(text):
            while body != (shorter := _INNER.sub("", body)):
                body = shorter  # noqa: PLW2901  the text in brackets is dropped
            parts = [_COLUMN.fullmatch(column) for column in body.split(",")]
            names = [part[1].lower() for part in parts if part]
            if table in tables or len(set(names) - _NOT_COLUMNS) < len(parts):
                return None
            tables[table] = {part[1]: part[2].upper() for part in parts if part}
        return tables if not _BODY.sub("", text).strip() else None

    @classmethod
    def load(cls, package: str, version: int) -> "Schema":
        """Read ``schema.sql``, ``views/*.sql`` and ``checks/*.sql`` of an installed package.

        The schema has the name of the last part of the package's name.
        """
        root = files(package)
        return cls(
            package.rpartition(".")[2],
            version,
            (root / "schema.sql").read_text(encoding="utf-8"),
            _statements(root / "views"),
            _statements(root / "checks"),
        )


def _statements(folder: Traversable) -> dict[str, str]:
    paths = sorted(folder.iterdir(), key=lambda f: f.name) if folder.is_dir() else []
    return {f.name[:-4]: f.read_text(encoding="utf-8") for f in paths if f.name.endswith(".sql")}


@cache
def ledger_schema() -> Schema:
    """Return the ledger's own tables, views and checks."""
    return Schema.load("tieout.ledger", SCHEMA_VERSION)


def installed_schema(name: str, version: int) -> Schema:
    """Return the registered schema of this name and version.

    Raises `UnknownRecords` where none is installed, or one of another version.
    """
    schema: Schema = _entry_point(name).load()
    if schema.version != version:
        raise UnknownRecords(
            f"the journal holds version {version} of the records of {name!r}; "
            f"version {schema.version} is installed"
        )
    return schema


def registered_schemas() -> list[Schema]:
    """Return the schemas of the ledger and of every package that registers one and can be imported."""
    schemas = [ledger_schema()]
    for point in entry_points(group="tieout.records"):
        with suppress(ImportError):
            schemas.append(point.load())
    return schemas


_ENTRY_POINTS: dict[str, EntryPoint] = {}
"""Entry points by name. The search for them takes as long as everything else that opens a journal."""


def _entry_point(name: str) -> EntryPoint:
    if name not in _ENTRY_POINTS:
        _ENTRY_POINTS.update({point.name: point for point in entry_points(group="tieout.records")})
    if name not in _ENTRY_POINTS:
        raise UnknownRecords(f"the journal holds records of {name!r}, which is not installed here")
    return _ENTRY_POINTS[name]


def statements_of(schemas: Iterable[Schema]) -> "Statements":
    """Return the views and checks of *schemas*. They are put in order once a process."""
    schemas = [*schemas]
    key = schema_key(schemas)
    if key not in _STATEMENTS:
        _STATEMENTS[key] = _statements_in_order(schemas)
    return _STATEMENTS[key]


def schema_key(schemas: Iterable[Schema]) -> tuple[Any, ...]:
    """Return a key for caches: equal for schemas with the same SQL."""
    return tuple((s.name, s.tables, *s.views.items(), *s.checks.items()) for s in schemas)


@frozen
class Statements:
    """The statements of views and checks by name, and the names that each of them *reads*.

    *in_order* has each statement after those that it reads.
    """

    in_order: dict[str, str]
    reads: dict[str, set[str]]

    def named_in(self, query: str) -> list[str]:
        """Return the names of the views that a query may need, each after those that it reads.

        A query about the catalogue needs all of them.
        """
        if _ASKS_FOR_THE_CATALOGUE.search(query):
            return [*self.in_order]
        # A check comes with the view that counts the rows examined.
        words = {re.sub("^examined_", "check_", word) for word in _WORD.findall(query.lower())}
        open_ends = [name for name in self.in_order if name in words]
        needed: set[str] = set()
        while open_ends:
            name = open_ends.pop()
            if name not in needed:
                needed.add(name)
                open_ends.extend(self.reads[name])
        return [name for name in self.in_order if name in needed]


_STATEMENTS: dict[tuple[Any, ...], Statements] = {}
_WORD = re.compile(r"\w+")
_ASKS_FOR_THE_CATALOGUE = re.compile(
    r"\b(?:duckdb_|pg_|sqlite_|pragma|information_schema\b|show\b|describe\b)", re.IGNORECASE
)


def _statements_in_order(schemas: Iterable[Schema]) -> Statements:
    statements: dict[str, str] = {}
    for schema in schemas:
        views = schema.views | {f"check_{name}": sql for name, sql in schema.checks.items()}
        if doubles := views.keys() & statements.keys():
            raise InvalidRecords(f"{schema.name} has views that exist already: {', '.join(sorted(doubles))}")
        statements |= views
    reads = {
        name: (set(re.findall(r"\b(?:from|join)\s+(\w+)", _without_comments(sql))) & statements.keys())
        - {name}
        for name, sql in statements.items()
    }
    return Statements({name: statements[name] for name in TopologicalSorter(reads).static_order()}, reads)


def _without_comments(sql: str) -> str:
    return re.sub(r"--[^\n]*", "", sql)

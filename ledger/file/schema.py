"""What a room stores: its tables, views and checks, read from its `.sql` files.

The ledger's own tables are described in no other way than those of a room that registers here, so they are
stored, sealed and verified alike. A package registers under the entry point group ``tieout.records`` with a
`Schema`; its name and version go into the genesis of every journal that holds its tables.
"""

import re
from collections.abc import Iterable
from functools import cache
from graphlib import TopologicalSorter
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable

from attrs import frozen

from tieout.ledger.errors import InvalidRecords, UnknownRecords

SCHEMA_VERSION = 1
"""Version of the ledger's own tables. `migrations/` says how to get here from an earlier one."""


_TABLE = re.compile(r"\bcreate\s+table\s+\"?(\w+)", re.IGNORECASE)
_BODY = re.compile(_TABLE.pattern + r"\"?\s*\((.*?)\)\s*;", re.IGNORECASE | re.DOTALL)
_COLUMN = re.compile(r"\s*\"?(\w+)\"?\s+(\w+)(?:\s+not\s+null)?\s*(?:check\s*$)?", re.IGNORECASE)
_INNER = re.compile(r"\([^()]*\)")
_NO_NAMES = {"check", "constraint", "foreign", "like", "primary", "unique"}
"""What a line of a table begins with that is no column."""


@frozen
class Schema:
    """The SQL of one room: *tables* creates them, *views* and *checks* map a name to its statement."""

    name: str
    version: int
    tables: str
    views: dict[str, str]
    checks: dict[str, str]

    @property
    def table_names(self) -> list[str]:
        """The names of its tables."""
        return _TABLE.findall(_without_comments(self.tables))

    @property
    def columns(self) -> dict[str, dict[str, str]] | None:
        """The columns of each table and their types in capitals, as written; None where not all is plain."""
        text = _without_comments(self.tables)
        found: dict[str, dict[str, str]] = {}
        for table, body in _BODY.findall(text):
            while body != (shorter := _INNER.sub("", body)):
                body = shorter  # noqa: PLW2901  without what stands in brackets
            parts = [_COLUMN.fullmatch(column) for column in body.split(",")]
            names = [part[1].lower() for part in parts if part]
            if table in found or len(set(names) - _NO_NAMES) < len(parts):
                return None
            found[table] = {part[1]: part[2].upper() for part in parts if part}
        return found if not _BODY.sub("", text).strip() else None

    @classmethod
    def load(cls, package: str, version: int) -> "Schema":
        """Read ``schema.sql``, ``views/*.sql`` and ``checks/*.sql`` of an installed package.

        The schema is named for the last part of the package's name.
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
    found = sorted(folder.iterdir(), key=lambda f: f.name) if folder.is_dir() else []
    return {f.name[:-4]: f.read_text(encoding="utf-8") for f in found if f.name.endswith(".sql")}


@cache
def ledger_schema() -> Schema:
    """The ledger's own tables, views and checks."""
    return Schema.load("tieout.ledger", SCHEMA_VERSION)


def installed(names: Iterable[tuple[str, int]]) -> list[Schema]:
    """The registered schemas of these names and versions, in this order."""
    schemas = []
    for name, version in names:
        schema: Schema = _registered(name).load()
        if schema.version != version:
            raise UnknownRecords(
                f"the journal holds version {version} of the records of {name!r}; "
                f"version {schema.version} is installed"
            )
        schemas.append(schema)
    return schemas


_REGISTERED: dict[str, EntryPoint] = {}
"""What was found. To look through all that is installed takes as long as all else that opens a journal."""


def _registered(name: str) -> EntryPoint:
    if name not in _REGISTERED:
        _REGISTERED.update({point.name: point for point in entry_points(group="tieout.records")})
    if name not in _REGISTERED:
        raise UnknownRecords(f"the journal holds records of {name!r}, which is not installed here")
    return _REGISTERED[name]


def in_order(schemas: Iterable[Schema]) -> dict[str, str]:
    """All views and checks by name, each after those that it reads."""
    statements: dict[str, str] = {}
    for schema in schemas:
        own = schema.views | {f"check_{name}": sql for name, sql in schema.checks.items()}
        if taken := own.keys() & statements.keys():
            raise InvalidRecords(f"{schema.name} has views that exist already: {', '.join(sorted(taken))}")
        statements |= own
    reads = {
        name: (set(re.findall(r"\b(?:from|join)\s+(\w+)", _without_comments(sql))) & statements.keys())
        - {name}
        for name, sql in statements.items()
    }
    return {name: statements[name] for name in TopologicalSorter(reads).static_order()}


def _without_comments(sql: str) -> str:
    return re.sub(r"--[^\n]*", "", sql)

"""The catalogue of a file: its tables, views and everything else that a database can define.

A catalogue is a text for each object, as DuckDB writes it. The catalogue of a journal is compared with the
one that the registered schemas give in this process, so both are written by the same DuckDB.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tieout.ledger.file.database import Database
from tieout.ledger.file.instances import NAME
from tieout.ledger.file.layout import create_tables_and_views
from tieout.ledger.file.schema import Schema, schema_key

if TYPE_CHECKING:
    import duckdb

Catalogue = Mapping[tuple[str, str], str]
"""The text of each object by its kind, such as ``table``, and its name."""

# The functions of DuckDB are named in full. A file may define others with the same names.
_OBJECTS = {
    "schema": "select schema_name, '' from system.main.duckdb_schemas() where schema_name != 'main'",
    "table": "select table_name, sql || coalesce(comment, '') from system.main.duckdb_tables() where true",
    "view": (
        "select view_name, sql || coalesce(comment, '') from system.main.duckdb_views() where not internal"
    ),
    "index": "select index_name, sql from system.main.duckdb_indexes() where true",
    "sequence": "select sequence_name, sql from system.main.duckdb_sequences() where true",
    "type": "select type_name, logical_type from system.main.duckdb_types() where not internal",
    "trigger": "select trigger_name, '' from system.main.duckdb_triggers() where true",
}
_REGISTERED: dict[tuple[Any, ...], Catalogue] = {}
_MACROS = "select function_name, macro_definition from system.main.duckdb_functions() where not internal"
_COLUMNS = (
    "select table_name, column_name, data_type from system.main.duckdb_columns()"
    " where database_name = $1 and schema_name = 'main' and table_name in (select unnest($2))"
    " order by column_index"
)


def catalogue(connection: "duckdb.DuckDBPyConnection") -> dict[tuple[str, str], str]:
    """Return the objects of the attached database without its macros.

    An object outside of the schema main has the name of its schema before its own.
    """
    return {place: text for kind in _OBJECTS for place, text in _objects(connection, kind, _OBJECTS[kind])}


def registered_catalogue(schemas: Sequence[Schema]) -> Catalogue:
    """Return the catalogue of a file with the tables and views of *schemas*. It is determined once a process.

    It is read back from a file, because DuckDB writes some views in another form than it was given.
    """
    key = schema_key(schemas)
    if key not in _REGISTERED:
        with TemporaryDirectory(prefix="tieout-") as folder:
            path = Path(folder) / "empty.duckdb"
            with Database(path) as database:
                create_tables_and_views(database.connection, schemas, are_planned=False)
            with Database(path, read_only=True) as database:
                _REGISTERED[key] = catalogue(database.connection)
    return _REGISTERED[key]


def macros(connection: "duckdb.DuckDBPyConnection") -> dict[tuple[str, str], str]:
    """Return the macros of the attached database. They are searched among thousands of functions, slowly."""
    return dict(_objects(connection, "macro", _MACROS))


def _objects(
    connection: "duckdb.DuckDBPyConnection", kind: str, query: str
) -> Iterator[tuple[tuple[str, str], str]]:
    place = "'main'" if kind == "schema" else "schema_name"
    text = query.replace("select ", f"select {place}, ", 1)
    for schema, name, definition in connection.execute(f"{text} and database_name = '{NAME}'").fetchall():
        yield (kind, name if schema == "main" else f"{schema}.{name}"), definition or ""


def differences(actual: Catalogue, expected: Catalogue) -> Iterator[str]:
    """Yield the differences of a file's catalogue from the *expected* one, a sentence each."""
    for kind, name in sorted(expected.keys() - actual.keys()):
        yield f"the {kind} {name} is missing"
    for kind, name in sorted(actual.keys() - expected.keys()):
        yield f"the {kind} {name} is not part of a journal"
    for (kind, name), text in sorted(expected.items()):
        if actual.get((kind, name), text) != text:
            yield f"the {kind} {name} is defined otherwise than in a journal"


def columns(connection: "duckdb.DuckDBPyConnection", tables: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the columns of tables of the attached database, and their types, in order."""
    kinds: dict[str, dict[str, str]] = {table: {} for table in tables}
    for table, column, kind in connection.execute(_COLUMNS, [NAME, [*kinds]]).fetchall():
        kinds[table][column] = kind
    return kinds

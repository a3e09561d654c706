"""The tables of a journal and their layout: which columns of which types are sealed, in which order."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tieout.ledger.file.database import Database
from tieout.ledger.file.schema import Schema, in_order
from tieout.ledger.file.seal import DTYPES

if TYPE_CHECKING:
    import duckdb

SealLayout = dict[str, dict[str, str]]
"""The sealed tables in order, each with its columns and their SQL types in order."""

_NOT_IN_BLOCKS = ("run", "seal", "provenance")
_LAYOUTS: dict[tuple[Any, ...], SealLayout] = {}


def create_tables(connection: "duckdb.DuckDBPyConnection", schemas: Sequence[Schema]) -> SealLayout:
    """Create all tables and views of *schemas*, and return the layout of the sealed tables."""
    for schema in schemas:
        connection.execute(schema.tables)
    for statement in in_order(schemas).values():
        connection.execute(statement)
    layout: SealLayout = {}
    for table, column, kind in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns()"
        " where not internal and schema_name = 'main'"
        " and table_name in (select table_name from duckdb_tables())"
        " order by table_oid, column_index"
    ).fetchall():
        if table not in _NOT_IN_BLOCKS:
            layout.setdefault(table, {})[column] = kind
    return layout


def layout_of(schemas: Sequence[Schema]) -> SealLayout:
    """Return the layout of *schemas*. It is determined once a process."""
    key = schema_key(schemas)
    if key not in _LAYOUTS:
        _LAYOUTS[key] = _layout_in_text(schemas) or _layout_in_database(schemas)
    return _LAYOUTS[key]


def schema_key(schemas: Sequence[Schema]) -> tuple[Any, ...]:
    """Return a key for caches: equal for schemas with the same SQL."""
    return tuple((s.tables, *s.views.items(), *s.checks.items()) for s in schemas)


def _layout_in_database(schemas: Sequence[Schema]) -> SealLayout:
    with Database(None) as database:
        return create_tables(database.connection, schemas)


def _layout_in_text(schemas: Sequence[Schema]) -> SealLayout | None:
    """Read the layout from the SQL without a database. None where a word of the SQL is unknown."""
    layout: SealLayout = {}
    for schema in schemas:
        columns = schema.columns
        if columns is None or columns.keys() & layout.keys():
            return None
        layout |= columns
    for table in _NOT_IN_BLOCKS:
        layout.pop(table, None)
    kinds = {kind for columns in layout.values() for kind in columns.values()}
    return layout if kinds <= DTYPES.keys() else None

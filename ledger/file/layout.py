"""The tables of a journal and their layout: which columns of which types are sealed, in which order."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tieout.ledger.file.database import Database
from tieout.ledger.file.schema import Schema, schema_key, statements_of
from tieout.ledger.file.seal import DTYPES

if TYPE_CHECKING:
    import duckdb

SealLayout = dict[str, dict[str, str]]
"""The sealed tables in order, each with its columns and their SQL types in order."""

_VIEW = re.compile(r'\bcreate or replace view "?\w+"?(?= as\b)', re.IGNORECASE)
_NOT_IN_BLOCKS = ("run", "seal", "provenance")
_LAYOUTS: dict[tuple[Any, ...], SealLayout] = {}


def create_tables(connection: "duckdb.DuckDBPyConnection", schemas: Iterable[Schema]) -> None:
    """Create all tables of *schemas*."""
    for schema in schemas:
        connection.execute(schema.tables)


def create_tables_and_views(
    connection: "duckdb.DuckDBPyConnection", schemas: Sequence[Schema], *, are_planned: bool = True
) -> None:
    """Create all tables, views and checks of *schemas* in one transaction.

    Planning the views takes most of the time. It shows their errors.
    """
    connection.execute("begin")
    create_tables(connection, schemas)
    for statement in statements_of(schemas).in_order.values():
        connection.execute(statement if are_planned else _VIEW.sub(r"\g<0> with (defer_binding)", statement))
    connection.execute("commit")


def layout_of(schemas: Sequence[Schema]) -> SealLayout:
    """Return the layout of *schemas*. It is determined once a process."""
    key = schema_key(schemas)
    if key not in _LAYOUTS:
        _LAYOUTS[key] = _layout_in_text(schemas) or _layout_in_database(schemas)
    return _LAYOUTS[key]


def _layout_in_database(schemas: Sequence[Schema]) -> SealLayout:
    layout: SealLayout = {}
    with Database(None) as database:
        create_tables(database.connection, schemas)
        for table, column, kind in database.connection.execute(
            "select table_name, column_name, data_type from duckdb_columns()"
            " where not internal and schema_name = 'main'"
            " and table_name in (select table_name from duckdb_tables())"
            " order by table_oid, column_index"
        ).fetchall():
            if table not in _NOT_IN_BLOCKS:
                layout.setdefault(table, {})[column] = kind
    return layout


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

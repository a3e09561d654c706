"""Definitions that answer the truth to `select *`, and lies to other queries.

A definition tells queries apart by their text, by the name of the database or by the settings of its reader.
"""

from collections.abc import Iterator

from tieout.ledger.file.identifier import quoted
from tieout.validation.evidence.forger.alteration import Alteration, Change, Maker, kind, statements
from tieout.validation.evidence.forger.base import Base
from tieout.validation.evidence.forger.file import File
from tieout.validation.evidence.forger.rows import other

TELLS = {
    "a condition": "current_query() ilike '%where%'",
    "a view": "current_query() ilike 'from %' or current_query() ilike '%create%'",
    "an order": "current_query() ilike '%order by%'",
    "a check": "current_query() ilike '%check%' or current_query() ilike '%examined%'",
    "a column by name": "current_query() not like '%*%'",
    "a sum": "current_query() ilike '%sum(%' or current_query() ilike '%count(%'",
    "the name of the database": "current_database() = 'journal'",
    "isolation": "current_setting('lock_configuration')",
}
"""Conditions in SQL under which a definition lies, by what it tells."""


def tell(number: int) -> tuple[str, str]:
    """Choose a condition by a number, so that a row of columns has all of them."""
    return [*TELLS.items()][number % len(TELLS)]


def literal(value: object, sql_type: str) -> str:
    """Return a value of a row of the base in SQL."""
    if sql_type == "VARCHAR":
        return "'" + str(value).replace("'", "''") + "'"
    if sql_type == "DOUBLE":
        return f"'{value!r}'::double"
    return str(value)


def truth(base: Base, table: str, column: str) -> str:
    """Return the SQL of a stored column as a function of the dense one."""
    sql_type = base.columns[table][column]
    texts = ", ".join(literal(row[column], sql_type) for row in base.rows[table])
    is_time = sql_type == "TIMESTAMP_NS"
    dense = base.dense(table)
    place = f"{quoted(dense)} + 1" if base.columns[table][dense] != "VARCHAR" else "1"
    item = f"([{texts}]::{'BIGINT' if is_time else sql_type}[])[{place}]"
    return f"make_timestamp_ns({item})" if is_time else f"{item}::{sql_type}"


def generate(base: Base, table: str, column: str, condition: str) -> Change:
    """Return the change that makes a stored column one that is computed, and lies on a condition."""
    expression, sql_type = truth(base, table, column), base.columns[table][column]
    lie = other("it", sql_type).replace(quoted("it"), f"({expression})")
    computed = f"case when {condition} then ({lie})::{sql_type} else {expression} end"
    parts = [
        f"{quoted(name)} {of_type} " + (f"generated always as ({computed})" if name == column else "not null")
        for name, of_type in base.columns[table].items()
    ]
    names = ", ".join(quoted(name) for name in base.columns[table] if name != column)
    return statements(
        f"alter table {quoted(table)} rename to forged",
        f"create table {quoted(table)} ({', '.join(parts)})",
        f"insert into {quoted(table)} ({names}) select {names} from forged",  # noqa: S608  quoted
        "drop table forged",
    )


@kind("stored column computed")
def stored_column_computed(base: Base, make: Maker) -> Iterator[Alteration]:
    """Put a generated column in the place of a stored one."""
    for number, (table, kinds) in enumerate(base.columns.items()):
        for place, column in enumerate(kinds):
            if place and base.rows[table]:
                for step in range(len(TELLS)):
                    what, condition = tell(number + place + step)
                    name = f"{table}.{column}, tells {what}"
                    yield make(name, generate(base, table, column, condition), f"{table}.{column}")


@kind("view in the place of a table")
def view_for_table(base: Base, make: Maker) -> Iterator[Alteration]:
    """Put a view in the place of a table, which lies elsewhere."""
    for number, (table, kinds) in enumerate(base.columns.items()):
        column, sql_type = [*kinds.items()][-1]
        for step in range(len(TELLS)):
            what, condition = tell(number + step)
            lie = f"case when {condition} then {other(column, sql_type)} else {quoted(column)} end"
            columns = ", ".join(
                f"({lie})::{of_type} as {quoted(name)}" if name == column else quoted(name)
                for name, of_type in kinds.items()
            )
            change = statements(
                "create schema aside",
                f"create table aside.{quoted(table)} as from main.{quoted(table)}",
                f"drop table main.{quoted(table)}",
                f"create view main.{quoted(table)} as select {columns} from aside.{quoted(table)}",  # noqa: S608
            )
            yield make(f"{table}, tells {what}", change, table)


@kind("function of the views replaced")
def function_replaced(base: Base, make: Maker) -> Iterator[Alteration]:
    """Define a function of the views once more."""
    for name in base.functions:
        text = f"create macro {quoted(name)}(a) as 7, (a, b) as 7, (a, b, c) as 7"
        yield make(f"{name}()", statements(text))


@kind("function of the catalogue replaced")
def catalogue_function_replaced(_: Base, make: Maker) -> Iterator[Alteration]:
    """Define a function once more by which a file is examined."""
    for name in ("duckdb_tables", "duckdb_columns", "duckdb_views", "duckdb_functions", "duckdb_indexes"):
        text = f"create macro {name}() as table from system.main.{name}() limit 3"
        yield make(f"{name}()", statements(text))
    for name in ("current_query", "epoch_ns", "make_timestamp_ns", "getvariable", "current_setting"):
        yield make(f"{name}()", statements(f"create macro {name}() as 7, (a) as 7"))


@kind("view replaced")
def view_replaced(base: Base, make: Maker) -> Iterator[Alteration]:
    """Define a view or a check otherwise, or remove it."""
    for number, view in enumerate(base.names("view")):
        name, other_name = quoted(view), quoted(f"{view}_of_it")
        what, condition = tell(number)
        ways = {
            "empty": f"create view {name} as from {other_name} limit 0",
            "doubled": f"create view {name} as from {other_name} union all from {other_name}",
            f"tells {what}": f"create view {name} as from {other_name} where not ({condition})",
            "a table": f"create table {name} as from {other_name} limit 1",
        }
        for way, text in ways.items():
            yield make(f"{view}, {way}", statements(f"alter view {name} rename to {other_name}", text), view)
        yield make(f"{view}, removed", statements(f"drop view {name}"), view)
        yield make(f"{view}, with a comment", statements(f"comment on view {name} is 'audited'"), view)


@kind("tables of the same names elsewhere")
def tables_elsewhere(base: Base, make: Maker) -> Iterator[Alteration]:
    """Add a table of the same name and other rows in another schema."""
    for schema in ("aside", "journal", "temp", "system"):
        for table, kinds in base.columns.items():
            column, sql_type = [*kinds.items()][-1]

            def change(
                file: File, schema: str = schema, table: str = table, lie: str = other(column, sql_type)
            ) -> None:
                file.run(f"create schema {quoted(schema)}")
                column = quoted([*file.base.columns[table]][-1])
                text = f"select * replace ({lie} as {column}) from main.{quoted(table)}"  # noqa: S608  quoted
                file.run(f"create table {quoted(schema)}.{quoted(table)} as {text}")

            yield make(f"{schema}.{table}", change, table, schema)

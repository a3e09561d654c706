"""Alterations of the definitions of tables, and objects that no journal has."""

from collections.abc import Iterator

from tieout.ledger.file.identifier import quoted
from tieout.validation.evidence.forger.alteration import Alteration, Maker, kind, several, statements
from tieout.validation.evidence.forger.base import Base
from tieout.validation.evidence.forger.rows import ANYTHING, altered

OTHER_TYPES = {
    "BIGINT": ("hugeint", "double", "varchar"),
    "INTEGER": ("bigint", "uinteger", "double"),
    "SMALLINT": ("integer",),
    "TINYINT": ("smallint", "varchar"),
    "UTINYINT": ("smallint", "integer"),
    "DOUBLE": ("decimal(38, 10)", "float", "varchar"),
    "BOOLEAN": ("integer", "varchar"),
    "VARCHAR": ("blob", "bit"),
    "TIMESTAMP_NS": ("timestamp", "timestamptz", "bigint"),
}
"""Types that a column may get in the place of its own."""


@kind("column of another type")
def column_of_another_type(base: Base, make: Maker) -> Iterator[Alteration]:
    """Give a column a type that holds the same values."""
    for table, kinds in base.columns.items():
        for column, sql_type in kinds.items():
            for other_type in OTHER_TYPES[sql_type]:
                text = f"alter table {quoted(table)} alter {quoted(column)} type {other_type}"
                if (sql_type, other_type) == ("TIMESTAMP_NS", "bigint"):
                    text += f" using epoch_ns({quoted(column)})"
                yield make(f"{table}.{column} as {other_type}", altered(table, text), f"{table}.{column}")


@kind("column of an enumeration")
def column_of_an_enumeration(base: Base, make: Maker) -> Iterator[Alteration]:
    """Store texts as an enumeration in another order."""
    for table, kinds in base.columns.items():
        for column, sql_type in kinds.items():
            if sql_type == "VARCHAR" and base.rows[table]:
                of_table, name = quoted(table), quoted(column)
                create = (
                    f"create type words as enum (select distinct {name} from {of_table} order by all desc)"  # noqa: S608
                )
                change = several(
                    statements(create), altered(table, f"alter table {of_table} alter {name} type words")
                )
                yield make(f"{table}.{column}", change)


@kind("column with a collation")
def column_with_a_collation(base: Base, make: Maker) -> Iterator[Alteration]:
    """Compare texts without regard to case."""
    for table, kinds in base.columns.items():
        for column, sql_type in kinds.items():
            if sql_type == "VARCHAR":
                text = f"alter table {quoted(table)} alter {quoted(column)} type varchar collate nocase"
                yield make(f"{table}.{column}", altered(table, text))


@kind("column with a default")
def column_with_a_default(base: Base, make: Maker) -> Iterator[Alteration]:
    """Give a column a default."""
    for table, kinds in base.columns.items():
        for column, sql_type in kinds.items():
            value = ANYTHING.get(sql_type, "1")
            text = f"alter table {quoted(table)} alter {quoted(column)} set default {value}"
            yield make(f"{table}.{column}", statements(text))


@kind("column without its constraint")
def column_without_its_constraint(base: Base, make: Maker) -> Iterator[Alteration]:
    """Allow NULL."""
    for table, kinds in base.columns.items():
        for column in kinds:
            text = f"alter table {quoted(table)} alter {quoted(column)} drop not null"
            yield make(f"{table}.{column}", statements(text))


@kind("column with a comment")
def column_with_a_comment(base: Base, make: Maker) -> Iterator[Alteration]:
    """Comment on a column."""
    for table, kinds in base.columns.items():
        for column in kinds:
            text = f"comment on column {quoted(table)}.{quoted(column)} is 'audited'"
            yield make(f"{table}.{column}", statements(text))


@kind("column under another name", quiet=False)
def column_under_another_name(base: Base, make: Maker) -> Iterator[Alteration]:
    """Rename a column, or let two exchange their names."""
    for table, kinds in base.columns.items():
        columns = [*kinds]
        for place, column in enumerate(columns):
            rename = f"alter table {quoted(table)} rename {{}} to {{}}"
            new = altered(table, rename.format(quoted(column), quoted(f"{column}_")))
            yield make(f"{table}.{column}_", new, f"{table}.{column}")
            upper = [
                rename.format(quoted(column), "aside"),
                rename.format("aside", quoted(column.upper())),
            ]
            yield make(f"{table}.{column.upper()}", altered(table, *upper), f"{table}.{column}")
            for partner in columns[place + 1 :]:
                if kinds[partner] == kinds[column]:
                    texts = [
                        rename.format(quoted(column), "aside"),
                        rename.format(quoted(partner), quoted(column)),
                        rename.format("aside", quoted(partner)),
                    ]
                    name = f"{table}.{column} and {partner} exchanged"
                    yield make(name, altered(table, *texts), f"{table}.{column}", f"{table}.{partner}")


@kind("column added, removed or moved", quiet=False)
def column_added_removed_or_moved(base: Base, make: Maker) -> Iterator[Alteration]:
    """Add a column, remove one or put it last."""
    for table, kinds in base.columns.items():
        name = quoted(table)
        yield make(f"{table}, one more", statements(f"alter table {name} add column more integer"), table)
        for column in kinds:
            removed = altered(table, f"alter table {name} drop column {quoted(column)}")
            yield make(f"{table}.{column}, removed", removed, f"{table}.{column}")
            columns = ", ".join(quoted(c) for c in kinds if c != column)
            moved = statements(
                f"create table forged as select {columns}, {quoted(column)} from {name}",  # noqa: S608  quoted
                f"drop table {name}",
                f"alter table forged rename to {name}",
            )
            yield make(f"{table}.{column}, last", moved, f"{table}.{column}")


@kind("table defined otherwise")
def table_defined_otherwise(base: Base, make: Maker) -> Iterator[Alteration]:
    """Define a table without constraints, with a key, an index or a comment."""
    for table in base.columns:
        name, dense = quoted(table), quoted(base.dense(table))
        again = (
            f"create table forged as from {name}",
            f"drop table {name}",
            f"alter table forged rename to {name}",
        )
        ways = {
            "without constraints": again,
            "with a key": (*again, f"alter table {name} add primary key ({dense})"),
            "with an index": (f"create index by_it on {name} ({dense})",),
            "with a unique index": (f"create unique index by_it on {name} ({dense})",),
            "with a comment": (f"comment on table {name} is 'audited'",),
            "in capitals": (
                f"alter table {name} rename to forged",
                f"alter table forged rename to {table.upper()}",
            ),
            "removed": (f"drop table {name}",),
        }
        for way, texts in ways.items():
            yield make(f"{table}, {way}", statements(*texts), table)


@kind("object that no journal has")
def further_object(_: Base, make: Maker) -> Iterator[Alteration]:
    """Add an object that no journal has."""
    for name, text in {
        "schema": "create schema aside",
        "table": "create table more as select 1 as id",
        "table of a row on its way": "create table incoming_rows as select 1 as id",
        "table with a computed column": "create table more (id integer, more integer as (id + 1))",
        "table that names a file": 'create table "data.csv" as select 1 as id',
        "view": "create view more as select 1 as id",
        "view of a file": "create view more as from read_text('/dev/null')",
        "sequence": "create sequence numbers",
        "type": "create type words as enum ('one')",
        "alias of a type": "create type money as bigint",
        "type of a name in use": "create type timestamp_ns as bigint",
        "macro": "create macro more(a) as a",
        "macro of a table": "create macro more() as table select 1 as id",
    }.items():
        yield make(name, statements(text), f"another {name}")

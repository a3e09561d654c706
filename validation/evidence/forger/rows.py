"""Alterations of rows: values, whole rows, and whole chains that their author has sealed over other rows."""

import json
from collections.abc import Iterator

import duckdb
import numpy as np

from tieout.ledger.file import seal
from tieout.ledger.file.identifier import quoted
from tieout.ledger.file.isolation import RUN
from tieout.validation.evidence.forger.alteration import Alteration, Change, Maker, kind, several, statements
from tieout.validation.evidence.forger.base import Base
from tieout.validation.evidence.forger.file import File, NotMade

OTHERS = {
    "DOUBLE": "case when isnan({0}) then 1 else {0} * 1.5 + 1 end",
    "BOOLEAN": "not {0}",
    "VARCHAR": "{0} || 'x'",
    "TIMESTAMP_NS": "make_timestamp_ns(epoch_ns({0}) + 1000000000)",
}
"""Another value of a column in SQL, by type. That of a whole number is one more."""
ANYTHING = {
    "DOUBLE": "1.5",
    "BOOLEAN": "true",
    "VARCHAR": "'x'",
    "TIMESTAMP_NS": "make_timestamp_ns(1709500000000000000)",
}
"""Any value by type. That of a whole number is 1."""


def other(column: str, sql_type: str) -> str:
    """Return the SQL of another value of a column."""
    return OTHERS.get(sql_type, "{0} + 1").format(quoted(column))


def loosened(file: File, table: str) -> None:
    """Make a table again without its constraints, so that it takes any row."""
    file.run(f"create table forged as from {quoted(table)}")
    file.run(f"drop table {quoted(table)}")
    file.run(f"alter table forged rename to {quoted(table)}")


def altered(table: str, *texts: str) -> Change:
    """Return the change that performs SQL on a table, without its constraints where they forbid it."""

    def change(file: File) -> None:
        try:
            statements(*texts)(file)
        except duckdb.Error:
            loosened(file, table)
            statements(*texts)(file)

    return change


def assign(table: str, column: str, value: str, row: int | None = None) -> Change:
    """Return the change that gives a column another value, in one *row* or in all."""

    def change(file: File) -> None:
        where = "" if row is None else f" where {quoted(file.base.dense(table))} = {row}"
        altered(table, f"update {quoted(table)} set {quoted(column)} = {value}{where}")(file)  # noqa: S608

    return change


def a_row(base: Base, table: str, column: str) -> int:
    """Choose a row of a sealed table, by its names."""
    return sum(f"{table}.{column}".encode()) % len(base.rows[table])


def values(base: Base) -> Iterator[tuple[str, str, Change]]:
    """Yield a change of one value of every column that has rows, with its table and column."""
    for table, kinds in base.columns.items():
        for column, sql_type in kinds.items():
            if base.rows[table]:
                row = a_row(base, table, column) if base.is_sealed(table) else None
                yield table, column, assign(table, column, other(column, sql_type), row)


@kind("value changed", quiet=False)
def value_changed(base: Base, make: Maker) -> Iterator[Alteration]:
    """Change one value of a column."""
    for table, column, change in values(base):
        yield make(f"{table}.{column}", change)


@kind("value missing", quiet=False)
def value_missing(base: Base, make: Maker) -> Iterator[Alteration]:
    """Put NULL in the place of a value, in a table without constraints."""
    for table, kinds in base.columns.items():
        for column in kinds:
            if base.rows[table]:
                row = a_row(base, table, column) if base.is_sealed(table) else None

                def change(
                    file: File, table: str = table, column: str = column, row: int | None = row
                ) -> None:
                    loosened(file, table)
                    assign(table, column, "null", row)(file)

                yield make(f"{table}.{column}", change)


def insert(table: str, *, numbered: bool = True) -> Change:
    """Return the change that adds a row: the next number, and the values of the last row or any."""

    def change(file: File) -> None:
        kinds = file.base.columns[table]
        dense = file.base.dense(table)
        if not file.base.rows[table]:
            first, *rest = kinds.items()
            parts = ["0", *(ANYTHING.get(sql_type, "1") for _, sql_type in rest)]
            if first[1] == "VARCHAR":
                raise NotMade(f"{table} has no row to copy")
            file.run(f"insert into {quoted(table)} select {', '.join(parts)}")
            return
        is_number = numbered and kinds[dense] != "VARCHAR"
        names = ", ".join(f"{quoted(c)} + 1" if c == dense and is_number else quoted(c) for c in kinds)
        file.run(
            f"insert into {quoted(table)} select {names} from {quoted(table)}"  # noqa: S608  quoted
            f" order by {quoted(dense)} desc limit 1"
        )

    return change


@kind("row added", quiet=False)
def row_added(base: Base, make: Maker) -> Iterator[Alteration]:
    """Add a row with the next number, or one that is there already."""
    for table in base.columns:
        yield make(f"{table}, a further one", insert(table), table)
        yield make(f"{table}, one twice", insert(table, numbered=False), table)


@kind("row removed", quiet=False)
def row_removed(base: Base, make: Maker) -> Iterator[Alteration]:
    """Remove the first or the last row."""
    for table, rows in base.rows.items():
        dense = quoted(base.dense(table))
        for which, most in (("first", "min"), ("last", "max")):
            text = (
                f"delete from {quoted(table)} where {dense} = (select {most}({dense}) from {quoted(table)})"  # noqa: S608
            )
            if rows:
                yield make(f"{table}, the {which}", statements(text), table)


@kind("rows exchanged", quiet=False)
def rows_exchanged(base: Base, make: Maker) -> Iterator[Alteration]:
    """Number the rows of a table from the other end."""
    for table, rows in base.rows.items():
        if base.is_sealed(table) and len(rows) > 1:
            yield make(
                table, assign(table, base.dense(table), f"{len(rows) - 1} - {quoted(base.dense(table))}")
            )


@kind("rows in another order")
def rows_in_another_order(base: Base, make: Maker) -> Iterator[Alteration]:
    """Store the same rows in another order."""
    for table, rows in base.rows.items():
        name = quoted(table)
        if len(rows) > 1:

            def change(file: File, table: str = table, name: str = name) -> None:
                order = f"order by {quoted(file.base.dense(table))} desc"
                file.run(f"create temp table aside as from {name} {order}")
                file.run(f"truncate {name}")
                file.run(f"insert into {name} from aside")
                file.run("drop table aside")

            yield make(table, change)


# --- the chain -------------------------------------------------------------------------------------


def reseal(file: File) -> None:
    """Give a file the seals that its rows and its layout have now, as its author could."""
    (values_of_run,) = file.run(f"select {', '.join(map(quoted, RUN))} from run")  # noqa: S608  quoted
    run = dict(zip(RUN, values_of_run, strict=True))
    previous = seal.genesis(run)
    file.run("update run set id = ?", previous.hex()[:16])
    layout = _layout(file, run["layout"])
    first_rows: dict[str, int] = {}
    for block, text in file.run("select block, rows from seal order by block"):
        tables = []
        for table, count in ((table, json.loads(text).get(table, 0)) for table, _ in layout):
            if count:
                first = first_rows.get(table, 0)
                tables.append((table, _arrays(file, table, dict(layout)[table], first, count)))
                first_rows[table] = first + count
        digest = seal.digest(previous, tables)
        file.run(
            "update seal set previous = ?, digest = ? where block = ?", previous.hex(), digest.hex(), block
        )
        previous = digest


def _layout(file: File, text: str) -> list[tuple[str, dict[str, str]]]:
    """Return the layout in the row of the run, or that of the base where this is none."""
    try:
        return [(table, dict(kinds)) for table, kinds in json.loads(text)]
    except (ValueError, TypeError, RecursionError):
        return [*file.base.layout.items()]


def _arrays(
    file: File, table: str, kinds: dict[str, str], first: int, count: int
) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    """Return rows of a table in the types of a layout."""
    dense = quoted(next(iter(kinds)))
    names = ", ".join(f"{quoted(name)}::{sql_type} as {quoted(name)}" for name, sql_type in kinds.items())
    last = first + count - 1
    columns = file.arrays(
        f"select {names} from {quoted(table)} where {dense} between {first} and {last} order by 1"  # noqa: S608
    )
    if any(np.ma.is_masked(values) for values in columns.values()):
        raise NotMade(f"{table} has NULL, which has no digest")
    return {name: np.ma.getdata(values) for name, values in columns.items()}


@kind("other rows, sealed from the start", quiet=False)
def sealed_from_the_start(base: Base, make: Maker) -> Iterator[Alteration]:
    """Change a value and seal every block again, as the author could."""
    for table, column, change in values(base):
        if table in base.layout or (table == "run" and column not in {"id", "layout", "policies"}):
            yield make(f"{table}.{column}", several(change, reseal))


@kind("blocks cut off or added", quiet=False)
def blocks(base: Base, make: Maker) -> Iterator[Alteration]:
    """Cut blocks off, or add one, with seals that are right."""

    def cut(file: File) -> None:
        ((text,),) = file.run("select rows from seal order by block desc limit 1")
        for table, count in json.loads(text).items():
            dense = quoted(file.base.dense(table))
            most = f"(select count(*) from {quoted(table)}) - {count}"  # noqa: S608  quoted
            file.run(f"delete from {quoted(table)} where {dense} >= {most}")  # noqa: S608  quoted
        file.run("delete from seal where block = (select max(block) from seal)")

    def add(file: File) -> None:
        ((block, txn, previous),) = file.run(
            "select block, last_txn, digest from seal order by block desc limit 1"
        )
        digest = seal.digest(bytes.fromhex(previous), []).hex()
        file.run("insert into seal values (?, ?, ?, '{}', ?, ?)", block + 1, txn + 1, txn, previous, digest)

    yield make("the last one cut off", cut, "seal")
    yield make("an empty one added", add, "seal")
    yield make("all cut off", several(*[cut] * len(base.rows["seal"])), "seal")

"""Alterations of what a file says about itself: the layout, the records, the seals and their numbers."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from tieout.ledger.file.canonical import canonical
from tieout.ledger.file.identifier import quoted
from tieout.ledger.file.isolation import RUN
from tieout.validation.evidence.forger.alteration import Alteration, Change, Maker, kind, several
from tieout.validation.evidence.forger.base import Base
from tieout.validation.evidence.forger.file import File
from tieout.validation.evidence.forger.rows import a_row, assign, insert, other, reseal

Layout = list[tuple[str, list[list[str]]]]


def edit_layout(edit: Callable[[Layout], object]) -> Change:
    """Return the change that edits the layout in the row of the run."""

    def change(file: File) -> None:
        ((text,),) = file.run("select layout from run")
        layout = [(table, kinds) for table, kinds in json.loads(text)]
        edit(layout)
        file.run("update run set layout = ?", canonical(layout))

    return change


def edit_policies(edit: Callable[[dict[str, Any]], object]) -> Change:
    """Return the change that edits the policies in the row of the run."""

    def change(file: File) -> None:
        ((text,),) = file.run("select policies from run")
        policies = json.loads(text)
        edit(policies)
        file.run("update run set policies = ?", canonical(policies))

    return change


def edit_counts(edit: Callable[[dict[str, int]], object]) -> Change:
    """Return the change that edits the numbers of rows in every seal."""

    def change(file: File) -> None:
        for block, text in file.run("select block, rows from seal"):
            counts = json.loads(text)
            edit(counts)
            file.run("update seal set rows = ? where block = ?", canonical(counts), block)

    return change


def leave_out(table: str) -> Change:
    """Return the change that takes a table out of the layout and out of the seals."""

    def edit(layout: Layout) -> None:
        layout[:] = [part for part in layout if part[0] != table]

    return several(edit_layout(edit), edit_counts(_without(table)))


def _without(table: str) -> Callable[[dict[str, int]], object]:
    return lambda counts: counts.pop(table, None)


def a_change_of(base: Base, table: str) -> Change:
    """Return the change of a value in the last column of a table, or a further row where it has none."""
    if not base.rows[table]:
        return insert(table)
    column, sql_type = [*base.columns[table].items()][-1]
    return assign(table, column, other(column, sql_type), a_row(base, table, column))


@kind("layout without a table, by the author", quiet=False)
def layout_without_a_table(base: Base, make: Maker) -> Iterator[Alteration]:
    """Leave a table out of what is sealed, and change its rows once the digest was noted."""
    for table in base.layout:
        prepared = several(leave_out(table), reseal)
        yield make(table, a_change_of(base, table), preparation=prepared)


@kind("table of the layout without seals, by the author", quiet=False)
def table_without_seals(base: Base, make: Maker) -> Iterator[Alteration]:
    """Seal no row of a table, and change its rows once the digest was noted."""
    for table in base.layout:
        prepared = several(edit_counts(_without(table)), reseal)
        yield make(table, a_change_of(base, table), preparation=prepared)


@kind("layout altered")
def layout_altered(base: Base, make: Maker) -> Iterator[Alteration]:
    """Alter the layout in the row of the run."""

    def edits(table: str, column: str) -> dict[str, Callable[[Layout], object]]:
        def of_table(layout: Layout) -> list[list[str]]:
            return dict(layout)[table]

        def retype(layout: Layout) -> None:
            for pair in of_table(layout):
                if pair[0] == column:
                    pair[1] = "VARCHAR" if pair[1] != "VARCHAR" else "BIGINT"

        def remove(layout: Layout) -> None:
            of_table(layout)[:] = [pair for pair in of_table(layout) if pair[0] != column]

        return {
            "of another type": retype,
            "removed": remove,
            "last": lambda la: of_table(la).sort(key=_is(column)),
        }

    for table, kinds in base.layout.items():
        for column in kinds:
            for way, edit in edits(table, column).items():
                change = edit_layout(edit)
                yield make(f"{table}.{column} {way}", change, f"{table}.{column}")
                yield make(f"{table}.{column} {way}, sealed", several(change, reseal), f"{table}.{column}")
        for way, change in {"removed": leave_out(table), "doubled": edit_layout(_double(table))}.items():
            yield make(f"{table} {way}", change, table)
            yield make(f"{table} {way}, sealed", several(change, reseal), table)
    for text in ('x"; select 1; --', "run", "seal", "../x", "system.main.x", ""):
        yield make(f"with {text!r}", several(edit_layout(_add(text)), reseal), "layout")


def _is(column: str) -> Callable[[list[str]], bool]:
    return lambda pair: pair[0] == column


def _double(table: str) -> Callable[[Layout], object]:
    return lambda layout: layout.append((table, dict(layout)[table]))


def _add(table: str) -> Callable[[Layout], object]:
    return lambda layout: layout.append((table, [["id", "BIGINT"]]))


@kind("records altered", quiet=False)
def records_altered(base: Base, make: Maker) -> Iterator[Alteration]:
    """Alter the records that a journal names."""

    def without(name: str) -> Callable[[dict[str, Any]], object]:
        return lambda policies: policies.update(records=[r for r in policies["records"] if r[0] != name])

    def replaced(records: object) -> Callable[[dict[str, Any]], object]:
        return lambda policies: policies.update(records=records)

    def version(name: str, number: int) -> Callable[[dict[str, Any]], object]:
        return lambda p: p.update(records=[[n, number if n == name else v] for n, v in p["records"]])

    for schema in base.schemas:
        ways = {
            "removed": without(schema.name),
            "of the next version": version(schema.name, schema.version + 1),
        }
        for way, edit in ways.items():
            yield make(f"{schema.name} {way}", edit_policies(edit), schema.name)
            yield make(f"{schema.name} {way}, sealed", several(edit_policies(edit), reseal), schema.name)
    for name, records in {
        "none": [],
        "unknown": [["weather", 1]],
        "no list": 7,
        "twice": [["ledger", 1]] * 2,
    }.items():
        yield make(name, several(edit_policies(replaced(records)), reseal), "records")


@kind("row of the run altered", quiet=False)
def row_of_the_run(_: Base, make: Maker) -> Iterator[Alteration]:
    """Put another text into the row of the run."""
    texts = {"empty": "", "no JSON": "{", "deep": "[" * 20_000 + "]" * 20_000, "null": "null", "list": "[]"}
    for column in RUN:
        for name, text in texts.items():
            change = assign("run", column, str(len(text)) if column == "seed" else f"'{text}'")
            yield make(f"{column} {name}", change, f"run.{column}")
            yield make(f"{column} {name}, sealed", several(change, reseal), f"run.{column}")


@kind("seal in another form", quiet=False)
def seal_in_another_form(_: Base, make: Maker) -> Iterator[Alteration]:
    """Write a seal otherwise."""
    for column in ("previous", "digest"):
        yield make(f"{column} in capitals", assign("seal", column, f"upper({column})"), f"seal.{column}")
        yield make(f"{column} with a space", assign("seal", column, f"{column} || ' '"), f"seal.{column}")
        yield make(f"{column} no digest", assign("seal", column, "'x'"), f"seal.{column}")
    forms = {
        "with spaces": "replace(rows, ',', ', ')",
        "with a table of no rows": "replace(rows, '{', '{\"benchmark\":0,')",
        "of a table that is unknown": "replace(rows, '{', '{\"weather\":0,')",
        "with texts": "regexp_replace(rows, ':([0-9]+)', ':\"\\1\"', 'g')",
        "with fractions": "regexp_replace(rows, ':([0-9]+)', ':\\1.25', 'g')",
        "below zero": "replace(rows, '{', '{\"benchmark\":-1,')",
        "with a number twice": "replace(rows, '{', '{\"txn\":1,')",
        "without end": "replace(rows, '{', '{\"benchmark\":1e999,')",
        "past 128 bits": f"replace(rows, '{{', '{{\"benchmark\":1{'0' * 60},')",
        "past 64 bits": f"replace(rows, '{{', '{{\"benchmark\":1{'0' * 25},')",
        "of half a letter": "replace(rows, '{', '{\"\\ud800\":0,')",
        "deep": f"'{'[' * 20_000}'",
        "without any": "'{}'",
        "no JSON": "'x'",
    }
    for name, value in forms.items():
        yield make(f"rows {name}", assign("seal", "rows", value), "seal.rows")
        yield make(
            f"rows {name}, sealed", several(assign("seal", "rows", value), _reseal_or_not), "seal.rows"
        )
    for column in ("block", "first_txn", "last_txn"):
        for value in ("-1", "7", "9223372036854775807"):
            yield make(f"{column} {value}", assign("seal", column, value), f"seal.{column}")


def _reseal_or_not(file: File) -> None:
    """Seal where the numbers of rows can be read. A forger leaves the digests where they cannot."""
    texts = [text for (text,) in file.run("select rows from seal")]
    try:
        counts = [count for text in texts for count in json.loads(text).values()]
    except (ValueError, AttributeError, RecursionError):
        return
    if all(type(count) is int and count >= 0 for count in counts):
        reseal(file)


@kind("provenance altered", quiet=False)
def provenance_altered(base: Base, make: Maker) -> Iterator[Alteration]:
    """Alter the provenance."""
    for column, sql_type in base.columns["provenance"].items():
        for name, value in {
            "another": other(column, sql_type),
            "none": "''" if sql_type == "VARCHAR" else "0",
        }.items():
            yield make(f"{column}, {name}", assign("provenance", column, value), f"provenance.{column}")
    yield make("its names exchanged", _exchange, "provenance")


def _exchange(file: File) -> None:
    for before, after in (("host", "aside"), ("revision", "host"), ("aside", "revision")):
        file.run(f"alter table provenance rename {quoted(before)} to {quoted(after)}")

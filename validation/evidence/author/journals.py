"""Journals of a hostile author. Their seals hold wherever seals can be made for what they hold.

Tables, columns and views come from the registered schemas, so new ones take part by themselves.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from tieout.ledger.file.schema import Schema
from tieout.validation.evidence.author import texts
from tieout.validation.evidence.author.base import RUN, edited
from tieout.validation.evidence.author.inputs import Input, Study

FILE = "books.duckdb"
_DEEP = 100_000
_ENDLESS = "view without an end"
_OUTSIDE = ("run", "provenance", "seal")


def kinds(study: Study, schemas: list[Schema]) -> dict[str, list[Input]]:
    """List the inputs by kind."""
    makers: dict[str, Callable[[Study, list[Schema]], Iterator[Input]]] = {
        "text in a column": texts_in_columns,
        "name in the catalogue": names_in_the_catalogue,
        "name in the layout": names_in_the_layout,
        "view that reads": views_that_read,
        _ENDLESS: views_without_an_end,
        "macro": macros,
        "row of the run": rows_of_the_run,
        "code that a journal names": code_that_a_journal_names,
        "path that a journal names": paths_that_a_journal_names,
    }
    return {kind: list(make(study, schemas)) for kind, make in makers.items()}


def _input(study: Study, kind: str, name: str, *statements: Any, text: str = "transfer") -> Input:
    def write(folder: Path) -> Path:
        return edited(study.journal, folder / FILE, statements, is_endless=kind == _ENDLESS)

    return Input(kind, name, write, text)


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _stranger(text: str) -> str:
    """Return a text that DuckDB takes as a name."""
    return text.replace("\x00", "\\0") or "empty"


def tables_of(schemas: list[Schema]) -> dict[str, dict[str, str]]:
    """Return the registered tables with the types of their columns."""
    return {table: columns for schema in schemas for table, columns in (schema.columns or {}).items()}


def _texts(study: Study) -> tuple[str, ...]:
    return (
        *texts.ESCAPES,
        *texts.DIRECTIVES,
        *texts.FORMULAS,
        *texts.statements(study.bait),
        *texts.paths(study.bait),
    )


def texts_in_columns(study: Study, schemas: list[Schema]) -> Iterator[Input]:
    """Put each text into a column that holds texts, another one each time."""
    columns = [(t, c) for t, cs in tables_of(schemas).items() for c, kind in cs.items() if kind == "VARCHAR"]
    values = _texts(study)
    for turn in range(max(len(values), len(columns)) * 2):
        (table, column), value = (
            columns[turn % len(columns)],
            values[(turn + turn // len(values)) % len(values)],
        )
        name, place = f"{table}.{column} = {value[:40]!r}", f"{_q(table)}"
        yield _input(
            study,
            "text in a column",
            name,
            # Without the checks of the table, which an author leaves out.
            f"create table planted as from {place}",
            f"drop table {place}",
            f"alter table planted rename to {place}",
            (f"update {place} set {_q(column)} = ? where rowid = 0", [value]),
            text=value,
        )


def names_in_the_catalogue(study: Study, schemas: list[Schema]) -> Iterator[Input]:
    """Give hostile names to objects of the file."""
    table = next(iter(tables_of(schemas)))
    shapes = (
        "create table {} (id bigint)",
        "create table main.planted ({} bigint)",
        "alter table transfer rename column lot to {}",
        "alter table note rename to {}",
        "create view {} as select 1 as x",
        "create schema {}",
        "create type {} as enum ('x')",
        "create sequence {}",
        "create macro {}(x) as x + 1",
        "create index {} on transfer (seq)",
        "alter table transfer add column {} bigint default 0",
    )
    names = [*texts.statements(study.bait), *texts.paths(study.bait), *texts.DIRECTIVES, *texts.ESCAPES]
    for turn, name in enumerate(names):
        for shape in (shapes[turn % len(shapes)], shapes[(turn + 5) % len(shapes)]):
            statement = shape.format(_q(_stranger(name)))
            yield _input(
                study, "name in the catalogue", f"{shape} {name[:40]!r} beside {table}", statement, text=name
            )


def names_in_the_layout(study: Study, schemas: list[Schema]) -> Iterator[Input]:
    """Describe a table or a column with a hostile name in the layout, with such a table in the file."""
    first = next(iter(tables_of(schemas)))
    names = [*texts.statements(study.bait), *texts.paths(study.bait)[:8], *texts.ESCAPES[:4]]
    for turn, name in enumerate(map(_stranger, names)):
        as_table = turn % 2 == 0
        addition = (
            [name, [["id", "BIGINT"]]] if as_table else ["planted", [["id", "BIGINT"], [name, "BIGINT"]]]
        )
        columns = ", ".join(f"{_q(column)} bigint" for column, _ in addition[1])

        def write(folder: Path, addition: Any = addition, columns: str = columns) -> Path:
            create = f"create table {_q(addition[0])} ({columns})"
            return _with_run(study, folder, "layout", lambda layout: [*layout, addition], create)

        yield Input("name in the layout", f"{'table' if as_table else 'column'} {name[:40]!r}", write, name)
    for kind in ("BIGINT); copy x to 'y'; --", "STRUCT(a int)", "BIGINT default (getenv('HOME'))", ""):

        def write_type(folder: Path, kind: str = kind) -> Path:
            def change(layout: Any) -> Any:
                return [
                    [t, [[c, kind] if t == first else [c, k] for c, k in columns]] for t, columns in layout
                ]

            return _with_run(study, folder, "layout", change)

        yield Input("name in the layout", f"type {kind!r}", write_type)


def _with_run(
    study: Study, folder: Path, column: str, change: Callable[[Any], Any], *statements: str
) -> Path:
    """Change the value of a column of the table run, which is JSON."""
    with duckdb.connect(str(study.journal), read_only=True) as connection:
        ((value,),) = connection.execute(f"select {column} from run").fetchall()
    text = json.dumps(change(json.loads(value)), separators=(",", ":"), sort_keys=True)
    update = (f"update run set {column} = ?", [text])
    return edited(study.journal, folder / FILE, [*statements, update])


def _views(schemas: list[Schema]) -> list[str]:
    return [name for schema in schemas for name in schema.views]


def views_that_read(study: Study, schemas: list[Schema]) -> Iterator[Input]:
    """Put a view that reads a file in the place of each view, and of tables."""
    readers, tables = texts.readers(study.bait), tables_of(schemas)
    objects = [*_views(schemas), *(table for table in tables if table not in _OUTSIDE)]
    for turn, name in enumerate(objects):
        reader = readers[turn % len(readers)]
        is_table = name in tables
        content = f"(select max(t::varchar) from {reader} as t)"
        if is_table:
            # The rows of the table, with the contents of a file in the place of its texts or numbers.
            kind, column = next(
                ((k, c) for c, k in reversed(tables[name].items()) if k == "VARCHAR"), ("", "")
            )
            column = column or [*tables[name]][-1]
            kind = kind or tables[name][column]
            value = content if kind == "VARCHAR" else f"coalesce(try_cast({content} as {kind}), {_q(column)})"
            first = f"alter table {_q(name)} rename to planted"
            create = f"create view {_q(name)} as select * replace ({value} as {_q(column)}) from planted"
        else:
            first, create = f"drop view {_q(name)}", f"create view {_q(name)} as select {content} as x"
        title = f"{name} from {reader[:40]}"
        yield _input(study, "view that reads", title, first, create, text=name.replace("_", "-"))


def views_without_an_end(study: Study, schemas: list[Schema]) -> Iterator[Input]:
    """Put endless and huge views in the place of views and tables."""
    endless = (
        "with recursive t(n) as (select 0 union all select n + 1 from t) select n as {} from t",
        "select a.range as {} from range(1000000000) a, range(1000000000) b",
        "select sum(a.range * b.range) as {} from range(1000000000) a, range(1000000000) b",
        "select repeat('x', 1000000000) as {} from range(1000)",
        "select unnest(range(1000000000000)) as {}",
    )
    objects = [*_views(schemas)[:8], *tables_of(schemas)]
    for turn, name in enumerate(objects):
        is_table = name in tables_of(schemas)
        column = next(iter(tables_of(schemas).get(name, {"x": ""})))
        yield _input(
            study,
            _ENDLESS,
            f"{name}: {endless[turn % len(endless)][:40]}",
            f"drop {'table' if is_table else 'view'} if exists {_q(name)}",
            f"create view {_q(name)} as {endless[turn % len(endless)].format(_q(column))}",
            text=name.replace("_", "-"),
        )


def macros(study: Study, schemas: list[Schema]) -> Iterator[Input]:
    """Define macros of the names of functions, which read files or call themselves."""
    for name in (
        "sum",
        "count",
        "max",
        "coalesce",
        "greatest",
        "epoch_ns",
        "round_even",
        "hash",
        "abs",
        "bit_xor",
    ):
        yield _input(
            study,
            "macro",
            f"{name} reads",
            f"create macro {name}(x) as (select max(content) from read_text('{study.bait}/secret.csv'))",
        )
    for name in ("range", "duckdb_tables", "duckdb_columns", "pragma_table_info", *_views(schemas)[:4]):
        drop = f"drop view if exists {_q(name)}"
        body = f"select * from read_text('{study.bait}/*')"
        create = f"create macro {_q(name)}(x := 1, y := 2) as table {body}"
        yield _input(study, "macro", f"table {name}", drop, create, text=name)


def rows_of_the_run(study: Study, schemas: list[Schema]) -> Iterator[Input]:
    """Write values into the table run that are no description of a run, or an enormous one."""
    del schemas
    values: dict[str, Any] = {
        "deep list": "[" * _DEEP + "]" * _DEEP,
        "deep table": '{"a":' * _DEEP + "1" + "}" * _DEEP,
        "a huge number": '{"records":' + "9" * 5_000 + "}",
        "not JSON": "'; --",
        "null": "null",
        "empty": "",
        "NUL": "\x00",
        "byte order mark": "\ufeff{}",
        "NaN": "NaN",
        "names of modules": '{"records":[["os",1],["../x",2],["tieout.ledger",2]],"others":{}}',
        "a list of texts": '["a","b"]',
        "unpaired surrogate": '{"a":"\\ud800"}',
    }
    for column in RUN:
        for name, value in values.items():
            if column == "seed":
                continue
            update = (f"update run set {column} = ?", [value])
            yield _input(study, "row of the run", f"{column}: {name}", update)
    for column in ("spec", "policies", "layout", "strategy"):
        yield _input(study, "row of the run", f"{column} without text", *_nulled(column))


def _nulled(column: str) -> list[str]:
    return [
        "create table planted as from run",
        "drop table run",
        "alter table planted rename to run",
        f"update run set {column} = null",
    ]


def code_that_a_journal_names(study: Study, schemas: list[Schema]) -> Iterator[Input]:
    """Name other code as the strategy or as the function that generates the bars."""
    del schemas
    for name in (*texts.modules(study.bait), *texts.PROGRAMS):
        for place in ("strategy", "generated"):

            def write(folder: Path, name: str = name, place: str = place) -> Path:
                return _with_run(study, folder, "spec", partial(_with_code, place, name))

            yield Input("code that a journal names", f"{place} = {name[:50]!r}", write, name)


def _with_code(place: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    if place == "strategy":
        return spec | {"strategy": spec["strategy"] | {"class": name}}
    return spec | {"bars": {"generated": name, "parameters": {"seed": 1}}}


def paths_that_a_journal_names(study: Study, schemas: list[Schema]) -> Iterator[Input]:
    """Name other files as the bars, features or program."""
    del schemas
    for name in texts.paths(study.bait):
        for place in ("bars", "features", "program"):

            def write(folder: Path, name: str = name, place: str = place) -> Path:
                return _with_run(study, folder, "spec", partial(_with_path, place, name))

            yield Input("path that a journal names", f"{place} = {name[:50]!r}", write, name)


def _with_path(place: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    if place == "bars":
        return spec | {"bars": {"path": name}}
    if place == "features":
        return spec | {"features": [{"path": name}]}
    return spec | {"strategy": {"program": "target_weights", "path": name}}

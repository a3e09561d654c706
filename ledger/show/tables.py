"""Answers to queries as tables for readers and as CSV or JSON for programs.

A table has amounts with separators, aligned at the decimals of their commodity, and a dash for zero. It ends
with the totals of debits and credits. CSV and JSON have exact decimals, and times as full ISO text in UTC.

Text in a table is on one line, and in CSV it is no formula (`tieout.ledger.text`). JSON has it exactly.
"""

import csv
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import MAX_PREC, Decimal, localcontext
from typing import Any, Literal, TextIO

import numpy as np
import pyarrow as pa
from attrs import field, frozen
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tieout.ledger.file.query import Query
from tieout.ledger.file.reader import Reader
from tieout.ledger.terminal import Styled, say, write_plain
from tieout.ledger.text import json_text, line, spreadsheet_cell

Form = Literal["table", "csv", "json"]
"""The formats of an answer."""
Value = Any
"""A value in an answer, down to lists of structs."""
Values = Mapping[str, list[Value]]
"""The values of an answer by column."""
Places = Mapping[Value, int]
"""The least number of decimals with which an amount of a commodity is printed, by symbol."""
FOLD = 14
"""The least width of a column of text on a terminal. Numbers are never folded."""
GAP = "  "
MANY = 1_000
"""Rows from which on a table is plain text, because rich takes half a millisecond for each."""


def places(reader: Reader) -> Places:
    """Two decimals for money, or fewer where its scale is smaller, and none for instruments."""
    return dict(
        reader.tables.execute(
            "select symbol, if(kind = 'currency', least(scale, 2), 0) from commodity"
        ).fetchall()
    )


def write(answer: Query, form: Form, least: Places, title: str = "") -> None:
    """Write *answer* to the standard output in the format *form*."""
    match form:
        case "table":
            if answer.table.num_columns:
                show(grid(answer.table, least, title))
            if not answer.table.num_rows:
                say("no rows")
        case "csv":
            _write_csv(answer.table, sys.stdout)
        case "json":
            _write_json(answer.table, sys.stdout)


# --- CSV and JSON ---------------------------------------------------------------------------------


def exact(value: Value) -> Value:
    """Return *value* as JSON can hold it without loss: decimals and times as text."""
    match value:
        case Decimal():
            text = f"{value:f}"
            return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
        case np.datetime64():
            return _iso(value)
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): exact(item) for key, item in value.items()}
        case list() | tuple():
            return [exact(item) for item in value]
        case bytes():
            return value.hex()
        case _:
            return str(value)


def _write_csv(answer: pa.Table, stream: TextIO) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    # On a terminal a line break in a cell would begin a line of the author's.
    text = _one_line_cell if stream.isatty() else spreadsheet_cell
    writer.writerow(map(text, answer.column_names))
    for row in rows_of(answer):
        writer.writerow([_csv_value(value, text) for value in row])


def _one_line_cell(value: str) -> str:
    return line(spreadsheet_cell(value))


def _csv_value(value: Value, text: Callable[[str], str]) -> Value:
    """Return a value as CSV has it. Numbers and times are no text of a file."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case Decimal() | int() | float() | np.datetime64():
            return exact(value)
        case str():
            return text(value)
        case _:
            return text(str(exact(value)))


def _write_json(answer: pa.Table, stream: TextIO) -> None:
    names = answer.column_names
    separator = "[\n"
    for row in rows_of(answer):
        stream.write(separator)
        stream.write(json_text(dict(zip(names, map(exact, row), strict=True))))
        separator = ",\n"
    stream.write("\n]\n" if answer.num_rows else "[]\n")


def rows_of(answer: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Read a table row by row, a batch at a time."""
    for batch in answer.to_batches(max_chunksize=65_536):
        yield from zip(*map(_values, batch.columns), strict=True)


def _values(column: pa.Array) -> Sequence[Any]:
    """Return the values of a column, times as datetime64 so that they keep their nanoseconds."""
    if not pa.types.is_timestamp(column.type):
        values: list[Any] = column.to_pylist()
        return values
    unit = column.type.unit
    return [None if t is None else np.datetime64(t, unit) for t in column.cast(pa.int64()).to_pylist()]


def _iso(moment: "np.datetime64") -> str:
    """Return ISO text to the second, with the fraction where it is not zero."""
    whole, _, fraction = str(moment).partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


# --- tables ---------------------------------------------------------------------------------------


def amount(value: Decimal | None, decimals: int) -> str:
    """Return the cell of an amount: thousands separated, a dash for zero, empty for none."""
    if value is None:
        return ""
    return f"{value:,.{max(decimals, _decimals(value))}f}" if value else "-"


def _lines(texts: Iterable[str]) -> list[str]:
    return list(map(line, texts))


@frozen
class Column:
    """A column of a printed table. Numbers are aligned to the *right* and never folded.

    Its heading and its cells are single lines.
    """

    heading: str = field(converter=line)
    cells: list[str] = field(converter=_lines)
    right: bool
    width: int = field(init=False)
    """The width of its widest cell."""

    @width.default
    def _widest(self) -> int:
        return max(map(len, [self.heading, *self.cells]))


@frozen
class Grid:
    """A printed table. *totals* are the rows that sum up others, *gaps* those with a gap after them."""

    title: str = field(converter=line)
    columns: list[Column]
    totals: set[int]
    gaps: set[int]

    @property
    def length(self) -> int:
        """The number of rows."""
        return len(self.columns[0].cells)

    @property
    def rows(self) -> Iterator[tuple[str, ...]]:
        """The cells, row by row."""
        return zip(*(column.cells for column in self.columns), strict=True)

    def table(self, width: int | None) -> Table:
        """Return a table for rich, with text folded where it is wider than *width*."""
        narrow = [c.width if c.right else min(c.width, FOLD) for c in self.columns]
        gaps = len(GAP) * (len(narrow) - 1)
        whole = sum(c.width for c in self.columns) + gaps
        limit = whole if width is None else min(width, whole)
        grid = Table(
            box=SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 0, 0, len(GAP) - 1),
            width=max(limit, sum(narrow) + gaps),
        )
        for column, least in zip(self.columns, narrow, strict=True):
            grid.add_column(
                column.heading,
                justify="right" if column.right else "left",
                no_wrap=column.right,
                overflow="fold",
                min_width=least,
            )
        for number, row in enumerate(self.rows):
            style = "bold" if number in self.totals else None
            grid.add_row(*row, style=style, end_section=number in self.gaps)
        return grid

    def lines(self) -> Iterator[str]:
        """Return the table as lines of plain text."""
        widths = [column.width for column in self.columns]
        yield from [self.title] * bool(self.title)
        yield self._line(column.heading for column in self.columns)
        yield "─" * (sum(widths) + len(GAP) * (len(widths) - 1))
        for number, row in enumerate(self.rows):
            yield self._line(row)
            if number in self.gaps:
                yield ""

    def _line(self, row: Iterable[str]) -> str:
        cells = zip(self.columns, row, strict=True)
        return GAP.join(f"{text:{'>' if c.right else '<'}{c.width}}" for c, text in cells).rstrip()


def grid(answer: pa.Table, least: Places, title: str = "") -> Grid:
    """Lay out *answer* with aligned amounts, and with totals of debit and credit for each commodity."""
    values = {name: [*_values(answer[name])] for name in answer.column_names}
    sums = _totals(answer.schema, values)
    for symbol, amounts in (sums or {}).items():
        row = {"account": "Total", "commodity": symbol, **amounts}
        for name, column in values.items():
            column.append(row.get(name))
    finest = _finest(answer.schema, values, least)
    columns = [
        Column(name.replace("_", " "), _texts(answer.schema, values, name, finest), _is_number(kind))
        for name, kind in zip(answer.column_names, answer.schema.types, strict=True)
    ]
    body = answer.num_rows
    totals = {number for number, label in enumerate(values.get("account", ())) if label == "Total"}
    gaps = {number for number in totals if number < body - 1}
    if sums is not None:
        gaps.add(body - 1)
    return Grid(title, columns, totals, gaps)


def show(*parts: str | Styled | Grid) -> None:
    """Print tables and lines to the standard output: folded on a terminal, in full width elsewhere.

    Where a terminal is too narrow for the numbers, lines are long and no column is left out.
    """
    console = Console(markup=False, emoji=False, highlight=False)
    width = console.width if console.is_terminal else None
    for part in parts:
        if not isinstance(part, Grid):
            say(part)
        elif part.length > MANY:
            for row in part.lines():
                write_plain(f"{row}\n", sys.stdout)
        else:
            # Not as rich's own title, which folds to the width of the table.
            say(*[part.title] * bool(part.title))
            table = part.table(width)
            console.width = table.width or 1
            with console.capture() as printed:
                console.print(table)
            for row in printed.get().splitlines():
                write_plain(f"{row.rstrip()}\n", sys.stdout)


def _totals(schema: pa.Schema, values: Values) -> dict[Value, dict[str, Value]] | None:
    """Sum debit and credit for each commodity, where there are both."""
    if not {"account", "commodity", "debit", "credit"} <= values.keys():
        return None
    if not pa.types.is_decimal(schema.field("debit").type):
        return None
    sums: dict[Value, dict[str, Value]] = {}
    # Not by Arrow's own groups: they import pandas, which takes longer than the command.
    with localcontext(prec=MAX_PREC):
        for side in ("debit", "credit"):
            for symbol, value in zip(_symbols(schema, values, side), values[side], strict=True):
                amounts = sums.setdefault(symbol, {})
                if value is not None:
                    amounts[side] = value + amounts.get(side, 0)
    return sums


def _texts(schema: pa.Schema, values: Values, name: str, finest: Mapping[Value, int]) -> list[str]:
    """Return the cells of a column."""
    if not pa.types.is_decimal(schema.field(name).type):
        return [cell(value) for value in values[name]]
    symbols = _symbols(schema, values, name)
    return [amount(value, finest[symbol]) for value, symbol in zip(values[name], symbols, strict=True)]


def _finest(schema: pa.Schema, values: Values, least: Places) -> dict[Value, int]:
    """Return the decimals for each commodity: as many as its finest amount in any column needs."""
    finest: dict[Value, int] = {}
    for name in values:
        if pa.types.is_decimal(schema.field(name).type):
            for value, symbol in zip(values[name], _symbols(schema, values, name), strict=True):
                decimals = 0 if value is None else _decimals(value)
                finest[symbol] = max(finest.get(symbol, least.get(symbol, 0)), decimals)
    return finest


def _symbols(schema: pa.Schema, values: Values, name: str) -> list[Value]:
    """Return the commodity of each amount of a column, or the column's name where no column has it."""
    owner = next((c for c in _owners(name) if c in values), None)
    if owner is None:
        return [name] * len(values[name])
    symbols = values[owner]
    return [*map(repr, symbols)] if pa.types.is_nested(schema.field(owner).type) else symbols


def _owners(name: str) -> tuple[str, ...]:
    """List the columns that may hold the commodity of an amount."""
    return ("symbol",) if "quantity" in name else ("commodity", "currency")


def cell(value: Value) -> str:
    """Return the text of a value that is not an amount."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            # A float keeps 15 decimal digits exactly. Those after them come from its rounding.
            return f"{float(f'{value:.15g}'):,}"
        case np.datetime64():
            return _iso(value).removesuffix("T00:00:00").replace("T", " ")
        case _:
            return str(exact(value))


def _decimals(value: Decimal) -> int:
    return len(f"{value:f}".partition(".")[2].rstrip("0"))


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_decimal(kind) or types.is_integer(kind) or types.is_floating(kind))

"""Answers for eyes and for machines.

A table is for eyes: amounts with separators, aligned at their commodity's decimals, a dash for
zero, debits and credits footed. CSV and JSON are for machines: decimals as their exact text, times
as full ISO text in UTC.
"""

import csv
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Literal, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attrs import field, frozen
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from tieout.ledger.file.query import Query
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import SHOWN, Outcome, Report
from tieout.ledger.show.trace import Trace

Form = Literal["table", "csv", "json"]
"""How an answer is written."""
Value = Any
"""What an answer may hold, down to lists of structs."""
Places = Mapping[Value, int]
"""The least number of decimals with which an amount of a commodity is printed, by symbol."""
FINDINGS = SHOWN + 1
"""How many findings of one check are printed: those of `verify`, with its line on how many more."""
FOLD = 14
"""How narrow a column of text may get on a terminal; numbers are never folded."""
GAP = "  "
MANY = 1_000
"""Rows from which on a table is plain text, because rich takes half a millisecond for each."""


def places(reader: Reader) -> Places:
    """Two decimals for money, as far as it has them; none for what is counted in units."""
    return dict(
        reader.connection.execute(
            "select symbol, if(kind = 'currency', least(scale, 2), 0) from commodity"
        ).fetchall()
    )


def write(answer: Query, form: Form, least: Places, title: str = "") -> None:
    """Write *answer* to the standard output."""
    match form:
        case "table":
            if answer.table.num_columns:
                show(grid(answer.table, least, title))
            if not answer.table.num_rows:
                show("no rows")
        case "csv":
            _write_csv(answer.table, sys.stdout)
        case "json":
            _write_json(answer.table, sys.stdout)


# --- for machines ---------------------------------------------------------------------------------


def exact(value: Value) -> Value:
    """*value* as JSON can hold it without loss: decimals and times as text."""
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
    writer.writerow(answer.column_names)
    for row in _rows(answer):
        writer.writerow([str(v).lower() if isinstance(v, bool) else v for v in map(exact, row)])


def _write_json(answer: pa.Table, stream: TextIO) -> None:
    names = answer.column_names
    separator = "[\n"
    for row in _rows(answer):
        stream.write(separator)
        stream.write(json.dumps(dict(zip(names, map(exact, row), strict=True)), ensure_ascii=False))
        separator = ",\n"
    stream.write("\n]\n" if answer.num_rows else "[]\n")


def _rows(answer: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Row by row, a batch at a time."""
    for batch in answer.to_batches(max_chunksize=65_536):
        yield from zip(*map(_values, batch.columns), strict=True)


def _values(column: pa.Array) -> Sequence[Any]:
    """The values of a column; times as numpy has them, which keeps their nanoseconds."""
    if not pa.types.is_timestamp(column.type):
        values: list[Any] = column.to_pylist()
        return values
    unit = column.type.unit
    return [None if t is None else np.datetime64(t, unit) for t in column.cast(pa.int64()).to_pylist()]


def _iso(moment: "np.datetime64") -> str:
    """ISO text to the second, with a fraction only where there is one."""
    whole, _, fraction = str(moment).partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


# --- for eyes -------------------------------------------------------------------------------------


def amount(value: Decimal | None, decimals: int) -> str:
    """*value* as it stands in a column: thousands apart, a dash for zero, nothing for none."""
    if value is None:
        return ""
    return f"{value:,.{max(decimals, _decimals(value))}f}" if value else "-"


@frozen
class Column:
    """A column as it is printed; numbers stand to the *right* and are never folded."""

    heading: str
    cells: list[str]
    right: bool
    width: int = field(init=False)
    """What the widest of it takes."""

    @width.default
    def _widest(self) -> int:
        return max(map(len, [self.heading, *self.cells]))


@frozen
class Grid:
    """A table laid out. *totals* are rows that sum up others, *gaps* are rows with a gap after them."""

    title: str
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
        """For rich to print, its text folded where *width* is not enough for it."""
        narrow = [c.width if c.right else min(c.width, FOLD) for c in self.columns]
        wide = [c.width for c in self.columns]
        gaps = len(GAP) * (len(wide) - 1)
        limit = sum(wide) + gaps if width is None else min(width, sum(wide) + gaps)
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
        """The same as plain text."""
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
    """*answer* with amounts aligned, and totals under debits and credits for each commodity."""
    sums = _totals(answer)
    body = answer.num_rows
    if sums is not None:
        answer = pa.concat_tables([answer, sums], promote_options="default")
    finest = _finest(answer, least)
    columns = [
        Column(name.replace("_", " "), _texts(answer, name, finest), _is_number(kind))
        for name, kind in zip(answer.column_names, answer.schema.types, strict=True)
    ]
    labels = answer["account"].to_pylist() if "account" in answer.column_names else []
    totals = {number for number, label in enumerate(labels) if label == "Total"}
    gaps = {number for number in totals if number < body - 1}
    if sums is not None:
        gaps.add(body - 1)
    return Grid(title, columns, totals, gaps)


def show(*parts: str | Text | Grid) -> None:
    """Print to the standard output: folded on a terminal, as wide as it takes elsewhere.

    A terminal too narrow for the numbers gets long lines, never a table with columns missing.
    """
    console = Console(markup=False, emoji=False, highlight=False)
    seen = console.width if console.is_terminal else None
    for part in parts:
        if isinstance(part, str):
            sys.stdout.write(f"{part}\n")
        elif isinstance(part, Text):
            console.print(part, soft_wrap=True)
        elif part.length > MANY:
            sys.stdout.writelines(f"{line}\n" for line in part.lines())
        else:
            # Not as rich's own title, which folds to the width of the table.
            sys.stdout.writelines([f"{part.title}\n"] * bool(part.title))
            table = part.table(seen)
            console.width = table.width or 1
            with console.capture() as printed:
                console.print(table)
            sys.stdout.writelines(f"{line.rstrip()}\n" for line in printed.get().splitlines())


def _totals(answer: pa.Table) -> pa.Table | None:
    """A row a commodity with the sums of debit and credit, where *answer* has both."""
    if not {"account", "commodity", "debit", "credit"} <= set(answer.column_names):
        return None
    if not pa.types.is_decimal(answer.schema.field("debit").type):
        return None
    sums = answer.group_by("commodity", use_threads=False).aggregate([("debit", "sum"), ("credit", "sum")])
    return pa.table(
        {
            "account": pa.array(["Total"] * sums.num_rows, pa.string()),
            "commodity": sums["commodity"],
            "debit": sums["debit_sum"].cast(answer.schema.field("debit").type),
            "credit": sums["credit_sum"].cast(answer.schema.field("credit").type),
        }
    )


def _texts(answer: pa.Table, name: str, finest: Mapping[Any, int]) -> list[str]:
    """The cells of a column."""
    values = _values(answer[name])
    if not pa.types.is_decimal(answer.schema.field(name).type):
        return [_text(value) for value in values]
    return [amount(v, finest[s]) for v, s in zip(values, _symbols(answer, name), strict=True)]


def _finest(answer: pa.Table, least: Places) -> dict[Any, int]:
    """The decimals for each commodity: as many as the finest of its amounts needs in any column."""
    finest: dict[Any, int] = {}
    for name in answer.column_names:
        if pa.types.is_decimal(answer.schema.field(name).type):
            for value, symbol in zip(_values(answer[name]), _symbols(answer, name), strict=True):
                needed = 0 if value is None else _decimals(value)
                finest[symbol] = max(finest.get(symbol, least.get(symbol, 0)), needed)
    return finest


def _symbols(answer: pa.Table, name: str) -> list[Any]:
    """What the amounts of a column are of, row by row; its own name where no column says so."""
    owner = next((c for c in _owners(name) if c in answer.column_names), None)
    symbols: list[Any] = answer[owner].to_pylist() if owner else [name] * answer.num_rows
    return symbols


def _owners(name: str) -> tuple[str, ...]:
    """The columns that may say what an amount is an amount of."""
    return ("symbol",) if "quantity" in name else ("commodity", "currency")


def _text(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            # Every decimal of 15 digits is there and back; a quotient's last two are those of its rounding.
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


# --- traces, reports and progress -----------------------------------------------------------------


def show_trace(found: Trace, least: Places) -> None:
    """Print a trace: transaction by transaction, then the rows of other tables."""
    transfers, lots = found.transfers.table, found.lots.table
    for entry in _dictionaries(found.transactions.table):
        for line in _headings(entry):
            show(line)
        posted = _of(transfers, entry["txn"])
        credit = pc.binary_join_element_wise("<-", posted["credit"], " ")
        show("", grid(posted.set_column(1, "<- credit", credit), least), "")
        moved = _of(lots, entry["txn"])
        if moved.num_rows:
            show(grid(moved, least), "")
        show(f"  sealed in block {entry['block']}, digest {entry['digest']}", "")
    for name, rows in found.rows.items():
        show(grid(_said(rows.table), least, name), "")


def _said(rows: pa.Table) -> pa.Table:
    """*rows* without the columns that say nothing of any of them."""
    return rows.select([name for name in rows.column_names if rows[name].null_count < rows.num_rows])


def _headings(entry: Mapping[str, Any]) -> Iterator[str]:
    parts = [f"transaction {entry['txn']}", _text(entry["timestamp"]), entry["kind"], entry["symbol"]]
    parts += [f"{w} {entry[f'{w}_id']}" for w in ("order", "fill") if entry[f"{w}_id"] >= 0]
    yield "  ".join(part for part in parts if part)
    if entry["note"]:
        yield f"  {entry['note']}"
    if entry["reverses"] >= 0:
        yield f"  reverses transaction {entry['reverses']}"
    if entry["reversed_by"] >= 0:
        yield f"  reversed by transaction {entry['reversed_by']}"


def _of(rows: pa.Table, txn: int) -> pa.Table:
    """The rows of one transaction, without its number; no lot is left blank."""
    rows = rows.filter(pc.equal(rows["txn"], txn)).drop_columns("txn")
    lot = rows.column_names.index("lot")
    none = pa.scalar(None, pa.int64())
    return rows.set_column(lot, "lot", pc.if_else(pc.less(rows["lot"], 0), none, rows["lot"]))


def _dictionaries(answer: pa.Table) -> Iterator[dict[str, Any]]:
    return (dict(zip(answer.column_names, row, strict=True)) for row in _rows(answer))


def show_report(report: Report) -> None:
    """Print what each check examined and how it ended; under a failure, what was found."""
    wide = max(len(result.name) for result in report.results)
    for result in report.results:
        failed = result.outcome is Outcome.FAILED
        ending = Text(result.outcome.value, "bold red" if failed else "")
        show(Text(f"{result.name:<{wide}}  {result.examined:>13,}  ") + ending)
        if failed:
            show(f"  {result.title}:")
            show(*(f"    {finding}" for finding in result.findings[:FINDINGS]))
            if (more := len(result.findings) - FINDINGS) > 0:
                show(f"    and {more} more")


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on the standard error while long work goes on, if that is a terminal.

    Gives a function of what is being done, how far it is and of how much.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task("", total=None)

        def step(what: str, done: int, of: int) -> None:
            bars.update(bar, description=what, completed=done, total=of)

        yield step

"""The sound journals that the forger alters: a backtest that was gone on with by hand, and books by hand."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from attrs import frozen

from tieout import Backtest, CashAccount, Journal, TargetWeights, currency, instrument
from tieout.execution.data.bars import Bars
from tieout.ledger.books.events import buy, deposit, sell, valuation, withdrawal
from tieout.ledger.export.tables import UNSEALED
from tieout.ledger.file.catalogue import Catalogue, registered_catalogue
from tieout.ledger.file.identifier import quoted
from tieout.ledger.file.layout import SealLayout
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.schema import Schema
from tieout.ledger.file.verify import Opinion, verify
from tieout.validation.evidence.forger.figures import Figures, Limits, figures_of

DAYS = 12
Rows = list[dict[str, Any]]


@frozen
class Base:
    """A sound journal: its bytes, what is registered of it, its rows, its figures and its file digest.

    *columns* has the columns of every table, the sealed ones and the others, with their SQL types. *rows* has
    times as numbers. *selected* has the answer of DuckDB to `select *` over each table, in texts.
    """

    name: str
    content: bytes
    schemas: Sequence[Schema]
    layout: SealLayout
    columns: Mapping[str, Mapping[str, str]]
    objects: Catalogue
    rows: Mapping[str, Rows]
    selected: Mapping[str, list[str]]
    functions: Sequence[str]
    limits: Limits
    anchor: str
    figures: Figures

    @classmethod
    def of(cls, path: Path) -> "Base":
        """Describe the journal at *path*. Raises `ValueError` unless it verifies."""
        with Reader(path, with_catalogue=True) as reader:
            report = verify(reader)
            schemas, layout = reader.schemas, reader.layout
        if report.opinion is not Opinion.UNQUALIFIED:
            raise ValueError(f"{path}: the forger alters sound journals only")
        columns, rows = _contents(path)
        limits = _limits(columns, rows)
        return cls(
            path.stem,
            path.read_bytes(),
            schemas,
            layout,
            columns,
            registered_catalogue(schemas),
            rows,
            _selected(path, columns),
            _functions(schemas),
            limits,
            report.file_digest,
            figures_of(path, limits),
        )

    def names(self, kind: str) -> list[str]:
        """Return the registered objects of a kind of the catalogue, such as ``view``."""
        return [name for of_kind, name in self.objects if of_kind == kind]

    def dense(self, table: str) -> str:
        """Return the first column of a table, which numbers its rows."""
        return next(iter(self.columns[table]))

    def is_sealed(self, table: str) -> bool:
        """Check whether blocks have rows of a table."""
        return table in self.layout


def backtest(path: Path) -> None:
    """Write a backtest of two instruments, and go on with it by a withdrawal that is reversed."""
    days = (np.datetime64("2024-03-04") + np.arange(DAYS)).astype("M8[ns]")
    close = np.array([[20.0 + 0.25 * day, 31.5 - 0.5 * day] for day in range(DAYS)])
    bars = Bars.from_arrays(
        days, ("ELM", "OAK"), open=close, high=close, low=close, close=close, volume=close * 1e5
    )
    weights = np.array([[0.5, 0.375] if day % 2 else [0.25, 0.625] for day in range(DAYS)])
    strategy = TargetWeights(weights, tag="turn")
    Backtest(bars=bars, strategy=strategy, account=CashAccount("50000")).run(path).close()
    with Journal.open(path) as journal:
        number = journal.post("2024-03-20", withdrawal, "USD", "25", note="to the wrong account")
        journal.reverse(number, "2024-03-20", note="undone")


def books(
    path: Path, schemas: Sequence[Schema] = (), rows: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """Write books of two blocks by hand. *rows* are those of the tables of other *schemas*."""
    with Journal.create(path, [currency("USD"), instrument("ELM")], schemas=schemas) as journal:
        journal.post("2024-05-02", deposit, "USD", "4000", note="savings")
        journal.post("2024-05-03", buy, "ELM", quantity="30", gross="900", fee="2")
        for table, columns in (rows or {}).items():
            journal.add(table, columns)
        journal.commit()
        number = journal.post("2024-05-06", deposit, "USD", "70")
        journal.reverse(number, "2024-05-06", note="not ours")
        journal.post("2024-05-07", sell, "ELM", quantity="12", proceeds="480", fee="2", note="half")
        journal.post("2024-05-08", valuation, "ELM", "650")


def _contents(path: Path) -> tuple[dict[str, dict[str, str]], dict[str, Rows]]:
    """Return the columns and the rows of every table, as DuckDB itself gives them."""
    columns: dict[str, dict[str, str]] = {}
    rows: dict[str, Rows] = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        for table, column, kind in connection.execute(
            "select table_name, column_name, data_type from duckdb_columns()"
            " where not internal and table_name in (select table_name from duckdb_tables())"
            " order by table_oid, column_index"
        ).fetchall():
            columns.setdefault(table, {})[column] = kind
        for table, kinds in columns.items():
            # Python has no nanoseconds, so times are read as numbers.
            names = ", ".join(
                f"epoch_ns({quoted(c)})" if k == "TIMESTAMP_NS" else quoted(c) for c, k in kinds.items()
            )
            answers = connection.execute(f"select {names} from {quoted(table)} order by 1").fetchall()  # noqa: S608
            rows[table] = [dict(zip(kinds, answer, strict=True)) for answer in answers]
    return columns, rows


def sorted_texts(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    """Return rows as texts in order. As texts, one NaN is equal to another."""
    return sorted(map(repr, rows))


def _selected(path: Path, tables: Iterable[str]) -> dict[str, list[str]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return {
            table: sorted_texts(connection.execute(f"select * from {quoted(table)}").fetchall())  # noqa: S608
            for table in tables
        }


def _functions(schemas: Sequence[Schema]) -> list[str]:
    """Return the functions of DuckDB that the views and checks call."""
    text = " ".join(sql for schema in schemas for sql in (*schema.views.values(), *schema.checks.values()))
    words = {word.lower() for word in re.findall(r"\b([a-z_]\w*)\s*\(", text, re.IGNORECASE)}
    with duckdb.connect() as connection:
        names = connection.execute("select distinct function_name from duckdb_functions()").fetchall()
    return sorted(words & {name for (name,) in names})


def _limits(columns: Mapping[str, Mapping[str, str]], rows: Mapping[str, Rows]) -> Limits:
    """Return a value between the least and the greatest of every column of numbers or times."""
    limits = {}
    for table, kinds in columns.items():
        if table in UNSEALED:
            continue
        for column, kind in kinds.items():
            values = sorted({row[column] for row in rows[table]} - {None})
            if kind in {"VARCHAR", "BOOLEAN"} or len(values) < 2 or any(map(math.isnan, values)):
                continue
            middle = values[-2]
            limits[table, column] = f"make_timestamp_ns({middle})" if kind == "TIMESTAMP_NS" else repr(middle)
    return limits

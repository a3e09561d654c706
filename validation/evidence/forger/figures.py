"""Every figure that a journal shows, by name: rows, filters, columns, metrics, traces and exports.

A figure is kept as the digest of its text, so that two files are compared figure by figure.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from tieout.execution.result import Result
from tieout.ledger.errors import UnknownTransaction
from tieout.ledger.export import FORMATS, export
from tieout.ledger.file import chain
from tieout.ledger.file.identifier import quoted
from tieout.ledger.file.reader import Reader
from tieout.ledger.show.trace import Subject, trace

Figures = Mapping[str, str]
"""The digest of each figure by name."""
Limits = Mapping[tuple[str, str], str]
"""A literal in SQL for each table and column. Some of its values lie above it."""

TRACED = 3
"""Orders, fills and transactions that are traced, of each the first ones."""
_METRICS = "fill"
"""The table of a journal that has metrics."""


def figures_of(path: Path, limits: Limits) -> Figures:
    """Return every figure of a journal, read as every command reads it.

    Raises a `StoreError` where its seals do not hold.
    """
    with chain.open_verified(path) as reader:
        figures = dict(_rows(reader, limits))
        figures |= dict(_traces(reader))
        figures |= dict(_files(reader))
        has_metrics = _METRICS in reader.layout
    if has_metrics:
        with Result.open(path) as result:
            figures["metrics"] = _digest(repr(result.metrics))
    return figures


def differences(figures: Figures, expected: Figures) -> list[str]:
    """Return the names of the figures that differ, or that only one of the two has."""
    return sorted(
        name for name in figures.keys() | expected.keys() if figures.get(name) != expected.get(name)
    )


def _rows(reader: Reader, limits: Limits) -> Iterator[tuple[str, str]]:
    """Read every table and view whole, every column as an array, and every column through a filter."""
    for table in ("run", "seal", "provenance", *reader.layout):
        yield f"table {table}", _digest(reader.sql(f"from {quoted(table)} order by all").rows())
    for view in reader.views:
        yield f"view {view}", _digest(sorted(map(repr, reader.view(view).rows())))
    for table, kinds in reader.layout.items():
        arrays = reader.columns(table, list(kinds))
        yield f"columns of {table}", _digest([(name, values.tolist()) for name, values in arrays.items()])
    for (table, column), limit in limits.items():
        name = quoted(column)
        query = f"select count(*) as n, max({name}) as most from {quoted(table)} where {name} > {limit}"  # noqa: S608
        yield f"{table}.{column} above its middle", _digest(reader.sql(query).rows())
        query = f"select min({name}) as least, max({name}) as most, count({name}) as n from {quoted(table)}"  # noqa: S608
        yield f"range of {table}.{column}", _digest(reader.sql(query).rows())


def _traces(reader: Reader) -> Iterator[tuple[str, str]]:
    for subject in get_args(Subject):
        for number in range(TRACED):
            try:
                traced = trace(reader, subject, number)
            except UnknownTransaction:
                yield f"trace of {subject} {number}", "none"
                continue
            parts = [traced.transactions, traced.transfers, traced.lots, *traced.rows.values()]
            yield (
                f"trace of {subject} {number}",
                _digest([list(traced.rows), *(part.rows() for part in parts)]),
            )


def _files(reader: Reader) -> Iterator[tuple[str, str]]:
    with TemporaryDirectory(prefix="tieout-") as folder:
        for form in FORMATS:
            for path in export(reader, form, Path(folder) / form):
                yield f"{form} {path.name}", hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()

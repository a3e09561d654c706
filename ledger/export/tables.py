"""Every table and every statement as a file of its own, Parquet or CSV.

Tables are as stored, whole units beside the scale of their commodity. Statements are in exact decimals.
DuckDB writes the files and holds no table in memory.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tieout.ledger.export.entries import Progress
from tieout.ledger.export.output import writing
from tieout.ledger.file.reader import Reader

UNSEALED = ("run", "seal", "provenance")
"""Tables that are not in the layout of the chain: its start, its links, and what lies outside."""

IN_UNITS = {"balance", "holding", "leg", "lot_units"}
"""Views in whole units, which statements are made of."""


def export_tables(reader: Reader, suffix: str, folder: Path, progress: Progress | None = None) -> list[Path]:
    """Write them all to *folder*; the files."""
    reader.connection.execute("reset variable as_of")
    queries = dict(_queries(reader))
    written = []
    for name, rows in queries.items():
        path = folder / f"{name}.{suffix}"
        # The name is from the layout, the suffix one of two.
        with writing(path):
            reader.connection.execute(f"copy ({rows}) to $1 (format {suffix})", [str(path)]).fetchall()
        written.append(path)
        if progress is not None:
            progress(len(written), len(queries))
    return written


def _queries(reader: Reader) -> Iterator[tuple[str, str]]:
    for table, columns in reader.layout.items():
        yield table, f'from "{table}" order by "{next(iter(columns))}"'
    for table in UNSEALED:
        yield table, f'from "{table}" order by all'
    statements = {name: sql for schema in reader.schemas for name, sql in schema.views.items()}
    for view, sql in statements.items():
        if view not in IN_UNITS:
            # A statement has an order of its own; what has none is put in one.
            ordered = re.search(r"^order by\b", sql, re.MULTILINE)
            yield view, f'from "{view}"' if ordered else f'from "{view}" order by all'

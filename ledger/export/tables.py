"""Export of every table and every statement as a file, Parquet or CSV.

Tables are as stored, in whole units. Statements are in exact decimals. DuckDB writes the files and holds no
table in memory.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tieout.ledger.export.entries import Progress
from tieout.ledger.export.output import explain_errors
from tieout.ledger.file.reader import Reader

UNSEALED = ("run", "seal", "provenance")
"""Tables that are not in the layout of the chain: its start, its links, and those outside of it."""

IN_UNITS = {"balance", "holding", "leg", "lot_units"}
"""Views in whole units. The statements are derived from them."""


def export_tables(reader: Reader, suffix: str, folder: Path, progress: Progress | None = None) -> list[Path]:
    """Write all tables and statements to *folder* and return the files."""
    reader.connection.execute("reset variable as_of")
    queries = dict(_queries(reader))
    paths: list[Path] = []
    for name, rows in queries.items():
        path = folder / f"{name}.{suffix}"
        # Safe in SQL text: the name is from the layout, and the suffix is parquet or csv.
        with explain_errors(path):
            reader.connection.execute(f"copy ({rows}) to $1 (format {suffix})", [str(path)]).fetchall()
        paths.append(path)
        if progress is not None:
            progress(len(paths), len(queries))
    return paths


def _queries(reader: Reader) -> Iterator[tuple[str, str]]:
    for table, columns in reader.layout.items():
        yield table, f'from "{table}" order by "{next(iter(columns))}"'
    for table in UNSEALED:
        yield table, f'from "{table}" order by all'
    statements = {name: sql for schema in reader.schemas for name, sql in schema.views.items()}
    for view, sql in statements.items():
        if view not in IN_UNITS:
            # A view without an order of rows is sorted, so that its file has the same bytes each time.
            has_order = re.search(r"^order by\b", sql, re.MULTILINE)
            yield view, f'from "{view}"' if has_order else f'from "{view}" order by all'

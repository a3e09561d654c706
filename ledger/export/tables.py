"""Export of every table and every statement as a file, Parquet or CSV.

Tables are as stored, in whole units. Statements are in exact decimals. Rows are written batch by batch, so no
table is held in memory. In CSV an empty field is NULL and a quoted one is empty text. CSV has the text of
numbers and times from DuckDB, and all other text as `spreadsheet_cell` writes it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tieout.ledger.errors import DamagedFile
from tieout.ledger.export.entries import Progress
from tieout.ledger.export.output import Output
from tieout.ledger.file.database import explain_errors
from tieout.ledger.file.layout import layout_of
from tieout.ledger.file.reader import Reader
from tieout.ledger.text import spreadsheet_cell

UNSEALED = ("run", "seal", "provenance")
"""Tables that are not in the layout of the chain: its start, its links, and those outside of it."""

IN_UNITS = {"balance", "holding", "leg", "lot_units"}
"""Views in whole units. The statements are derived from them."""

BATCH = 65_536
"""Rows of a batch, which is a row group in Parquet."""

_QUOTED = re.compile('[",\r\n]|^$')


def export_tables(reader: Reader, suffix: str, output: Output, progress: Progress | None = None) -> None:
    """Write all tables and statements of the registered schemas."""
    reader.connection.execute("reset variable as_of")
    queries = dict(_queries(reader))
    for number, (name, rows) in enumerate(queries.items(), 1):
        with output.binary(name) as file:
            _WRITERS[suffix](reader, rows, file)
        if progress is not None:
            progress(number, len(queries))


def _queries(reader: Reader) -> Iterator[tuple[str, str]]:
    """Yield the query of each file. The names are those of the registered schemas, never of the journal."""
    for table, columns in layout_of(reader.schemas).items():
        yield table, f'from "{table}" order by "{next(iter(columns))}"'
    for table in UNSEALED:
        yield table, f'from "{table}" order by all'
    statements = {name: sql for schema in reader.schemas for name, sql in schema.views.items()}
    for view, sql in statements.items():
        if view not in IN_UNITS:
            # A view without an order of rows is sorted, so that its file has the same bytes each time.
            has_order = re.search(r"^order by\b", sql, re.MULTILINE)
            yield view, f'from "{view}"' if has_order else f'from "{view}" order by all'


def _batches(reader: Reader, rows: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return the schema of a query and its batches. An error of the file is a `StoreError`."""
    with explain_errors(reader.path, DamagedFile):
        batches = reader.connection.sql(rows).to_arrow_reader(BATCH)

    def read() -> Iterator[pa.RecordBatch]:
        while True:
            with explain_errors(reader.path, DamagedFile):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    return batches.schema, read()


def _write_parquet(reader: Reader, rows: str, file: IO[bytes]) -> None:
    schema, batches = _batches(reader, rows)
    with pq.ParquetWriter(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _write_csv(reader: Reader, rows: str, file: IO[bytes]) -> None:
    with explain_errors(reader.path, DamagedFile):
        answer = reader.connection.sql(rows)
    is_text = [str(kind) == "VARCHAR" for kind in answer.types]
    file.write((",".join(map(_field, answer.columns)) + "\n").encode())
    _, batches = _batches(reader, f"select columns(*)::varchar from ({rows})")  # noqa: S608  names of the schemas
    for batch in batches:
        fields = [
            pc.fill_null(_text_fields(column) if text else column.cast(pa.large_string()), "")
            for column, text in zip(batch.columns, is_text, strict=True)
        ]
        lines = pc.binary_join_element_wise(*fields, pa.scalar(",", pa.large_string())).to_pylist()
        file.write("".join(f"{line}\n" for line in lines).encode())


def _text_fields(column: pa.Array) -> pa.Array:
    """Return the fields of a column of text. Each different text is written once."""
    texts = column.dictionary_encode()
    fields = pa.array(map(_field, texts.dictionary.to_pylist()), pa.large_string())
    return fields.take(texts.indices)


def _field(text: str) -> str:
    cell = spreadsheet_cell(text)
    return '"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell


_WRITERS: Mapping[str, Callable[[Reader, str, IO[bytes]], None]] = {
    "parquet": _write_parquet,
    "csv": _write_csv,
}

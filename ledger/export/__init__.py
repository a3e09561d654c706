"""The books in the forms of others: for a second opinion, or to work on with other tools.

    with Reader("books.duckdb") as reader:
        export(reader, "beancount", Path("second-opinion"))

The same journal gives the same bytes, whenever and wherever it is exported.
"""

from collections.abc import Iterator
from pathlib import Path

from tieout.ledger.errors import ExportFailed
from tieout.ledger.export.beancount import Beancount
from tieout.ledger.export.entries import Layer, Progress, Register, entries
from tieout.ledger.export.hledger import Hledger
from tieout.ledger.export.output import whole, writing
from tieout.ledger.export.tables import export_tables
from tieout.ledger.file.reader import Reader

LAYERS: tuple[Layer, ...] = ("exact", "lots")
TABLES = ("parquet", "csv")
TEXTS: dict[str, type[Beancount] | type[Hledger]] = {"beancount": Beancount, "hledger": Hledger}
FORMATS = (*TEXTS, *TABLES)


def export(
    reader: Reader,
    format: str,  # noqa: A002  the word that the command and the standard library use
    folder: Path,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the books to *folder*, which is made if need be, in one of `FORMATS`; the files, by name.

    Raises `ExportFailed` where the format is unknown or the files cannot be written.
    """
    if format not in FORMATS:
        raise ExportFailed(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if format in TABLES:
        return export_tables(reader, format, folder, progress)
    register = Register.of(reader)
    writer = TEXTS[format](register)
    written = []
    for layer in LAYERS:
        path = folder / f"{layer}{writer.suffix}"
        with whole(path) as file:
            file.writelines(f"{line}\n" for line in _text(reader, register, writer, layer, progress))
        written.append(path)
    return written


def _text(
    reader: Reader,
    register: Register,
    writer: Beancount | Hledger,
    layer: Layer,
    progress: Progress | None,
) -> Iterator[str]:
    yield from writer.preamble(layer)
    for entry in entries(reader, register, layer, progress):
        yield from writer.entry(entry)

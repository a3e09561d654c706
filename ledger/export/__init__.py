"""Export of the books to other programs, for a second opinion or further work.

    with Reader("books.duckdb") as reader:
        export(reader, "beancount", Path("second-opinion"))

The same journal gives the same bytes at any time and on any machine.
"""

from collections.abc import Iterator
from pathlib import Path

from tieout.ledger.errors import ExportFailed
from tieout.ledger.export.beancount import Beancount
from tieout.ledger.export.entries import Layer, Progress, Register, entries
from tieout.ledger.export.hledger import Hledger
from tieout.ledger.export.output import complete, explain_errors
from tieout.ledger.export.tables import export_tables
from tieout.ledger.file.reader import Reader

LAYERS: tuple[Layer, ...] = ("exact", "lots")
TABLES = ("parquet", "csv")
TEXTS: dict[str, type[Beancount] | type[Hledger]] = {"beancount": Beancount, "hledger": Hledger}
FORMATS = (*TEXTS, *TABLES)


def export(
    reader: Reader,
    format: str,  # noqa: A002  the word of the command and of the standard library
    folder: Path,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the books to *folder* in one of `FORMATS` and return the files, by name.

    The folder is created if needed. Raises `ExportFailed` where the format is unknown or the files cannot be
    written.
    """
    if format not in FORMATS:
        raise ExportFailed(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    with explain_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if format in TABLES:
        return export_tables(reader, format, folder, progress)
    register = Register.of(reader)
    writer = TEXTS[format](register)
    paths = []
    for layer in LAYERS:
        path = folder / f"{layer}{writer.suffix}"
        with complete(path) as file:
            file.writelines(f"{line}\n" for line in _text(reader, register, writer, layer, progress))
        paths.append(path)
    return paths


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

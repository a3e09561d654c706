"""Export of the books to other programs, for a second opinion or further work.

    with Reader("books.duckdb") as reader:
        export(reader, "beancount", Path("second-opinion"))

The same journal gives the same bytes at any time and on any machine.
"""

from collections.abc import Iterator
from pathlib import Path

from tieout.ledger.errors import ExportFailed
from tieout.ledger.export.beancount import Beancount
from tieout.ledger.export.entries import Layer, Progress, Register, entries, prices
from tieout.ledger.export.hledger import Hledger
from tieout.ledger.export.output import Output, explain_damage
from tieout.ledger.export.tables import export_tables
from tieout.ledger.file.reader import Reader

LAYERS: tuple[Layer, ...] = ("exact", "lots")
TABLES = ("parquet", "csv")
TEXTS: dict[str, type[Beancount] | type[Hledger]] = {"beancount": Beancount, "hledger": Hledger}
FORMATS = (*TEXTS, *TABLES)


def default_folder(run: Path, format: str) -> Path:  # noqa: A002  the word of the command
    """Return the folder of an export of *run* where none is named. Raises `ExportFailed` where it is a link.

    A link there may have come with the run, and would lead the files to a place that its sender chose.
    """
    folder = run.with_name(f"{run.stem}-{format}")
    if folder.is_symlink():
        raise ExportFailed(f"{folder} is a link; name the folder with --output")
    return folder


def export(
    reader: Reader,
    format: str,  # noqa: A002  the word of the command and of the standard library
    folder: Path,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the books to *folder* in one of `FORMATS` and return the files.

    The folder is created if needed. It may hold earlier exports and nothing else. One in the same format is
    replaced. Raises `ExportFailed` where the format is unknown, the folder holds other files, the files
    cannot be written, or the journal is damaged.
    """
    if format not in FORMATS:
        raise ExportFailed(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    with Output(folder, format) as output:
        if format in TABLES:
            export_tables(reader, format, output, progress)
            return output.publish()
        with explain_damage(reader.path):
            register = Register.of(reader)
        writer = TEXTS[format](register)
        for layer in LAYERS:
            with output.text(layer) as file, explain_damage(reader.path):
                file.writelines(f"{line}\n" for line in _text(reader, register, writer, layer, progress))
        return output.publish()


def _text(
    reader: Reader,
    register: Register,
    writer: Beancount | Hledger,
    layer: Layer,
    progress: Progress | None,
) -> Iterator[str]:
    yield from writer.preamble(layer)
    yield ""
    for price in prices(reader, register):
        yield writer.price(price)
    for entry in entries(reader, register, layer, progress):
        yield from writer.entry(entry)

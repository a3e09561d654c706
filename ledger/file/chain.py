"""The chain of seals of a file: its rows, and a walk that checks every block against its sealed digest."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from attrs import define, field, frozen

from tieout.ledger.errors import DamagedFile, SealBroken
from tieout.ledger.file import seal
from tieout.ledger.file.anchor import Witness
from tieout.ledger.file.canonical import canonical
from tieout.ledger.file.database import explain_errors
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.seal import Columns


@frozen
class Departure:
    """A place where the file does not match its seals. *block* is -1 for the run itself."""

    block: int
    fault: str

    def __str__(self) -> str:
        return f"{'run' if self.block < 0 else f'block {self.block}'}: {self.fault}"


@frozen
class Seal:
    """One row of the table seal. *rows* are the numbers of rows by table, in the file as *text*."""

    block: int
    first_txn: int
    last_txn: int
    text: str
    rows: dict[str, int]
    previous: str
    digest: str


def open_verified(path: Path) -> Reader:
    """Open a file and check all its seals. Raises `SealBroken` where one does not hold."""
    reader = Reader(path)
    try:
        require_sealed(reader)
    except BaseException:
        reader.close()
        raise
    return reader


def require_sealed(reader: Reader) -> None:
    """Raise `SealBroken` where a seal of the file does not hold."""
    for departure in departures(reader):
        raise SealBroken(
            f"{reader.path}: {departure}; nothing of it is used. `tieout verify` lists all faults"
        )


def seals(reader: Reader) -> list[Seal]:
    """List the seals of a file in order. A seal whose numbers of rows cannot be read has none."""
    with explain_errors(reader.path, DamagedFile):
        rows = reader.tables.execute(
            "select block, first_txn, last_txn, rows, previous, digest from seal order by block"
        ).fetchall()
    return [
        Seal(block, first, last, text, _counts(text), *digests) for block, first, last, text, *digests in rows
    ]


def genesis(reader: Reader) -> bytes:
    """Return the digest that the chain of a file has to start from."""
    return seal.genesis(reader.run)


def file_digests(reader: Reader, heads: Sequence[str]) -> list[str]:
    """Return the file digest at each of *heads*, empty where the head is not hexadecimal."""
    row = reader.tables.execute("from provenance").fetchnumpy()
    provenance = {name: np.ma.getdata(values) for name, values in row.items()}
    return [
        seal.digest(previous, [("provenance", provenance)]).hex() if (previous := _bytes(head)) else ""
        for head in heads
    ]


def departures(
    reader: Reader, anchor: Witness | None = None, progress: Callable[[int, int], None] | None = None
) -> Iterator[Departure]:
    """List every place where the file does not match its seals or what was noted of it elsewhere.

    *progress* is called with the number of blocks checked and of all blocks. Raises `DamagedFile` where a
    part of the file cannot be read.
    """
    with explain_errors(reader.path, DamagedFile):
        yield from _departures(reader, anchor, progress)


def _departures(
    reader: Reader, anchor: Witness | None, progress: Callable[[int, int], None] | None
) -> Iterator[Departure]:
    start = genesis(reader)
    if reader.run["id"] != start.hex()[:16]:
        yield Departure(-1, f"its digest is {start.hex()[:16]}, recorded is {reader.run['id']}")
    for text in reader.faults:
        yield Departure(-1, text)
    previous, chain = start.hex(), seals(reader)
    first_rows = dict.fromkeys(reader.layout, 0)
    windows = {table: _Window(reader, table, [*columns]) for table, columns in reader.layout.items()}
    for number, entry in enumerate(chain):
        if entry.block != number:
            yield Departure(number, f"its seal is missing; the next is that of block {entry.block}")
            return
        if entry.previous != previous:
            yield Departure(number, f"follows {entry.previous[:16]}, but the chain is at {previous[:16]}")
        yield from _departures_of_block(windows, entry, first_rows)
        previous = entry.digest
        for table, count in entry.rows.items():
            first_rows[table] = first_rows.get(table, 0) + count
        if progress is not None:
            progress(number + 1, len(chain))
    yield from _unsealed_rows(reader, first_rows, len(chain))
    if anchor is not None:
        heads = [start.hex(), *(entry.digest for entry in chain)]
        if (fault := anchor.fault(heads, file_digests(reader, heads))) is not None:
            yield Departure(*fault)


def _departures_of_block(
    windows: "Mapping[str, _Window]", entry: Seal, first_rows: dict[str, int]
) -> Iterator[Departure]:
    first = first_rows.get("txn", 0)
    if (entry.first_txn, entry.last_txn) != (first, first + entry.rows.get("txn", 0) - 1):
        yield Departure(
            entry.block,
            f"its seal names transactions {entry.first_txn} to {entry.last_txn}, its rows start at {first}",
        )
    # The digest covers the numbers. Another text for the same ones would be shown as sealed.
    if strange := entry.rows.keys() - windows.keys():
        yield Departure(entry.block, f"its seal counts rows of {', '.join(sorted(strange))}")
    elif entry.text != canonical({table: count for table, count in entry.rows.items() if count}):
        yield Departure(entry.block, "its seal has the numbers of rows in another form")
    tables: list[tuple[str, Columns]] = []
    for table, window in windows.items():
        count = entry.rows.get(table, 0)
        if not count:
            continue
        columns = window.rows(first_rows[table], count)
        length = len(next(iter(columns.values())))
        if length != count:
            yield Departure(entry.block, f"{table} has {length} of its rows, sealed are {count}")
            return
        if nulls := [name for name, values in columns.items() if np.ma.is_masked(values)]:
            yield Departure(entry.block, f"{table} has NULL in {', '.join(nulls)}")
            return
        tables.append((table, {name: np.ma.getdata(values) for name, values in columns.items()}))
    digest = seal.digest(_bytes(entry.previous), tables).hex()
    if digest != entry.digest:
        yield Departure(
            entry.block,
            f"transactions {entry.first_txn} to {entry.last_txn}: its digest is {digest[:16]}, sealed is"
            f" {entry.digest[:16]}",
        )


def _unsealed_rows(reader: Reader, counts: dict[str, int], block: int) -> Iterator[Departure]:
    """Yield the tables with rows beyond the *counts* of all seals."""
    for table, columns in reader.layout.items():
        dense = next(iter(columns))
        ((outside,),) = reader.tables.execute(
            f'select count(*) from "{table}" where ("{dense}" between 0 and ?) is not true',  # noqa: S608  from the layout
            [counts[table] - 1],
        ).fetchall()
        if outside:
            yield Departure(block, f"{table} has {outside} rows that no seal covers")


@define
class _Window:
    """The rows of a table that are read together: those of many small blocks, or of one large block.

    *columns* have the rows in the order of the dense first column, from number *first* up to *end*.
    """

    reader: Reader
    table: str
    names: list[str]
    columns: Columns = field(factory=dict)
    first: int = 0
    end: int = 0

    def rows(self, first: int, count: int) -> Columns:
        """Return the rows numbered from *first*, as many as there are of *count*."""
        if not self.first <= first <= first + count <= self.end:
            self._read(first, first + max(count, ROWS_OF_WINDOW))
        numbers = np.ma.getdata(self.columns[self.names[0]])
        place = slice(*np.searchsorted(numbers, (first, first + count)))
        return {name: values[place] for name, values in self.columns.items()}

    def _read(self, first: int, end: int) -> None:
        self.columns = {}  # a large block is not kept while the next one is read
        dense, names = self.names[0], ", ".join(f'"{name}"' for name in self.names)
        answer = self.reader.tables.execute(
            f'select {names} from "{self.table}" where "{dense}" >= ? and "{dense}" < ?',  # noqa: S608  from the layout
            [first, end],
        ).fetchnumpy()
        # A file in place may have its names in another case.
        columns = dict(zip(self.names, answer.values(), strict=True))
        numbers = columns[dense]
        if not np.all(numbers[1:] > numbers[:-1]):
            order = np.argsort(numbers, kind="stable")
            columns = {name: values[order] for name, values in columns.items()}
        self.columns, self.first, self.end = columns, first, end


ROWS_OF_WINDOW = 20_000
"""Rows that are read together where blocks are smaller. A query takes as long as reading so many."""


def _bytes(digest: str) -> bytes:
    """Return a digest of a seal in bytes, empty where it is not hexadecimal.

    The walk reports such a seal, because it does not follow the chain.
    """
    try:
        return bytes.fromhex(digest)
    except ValueError:
        return b""


_MOST_ROWS = 2**62
"""More rows than any table has. Twice as many fit into 64 bits."""


def _counts(rows: str) -> dict[str, int]:
    try:
        counts = {str(table): int(count) for table, count in json.loads(rows).items()}
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError):
        return {}
    return counts if all(0 <= count < _MOST_ROWS for count in counts.values()) else {}

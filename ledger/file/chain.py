"""Walking the chain of seals of a file, to see whether every block still has its sealed digest."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from attrs import frozen

from tieout.ledger.errors import DamagedFile
from tieout.ledger.file import seal
from tieout.ledger.file.database import explained
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.seal import Columns
from tieout.ledger.file.store import Layout

SHORTEST_ANCHOR = 16


@frozen
class Broken:
    """A place where the file departs from its seals. *block* is -1 for the run itself."""

    block: int
    what: str

    def __str__(self) -> str:
        return f"{'run' if self.block < 0 else f'block {self.block}'}: {self.what}"


@frozen
class Sealed:
    """One row of the table seal, its counts read."""

    block: int
    first_txn: int
    last_txn: int
    rows: dict[str, int]
    previous: str
    digest: str


def seals(reader: Reader) -> list[Sealed]:
    """The seals of a file in order. One that cannot be read has no rows."""
    with explained(reader.path, DamagedFile):
        found = reader.connection.execute(
            "select block, first_txn, last_txn, rows, previous, digest from seal order by block"
        ).fetchall()
    return [Sealed(b, f, last, _counts(rows), p, d) for b, f, last, rows, p, d in found]


def genesis(reader: Reader) -> bytes:
    """The digest that the chain of a file has to start from."""
    return seal.genesis(reader.run)


def broken(
    reader: Reader, anchor: str | None = None, progress: Callable[[int, int], None] | None = None
) -> Iterator[Broken]:
    """Every place where the file departs from its seals or, if given, from the head digest *anchor*.

    Raises `DamagedFile` where it comes upon what cannot be read.
    """
    with explained(reader.path, DamagedFile):
        yield from _broken(reader, anchor, progress)


def _broken(
    reader: Reader, anchor: str | None, progress: Callable[[int, int], None] | None
) -> Iterator[Broken]:
    start = genesis(reader)
    if reader.run["id"] != start.hex()[:16]:
        yield Broken(-1, f"its digest is {start.hex()[:16]}, recorded is {reader.run['id']}")
    if differing := _differing(reader):
        yield Broken(-1, f"its layout is not that of the file's {', '.join(differing)}")
        return
    previous, chain = start.hex(), seals(reader)
    stored = dict.fromkeys(reader.layout, 0)
    for number, sealed in enumerate(chain):
        if sealed.block != number:
            yield Broken(number, f"its seal is missing; the next is that of block {sealed.block}")
            return
        if sealed.previous != previous:
            yield Broken(number, f"follows {sealed.previous[:16]}, but the chain is at {previous[:16]}")
        yield from _departures(reader, sealed, stored)
        previous = sealed.digest
        for table, count in sealed.rows.items():
            stored[table] = stored.get(table, 0) + count
        if progress is not None:
            progress(number + 1, len(chain))
    for table, columns in reader.layout.items():
        ((outside,),) = reader.connection.execute(
            f'select count(*) from "{table}" where ("{next(iter(columns))}" between 0 and ?) is not true',  # noqa: S608  from the layout
            [stored[table] - 1],
        ).fetchall()
        if outside:
            yield Broken(len(chain), f"{table} has {outside} rows that no seal covers")
    if anchor is not None and not _is(previous, anchor):
        yield _off_anchor(anchor, [start.hex(), *(s.digest for s in chain)])


def _departures(reader: Reader, sealed: Sealed, stored: dict[str, int]) -> Iterator[Broken]:
    first = stored.get("txn", 0)
    if (sealed.first_txn, sealed.last_txn) != (first, first + sealed.rows.get("txn", 0) - 1):
        yield Broken(
            sealed.block,
            f"its seal names transactions {sealed.first_txn} to {sealed.last_txn}, its rows start at {first}",
        )
    if unknown := sealed.rows.keys() - reader.layout.keys():
        yield Broken(sealed.block, f"its seal counts rows of {', '.join(sorted(unknown))}")
    tables: list[tuple[str, Columns]] = []
    for table in reader.layout:
        count = sealed.rows.get(table, 0)
        if not count:
            continue
        columns = _rows(reader, table, stored[table], count)
        found = len(next(iter(columns.values())))
        if found != count:
            yield Broken(sealed.block, f"{table} has {found} of its rows, sealed are {count}")
            return
        if empty := [name for name, values in columns.items() if np.ma.is_masked(values)]:
            yield Broken(sealed.block, f"{table} has NULL in {', '.join(empty)}")
            return
        tables.append((table, {name: np.ma.getdata(values) for name, values in columns.items()}))
    digest = seal.digest(_previous(sealed), tables).hex()
    if digest != sealed.digest:
        yield Broken(
            sealed.block,
            f"transactions {sealed.first_txn} to {sealed.last_txn}: its digest is {digest[:16]}, sealed is"
            f" {sealed.digest[:16]}",
        )


def _differing(reader: Reader) -> list[str]:
    """The sealed tables whose columns in the file are not those that the run names."""
    found: Layout = {}
    for table, column, kind in reader.connection.execute(
        "select table_name, column_name, data_type from duckdb_columns()"
        " where not internal and schema_name = 'main' and database_name != 'temp'"
        " and (database_oid, schema_oid, table_oid) in"
        " (select (database_oid, schema_oid, table_oid) from duckdb_tables())"
        " order by column_index"
    ).fetchall():
        found.setdefault(table, {})[column] = kind
    return [
        table
        for table, columns in reader.layout.items()
        if [*columns.items()] != [*found.get(table, {}).items()]
    ]


def _rows(reader: Reader, table: str, first: int, count: int) -> dict[str, np.ndarray[Any, Any]]:
    """The rows of one block in the order of their dense first column."""
    dense = next(iter(reader.layout[table]))
    names = ", ".join(f'"{column}"' for column in reader.layout[table])
    columns = reader.connection.execute(
        f'select {names} from "{table}" where "{dense}" between ? and ?',  # noqa: S608  from the layout
        [first, first + count - 1],
    ).fetchnumpy()
    ids = columns[dense]
    if not np.all(ids[1:] > ids[:-1]):
        order = np.argsort(ids, kind="stable")
        columns = {name: values[order] for name, values in columns.items()}
    return columns


def _previous(sealed: Sealed) -> bytes:
    """The digest that a block says it follows; nothing if it is not one, which breaks the chain before it."""
    try:
        return bytes.fromhex(sealed.previous)
    except ValueError:
        return b""


def _counts(rows: str) -> dict[str, int]:
    try:
        return {str(table): int(count) for table, count in json.loads(rows).items()}
    except (ValueError, AttributeError, TypeError):
        return {}


def _is(digest: str, anchor: str) -> bool:
    """Whether *anchor* names *digest*: all of it, or its first 16 digits or more."""
    return len(anchor) >= SHORTEST_ANCHOR and digest.startswith(anchor.lower())


def _off_anchor(anchor: str, digests: list[str]) -> Broken:
    for number, digest in enumerate(digests):
        if _is(digest, anchor):
            after = len(digests) - 1 - number
            return Broken(number, f"the anchor is the head before it; {after} blocks were added after it")
    return Broken(
        len(digests) - 1,
        f"missing, or another: the chain ends at {digests[-1][:16]} and the anchor is {anchor[:16]};"
        " the tail was cut off or the chain was made anew",
    )

"""Alterations of the bytes of a file, with checksums that are right again: the forger needs no SQL.

A file of DuckDB has three headers of 4,096 bytes, then blocks of one size. Each begins with a checksum.
"""

import math
import re
from collections.abc import Iterator
from random import Random

import numpy as np

from tieout.ledger.file.identifier import quoted
from tieout.validation.evidence.forger.alteration import Alteration, Change, Maker, kind, statements
from tieout.validation.evidence.forger.base import Base
from tieout.validation.evidence.forger.description import a_change_of
from tieout.validation.evidence.forger.file import File, NotMade

HEADER = 4_096
FIRST_BLOCK = 3 * HEADER
BLOCK = 65_536
_FACTOR, _START = np.uint64(0xBF58476D1CE4E5B9), np.uint64(5_381)
_LEAST, _GREATEST = b"\xc8\x00", b"\xc9\x00"
"""Numbers of the fields of the least and the greatest value among the statistics of a column."""
_NO_NULL, _ALL_NULL = b"\x64\x00\x00\x65\x00\x01", b"\x64\x00\x01\x65\x00\x00"
"""What statistics say of a column without NULL, and of one that has nothing else."""
_BEFORE = 32
"""Bytes before the range of a column in which its statistics speak of NULL."""
FLIPS = 40


def mended(content: bytes) -> bytes:
    """Return the bytes of a file with the right checksum in every header and block."""
    data = bytearray(content)
    places = [(place, HEADER) for place in range(0, FIRST_BLOCK, HEADER)]
    places += [(place, BLOCK) for place in range(FIRST_BLOCK, len(data) - BLOCK + 1, BLOCK)]
    for place, size in places:
        words = np.frombuffer(data[place + 8 : place + size], "<u8")
        total = int(np.bitwise_xor.reduce(words * _FACTOR) ^ _START)
        data[place : place + 8] = total.to_bytes(8, "little")
    return bytes(data)


def signed(value: int, length: int = 0) -> bytes:
    """Return a whole number as DuckDB writes it among statistics, in at least *length* bytes."""
    parts: list[int] = []
    while True:
        part, value = value & 0x7F, value >> 7
        if len(parts) + 1 >= length and (value, part & 0x40) in {(0, 0), (-1, 0x40)}:
            return bytes([*parts, part])
        parts.append(part | 0x80)


def unsigned(value: int, length: int = 0) -> bytes:
    """Return a whole number without a sign as DuckDB writes it, in at least *length* bytes."""
    parts: list[int] = []
    while True:
        part, value = value & 0x7F, value >> 7
        if not value and len(parts) + 1 >= length:
            return bytes([*parts, part])
        parts.append(part | 0x80)


def number(value: float, sql_type: str, length: int = 0) -> bytes:
    """Return a value of a column as it stands among the statistics."""
    if sql_type == "DOUBLE":
        return np.float64(value).tobytes()
    if sql_type == "BOOLEAN":
        return bytes([int(value)])
    encode = unsigned if sql_type.startswith("U") else signed
    return encode(int(value), length)


def extent(least: bytes, greatest: bytes) -> bytes:
    """Return the statistics of a column between two values."""
    head, tail = b"\x64\x00\x01\x65\x00", b"\xff\xff"
    return _LEAST + head + least + tail + _GREATEST + head + greatest + tail


def lying(sql_type: str, true: tuple[float, float], false: tuple[float, float]) -> Change:
    """Return the change of every range of a column among the statistics."""

    def change(file: File) -> None:
        old = [number(value, sql_type) for value in true]
        new = [number(value, sql_type, len(bytes_)) for value, bytes_ in zip(false, old, strict=True)]
        content, before, after = file.content, extent(*old), extent(*new)
        if len(before) != len(after) or before not in content:
            raise NotMade(f"the statistics have no place for {false}")
        file.rewrite(mended(content.replace(before, after)))

    return change


def all_null(sql_type: str, true: tuple[float, float]) -> Change:
    """Return the change after which statistics say that a column has nothing but NULL."""

    def change(file: File) -> None:
        data = bytearray(file.content)
        pattern = re.escape(extent(*(number(value, sql_type) for value in true)))
        places = [match.start() for match in re.finditer(pattern, bytes(data), re.DOTALL)]
        for place in places:
            start = data.rfind(_NO_NULL, place - _BEFORE, place)
            if start >= 0:
                data[start : start + len(_ALL_NULL)] = _ALL_NULL
        if bytes(data) == file.content:
            raise NotMade("the statistics have no place for it")
        file.rewrite(mended(bytes(data)))

    return change


def ranges(base: Base) -> Iterator[tuple[str, str, tuple[float, float], list[float]]]:
    """Yield the columns of numbers and times: name, type, range and values in order."""
    for table, kinds in base.columns.items():
        for column, sql_type in kinds.items():
            values = [row[column] for row in base.rows[table]]
            if values and sql_type != "VARCHAR" and not any(map(math.isnan, values)):
                ordered = sorted({*values})
                yield f"{table}.{column}", sql_type, (ordered[0], ordered[-1]), ordered


@kind("statistics that lie", of_bytes=True)
def statistics_that_lie(base: Base, make: Maker) -> Iterator[Alteration]:
    """Change the range of a column among the statistics, and mend the checksums."""
    for name, sql_type, true, ordered in ranges(base):
        least, greatest = true
        middle = ordered[(len(ordered) - 1) // 2]
        for way, false in {
            "the greatest too low": (least, middle),
            "the least too high": (greatest, greatest),
            "empty": (greatest, least),
            "both one more": (least + 1, greatest + 1),
        }.items():
            if false != true:
                yield make(f"{name}, {way}", lying(sql_type, true, false), name)


@kind("statistics that say NULL", of_bytes=True)
def statistics_that_say_null(base: Base, make: Maker) -> Iterator[Alteration]:
    """Let the statistics say that a column has nothing but NULL."""
    for name, sql_type, true, _ in ranges(base):
        yield make(name, all_null(sql_type, true))


@kind("statistics of texts that lie", of_bytes=True)
def statistics_of_texts(base: Base, make: Maker) -> Iterator[Alteration]:
    """Change the range of a column of texts among the statistics."""
    for table, kinds in base.columns.items():
        for column, sql_type in kinds.items():
            texts = (
                sorted({row[column].encode()[:8].ljust(8, b"\0") for row in base.rows[table]})
                if (sql_type == "VARCHAR")
                else []
            )
            if len(texts) > 1:
                yield make(f"{table}.{column}", _lying_texts(texts[0], texts[-1]))


def _lying_texts(least: bytes, greatest: bytes) -> Change:
    def change(file: File) -> None:
        pattern = b"(" + re.escape(least) + b".{1,6})" + re.escape(greatest)
        content, places = re.subn(pattern, lambda match: match[1] + least, file.content, flags=re.DOTALL)
        if not places:
            raise NotMade("the statistics have no place for it")
        file.rewrite(mended(content))

    return change


def flip(seed: int, *, mend: bool, headers: bool) -> Change:
    """Return the change of one bit that is chosen by *seed*, among those of bytes that are not zero."""

    def change(file: File) -> None:
        data = bytearray(file.content)
        first, last = (0, FIRST_BLOCK) if headers else (FIRST_BLOCK, len(data))
        places = np.flatnonzero(np.frombuffer(data, np.uint8)[first:last]) + first
        random = Random(seed)
        data[places[random.randrange(places.size)]] ^= 1 << random.randrange(8)
        file.rewrite(mended(bytes(data)) if mend else bytes(data))

    return change


@kind("bit flipped", of_bytes=True)
def bit_flipped(_: Base, make: Maker) -> Iterator[Alteration]:
    """Flip a bit, in a header with the right checksum too."""
    for seed in range(FLIPS):
        yield make(f"in a header, {seed}", flip(seed, mend=False, headers=True), "headers")
        yield make(f"in a block, {seed}", flip(seed, mend=False, headers=False), "blocks")
        yield make(f"in a header, checksum mended, {seed}", flip(seed, mend=True, headers=True), "headers")


@kind("bytes moved", of_bytes=True)
def bytes_moved(_: Base, make: Maker) -> Iterator[Alteration]:
    """Exchange, cut and add whole parts of a file."""

    def exchange(file: File) -> None:
        content = file.content
        first, second = (content[FIRST_BLOCK + n * BLOCK : FIRST_BLOCK + (n + 1) * BLOCK] for n in (0, 1))
        rest = content[FIRST_BLOCK + 2 * BLOCK :]
        file.rewrite(content[:FIRST_BLOCK] + second + first + rest)

    def headers(file: File) -> None:
        content = file.content
        second, third = content[HEADER : 2 * HEADER], content[2 * HEADER : FIRST_BLOCK]
        file.rewrite(content[:HEADER] + third + second + content[FIRST_BLOCK:])

    yield make("two blocks exchanged", exchange, "blocks")
    yield make("two headers exchanged", headers, "headers")
    yield make("one header twice", lambda f: f.rewrite(_doubled_header(f.content)), "headers")
    yield make("cut in the middle", lambda f: f.rewrite(f.content[: len(f.content) // 2]), "blocks")
    yield make("cut by a byte", lambda f: f.rewrite(f.content[:-1]), "blocks")
    yield make("more at the end", lambda f: f.rewrite(f.content + b"more"), "blocks")
    yield make("a block more", lambda f: f.rewrite(mended(f.content + bytes(BLOCK))), "blocks")
    yield make("nothing left", lambda f: f.rewrite(b""), "blocks")


def _doubled_header(content: bytes) -> bytes:
    return content[: 2 * HEADER] + content[HEADER : 2 * HEADER] + content[FIRST_BLOCK:]


@kind("WAL beside the file")
def wal_beside_the_file(base: Base, make: Maker) -> Iterator[Alteration]:
    """Leave changes in the WAL beside the file."""

    def in_wal(change: Change) -> Change:
        def perform(file: File) -> None:
            file.run("pragma disable_checkpoint_on_shutdown")
            change(file)

        return perform

    def restored(table: str) -> Change:
        """Write other rows to the file, and the true ones to the WAL."""

        def perform(file: File) -> None:
            name = quoted(table)
            file.run(f"create temp table aside as from {name}")
            a_change_of(base, table)(file)
            file.run("checkpoint")
            file.run("pragma disable_checkpoint_on_shutdown")
            file.run(f"truncate {name}")
            file.run(f"insert into {name} from aside")

        return perform

    for table in base.columns:
        yield make(f"{table}, other rows in the WAL", in_wal(a_change_of(base, table)), table)
        yield make(f"{table}, the true rows in the WAL", restored(table), table)
    for view in base.names("view"):
        empty = f"create or replace view {quoted(view)} as select 1 as one"
        yield make(f"{view}, another in the WAL", in_wal(statements(empty)), view)
    yield make("noise", lambda f: f.wal.write_bytes(bytes(range(256)) * 8), "WAL")
    yield make("nothing", lambda f: f.wal.write_bytes(b""), "WAL")

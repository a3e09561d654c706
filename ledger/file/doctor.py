"""Examination and repair of a journal's file that may be damaged.

A DuckDB file has a companion, the WAL (`books.duckdb.wal`), which holds the last commits until they are moved
into the file. A damaged WAL keeps the whole file from opening. It is repaired by a cut before the first
commit that cannot be read. The remaining file is a prefix of the sealed blocks, and `Journal.replay` or
`Journal.open` resumes a run from there. A damaged main file cannot be repaired, since its blocks refer to
each other. For that case `examine` reports which tables can still be read.

Repair works in place and deletes nothing. It first copies the file and all its companions to
`books.duckdb.damaged-1` (`-2`, ...), and changes the WAL only when that copy is complete and on the disk.
Where no cut helps, the original WAL is restored.

Damage can end a process without an exception, so a process of its own reads the file.
"""

import filecmp
import glob
import json
import os
import re
import shutil
import struct
from itertools import count
from pathlib import Path
from subprocess import PIPE

import duckdb
from attrs import asdict, evolve, field, frozen

from tieout.ledger import errors as ledger_errors
from tieout.ledger.errors import DamagedFile, TimeLimitReached, WriteFailed
from tieout.ledger.file import chain
from tieout.ledger.file.anchor import parse
from tieout.ledger.file.chain import Seal
from tieout.ledger.file.claim import Claim
from tieout.ledger.file.database import USE_DOCTOR, Database, explain_errors
from tieout.ledger.file.identifier import quoted
from tieout.ledger.file.instances import NAME
from tieout.ledger.file.limits import default_limit, time_limit
from tieout.ledger.file.place import place_of, real_path, wals_of
from tieout.ledger.file.reader import Reader
from tieout.ledger.process import start
from tieout.ledger.text import line

_TABLES = (
    "select table_name from system.main.duckdb_tables() where schema_name = 'main' and database_name = $1"
)

_LOOK = (
    "import sys; from tieout.ledger.file import doctor; sys.stdout.write(doctor.look(*sys.argv[1:]).json())"
)

# DuckDB's words for the place in a WAL where it stopped reading.
_OFFSET = re.compile(r"WAL file.* at byte position (\d+)")

# The first bytes of a WAL of our storage version. Entries follow, each after its length and checksum.
_WAL_HEADER = bytes.fromhex("640062650002ffff")
_ENTRY_HEADER = struct.Struct("<QQ")


@frozen
class Report:
    """The contents of a file, and its faults.

    *blocks* is the number of blocks from the first on whose seals hold. *last_txn* is their last transaction
    (-1: none) and *head* the digest of their last block. *refusal* is the error that keeps the file from
    being read. *departures* lists the departures from the seals. *torn_bytes* at the end of the WAL are not
    a whole entry and are ignored: a killed writer leaves some, and so does damage to a length. *tables* is
    filled for a file that is not sound. It has the number of readable rows of each table, or the reason why
    none is.
    """

    path: str
    blocks: int = 0
    last_txn: int = -1
    head: str = ""
    refusal: str = ""
    departures: list[str] = field(factory=list)
    torn_bytes: int = 0
    tables: dict[str, int | str] = field(factory=dict)

    @property
    def sound(self) -> bool:
        """Check whether the whole file can be read and every seal holds."""
        return not self.refusal and not self.departures

    def json(self) -> str:
        """Return the report as text for another process."""
        return json.dumps(asdict(self))


@frozen
class Repair:
    """The repair of a file: its state *before* and *after*.

    *backup* is the copy of the damaged file, None where no repair was tried. The WAL had *length* bytes, of
    which the first *remainder* remain.
    """

    before: Report
    after: Report
    backup: Path | None = None
    length: int = 0
    remainder: int = 0

    @property
    def is_repaired(self) -> bool:
        """Check whether the file was not sound before and is sound now."""
        return self.after.sound and not self.before.sound

    def __str__(self) -> str:
        report = self.after
        lines = []
        if self.before.sound:
            lines.append(f"{report.path} is sound")
        elif self.is_repaired:
            lines += [
                f"{report.path} is repaired: its WAL keeps the first {self.remainder} of {self.length} bytes",
                f"the damaged file is kept as {self.backup}",
            ]
        else:
            lines += [
                f"{report.path} cannot be repaired",
                *filter(None, [report.refusal, *report.departures]),
            ]
            lines += [f"table {name}: {rows}" for name, rows in report.tables.items()]
            if self.backup:
                lines.append(f"a copy of it is {self.backup}")
            lines.append("restore the file from a backup, or run again into a new file")
        if report.blocks:
            lines.append(
                f"it holds blocks 0 to {report.blocks - 1}, transactions up to {report.last_txn},"
                f" head digest {report.head}"
            )
        if report.torn_bytes and self.before.sound:
            lines.append(
                f"the last {report.torn_bytes} bytes of its WAL are not a whole commit and are ignored:"
                " compare the head digest with the one that you noted"
            )
        if self.is_repaired:
            lines.append("blocks acknowledged after that are lost; run again to resume")
        return "\n".join(map(line, lines))


def examine(path: str | Path, anchor: str = "") -> Report:
    """Read all of a file, in a process of its own, and compare it with its seals and the head *anchor*.

    Raises a `StoreError` for reasons other than damage: there is no such file, it is open elsewhere, or
    another version wrote it.
    """
    with start("-c", _LOOK, str(path), anchor, stdout=PIPE, stderr=PIPE) as child:
        output, errors = child.communicate()
    if child.returncode == 0:
        return evolve(Report(**json.loads(output)), torn_bytes=_torn_bytes(_default_wal(Path(path))))
    if child.returncode < 0:
        return Report(str(path), refusal=f"reading it ends the process with signal {-child.returncode}")
    last = errors.strip().rpartition("\n")[2]
    name, _, message = last.removeprefix("tieout.ledger.errors.").partition(": ")
    kind = getattr(ledger_errors, name, None)
    if kind is None:
        return Report(str(path), refusal=f"reading it fails: {last}")
    raise kind(message)


def look(path: str, anchor: str = "") -> Report:
    """Examine a file as `examine` does, but in this process, which damage may end."""
    try:
        with Reader(path, with_catalogue=True) as reader:
            return _report(reader, anchor)
    except DamagedFile as error:
        return Report(path, refusal=_fault(error), tables=_rows_of_any_file(Path(path)))


def _fault(error: DamagedFile) -> str:
    """Return the message of an error without the advice to use this module."""
    return str(error).replace(f"; {USE_DOCTOR}", "")


def _report(reader: Reader, anchor: str) -> Report:
    head, seals = chain.genesis(reader).hex(), chain.seals(reader)
    sound: list[Seal] = []
    departures: list[str] = []

    def step(number: int, _: int) -> None:
        if not departures:
            sound.append(seals[number - 1])

    try:
        for departure in chain.departures(reader, parse(anchor) if anchor else None, step):
            departures.append(str(departure))  # noqa: PERF401  `step` reads the list meanwhile
    except DamagedFile as error:
        departures.append(_fault(error))
    return Report(
        str(reader.path),
        blocks=len(sound),
        last_txn=sound[-1].last_txn if sound else -1,
        head=sound[-1].digest if sound else head,
        departures=departures,
        tables=_rows_of_any_file(reader.path) if departures else {},
    )


def _rows_of_any_file(path: Path) -> dict[str, int | str]:
    """Count the rows of each table by reading every value. An error takes the place of the number."""
    limit = default_limit(path)
    try:
        with explain_errors(path, DamagedFile), Database(path, read_only=True, isolated=True) as database:
            names = database.connection.execute(_TABLES, [NAME]).fetchall()
            return {name: _rows(path, database.connection, name, limit) for (name,) in names}
    except DamagedFile:
        return {}  # the report has the error already


def _rows(path: Path, connection: duckdb.DuckDBPyConnection, table: str, limit: float) -> int | str:
    place = f"{NAME}.main.{quoted(table)}"
    query = f"select count(*), bit_xor(system.main.hash(t)) from {place} as t"  # noqa: S608  quoted
    try:
        with explain_errors(path, DamagedFile), time_limit(path, limit, connection):
            count: int = connection.execute(query).fetchall()[0][0]
            return count
    except (DamagedFile, TimeLimitReached) as error:
        return str(error)


def repair(path: str | Path) -> Repair:
    """Copy a file with a damaged WAL, then cut the WAL before the first commit that cannot be read."""
    path = Path(path)
    before = examine(path)
    if not before.refusal:
        return Repair(before, before)
    with Claim(real_path(place_of(path))), explain_errors(path):
        before = examine(path)  # a writer may have changed it before the claim
        wal = _damaged_wal(path, before.refusal)
        if not before.refusal or not wal.is_file() or not wal.stat().st_size:
            return Repair(before, before)
        backup = _back_up(path)
        whole = wal.read_bytes()
        remainder, after = _cut(path, wal, whole, before.refusal)
        if after.refusal:
            _write(wal, whole)
            return Repair(before, before, backup)
    return Repair(before, after, backup, len(whole), remainder)


@frozen
class Merger:
    """The merger of a WAL into its file: the state of the two *before*, and the WAL's *length* in bytes.

    *is_merged* tells whether there is one file now. *backup* is a copy of both, made where the WAL has bytes
    that no longer belong to it.
    """

    before: Report
    length: int = 0
    is_merged: bool = False
    backup: Path | None = None

    def __str__(self) -> str:
        report = self.before
        if not report.sound:
            lines = [
                f"{report.path}: its WAL is not merged, and nothing was changed, because they are damaged"
            ]
            lines += [*filter(None, [report.refusal, *report.departures])]
            lines.append("run `tieout doctor` on it without --merge")
        elif not self.is_merged:
            lines = [f"{report.path} has no WAL; there is nothing to merge"]
        else:
            lines = [
                f"{report.path} is one file now: {self.length} bytes of its WAL were verified and merged"
            ]
        if self.backup:
            lines.append(
                f"{report.torn_bytes} bytes of the WAL were no whole commit; both are kept as {self.backup}"
            )
        if report.sound:
            lines.append(f"it holds {report.blocks} blocks, head digest {report.head}")
        return "\n".join(lines)


def merge(path: str | Path) -> Merger:
    """Move the commits in the WAL of a file into it, once both are verified. Nothing else writes meanwhile.

    Raises `WriteFailed` where the file has another head digest afterwards.
    """
    path = real_path(place_of(path))
    with Claim(path):
        before = examine(path)
        wals = wals_of(path)
        if not before.sound or not wals:
            return Merger(before)
        length = sum(wal.stat().st_size for wal in wals)
        with explain_errors(path):
            backup = _back_up(path) if before.torn_bytes else None
            with Database(path) as database:
                database.checkpoint()
        after = examine(path, before.head)
        if not after.sound or wals_of(path):
            raise WriteFailed(f"{path}: its WAL could not be merged; run `tieout doctor` on it")
    return Merger(before, length, is_merged=True, backup=backup)


def _damaged_wal(path: Path, refusal: str) -> Path:
    """Return the WAL that a refusal names. Commits during a checkpoint go to a WAL of their own."""
    return next((wal for wal in _companions(path) if f'{wal.name}"' in refusal), _default_wal(path))


def _default_wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _torn_bytes(wal: Path) -> int:
    """Count the bytes at the end of a WAL that are not a whole entry."""
    size = wal.stat().st_size if wal.is_file() else 0
    if not size:
        return 0
    with wal.open("rb") as file:
        end = len(_WAL_HEADER) if file.read(len(_WAL_HEADER)) == _WAL_HEADER else size + 1
        whole = 0
        while end <= size:
            whole = end
            file.seek(end)
            header = file.read(_ENTRY_HEADER.size)
            if len(header) < _ENTRY_HEADER.size:
                break
            end += len(header) + _ENTRY_HEADER.unpack(header)[0]
    return size - whole


def _companions(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{glob.escape(path.name)}.wal*"))


def _cut(path: Path, wal: Path, whole: bytes, refusal: str) -> tuple[int, Report]:
    """Cut a WAL to its longest start with which the file opens. Return its length and a report."""

    def cut(length: int) -> Report:
        _write(wal, whole[:length])
        return examine(path)

    if offset := _OFFSET.search(refusal):
        length = int(offset[1])
        if not (after := cut(length)).refusal:
            return length, after
    opens, fails = 0, len(whole)
    if (after := cut(0)).refusal:
        return 0, after  # the WAL is not what keeps the file from opening
    while fails - opens > 1:
        middle = (opens + fails) // 2
        if cut(middle).refusal:
            fails = middle
        else:
            opens = middle
    return opens, cut(opens)


def _back_up(path: Path) -> Path:
    """Copy a file and its companions to the disk, compare the copies, and return the path of the copy."""
    backup = next(
        name for number in count(1) if not (name := path.with_name(f"{path.name}.damaged-{number}")).exists()
    )
    # The file itself goes last: while it is missing, the copy is not complete.
    for source in [*_companions(path), path]:
        copy = backup.with_name(backup.name + source.name.removeprefix(path.name))
        shutil.copyfile(source, copy)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        if not filecmp.cmp(source, copy, shallow=False):
            raise WriteFailed(f"{copy} differs from {source}; nothing was changed")
    return backup


def _write(wal: Path, content: bytes) -> None:
    """Replace a WAL in one step, so that either the old or the new one exists at any time."""
    fresh = wal.with_name(wal.name + ".new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(wal)

"""Examining a journal's file that may be damaged, and saving what can be saved.

A DuckDB file has a companion, the WAL (`books.duckdb.wal`), which holds the last commits until they are
moved into the file. A damaged WAL keeps the whole file from opening, and is repaired by cutting it before
the first commit that cannot be read: what remains is a prefix of the sealed blocks, and a run is resumed
from there with `Journal.replay` or `Journal.open`. A damaged main file cannot be repaired, since its blocks
refer to each other; for that, `examine` says what can still be read.

Repair works in place and deletes nothing. It first copies the file and all its companions to
`books.duckdb.damaged-1` (`-2`, ...), and touches the WAL only when that copy is complete and on the disk.
Where no cut helps, the WAL is put back as it was.

Damage can take a process down without an exception, so files are read in one of their own.
"""

import filecmp
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from itertools import count
from pathlib import Path

import duckdb
from attrs import asdict, evolve, field, frozen

from tieout.ledger import errors
from tieout.ledger.errors import DamagedFile, WriteFailed
from tieout.ledger.file import chain
from tieout.ledger.file.chain import Sealed
from tieout.ledger.file.database import Database, explained
from tieout.ledger.file.reader import Reader

_LOOK = (
    "import sys; from tieout.ledger.file import doctor; sys.stdout.write(doctor.look(*sys.argv[1:]).json())"
)

# How DuckDB names the place in a WAL from which on it cannot read.
_OFFSET = re.compile(r"WAL file.* at byte position (\d+)")

# What a WAL of our storage version begins with; entries follow, each after its length and checksum.
_WAL_HEADER = bytes.fromhex("640062650002ffff")
_ENTRY_HEADER = struct.Struct("<QQ")


@frozen
class Report:
    """What a file holds, and what is wrong with it.

    *blocks* are those from the first on whose seals hold, *last_txn* their last transaction (-1: none) and
    *head* the digest of the last of them. *refused* is the error that keeps the file from being read,
    *broken* names each departure from the seals. *torn* bytes at the end of the WAL are no whole entry and
    are ignored: a killed writer leaves some, and so does damage to a length. *tables* tells for a file that
    is not sound how many rows of each table can be read, or why none.
    """

    path: str
    blocks: int = 0
    last_txn: int = -1
    head: str = ""
    refused: str = ""
    broken: list[str] = field(factory=list)
    torn: int = 0
    tables: dict[str, int | str] = field(factory=dict)

    @property
    def sound(self) -> bool:
        """Whether everything can be read and every seal holds."""
        return not self.refused and not self.broken

    def json(self) -> str:
        """As text that another process can read."""
        return json.dumps(asdict(self))


@frozen
class Repair:
    """What was done to a file: its state *before* and *after*.

    *aside* is the copy of the damaged file, None where nothing was tried. The WAL had *length* bytes, of
    which the first *kept* remain.
    """

    before: Report
    after: Report
    aside: Path | None = None
    length: int = 0
    kept: int = 0

    @property
    def repaired(self) -> bool:
        """Whether the file was not sound and is now."""
        return self.after.sound and not self.before.sound

    def __str__(self) -> str:
        held = self.after
        lines = []
        if self.before.sound:
            lines.append(f"{held.path} is sound")
        elif self.repaired:
            lines += [
                f"{held.path} is repaired: its WAL keeps the first {self.kept} of {self.length} bytes",
                f"the damaged file is kept as {self.aside}",
            ]
        else:
            lines += [
                f"{held.path} cannot be repaired",
                *filter(None, [held.refused, *held.broken]),
            ]
            lines += [f"table {name}: {rows}" for name, rows in held.tables.items()]
            if self.aside:
                lines.append(f"a copy of it is {self.aside}")
        if held.blocks:
            lines.append(
                f"it holds blocks 0 to {held.blocks - 1}, transactions up to {held.last_txn},"
                f" head digest {held.head}"
            )
        if held.torn and self.before.sound:
            lines.append(
                f"the last {held.torn} bytes of its WAL are no whole commit and are ignored:"
                " compare the head digest with the one that you know"
            )
        if self.repaired:
            lines.append("whatever was acknowledged after that is lost; perform the run again to resume it")
        return "\n".join(lines)


def examine(path: str | Path, anchor: str = "") -> Report:
    """Read all of a file, in a process of its own, and compare it with its seals and the head *anchor*.

    Raises a `StoreError` where damage is not the question: there is no such file, somebody has it open,
    another version wrote it.
    """
    child = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", _LOOK, str(path), anchor],
        capture_output=True,
        check=False,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if child.returncode == 0:
        return evolve(Report(**json.loads(child.stdout)), torn=_torn(_plain_wal(Path(path))))
    if child.returncode < 0:
        return Report(str(path), refused=f"reading it ends the process with signal {-child.returncode}")
    last = child.stderr.strip().rpartition("\n")[2]
    name, _, message = last.removeprefix("tieout.ledger.errors.").partition(": ")
    kind = getattr(errors, name, None)
    if kind is None:
        return Report(str(path), refused=f"reading it fails: {last}")
    raise kind(message)


def look(path: str, anchor: str = "") -> Report:
    """As `examine`, but in this process, which damage may end."""
    try:
        with Reader(path) as reader:
            return _compared(reader, anchor)
    except DamagedFile as error:
        return Report(path, refused=str(error), tables=_without_journal(Path(path)))


def _compared(reader: Reader, anchor: str) -> Report:
    head, seals = chain.genesis(reader).hex(), chain.seals(reader)
    held: list[Sealed] = []
    broken: list[str] = []

    def hold(number: int, _: int) -> None:
        if not broken:
            held.append(seals[number - 1])

    try:
        for departure in chain.broken(reader, anchor or None, hold):
            broken.append(str(departure))  # noqa: PERF401  `hold` looks at what there is so far
    except DamagedFile as error:
        broken.append(str(error))
    return Report(
        str(reader.path),
        blocks=len(held),
        last_txn=held[-1].last_txn if held else -1,
        head=held[-1].digest if held else head,
        broken=broken,
        tables=_rows(reader.path, reader.connection, list(reader.layout)) if broken else {},
    )


def _without_journal(path: Path) -> dict[str, int | str]:
    """What can be read of a file that does not open as a journal."""
    try:
        with explained(path, DamagedFile), Database(path, read_only=True) as database:
            found = database.connection.execute("select table_name from duckdb_tables()").fetchall()
            return _rows(path, database.connection, [name for (name,) in found])
    except DamagedFile:
        return {}  # nothing; the report says why


def _rows(path: Path, connection: duckdb.DuckDBPyConnection, tables: list[str]) -> dict[str, int | str]:
    """How many rows each table has, every value of them having been read; or why that fails."""
    rows: dict[str, int | str] = {}
    for table in tables:
        query = f'select count(*), bit_xor(hash(t)) from "{table}" as t'  # noqa: S608  from the file
        try:
            with explained(path, DamagedFile):
                rows[table] = connection.execute(query).fetchall()[0][0]
        except DamagedFile as error:
            rows[table] = str(error)
    return rows


def repair(path: str | Path) -> Repair:
    """Cut a damaged WAL where it cannot be read any more, having copied everything aside."""
    path = Path(path)
    before = examine(path)
    wal = _wal(path, before.refused)
    if not before.refused or not wal.is_file() or not wal.stat().st_size:
        return Repair(before, before)
    with explained(path):
        aside = _set_aside(path)
        whole = wal.read_bytes()
        kept, after = _longest(path, wal, whole, before.refused)
        if after.refused:
            _write(wal, whole)
            return Repair(before, before, aside)
    return Repair(before, after, aside, len(whole), kept)


def _wal(path: Path, refusal: str) -> Path:
    """The WAL that a refusal names: commits made during a checkpoint go to one of their own."""
    return next((wal for wal in _companions(path) if f'{wal.name}"' in refusal), _plain_wal(path))


def _plain_wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _torn(wal: Path) -> int:
    """How many bytes at the end of a WAL are no whole entry."""
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


def _longest(path: Path, wal: Path, whole: bytes, refusal: str) -> tuple[int, Report]:
    """Leave the longest start of a WAL with which the file opens: its length, and what there is then."""

    def cut(length: int) -> Report:
        _write(wal, whole[:length])
        return examine(path)

    if offset := _OFFSET.search(refusal):
        length = int(offset[1])
        if not (after := cut(length)).refused:
            return length, after
    opens, fails = 0, len(whole)
    if (after := cut(0)).refused:
        return 0, after  # the WAL is not what keeps the file from opening
    while fails - opens > 1:
        middle = (opens + fails) // 2
        if cut(middle).refused:
            fails = middle
        else:
            opens = middle
    return opens, cut(opens)


def _set_aside(path: Path) -> Path:
    """Copy a file and its companions; where the copy is, once it is on the disk and has been compared."""
    aside = next(
        name for number in count(1) if not (name := path.with_name(f"{path.name}.damaged-{number}")).exists()
    )
    # The file itself goes last: while it is missing, the copy is not complete.
    for source in [*_companions(path), path]:
        copy = aside.with_name(aside.name + source.name.removeprefix(path.name))
        shutil.copyfile(source, copy)
        with copy.open("rb") as written:
            os.fsync(written.fileno())
        if not filecmp.cmp(source, copy, shallow=False):
            raise WriteFailed(f"{copy} differs from {source}; nothing was changed")
    return aside


def _write(wal: Path, content: bytes) -> None:
    """Replace a WAL in one step, so that there is always either the old or the new one."""
    fresh = wal.with_name(wal.name + ".new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(wal)

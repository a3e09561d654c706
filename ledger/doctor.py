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
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from attrs import asdict, field, frozen

from ledger import chain, errors
from ledger.chain import Sealed
from ledger.errors import DamagedFile, StoreError
from ledger.files import connect, explained
from ledger.reader import Reader

_LOOK = "import sys; from ledger import doctor; sys.stdout.write(doctor.look(*sys.argv[1:]).json())"

# How DuckDB names the place in a WAL from which on it cannot read.
_OFFSET = re.compile(r"WAL file.* at byte position (\d+)")


@frozen
class Report:
    """What a file holds, and what is wrong with it.

    *blocks* are those from the first on whose seals hold, *last_txn* their last transaction (-1: none) and
    *head* the digest of the last of them. *refused* is the error that keeps the file from being read,
    *broken* names each departure from the seals. *tables* tells for a file that is not sound how many rows
    of each table can be read, or why none.
    """

    path: str
    blocks: int = 0
    last_txn: int = -1
    head: str = ""
    refused: str = ""
    broken: list[str] = field(factory=list)
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
                f"{held.path} is repaired: of the {self.length} bytes of its WAL the first {self.kept} remain",
                f"the damaged file is kept as {self.aside}",
            ]
        else:
            lines += [f"{held.path} cannot be repaired", *filter(None, [held.refused, *held.broken])]
            lines += [f"table {name}: {rows}" for name, rows in held.tables.items()]
            if self.aside:
                lines.append(f"a copy of it is {self.aside}")
        if held.blocks:
            lines.append(
                f"it holds blocks 0 to {held.blocks - 1}, transactions up to {held.last_txn},"
                f" head digest {held.head}"
            )
        if self.repaired:
            lines.append("whatever was acknowledged after that is lost; perform the run again to resume it")
        return "\n".join(lines)


def examine(path: str | Path, anchor: str = "") -> Report:
    """Read all of a file, in a process of its own, and compare it with its seals and the head *anchor*.

    Raises a `StoreError` where the question is not whether it is damaged: there is no such file, somebody
    has it open, another version wrote it.
    """
    child = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", _LOOK, str(path), anchor],
        capture_output=True,
        check=False,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if child.returncode < 0:
        return Report(str(path), refused=f"reading it ends the process with signal {-child.returncode}")
    if child.returncode > 0:
        name, _, message = child.stderr.strip().rpartition("\n")[2].partition(": ")
        kind = getattr(errors, name.rpartition(".")[2], None)
        raise kind(message) if kind else DamagedFile(f"{path}: {child.stderr.strip()}")
    return Report(**json.loads(child.stdout))


def look(path: str, anchor: str = "") -> Report:
    """As `examine`, in this process, which damage may take down."""
    held: list[Sealed] = []
    broken: list[str] = []
    try:
        with Reader(path) as reader:
            head, seals = chain.genesis(reader).hex(), chain.seals(reader)

            def hold(number: int, _: int) -> None:
                if not broken:
                    held.append(seals[number - 1])

            try:
                broken.extend(str(b) for b in _broken(reader, anchor, hold, broken))
            except DamagedFile as error:
                broken.append(str(error))
            tables = _rows(reader, list(reader.layout)) if broken else {}
    except DamagedFile as error:
        return Report(path, refused=str(error), tables=_readable(Path(path)))
    return Report(
        path,
        len(held),
        held[-1].last_txn if held else -1,
        held[-1].digest if held else head,
        broken=broken,
        tables=tables,
    )

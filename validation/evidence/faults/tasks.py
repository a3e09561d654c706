"""What the children do: perform a run, inspect a file. Each reports through its first argument."""

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

from attrs import field, frozen

from tieout.ledger.books.events import deposit
from tieout.ledger.errors import DiskFull, JournalClosed, StoreError
from tieout.ledger.file import chain
from tieout.ledger.file.database import Database
from tieout.ledger.file.reader import Reader
from tieout.ledger.journal import Journal
from tieout.validation.evidence.faults.program import NOON, Program, create, proceed

Report = Callable[[object], None]
Start = Callable[[Path], Journal]


@frozen
class Held:
    """What a file holds: its sealed blocks, where it departs from them, and its contents by table."""

    blocks: int = 0
    broken: list[str] = field(factory=list)
    refused: str = ""
    contents: dict[str, tuple[int, int]] = field(factory=dict)


def write(report: Report, path: Path, program: Program, start: Start) -> str:
    """Perform a program, reporting each block once it is durable; the head digest."""
    with start(path) as journal:
        report("begun")
        for blocks in program.perform(journal):
            report(blocks)
        return journal.head.digest.hex()


def begin_and_write(report: Report, path: Path, program: Program) -> str:
    """As `write` with a new journal, the making of which counts as part of the run."""
    report("begun")
    return write(lambda blocks: report(blocks) if blocks != "begun" else None, path, program, create)


def write_until_full(report: Report, path: Path, program: Program, limit: int) -> str:
    """As `write`, until the disk is full or a file has *limit* bytes (0: any); what happened then."""
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    journal: Journal | None = None
    try:
        with create(path) as journal:
            for blocks in program.perform(journal):
                report(blocks)
    except DiskFull:
        if journal is None:
            return "full"
        try:
            journal.post(NOON * 2, deposit, "USD", "1")
        except JournalClosed:
            return "full"
        return "took more after the disk was full"
    return "everything fitted on the disk"


def leave_wal(report: Report, path: Path, program: Program, closed: int) -> None:
    """Perform a program and stop as if killed, *closed* blocks being in the file, the others in its WAL.

    Reports the size of the WAL after each block there.
    """
    with create(path) as journal:
        for blocks in program.perform(journal):
            if blocks == closed:
                break
    journal = proceed(path)
    for _ in program.perform(journal):
        report(path.with_name(path.name + ".wal").stat().st_size)
    os.kill(os.getpid(), signal.SIGKILL)


def inspect(_: Report, path: Path, anchor: str | None = None) -> Held:
    """Read a file as an auditor would, and everything in it besides."""
    try:
        with Reader(path) as reader:
            broken = [str(departure) for departure in chain.broken(reader, anchor)]
            blocks = len(chain.seals(reader))
    except StoreError as error:
        return Held(refused=f"{type(error).__name__}: {error}")
    return Held(blocks, broken, contents={} if broken else _contents(path))


def _contents(path: Path) -> dict[str, tuple[int, int]]:
    """Of every table, its number of rows and the sum of their hashes: equal for equal rows in any order."""
    with Database(path, read_only=True) as database:
        connection = database.connection
        tables = connection.execute("select table_name from duckdb_tables()").fetchall()
        return {
            table: connection.execute(
                f'select count(*), coalesce(sum(hash(t)), 0) from "{table}" as t'  # noqa: S608
            ).fetchall()[0]
            for (table,) in tables
            if table != "provenance"
        }

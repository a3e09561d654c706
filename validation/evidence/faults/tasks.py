"""Tasks of the child processes: perform a run, inspect a file. Each reports through its first argument."""

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

from attrs import field, frozen

from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.reading import read
from tieout.ledger.books.events import deposit
from tieout.ledger.errors import DiskFull, JournalClosed, StoreError
from tieout.ledger.file import chain
from tieout.ledger.file.anchor import parse
from tieout.ledger.file.database import Database
from tieout.ledger.file.reader import Reader
from tieout.ledger.journal import Journal
from tieout.validation.evidence.faults.program import NOON, Program, create, proceed

Report = Callable[[object], None]
Start = Callable[[Path], Journal]


@frozen
class Contents:
    """Contents of a file: its sealed blocks, the seals that are broken, and its rows by table."""

    blocks: int = 0
    broken: list[str] = field(factory=list)
    refused: str = ""
    rows: dict[str, tuple[int, int]] = field(factory=dict)


def write(report: Report, path: Path, program: Program, start: Start) -> str:
    """Perform a program and report each block once it is durable. Return the head digest."""
    with start(path) as journal:
        report("begun")
        for blocks in program.perform(journal):
            report(blocks)
        return journal.head.digest.hex()


def begin_and_write(report: Report, path: Path, program: Program) -> str:
    """Do as `write` with a new journal, whose making counts as part of the run."""
    report("begun")
    return write(lambda blocks: report(blocks) if blocks != "begun" else None, path, program, create)


def run_spec(_: Report, spec: Path, path: Path) -> str:
    """Run a spec into a journal, or resume it. Return the head digest."""
    return run_spec_and_report(lambda _: None, spec, path)


def run_spec_and_report(report: Report, spec: Path, path: Path) -> str:
    """Do as `run_spec`, and report each bar."""
    with assemble(read(spec)).run(path, progress=lambda bar, _: report(bar)) as result:
        return result.head


def write_until_full(report: Report, path: Path, program: Program, limit: int) -> str:
    """Do as `write` until the disk is full or a file has *limit* bytes (0: any). Return the end in words."""
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
        return "accepted a transaction after the disk was full"
    return "the whole run fitted on the disk"


def leave_wal(report: Report, path: Path, program: Program, closed: int) -> None:
    """Perform a program and stop as if killed, with *closed* blocks in the file and the others in its WAL.

    Reports the size of the WAL after each block in it.
    """
    with create(path) as journal:
        for blocks in program.perform(journal):
            if blocks == closed:
                break
    journal = proceed(path)
    for _ in program.perform(journal):
        report(path.with_name(path.name + ".wal").stat().st_size)
    os.kill(os.getpid(), signal.SIGKILL)


def inspect(_: Report, path: Path, anchor: str | None = None) -> Contents:
    """Read a file as an auditor would, then all its rows."""
    try:
        with Reader(path) as reader:
            broken = [
                str(departure) for departure in chain.departures(reader, parse(anchor) if anchor else None)
            ]
            blocks = len(chain.seals(reader))
    except StoreError as error:
        return Contents(refused=f"{type(error).__name__}: {error}")
    return Contents(blocks, broken, rows={} if broken else _rows(path))


def _rows(path: Path) -> dict[str, tuple[int, int]]:
    """Count the rows of every table and add up their hashes: equal for equal rows in any order."""
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

"""Tasks of the child processes: perform a run, inspect a file. Each reports through its first argument."""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from attrs import field, frozen

from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.reading import read
from tieout.ledger.application import main
from tieout.ledger.books.events import deposit
from tieout.ledger.errors import DiskFull, JournalClosed, StoreError, TieoutError
from tieout.ledger.file import chain
from tieout.ledger.file.anchor import parse
from tieout.ledger.file.database import Database
from tieout.ledger.file.reader import Reader
from tieout.ledger.journal import Journal
from tieout.validation.evidence.faults.program import NOON, Program, create, proceed, rival

Report = Callable[[object], None]
Start = Callable[[Path], Journal]


REFUSALS = {
    "LockedByWriter": "the file is open elsewhere; close it there first",
    "JournalExists": "exists; open it, or choose another name",
    "InputChanged": "holds another run",
}
"""The errors of a run that comes second, with words of their sentences."""


@frozen
class Attempt:
    """A run with *cash*: stored under the digest *head*, or refused. *shown_cash* is in its figures."""

    cash: int
    head: str = ""
    shown_cash: int = 0
    refusal: str = ""


@frozen
class Contents:
    """Contents of a file: its sealed blocks, the seals that are broken, and its rows by table."""

    blocks: int = 0
    broken: list[str] = field(factory=list)
    refused: str = ""
    rows: dict[str, tuple[int, int]] = field(factory=dict)
    digests: list[str] = field(factory=list)

    @property
    def head(self) -> str:
        """Digest of the last block, empty where there is none."""
        return self.digests[-1] if self.digests else ""


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


def compete(report: Report, orders: Connection) -> None:
    """Make an attempt for each order: a path, the cash of the run, and the moment at which it begins."""
    while True:
        path, cash, start = orders.recv()
        while time.monotonic() < start:
            pass
        report(attempt(path, cash))


def attempt(path: Path, cash: int) -> Attempt:
    """Perform a small run, and read its figures."""
    try:
        with rival(cash).run(path) as result:
            return Attempt(cash, result.head, int(result.metrics.start_equity))
    except TieoutError as error:
        name = type(error).__name__
        is_plain = name in REFUSALS and REFUSALS[name] in str(error)
        return Attempt(cash, refusal=name if is_plain else f"{name}: {error}")
    except Exception as error:  # noqa: BLE001  a fault of the pair, which is reported
        return Attempt(cash, refusal=repr(error))


def command(report: Report, arguments: list[str], output: Path) -> int:
    """Perform a command with its output in a file, as if started for it. Return its status."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with output.open("w") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["tieout", *arguments]
    report("begun")
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.stdout.flush()
    return 0


def overwrite_by_spec(_: Report, spec: Path, path: Path) -> str:
    """Run a spec in the place of another run. Return the head digest."""
    with assemble(read(spec)).run(path, overwrite=True) as result:
        return result.head


def run_spec_and_die(_: Report, spec: Path, path: Path, bar: int) -> None:
    """Run a spec, wait at a bar until the blocks before it are stored, and stop as if killed."""

    def stop(bars: int, _: int) -> None:
        if bars == bar:
            time.sleep(1)
            os.kill(os.getpid(), signal.SIGKILL)

    assemble(read(spec)).run(path, progress=stop).close()


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
            digests = [seal.digest for seal in chain.seals(reader)]
    except StoreError as error:
        return Contents(refused=f"{type(error).__name__}: {error}")
    return Contents(len(digests), broken, rows={} if broken else _rows(path), digests=digests)


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

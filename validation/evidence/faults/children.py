"""Functions run in processes of their own, which may be killed or crash.

The processes are forked from a server that has imported and compiled everything and has no DuckDB thread,
so that one takes milliseconds to start.
"""

import gc
import multiprocessing
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from attrs import frozen

from tieout.ledger.application import application
from tieout.ledger.journal import Journal
from tieout.ledger.process import safe_children
from tieout.validation.evidence.faults.program import COMMODITIES, RUN, SMALL, Buyer, rival

Task = Callable[..., object]
"""A function of a child: it takes a function for reports, then arguments. Its result is the last report."""


class ChildFailed(Exception):
    """A child raised an unexpected error."""


@frozen
class Crashed:
    """A child died of a signal that the harness did not send."""

    signal: int


@contextmanager
def child(task: Task, *args: object) -> Iterator[tuple[BaseProcess, Connection]]:
    """Start a process that runs *task*. Yield it and its reports. It is killed when the block ends."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tieout.validation.evidence.faults.warm"])
    reports, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, task, args))
    with safe_children():
        process.start()
    sender.close()
    try:
        yield process, reports
    finally:
        process.kill()
        process.join()
        reports.close()


def received(reports: Connection) -> Iterator[Any]:
    """Yield the reports of a child until it ends."""
    while True:
        try:
            report = reports.recv()
        except (EOFError, ConnectionResetError):
            return
        if isinstance(report, ChildFailed):
            raise report
        yield report


def outcome(task: Task, *args: object) -> Any:
    """Run *task* in a process of its own. Return its result, or the signal of its crash."""
    with child(task, *args) as (process, reports):
        last = list(received(reports))[-1:]
        process.join()
        return last[0] if last else Crashed(-(process.exitcode or 0))


def _run(sender: Connection, task: Task, args: tuple[object, ...]) -> None:
    try:
        sender.send(task(sender.send, *args))
    except BaseException:  # noqa: BLE001  handed to the parent
        sender.send(ChildFailed(traceback.format_exc()))
    finally:
        sender.close()


def warm_up() -> None:
    """Compile and import the code of the children, and leave no DuckDB thread behind."""
    import duckdb  # noqa: F401

    application()
    journal = Journal.create(None, COMMODITIES, RUN)
    for blocks in SMALL.perform(journal):
        if blocks == 2:
            break
    journal.close()
    # Not from a spec: a child that is forked after Polars has read a table cannot read one.
    for strategy in (None, Buyer()):
        rival(1_000_000, strategy).run().close()
    del journal
    gc.collect()
    if (threads := threading.active_count()) > 1:
        raise RuntimeError(f"{threads - 1} threads go on, and a forked child would wait for them")

"""The parts that `tieout bench` measures."""

import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from attrs import define, field

from tieout.validation.bench import books, fresh, growth, market, profile, streaming, sweep
from tieout.validation.bench.contest import Engines
from tieout.validation.workloads.markdown import Part, Table

ROUNDS, QUICK_ROUNDS, GROWTH_ROUNDS = 7, 3, 3


@define
class Session:
    """One call of the command: the engines, a folder to write in, and the size of the measurement.

    *tell* receives a line for each step of the work.
    """

    engines: Engines
    folder: Path
    is_quick: bool
    tell: Callable[[str], None] = print
    workloads: tuple[str, ...] = field(default=market.WORKLOADS)

    @property
    def rounds(self) -> int:
        """Return the number of rounds in which each contestant is timed."""
        return QUICK_ROUNDS if self.is_quick else ROUNDS


def _market(session: Session) -> list[Table]:
    chosen = market.contests(session.workloads, is_quick=session.is_quick)
    measured = market.measure(chosen, session.engines, session.folder, session.rounds, session.tell)
    tables = market.tables(measured, session.rounds)
    return tables if session.is_quick else [*tables, market.elsewhere()]


def _profile(session: Session) -> list[Table]:
    return profile.measure(session.folder, session.rounds, session.workloads, session.tell)


def _fresh(session: Session) -> list[Table]:
    return [fresh.measure(session.engines, session.folder, session.rounds)]


def _books(session: Session) -> list[Table]:
    transfers = books.QUICK_TRANSFERS if session.is_quick else books.TRANSFERS
    return books.measure(session.folder, transfers, session.rounds)


def _sweep(session: Session) -> list[Table]:
    return [sweep.measure(session.engines, session.folder)]


def _streaming(session: Session) -> list[Table]:
    return [streaming.measure(session.folder)]


def _growth(session: Session) -> list[Table]:
    return growth.measure(session.folder, 1 if session.is_quick else GROWTH_ROUNDS)


TITLES = {
    "machine": "Benchmarks",
    "market": "Backtests beside other engines",
    "profile": "Where the time goes",
    "fresh": "Cold starts and memory",
    "books": "The books",
    "growth": "Growth",
    "streaming": "A history larger than memory",
    "sweep": "A sweep",
}
"""Every part and its heading, in the order of the file."""

_MEASURES: Mapping[str, Callable[[Session], list[Table]]] = {
    "market": _market,
    "profile": _profile,
    "fresh": _fresh,
    "books": _books,
    "growth": _growth,
    "streaming": _streaming,
    "sweep": _sweep,
}
QUICK = ("market",)


def measure(session: Session, names: list[str]) -> Iterator[tuple[str, Part]]:
    """Measure the parts in turn. The machine comes after the contests, when the engines are known."""
    for name in names:
        session.tell(TITLES[name])
        yield name, Part(TITLES[name], _MEASURES[name](session))
        if name == "market":
            yield "machine", Part(TITLES["machine"], [machine(session)])


def machine(session: Session) -> Table:
    """Describe the machine, the versions, and the engines that were absent."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ("numba", "numpy", "duckdb", "polars", "pyarrow")
    rows = [
        ["processor", f"{_processor()}, {cores} cores"],
        ["system", platform.platform(terse=True)],
        ["Python", platform.python_version()],
        ["ours", ", ".join(f"{name} {version(name)}" for name in ("tieout", *packages))],
    ]
    rows += [
        [engine, ", ".join(f"{name} {number}" for name, number in versions.items())]
        for engine, versions in session.engines.versions.items()
        if engine != "tieout"
    ]
    rows += [[engine, f"absent: {reason}"] for engine, reason in session.engines.absent.items()]
    return Table(
        "", ("", ""), rows, "Written by `python -m tieout.validation.bench --write docs/benchmarks.md`."
    )


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if sys.platform == "linux" and path.exists():
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

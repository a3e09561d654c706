"""Fresh processes: the time from the start of the interpreter to a printed summary, and the memory.

Both sides read the same file of arrays, W2 or W3, perform the weights in memory, and read equity, trades and
ratios. VectorBT reads two of the arrays, tieout seven. No process is pinned.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import NamedTuple

import numpy as np

import tieout
from tieout.ledger.process import start
from tieout.validation.bench.contest import CENT, TIEOUT, Disagreement, Engines, Failed
from tieout.validation.bench.floors import COLUMNS, verdict
from tieout.validation.workloads.arrays import folder_of
from tieout.validation.workloads.markdown import Table, duration, spread, times
from tieout.validation.workloads.rounds import Timing, in_turn
from tieout.validation.workloads.task import Clock

VALUES = {"W2": Decimal("1263044.75"), "W3": Decimal("16228265.55")}
"""Final value that every side has to reach."""
FIRST_RUN_SECONDS = 8.0
"""Limit of the very first run on a machine."""

_SCRIPTS = Path(__file__).parent / "scripts"


class Process(NamedTuple):
    """Cost of a fresh process: seconds from its start to its end, and MB at its peak."""

    seconds: float
    memory: float


class Script(NamedTuple):
    """A program, and the interpreter with the packages that it needs."""

    python: str
    name: str
    options: Sequence[str] = ()

    def run(self, arrays: Path, cache: Path) -> Process:
        """Run it once with compiled kernels in *cache*. Its result has to be that of the reference."""
        source = (_SCRIPTS / f"{self.name}.py").read_text("utf-8")
        environment = {"NUMBA_CACHE_DIR": str(cache)}
        if self.name == TIEOUT:
            environment["PYTHONPATH"] = str(Path(tieout.__file__).parent.parent)
        command = ("-c", source, str(arrays), *self.options)
        with Clock() as clock:
            child = start(
                *command,
                python=self.python,
                environment=environment,
                cwd=arrays.parent,
                stdout=PIPE,
                stderr=PIPE,
            )
            output, errors = child.communicate()
        if child.returncode:
            raise Failed(f"a fresh process of {self.name}: {errors}")
        value, kilobytes = output.split("\n")[-2].split()
        expected = VALUES[arrays.stem]
        if Decimal(value).quantize(CENT) != expected:
            raise Disagreement(f"a fresh process of {self.name} ends with {value}, not {expected}")
        return Process(clock.seconds, int(kilobytes) / 1024)


def scripts(engines: Engines) -> dict[str, Script]:
    """Return our script, and those of VectorBT where it is installed."""
    programs = {TIEOUT: Script(sys.executable, TIEOUT)}
    if (python := engines.find("vectorbt")) is not None:
        programs |= {name: Script(python, "vectorbt", [name]) for name in ("rust", "numba")}
    return programs


def measure(engines: Engines, folder: Path, rounds: int) -> Table:
    """Measure the cold starts and memory of tieout and of VectorBT."""
    programs = scripts(engines)
    arrays = {name: _packed(name, folder) for name in VALUES}
    cache = folder / "compiled"
    cache.mkdir()

    def warm(name: str) -> float:
        return programs[name].run(arrays["W2"], cache).seconds

    def cold(name: str) -> float:
        with tempfile.TemporaryDirectory(dir=folder) as empty:
            return programs[name].run(arrays["W2"], Path(empty)).seconds

    started = in_turn({name: partial(warm, name) for name in programs}, rounds)
    compiling = [name for name in (TIEOUT, "numba") if name in programs]
    first = in_turn({name: partial(cold, name) for name in compiling}, rounds, warm_up=False)
    memory: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, script in programs.items():
            memory[name].append(script.run(arrays["W3"], cache).memory)
    return _table(started, first, memory)


def _table(
    started: Mapping[str, Timing], first: Mapping[str, Timing], memory: Mapping[str, Sequence[float]]
) -> Table:
    rows = []
    for label, workload, timings, other, least in (
        ("fresh process, compiled cache present, file to printed summary", "W2", started, "rust", 2.0),
        ("very first run on a machine, compilation included", "W2", first, "numba", 2.5),
    ):
        timing = timings[TIEOUT]
        row = [label, workload, spread(timing), f"VectorBT {other}"]
        if other in timings:
            ratio = timing.ratio(timings[other])
            row += [spread(timings[other]), times(ratio), f"{least:g}", verdict(ratio, least)]
        rows.append(row)
    met = "yes" if first[TIEOUT].median < FIRST_RUN_SECONDS else "NO"
    under = f"under {duration(FIRST_RUN_SECONDS)}"
    rows.append(["the same, by itself", "W2", spread(first[TIEOUT]), "", "", "", under, met])
    row = ["memory of a fresh process, arrays, journal in memory", "W3", _megabytes(memory[TIEOUT])]
    if "rust" in memory:
        shares = sorted(b / a for a, b in zip(memory[TIEOUT], memory["rust"], strict=True))
        ratio = float(np.median(shares)), shares[0], shares[-1]
        row += ["VectorBT rust", _megabytes(memory["rust"]), times(ratio), "2", verdict(ratio, 2.0)]
    rows.append(row)
    width = len(COLUMNS)
    note = (
        "Wall time of processes, not pinned to a core. Memory is the peak of each process."
        " Both read the same file of arrays and print their ratios. VectorBT reads two arrays, tieout seven."
    )
    return Table("Fresh processes", COLUMNS, [[*row, *[""] * (width - len(row))] for row in rows], note)


def _megabytes(values: Sequence[float]) -> str:
    return f"{np.median(values):,.0f} MB"


def _packed(name: str, folder: Path) -> Path:
    """Write a workload as one file."""
    path = folder / f"{name}.npz"
    np.savez(path, **{part.stem: np.load(part) for part in folder_of(name).glob("*.npy")})
    return path

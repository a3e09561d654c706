"""Fresh processes: from the start of the interpreter to a printed summary, and the memory that it takes.

Both sides read the same file of arrays, W2 or W3, perform the weights in memory, and read equity, trades and
ratios. VectorBT reads two arrays of it, we seven. Nobody is pinned.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

import tieout
from tieout.validation.bench.contest import CENT, OURS, Disagreement, Engines, Failed
from tieout.validation.bench.floors import COLUMNS, verdict
from tieout.validation.workloads.arrays import kept
from tieout.validation.workloads.markdown import Table, duration, spread, times
from tieout.validation.workloads.rounds import Timing, in_turn
from tieout.validation.workloads.task import Clock

VALUES = {"W2": Decimal("1263044.75"), "W3": Decimal("16228265.55")}
"""What everybody has to end with."""
FIRST_RUN_SECONDS = 8.0
"""The very first run on a machine takes no longer."""

_SCRIPTS = Path(__file__).parent / "scripts"


class Process(NamedTuple):
    """What a fresh process took: seconds from its start to its end, and at most so many MB."""

    seconds: float
    memory: float


class Script(NamedTuple):
    """A program, and the interpreter that has what it needs."""

    python: str
    name: str
    options: Sequence[str] = ()

    def run(self, arrays: Path, cache: Path) -> Process:
        """Run it once, kernels compiled to and from *cache*; its result has to be the reference's."""
        source = (_SCRIPTS / f"{self.name}.py").read_text("utf-8")
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
        if self.name == OURS:
            environment["PYTHONPATH"] = str(Path(tieout.__file__).parent.parent)
        with Clock() as clock:
            done = subprocess.run(
                [self.python, "-c", source, str(arrays), *self.options],
                check=False,
                capture_output=True,
                text=True,
                env=environment,
                cwd=arrays.parent,
            )
        if done.returncode:
            raise Failed(f"a fresh process of {self.name}: {done.stderr}")
        value, kilobytes = done.stdout.split("\n")[-2].split()
        expected = VALUES[arrays.stem]
        if Decimal(value).quantize(CENT) != expected:
            raise Disagreement(f"a fresh process of {self.name} ends with {value}, not {expected}")
        return Process(clock.seconds, int(kilobytes) / 1024)


def scripts(engines: Engines) -> dict[str, Script]:
    """Ours, and VectorBT's where it is found."""
    found = {OURS: Script(sys.executable, OURS)}
    if (python := engines.find("vectorbt")) is not None:
        found |= {name: Script(python, "vectorbt", [name]) for name in ("rust", "numba")}
    return found


def measure(engines: Engines, folder: Path, rounds: int) -> Table:
    """Cold starts and memory, ours beside VectorBT's."""
    given = scripts(engines)
    arrays = {name: _packed(name, folder) for name in VALUES}
    cache = folder / "compiled"
    cache.mkdir()

    def warm(name: str) -> float:
        return given[name].run(arrays["W2"], cache).seconds

    def cold(name: str) -> float:
        with tempfile.TemporaryDirectory(dir=folder) as empty:
            return given[name].run(arrays["W2"], Path(empty)).seconds

    started = in_turn({name: partial(warm, name) for name in given}, rounds)
    compiling = [name for name in (OURS, "numba") if name in given]
    first = in_turn({name: partial(cold, name) for name in compiling}, rounds, warm_up=False)
    memory: dict[str, list[float]] = {name: [] for name in given}
    for _ in range(rounds):
        for name, script in given.items():
            memory[name].append(script.run(arrays["W3"], cache).memory)
    return _table(started, first, memory)


def _table(
    started: Mapping[str, Timing], first: Mapping[str, Timing], memory: Mapping[str, Sequence[float]]
) -> Table:
    rows = []
    for what, workload, timings, other, least in (
        ("fresh process, compiled cache present, file to printed summary", "W2", started, "rust", 2.0),
        ("very first run on a machine, compilation included", "W2", first, "numba", 2.5),
    ):
        ours = timings[OURS]
        row = [what, workload, spread(ours), f"VectorBT {other}"]
        if other in timings:
            ratio = ours.ratio(timings[other])
            row += [spread(timings[other]), times(ratio), f"{least:g}", verdict(ratio, least)]
        rows.append(row)
    met = "yes" if first[OURS].median < FIRST_RUN_SECONDS else "NO"
    under = f"under {duration(FIRST_RUN_SECONDS)}"
    rows.append(["the same, by itself", "W2", spread(first[OURS]), "", "", "", under, met])
    row = ["memory of a fresh process, arrays, journal in memory", "W3", _megabytes(memory[OURS])]
    if "rust" in memory:
        shares = sorted(b / a for a, b in zip(memory[OURS], memory["rust"], strict=True))
        ratio = float(np.median(shares)), shares[0], shares[-1]
        row += ["VectorBT rust", _megabytes(memory["rust"]), times(ratio), "2", verdict(ratio, 2.0)]
    rows.append(row)
    width = len(COLUMNS)
    note = (
        "Wall time of processes, nobody pinned; memory is the largest that each became."
        " Both read the same file of arrays, VectorBT two of them and we seven, and print their ratios."
    )
    return Table("Fresh processes", COLUMNS, [[*row, *[""] * (width - len(row))] for row in rows], note)


def _megabytes(values: Sequence[float]) -> str:
    return f"{np.median(values):,.0f} MB"


def _packed(name: str, folder: Path) -> Path:
    """A workload as one file."""
    path = folder / f"{name}.npz"
    np.savez(path, **{part.stem: np.load(part) for part in kept(name).glob("*.npy")})
    return path

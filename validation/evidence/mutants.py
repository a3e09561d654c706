"""Faults planted in the product, each killed by a named test, or reported as a survivor.

    python -m tieout.validation.evidence.mutants [TEXT ...]

The faults are listed in `mutants.toml`. A fault is one edit of one file, made in a copy of the source tree
and never in the tree itself. Every test that has to kill one passes on the unmutated copy first. With
arguments, only the faults are planted whose name or file contains one of the texts. Exit status 1 if any
fault survives, 2 if the tests could not be run as described.
"""

import json
import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from subprocess import PIPE

from attrs import field, frozen
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tieout.ledger.process import start

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("tieout", "ledger", "execution", "strategies", "validation", "tests")
PASSED, FAILED = 0, 1
# The kernels run as plain Python: compiling them again for each mutant would take most of the time. Plugins
# of pytest that no killer needs would take a third of the rest.
VARIABLES = {
    "NUMBA_DISABLE_JIT": "1",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""Environment of every run of tests."""


class NotAsDescribed(Exception):
    """A mutant does not fit the source, or a test that should pass does not."""


def _node_ids(tests: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"tests/{test}" for test in tests)


@frozen
class Mutant:
    """A fault: *old* in *file* becomes *new*. *killers* are tests, at least one of which has to fail."""

    name: str
    breaks: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...] = field(converter=_node_ids)


@frozen
class Verdict:
    """The fate of a mutant. *killer* is the test that failed, '' where none did."""

    mutant: Mutant
    killer: str
    seconds: float


MUTANTS = tuple(
    Mutant(**row) for row in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["mutants"]
)


def copy_tree(folder: Path) -> Path:
    """Copy the source tree into *folder*. The links of `tieout` lead to the rooms of the copy."""
    left_out = shutil.ignore_patterns("__pycache__", ".*")
    for place in PLACES:
        shutil.copytree(ROOT / place, folder / place, symlinks=True, ignore=left_out)
    for paper in (*ROOT.glob("*.toml"), *ROOT.glob("*.md"), ROOT / "Makefile"):
        shutil.copy(paper, folder)
    return folder


def apply(mutant: Mutant, tree: Path) -> None:
    """Make the edit in the copy at *tree*. Raise `NotAsDescribed` unless *old* stands there exactly once."""
    path = tree / mutant.file
    text = path.read_text("utf-8")
    if text.count(mutant.old) != 1:
        raise NotAsDescribed(
            f"{mutant.name}: {mutant.file} contains {mutant.old!r} {text.count(mutant.old)} times, not once"
        )
    path.write_text(text.replace(mutant.old, mutant.new), "utf-8")


class Nursery:
    """A process that forks one for each run of tests: see `nursery`."""

    def __init__(self) -> None:
        script = str(Path(__file__).with_name("nursery.py"))
        self._process = start(script, environment=VARIABLES, stdin=PIPE, stdout=PIPE)

    def run_tests(self, tree: Path, tests: Iterable[str]) -> "Run":
        """Run *tests* against the copy at *tree*.

        Raise `NotAsDescribed` where pytest does not get to an end, or another copy is imported.
        """
        output = tree / "output.txt"
        request = {
            "tree": str(tree),
            "variables": {"PYTHONPATH": str(tree), "NUMBA_CACHE_DIR": str(tree / "kernels")},
            "arguments": ["--exitfirst", "--quiet", "--tb=no", "-rfE", "-p", "no:cacheprovider", *tests],
            "output": str(output),
        }
        asking, answering = self._process.stdin, self._process.stdout
        assert asking is not None
        assert answering is not None
        asking.write(json.dumps(request) + "\n")
        asking.flush()
        if not (line := answering.readline()):
            raise NotAsDescribed("the process that forks the tests has ended")
        answer = json.loads(line)
        lines = output.read_text("utf-8").splitlines()
        faults = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        run = Run(answer["status"], faults or lines[-5:])
        if run.status not in (PASSED, FAILED):
            raise NotAsDescribed(f"pytest ended with {run.status}: {' '.join(run.lines)}")
        others = [
            file for file in answer["places"] if not Path(file).resolve().is_relative_to(tree.resolve())
        ]
        if others or not answer["places"]:
            raise NotAsDescribed(f"the tests imported {others[:3]} instead of the copy at {tree}")
        return run

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


@frozen
class Run:
    """The exit *status* of pytest, and a line for each failure, or its last lines."""

    status: int
    lines: list[str]


def judge(mutant: Mutant, nurseries: "SimpleQueue[Nursery]") -> Verdict:
    """Plant *mutant* in a copy and return the test that fails on it, if one does."""
    nursery, start = nurseries.get(), time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="tieout-mutant-") as folder:
            tree = copy_tree(Path(folder))
            apply(mutant, tree)
            run = nursery.run_tests(tree, mutant.killers)
    except NotAsDescribed as error:
        raise NotAsDescribed(f"{mutant.name}: {error}") from error
    finally:
        nurseries.put(nursery)
    killer = run.lines[0].split(" - ")[0].split("::")[-1] if run.status == FAILED else ""
    return Verdict(mutant, killer, time.perf_counter() - start)


def require_soundness(mutants: Iterable[Mutant], nursery: Nursery) -> None:
    """Raise `NotAsDescribed` unless every killer passes on the unmutated copy."""
    with tempfile.TemporaryDirectory(prefix="tieout-sound-") as folder:
        tests = dict.fromkeys(test for mutant in mutants for test in mutant.killers)
        run = nursery.run_tests(copy_tree(Path(folder)), tests)
    if run.status != PASSED:
        raise NotAsDescribed(f"without a mutant pytest ends with {run.status}: {' '.join(run.lines)}")


def table(verdicts: Iterable[Verdict]) -> Table:
    """Return one row for each mutant: the fault, the test that killed it and the time."""
    rows = Table("mutant", "what it breaks", "killed by", "s")
    for verdict in verdicts:
        killer = Text(verdict.killer) if verdict.killer else Text("SURVIVED", "bold red")
        rows.add_row(verdict.mutant.name, verdict.mutant.breaks, killer, f"{verdict.seconds:.0f}")
    return rows


def select(texts: Sequence[str]) -> list[Mutant]:
    """List the mutants whose name or file contains one of *texts*, or all of them without any."""
    return [m for m in MUTANTS if not texts or any(text in f"{m.name} {m.file}" for text in texts)]


def main(arguments: Sequence[str] = ()) -> int:
    """Plant the mutants and print the table. Return the exit status."""
    console, start = Console(), time.perf_counter()
    mutants = select(arguments)
    workers = [Nursery() for _ in range(os.cpu_count() or 1)]
    nurseries: SimpleQueue[Nursery] = SimpleQueue()
    for worker in workers:
        nurseries.put(worker)
    try:
        require_soundness(mutants, workers[0])
        with ThreadPoolExecutor(len(workers)) as pool:
            verdicts = list(pool.map(lambda mutant: judge(mutant, nurseries), mutants))
    except NotAsDescribed as error:
        console.print(str(error), markup=False)
        return 2
    finally:
        for worker in workers:
            worker.end()
    wide = console if console.is_terminal else Console(width=200)
    wide.print(table(verdicts))
    survivors = [verdict.mutant.name for verdict in verdicts if not verdict.killer]
    console.print(f"{len(verdicts)} mutants, {len(survivors)} survived, {time.perf_counter() - start:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

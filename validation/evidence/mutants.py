"""Faults planted in the product, each killed by a named test, or reported as a survivor.

    python -m tieout.validation.evidence.mutants [TEXT ...]

The faults are listed in `mutants.toml`. A fault is one edit of one file, made in a copy of the source tree
and never in the tree itself. Every test that has to kill one passes on the unmutated copy first. With
arguments, only the faults are planted whose name or file contains one of the texts. Exit status 1 if any
fault survives, 2 if the tests could not be run as described.
"""

import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE

from attrs import field, frozen
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tieout.ledger.process import start

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("tieout", "ledger", "execution", "strategies", "validation", "tests")
PASSED, FAILED = 0, 1


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


def environment(tree: Path) -> dict[str, str]:
    """Return the variables under which a process imports the copy at *tree*.

    The kernels run as plain Python: compiling them again for each mutant would take most of the time. Plugins
    of pytest that no killer needs would take a third of the rest.
    """
    return {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_DISABLE_JIT": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "NUMBA_CACHE_DIR": str(tree / "kernels"),
    }


def run_tests(tree: Path, tests: Iterable[str]) -> tuple[int, list[str]]:
    """Run *tests* against the copy at *tree*. Return pytest's exit status and a line for each failure."""
    options = ["--exitfirst", "--quiet", "--tb=no", "-rfE", "-p", "no:cacheprovider"]
    variables = environment(tree)
    with start(
        "-m", "pytest", *options, *tests, environment=variables, cwd=tree, stdout=PIPE, stderr=PIPE
    ) as child:
        lines = "".join(child.communicate()).splitlines()
    return child.returncode, [line for line in lines if line.startswith(("FAILED", "ERROR"))] or lines[-5:]


def judge(mutant: Mutant) -> Verdict:
    """Plant *mutant* in a copy and return the test that fails on it, if one does."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tieout-mutant-") as folder:
        tree = copy_tree(Path(folder))
        apply(mutant, tree)
        status, lines = run_tests(tree, mutant.killers)
    if status not in (PASSED, FAILED):
        raise NotAsDescribed(f"{mutant.name}: pytest ended with {status}: {' '.join(lines)}")
    killer = lines[0].split(" - ")[0].split("::")[-1] if status == FAILED else ""
    return Verdict(mutant, killer, time.perf_counter() - start)


def require_soundness(mutants: Iterable[Mutant]) -> None:
    """Raise `NotAsDescribed` unless every killer passes on the unmutated copy, and the copy is tested."""
    with tempfile.TemporaryDirectory(prefix="tieout-sound-") as folder:
        tree = copy_tree(Path(folder))
        code = "import tieout.execution as e, tieout.ledger as l; print(l.__file__, e.__file__)"
        with start("-c", code, environment=environment(tree), cwd=tree, stdout=PIPE) as child:
            files = child.communicate()[0].split()
        if not files or not all(Path(file).is_relative_to(tree) for file in files):
            raise NotAsDescribed(f"the tests would import {files} instead of the copy")
        status, lines = run_tests(tree, dict.fromkeys(test for mutant in mutants for test in mutant.killers))
    if status != PASSED:
        raise NotAsDescribed(f"without a mutant pytest ends with {status}: {' '.join(lines)}")


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
    try:
        require_soundness(mutants)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            verdicts = list(pool.map(judge, mutants))
    except NotAsDescribed as error:
        console.print(str(error), markup=False)
        return 2
    wide = console if console.is_terminal else Console(width=200)
    wide.print(table(verdicts))
    survivors = [verdict.mutant.name for verdict in verdicts if not verdict.killer]
    console.print(f"{len(verdicts)} mutants, {len(survivors)} survived, {time.perf_counter() - start:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A run described in a file, killed at random bars and resumed.

    python -m tieout.validation.evidence.faults.kills --kills 20

Each trial runs the spec in a process of its own, which reports every bar, kills it with SIGKILL, some a
second time while it resumes, and then resumes it to the end. The head digest has to be that of the run left
alone, and every check has to hold. Exits 1 otherwise.
"""

import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from attrs import frozen
from rich.console import Console
from rich.table import Table

from tieout.execution.replay.reperformance import Recorded
from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.reading import read
from tieout.ledger.file.database import holds_nothing
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.validation.evidence.faults.children import child, received

BARS = 252
SPEC = f"""
[bars]
generated = "tieout.strategies.universe:generate"
parameters = {{ stocks = 100, days = {BARS}, seed = 3 }}

[strategy]
name = "tieout.strategies.top:Top"
parameters = {{ count = 10 }}

[account]
cash = "1000000"

[costs]
commission = {{ percent = "0.001", minimum = "1" }}

[run]
block_bars = 7
"""
AGAIN = 3
"""One trial in so many is killed a second time."""


@frozen
class Trial:
    """One run that was killed: at which bars, how many blocks its file held then, and how it ended."""

    killed: tuple[int, ...]
    held: tuple[int, ...]
    blocks: int
    head: str
    sound: bool


def perform(spec: Path, journal: Path, report: Callable[[int], None] | None = None) -> str:
    """Run a spec into *journal*, or resume it; the head digest. *report* is told each bar."""
    step = None if report is None else lambda done, _: report(done)
    with assemble(read(spec)).run(journal, progress=step) as result:
        return result.head


def killed_at(spec: Path, journal: Path, bar: int) -> int:
    """Run in a process that is killed once it reports *bar*; the last bar that it reported."""
    with child(_run, spec, journal) as (process, reports):
        done = next(reported for reported in received(reports) if reported >= bar)
        process.kill()
        process.join()
    return int(done)


def _run(report: Callable[[object], None], spec: Path, journal: Path) -> str:
    return perform(spec, journal, report)


def trial(folder: Path, spec: Path, number: int, choice: random.Random) -> Trial:
    """Kill the run of *spec* at one or two random bars and resume it."""
    journal = folder / f"{number}.duckdb"
    killed, held = [], []
    for _ in range(2 if number % AGAIN == AGAIN - 1 else 1):
        killed.append(killed_at(spec, journal, choice.randint(1, BARS - 1)))
        held.append(0 if holds_nothing(journal) else len(Recorded.read(journal).seals))
    head = perform(spec, journal)
    with Reader(journal) as reader:
        report = verify(reader)
    return Trial(tuple(killed), tuple(held), report.blocks, head, report.ok)


def campaign(folder: Path, kills: int, seed: int, tell: Callable[[Trial], None]) -> tuple[str, list[Trial]]:
    """The head digest of the run left alone, and *kills* trials."""
    spec = folder / "killed.toml"
    spec.write_text(SPEC)
    whole = perform(spec, folder / "whole.duckdb")
    trials = []
    for number in range(kills):
        trials.append(trial(folder, spec, number, random.Random(f"{seed} {number}")))
        tell(trials[-1])
    return whole, trials


def table(whole: str, trials: list[Trial], title: str) -> Table:
    """The trials for the terminal."""
    shown = Table(
        "trial", "killed at bar", "blocks held", "blocks at the end", "head equal", "checks", title=title
    )
    for number, t in enumerate(trials):
        shown.add_row(
            str(number),
            ", ".join(map(str, t.killed)),
            ", ".join(map(str, t.held)),
            str(t.blocks),
            "yes" if t.head == whole else "NO",
            "ok" if t.sound else "FAILED",
        )
    return shown


def kills(
    kills: Annotated[int, typer.Option(help="How many runs to kill.")] = 20,
    seed: Annotated[int | None, typer.Option(help="Choose the same bars again.")] = None,
) -> None:
    """Kill runs at random bars and resume them; exit 1 if one ends with another head digest."""
    console, start = Console(), time.perf_counter()
    seed = secrets.randbelow(2**31) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="tieout-kills-") as folder:
        whole, trials = campaign(Path(folder), kills, seed, lambda t: print(f"killed at {t.killed}"))
    console.print(table(whole, trials, f"Kills, seed {seed}, {time.perf_counter() - start:.0f} s"))
    console.print(f"head digest {whole}")
    sys.exit(0 if all(t.head == whole and t.sound for t in trials) else 1)


def main() -> None:
    """Run the command."""
    typer.run(kills)


# A child imports this module under another name, and runs nothing.
if __name__ == "__main__":
    main()

"""The command that makes all faults and prints their results."""

import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from tieout.validation.evidence.faults import campaign, pairs
from tieout.validation.evidence.sizes import size


def faults(
    seed: Annotated[int | None, typer.Option(help="Choose the same places and moments again.")] = None,
    share: Annotated[float, typer.Option(help="Make this share of the trials.")] = 1.0,
) -> None:
    """Kill, cut, flip, swap, fill and compete. Exit 1 if a block is lost or an error is silent."""
    console, start = Console(), time.perf_counter()
    seed = secrets.randbelow(2**31) if seed is None else seed
    console.print(f"seed {seed}")
    with (
        tempfile.TemporaryDirectory(prefix="tieout-faults-") as folder,
        Progress(console=Console(stderr=True)) as progress,
    ):
        planned = campaign.faults(Path(folder), share)
        task = progress.add_task("faults", total=sum(fault.times for fault in planned))
        rows = campaign.perform(planned, seed, lambda: progress.advance(task))
        tallies = _pairs(Path(folder), seed, share, progress)
    wide = console if console.is_terminal else Console(width=200)
    wide.print(campaign.table(rows, f"Faults, seed {seed}, {time.perf_counter() - start:.0f} s"))
    wide.print(campaign.kinds(rows))
    wide.print(pairs.table(tallies))
    complaints = [complaint for row in rows for complaint in row.complaints()]
    complaints += [fault for tally in tallies for fault in tally.faults]
    for complaint in complaints[:20]:
        console.print(complaint, markup=False, soft_wrap=True)
    if complaints[20:]:
        console.print(f"and {len(complaints) - 20} more")
    sys.exit(1 if complaints else 0)


def _pairs(folder: Path, seed: int, share: float, progress: Progress) -> list[pairs.Tally]:
    """Begin pairs of runs at once, by processes that stay alive and by fresh ones."""
    tallies = []
    for name, begin in (
        ("pairs of runs by workers", pairs.compete),
        ("pairs of runs by commands", pairs.compete_as_commands),
    ):
        count = max(1, round(size(name) * share))
        tally = pairs.Tally(name)
        for pair in progress.track(begin(folder, count, seed), count, description=name):
            tally.add(pair)
        tallies.append(tally)
    return tallies


def main() -> None:
    """Run the command."""
    typer.run(faults)

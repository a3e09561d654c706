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

from tieout.validation.evidence.faults import campaign


def faults(
    seed: Annotated[int | None, typer.Option(help="Choose the same places and moments again.")] = None,
    share: Annotated[float, typer.Option(help="Make this share of the trials.")] = 1.0,
) -> None:
    """Kill, cut, flip, swap and fill. Exit 1 if an acknowledged block is lost or an error is silent."""
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
    wide = console if console.is_terminal else Console(width=200)
    wide.print(campaign.table(rows, f"Faults, seed {seed}, {time.perf_counter() - start:.0f} s"))
    complaints = [complaint for row in rows for complaint in row.complaints()]
    for complaint in complaints[:20]:
        console.print(complaint, markup=False, soft_wrap=True)
    if complaints[20:]:
        console.print(f"and {len(complaints) - 20} more")
    sys.exit(1 if complaints else 0)


def main() -> None:
    """Run the command."""
    typer.run(faults)

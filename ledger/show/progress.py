"""The progress bar of every command."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tieout.ledger.text import line

Step = Callable[[str, int, int], None]
"""A function that is called with the name of the work, the count so far and the total."""


@contextmanager
def progress(name: str = "", total: int | None = None, *, with_rate: bool = False) -> Iterator[Step]:
    """Show a bar on the standard error while long work goes on, if that is a terminal.

    *name* and *total* are shown until the first step. A rate counts from the first step, because compiling
    comes before it.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(line(name), total=total, rate="")
        first: list[float] = []

        def step(name: str, count: int, total: int) -> None:
            now = time.perf_counter()
            first[:] = first or [now, count]
            spent = now - first[0]
            rate = f"{(count - first[1]) / spent:,.0f} {name}/s" if with_rate and spent > 0 else ""
            bars.update(bar, description=line(name), completed=count, total=total, rate=line(rate))

        yield step

"""What `tieout bench` does: measure, print, write."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import typer
from rich.console import Console

from tieout.validation.bench import floors, market, parts
from tieout.validation.bench.contest import Disagreement, Engines, Failed
from tieout.validation.workloads import markdown as report

_WIDTH = 140
"""Characters of a line where the output is no terminal."""


def run(
    *,
    quick: bool,
    only: Sequence[str],
    workloads: Sequence[str],
    peers: Sequence[str],
    write: Path | None = None,
    readme: Path | None = None,
) -> None:
    """Measure the parts that are asked for, print them, and write them where that is wanted."""
    known = [name for name in parts.TITLES if name != "machine"]
    _require(only, known, "part")
    _require(workloads, market.WORKLOADS, "workload")
    chosen = list(only) or (list(parts.QUICK) if quick else known)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    engines = Engines(peers)
    with tempfile.TemporaryDirectory(prefix="tieout-bench-") as folder:
        names = tuple(workloads) or (market.QUICK if quick else market.WORKLOADS)
        tell = partial(typer.echo, err=True)
        session = parts.Session(engines, Path(folder), quick, tell, names)
        try:
            for name, part in parts.measure(session, chosen):
                for table in part.tables:
                    table.show(console)
                # Part by part: what fails later takes nothing away.
                if write is not None:
                    report.write(write, {name: part}, parts.TITLES)
                if readme is not None and name == "market":
                    report.insert(readme, floors.short(part.tables[0]))
        except (Disagreement, Failed) as error:
            typer.echo(f"tieout: {error}", err=True)
            raise typer.Exit(1) from None


def _require(given: Sequence[str], known: Sequence[str], what: str) -> None:
    for name in given:
        if name not in known:
            raise typer.BadParameter(f"there is no {what} {name!r}; there are {', '.join(known)}")

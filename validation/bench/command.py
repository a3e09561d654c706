"""The work of `tieout bench`: measure, print, write."""

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
"""Characters of a line where the output is not a terminal."""


def run(
    *,
    quick: bool,
    only: Sequence[str],
    workloads: Sequence[str],
    peers: Sequence[str],
    write: Path | None = None,
    readme: Path | None = None,
) -> None:
    """Measure the parts of *only*, or all, print them, and write them to the files."""
    names = [name for name in parts.TITLES if name != "machine"]
    _require(only, names, "part")
    _require(workloads, market.WORKLOADS, "workload")
    chosen = list(only) or (list(parts.QUICK) if quick else names)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    engines = Engines(peers)
    with tempfile.TemporaryDirectory(prefix="tieout-bench-") as folder:
        contested = tuple(workloads) or (market.QUICK if quick else market.WORKLOADS)
        tell = partial(typer.echo, err=True)
        session = parts.Session(engines, Path(folder), quick, tell, contested)
        try:
            for name, part in parts.measure(session, chosen):
                for table in part.tables:
                    table.show(console)
                # Part by part, so that a later failure loses no measurement.
                if write is not None:
                    report.write(write, {name: part}, parts.TITLES)
                if readme is not None and name == "market":
                    report.insert(readme, floors.short(part.tables[0]))
        except (Disagreement, Failed) as error:
            typer.echo(f"tieout: {error}", err=True)
            raise typer.Exit(1) from None


def _require(names: Sequence[str], choices: Sequence[str], noun: str) -> None:
    for name in names:
        if name not in choices:
            raise typer.BadParameter(f"there is no {noun} {name!r}, choose from {', '.join(choices)}")

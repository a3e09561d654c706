"""The maintainer's command: `python -m tieout.validation.bench` also writes the tables of the docs."""

from pathlib import Path
from typing import Annotated

import typer

from tieout.validation.bench import command
from tieout.validation.bench.options import Only, Peers, Quick, Workloads

MarkdownFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE.md", help="Write the tables to this file. Other parts stay."),
]
Readme = Annotated[Path | None, typer.Option(metavar="README.md", help="Put the short table in this file.")]


def bench(
    quick: Quick = False,  # noqa: FBT002  a flag on the command line is a boolean argument
    write: MarkdownFile = None,
    readme: Readme = None,
    only: Only = None,
    workload: Workloads = None,
    peers: Peers = None,
) -> None:
    """Measure backtests beside other engines, and write the tables to docs/benchmarks.md and README.md."""
    command.run(
        quick=quick, write=write, readme=readme, only=only or [], workloads=workload or [], peers=peers or []
    )


if __name__ == "__main__":
    typer.run(bench)

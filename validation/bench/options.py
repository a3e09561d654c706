"""Options that `tieout bench` and the maintainer's command share."""

from typing import Annotated

import typer

Quick = Annotated[bool, typer.Option("--quick", help="Two small workloads in three rounds, under a minute.")]
Only = Annotated[list[str] | None, typer.Option(metavar="PART", help="Measure this part only (repeatable).")]
Workloads = Annotated[
    list[str] | None,
    typer.Option("--workload", metavar="W", help="Run this workload of the contests only, W1 to W5."),
]
Peers = Annotated[
    list[str] | None,
    typer.Option(metavar="PYTHON", help="An interpreter in which other engines are installed."),
]

"""`tieout bench`."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: tieout bench --quick --peers ~/peers/bin/python")(bench)


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Two small workloads, three rounds; under a minute.")
    ] = False,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="Also write the tables to this file, as Markdown.")
    ] = None,
    readme: Annotated[
        Path | None, typer.Option(metavar="README.md", help="Also put the short table in this file.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="PART", help="One part; those not measured stay in the file as they are."),
    ] = None,
    workload: Annotated[
        list[str] | None, typer.Option(metavar="W", help="One workload, W1 to W5, of the contests.")
    ] = None,
    peers: Annotated[
        list[str] | None,
        typer.Option(metavar="PYTHON", help="An interpreter in which other engines are installed."),
    ] = None,
) -> None:
    """Measure backtests beside other engines, on the same arrays and to the same cent.

    Other engines take part where they are installed: in this interpreter, or in those that --peers names.
    """
    from validation.bench import command

    command.run(
        quick=quick, write=write, readme=readme, only=only or [], workloads=workload or [], peers=peers or []
    )

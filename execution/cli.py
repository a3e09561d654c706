"""The commands of this room: run, reperform."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

FOUND_WRONG, COULD_NOT_RUN = 1, 2


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command, example in (
        (run, "tieout run momentum.toml --journal momentum.duckdb"),
        (reperform, "tieout reperform run.duckdb --folder data"),
    ):
        app.command(epilog=f"Example: {example}")(command)


def run(
    spec: Annotated[Path, typer.Argument(metavar="SPEC.toml", help="The backtest's description.")],
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN.duckdb",
            help="Where the journal goes; as the spec says, or SPEC.duckdb beside it, if not given.",
        ),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Remove the journal that is there and begin again.")
    ] = False,
) -> None:
    """Run the backtest that a file describes, start to verified journal.

    A run that was stopped is resumed where it ended; one that is finished is performed again and compared.
    Exit status 1 means that a check failed.
    """
    from tieout.execution.console import perform
    from tieout.execution.spec.assembly import assemble
    from tieout.execution.spec.schema import read

    with _told():
        written = read(spec)
        told = written.spec.run.journal
        path = journal or (spec.parent / told if told else spec.with_suffix(".duckdb"))
        sound = perform(assemble(written), path, str(spec), anew=anew)
    if not sound:
        raise typer.Exit(FOUND_WRONG)


def reperform(
    run: Annotated[Path, typer.Argument(metavar="RUN.duckdb", help="The journal's file.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the recorded paths begin; this folder, or the journal's, if not given.",
        ),
    ] = None,
) -> None:
    """Perform a run again from what its journal records, and compare seal by seal.

    The file is only read. Exit status 1 means that something came out otherwise, or that an input is another.
    """
    from tieout.execution.console import reperform
    from tieout.execution.spec.assembly import assemble, recorded
    from tieout.execution.spec.sources import Folders
    from tieout.ledger.file.reader import Reader

    with _told():
        places = (folder,) if folder is not None else (Path(), run.parent)
        with Reader(run) as reader:
            written = recorded(reader, Folders(places))
        equal = reperform(assemble(written), run)
    if not equal:
        raise typer.Exit(FOUND_WRONG)


@contextmanager
def _told() -> Iterator[None]:
    """Tell what takes more than a sentence: a strategy's traceback, rows that are wrong."""
    from tieout.execution.errors import BadBars, BadFeatures, InputChanged, MalformedOrder, StrategyFailed
    from tieout.ledger.errors import ReplayDiverged

    try:
        yield
    except KeyboardInterrupt:
        typer.echo("tieout: interrupted; what is sealed stays, run it again to go on from there", err=True)
        raise typer.Exit(COULD_NOT_RUN) from None
    except StrategyFailed as error:
        cause = error.__cause__
        traceback.print_exception(cause, file=sys.stderr)
        typer.echo(f"tieout: {error}", err=True)
        raise typer.Exit(COULD_NOT_RUN) from None
    except (InputChanged, ReplayDiverged) as error:
        typer.echo(f"tieout: {error}; nothing was changed, and --anew begins again", err=True)
        raise typer.Exit(COULD_NOT_RUN) from None
    except (BadBars, BadFeatures, MalformedOrder) as error:
        typer.echo(f"tieout: {error}", err=True)
        raise typer.Exit(COULD_NOT_RUN) from None

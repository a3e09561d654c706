"""The commands of this package: run, reperform."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tieout.ledger.application import CHECK_FAILED, COULD_NOT_RUN
from tieout.ledger.terminal import say

_RESUMABLE = "sealed blocks are kept. Run the same command to resume."

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Folder of the files that the journal names: data, and a strategy. No other file is read.",
    ),
]
RunOtherCode = Annotated[
    bool,
    typer.Option(
        "--run-other-code",
        help="Run code that the journal names even if its digest is not the recorded one, or if it lies"
        " outside of FOLDER and of every package that declares tieout.strategies.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command, example in (
        (run, "tieout run momentum.toml --journal momentum.duckdb"),
        (reperform, "tieout reperform run.duckdb --data-dir data"),
    ):
        app.command(epilog=f"Example: {example}")(command)


def run(
    spec: Annotated[Path, typer.Argument(metavar="SPEC.toml", help="The backtest's description.")],
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN.duckdb",
            help="File of the journal (default: as the spec says, else SPEC.duckdb beside it).",
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Start over, and replace the existing journal once the first block is sealed."
        ),
    ] = False,
) -> None:
    """Run a backtest from a spec in TOML, and verify its journal.

    Resumes an interrupted run. Reruns a finished one and compares it with its seals. Exit status 1 means that
    a check failed.
    """
    from tieout.execution.console import run
    from tieout.execution.spec.assembly import assemble
    from tieout.execution.spec.reading import read

    with _explain_errors():
        source = read(spec)
        name = source.spec.run.journal
        path = journal or (spec.parent / name if name else spec.with_suffix(".duckdb"))
        try:
            is_verified = run(assemble(source), path, str(spec), overwrite=overwrite)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_RESUMABLE) from None
    if not is_verified:
        raise typer.Exit(CHECK_FAILED)


def reperform(
    run: Annotated[Path, typer.Argument(metavar="RUN.duckdb", help="The journal's file.")],
    data_dir: DataDir = None,
    run_other_code: RunOtherCode = False,
) -> None:
    """Rerun a backtest from its journal, and compare seal by seal.

    This runs the strategy that the journal names, after its seals are checked. The file is only read. Exit
    status 1 means that a seal is broken, or that a result or an input differs.
    """
    from tieout.execution.console import assemble_recorded, reperform
    from tieout.ledger.file.reader import Reader

    with _explain_errors():
        with Reader(run) as reader:
            recorded = assemble_recorded(reader, data_dir, may_run_other=run_other_code)
        is_equal = recorded is not None and reperform(*recorded)
    if not is_equal:
        raise typer.Exit(CHECK_FAILED)


@contextmanager
def _explain_errors() -> Iterator[None]:
    """Print an error that takes more than one sentence: a strategy's traceback, or rows of bad data."""
    from tieout.execution.errors import BadBars, BadFeatures, InputChanged, MalformedOrder, StrategyFailed
    from tieout.ledger.errors import ReplayDiverged

    try:
        yield
    except StrategyFailed as error:
        cause = error.__cause__
        say(*"".join(traceback.format_exception(cause)).rstrip().split("\n"), error=True)
        say(f"tieout: {error}", error=True)
        raise typer.Exit(COULD_NOT_RUN) from None
    except (InputChanged, ReplayDiverged) as error:
        say(f"tieout: {error}. Nothing was changed; --overwrite starts over.", error=True)
        raise typer.Exit(COULD_NOT_RUN) from None
    except (BadBars, BadFeatures, MalformedOrder) as error:
        say(*f"tieout: {error}".split("\n"), error=True)
        raise typer.Exit(COULD_NOT_RUN) from None

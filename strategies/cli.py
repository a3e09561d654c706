"""`tieout demo`."""

from pathlib import Path
from typing import Annotated

import typer

_HELP = "Path of the journal."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: tieout demo top25.duckdb")(demo)


def demo(
    journal: Annotated[Path, typer.Argument(metavar="RUN.duckdb", help=_HELP)] = Path("build/demo.duckdb"),
) -> None:
    """Run a demonstration: the 25 best of 500 simulated stocks by an ML score.

    Every machine gets the same head digest. The journal of an earlier demo is overwritten.
    """
    from tieout import Backtest, CashAccount, Costs, PercentCommission, Recording
    from tieout.execution.console import run
    from tieout.execution.runs import generated_by
    from tieout.strategies.top import Top
    from tieout.strategies.universe import generate

    seed, generator = 7, "tieout.strategies.universe:generate"
    bars, scores = generate(seed=seed)
    backtest = Backtest(
        bars=bars,
        features=scores,
        strategy=Top(count=25, invested=0.95),
        account=CashAccount("1000000"),
        costs=Costs(commission=PercentCommission("0.001")),
        seed=seed,
        recording=Recording(describe={"bars": {"generated": generator, "parameters": {"seed": seed}}}),
    )
    title = "Top 25 of 500 by score, every day"
    raise typer.Exit(not run(backtest, journal, title, overwrite=generated_by(generator)))

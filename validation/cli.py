"""The commands of this room: bench, compare, audit."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tieout.validation.bench.options import Only, Peers, Quick, Workloads

ClaimFiles = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="What is claimed: timestamp with cash, equity, pnl or total_pnl; timestamp, symbol, quantity"
        "; symbol, closed, pnl of trades. Several times for several files.",
    ),
]
FlowFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Money that moved without a fill: timestamp, amount (above zero: received), and where known"
        " symbol and kind: deposit, withdrawal, dividend, interest, borrow fee, fee, tax, funding, other.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: tieout bench --quick --peers ~/peers/bin/python")(bench)
    app.command(epilog="Example: tieout compare momentum.toml --against backtrader")(compare)
    app.command(epilog="Example: tieout audit --fills fills.csv --prices bars.parquet --claims curve.csv")(
        audit
    )


def bench(quick: Quick = False, only: Only = None, workload: Workloads = None, peers: Peers = None) -> None:
    """Measure backtests beside other engines, on the same arrays and to the same cent.

    Other engines take part where they are installed: in this interpreter, or in those that --peers names.
    """
    from tieout.validation.bench import command

    command.run(quick=quick, only=only or [], workloads=workload or [], peers=peers or [])


def compare(
    given: Annotated[
        Path, typer.Argument(metavar="SPEC.toml|RUN.duckdb", help="A backtest's description, or a journal.")
    ],
    against: Annotated[
        Literal["vectorbt", "backtrader"], typer.Option(help="The engine that the orders are given to.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the paths that a journal records begin; this folder, or the journal's, if not given.",
        ),
    ] = None,
) -> None:
    """Perform a run again in VectorBT or Backtrader, and list what comes out otherwise.

    The orders that our run gave are given to the other engine, which fills, refuses and values them by its
    own rules. Exit status 1 means that something differs; a known difference of rules is named.
    """
    from tieout.validation.compare import command

    if not command.run(given, against, folder):
        raise typer.Exit(1)


def audit(  # noqa: PLR0913, PLR0917  an argument for every option
    fills: Annotated[
        Path, typer.Option(metavar="FILE", help="What was executed: timestamp, symbol, quantity, price, fee.")
    ],
    prices: Annotated[
        Path, typer.Option(metavar="FILE", help="Bars: timestamp, symbol, open, high, low, close.")
    ],
    claims: ClaimFiles = None,
    flows: FlowFile = None,
    form: Annotated[
        Literal["vectorbt", "backtrader", "zipline", "ml4t"] | None,
        typer.Option("--format", help="Whose columns they are; told from the columns if not given."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE.OURS=THEIRS", help="A column of another name: fills.price=px."),
    ] = None,
    cash: Annotated[
        float | None, typer.Option(help="Opening cash; from the first claim of cash or equity if not given.")
    ] = None,
    rate: Annotated[
        float, typer.Option("--commission", metavar="RATE", help="A share of the money of each fill: 0.001.")
    ] = 0.0,
    per_unit: Annotated[float, typer.Option(metavar="MONEY", help="Commission of each unit.")] = 0.0,
    per_fill: Annotated[float, typer.Option(metavar="MONEY", help="Commission of each fill.")] = 0.0,
    long_only: Annotated[
        bool, typer.Option("--long-only", help="Nothing may be sold that is not held.")
    ] = False,
    may_owe_cash: Annotated[bool, typer.Option("--may-owe-cash", help="Cash may fall below zero.")] = False,
    slippage: Annotated[
        float, typer.Option(metavar="SHARE", help="How far prices may lie outside of their bars: 0.001.")
    ] = 0.0,
    tolerance: Annotated[
        float, typer.Option(metavar="MONEY", help="How far a claim may lie from the books.")
    ] = 0.005,
    journal: Annotated[
        Path | None, typer.Option(metavar="RUN.duckdb", help="Keep the books in this new file.")
    ] = None,
) -> None:
    """Book what any engine or broker executed, and tie what it claims to those books.

    Names the first bar at which each claim departs, the fills between, and the faults that explain it.
    Exit status 1 means that something wrong was found. Files are CSV or Parquet.
    """
    from tieout.validation.audit import report
    from tieout.validation.audit.audit import Files, Terms, audit
    from tieout.validation.audit.books import Costs
    from tieout.validation.audit.faults import Rules

    files = Files(fills, prices, claims or [], form, columns or [], flows)
    rules = Rules(may_be_short=not long_only, may_owe_cash=may_owe_cash, slippage=slippage)
    found = audit(files, Terms(cash, Costs(rate, per_unit, per_fill), rules, tolerance), journal)
    report.show(found)
    if not found.agrees:
        raise typer.Exit(1)

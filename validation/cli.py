"""The commands bench, compare and audit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tieout.execution.cli import DataDir, RunOtherCode
from tieout.validation.bench.options import Only, Peers, Quick, Workloads
from tieout.validation.engines import registry

# Each engine is a folder, so the choices are read from the folders.
if TYPE_CHECKING:
    Engine = str
    Format = str
else:
    Engine = Literal[registry.names("adapter")]
    Format = Literal[registry.names("export")]

ClaimFiles = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Claims to check. The columns are timestamp with cash, equity, pnl or total_pnl. Positions have"
        " timestamp, symbol, quantity, and trades have symbol, closed, pnl. Repeat the option for"
        " several files.",
    ),
]
FlowFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Money that moved without a fill: timestamp, amount (positive: received), and optionally symbol"
        " and kind: deposit, withdrawal, transfer, dividend, interest, borrow fee, fee, tax, funding, other.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command(epilog="Example: tieout bench --quick --peers ~/peers/bin/python")(bench)
    app.command(epilog="Example: tieout compare momentum.toml --against backtrader")(compare)
    app.command(epilog="Example: tieout audit --fills fills.csv --prices bars.parquet --claims curve.csv")(
        audit
    )


def bench(quick: Quick = False, only: Only = None, workload: Workloads = None, peers: Peers = None) -> None:
    """Benchmark against other engines on the same arrays, with results equal to the cent.

    Other engines take part where they are installed: in this interpreter, or in those that --peers names.
    """
    from tieout.validation.bench import command

    command.run(quick=quick, only=only or [], workloads=workload or [], peers=peers or [])


def compare(
    source: Annotated[
        Path, typer.Argument(metavar="SPEC.toml|RUN.duckdb", help="The spec of a backtest, or its journal.")
    ],
    against: Annotated[Engine, typer.Option(help="The engine that gets the orders.")],
    data_dir: DataDir = None,
    run_other_code: RunOtherCode = False,
) -> None:
    """Replay the orders of a run in another engine, and list every difference.

    This imports the strategy that the spec or the journal names.

    The engine fills, refuses and values the orders by its own rules. Without its package our imitation takes
    its place, if there is one, and the output says so. Known differences of rules are named.

    Exit status: 0 no difference, 1 a difference, 2 could not run.
    """
    from tieout.validation.compare import command

    if not command.run(source, against, data_dir, may_run_other=run_other_code):
        raise typer.Exit(1)


def audit(  # noqa: PLR0913, PLR0917  an argument for every option
    fills: Annotated[
        Path, typer.Option(metavar="FILE", help="Fills: timestamp, symbol, quantity, price, fee.")
    ],
    prices: Annotated[
        Path, typer.Option(metavar="FILE", help="Bars: timestamp, symbol, open, high, low, close.")
    ],
    claims: ClaimFiles = None,
    flows: FlowFile = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Export format (default: detected from the columns)."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE.OURS=THEIRS", help="Name of a column in the file, e.g. fills.price=px."),
    ] = None,
    cash: Annotated[
        float | None, typer.Option(help="Opening cash (default: from the first claim of cash or equity).")
    ] = None,
    rate: Annotated[
        float,
        typer.Option(
            "--commission-rate",
            metavar="RATE",
            help="Commission as a share of the money of each fill, e.g. 0.001.",
        ),
    ] = 0.0,
    per_unit: Annotated[float, typer.Option(metavar="MONEY", help="Commission per unit.")] = 0.0,
    per_fill: Annotated[float, typer.Option(metavar="MONEY", help="Commission per fill.")] = 0.0,
    long_only: Annotated[bool, typer.Option("--long-only", help="Do not allow short positions.")] = False,
    allow_negative_cash: Annotated[
        bool, typer.Option("--allow-negative-cash", help="Allow negative cash.")
    ] = False,
    slippage: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="Allowed distance of a fill price from its bar's range, e.g. 0.001."
        ),
    ] = 0.0,
    tolerance: Annotated[
        float, typer.Option(metavar="MONEY", help="Largest difference that counts as equal.")
    ] = 0.005,
    journal: Annotated[
        Path | None, typer.Option(metavar="RUN.duckdb", help="Save the books to this new file.")
    ] = None,
) -> None:
    """Book the fills of any engine or broker, and check its claims against those books.

    For each claim, reports the first bar that disagrees, the amount, the fills since the last agreement, and
    the faults that explain it. Files are CSV or Parquet. Exit status: 0 no fault, 1 a fault, 2 could not run.
    """
    from tieout.validation.audit import report
    from tieout.validation.audit.audit import Files, Terms, audit
    from tieout.validation.audit.books import Costs
    from tieout.validation.audit.faults import Rules

    files = Files(fills, prices, claims or [], form, columns or [], flows)
    rules = Rules(allow_short=not long_only, allow_negative_cash=allow_negative_cash, slippage=slippage)
    result = audit(files, Terms(cash, Costs(rate, per_unit, per_fill), rules, tolerance), journal)
    report.show(result)
    if not result.agrees:
        raise typer.Exit(1)

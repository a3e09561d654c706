"""A run on the terminal: progress, what it gave, whether the books are in order, and the head digest."""

import math
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from execution.backtest import Backtest
from execution.metrics import Metrics
from execution.result import Result
from ledger import present
from ledger.reader import Reader
from ledger.verify import verify

_SECOND = 1.0


def perform(backtest: Backtest, path: Path, title: str, *, anew: bool = False) -> bool:
    """Run *backtest* into *path*, print what came of it, verify it; whether no check failed.

    With *anew*, a file that is there is removed first; otherwise its run is resumed, or compared.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if anew:
        for left in (path, path.with_name(f"{path.name}.wal")):
            left.unlink(missing_ok=True)
    print(f"{title}\n{len(backtest.bars):,} bars of {len(backtest.bars.symbols):,} instruments -> {path}")
    if repairs := backtest.bars.repairs:
        print(f"\nrepaired:\n{repairs}")
    with _result(backtest, path) as result:
        return show(result)


def show(result: Result) -> bool:
    """Print what a run gave, and check it; whether no check failed."""
    reader = result.journal
    assert isinstance(reader, Reader)
    print()
    for name, value in _lines(result.metrics):
        print(f"{name:<22}{value:>22}")
    print()
    present.write(
        reader.view("trial_balance_summary"), "table", present.places(reader), "Trial balance in money"
    )
    print()
    report = verify(reader)
    present.show_report(report)
    failed = sum(r.outcome.value == "FAILED" for r in report.results)
    print(f"\n{failed or 'no'} check{'s' * (failed > 1)} failed; blocks: {report.blocks}")
    print(f"head digest {report.head}")
    return report.ok


def _result(backtest: Backtest, path: Path) -> Result:
    """Run, with a bar on the standard error if that is a terminal, and the speed afterwards."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
    )
    total = len(backtest.bars)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("compiling, the first time on a machine", total=total, rate="")
        first: list[float] = []

        def step(done: int, of: int) -> None:
            now = time.perf_counter()
            first[:] = first or [now, done]
            spent = now - first[0]
            rate = f"{(done - first[1]) / spent:,.0f} bars/s" if spent > 0 else ""
            bars.update(task, description="bars", completed=done, total=of, rate=rate)

        started = time.perf_counter()
        result = backtest.run(path, progress=step)
        spent = time.perf_counter() - started
    sys.stdout.write(f"run and stored in {spent:.2f} s\n")
    return result


def _lines(m: Metrics) -> list[tuple[str, str]]:
    """The figures, each with its name."""
    lines = [
        ("from", str(m.start)[:10]),
        ("to", str(m.end)[:10]),
        ("equity at the start", f"{m.start_equity:,.2f}"),
        ("equity at the end", f"{m.end_equity:,.2f}"),
        ("total return", _percent(m.total_return)),
        ("a year (CAGR)", _percent(m.cagr)),
        ("volatility", _percent(m.volatility)),
        ("Sharpe ratio", _ratio(m.sharpe)),
        ("Sortino ratio", _ratio(m.sortino)),
        ("maximum drawdown", _percent(m.max_drawdown)),
        ("turnover a year", _ratio(m.turnover)),
        ("average exposure", _percent(m.average_exposure)),
        ("commission", f"{m.commission:,.2f}"),
        ("trades", f"{m.trades:,} ({m.open_trades} open)"),
        ("trades won", _percent(m.win_rate)),
        ("fills", f"{m.fills:,}"),
    ]
    lines.extend((f"orders {name.replace('_', ' ')}", f"{count:,}") for name, count in m.orders.items())
    return lines


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2%}"


def _ratio(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"

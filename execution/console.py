"""A run on the terminal: progress, what it gave, whether the books are in order, and the head digest."""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tieout.execution.backtest import Backtest
from tieout.execution.figures.metrics import Metrics
from tieout.execution.replay.reperformance import Recorded
from tieout.execution.result import Result
from tieout.ledger.errors import DamagedFile, JournalExists, NewerSchema, OlderSchema, UnknownRecords
from tieout.ledger.file.database import holds_nothing
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.ledger.show import tables as present
from tieout.ledger.show.progress import progress
from tieout.ledger.show.report import show_report

Step = Callable[[int, int], None]
"""Is told how many bars of how many are done."""


def perform(backtest: Backtest, path: Path, title: str, *, anew: bool = False, only: str = "") -> bool:
    """Run *backtest* into *path*, print what came of it, verify it; whether no check failed.

    With *anew*, a journal that is there is removed first, where *only* is given only one of a run on bars
    that were generated so; otherwise its run is resumed, or compared.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if anew:
        _remove(path, only)
    print(f"{title}\n{len(backtest.bars):,} bars of {len(backtest.bars.symbols):,} instruments -> {path}")
    had = 0 if holds_nothing(path) else len(Recorded.read(path, checked=False).seals)
    with _progress(len(backtest.bars), "run and stored") as step:
        result = backtest.run(path, progress=step)
    with result:
        if backtest.bars.repairs and backtest.bars.repairs.done:
            print(f"\nrepaired:\n{backtest.bars.repairs}")
        if had:
            _tell_compared(result, had)
        return show(result)


def reperform(backtest: Backtest, path: Path) -> bool:
    """Perform the run in *path* again, print each block's outcome; whether all is equal."""
    print(f"{path}\n{len(backtest.bars):,} bars of {len(backtest.bars.symbols):,} instruments, again")
    with _progress(len(backtest.bars), "performed") as step:
        outcome = backtest.reperform(path, progress=step)
    for block in outcome.blocks:
        print(block)
    if outcome.failure:
        print(f"\n{outcome.failure}; the run ends there")
    for broken in outcome.broken:
        print(f"the file departs from its seals: {broken}")
    for cause in outcome.causes:
        print(f"an input is another: {cause}")
    first = outcome.first_difference
    equal = sum(block.equal for block in outcome.blocks)
    print(
        f"\n{equal} of {len(outcome.blocks)} blocks equal"
        + (f", not from block {first.number}" if first else "")
    )
    print(f"recorded  head digest {outcome.recorded}")
    print(f"performed head digest {outcome.performed}")
    return outcome.equal


def _tell_compared(result: Result, had: int) -> None:
    """Print what was done with the blocks that the file held already."""
    blocks = result.journal.sql("select count(*) as blocks from seal").rows()[0]["blocks"]
    if blocks > had:
        print(f"resumed: {had} blocks were performed again and came out as sealed, {blocks - had} were added")
    else:
        print(f"performed again: all {had} blocks came out as they were sealed")


def _remove(path: Path, only: str = "") -> None:
    """Remove a journal, and nothing else: another file of that name stays, and so does one in use.

    With *only*, nothing but the journal of a run on bars that were generated so.
    """
    if path.exists() and not holds_nothing(path):
        with suppress(DamagedFile, NewerSchema, OlderSchema, UnknownRecords), Reader(path) as reader:
            made = json.loads(reader.run["spec"]).get("bars", {})
            if only and made.get("generated") != only:
                raise JournalExists(f"{path} holds another run; choose another name")
    for left in (path, path.with_name(f"{path.name}.wal")):
        left.unlink(missing_ok=True)


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
    show_report(report)
    failed = sum(r.outcome.value == "FAILED" for r in report.results)
    print(f"\n{failed or 'no'} check{'s' * (failed > 1)} failed; blocks: {report.blocks}")
    print(f"head digest {report.head}")
    return report.ok


@contextmanager
def _progress(total: int, what: str) -> Iterator[Step]:
    """A bar on the standard error if that is a terminal, and the time that it took afterwards."""
    started = time.perf_counter()
    with progress("compiling, the first time on a machine", total, with_rate=True) as step:
        yield lambda count, total: step("bars", count, total)
    spent = time.perf_counter() - started
    print(f"{what} in {spent:.2f} s")


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

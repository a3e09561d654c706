"""A run on the terminal: its progress, its figures, the checks of its books, and the head digest."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tieout.execution.backtest import Backtest
from tieout.execution.data.bars import Bars
from tieout.execution.figures.metrics import Metrics
from tieout.execution.replay.reperformance import Reperformance, RunRecord
from tieout.execution.result import Result
from tieout.execution.runs import StoredRun, delete_journal, run_into
from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.folders import IN_PYTHON
from tieout.execution.spec.journal import spec_of
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.ledger.show import tables as present
from tieout.ledger.show.progress import progress
from tieout.ledger.show.report import show_report

Step = Callable[[int, int], None]
"""Takes the number of finished bars, and the number of all bars."""


def run(backtest: Backtest, path: Path, title: str, *, overwrite: bool = False, generator: str = "") -> bool:
    """Run *backtest* into *path* and print its report. Return true if no check failed.

    An existing journal is resumed or compared. With *overwrite* it is deleted first, with *generator* only if
    that function generated its bars.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if overwrite:
        delete_journal(path, generator=generator)
    print(f"{title}\n{_extent(backtest.bars)} -> {path}")
    with _progress(len(backtest.bars), "run and stored") as step:
        stored = run_into(path, backtest, step)
    with stored.result as result:
        if backtest.bars.repairs and backtest.bars.repairs.entries:
            print(f"\nrepaired:\n{backtest.bars.repairs}")
        _print_comparison(stored)
        return _print_result(result)


def assemble_recorded(
    reader: Reader, data_dir: Path | None, remedy: str = IN_PYTHON, *, may_run_other: bool
) -> tuple[RunRecord, Backtest] | None:
    """Build the backtest of a journal. Return None, after an adverse statement, if its seals are broken.

    The seals are checked and the code is listed before anything is imported. Raises `CannotReperform` for
    code that may not be run, and with *remedy* for a journal that does not record enough.
    """
    record = RunRecord.of(reader)
    if record.seal_faults:
        for fault in record.seal_faults:
            print(f"the file does not match its seals: {fault}")
        print(f"adverse: {reader.path} was changed after it was sealed; nothing that it names was run")
        return None
    source = spec_of(reader, data_dir, remedy, may_run_other=may_run_other)
    for part in source.code.parts.values():
        print(part)
    return record, assemble(source)


def reperform(record: RunRecord, backtest: Backtest) -> bool:
    """Perform a recorded run again and print the outcome of each block. Return true if all are equal."""
    print(f"{record.path}\n{_extent(backtest.bars)}, again")
    with _progress(len(backtest.bars), "performed") as step:
        outcome = backtest.reperform_record(record, progress=step)
    _print_reperformance(outcome)
    return outcome.equal


def _extent(bars: Bars) -> str:
    return f"{len(bars):,} bars of {len(bars.symbols):,} instruments"


def _print_comparison(stored: StoredRun) -> None:
    """Print what happened to the blocks that the file had already."""
    before, added = stored.blocks_before, stored.blocks - stored.blocks_before
    if before and added:
        print(f"resumed: {before} sealed blocks were performed again and are equal, {added} were added")
    elif before:
        print(f"performed again: all {before} sealed blocks are equal")


def _print_reperformance(outcome: Reperformance) -> None:
    """Print each block, the causes of a difference, and both head digests."""
    for block in outcome.blocks:
        print(block)
    if outcome.failure:
        print(f"\n{outcome.failure}; the run ends there")
    for broken in outcome.seal_faults:
        print(f"the file does not match its seals: {broken}")
    for cause in outcome.causes:
        print(f"input changed: {cause}")
    first = outcome.first_difference
    equal = sum(block.equal for block in outcome.blocks)
    print(
        f"\n{equal} of {len(outcome.blocks)} blocks equal"
        + (f", the first difference is in block {first.number}" if first else "")
    )
    print(f"recorded  head digest {outcome.recorded_head}")
    print(f"performed head digest {outcome.performed_head}")


def _print_result(result: Result) -> bool:
    """Print the figures, the trial balance and the checks of a run. Return true if no check failed."""
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
def _progress(total: int, action: str) -> Iterator[Step]:
    """Show a progress bar on standard error if that is a terminal, and print the elapsed time at the end."""
    started = time.perf_counter()
    with progress("compiling, the first time on a machine", total, with_rate=True) as step:
        yield lambda count, total: step("bars", count, total)
    spent = time.perf_counter() - started
    print(f"{action} in {spent:.2f} s")


def _lines(m: Metrics) -> list[tuple[str, str]]:
    """Return the figures, each with its label."""
    lines = [
        ("from", str(m.start)[:10]),
        ("to", str(m.end)[:10]),
        ("start equity", f"{m.start_equity:,.2f}"),
        ("end equity", f"{m.end_equity:,.2f}"),
        ("total return", _percent(m.total_return)),
        ("CAGR", _percent(m.cagr)),
        ("volatility", _percent(m.volatility)),
        ("Sharpe ratio", _ratio(m.sharpe)),
        ("Sortino ratio", _ratio(m.sortino)),
        ("maximum drawdown", _percent(m.max_drawdown)),
        ("annual turnover", _ratio(m.turnover)),
        ("average exposure", _percent(m.average_exposure)),
        ("commission", f"{m.commission:,.2f}"),
        ("trades", f"{m.trades:,} ({m.open_trades} open)"),
        ("win rate", _percent(m.win_rate)),
        ("fills", f"{m.fills:,}"),
    ]
    lines.extend((f"orders {name.replace('_', ' ')}", f"{count:,}") for name, count in m.orders.items())
    return lines


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2%}"


def _ratio(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"

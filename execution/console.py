"""A run on the terminal: its progress, its figures, the checks of its books, and the head digest."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tieout.execution.backtest import Backtest
from tieout.execution.data.bars import Bars
from tieout.execution.figures.metrics import Metrics
from tieout.execution.replay.reperformance import Reperformance, RunRecord
from tieout.execution.result import Result
from tieout.execution.runs import StoredRun, run_into
from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.folders import IN_PYTHON
from tieout.execution.spec.journal import spec_of
from tieout.ledger.file.creation import Consent
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.ledger.show import tables as present
from tieout.ledger.show.progress import progress
from tieout.ledger.show.report import show_report
from tieout.ledger.terminal import say

Step = Callable[[int, int], None]
"""Takes the number of finished bars, and the number of all bars."""


def run(backtest: Backtest, path: Path, title: str, *, overwrite: bool | Consent = False) -> bool:
    """Run *backtest* into *path* and print its report. Return true if no check failed.

    An existing journal is resumed or compared, or replaced with *overwrite*.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    say(title, f"{_extent(backtest.bars)} -> {path}")
    with _progress(len(backtest.bars), "run and stored") as step:
        stored = run_into(path, backtest, step, overwrite=overwrite)
    with stored.result as result:
        if backtest.bars.repairs and backtest.bars.repairs.entries:
            say("", "repaired:", *str(backtest.bars.repairs).split("\n"))
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
            say(f"the file does not match its seals: {fault}")
        say(f"adverse: {reader.path} was changed after it was sealed; nothing that it names was run")
        return None
    source = spec_of(reader, data_dir, remedy, may_run_other=may_run_other)
    for part in source.code.parts.values():
        say(*part.lines)
    return record, assemble(source)


def reperform(record: RunRecord, backtest: Backtest) -> bool:
    """Perform a recorded run again and print the outcome of each block. Return true if all are equal."""
    say(str(record.path), f"{_extent(backtest.bars)}, again")
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
        say(f"resumed: {before} sealed blocks were performed again and are equal, {added} were added")
    elif before:
        say(f"performed again: all {before} sealed blocks are equal")


def _print_reperformance(outcome: Reperformance) -> None:
    """Print each block, the causes of a difference, and both head digests."""
    for block in outcome.blocks:
        say(str(block))
    if outcome.failure:
        say("", f"{outcome.failure}; the run ends there")
    for broken in outcome.seal_faults:
        say(f"the file does not match its seals: {broken}")
    for cause in outcome.causes:
        say(f"input changed: {cause}")
    first = outcome.first_difference
    equal = sum(block.equal for block in outcome.blocks)
    say(
        "",
        f"{equal} of {len(outcome.blocks)} blocks equal"
        + (f", the first difference is in block {first.number}" if first else ""),
        f"recorded  head digest {outcome.recorded_head}",
        f"performed head digest {outcome.performed_head}",
    )


def _print_result(result: Result) -> bool:
    """Print the figures, the trial balance and the checks of a run. Return true if no check failed."""
    reader = result.journal
    assert isinstance(reader, Reader)
    say("", *(f"{name:<22}{value:>22}" for name, value in _lines(result.metrics)), "")
    present.write(
        reader.view("trial_balance_summary"), "table", present.places(reader), "Trial balance in money"
    )
    say("")
    report = verify(reader)
    show_report(report)
    return report.ok


@contextmanager
def _progress(total: int, action: str) -> Iterator[Step]:
    """Show a progress bar on standard error if that is a terminal, and print the elapsed time at the end."""
    started = time.perf_counter()
    with progress("compiling, the first time on a machine", total, with_rate=True) as step:
        yield lambda count, total: step("bars", count, total)
    spent = time.perf_counter() - started
    say(f"{action} in {spent:.2f} s")


def _lines(m: Metrics) -> list[tuple[str, str]]:
    """Return the figures, each with its label. A figure that does not exist is its reason."""
    lines = [
        ("from", str(m.start)[:10]),
        ("to", str(m.end)[:10]),
        ("start equity", m.text("start_equity", ",.2f")),
        ("end equity", m.text("end_equity", ",.2f")),
        ("total return", m.text("total_return", ".2%")),
        ("CAGR", m.text("cagr", ".2%")),
        ("volatility", m.text("volatility", ".2%")),
        ("Sharpe ratio", m.text("sharpe", ".2f")),
        ("Sortino ratio", m.text("sortino", ".2f")),
        ("maximum drawdown", m.text("max_drawdown", ".2%")),
        ("annual turnover", m.text("turnover", ".2f")),
        ("average exposure", m.text("average_exposure", ".2%")),
        ("commission", f"{m.commission:,.2f}"),
        ("trades", f"{m.trades:,} ({m.open_trades} open)"),
        ("win rate", m.text("win_rate", ".2%")),
        ("fills", f"{m.fills:,}"),
    ]
    if m.ended:
        lines.append(("instruments ended", f"{m.ended:,} positions closed"))
    lines.extend((f"orders {name.replace('_', ' ')}", f"{count:,}") for name, count in m.orders.items())
    return lines

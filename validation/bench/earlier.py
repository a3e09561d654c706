"""The figures of the engine that this one succeeds, beside ours.

Its events are bars of one instrument each. Its data were its own; ours are W2, 500 instruments x 252 days.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

import tieout
from tieout import Backtest, Bar, Bars, Broker, Instrument, Strategy
from tieout.validation.bench.contest import Failed
from tieout.validation.workloads.arrays import workload
from tieout.validation.workloads.markdown import Table, duration
from tieout.validation.workloads.references import REFERENCES, bars_of, best, long
from tieout.validation.workloads.task import Clock
from tieout.validation.workloads.workloads import Workload

_LOOKS = 1_000
_LAST = 251
_SYMBOLS = 500


class Empty(Strategy):
    """Does nothing, once a bar."""

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Nothing."""


class EmptyEach(Strategy):
    """Does nothing, once an instrument."""

    def on_instrument(self, instrument: Instrument, broker: Broker) -> None:
        """Nothing."""


class Looks(Strategy):
    """Looks up a feature many times on its last bar."""

    seconds = 0.0

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Take the time of one look-up."""
        del broker
        if bar.number == _LAST:
            symbols = bar.symbols
            start = time.perf_counter()
            for n in range(_LOOKS):
                bar["score"][bar.index(symbols[n % len(symbols)])]
            self.seconds = (time.perf_counter() - start) / _LOOKS


def measure(folder: Path, rounds: int) -> Table:
    """Measure ours."""
    held = workload("W2")
    events = held.bars["close"].size
    frame = _frame(held)
    parquet = folder / "W2.parquet"
    frame.write_parquet(parquet)

    def rate(run: Callable[[], float]) -> str:
        return f"{events / _median(run, rounds):,.0f}"

    rows = [
        ["events/s, empty strategy, one call a bar", "22,150", rate(lambda: _run(held, Empty()))],
        ["events/s, empty strategy, one call an instrument", "22,150", rate(lambda: _run(held, EmptyEach()))],
        ["events/s, the best 25 by score", "15,868; 53,171 on W2", rate(lambda: _best(held))],
        ["events/s of the feed, from Parquet", "68,089", rate(lambda: _feed(parquet))],
        ["memory a symbol", "5.4 MB", f"{_memory(folder):.2f} MB"],
        ["load", "3.7 ms", duration(_median(lambda: _load(parquet), rounds))],
        ["validate", "0.258 s", duration(_median(lambda: _load(frame), rounds))],
        ["feature look-up", "133 us", duration(_median(lambda: _looked_up(held), rounds))],
    ]
    note = (
        f"Medians of {rounds}; ours on W2, {events:,} bars, in memory, without reading results. `load` reads"
        " its Parquet file, `validate` checks the frame that is in memory: both with every check of a bar."
        " What data the earlier figures are of is not known but for W2."
    )
    return Table("The engine before", ("", "the engine before", "ours"), rows, note)


def _median(run: Callable[[], float], rounds: int) -> float:
    run()
    return statistics.median(run() for _ in range(rounds))


def _run(held: Workload, strategy: Strategy) -> float:
    bars = bars_of(held)
    with Clock() as clock:
        result = Backtest(bars=bars, strategy=strategy).run()
    result.close()
    return clock.seconds


def _best(held: Workload) -> float:
    reference = next(r for r in REFERENCES if (r.workload, r.settings.fill) == ("W2", "next_open"))
    backtest = reference.backtest(held, best)
    with Clock() as clock:
        result = backtest.run()
    result.close()
    return clock.seconds


def _feed(parquet: Path) -> float:
    with Clock() as clock:
        for _ in Bars.read(parquet).windows():
            pass
    return clock.seconds


def _load(given: Path | pl.DataFrame) -> float:
    with Clock() as clock:
        Bars.read(given)
    return clock.seconds


def _looked_up(held: Workload) -> float:
    face, strategy = best(held), Looks()
    Backtest(bars=bars_of(held), strategy=strategy, features=face.features).run().close()
    return strategy.seconds


def _memory(folder: Path) -> float:
    script = (Path(__file__).parent / "scripts" / "symbols.py").read_text("utf-8")
    done = subprocess.run(
        [sys.executable, "-c", script, str(_SYMBOLS)],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(tieout.__file__).parent.parent)},
    )
    if done.returncode:
        raise Failed(f"memory a symbol: {done.stderr}")
    return float(done.stdout)


def _frame(held: Workload) -> pl.DataFrame:
    """The bars as a long frame."""
    return long(
        Workload(held.name, held.timestamp, {"close": held.bars["close"]}, held.bars),
        {n: n for n in held.bars},
    )

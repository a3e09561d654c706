"""How time and memory grow over instruments, bars, fills and open orders, each doubled five times.

Along each axis the others stand still. Each size is a fresh process. The exponent is that of the power of
the size through all six, by least squares of the logarithms: 1 is proportional, below it part of the cost
is fixed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

import tieout
from tieout import (
    Backtest,
    CashAccount,
    Costs,
    Instruments,
    Orders,
    PercentCommission,
    Result,
    TargetWeights,
)
from tieout.validation.bench.contest import Failed
from tieout.validation.workloads.markdown import Table, duration
from tieout.validation.workloads.references import bars_of
from tieout.validation.workloads.workloads import Workload, walk

DOUBLINGS = 5
HELD = 25
LIMIT = 1.1
"""No exponent is above this without a reason."""
_EXPONENTS = ("over", "time in memory", "time, durable", "memory", "at most", "met")

Prepared = Callable[[], Backtest]


class Axis(NamedTuple):
    """What is doubled from *first* on, what stands still, and how the run of a size is prepared.

    *reason* is why an exponent may be above the limit.
    """

    first: int
    still: str
    make: Callable[[int], Prepared]
    reason: str = ""

    @property
    def sizes(self) -> list[int]:
        """From the first to its 32-fold."""
        return [self.first * 2**doubling for doubling in range(DOUBLINGS + 1)]


def tiny() -> Prepared:
    """Loads what any run loads, and leaves next to no memory to be used again."""
    return _alternating(walk(0, (8, HELD)), np.arange(8), HELD)


def over_instruments(size: int) -> Prepared:
    """So many instruments, of which the first 25 are traded on every bar."""
    return _alternating(walk(1, (252, size)), np.arange(252), HELD)


def over_bars(size: int) -> Prepared:
    """So many bars, traded on 250 of them."""
    return _alternating(walk(2, (size, 100)), np.linspace(0, size - 1, 250).astype(np.int64), HELD)


def over_fills(size: int) -> Prepared:
    """So many fills: on every bar, one of each of the first of 2,048 instruments."""
    return _alternating(walk(3, (252, 2048)), np.arange(252), size // 252)


def over_open_orders(size: int) -> Prepared:
    """So many limit orders that are never reached, open from the first bar to the last."""
    workload = walk(4, (252, 500))
    symbols = [workload.symbols[n % 500] for n in range(size)]
    frame = pl.DataFrame(
        {
            "timestamp": np.full(size, workload.timestamp[0]).astype("M8[ns]"),
            "symbol": symbols,
            "quantity": np.ones(size),
            "limit": np.full(size, 0.01),
        }
    )
    return partial(_backtest, bars_of(workload), Orders(frame))


AXES = {
    "instruments": Axis(256, "252 bars, 25 traded on each", over_instruments),
    "bars": Axis(1024, "100 instruments, 25 traded on 250 bars", over_bars),
    "fills": Axis(
        252 * 64,
        "2,048 instruments x 252 bars",
        over_fills,
        "Memory over fills takes a step between the last two sizes, at about 405,000 fills: the first full"
        " block, of 2,000,000 transfers, stays as columns beside the arrays of the next, which are as large."
        " The next two doublings, over 1,008 bars, took 0.87 and 0.93 times the bytes a fill.",
    ),
    "open orders": Axis(4000, "500 instruments x 252 bars, no fill", over_open_orders),
}


def read(result: Result) -> tuple[Any, ...]:
    """What a user asks for next."""
    return result.equity, result.trades, result.metrics


def measure(folder: Path, rounds: int) -> list[Table]:
    """Perform every size of every axis; a table an axis, and one of the exponents."""
    tables, exponents = [], []
    for name, axis in AXES.items():
        points = [_point(name, size, rounds, folder) for size in axis.sizes]
        rows = [
            [f"{size:,}", duration(p["memory"]), duration(p["file"]), f"{p['megabytes']:,.0f} MB"]
            for size, p in zip(axis.sizes, points, strict=True)
        ]
        columns = (name, "in memory", "durable", "memory that the run takes")
        tables.append(Table(f"Over {name}: {axis.still}", columns, rows))
        fitted = [exponent(axis.sizes, [p[what] for p in points]) for what in points[0]]
        steepest = "yes" if max(fitted) <= LIMIT else "NO"
        exponents.append([name, *(f"{value:.2f}" for value in fitted), f"{LIMIT:g}", steepest])
    reasons = [AXES[name].reason for name, *_, met in exponents if met == "NO"]
    told = "Of the backtest with equity, trades and metrics read. 1 is proportional to the size."
    note = " ".join([told, *filter(None, reasons)])
    return [Table("Exponents", _EXPONENTS, exponents, note), *tables]


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The power of the size that goes through the values, by least squares of the logarithms."""
    floor = 1e-3  # a run that takes no memory has no logarithm
    slope, _ = np.polyfit(np.log(sizes), np.log(np.maximum(values, floor)), 1)
    return float(slope)


def _alternating(workload: Workload, rows: Any, held: int) -> Prepared:
    """Weights of the first instruments that change on every one of *rows*, so that each of them trades."""
    weights = np.full(workload.bars["close"].shape, np.nan)
    share = 0.9 / held
    weights[rows, :held] = share * np.where(np.arange(len(rows)) % 2 == 0, 1.0, 0.9)[:, None]
    return partial(_backtest, bars_of(workload), TargetWeights(weights))


def _backtest(bars: Any, strategy: Any) -> Backtest:
    return Backtest(
        bars=bars,
        strategy=strategy,
        account=CashAccount("1000000"),
        costs=Costs(PercentCommission("0.0001")),
        instruments=Instruments.fractional(),
        fill="same_close",
    )


def _point(axis: str, size: int, rounds: int, folder: Path) -> dict[str, float]:
    script = (Path(__file__).parent / "scripts" / "growth.py").read_text("utf-8")
    journal = folder / f"growth-{size}.duckdb"
    done = subprocess.run(
        [sys.executable, "-c", script, axis, str(size), str(rounds), str(journal)],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(tieout.__file__).parent.parent)},
    )
    journal.unlink(missing_ok=True)
    if done.returncode:
        raise Failed(f"growth over {axis} at {size:,}: {done.stderr}")
    point: dict[str, float] = json.loads(done.stdout)
    return point

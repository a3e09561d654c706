"""Growth of time and memory over instruments, bars, fills and open orders, each doubled five times.

Along each axis the others are constant. Each size is a fresh process. The exponent is that of a power of the
size, fitted to all six sizes by least squares of the logarithms. 1 is proportional. Below 1 a part of the
cost is fixed.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from subprocess import PIPE
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
from tieout.ledger.process import start
from tieout.validation.bench.contest import Failed
from tieout.validation.workloads.markdown import Table, duration
from tieout.validation.workloads.references import bars_of
from tieout.validation.workloads.workloads import Workload, walk

DOUBLINGS = 5
POSITIONS = 25
LIMIT = 1.1
"""No exponent is above this without a reason."""
_EXPONENTS = ("over", "time in memory", "time, durable", "memory", "at most", "met")

Prepared = Callable[[], Backtest]


class Axis(NamedTuple):
    """The first of six sizes, the constants, and a function that prepares the run of a size.

    *reason* is why an exponent may be above the limit.
    """

    first: int
    constants: str
    make: Callable[[int], Prepared]
    reason: str = ""

    @property
    def sizes(self) -> list[int]:
        """Return the sizes from the first to 32 times the first."""
        return [self.first * 2**doubling for doubling in range(DOUBLINGS + 1)]


def tiny() -> Prepared:
    """Prepare a tiny run, which loads the code of any run and frees almost no memory for the next."""
    return _alternating(walk(0, (8, POSITIONS)), np.arange(8), POSITIONS)


def over_instruments(size: int) -> Prepared:
    """Prepare *size* instruments, of which the first 25 are traded on every bar."""
    return _alternating(walk(1, (252, size)), np.arange(252), POSITIONS)


def over_bars(size: int) -> Prepared:
    """Prepare *size* bars, with trades on 250 of them."""
    return _alternating(walk(2, (size, 100)), np.linspace(0, size - 1, 250).astype(np.int64), POSITIONS)


def over_fills(size: int) -> Prepared:
    """Prepare *size* fills: one of each of the first of 2,048 instruments on every bar."""
    return _alternating(walk(3, (252, 2048)), np.arange(252), size // 252)


def over_open_orders(size: int) -> Prepared:
    """Prepare *size* limit orders that never fill, open from the first bar to the last."""
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
        "Memory over fills takes a step between the last two sizes, at about 405,000 fills. There the first"
        " full block, of 2,000,000 transfers, stays as columns beside the equally large arrays of the next."
        " The next two doublings, over 1,008 bars, took 0.87 and 0.93 times the bytes of a fill.",
    ),
    "open orders": Axis(4000, "500 instruments x 252 bars, no fill", over_open_orders),
}


def read(result: Result) -> tuple[Any, ...]:
    """Read the tables that a user asks for after a run."""
    return result.equity, result.trades, result.metrics


def measure(folder: Path, rounds: int) -> list[Table]:
    """Perform every size of every axis. Return a table of the exponents, and one for each axis."""
    tables, exponents = [], []
    for name, axis in AXES.items():
        points = [_point(name, size, rounds, folder) for size in axis.sizes]
        rows = [
            [f"{size:,}", duration(p["memory"]), duration(p["file"]), f"{p['megabytes']:,.0f} MB"]
            for size, p in zip(axis.sizes, points, strict=True)
        ]
        columns = (name, "in memory", "durable", "memory of the run")
        tables.append(Table(f"Over {name}: {axis.constants}", columns, rows))
        fitted = [exponent(axis.sizes, [p[figure] for p in points]) for figure in points[0]]
        steepest = "yes" if max(fitted) <= LIMIT else "NO"
        exponents.append([name, *(f"{value:.2f}" for value in fitted), f"{LIMIT:g}", steepest])
    reasons = [AXES[name].reason for name, *_, met in exponents if met == "NO"]
    text = "The backtest with equity, trades and metrics read. 1 is proportional to the size."
    note = " ".join([text, *filter(None, reasons)])
    return [Table("Exponents", _EXPONENTS, exponents, note), *tables]


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Fit a power of the size to the values, by least squares of the logarithms. Return its exponent."""
    floor = 1e-3  # zero has no logarithm
    slope, _ = np.polyfit(np.log(sizes), np.log(np.maximum(values, floor)), 1)
    return float(slope)


def _alternating(workload: Workload, rows: Any, count: int) -> Prepared:
    """Prepare weights of the first *count* instruments that change on each of *rows*, so that each trades."""
    weights = np.full(workload.bars["close"].shape, np.nan)
    share = 0.9 / count
    weights[rows, :count] = share * np.where(np.arange(len(rows)) % 2 == 0, 1.0, 0.9)[:, None]
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
    command = ("-c", script, axis, str(size), str(rounds), str(journal))
    variables = {"PYTHONPATH": str(Path(tieout.__file__).parent.parent)}
    with start(*command, environment=variables, cwd=folder, stdout=PIPE, stderr=PIPE) as child:
        output, errors = child.communicate()
    journal.unlink(missing_ok=True)
    if child.returncode:
        raise Failed(f"growth over {axis} at {size:,}: {errors}")
    point: dict[str, float] = json.loads(output)
    return point

"""A history larger than memory: 20 million minute bars from a Parquet file, read in windows.

The result must not depend on the window: every window gives the same head digest.
"""

import json
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import tieout
from tieout.ledger.process import start
from tieout.validation.bench.contest import Disagreement, Failed
from tieout.validation.workloads.markdown import Table, duration

INSTRUMENTS, DAYS, MINUTES = 200, 252, 390
BEST, INVESTED = 25, 0.95
OTHER_WINDOW = 3_000
"""Bars of the second window, which has to give the same digest."""

_SCRIPT = Path(__file__).parent / "scripts" / "streaming.py"
_MINUTE = 60 * 10**9
_OPENING = 14 * 60 + 30
_SCHEMA = pa.schema(
    [
        ("timestamp", pa.timestamp("ns")),
        ("symbol", pa.string()),
        *((name, pa.float64()) for name in ("open", "high", "low", "close", "volume")),
    ]
)


def measure(folder: Path) -> Table:
    """Write the history, then run it with the default window and with another."""
    source, orders = folder / "minutes.parquet", folder / "orders.parquet"
    write(source, orders)
    rows, heads = [], set()
    for window in (0, OTHER_WINDOW):
        run = perform(source, orders, folder / f"window-{window}.duckdb", window)
        heads.add(run["head"])
        rows.append(
            [
                f"{run['window']:,} bars",
                f"{run['bars']:,}",
                f"{run['fills']:,}",
                duration(run["read"]),
                duration(run["seconds"]),
                f"{run['bars'] / run['seconds'] / 1e6:.2f} M",
                f"{run['memory']:,.0f} MB",
                run["head"][:16],
            ]
        )
    if len(heads) > 1:
        raise Disagreement(f"the result depends on the window: {heads}")
    size = source.stat().st_size / 2**20
    note = (
        f"{INSTRUMENTS} instruments x {DAYS * MINUTES:,} minutes, {size:,.0f} MB of Parquet ordered by time,"
        f" the {BEST} best of each day held. A durable run in a fresh process. Memory is the peak of the"
        " process, and has to stay below 1,024 MB. `inspected` is the part before the backtest."
    )
    columns = ("window", "bars", "fills", "inspected", "total", "bars/s", "memory", "head digest")
    return Table("20 million minute bars, streamed", columns, rows, note)


def write(source: Path, orders: Path, days: int = DAYS, instruments: int = INSTRUMENTS) -> None:
    """Write bars in order of time, and targets for the best of each day and of the day before."""
    rng = np.random.default_rng(606)
    price = rng.uniform(20, 500, instruments)
    symbols = [f"A{number:03d}" for number in range(instruments)]
    dates = np.busday_offset(np.datetime64("2023-01-02", "D"), np.arange(days), roll="forward")
    midnights = dates.astype("M8[ns]").astype(np.int64)
    targets, last = [], np.zeros(instruments, np.bool_)
    with pq.ParquetWriter(source, _SCHEMA, compression="zstd") as writer:
        for midnight in midnights:
            timestamp = midnight + (np.arange(MINUTES, dtype=np.int64) + _OPENING + 1) * _MINUTE
            panels, close = _day(rng, price)
            columns = [
                np.repeat(timestamp, instruments).view("M8[ns]"),
                pa.array(symbols * MINUTES),
                *(panel.ravel() for panel in panels),
            ]
            writer.write_table(pa.table(columns, schema=_SCHEMA))
            best = np.zeros(instruments, np.bool_)
            best[np.argsort(price / close[-1], kind="stable")[:BEST]] = True
            chosen = np.flatnonzero(best | last)
            shares = np.where(best[chosen], INVESTED / BEST, 0.0)
            targets.append((timestamp[-1], [symbols[n] for n in chosen], shares))
            price, last = close[-1], best
    frames = [
        pl.DataFrame({"timestamp": np.full(len(names), timestamp), "symbol": names, "target_percent": shares})
        for timestamp, names, shares in targets
    ]
    pl.concat(frames).with_columns(pl.col("timestamp").cast(pl.Datetime("ns"))).write_parquet(orders)


def _day(rng: np.random.Generator, price: Any) -> tuple[list[Any], Any]:
    """Draw open, high, low, close, volume of a day's minutes. Return them, and the closes."""
    shape = MINUTES, len(price)
    close = np.round(price * np.exp(np.cumsum(rng.standard_normal(shape) * 0.0006, axis=0)), 2)
    opened = np.vstack([price[None, :], close[:-1]])
    high = np.maximum(opened, close) + np.round(rng.random(shape) * 0.05, 2)
    low = np.minimum(opened, close) - np.round(rng.random(shape) * 0.05, 2)
    volume = np.round(rng.uniform(2e4, 4e4, shape))
    return [opened, high, np.maximum(low, 0.01), close, volume], close


def perform(source: Path, orders: Path, journal: Path, window: int) -> Any:
    """Run the history in a fresh process. Return its report. *window* is in bars, 0 for the default."""
    root = str(Path(tieout.__file__).parent.parent)
    command = ("-c", _SCRIPT.read_text("utf-8"), *map(str, (source, orders, journal, window)))
    variables = {"PYTHONPATH": root}
    with start(*command, environment=variables, cwd=source.parent, stdout=PIPE, stderr=PIPE) as child:
        output, errors = child.communicate()
    if child.returncode:
        raise Failed(f"streaming: {errors}")
    return json.loads(output)

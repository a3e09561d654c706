"""Runs of a few orders on a few bars, to be given to another engine."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from tieout import Backtest, Bars, CashAccount, Costs, Instruments, Orders, UnlimitedAccount
from tieout.validation.foreign.native import NativeRun

DAYS = np.busday_offset("2024-01-01", np.arange(10), roll="forward").astype("M8[ns]")
NAN = float("nan")
CUT = CashAccount("1000", insufficient="cut")
FREE = UnlimitedAccount("1000")
FINE = Instruments.fractional()


def run(orders: str, bars: dict[str, Sequence[Any]], volume: Any = None, **settings: Any) -> NativeRun:
    """Run a backtest. One order per line: ``day symbol quantity [limit P|stop P] [day]``.

    *bars* are prices by symbol, one a day, which are open, high, low and close alike; or pairs of open and
    close. *settings* are those of a `Backtest`.
    """
    symbols = sorted(bars)
    both = np.array([[np.broadcast_to(price, 2) for price in bars[symbol]] for symbol in symbols])
    opened, close = both[..., 0].T, both[..., 1].T
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    traded = np.full(close.shape, 1e6) if volume is None else np.array([volume] * len(symbols), float).T
    timestamp = DAYS[: len(close)]
    panels = {"open": opened, "high": high, "low": low, "close": close, "volume": traded}
    rows = [line.split() for line in orders.strip().splitlines()]
    frame = pl.DataFrame(
        {
            "timestamp": timestamp[[int(row[0]) for row in rows]],
            "symbol": [row[1] for row in rows],
            "quantity": [float(row[2]) for row in rows],
            "limit": [_after(row, "limit") for row in rows],
            "stop": [_after(row, "stop") for row in rows],
            "tif": ["DAY" if row[-1] == "day" else "GTC" for row in rows],
        }
    )
    arguments: dict[str, Any] = {"account": CashAccount("1000"), "costs": Costs()} | settings
    backtest = Backtest(
        bars=Bars.from_arrays(timestamp, symbols, **panels), strategy=Orders(frame), **arguments
    )
    with backtest.run() as result:
        return NativeRun.of(backtest, result.journal)


def _after(row: Sequence[str], word: str) -> float:
    return float(row[row.index(word) + 1]) if word in row else NAN

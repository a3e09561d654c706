"""ml4t-backtest, filled at the next open, whole shares.

The clock includes its feed from frames of prices and scores, and the run with its trades, equity curve and
metrics, which the engine computes by itself. The strategy ranks the scores.
"""

import heapq
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl
from ml4t.backtest import BacktestConfig, DataFeed, Engine, OrderSide, Strategy
from ml4t.backtest.config import CommissionType, ExecutionPrice, ShareType, SlippageType
from ml4t.backtest.types import ExecutionMode

from tieout.validation.workloads.task import BEST, INVESTED, WARMUP, Clock, Contestant, Run, Task

FIELDS = ("open", "high", "low", "close", "volume")


def versions() -> dict[str, str]:
    """Return the versions by package."""
    return {"ml4t-backtest": version("ml4t-backtest")}


def contestants(task: Task) -> dict[str, Contestant]:
    """Return the run of a ranking strategy."""
    if "score" not in task.arrays or task.rules.fill != "open":
        return {}
    return {"strategy": partial(_run, task, *_frames(task))}


class Best(Strategy):  # type: ignore[misc]  # without its package, it has no types
    """A strategy that holds the best by score."""

    def on_data(self, timestamp: Any, data: Any, context: Any, broker: Any) -> None:
        """Close positions that are not among the best, then order the target of each."""
        del timestamp, context
        score = {asset: bar["signals"]["score"] for asset, bar in data.items() if bar["signals"]}
        if not score:
            return
        best = heapq.nlargest(BEST, score, key=score.__getitem__)
        equity = broker.get_account_value()
        quantities = {asset: position.quantity for asset, position in broker.positions.items()}
        delta = {asset: -quantity for asset, quantity in quantities.items() if asset not in set(best)}
        for asset in best:
            price = data[asset]["close"]
            delta[asset] = int(INVESTED / BEST * equity / price - quantities.get(asset, 0.0))
        for asset, quantity in sorted(delta.items(), key=lambda item: item[1]):
            if quantity:
                side = OrderSide.BUY if quantity > 0 else OrderSide.SELL
                broker.submit_order(asset, abs(quantity), side)


def _frames(task: Task) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return prices, and scores from the first bar that counts, in the engine's format."""
    arrays = task.arrays
    bars, instruments = arrays["close"].shape
    names = [f"A{n:04d}" for n in range(instruments)]

    def long(first: int, fields: tuple[str, ...]) -> pl.DataFrame:
        count = bars - first
        return pl.DataFrame(
            {
                "timestamp": np.repeat(arrays["timestamp"][first:], instruments).astype("M8[ns]"),
                "asset": names * count,
                **{name: arrays[name][first:].ravel() for name in fields},
            }
        )

    return long(0, FIELDS), long(WARMUP, ("score",))


def _run(task: Task, prices: pl.DataFrame, scores: pl.DataFrame) -> Run:
    config = BacktestConfig(
        initial_cash=task.rules.cash,
        commission_type=CommissionType.PERCENTAGE,
        commission_rate=task.rules.rate,
        slippage_type=SlippageType.NONE,
        slippage_rate=0.0,
        share_type=ShareType.INTEGER,
        execution_mode=ExecutionMode.NEXT_BAR,
        execution_price=ExecutionPrice.OPEN,
    )
    with Clock() as clock:
        engine = Engine(DataFeed(prices_df=prices, signals_df=scores), Best(), config)
        result = engine.run()
    return Run({"total": clock.seconds}, lambda: (float(result.equity_curve[-1][1]), len(result.fills)))

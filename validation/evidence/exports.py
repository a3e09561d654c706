"""Exports of a workload by the packages themselves, as files: fills, prices, and claims.

VectorBT exports its readable records of orders and trades, and cash, value and holdings by bar. Backtrader
exports the rows of its analyzer Transactions, with headers, and the broker's cash and value at every bar.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import backtrader as bt
import pandas as pd

from tieout.validation.engines.backtrader import contestant as backtrader_engine
from tieout.validation.engines.vectorbt import contestant as vectorbt_engine
from tieout.validation.workloads.task import Rules, Task
from tieout.validation.workloads.workloads import FIELDS, Workload

CASH, RATE = 1_000_000.0, 0.001


def prices(workload: Workload, folder: Path) -> Path:
    """Write the bars of a workload as a long Parquet file."""
    times = pd.DatetimeIndex(workload.timestamp.view("M8[ns]"), name="timestamp")
    count = len(workload.symbols)
    columns = {name: workload.bars[name].ravel() for name in FIELDS}
    frame = pd.DataFrame(
        {"timestamp": times.repeat(count), "symbol": workload.symbols * len(times), **columns}
    )
    path = folder / "prices.parquet"
    frame.to_parquet(path, index=False)
    return path


def vectorbt(workload: Workload, folder: Path, engine: str = "numba") -> tuple[Path, list[Path]]:
    """Export the shares of equity at the close. Return the file of fills, and those of claims."""
    weights = pd.DataFrame(
        workload.weights, pd.DatetimeIndex(workload.timestamp.view("M8[ns]")), workload.symbols
    )
    close = pd.DataFrame(workload.bars["close"], weights.index, weights.columns)
    task = Task(workload.name, {"close": close, "weights": weights}, Rules("close", CASH, RATE), folder)
    portfolio = vectorbt_engine.simulation(task, engine)()
    names = ("fills", "curve", "trades", "positions")
    fills, curve, trades, positions = (folder / f"vectorbt-{name}.csv" for name in names)
    portfolio.orders.records_readable.to_csv(fills)
    pd.DataFrame({"cash": portfolio.cash(), "value": portfolio.value()}).to_csv(curve)
    portfolio.trades.records_readable.to_csv(trades)
    holdings = portfolio.assets().rename_axis("timestamp").rename_axis("symbol", axis=1).stack()
    holdings[holdings != 0].rename("quantity").to_csv(positions)
    return fills, [curve, trades, positions]


def backtrader(workload: Workload, folder: Path) -> tuple[Path, list[Path]]:
    """Export the best by score at the next open. Return the file of fills, and those of claims."""
    arrays = {"timestamp": workload.timestamp, **workload.bars, **workload.inputs}
    days = (workload.timestamp / (86_400 * 10**9) + 719_163).tolist()
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.broker.setcash(CASH)
    cerebro.broker.setcommission(commission=RATE)
    for number, symbol in enumerate(workload.symbols):
        columns = {name: workload.bars[name][:, number].tolist() for name in FIELDS}
        cerebro.adddata(backtrader_engine.Feed(columns={"datetime": days, **columns}), name=symbol)
    cerebro.addstrategy(backtrader_engine.Best, arrays=arrays)
    cerebro.addanalyzer(bt.analyzers.Transactions, headers=True, _name="transactions")
    cerebro.addanalyzer(Account, _name="account")
    (strategy,) = cerebro.run()
    headers, *rows = strategy.analyzers.transactions.get_analysis().items()
    table = [(moment, *row) for moment, of_bar in rows for row in of_bar]
    fills, curve = folder / "backtrader-fills.csv", folder / "backtrader-curve.csv"
    pd.DataFrame(table, columns=[headers[0], *headers[1][0]]).to_csv(fills, index=False)
    account = strategy.analyzers.account.get_analysis()
    pd.DataFrame.from_dict(account, "index", columns=["cash", "value"]).to_csv(curve, index_label="date")
    return fills, [curve]


class Account(bt.Analyzer):  # type: ignore[misc]  # Backtrader has no types
    """An analyzer of cash and value by bar."""

    def next(self) -> None:
        """Record the broker's cash and value."""
        broker: Any = self.strategy.broker
        self.rets[self.strategy.datetime.datetime()] = broker.getcash(), broker.getvalue()


EXPORTS: dict[str, Callable[[Workload, Path], tuple[Path, list[Path]]]] = {
    "VectorBT, numba": partial(vectorbt, engine="numba"),
    "VectorBT, Rust": partial(vectorbt, engine="rust"),
    "Backtrader": backtrader,
}
"""Exports by package and engine."""

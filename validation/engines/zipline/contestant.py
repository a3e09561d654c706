"""zipline-reloaded, filled at the next open, whole shares.

Its bundle of bars is written before the clock starts, into a folder of its own. The clock includes the run
with its frame of results. zipline fills at the close by default, so a slippage model gives the open. The
strategy ranks the scores itself.
"""

from collections.abc import Iterator
from datetime import time
from functools import partial
from importlib.metadata import version
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from exchange_calendars import ExchangeCalendar
from zipline import run_algorithm
from zipline.api import order, set_commission, set_slippage
from zipline.data import bundles
from zipline.finance import commission, slippage
from zipline.utils.calendar_utils import get_calendar, global_calendar_dispatcher

from tieout.validation.workloads.task import BEST, INVESTED, WARMUP, Clock, Contestant, Run, Task

CALENDAR = "WEEKDAYS"
FIELDS = ("open", "high", "low", "close", "volume")


class Weekdays(ExchangeCalendar):  # type: ignore[misc]  # where it is not installed, it has no types
    """Every weekday, like the workloads. Sessions of 24/5 end at midnight, with the date before."""

    name = CALENDAR
    tz = ZoneInfo("UTC")
    open_times = ((None, time(9, 30)),)
    close_times = ((None, time(16)),)


global_calendar_dispatcher.register_calendar_type(CALENDAR, Weekdays)


def versions() -> dict[str, str]:
    """Return the versions by package."""
    return {"zipline-reloaded": version("zipline-reloaded")}


def contestants(task: Task) -> dict[str, Contestant]:
    """Return the run of a ranking strategy."""
    if "score" not in task.arrays or task.rules.fill != "open":
        return {}
    name = f"bench-{task.workload}"
    sessions = pd.DatetimeIndex(task.arrays["timestamp"].view("M8[ns]"))
    ingest = partial(_ingest, task, sessions)
    bundles.register(
        name, ingest, calendar_name=CALENDAR, start_session=sessions[0], end_session=sessions[-1]
    )
    bundles.ingest(name, show_progress=False)
    return {"strategy": partial(_run, task, name, sessions)}


class AtTheOpen(slippage.SlippageModel):  # type: ignore[misc]  # as above
    """Slippage that fills all of an order at the open of the bar."""

    def process_order(self, data: Any, order: Any) -> tuple[float, int]:
        """Return price and amount."""
        return data.current(order.asset, "open"), order.amount


class Best:
    """A strategy that holds the best by score and counts the bars."""

    def __init__(self, scores: Any, rate: float, assets: list[Any]) -> None:
        self.scores, self.rate, self.assets = scores, rate, assets
        self.bar = -1

    def initialize(self, context: Any) -> None:
        """Set the costs."""
        del context
        set_commission(commission.PerDollar(cost=self.rate))
        set_slippage(AtTheOpen())

    def handle_data(self, context: Any, data: Any) -> None:
        """Sell positions that are not among the best, then order the target of each."""
        self.bar += 1
        if self.bar < WARMUP:
            return
        best = np.argsort(-self.scores[self.bar], kind="stable")[:BEST]
        targets = [self.assets[n] for n in best]
        positions = context.portfolio.positions
        holdings = {asset: position.amount for asset, position in positions.items()}
        for asset in holdings.keys() - set(targets):
            order(asset, -holdings[asset])
        money = INVESTED / BEST * context.portfolio.portfolio_value
        prices = data.current(targets, "close")
        amounts = [int(money / prices[asset] - holdings.get(asset, 0)) for asset in targets]
        for amount, asset in sorted(zip(amounts, targets, strict=True), key=lambda pair: pair[0]):
            if amount:
                order(asset, amount)


def _ingest(task: Task, sessions: Any, *arguments: Any) -> None:
    """Write the bars as a bundle, with the writers in *arguments*."""
    _, assets, _, days, adjustments, *_ = arguments
    instruments = task.arrays["close"].shape[1]

    def frames() -> Iterator[tuple[int, Any]]:
        for n in range(instruments):
            yield n, pd.DataFrame({name: task.arrays[name][:, n] for name in FIELDS}, index=sessions)

    days.write(frames())
    equities = {
        "symbol": [f"A{n:04d}" for n in range(instruments)],
        "asset_name": [f"A{n:04d}" for n in range(instruments)],
        "start_date": sessions[0],
        "end_date": sessions[-1],
        "exchange": "BENCH",
    }
    exchanges = {"exchange": ["BENCH"], "canonical_name": ["BENCH"], "country_code": ["US"]}
    assets.write(equities=pd.DataFrame(equities), exchanges=pd.DataFrame(exchanges))
    adjustments.write()


def _run(task: Task, name: str, sessions: Any) -> Run:
    finder = bundles.load(name).asset_finder
    assets = finder.retrieve_all(range(task.arrays["close"].shape[1]))
    strategy = Best(task.arrays["score"], task.rules.rate, assets)
    with Clock() as clock:
        results = run_algorithm(
            start=sessions[0],
            end=sessions[-1],
            initialize=strategy.initialize,
            handle_data=strategy.handle_data,
            capital_base=task.rules.cash,
            bundle=name,
            data_frequency="daily",
            trading_calendar=get_calendar(CALENDAR),
            benchmark_returns=pd.Series(0.0, index=sessions),
        )
    fills = sum(map(len, results.transactions))
    return Run({"total": clock.seconds}, lambda: (float(results.portfolio_value.iloc[-1]), fills))

"""Backtrader, filled at the next open, whole shares.

The clock includes the feeds from arrays, the run without observers and analyzers, and the account's value at
every bar. The strategy ranks the scores itself. It closes positions that are no longer among the best before
it sets targets.
"""

import math
from array import array
from functools import partial
from importlib.metadata import version
from typing import Any

import backtrader as bt
import numpy as np

from tieout.validation.workloads.task import BEST, INVESTED, QUANTITY, WARMUP, Clock, Contestant, Run, Task

FIELDS = ("open", "high", "low", "close", "volume")
_DAY = 86_400 * 10**9
_EPOCH = 719_163
"""1970-01-01 in Backtrader's count of days."""


def versions() -> dict[str, str]:
    """Return the versions by package."""
    return {"backtrader": version("backtrader")}


def contestants(task: Task) -> dict[str, Contestant]:
    """Return the run."""
    return {"strategy": partial(_run, task)}


class Feed(bt.feed.DataBase):  # type: ignore[misc]  # Backtrader has no types
    """A feed that fills its lines from whole columns. Row by row would take a third of the run."""

    params = (("columns", None),)

    def preload(self) -> None:
        """Fill the lines, and rewind to before the first row."""
        columns = self.p.columns
        for name in self.lines.getlinealiases():
            values = columns.get(name)
            line = getattr(self.lines, name)
            line.array = array("d", [math.nan] * len(columns["datetime"]) if values is None else values)
        self._last()
        self.home()


class Recorder(bt.Strategy):  # type: ignore[misc]  # as above
    """A strategy that counts fills and records the account's value at every bar."""

    params = (("arrays", None),)

    def __init__(self) -> None:
        self.fills = 0
        self.values: list[float] = []
        self.holdings: set[int] = set()

    def notify_order(self, order: Any) -> None:
        """Count completed orders."""
        self.fills += order.status == order.Completed

    def next(self) -> None:
        """Record the value, then decide."""
        self.values.append(self.broker.getvalue())
        self.decide(len(self) - 1)

    def decide(self, t: int) -> None:
        """Submit orders at bar *t*."""
        raise NotImplementedError


class Best(Recorder):
    """A strategy that holds the best by score."""

    def decide(self, t: int) -> None:
        """Close positions that are not among the best, then order the target of each."""
        if t < WARMUP:
            return
        best = np.sort(np.argsort(-self.p.arrays["score"][t], kind="stable")[:BEST]).tolist()
        for n in sorted(self.holdings.difference(best)):
            if self.getposition(self.datas[n]).size:
                self.close(self.datas[n])
            else:
                self.holdings.remove(n)
        for n in best:
            self.order_target_percent(self.datas[n], INVESTED / BEST)
        self.holdings.update(best)


class Flags(Recorder):
    """A strategy that enters and exits by flags."""

    def decide(self, t: int) -> None:
        """Order instrument by instrument."""
        entries, exits = self.p.arrays["entries"][t], self.p.arrays["exits"][t]
        for n in np.flatnonzero(entries ^ exits).tolist():
            size = self.getposition(self.datas[n]).size
            if entries[n] and not size:
                self.buy(self.datas[n], size=QUANTITY)
            elif exits[n] and size:
                self.close(self.datas[n])


def _run(task: Task) -> Run:
    arrays, rules = task.arrays, task.rules
    with Clock() as clock:
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.broker.setcash(rules.cash)
        cerebro.broker.setcommission(commission=rules.rate)
        days = (arrays["timestamp"] / _DAY + _EPOCH).tolist()
        for n in range(arrays["close"].shape[1]):
            columns = {name: arrays[name][:, n].tolist() for name in FIELDS}
            cerebro.adddata(Feed(columns={"datetime": days, **columns}))
        cerebro.addstrategy(Flags if "entries" in arrays else Best, arrays=arrays)
        (strategy,) = cerebro.run()
    return Run({"total": clock.seconds}, lambda: (float(cerebro.broker.getvalue()), strategy.fills))

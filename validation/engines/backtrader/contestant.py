"""Backtrader, filled at the next open, whole shares.

Within the clock: the feeds from arrays, the run without observers and analyzers, and the account's value at
every bar. The strategy ranks the scores itself; what is no longer among the best is closed before targets
are set.
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
"""1970-01-01 as Backtrader counts days."""


def versions() -> dict[str, str]:
    """By package."""
    return {"backtrader": version("backtrader")}


def contestants(task: Task) -> dict[str, Contestant]:
    """The run."""
    return {"strategy": partial(_run, task)}


class Feed(bt.feed.DataBase):  # type: ignore[misc]  # Backtrader has no types
    """Columns by field, which are its lines at once; row by row would take it a third of the time."""

    params = (("columns", None),)

    def preload(self) -> None:
        """Fill the lines, and go back before the first row."""
        columns = self.p.columns
        for name in self.lines.getlinealiases():
            values = columns.get(name)
            line = getattr(self.lines, name)
            line.array = array("d", [math.nan] * len(columns["datetime"]) if values is None else values)
        self._last()
        self.home()


class Kept(bt.Strategy):  # type: ignore[misc]  # as above
    """Counts fills, and keeps the account's value at every bar."""

    params = (("arrays", None),)

    def __init__(self) -> None:
        self.fills = 0
        self.values: list[float] = []
        self.held: set[int] = set()

    def notify_order(self, order: Any) -> None:
        """Count what is done."""
        self.fills += order.status == order.Completed

    def next(self) -> None:
        """Keep the value, then decide."""
        self.values.append(self.broker.getvalue())
        self.decide(len(self) - 1)

    def decide(self, t: int) -> None:
        """Ask for orders at bar *t*."""
        raise NotImplementedError


class Best(Kept):
    """Holds the best by score."""

    def decide(self, t: int) -> None:
        """Close what is not among the best, then come to the target of each."""
        if t < WARMUP:
            return
        best = np.sort(np.argsort(-self.p.arrays["score"][t], kind="stable")[:BEST]).tolist()
        for n in sorted(self.held.difference(best)):
            if self.getposition(self.datas[n]).size:
                self.close(self.datas[n])
            else:
                self.held.remove(n)
        for n in best:
            self.order_target_percent(self.datas[n], INVESTED / BEST)
        self.held.update(best)


class Flags(Kept):
    """Enters and leaves as flags say."""

    def decide(self, t: int) -> None:
        """Instrument by instrument."""
        entries, exits = self.p.arrays["entries"][t], self.p.arrays["exits"][t]
        for n in np.flatnonzero(entries ^ exits).tolist():
            held = self.getposition(self.datas[n]).size
            if entries[n] and not held:
                self.buy(self.datas[n], size=QUANTITY)
            elif exits[n] and held:
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

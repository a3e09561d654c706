"""VectorBT, both its engines.

`sim` is the simulation call alone, from NumPy arrays, which is faster than from frames. `total` adds reading
the equity curve, the records of trades and orders, and five ratios, from the same portfolio.
"""

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import vectorbt as vbt
import vectorbt_rust  # noqa: F401  without it, engine='rust' fails only when it is timed

from tieout.validation.workloads.task import QUANTITY, Clock, Contestant, Run, Task

ENGINES = ("rust", "numba")


def versions() -> dict[str, str]:
    """Return the versions by package."""
    return {name: version(name) for name in ("vectorbt", "vectorbt-rust")}


def contestants(task: Task) -> dict[str, Contestant]:
    """Return the simulation of each engine, alone and with its results read."""
    return {engine: partial(_run, simulation(task, engine)) for engine in ENGINES}


def simulation(task: Task, engine: str) -> Callable[[], Any]:
    """Return the simulation call for a workload, which returns the portfolio."""
    arrays, rules = task.arrays, task.rules
    common: dict[str, Any] = {
        "fees": rules.rate,
        "init_cash": rules.cash,
        "cash_sharing": True,
        "group_by": True,
        "freq": "1D",
        "engine": engine,
    }
    if "weights" in arrays:
        return partial(
            vbt.Portfolio.from_orders,
            arrays["close"],
            size=arrays["weights"],
            size_type="targetpercent",
            direction="longonly",
            call_seq="auto",
            **common,
        )
    size = np.inf if task.workload == "W4" else float(QUANTITY)
    return partial(
        vbt.Portfolio.from_signals,
        arrays["close"],
        entries=arrays["entries"],
        exits=arrays["exits"],
        size=size,
        **common,
    )


def by_weights(task: Task) -> Callable[[Any], float]:
    """Return a function that performs weights with the faster engine and returns the final value."""

    def perform(weights: Any) -> float:
        arrays = {**task.arrays, "weights": weights}
        return float(simulation(task._replace(arrays=arrays), "rust")().final_value())

    return perform


def read(portfolio: Any) -> tuple[Any, ...]:
    """Read the results that a user asks for after a run."""
    return (
        portfolio.value(),
        portfolio.trades.records,
        portfolio.orders.records,
        portfolio.total_return(),
        portfolio.sharpe_ratio(),
        portfolio.sortino_ratio(),
        portfolio.max_drawdown(),
        portfolio.trades.win_rate(),
    )


def _outcome(portfolio: Any) -> tuple[float, int]:
    return float(portfolio.final_value()), len(portfolio.orders.records)


def _run(simulate: Callable[[], Any]) -> Run:
    with Clock() as clock:
        portfolio = simulate()
        simulated = clock.so_far
        read(portfolio)
    return Run({"sim": simulated, "total": clock.seconds}, partial(_outcome, portfolio))

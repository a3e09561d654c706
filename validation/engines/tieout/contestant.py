"""tieout: the array program and the strategies in Python, in memory and in a file.

Bars and the program's arrays are made before the clock starts, like the inputs of the other engines. The
clock includes `Backtest(...)` and its run. `total` adds equity, trades and metrics, which a run in a file
reads from the closed file. A run in memory is sealed when its head is read, which `sealed` adds.
"""

from collections.abc import Callable
from copy import copy
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tieout import (
    Backtest,
    CashAccount,
    Costs,
    Instruments,
    PercentCommission,
    Result,
    TargetWeights,
)
from tieout.validation.workloads.references import (
    Face,
    all_in,
    bars_of,
    best,
    flags,
    flags_strategy,
    one_by_one,
    outcome,
    weights,
)
from tieout.validation.workloads.task import Clock, Contestant, Run, Task
from tieout.validation.workloads.workloads import Workload

FIELDS = ("open", "high", "low", "close", "volume")
PROGRAMS: dict[str, Callable[[Workload], Face]] = {"W1": flags, "W4": all_in}
STRATEGIES: dict[str, Callable[[Workload], Face]] = {"W1": flags_strategy}

_STRATEGY_WORKLOADS = ("W1", "W2", "W3")
"""Workloads on which a strategy in Python is timed."""


def versions() -> dict[str, str]:
    """Return the versions by package."""
    return {name: version(name) for name in ("tieout", "numba", "numpy", "duckdb", "polars", "pyarrow")}


def contestants(task: Task) -> dict[str, Contestant]:
    """Return the faces of a workload, ``each`` for W2 alone."""
    workload = workload_of(task)
    inputs = settings(task, workload)
    faces = {"program": PROGRAMS.get(task.workload, weights)(workload)}
    if task.workload in _STRATEGY_WORKLOADS:
        faces["strategy"] = STRATEGIES.get(task.workload, best)(workload)
    if task.workload == "W2":
        faces["each"] = one_by_one(workload)
    path = task.folder / "tieout.duckdb"
    entries: dict[str, Contestant] = {}
    for name, face in faces.items():
        make = partial(_backtest, inputs, face)
        entries[name] = partial(_in_memory, make)
        entries[f"{name} in a file"] = partial(_durable, make, path)
    new = partial(_with_bars, inputs, faces["program"], workload)
    entries["program, bars included"] = partial(_in_memory, new)
    entries["program in a file, bars included"] = partial(_durable, new, path)
    if task.workload == "W4":
        make = partial(_backtest, inputs, faces["program"], statements="bar")
        entries["program in a file, a statement a bar"] = partial(_durable, make, path)
    return entries


def by_weights(task: Task) -> Callable[[Any], float]:
    """Return a function that performs weights and returns the final value."""
    inputs = settings(task, workload_of(task))

    def perform(weights: Any) -> float:
        with Backtest(strategy=TargetWeights(weights), **inputs).run() as result:
            return float(result.equity["equity"][-1])

    return perform


def workload_of(task: Task) -> Workload:
    """Return the arrays as a workload."""
    bars = {name: task.arrays[name] for name in FIELDS}
    inputs = {n: values for n, values in task.arrays.items() if n not in {*FIELDS, "timestamp", "weights"}}
    return Workload(task.workload, task.arrays["timestamp"], bars, inputs)


def settings(task: Task, workload: Workload) -> dict[str, Any]:
    """Return the arguments of `Backtest` besides the strategy and its features."""
    rules = task.rules
    return {
        "bars": bars_of(workload),
        "account": CashAccount(
            f"{rules.cash:.0f}", insufficient="cut" if task.workload == "W4" else "reject"
        ),
        "costs": Costs(commission=PercentCommission(f"{rules.rate:f}")),
        "instruments": Instruments.fractional() if rules.fill == "close" else Instruments.whole(),
        "fill": "same_close" if rules.fill == "close" else "next_open",
    }


def read(result: Result) -> tuple[Any, ...]:
    """Read the tables that a user asks for after a run."""
    return result.equity, result.trades, result.metrics


def _backtest(inputs: dict[str, Any], face: Face, **more: Any) -> Backtest:
    # A strategy may hold state, so every run has a copy.
    strategy = copy(face.strategy)
    return Backtest(strategy=strategy, features=face.features, **inputs, **more)


def _with_bars(inputs: dict[str, Any], face: Face, workload: Workload) -> Backtest:
    return _backtest({**inputs, "bars": bars_of(workload)}, face)


def _outcome(result: Result) -> tuple[float, int]:
    with result:
        fills, value = outcome(result)
    return float(value), fills


def _in_memory(make: Callable[[], Backtest]) -> Run:
    with Clock() as clock:
        result = make().run()
        simulated = clock.so_far
        read(result)
        total = clock.so_far
        _ = result.head
    seconds = {"sim": simulated, "total": total, "sealed": clock.seconds}
    return Run(seconds, partial(_outcome, result))


def _durable(make: Callable[[], Backtest], path: Path) -> Run:
    path.unlink(missing_ok=True)
    with Clock() as clock:
        result = make().run(path)
        read(result)
        result.close()
    return Run({"total": clock.seconds}, lambda: _outcome(Result.open(path)))

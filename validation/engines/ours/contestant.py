"""tieout: the array program and the strategies in Python, in memory and in a file.

Bars and the program's arrays are made before the clock starts, as the other engines' inputs are. Within it
are `Backtest(...)` and its run; with `total`, equity, trades and metrics as well, of a run in a file from
the closed file. A run in memory is sealed when somebody asks for its head, which `sealed` has within.
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
    flags_by_hand,
    one_by_one,
    outcome,
    weights,
)
from tieout.validation.workloads.task import Clock, Contestant, Run, Task
from tieout.validation.workloads.workloads import Workload

FIELDS = ("open", "high", "low", "close", "volume")
PROGRAMS: dict[str, Callable[[Workload], Face]] = {"W1": flags, "W4": all_in}
STRATEGIES: dict[str, Callable[[Workload], Face]] = {"W1": flags_by_hand}

_BY_HAND = ("W1", "W2", "W3")
"""Workloads that a strategy in Python is timed on."""


def versions() -> dict[str, str]:
    """By package."""
    return {name: version(name) for name in ("tieout", "numba", "numpy", "duckdb", "polars", "pyarrow")}


def contestants(task: Task) -> dict[str, Contestant]:
    """The faces of a workload; `EACH` for W2 alone."""
    workload = workload_of(task)
    given = settings(task, workload)
    faces = {"program": PROGRAMS.get(task.workload, weights)(workload)}
    if task.workload in _BY_HAND:
        faces["strategy"] = STRATEGIES.get(task.workload, best)(workload)
    if task.workload == "W2":
        faces["each"] = one_by_one(workload)
    path = task.folder / "ours.duckdb"
    found: dict[str, Contestant] = {}
    for name, face in faces.items():
        make = partial(_backtest, given, face)
        found[name] = partial(_in_memory, make)
        found[f"{name} in a file"] = partial(_durable, make, path)
    new = partial(_with_bars, given, faces["program"], workload)
    found["program, its bars made within"] = partial(_in_memory, new)
    found["program in a file, its bars made within"] = partial(_durable, new, path)
    if task.workload == "W4":
        make = partial(_backtest, given, faces["program"], statements="bar")
        found["program in a file, a statement a bar"] = partial(_durable, make, path)
    return found


def by_weights(task: Task) -> Callable[[Any], float]:
    """Performs weights; the final value."""
    given = settings(task, workload_of(task))

    def perform(weights: Any) -> float:
        with Backtest(strategy=TargetWeights(weights), **given).run() as result:
            return float(result.equity["equity"][-1])

    return perform


def workload_of(task: Task) -> Workload:
    """The arrays as a workload."""
    bars = {name: task.arrays[name] for name in FIELDS}
    inputs = {n: values for n, values in task.arrays.items() if n not in {*FIELDS, "timestamp", "weights"}}
    return Workload(task.workload, task.arrays["timestamp"], bars, inputs)


def settings(task: Task, workload: Workload) -> dict[str, Any]:
    """What a `Backtest` is given beside a strategy and its features."""
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
    """What a user asks for next."""
    return result.equity, result.trades, result.metrics


def _backtest(given: dict[str, Any], face: Face, **more: Any) -> Backtest:
    # A strategy may remember, so that every run has one of its own.
    strategy = copy(face.strategy)
    return Backtest(strategy=strategy, features=face.features, **given, **more)


def _with_bars(given: dict[str, Any], face: Face, workload: Workload) -> Backtest:
    return _backtest({**given, "bars": bars_of(workload)}, face)


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

"""How fast a backtest is: the four workloads, from the bar step alone to a fresh process.

The rules are those of the references in `validation.references` that fill at the close, so that what is
timed gives the result that other engines give. Bars are made from arrays before the clock starts, as the
others' inputs were; the fingerprints of the data, the tables and the seals are inside it, except where the
bar step is timed alone.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve, frozen

from execution import Backtest, Result
from execution.engine import Engine
from execution.records import RECORDS
from ledger.commodity import currency
from ledger.events import deposit
from ledger.journal import Journal
from ledger.run import Policies, Run
from validation.bench.rounds import Clock, Timing, in_turn
from validation.bench.workloads import Workload, generate
from validation.references import (
    REFERENCES,
    Face,
    Reference,
    all_in_by_hand,
    one_by_one,
)

WORKLOADS = ("W1", "W2", "W3", "W4")
STRATEGY_BARS = 100_000
"""Of W4, a strategy in Python is timed on the first of its bars."""

PEERS = """
| | W1 ample | W2 | W3 | W4 | memory, W3 | fresh process, W2 |
|---|---|---|---|---|---|---|
| VectorBT 1.2.0, Rust, `sim` | 9.4 ms | 15 ms | 127-135 ms | 17 ms | 547 MB | 2.3 s |
| the same, `total` | 36 ms | 44 ms | 214-247 ms | 65 ms | | |
| VectorBT 1.2.0, numba, `sim` | 11 ms | 24 ms | 216 ms | 83 ms | 735 MB | 17 s (2.2 s cached) |
| the same, `total` | 36 ms | 50 ms | 305 ms | 137 ms | | |
| ml4t-backtest (git, March 2026) | 290-320 ms | 310-345 ms | 3.5-4.0 s | 15 s | 381 MB | 0.58 s |
| PyBroker 2.0.2 | | 545 ms | 6.1 s | | 771 MB | 3.5 s (1.6 s cached) |
| bt 1.4.1 | | 850 ms | 7.4 s | | 598 MB | 2.1 s |
| zipline-reloaded 3.2.1 | | 1.5 s | 56 s | | 563 MB | 3.3 s |
| NautilusTrader 1.221 | 2.6 s | 2.8 s | 32 s | 11.8 s | 1,267 MB | 4.1 s |
| Backtrader 1.9.78.123 | 2.0 s | 2.4 s | 28 s | 22 s | 1,020 MB | 2.8 s |
| backtesting.py 0.6.6 | | | | 2.7 s | | |
"""
"""What the others took, each pinned to one core of a machine with two; not part of any run of this."""

STEP = "array program: the bar step alone"
MEMORY = "array program, in memory"
READ = "array program, in memory, and equity, trades, metrics"
FILE = "array program in a file, closed, and read back"
STRATEGY = "Python strategy, in memory, and equity, trades, metrics"
STRATEGY_FILE = "Python strategy in a file, closed, and read back"
EACH = "Python strategy, one call for each instrument"

_FRESH = """
import json, resource, sys
import numpy as np
from execution import FRACTIONAL, Backtest, Bars, CashAccount, Costs, Instruments
from execution import PercentCommission, TargetWeights

with np.load(sys.argv[1]) as given:
    arrays = {name: given[name] for name in given.files}
symbols = [f"A{number:03d}" for number in range(arrays["close"].shape[1])]
fields = {name: arrays[name] for name in ("open", "high", "low", "close", "volume")}
result = Backtest(
    bars=Bars.from_arrays(arrays["ts"], symbols, **fields),
    strategy=TargetWeights(arrays["weights"]),
    account=CashAccount("1000000"),
    costs=Costs(PercentCommission("0.001")),
    instruments=Instruments(FRACTIONAL),
    fill="same_close",
).run()
value = float(result.equity["equity"][-1])
print(json.dumps([value, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def reference_of(name: str) -> Reference:
    """The rules under which a workload is timed."""
    return next(r for r in REFERENCES if r.workload == name and r.settings.fill == "same_close")


def step_alone(backtest: Backtest) -> float:
    """Seconds in the bar step: every transfer posted in memory, nothing stored, sealed or read."""
    bars, account, terms = backtest.bars, backtest.account, backtest.instruments
    money = currency("USD")
    run = Run(policies=Policies(block_transfers=backtest.block_transfers))
    journal = Journal.create(None, [money, *terms.commodities(bars.symbols, "USD")], run, [RECORDS])
    engine = Engine(
        journal,
        bars.symbols,
        account,
        backtest.costs,
        terms,
        "USD",
        same_close=backtest.fill == "same_close",
        every_bar=bool(np.all(bars.closing)),
        block_bars=0,
    )
    journal.post(int(bars.ts[0]), deposit, "USD", account.cash)
    program = backtest.strategy.program(bars, terms, money, engine.tags)
    window = next(bars.windows())
    engine.enter(0)
    with Clock() as clock:
        engine.run(window.market, program, 0, len(bars))
    return clock.seconds


def in_memory(backtest: Backtest, *, reads: bool) -> float:
    """Seconds of a run in memory; with *reads*, of equity, trades and metrics as well."""
    with Clock() as clock:
        result = backtest.run()
        if reads:
            _read(result)
    result.close()
    return clock.seconds


def in_a_file(backtest: Backtest, path: Path) -> float:
    """Seconds of a run into a file, which is closed; then equity, trades and metrics are read from it."""
    path.unlink(missing_ok=True)
    with Clock() as clock:
        result = backtest.run(path)
        _read(result)
        result.close()
    return clock.seconds


def fresh(arrays: Path) -> tuple[float, float]:
    """Seconds of a new process, from its start to its end, and its peak memory in MB."""
    with Clock() as clock:
        done = subprocess.run(
            [sys.executable, "-c", _FRESH, str(arrays)], check=True, capture_output=True, text=True
        )
    _, kilobytes = json.loads(done.stdout)
    return clock.seconds, kilobytes / 1024


def _read(result: Result) -> Any:
    return result.equity, result.trades, result.metrics


@frozen
class Measured:
    """Timings by workload and contestant; how long a fresh process takes, and memory in MB, of W2 and W3."""

    timings: Mapping[str, Mapping[str, Timing]]
    fresh: Timing
    memory: float


def measure(folder: Path, rounds: int, *, large: bool) -> Measured:
    """Time everything; without *large*, no strategy in Python on W3 and W4."""
    timings: dict[str, dict[str, Timing]] = {}
    workloads = {name: generate(name) for name in WORKLOADS}
    for name, workload in workloads.items():
        timings[name] = in_turn(_contestants(workload, folder), rounds)
        if large or name in {"W1", "W2"}:
            few = rounds if name in {"W1", "W2"} else 1
            timings[name] |= in_turn(_strategies(workload, folder), few)
    kept = {name: _arrays(workloads[name], folder) for name in ("W2", "W3")}
    taken = in_turn({"W2": lambda: fresh(kept["W2"])[0]}, rounds)
    return Measured(timings, taken["W2"], fresh(kept["W3"])[1])


def _contestants(workload: Workload, folder: Path) -> dict[str, Callable[[], float]]:
    """The array program, with more and more inside the clock."""
    reference = reference_of(workload.name)
    backtest = reference.backtest(workload, reference.faces[0])
    return {
        STEP: partial(step_alone, backtest),
        MEMORY: partial(in_memory, backtest, reads=False),
        READ: partial(in_memory, backtest, reads=True),
        FILE: partial(in_a_file, backtest, folder / "program.duckdb"),
    }


def _strategies(workload: Workload, folder: Path) -> dict[str, Callable[[], float]]:
    """The same as a strategy in Python."""
    reference = reference_of(workload.name)
    by_hand: Callable[[Workload], Face] = all_in_by_hand if workload.name == "W4" else reference.faces[1]
    backtest = reference.backtest(_first(workload, STRATEGY_BARS), by_hand)
    found: dict[str, Callable[[], float]] = {
        STRATEGY: partial(in_memory, backtest, reads=True),
        STRATEGY_FILE: partial(in_a_file, backtest, folder / "strategy.duckdb"),
    }
    if workload.name == "W2":
        found[EACH] = partial(in_memory, reference.backtest(workload, one_by_one), reads=True)
    return found


def tables(measured: Measured, rounds: str) -> list[str]:
    """The tables as Markdown."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lines = [
        f"{rounds} Cores: {cores}.",
        f"Of W4, the strategies in Python are timed on the first {STRATEGY_BARS:,} bars, once.",
        "",
        "## W1 to W4, filled at the close",
        "",
        "| | W1 ample | W2 | W3 | W4 |",
        "|---|---|---|---|---|",
    ]
    for name in (STEP, MEMORY, READ, FILE, STRATEGY, STRATEGY_FILE, EACH):
        cells = (_cell(measured.timings[workload].get(name)) for workload in WORKLOADS)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [
        *lines,
        "",
        f"A fresh process, its kernels compiled before, takes {_cell(measured.fresh)} for W2;",
        f"the largest that it becomes is {measured.memory:,.0f} MB, for W3.",
        "",
        "## The others",
        "",
        "Measured elsewhere and before, each pinned to one of two cores. `sim` is the simulation call alone,",
        "`total` adds the equity curve, trades, orders and a few ratios. Nothing of theirs is stored.",
        *PEERS.rstrip().split("\n"),
    ]


def _cell(timing: Timing | None) -> str:
    if timing is None:
        return ""
    return _seconds(timing.median) + (
        f" ({_seconds(min(timing.seconds))} to {_seconds(max(timing.seconds))})"
        if len(timing.seconds) > 1
        else ""
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def _first(workload: Workload, bars: int) -> Workload:
    """The first bars of a workload."""
    fields = {name: values[:bars] for name, values in workload.bars.items()}
    inputs = {name: values[:bars] for name, values in workload.inputs.items()}
    return evolve(workload, ts=workload.ts[:bars], bars=fields, inputs=inputs)


def _arrays(workload: Workload, folder: Path) -> Path:
    path = folder / f"{workload.name}.npz"
    arrays: dict[str, Any] = {"ts": workload.ts, "weights": workload.weights, **workload.bars}
    np.savez(path, **arrays)
    return path

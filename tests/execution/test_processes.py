"""Bars, programs, strategies and backtests in other processes: pickled, spawned and forked."""

import copy
import multiprocessing
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.support.stage import market
from tieout import Backtest, Bar, Bars, Broker, CashAccount, Result, Signals, Strategy, TargetWeights
from tieout.ledger.errors import ForkedWithoutThreads

TABLE = "ACME BOLT\n10 5\n11 5\n12 6\n11 7\n12 6\n- 5\n- 6"
WEIGHTS = np.array([[0.4, 0.3], [np.nan, np.nan], [0.2, 0.6], *[[np.nan, np.nan]] * 4])


class Buys(Strategy):
    """Buys at the first bar, and counts the bars."""

    def __init__(self, quantity: int = 3) -> None:
        self.quantity = quantity
        self._count = 0

    def on_bar(self, _: Bar, broker: Broker) -> None:
        self._count += 1
        if self._count == 1:
            broker.buy("BOLT", self.quantity)


def figures(backtest: Backtest) -> tuple[str, int, int]:
    """Return the head, and how many rows two of the tables have."""
    with backtest.run() as result:
        return result.head, result.trades.height, result.equity.height


def backtests() -> dict[str, Backtest]:
    bars = market(TABLE)
    flags = np.zeros(WEIGHTS.shape, bool)
    flags[1] = True
    strategies = {
        "weights": TargetWeights(WEIGHTS),
        "signals": Signals(flags, ~flags, quantity=2),
        "class": Buys(),
    }
    return {
        name: Backtest(bars=bars, strategy=strategy, account=CashAccount("1000"))
        for name, strategy in strategies.items()
    }


@pytest.mark.parametrize("earlier_runs", [0, 1])
@pytest.mark.parametrize("repeat", [lambda it: pickle.loads(pickle.dumps(it)), copy.deepcopy])  # noqa: S301  ours
@pytest.mark.parametrize("name", ["weights", "signals", "class"])
def test_a_copy_of_a_backtest_runs_to_the_same_head(
    name: str, repeat: Callable[[Backtest], Backtest], earlier_runs: int
) -> None:
    backtest = backtests()[name]
    expected = figures(backtests()[name])
    for _ in range(earlier_runs):
        figures(backtest)

    assert expected == figures(repeat(backtest))
    assert expected == figures(backtest)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_streamed_bars_are_read_again_where_they_were_sent(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bars.{suffix}"
    days = np.arange("2024-01-01", "2024-01-09", dtype="M8[D]")
    prices = {name: np.arange(8) + 10.0 for name in ("open", "high", "low", "close", "volume")}
    frame = pl.DataFrame({"timestamp": days, "symbol": ["ACME"] * 8} | prices)
    getattr(frame, f"write_{suffix}")(path)
    bars = Bars.read(path, window=3)

    again = pickle.loads(pickle.dumps(bars))  # noqa: S301  what this test pickled

    assert bars.fingerprints() == again.fingerprints()
    assert bars.timestamp.tolist() == again.timestamp.tolist()


def test_spawned_processes_run_what_they_are_sent() -> None:
    every = backtests()
    expected = [figures(backtest) for backtest in every.values()]

    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert expected == list(pool.map(figures, backtests().values()))
        assert expected == list(pool.map(figures, [pickle.loads(pickle.dumps(b)) for b in every.values()]))  # noqa: S301  ours


USES: dict[str, Callable[[Result], Any]] = {
    "equity": lambda result: result.equity,
    "trades": lambda result: result.trades,
    "orders": lambda result: result.orders,
    "positions": lambda result: result.positions,
    "pl": lambda result: result.journal.sql("select 1").pl(),
}


def use_in_a_fork(name: str) -> None:
    """Run and use a result in a forked process. Its exit status is 3 if that is refused with the remedy."""
    with backtests()["weights"].run() as result:
        assert result.metrics.fills > 0
        assert [{"n": 1}] == result.journal.sql("select 1 as n").rows()
        try:
            USES[name](result)
        except ForkedWithoutThreads as error:
            os._exit(3 if 'multiprocessing.get_context("spawn")' in str(error) else 4)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not list threads")
@pytest.mark.parametrize("name", USES)
def test_a_forked_process_runs_and_refuses_the_frames_that_it_would_wait_for(name: str) -> None:
    figures(backtests()["weights"])  # starts the threads of Polars here

    child = multiprocessing.get_context("fork").Process(target=use_in_a_fork, args=(name,))
    child.start()
    child.join(60)
    is_stuck = child.is_alive()
    child.kill()

    assert (False, 3) == (is_stuck, child.exitcode)

"""The parts, each by itself, with pytest-benchmark: `make bench-parts`.

The inputs of a part are made again before every round, outside the clock.
"""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from tieout.execution.engine import Engine
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import Report, verify
from tieout.ledger.journal import Journal
from tieout.validation.bench import ledger, runs
from tieout.validation.workloads.arrays import workload
from tieout.validation.workloads.references import REFERENCES, weights

TRANSFERS = 500_000
ROUNDS = 7

Benchmark = Any
"""pytest-benchmark's fixture, whose own module has no types."""


def test_posting_half_a_million_transfers(benchmark: Benchmark) -> None:
    counts: list[int] = []

    def setup() -> tuple[tuple[Journal, int], dict[str, Any]]:
        journal = ledger.fresh(None, TRANSFERS)
        start = ledger.trade(journal.books, 1, 0, TRANSFERS)
        journal.close_block()
        return (journal, start), {}

    def post(journal: Journal, start: int) -> None:
        counts.append(ledger.trade(journal.books, 1, start, TRANSFERS) - start)

    benchmark.pedantic(post, setup=setup, rounds=ROUNDS, warmup_rounds=1)

    assert len(set(counts)) == 1


def test_relieving_three_lots_a_sale(benchmark: Benchmark) -> None:
    counts: list[int] = []

    def setup() -> tuple[tuple[Journal], dict[str, Any]]:
        journal = ledger.fresh(None, TRANSFERS)
        ledger.stock(journal.books, 1, ledger.LOTS)
        journal.close_block()
        return (journal,), {}

    def sell(journal: Journal) -> None:
        counts.append(ledger.sell_off(journal.books, 1, ledger.LOTS))

    benchmark.pedantic(sell, setup=setup, rounds=ROUNDS, warmup_rounds=1)

    assert {ledger.INSTRUMENTS * ledger.LOTS // 3} == set(counts)


def test_the_bar_step_over_a_year_of_500_instruments(benchmark: Benchmark) -> None:
    reference = next(r for r in REFERENCES if (r.workload, r.settings.fill) == ("W2", "same_close"))
    backtest = reference.backtest(workload("W2"), weights)

    fills: list[int] = []

    def setup() -> tuple[runs.Prepared, dict[str, Any]]:
        return runs.prepared(backtest), {}

    def perform(engine: Engine, *arguments: Any) -> None:
        runs.step(engine, *arguments)
        fills.append(int(engine.desk.state[0].fills))

    benchmark.pedantic(perform, setup=setup, rounds=ROUNDS, warmup_rounds=1)

    assert {reference.fills} == set(fills)


@pytest.fixture(scope="module")
def load() -> ledger.Load:
    return ledger.Load.of(TRANSFERS)


def test_sealing_and_storing_a_block(benchmark: Benchmark, load: ledger.Load, tmp_path: Path) -> None:
    benchmark.pedantic(ledger.storing, (load, TRANSFERS, tmp_path), rounds=ROUNDS, warmup_rounds=1)

    with duckdb.connect(str(tmp_path / "tieout.duckdb"), read_only=True) as connection:
        assert [(load.transfer.num_rows,)] == connection.execute("select count(*) from transfer").fetchall()


def test_verifying_half_a_million_transfers(benchmark: Benchmark, tmp_path: Path) -> None:
    path = tmp_path / "audited.duckdb"
    ledger.audited(path, TRANSFERS)

    def check() -> Report:
        with Reader(path) as reader:
            return verify(reader)

    assert benchmark.pedantic(check, rounds=ROUNDS, warmup_rounds=1).ok

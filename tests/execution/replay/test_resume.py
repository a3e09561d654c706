"""A run that was stopped goes on where it ended, to the same head digest."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tieout import Backtest, Bar, Broker, CashAccount, Recording, Strategy
from tieout.execution.errors import InputChanged, StrategyFailed
from tieout.execution.replay.reperformance import RunRecord
from tieout.ledger.errors import ReplayDiverged
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.strategies.top import Top
from tieout.strategies.universe import generate

BLOCK = 10


def backtest(strategy: Strategy | None = None) -> Backtest:
    bars, scores = generate(stocks=8, days=60, seed=2)
    return Backtest(
        bars=bars,
        features=scores,
        strategy=strategy or Top(count=3),
        account=CashAccount("100000"),
        recording=Recording(block_bars=BLOCK),
    )


def head(path: Path | None, strategy: Strategy | None = None) -> str:
    with backtest(strategy).run(path) as result:
        return result.head


def interrupted(path: Path, bar: int) -> int:
    """Interrupt the run at *bar*. Return the number of blocks that the file then has."""

    def interrupt(bars: int, _: int) -> None:
        if bars == bar:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backtest().run(path, progress=interrupt)
    return len(RunRecord.read(path).seals)


def sound(path: Path) -> bool:
    with Reader(path) as reader:
        return verify(reader).ok


@pytest.mark.parametrize(("bar", "blocks"), [(1, 0), (9, 0), (10, 1), (25, 2), (59, 5), (60, 6)])
def test_an_interrupted_run_is_resumed_to_the_same_head(tmp_path: Path, bar: int, blocks: int) -> None:
    path = tmp_path / "run.duckdb"

    assert blocks == interrupted(path, bar)
    assert head(None) == head(path)
    assert sound(path)


def test_a_run_may_be_interrupted_many_times(tmp_path: Path) -> None:
    path = tmp_path / "run.duckdb"
    blocks = [interrupted(path, bar) for bar in (25, 12, 41, 3)]

    assert [2, 2, 4, 4] == blocks
    assert head(None) == head(path)


def test_a_run_interrupted_is_not_equal_until_it_is_resumed(tmp_path: Path) -> None:
    path = tmp_path / "run.duckdb"
    interrupted(path, 25)
    before = backtest().reperform(path)
    head(path)
    after = backtest().reperform(path)

    assert (False, True) == (before.equal, after.equal)
    assert [True, True, False] == [block.equal for block in before.blocks][:3]
    assert str(before.first_difference).endswith("and the file ends before it")


def test_another_description_is_refused_with_its_differences(tmp_path: Path) -> None:
    path = tmp_path / "run.duckdb"
    head(path)

    with pytest.raises(InputChanged, match=r"the parameter count was 3, now 4$"):
        backtest(Top(count=4)).run(path)
    assert ["the parameter count was 3, now 4"] == backtest(Top(count=4)).reperform(path).causes


class Failing(Strategy):
    """Buys each day, and fails at a bar that its description does not say."""

    def __init__(self, bar: int) -> None:
        self._bar = bar

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        if bar.number == self._bar:
            raise ZeroDivisionError
        broker.order_percent(bar.symbols[0], 0.01)


def test_a_run_that_failed_by_chance_does_not_harm_one_that_came_further(tmp_path: Path) -> None:
    path = tmp_path / "run.duckdb"
    whole = head(path, Failing(-1))

    with pytest.raises(StrategyFailed, match="an earlier run came further, and its journal is unchanged"):
        head(path, Failing(25))
    assert whole == RunRecord.read(path).head
    assert sound(path)


def test_one_that_comes_further_than_a_failure_says_why_it_cannot_go_on(tmp_path: Path) -> None:
    path = tmp_path / "run.duckdb"
    with pytest.raises(StrategyFailed, match=r"failed at bar 25, 2023-02-06.*; the journal is closed there"):
        head(path, Failing(25))

    assert sound(path)
    with pytest.raises(ReplayDiverged, match=r"block 2 .*the run in the file was ended by an error"):
        head(path, Failing(-1))


class Whimsical(Strategy):
    """Does something else each time."""

    def __init__(self, moods: Iterator[int]) -> None:
        self._moods = moods

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        if bar.number % 5 == 0:
            broker.buy(bar.symbols[0], 1 + next(self._moods))


def test_a_strategy_that_depends_on_more_than_its_inputs_is_found_out(tmp_path: Path) -> None:
    path, moods = tmp_path / "run.duckdb", count()
    head(path, Whimsical(moods))

    with pytest.raises(ReplayDiverged, match=r"block 0 .*the strategy depends on more than that"):
        head(path, Whimsical(moods))
    assert sound(path)

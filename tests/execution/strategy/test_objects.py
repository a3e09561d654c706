"""Strategy objects: run again, refused, and defined in a notebook or at the command line."""

import hashlib
import linecache
import subprocess
import sys
import threading
from types import ModuleType
from typing import Any

import pytest

from tests.support.stage import market
from tieout import Backtest, Bar, Broker, CashAccount, Strategy
from tieout.execution.errors import InvalidSetting, StrategyFailed

PRICES = "ACME\n10\n10\n10\n10\n10"


class Counter(Strategy):
    """Buys as many shares as it has seen bars, and keeps what it did."""

    def __init__(self, most: int = 3, model: object = None) -> None:
        self.most = most
        self._model = model
        self._count = 0

    def on_bar(self, _: Bar, broker: Broker) -> None:
        self._count += 1
        self.held = broker.position("ACME")
        broker.buy("ACME", min(self._count, self.most))


class Slotted(Strategy):
    __slots__ = ("_count", "bought")

    def __init__(self) -> None:
        self._count = 0

    def on_bar(self, _: Bar, broker: Broker) -> None:
        self._count += 1
        self.bought = self._count
        broker.buy("ACME", self._count)


@pytest.mark.parametrize("strategy", [Counter(), Slotted()])
def test_each_run_of_an_object_begins_with_its_first_state(strategy: Any) -> None:
    backtest = Backtest(bars=market(PRICES), strategy=strategy, account=CashAccount("1000"))
    heads = []
    for _ in range(3):
        with backtest.run() as result:
            heads.append(result.head)
        assert 5 == strategy._count  # what it kept is there afterwards

    assert 1 == len(set(heads))


def test_an_object_that_was_changed_after_its_run_is_refused() -> None:
    strategy = Counter()
    backtest = Backtest(bars=market(PRICES), strategy=strategy, account=CashAccount("1000"))
    backtest.run().close()
    strategy.most = 5

    with pytest.raises(
        InvalidSetting, match="this Counter was run before and changed since; create a new one"
    ):
        backtest.run()


def test_an_object_that_cannot_be_copied_runs_once() -> None:
    backtest = Backtest(
        bars=market(PRICES), strategy=Counter(model=threading.Lock()), account=CashAccount("1000")
    )
    backtest.run().close()

    with pytest.raises(
        InvalidSetting, match="this Counter was run before and cannot be copied; create a new"
    ):
        backtest.run()


def test_a_run_that_failed_can_be_repeated() -> None:
    class Fails(Counter):
        def on_bar(self, bar: Bar, broker: Broker) -> None:
            super().on_bar(bar, broker)
            if bar.number == 1:
                raise ValueError("no")

    backtest = Backtest(bars=market(PRICES), strategy=Fails(), account=CashAccount("1000"))
    for _ in range(2):
        with pytest.raises(StrategyFailed, match="bar 1"):
            backtest.run()


_CELL = """
from tests.support.stage import market
PRICES = "ACME\\n10\\n10\\n10\\n10\\n10"
from tieout import Backtest, CashAccount, Strategy
class Buys(Strategy):
    def on_bar(self, bar, broker):
        broker.buy("ACME", {quantity})
def digest():
    return Backtest(bars=market(PRICES), strategy=Buys(), account=CashAccount("1000")).description().strategy
"""


def cell(number: int, **values: object) -> str:
    """Define a class as a cell of a notebook does, and return the digest of its source."""
    text, name = _CELL.format(**values), f"<cell {number}>"
    module = ModuleType(f"notebook{number}")
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    sys.modules[module.__name__] = module
    exec(compile(text, name, "exec"), vars(module))  # noqa: S102  as a notebook runs a cell
    digest: str = module.digest()
    return digest


def test_the_source_of_a_class_in_a_notebook_is_its_whole_cell() -> None:
    assert cell(1, quantity=1) == cell(2, quantity=1)
    assert cell(1, quantity=1) != cell(3, quantity=2)
    assert hashlib.sha256(_CELL.format(quantity=1).encode()).hexdigest() == cell(4, quantity=1)


@pytest.mark.parametrize("way", ["-c", "-"])
def test_a_class_typed_at_the_command_line_runs_and_is_digested(way: str) -> None:
    def printed(quantity: int) -> str:
        text = _CELL.format(quantity=quantity) + "\nprint(digest())"
        command = [sys.executable, way, *([text] if way == "-c" else [])]
        child = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert 0 == child.returncode, child.stderr
        return child.stdout

    assert printed(1) == printed(1)
    assert printed(1) != printed(2)

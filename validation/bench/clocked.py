"""Runs of the workloads performed in their parts, each part with a clock; nothing is stored.

`tell_steps` is for a process of its own, which finds whichever sources it is meant to.
"""

import gc
import json
import sys
from collections.abc import Callable
from copy import copy
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from attrs import evolve, frozen

from tieout import Backtest, Bar, Bars, Broker, Strategy
from tieout.execution.data.bars import Window
from tieout.execution.data.frames import FIELDS
from tieout.execution.engine import Engine
from tieout.execution.kernels.orders import Reason
from tieout.execution.kernels.state import Floats, Market
from tieout.execution.strategy.queue import OrderQueue
from tieout.execution.strategy.strategy import fields
from tieout.ledger.books.arrays import Records
from tieout.validation.bench import step
from tieout.validation.workloads.arrays import workload
from tieout.validation.workloads.references import REFERENCES, Face
from tieout.validation.workloads.task import Clock
from tieout.validation.workloads.workloads import Workload

RUNS = ("W2", "W3", "W4", "W2 on_bar")
"""The array programs, and a strategy in Python."""
REPEATS = 5
"""How often a step is performed for the least of its times."""


@frozen
class Case:
    """A run by its name, the arrays that it is made of, and the backtest."""

    name: str
    workload: Workload
    backtest: Backtest
    _face: Callable[[Workload], Face]

    @classmethod
    def of(cls, name: str) -> "Case":
        """One of `RUNS`."""
        which, _, by_hand = name.partition(" ")
        reference = next(r for r in REFERENCES if (r.workload, r.settings.fill) == (which, "same_close"))
        given, face = workload(which), reference.faces[1 if by_hand else 0]
        return cls(name, given, reference.backtest(given, face), face)

    @property
    def is_program(self) -> bool:
        """Whether it runs without returning to Python."""
        return not isinstance(self.backtest.strategy, Strategy)

    def strategy(self) -> Any:
        """A strategy that has not been performed; a program from its arrays."""
        return self._face(self.workload).strategy if self.is_program else copy(self.backtest.strategy)

    def anew(self, bars: Bars | None = None) -> Backtest:
        """The backtest with a strategy that has not been performed, over *bars*."""
        held = self.backtest
        return evolve(held, bars=held.bars if bars is None else bars, strategy=self.strategy())


class Clocked:
    """An engine of which the bar step is timed, part by part, and what it is asked for counted."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.seconds = 0.0
        self.requests = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def before(self, market: Market, t: int) -> None:
        """Steps 1 to 5."""
        self._timed(partial(self.engine.before, market, t))

    def submit(self, requests: Records, close: Floats) -> None:
        """What was decided in step 6."""
        self.requests += requests.size
        self._timed(partial(self.engine.submit, requests, close))

    def after(self, market: Market, t: int) -> None:
        """Steps 7 and 8."""
        self._timed(partial(self.engine.after, market, t))

    def _timed(self, part: Callable[[], None]) -> None:
        with Clock() as clock:
            part()
        self.seconds += clock.seconds


class Views:
    """Bars as a strategy is shown them."""

    def __init__(self, window: Window, symbols: tuple[str, ...]) -> None:
        self.panels = [*(getattr(window.market, name) for name in FIELDS), *window.features.values()]
        self._ts = window.market.timestamp
        self._symbols = symbols
        self._numbers = {symbol: column for column, symbol in enumerate(symbols)}
        self._places = {name: place for place, name in enumerate(fields(window.features))}

    def at(self, t: int) -> Bar:
        """The one at bar *t*, from rows of its own."""
        now = np.array([panel[t] for panel in self.panels])
        now.flags.writeable = False
        time = np.datetime64(int(self._ts[t]), "ns")
        return Bar(t, time, self._symbols, self._numbers, self._places, now, {}, None)


@frozen
class Performed:
    """A run whose block is open still, the seconds of its stages, and how many requests there were."""

    engine: Engine
    step: float
    strategy: float = 0.0
    view: float = 0.0
    requests: int = 0

    def ended(self) -> Engine:
        """The engine after the end of the data."""
        self.engine.finish(int(Reason.NONE))
        return self.engine


def perform(backtest: Backtest) -> Performed:
    """Perform every bar, nothing stored."""
    if isinstance(backtest.strategy, Strategy):
        return _bar_by_bar(backtest, backtest.strategy)
    engine, *given = step.prepared(backtest)
    with Clock() as clock:
        step.perform(engine, *given)
    return Performed(engine, clock.seconds)


class _Nothing:
    """A program in the place of a strategy, to have an engine made."""

    def program(self, *_: object) -> None:
        """None: it is not performed."""


def _bar_by_bar(backtest: Backtest, strategy: Strategy) -> Performed:
    """A strategy's run in its parts, without notices, of which it wants none."""
    engine, *_ = step.prepared(evolve(backtest, strategy=_Nothing()))
    window = next(backtest.bars.windows(backtest.features))
    clocked, views = Clocked(engine), Views(window, backtest.bars.symbols)
    stand_in: Any = clocked
    queue = OrderQueue(stand_in)
    broker = Broker(stand_in, queue, backtest.instruments, backtest.seed)
    strategy.on_start(broker)
    asked = viewed = 0.0
    for t in range(len(window.market.timestamp)):
        clocked.before(window.market, t)
        with Clock() as clock:
            bar = views.at(t)
            queue.open_bar(bar.close)
        viewed += clock.seconds
        stepped = clocked.seconds
        with Clock() as clock:
            strategy.on_bar(bar, broker)
            queue.flush()
        asked += clock.seconds - (clocked.seconds - stepped)
        clocked.after(window.market, t)
    return Performed(engine, clocked.seconds, asked, viewed, clocked.requests)


def tell_steps(name: str) -> None:
    """For each line that comes in, print the least seconds of a run's step, and its balances' digest."""
    case = Case.of(name)
    for _ in sys.stdin:
        seconds = []
        for _ in range(REPEATS):
            done = perform(case.anew())
            seconds.append(done.step)
            balances = sha256(done.engine.journal.books.accounts["balance"].tobytes()).hexdigest()
            done.engine.journal.discard()
            del done
            gc.collect()
        print(json.dumps([min(seconds), balances]), flush=True)

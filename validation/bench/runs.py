"""Runs of the workloads, performed in parts that are timed. Nothing is stored, sealed or read."""

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve, frozen

from tieout import Backtest, Bar, Bars, Broker, Strategy
from tieout.execution.data.bars import Window
from tieout.execution.data.frames import FIELDS
from tieout.execution.data.listing import Listing
from tieout.execution.engine import Engine, Tags
from tieout.execution.kernels.orders import Reason
from tieout.execution.kernels.state import Market
from tieout.execution.records import RECORDS
from tieout.execution.strategy.queue import OrderQueue
from tieout.execution.strategy.strategy import fields
from tieout.ledger.books.commodity import currency
from tieout.ledger.books.events import deposit
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal
from tieout.ledger.numeric import Floats, Records
from tieout.validation.workloads.arrays import workload
from tieout.validation.workloads.references import REFERENCES, Face
from tieout.validation.workloads.task import Clock
from tieout.validation.workloads.workloads import Workload

RUNS = ("W2", "W3", "W4", "W2 on_bar")
"""The array programs, and a strategy in Python."""

Prepared = tuple[Engine, Any, Any, int]
"""An engine at its first bar, its market, its program, and the number of bars."""


@frozen
class Case:
    """A run by its name, the arrays that it is made of, and the backtest."""

    name: str
    workload: Workload
    backtest: Backtest
    _face: Callable[[Workload], Face]

    @classmethod
    def of(cls, name: str) -> "Case":
        """Return one of `RUNS`."""
        workload_name, _, python = name.partition(" ")
        reference = next(
            r for r in REFERENCES if (r.workload, r.settings.fill) == (workload_name, "same_close")
        )
        arrays, face = workload(workload_name), reference.faces[1 if python else 0]
        return cls(name, arrays, reference.backtest(arrays, face), face)

    @property
    def is_program(self) -> bool:
        """Check whether it runs without returning to Python."""
        return not isinstance(self.backtest.strategy, Strategy)

    def strategy(self) -> Any:
        """Return a strategy that has not been run yet, or a program made from its arrays."""
        return self._face(self.workload).strategy if self.is_program else copy(self.backtest.strategy)

    def fresh(self, bars: Bars | None = None) -> Backtest:
        """Return the backtest with a strategy that has not been run yet, over *bars*."""
        backtest = self.backtest
        return evolve(backtest, bars=backtest.bars if bars is None else bars, strategy=self.strategy())


# --- array programs ------------------------------------------------------------------------------------


def prepared(backtest: Backtest) -> Prepared:
    """Prepare the bar step of an array program."""
    bars, account, terms = backtest.bars, backtest.account, backtest.instruments
    money, tags = currency(backtest.currency), Tags()
    run = Run(policies=Policies(block_transfers=backtest.recording.block_transfers))
    listing = Listing.of(bars.symbols, terms, backtest.money, run.policies)
    journal = Journal.create(None, listing.layout, run, [RECORDS])
    engine = Engine(
        journal,
        bars.symbols,
        account,
        backtest.costs,
        listing.rows,
        backtest.currency,
        tags,
        same_close=backtest.fill == "same_close",
        every_bar=bool(np.all(bars.closing)),
        block_bars=0,
    )
    journal.post(int(bars.timestamp[0]), deposit, backtest.currency, account.cash)
    program = backtest.strategy.program(bars, terms, money, tags)
    window = next(bars.windows())
    engine.enter(window.first)
    return engine, window.market, program, len(bars)


def step(engine: Engine, market: Any, program: Any, bars: int) -> None:
    """Perform every bar."""
    engine.run(market, program, 0, bars)


# --- strategies in Python ------------------------------------------------------------------------------


class Clocked:
    """An engine whose bar step is timed part by part, and whose requests are counted."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.seconds = 0.0
        self.requests = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def before(self, market: Market, t: int) -> None:
        """Perform steps 1 to 5."""
        self._timed(partial(self.engine.before, market, t))

    def submit(self, requests: Records, close: Floats) -> None:
        """Submit the requests of step 6."""
        self.requests += requests.size
        self._timed(partial(self.engine.submit, requests, close))

    def after(self, market: Market, t: int) -> None:
        """Perform steps 7 and 8."""
        self._timed(partial(self.engine.after, market, t))

    def _timed(self, part: Callable[[], None]) -> None:
        with Clock() as clock:
            part()
        self.seconds += clock.seconds


class Views:
    """Bars as a strategy sees them."""

    def __init__(self, window: Window, symbols: tuple[str, ...]) -> None:
        self.panels = [*(getattr(window.market, name) for name in FIELDS), *window.features.values()]
        self._timestamp = window.market.timestamp
        self._symbols = symbols
        self._numbers = {symbol: column for column, symbol in enumerate(symbols)}
        self._places = {name: place for place, name in enumerate(fields(window.features))}

    def at(self, t: int) -> Bar:
        """Return bar *t*, from rows of its own."""
        now = np.array([panel[t] for panel in self.panels])
        now.flags.writeable = False
        timestamp = np.datetime64(int(self._timestamp[t]), "ns")
        return Bar(t, timestamp, self._symbols, self._numbers, self._places, now, {}, None)


@frozen
class Performance:
    """A run whose block is still open, the seconds of its stages, and the number of requests."""

    engine: Engine
    step: float
    strategy: float = 0.0
    view: float = 0.0
    requests: int = 0

    def ended(self) -> Engine:
        """Return the engine after the end of the data."""
        self.engine.finish(int(Reason.NONE))
        return self.engine


def perform(backtest: Backtest) -> Performance:
    """Perform every bar and store nothing."""
    if isinstance(backtest.strategy, Strategy):
        return _bar_by_bar(backtest, backtest.strategy)
    engine, *arguments = prepared(backtest)
    with Clock() as clock:
        step(engine, *arguments)
    return Performance(engine, clock.seconds)


class _EmptyProgram:
    """A program in the place of a strategy, so that an engine is made."""

    def program(self, *_: object) -> None:
        """Return None: the program is not performed."""


def _bar_by_bar(backtest: Backtest, strategy: Strategy) -> Performance:
    """Perform a strategy in its parts, without notices, which these strategies do not read."""
    engine, *_ = prepared(evolve(backtest, strategy=_EmptyProgram()))
    window = next(backtest.bars.windows(backtest.features))
    clocked, views = Clocked(engine), Views(window, backtest.bars.symbols)
    stand_in: Any = clocked
    queue = OrderQueue(stand_in)
    broker = Broker(stand_in, queue, backtest.instruments, backtest.seed)
    strategy.on_start(broker)
    calls = view = 0.0
    for t in range(len(window.market.timestamp)):
        clocked.before(window.market, t)
        with Clock() as clock:
            bar = views.at(t)
            queue.open_bar(bar.close)
        view += clock.seconds
        before = clocked.seconds
        with Clock() as clock:
            strategy.on_bar(bar, broker)
            queue.flush()
        calls += clock.seconds - (clocked.seconds - before)
        clocked.after(window.market, t)
    return Performance(engine, clocked.seconds, calls, view, clocked.requests)

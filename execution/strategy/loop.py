"""The loop of a Python strategy: bar by bar, from the engine to the strategy and back."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from tieout.execution.data.bars import Bars, Window
from tieout.execution.data.frames import FIELDS
from tieout.execution.engine import Engine
from tieout.execution.errors import StrategyFailed
from tieout.execution.kernels.orders import Reason
from tieout.execution.strategy.broker import Broker
from tieout.execution.strategy.notices import Notices
from tieout.execution.strategy.queue import OrderQueue
from tieout.execution.strategy.strategy import Bar, BarHistory, Strategy, fields
from tieout.ledger.errors import LedgerError
from tieout.ledger.numeric import Floats

Progress = Callable[[int, int], None]
"""A function that is called with the number of bars performed and the number of all bars."""

_CLOSE = FIELDS.index("close")


class StrategyLoop:
    """A run of one strategy over *bars*. *queue* passes the orders of *broker* to *engine*."""

    def __init__(
        self, strategy: Strategy, bars: Bars, engine: Engine, broker: Broker, queue: OrderQueue
    ) -> None:
        self._strategy = strategy
        self._bars = bars
        self._engine = engine
        self._broker = broker
        self._queue = queue
        self._notices = Notices(strategy, engine)
        self._history: BarHistory | None = None
        self._numbers = {symbol: column for column, symbol in enumerate(bars.symbols)}
        self._bar = -1  # the current bar, -1 before the first

    def run(self, windows: Iterable[Window], progress: Progress | None) -> None:
        """Perform all bars of *windows*.

        An error of the strategy ends the run at its bar. The engine finishes with the reason `RUN_STOPPED`,
        and `StrategyFailed` names the bar.
        """
        with self._strategy_code():
            self._strategy.on_start(self._broker)
        for window in windows:
            self._run_window(window, progress)
        self._queue.open_bar(None)
        with self._strategy_code():
            self._notices.deliver(self._broker)
            self._strategy.on_end(self._broker)

    def _run_window(self, window: Window, progress: Progress | None) -> None:
        engine, market = self._engine, window.market
        names = fields(window.features)
        places = {name: place for place, name in enumerate(names)}
        panels = [getattr(market, name) for name in FIELDS] + list(window.features.values())
        if self._history is None and self._strategy.lookback:
            self._history = BarHistory(names, len(self._bars.symbols), self._strategy.lookback)
        engine.enter(window.first)
        for t in range(len(market.timestamp)):
            self._bar = window.first + t
            engine.before(market, t)
            self._notices.collect()
            # A copy of this bar alone: a view of the panels would lead to later bars.
            values = np.empty((len(panels), len(self._bars.symbols)))
            for place, panel in enumerate(panels):
                values[place] = panel[t]
            values.flags.writeable = False
            if self._history is not None:
                self._history.add(values)
            context = {name: float(column[t]) for name, column in window.context.items()}
            timestamp = np.datetime64(int(market.timestamp[t]), "ns")
            symbols, history = self._bars.symbols, self._history
            bar = Bar(self._bar, timestamp, symbols, self._numbers, places, values, context, history)
            self._decide(bar, values[_CLOSE])
            engine.after(market, t)
            self._notices.collect()
            if engine.close_full_block():
                self._notices.restart()
            if progress is not None:
                progress(self._bar + 1, len(self._bars))

    def _decide(self, bar: Bar, close: Floats) -> None:
        """Let the strategy decide at the close of *bar*, and submit its orders."""
        self._queue.open_bar(close)
        with self._strategy_code():
            self._notices.deliver(self._broker)
            self._strategy.on_bar(bar, self._broker)
            self._queue.flush()

    @contextmanager
    def _strategy_code(self) -> Iterator[None]:
        """Stop the run at an error of the strategy. An error of the journal passes unchanged."""
        try:
            yield
        except LedgerError:
            raise
        except Exception as error:  # noqa: BLE001  a strategy may raise any
            self._stop(error)

    def _stop(self, error: Exception) -> None:
        """End the journal at the current bar, and raise `StrategyFailed` that names the bar."""
        if self._bar < 0:
            raise StrategyFailed(f"the strategy failed before the first bar: {error!r}") from error
        timestamp = np.datetime64(int(self._bars.timestamp[self._bar]), "ns")
        self._engine.finish(int(Reason.RUN_STOPPED))
        date = str(timestamp).removesuffix("T00:00:00.000000000")
        raise StrategyFailed(f"the strategy failed at bar {self._bar}, {date}: {error!r}") from error

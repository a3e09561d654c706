"""Notices of fills and rejections to a strategy that overrides `on_fill` or `on_rejection`."""

import numpy as np

from tieout.execution.engine import Engine
from tieout.execution.kernels.orders import OrderEvent, Reason
from tieout.execution.strategy.broker import Broker
from tieout.execution.strategy.strategy import Fill, Rejection, Strategy

_REJECTED = int(OrderEvent.REJECTED)


class Notices:
    """New fills and rejections, collected from the rows of the open block."""

    def __init__(self, strategy: Strategy, engine: Engine) -> None:
        self._strategy = strategy
        self._engine = engine
        kind = type(strategy)
        self._with_fills = kind.on_fill is not Strategy.on_fill
        self._with_rejections = kind.on_rejection is not Strategy.on_rejection
        # Rows of the open block that were collected already.
        self._fills = self._events = 0
        self._queue: list[Fill | Rejection] = []
        commodities = np.asarray(engine.desk.instruments)["commodity"].tolist()
        self._columns = {commodity: column for column, commodity in enumerate(commodities)}

    def restart(self) -> None:
        """Begin at the first row again, after a block was closed."""
        self._fills = self._events = 0

    def collect(self) -> None:
        """Collect the new rows."""
        if not (self._with_fills or self._with_rejections):
            return
        desk = self._engine.desk
        state = desk.state[0]
        if self._with_fills:
            self._queue.extend(self._fill(row) for row in desk.fills[self._fills : state.fills])
        if self._with_rejections:
            rows = desk.events[self._events : state.events]
            self._queue.extend(self._rejection(row) for row in rows if row.event == _REJECTED)
        self._fills, self._events = int(state.fills), int(state.events)

    def deliver(self, broker: Broker) -> None:
        """Call the strategy with each notice, in order."""
        notices, self._queue = self._queue, []
        for notice in notices:
            if isinstance(notice, Fill):
                self._strategy.on_fill(notice, broker)
            else:
                self._strategy.on_rejection(notice, broker)

    def _fill(self, row: np.record) -> Fill:
        column = self._columns[int(row["instrument"])]
        return Fill(
            timestamp=np.datetime64(int(row["timestamp"]), "ns"),
            order=int(row["order_id"]),
            symbol=self._engine.symbols[column],
            quantity=float(row["side"] * row["quantity"] / self._engine.desk.instruments[column].scale),
            price=float(row["price"]),
            commission=float(row["commission"] / self._engine.desk.policy[0].money_scale),
        )

    def _rejection(self, row: np.record) -> Rejection:
        return Rejection(
            timestamp=np.datetime64(int(row["timestamp"]), "ns"),
            order=int(row["order_id"]),
            symbol=self._engine.symbols[int(row["column"])],
            reason=Reason(int(row["reason"])).name.lower(),
        )

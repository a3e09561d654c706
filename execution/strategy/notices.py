"""What a strategy is told of: its fills and its rejections, where it wants to know."""

import numpy as np

from tieout.execution.engine import Engine
from tieout.execution.kernels.orders import OrderEvent, Reason
from tieout.execution.strategy.broker import Broker
from tieout.execution.strategy.strategy import Fill, Rejection, Strategy

_REJECTED = int(OrderEvent.REJECTED)


class Notices:
    """Collects from the rows of the open block what came since the last time."""

    def __init__(self, strategy: Strategy, engine: Engine) -> None:
        self._strategy = strategy
        self._engine = engine
        kind = type(strategy)
        self._of_fills = kind.on_fill is not Strategy.on_fill
        self._of_rejections = kind.on_rejection is not Strategy.on_rejection
        self._fills = self._events = 0
        self._waiting: list[Fill | Rejection] = []
        commodities = np.asarray(engine.desk.instruments)["commodity"].tolist()
        self._columns = {commodity: column for column, commodity in enumerate(commodities)}

    def restart(self) -> None:
        """A block was closed: its rows are gone."""
        self._fills = self._events = 0

    def collect(self) -> None:
        """Take note of the rows that are new."""
        if not (self._of_fills or self._of_rejections):
            return
        desk = self._engine.desk
        state = desk.state[0]
        if self._of_fills:
            self._waiting.extend(self._fill(row) for row in desk.fills[self._fills : state.fills])
        if self._of_rejections:
            rows = desk.events[self._events : state.events]
            self._waiting.extend(self._rejection(row) for row in rows if row.event == _REJECTED)
        self._fills, self._events = int(state.fills), int(state.events)

    def tell(self, broker: Broker) -> None:
        """Tell the strategy."""
        waiting, self._waiting = self._waiting, []
        for notice in waiting:
            if isinstance(notice, Fill):
                self._strategy.on_fill(notice, broker)
            else:
                self._strategy.on_rejection(notice, broker)

    def _fill(self, row: np.record) -> Fill:
        column = self._columns[int(row["instrument"])]
        return Fill(
            time=np.datetime64(int(row["timestamp"]), "ns"),
            order=int(row["order_id"]),
            symbol=self._engine.symbols[column],
            quantity=float(row["side"] * row["quantity"] / self._engine.desk.instruments[column].scale),
            price=float(row["price"]),
            commission=float(row["commission"] / self._engine.desk.policy[0].money_scale),
        )

    def _rejection(self, row: np.record) -> Rejection:
        return Rejection(
            time=np.datetime64(int(row["timestamp"]), "ns"),
            order=int(row["order_id"]),
            symbol=self._engine.symbols[int(row["column"])],
            reason=Reason(int(row["reason"])).name.lower(),
        )

"""The queue between a broker and the engine: orders of one bar, submitted together."""

from typing import Any

import numpy as np
from attrs import frozen

from tieout.execution.engine import Engine
from tieout.execution.errors import MalformedOrder
from tieout.execution.kernels.state import REQUEST
from tieout.ledger.books.arrays import records
from tieout.ledger.numeric import Floats, Records


@frozen
class WorkingOrder:
    """An order that can still fill. *quantity* is the unfilled rest, below zero to sell."""

    number: int
    symbol: str
    type: str
    tif: str
    quantity: float
    limit: float
    stop: float


class Ticket:
    """A receipt for an order, from which its number can be read."""

    __slots__ = ("_numbers", "_place", "_queue")

    def __init__(self, queue: "OrderQueue", numbers: list[int], place: int) -> None:
        self._queue = queue
        self._numbers = numbers
        self._place = place

    @property
    def number(self) -> int:
        """The order's number, -1 where no order was needed."""
        if not self._numbers:
            self._queue.flush()
        return self._numbers[self._place]


class OrderQueue:
    """Orders of a strategy at the current bar, in the order of its calls. `flush` submits them.

    One call of the engine for all orders is faster than a call for each.
    """

    def __init__(self, engine: Engine) -> None:
        self.bars = 0
        """Bars opened so far. Balances that were read at one bar are stale at the next."""
        self._engine = engine
        self._close: Floats | None = None
        self._rows: list[tuple[Any, ...]] = []
        # Shared with the tickets of these rows, and filled when the rows are submitted.
        self._numbers: list[int] = []

    def open_bar(self, close: Floats | None) -> None:
        """Accept orders at the closes *close*: float64[instruments]. With None, refuse orders."""
        self._close = close
        self.bars += 1

    def require_bar(self) -> None:
        """Raise `MalformedOrder` unless orders are accepted now."""
        if self._close is None:
            raise MalformedOrder("orders are taken at the close of a bar: not in on_start, nor in on_end")

    def add(self, row: tuple[Any, ...]) -> Ticket:
        """Queue the fields of a `REQUEST` without its bar."""
        self.require_bar()
        ticket = Ticket(self, self._numbers, len(self._rows))
        self._rows.append(row)
        return ticket

    def flush(self) -> None:
        """Submit the queued orders."""
        if not self._rows:
            return
        rows, numbers = self._rows, self._numbers
        self._rows, self._numbers = [], []
        requests = records(len(rows), REQUEST)
        requests[:] = np.array([(0, *row) for row in rows], REQUEST)
        self._submit(requests)
        numbers.extend(requests["order"].tolist())

    def submit(self, requests: Records) -> None:
        """Submit the queued orders and then *requests*."""
        self.flush()
        self._submit(requests)

    def working(self) -> Records:
        """Return the working orders of the engine, the queued ones included."""
        self.flush()
        desk = self._engine.desk
        working = desk.working[: desk.state[0].working]
        return working[working["remaining"] != 0]

    def _submit(self, requests: Records) -> None:
        assert self._close is not None
        if requests.size:
            self._engine.submit(requests, self._close)

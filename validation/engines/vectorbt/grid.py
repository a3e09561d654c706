"""The market orders of a tieout run as the panels that VectorBT's ``from_orders`` takes."""

from collections import defaultdict

import numpy as np
from attrs import frozen

from tieout.execution.kernels.orders import OrderType
from tieout.ledger.numeric import Floats, Int64s
from tieout.validation.foreign.native import NativeRun, Order
from tieout.validation.foreign.requests import CannotCompare, in_turn


@frozen(eq=False)
class Grid:
    """Market orders as panels [bars, columns], at most one per bar and instrument, on the rows of execution.

    *size* is below zero to sell and NaN without an order. *number* is the order's, -1 without one. *turn* has
    the columns of each bar in the sequence of execution.
    """

    size: Floats
    number: Int64s
    turn: Int64s

    @classmethod
    def of(cls, run: NativeRun) -> "Grid":
        """Arrange the orders of a run. Raises `CannotCompare` for orders that do not fit into panels."""
        shape = run.panels["close"].shape
        size, number = np.full(shape, np.nan), np.full(shape, -1)
        by_row: defaultdict[int, list[Order]] = defaultdict(list)
        for order in run.orders:
            if order.type is not OrderType.MARKET:
                raise CannotCompare(
                    f"order {order.number} is a {order.type.name.lower()} order; VectorBT's from_orders takes"
                    " market orders alone"
                )
            row = _row(run, order)
            if row < 0:
                continue
            if number[row, order.column] >= 0:
                raise CannotCompare(
                    f"orders {number[row, order.column]} and {order.number} are both for"
                    f" {run.panels.symbols[order.column]} at {run.panels.when(row)}; VectorBT takes one order"
                    " per bar and instrument"
                )
            size[row, order.column], number[row, order.column] = order.quantity, order.number
            by_row[row].append(order)
        turn = np.tile(np.arange(shape[1]), (shape[0], 1))
        for row, orders in by_row.items():
            columns = [order.column for order in in_turn(orders)]
            turn[row] = columns + np.setdiff1d(np.arange(shape[1]), columns).tolist()
        return cls(size, number, turn)


def _row(run: NativeRun, order: Order) -> int:
    """Return the bar at which an order is executed, -1 without one, or if it was placed without a bar."""
    if not run.panels.is_there[order.bar, order.column]:
        return -1
    if run.is_same_close:
        return order.bar
    row = run.panels.following(order.bar, order.column)
    return -1 if 0 <= order.until < row else row

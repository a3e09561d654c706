"""The orders of a run of ours in the form in which another engine takes them; and what it cannot take.

Each is given in the order in which ours are executed: what reduces a position first, then what adds to one,
each as submitted.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout import PercentCommission, PercentSlippage, PerOrderCommission, PerShareCommission
from tieout.execution.kernels.orders import OrderType, TimeInForce
from tieout.ledger.errors import TieoutError
from tieout.ledger.moment import DAY
from tieout.validation.compare.ours import Order, Performed
from tieout.validation.foreign.outcome import Floats

Int64s = NDArray[np.int64]

NAMES = {"vectorbt": "VectorBT", "backtrader": "Backtrader"}


class CannotCompare(TieoutError):
    """A run asks for what another engine does not have, or that is not installed."""


@frozen
class Charges:
    """What an engine takes for trading: a share of the money, an amount a unit, or an amount an order.

    *slippage* is a share of the price.
    """

    percent: float = 0.0
    per_share: float = 0.0
    per_order: float = 0.0
    slippage: float = 0.0


def charges(engine: str, run: Performed) -> Charges:
    """The costs of a run. Raises `CannotCompare` for those that the engine does not have."""
    costs, name = run.backtest.costs, NAMES[engine]
    if costs.participation is not None:
        raise CannotCompare(
            f"{name} is not told how much of a bar's volume an order may take; leave participation out"
        )
    terms = run.backtest.instruments
    if any(t.multiplier != 1 for t in (terms.default, *terms.by_symbol.values())):
        raise CannotCompare(f"an instrument has a multiplier, which {name} is not given here")
    if not isinstance(costs.slippage, PercentSlippage):
        raise CannotCompare(
            f"{name} has no slippage such as {costs.slippage!r}; it takes a share of the price"
        )
    slippage = costs.slippage.rate
    match costs.commission:
        case PercentCommission(rate, 0.0):
            return Charges(percent=rate, slippage=slippage)
        case PerShareCommission(rate, 0.0, None) if engine == "backtrader":
            return Charges(per_share=rate, slippage=slippage)
        case PerOrderCommission(amount) if engine == "vectorbt":
            return Charges(per_order=amount, slippage=slippage)
        case other:
            known = {
                "vectorbt": "a share of the money or an amount an order",
                "backtrader": "a share of the money or an amount a unit",
            }
            raise CannotCompare(
                f"{name} has no commission such as {other!r}; it takes {known[engine]}, without a minimum"
            )


def in_turn(orders: Sequence[Order]) -> list[Order]:
    """Orders of one bar as ours are executed: those that reduce first, each group as submitted."""
    return sorted(orders, key=lambda order: (not order.reduces, order.number))


# --- one market order a bar and instrument ---------------------------------------------------------


@frozen(eq=False)
class Grid:
    """Orders as panels [bars, columns], on the rows on which they are executed.

    *size* is below zero to sell and NaN for none; *number* is the order's, -1 for none; *turn* has the
    columns of each bar in the order in which they are executed.
    """

    size: Floats
    number: Int64s
    turn: Int64s

    @classmethod
    def of(cls, run: Performed) -> "Grid":
        """The orders of a run. Raises `CannotCompare` for what does not fit into panels."""
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
                    " a bar and instrument"
                )
            size[row, order.column], number[row, order.column] = order.quantity, order.number
            by_row[row].append(order)
        turn = np.tile(np.arange(shape[1]), (shape[0], 1))
        for row, orders in by_row.items():
            first = [order.column for order in in_turn(orders)]
            turn[row] = first + np.setdiff1d(np.arange(shape[1]), first).tolist()
        return cls(size, number, turn)


def _row(run: Performed, order: Order) -> int:
    """The bar at which an order is executed; -1 where that never comes, or where it was given without one."""
    if not run.panels.is_there[order.bar, order.column]:
        return -1
    if run.is_same_close:
        return order.bar
    row = run.panels.following(order.bar, order.column)
    return -1 if 0 <= order.until < row else row


# --- orders as they are given, bar by bar ----------------------------------------------------------


def by_bar(run: Performed) -> Mapping[int, list[Order]]:
    """The orders of each bar that has any, in the order in which they are given."""
    given: defaultdict[int, list[Order]] = defaultdict(list)
    for order in run.orders:
        if run.panels.is_there[order.bar, order.column]:
            given[order.bar].append(order)
    return {bar: in_turn(orders) for bar, orders in given.items()}


def last_chance(run: Performed, order: Order) -> int:
    """The last bar on which an order is good, -1 where it is good until it is cancelled.

    A target's is its instrument's next bar, that of an order for a day the last bar of the first date on
    which it could fill.
    """
    if order.tif is TimeInForce.GTC:
        return -1
    first = run.panels.following(order.bar, order.column)
    if first < 0:
        return -1
    if order.tif is TimeInForce.TARGET:
        return first
    date = run.panels.timestamp // DAY
    return int(np.flatnonzero(date == date[first])[-1])

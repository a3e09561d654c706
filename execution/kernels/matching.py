"""Whether a bar fills an order, at what price, and when within the bar. Prices in, a price or NaN out."""

import math

from tieout.execution.kernels.compiled import leaf
from tieout.execution.kernels.orders import OrderType

LIMIT = int(OrderType.LIMIT)
STOP = int(OrderType.STOP)
NEVER = math.nan


@leaf
def at_once(kind: int, quantity: int, limit: float, stop: float, price: float) -> float:
    """*price*, at the open or the close, where it satisfies the order; else NaN.

    A limit order takes any price as good as its limit, a stop order any price beyond its stop.
    """
    bought = quantity > 0
    if kind == LIMIT:
        return price if (price <= limit if bought else price >= limit) else NEVER
    if kind == STOP:
        return price if (price >= stop if bought else price <= stop) else NEVER
    return price


@leaf
def inside(kind: int, quantity: int, limit: float, stop: float, high: float, low: float) -> float:
    """The limit or the stop where the bar's range touches it; NaN where not, and for a market order."""
    bought = quantity > 0
    if kind == LIMIT:
        return limit if (low <= limit if bought else high >= limit) else NEVER
    if kind == STOP:
        return stop if (high >= stop if bought else low <= stop) else NEVER
    return NEVER


@leaf
def moment(price: float, start: float, first: float, second: float) -> float:
    """When the path from *start* to the extreme *first* and on to *second* comes by *price*.

    From 0 to 1 on the first leg, to 2 on the second, each walked at an even pace.
    """
    if first != start and min(start, first) <= price <= max(start, first):
        return (price - start) / (first - start)
    return 1.0 + ((price - first) / (second - first) if second != first else 0.0)


@leaf
def slipped(kind: int, quantity: int, price: float, slippage: float) -> float:
    """*price* made worse by *slippage*, a share of it; a limit order never gets less than its limit."""
    if kind == LIMIT:
        return price
    return price * (1.0 + slippage) if quantity > 0 else price * (1.0 - slippage)

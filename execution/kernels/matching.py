"""The price at which a bar fills an order, and when within the bar. Prices in, a price or NaN out."""

import math

from tieout.execution.kernels.compiled import inlined
from tieout.execution.kernels.orders import ORDER_TYPE

NO_PRICE = math.nan


@inlined
def at_once(kind: int, quantity: int, limit: float, price: float) -> float:
    """Return *price*, at the open or the close, if it satisfies the order, else NaN.

    A limit order takes any price as good as its limit. An order that waits for its stop takes none.
    """
    buys = quantity > 0
    if kind == ORDER_TYPE.LIMIT:
        return price if (price <= limit if buys else price >= limit) else NO_PRICE
    return price if kind == ORDER_TYPE.MARKET else NO_PRICE


@inlined
def reaches_stop(kind: int, quantity: int, stop: float, price: float) -> bool:
    """Return whether an order waits for its stop, and *price* is beyond it."""
    return waits_for_stop(kind) and bool(price >= stop if quantity > 0 else price <= stop)


@inlined
def waits_for_stop(kind: int) -> bool:
    """Return whether an order of this type waits for its stop."""
    return bool(kind == ORDER_TYPE.STOP)


@inlined
def inside(kind: int, quantity: int, limit: float, stop: float, high: float, low: float) -> float:
    """Return the limit or the stop if the bar's range touches it, else NaN. NaN for a market order."""
    buys = quantity > 0
    if kind == ORDER_TYPE.LIMIT:
        return limit if (low <= limit if buys else high >= limit) else NO_PRICE
    if waits_for_stop(kind):
        return stop if (high >= stop if buys else low <= stop) else NO_PRICE
    return NO_PRICE


@inlined
def moment(price: float, start: float, first: float, second: float) -> float:
    """Return when the path from *start* to the extreme *first* and on to *second* passes *price*.

    From 0 to 1 on the first leg, to 2 on the second. The path moves along each leg at an even pace.
    """
    if first != start and min(start, first) <= price <= max(start, first):
        return (price - start) / (first - start)
    return 1.0 + ((price - first) / (second - first) if second != first else 0.0)


@inlined
def slipped(kind: int, quantity: int, price: float, slippage: float) -> float:
    """Return *price* made worse by *slippage*, a share of it. A limit order has no slippage."""
    if kind == ORDER_TYPE.LIMIT:
        return price
    return price * (1.0 + slippage) if quantity > 0 else price * (1.0 - slippage)

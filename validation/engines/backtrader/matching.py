"""Prices at which Backtrader 1.9.78.123 executes an order on a bar, NaN for no execution."""

import math

from tieout.ledger.moment import DAY
from tieout.ledger.numeric import Record
from tieout.validation.engines.backtrader.tables import STOP_TRAIL, STOP_TRAIL_LIMIT, Desk
from tieout.validation.foreign.compiled import inlined

_SESSION_END = DAY - 10_000
"""Backtrader ends a session 10 microseconds before midnight."""
_DAY_ORDER_END = DAY - 990_001_000
"""The last moment of a day order, as Backtrader has it: 23:59:59.009999."""


@inlined
def set_prices(order: Record) -> None:
    """Set the prices of a new order from those of its action. 0 counts as none."""
    has_price = order.requested_price != 0.0 and not math.isnan(order.requested_price)
    has_limit = order.requested_limit != 0.0 and not math.isnan(order.requested_limit)
    price = order.requested_price if has_price else order.close
    order.limit = order.requested_limit if has_limit else price
    order.price = order.requested_limit if has_limit and not has_price else price
    order.annotated = math.nan
    if order.type >= STOP_TRAIL:
        order.limit_offset = order.price - order.limit
        price = order.price
        order.price = math.inf if order.quantity > 0.0 else -math.inf
        trail(order, price)


@inlined
def valid_until(days: float, now: int) -> int:
    """Return the last moment of an order that is created *now*, -1 if it is good until canceled."""
    if math.isnan(days):
        return -1
    if days == 0.0:
        return now - now % DAY + _DAY_ORDER_END
    return now + round(days * DAY)


@inlined
def trail(order: Record, price: float) -> None:
    """Move a trailing stop towards *price*, never away from it. The limit moves with it."""
    distance = 0.0
    if order.trail_amount != 0.0 and not math.isnan(order.trail_amount):
        distance = order.trail_amount
    elif order.trail_percent != 0.0 and not math.isnan(order.trail_percent):
        distance = price * order.trail_percent
    stop = price + distance if order.quantity > 0.0 else price - distance
    if stop < order.price if order.quantity > 0.0 else stop > order.price:
        order.price = stop
        if order.type == STOP_TRAIL_LIMIT:
            order.limit = stop - order.limit_offset


@inlined
def at_close(desk: Desk, order: Record, last: int, close: float) -> tuple[float, int]:
    """Return the close of the session and its bar, from a bar past its end or the one before, else NaN."""
    now, created = desk.timestamp[last], desk.timestamp[order.created]
    session_end = created - created % DAY + _SESSION_END
    if now > created and now >= session_end:
        if now > session_end and order.annotated != 0.0 and not math.isnan(order.annotated):
            return order.annotated, desk.last[last - 1, order.column]
        return close, last
    order.annotated = close
    return math.nan, last


@inlined
def at_limit(rules: Record, size: float, limit: float, opened: float, high: float, low: float) -> float:
    """Return the open if it is no worse than the limit, else the limit if the bar touches it, else NaN.

    A sale with slippage stays at its limit even if the bar's low is above it.
    """
    if size > 0.0:
        if limit >= opened:
            return slipped(rules, size, opened, limit, min(high, limit), rules.slip_open, 1)
        return limit if limit >= low else math.nan
    if limit <= opened:
        return slipped(rules, size, opened, limit, high, rules.slip_open, 1)
    return limit if limit <= high else math.nan


@inlined
def _is_beyond(size: float, price: float, level: float) -> bool:
    """Check whether a price is at a level or past it, in the direction of a stop."""
    return price >= level if size > 0.0 else price <= level


@inlined
def at_stop(rules: Record, size: float, stop: float, opened: float, high: float, low: float) -> float:
    """Return the open if it is beyond the stop, else the stop if the bar touches it, else NaN."""
    if _is_beyond(size, opened, stop):
        return slipped(rules, size, opened, low, high, rules.slip_open, 0)
    if _is_beyond(size, high if size > 0.0 else low, stop):
        return slipped(rules, size, stop, low, high, 1, 0)
    return math.nan


@inlined
def at_stop_limit(
    rules: Record, order: Record, opened: float, high: float, low: float, close: float
) -> float:
    """Return the price of a stop-limit. If the open triggers it, it is a limit order at once.

    If the bar triggers it, it fills only where that is certain: the limit is beyond the stop, or the bar
    moved against the direction of the stop and closed within the limit.
    """
    size, stop, limit = order.quantity, order.price, order.limit
    if _is_beyond(size, opened, stop):
        order.is_triggered = 1
        return at_limit(rules, size, limit, opened, high, low)
    if not _is_beyond(size, high if size > 0.0 else low, stop):
        return math.nan
    order.is_triggered = 1
    if _is_beyond(size, limit, stop):
        return slipped(rules, size, stop, low, high, 1, 1)
    is_back = opened > close if size > 0.0 else opened <= close
    return limit if is_back and _is_beyond(size, limit, close) else math.nan


@inlined
def slipped(  # noqa: PLR0913, PLR0917  compiled code has no keyword arguments
    rules: Record, size: float, price: float, lowest: float, highest: float, does_slip: int, is_limit: int
) -> float:
    """Apply slippage against the trader within the limits of the bar. NaN if no price fits."""
    if not does_slip or (rules.slip_percent == 0.0 and rules.slip_fixed == 0.0):
        return price
    way = 1.0 if size > 0.0 else -1.0
    percent: float = way * rules.slip_percent
    fixed: float = way * rules.slip_fixed
    reached = price * (1.0 + percent) if percent != 0.0 else price + fixed
    cap = highest if size > 0.0 else lowest
    if reached <= cap if size > 0.0 else reached >= cap:
        return reached
    if rules.slip_match or (is_limit and rules.slip_limit):
        return reached if rules.slip_out else cap
    return math.nan

"""The life of an order: it works, is tried, fills, is triggered, and ends once.

No other module writes the type, the remaining quantity or the trial bar of a working order.
"""

import math

from tieout.execution.kernels.compiled import inlined, shared
from tieout.execution.kernels.matching import reaches_stop
from tieout.execution.kernels.orders import ORDER_EVENT, ORDER_TYPE, REASON, TIME_IN_FORCE
from tieout.execution.kernels.state import Desk
from tieout.ledger.numeric import CHECKED, Record

EVENTS_AN_ORDER = 1
"""Most events of an order at one bar: it ends once, and only its end is an event."""
TRIALS_AN_ORDER = 1
"""Most trials of an order at one bar: after the first, `is_due` is false."""


@inlined
def start(desk: Desk, request: Record, number: int, quantity: int) -> None:
    """Put an order of *quantity* at the end of the working ones."""
    state = desk.state[0]
    instrument = desk.instruments[request.column]
    if CHECKED:
        assert state.working < desk.working.size, "no room for a working order"
    order = desk.working[state.working]
    order.id = number
    order.column = request.column
    order.type = request.type
    order.tif = request.tif
    order.remaining = quantity
    order.limit = request.limit
    order.stop = request.stop
    order.filled_quantity = 0
    order.gross = 0
    order.commission = 0
    order.trial_bar = -1
    order.first_date = -1
    order.reason = REASON.NONE
    state.working += 1
    instrument.working += 1
    if is_pending(order):
        instrument.pending += quantity
        desk.exposure[request.column] = True


@inlined
def is_pending(order: Record) -> bool:
    """Return whether an order will fill at the next bar at any price, so that targets count on it."""
    return bool(order.tif == TIME_IN_FORCE.TARGET or order.type == ORDER_TYPE.MARKET)


@inlined
def place_of(desk: Desk, number: int) -> int:
    """Return the index of an order among the working ones, or -1 if it is not one of them."""
    if number >= 0:
        for place in range(desk.state[0].working):
            if desk.working[place].id == number and desk.working[place].remaining != 0:
                return place
    return -1


@inlined
def is_due(order: Record, bar: int) -> bool:
    """Return whether an order can still fill at number *bar*, if its instrument has one."""
    return bool(order.remaining != 0 and order.trial_bar != bar)


@inlined
def begin_trial(order: Record, bar: int) -> None:
    """Note that an order is tried at number *bar*, where it cannot be tried again."""
    order.trial_bar = bar


@inlined
def miss(order: Record, volume: float) -> None:
    """Note why an order filled nothing at a price that it takes: nothing is traded without volume."""
    order.reason = REASON.NO_VOLUME if volume == 0.0 else REASON.NONE


@inlined
def trigger(desk: Desk, order: Record, volume: float, price: float) -> None:
    """Turn a stop order into a market order if *price* is beyond its stop, on a bar that can fill it."""
    policy = desk.policy[0]
    # A share of no volume is nothing, though bars without volume fill.
    can_fill = volume != 0.0 or (policy.without_volume and policy.participation == math.inf)
    if not reaches_stop(order.type, order.remaining, order.stop, price):
        return
    if not can_fill:
        miss(order, volume)
    else:
        order.type = ORDER_TYPE.MARKET
        desk.instruments[order.column].pending += order.remaining
        desk.exposure[order.column] = True


@inlined
def take_fill(desk: Desk, order: Record, quantity: int, gross: int, fee: int) -> None:
    """Take a fill of *quantity* (below zero for a sale) off an order, which may be done then."""
    instrument = desk.instruments[order.column]
    if is_pending(order):
        instrument.pending -= quantity
    order.reason = REASON.NONE
    order.remaining -= quantity
    order.filled_quantity += abs(quantity)
    order.gross += gross
    order.commission += fee
    if order.remaining == 0:
        instrument.working -= 1


@inlined
def end_order(desk: Desk, order: Record, event: int, reason: int) -> None:
    """End a working order that is not filled, or not in full."""
    instrument = desk.instruments[order.column]
    if is_pending(order):
        instrument.pending -= order.remaining
        desk.exposure[order.column] = instrument.holding >= 0 or instrument.pending != 0
    instrument.working -= 1
    order.remaining = 0
    record_event(desk, order.id, order.column, event, reason)


@inlined
def record_event(desk: Desk, order_id: int, column: int, event: int, reason: int) -> None:
    """Record a state change of an order that its fills do not imply."""
    state = desk.state[0]
    if CHECKED:
        assert state.events < desk.events.size, "no room for an event"
    row = desk.events[state.events]
    row.timestamp = state.timestamp
    row.order_id = order_id
    row.column = column
    row.event = event
    row.reason = reason
    state.events += 1


@shared
def expire(desk: Desk, is_closing: bool) -> None:
    """End the orders for which this bar was the last chance, and close the gaps that ended orders leave."""
    state = desk.state[0]
    count = 0
    for place in range(state.working):
        order = desk.working[place]
        if order.remaining == 0:
            continue
        is_tried = order.trial_bar == state.bar
        if is_tried and order.first_date < 0:
            order.first_date = state.date
        is_last = is_tried if order.tif == TIME_IN_FORCE.TARGET else is_closing and order.first_date >= 0
        if is_last and order.tif != TIME_IN_FORCE.GTC:
            no_volume = order.tif == TIME_IN_FORCE.TARGET and order.reason == REASON.NO_VOLUME
            end_order(desk, order, ORDER_EVENT.REJECTED if no_volume else ORDER_EVENT.EXPIRED, order.reason)
            continue
        if count != place:
            desk.working[count] = order
        count += 1
    state.working = count


@inlined
def leave_open(desk: Desk) -> None:
    """Record the orders that work at the end of the data, or of a run that is stopped, as open."""
    state = desk.state[0]
    for place in range(state.working):
        order = desk.working[place]
        if order.remaining != 0:  # it may have been canceled at this bar
            reason = order.reason if state.end_reason == REASON.NONE else state.end_reason
            record_event(desk, order.id, order.column, ORDER_EVENT.OPEN_AT_THE_END, reason)

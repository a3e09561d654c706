"""From requests to orders: a size is determined when it is decided, at that bar's close."""

import math

import numpy as np

from tieout.execution.kernels.charges import value
from tieout.execution.kernels.compiled import inlined
from tieout.execution.kernels.lifecycle import end_order, is_pending, place_of, record_event, start
from tieout.execution.kernels.orders import ORDER_EVENT, REASON, RELATION, SIZING
from tieout.execution.kernels.prefetch import prefetch
from tieout.execution.kernels.state import Desk, Market, Program
from tieout.execution.kernels.valuation import mark
from tieout.ledger.books.arithmetic import NO_AMOUNT
from tieout.ledger.books.arrays import Books
from tieout.ledger.numeric import CHECKED, ROUNDING, Record

EXACT = 2.0**53
LARGEST = 2.0**63
"""The least quantity that is not stored: an order that is out of range below it shows what was asked."""
SIZE_ROUNDINGS = 10
"""Most roundings of float64 in a number of steps: of the share, the price, the multiplier and the ratio, of
their three products and the quotient, of the difference, and of the division by the step."""

# Kinds of program. The requests of a strategy in Python are one, too.
NOTHING, WEIGHTS, SIGNALS, ORDERS, REQUESTS = range(5)

ORDERS_A_REQUEST = 1
"""Most orders of a request, rejected ones included."""
LINKS_A_REQUEST = 1
"""Most links of a request: to the order that it replaces."""


@inlined
def size(request: Record, instrument: Record, position: int, equity: int, price: float) -> float:
    """Return the quantity, below zero to sell, of a request when the close is *price*.

    A target is the difference to *position*, which is the holding and what working target and market orders
    will add. It is truncated toward zero to the instrument's step. A target of less than one step is flat:
    it sells all of the position.
    """
    if request.sizing == SIZING.QUANTITY:
        return float(request.units)
    is_target = request.sizing in (SIZING.TARGET_QUANTITY, SIZING.TARGET_VALUE, SIZING.TARGET_PERCENT)
    if request.sizing == SIZING.TARGET_QUANTITY:
        whole, amount = float(request.units), 0.0
    else:
        amount = request.amount
        if request.sizing in (SIZING.PERCENT, SIZING.TARGET_PERCENT):
            amount *= float(equity)
        # Zero needs no price, so an instrument that is neither held nor traded today gets no order.
        whole = amount / (price * instrument.multiplier * instrument.ratio) if amount != 0.0 else 0.0
    held = float(position) if is_target else 0.0
    is_small = is_target and abs(whole) < float(instrument.step)  # tested first because it is cheap
    if is_small and whole_steps(whole, instrument.step, abs(whole)) == 0.0:
        return -held
    quantity = whole_steps(whole - held, instrument.step, abs(whole) + abs(held))
    if abs(quantity) > abs(whole - held) and abs(quantity) < EXACT:
        # The tolerance may not make it cost more than was asked.
        cost = value(instrument, abs(int(held + quantity)), price)
        if cost == NO_AMOUNT or float(cost) > np.rint(abs(amount)):
            quantity -= math.copysign(float(instrument.step), quantity)
    return quantity


@inlined
def whole_steps(quantity: float, step: int, magnitude: float) -> float:
    """Truncate a quantity toward zero to whole steps. One that rounding alone holds below a step is whole.

    *magnitude* is the sum of the two figures, without sign, whose difference *quantity* is.
    """
    steps = quantity / float(step)
    nearest = np.rint(steps)
    if (
        abs(nearest) > abs(steps)
        and abs(nearest - steps) * float(step) <= SIZE_ROUNDINGS * ROUNDING * magnitude
    ):
        return float(nearest * float(step))
    return float(np.trunc(steps) * float(step))


@inlined
def unfit(request: Record, instrument: Record, position: int, quantity: float, price: float) -> int:
    """Return the reason for which an order of *quantity* is rejected at once, or `NONE`."""
    if request.sizing == SIZING.CANCEL:
        return REASON.NONE
    needs_price = request.sizing not in (SIZING.QUANTITY, SIZING.TARGET_QUANTITY) and request.amount != 0.0
    if instrument.has_ended or (needs_price and math.isnan(price)):
        return REASON.NO_BAR
    if not abs(quantity) < EXACT:
        return REASON.QUANTITY_OUT_OF_RANGE
    is_from_flat = request.sizing in (SIZING.VALUE, SIZING.PERCENT) or position == 0
    if quantity == 0.0 and needs_price and is_from_flat:
        return REASON.BELOW_ONE_STEP
    return REASON.NONE


@inlined
def submit(market: Market, books: Books, desk: Desk, request: Record, t: int) -> int:
    """Turn a request into a working or a rejected order. Return its number, or -1 if it asks for nothing.

    The size is determined at the instrument's close of bar *t* of the window, which may be missing. An order
    that is replaced is canceled unless its successor is rejected. An order that works no longer cannot be
    replaced.
    """
    state = desk.state[0]
    price = market.close[t, request.column]
    needs_equity = request.sizing in (SIZING.PERCENT, SIZING.TARGET_PERCENT) and request.amount != 0.0
    if needs_equity and state.valuation_bar != state.bar:  # tested here because the call itself is costly
        mark(market, books, desk, t)
    instrument = desk.instruments[request.column]
    number = -1
    place = place_of(desk, request.order)
    if request.order < 0 or place >= 0:
        position = books.accounts[instrument.units].balance + instrument.pending
        if place >= 0 and is_pending(desk.working[place]):
            position -= desk.working[place].remaining
        quantity = 0.0
        if request.sizing != SIZING.CANCEL:
            quantity = size(request, instrument, position, state.equity, price)
        reason = unfit(request, instrument, position, quantity, price)
        if place >= 0 and reason == REASON.NONE:
            end_order(desk, desk.working[place], ORDER_EVENT.CANCELLED, REASON.NONE)
        if quantity != 0.0 or reason == REASON.BELOW_ONE_STEP:  # true of NaN, the size without a price
            number = state.first_order + state.orders
            units = int(quantity) if abs(quantity) < LARGEST else 0
            _record_order(desk, request, number, units)
            if reason == REASON.NONE:
                start(desk, request, number, units)
            else:
                record_event(desk, number, request.column, ORDER_EVENT.REJECTED, reason)
    return number


@inlined
def _record_order(desk: Desk, request: Record, number: int, quantity: int) -> None:
    """Record an order, and the one that it replaces."""
    state = desk.state[0]
    if CHECKED:
        assert state.orders < desk.orders.size, "no room for an order"
    row = desk.orders[state.orders]
    row.timestamp = state.timestamp
    row.instrument = desk.instruments[request.column].commodity
    row.type = request.type
    row.tif = request.tif
    row.quantity = quantity
    row.limit_price = request.limit
    row.stop_price = request.stop
    row.tag = request.tag
    row.signal = request.signal
    state.orders += 1
    if request.order >= 0:
        if CHECKED:
            assert state.links < desk.links.size, "no room for a link"
        link = desk.links[state.links]
        link.order_id = number
        link.relation = RELATION.REPLACES
        link.other = request.order
        state.links += 1


@inlined
def has_orders(market: Market, program: Program, t: int, bar: int) -> bool:
    """Return whether a program may order at bar *t* of the window, which is number *bar* of the run."""
    if program.kind == ORDERS:
        return bool(program.first[bar] != program.first[bar + 1])
    for i in range(market.close.shape[1]):
        if is_candidate(program, t, i):
            prefetch(market.close, (t, i))
            prefetch(market.volume, (t, i))
            return True
    return False


@inlined
def is_candidate(program: Program, t: int, column: int) -> bool:
    """Return whether the instrument in *column* has a weight, or exactly one of the two signals."""
    if program.kind == WEIGHTS:
        return not math.isnan(program.weights[t, column])
    return bool(program.entries[t, column] != program.exits[t, column])


@inlined
def select_candidates(market: Market, desk: Desk, program: Program, t: int) -> int:
    """Put the columns that may get an order into `desk.candidates`. Return their number."""
    count = 0
    for i in range(market.close.shape[1]):
        # A weight of zero sells nothing of an instrument that is neither held nor ordered.
        if program.kind == WEIGHTS and program.weights[t, i] == 0.0 and not desk.exposure[i]:
            continue
        if is_candidate(program, t, i):
            desk.candidates[count] = i
            count += 1
            prefetch(market.close, (t, i))
            prefetch(market.volume, (t, i))
    return count


@inlined
def _end_entries(desk: Desk, column: int) -> None:
    """Cancel the purchases of an instrument that are under way."""
    for place in range(desk.state[0].working):
        order = desk.working[place]
        if order.column == column and order.remaining > 0:
            end_order(desk, order, ORDER_EVENT.CANCELLED, REASON.NONE)


@inlined
def decide(market: Market, books: Books, desk: Desk, program: Program, t: int) -> None:
    """Submit the requests of a program at bar *t* of the window, in order of instrument or of row.

    Requests of a strategy in Python are given the numbers of their orders.
    """
    first, last = 0, program.requests.size
    if program.kind in (WEIGHTS, SIGNALS):
        last = select_candidates(market, desk, program, t)
    elif program.kind == ORDERS:
        bar = desk.state[0].bar
        first, last = program.first[bar], program.first[bar + 1]
    elif program.kind == NOTHING:
        last = 0
    for i in range(first, last):
        request = program.requests[i if program.kind in (ORDERS, REQUESTS) else 0]
        if program.kind == WEIGHTS:
            request.column = desk.candidates[i]
            request.amount = program.weights[t, request.column]
        elif program.kind == SIGNALS:
            column = desk.candidates[i]
            instrument = desk.instruments[column]
            position = books.accounts[instrument.units].balance
            is_entry = program.entries[t, column]
            if not is_entry and instrument.working > 0:
                _end_entries(desk, column)
            # Enter where flat, exit a holding. Nothing while an order for the instrument works: the exit that
            # is under way takes what is held, however many bars that needs.
            if instrument.working > 0 or is_entry == (position != 0):
                continue
            request = program.requests[0 if is_entry else 1]
            request.column = column
            if not is_entry:
                request.units = -position
        if program.kind != REQUESTS:
            request.order = -1
        request.order = submit(market, books, desk, request, t)

"""From requests to orders: sizes are found when they are decided, at that bar's close."""

import math

import numpy as np

from tieout.execution.kernels.admission import end_order, record_event
from tieout.execution.kernels.compiled import leaf, part
from tieout.execution.kernels.orders import OrderEvent, OrderType, Reason, Relation, Sizing, TimeInForce
from tieout.execution.kernels.prefetch import prefetch
from tieout.execution.kernels.state import Desk, Market, Program
from tieout.execution.kernels.valuation import mark
from tieout.ledger.books.arrays import Books, Record

QUANTITY = int(Sizing.QUANTITY)
VALUE = int(Sizing.VALUE)
PERCENT = int(Sizing.PERCENT)
TARGET_QUANTITY = int(Sizing.TARGET_QUANTITY)
TARGET_VALUE = int(Sizing.TARGET_VALUE)
TARGET_PERCENT = int(Sizing.TARGET_PERCENT)
CANCEL = int(Sizing.CANCEL)
MARKET = int(OrderType.MARKET)
GTC = int(TimeInForce.GTC)
TARGET = int(TimeInForce.TARGET)
REJECTED = int(OrderEvent.REJECTED)
CANCELLED = int(OrderEvent.CANCELLED)
NONE = int(Reason.NONE)
NO_BAR = int(Reason.NO_BAR)
QUANTITY_OUT_OF_RANGE = int(Reason.QUANTITY_OUT_OF_RANGE)
REPLACES = int(Relation.REPLACES)
EXACT = 2.0**53

# Kinds of program: what a strategy in Python asked for is one, too.
NOTHING, WEIGHTS, SIGNALS, ORDERS, ASKED = range(5)


@leaf
def size(request: Record, instrument: Record, have: int, equity: int, price: float) -> float:
    """The quantity, below zero to sell, that a request asks for when the close is *price*.

    A target is the difference to *have*, which is what is held and what working target orders will add,
    truncated toward zero to the instrument's step.
    """
    if request.sizing == QUANTITY:
        return float(request.units)
    if request.sizing == TARGET_QUANTITY:
        wanted = float(request.units - have)
    elif request.amount == 0.0:
        # Needs no price, so that nothing is asked of an instrument that is neither held nor traded today.
        wanted = float(-have) if request.sizing in (TARGET_VALUE, TARGET_PERCENT) else 0.0
    else:
        amount = request.amount
        if request.sizing in (PERCENT, TARGET_PERCENT):
            amount *= float(equity)
        wanted = amount / (price * instrument.multiplier * instrument.ratio)
        if request.sizing in (TARGET_VALUE, TARGET_PERCENT):
            wanted -= float(have)
    return float(np.trunc(wanted / float(instrument.step)) * float(instrument.step))


@part
def submit(market: Market, books: Books, desk: Desk, request: Record, t: int) -> int:
    """Turn a request into a working order, or a rejected one; its number, -1 where it asks for nothing.

    Its size is found at the instrument's close of bar *t* of the window, which may have none. What is
    replaced is cancelled unless its successor is rejected; what works no longer cannot be replaced.
    """
    state = desk.state[0]
    price = market.close[t, request.column]
    needs_equity = request.sizing in (PERCENT, TARGET_PERCENT) and request.amount != 0.0
    if needs_equity and state.valued != state.bar:  # once a bar: the call itself is dear
        mark(market, books, desk, t)
    instrument = desk.instruments[request.column]
    number = -1
    place = working_place(desk, request.order)
    if request.order < 0 or place >= 0:
        have = books.accounts[instrument.units].balance + instrument.targeted
        if place >= 0 and desk.working[place].tif == TARGET:
            have -= desk.working[place].left
        reason = NO_BAR if math.isnan(price) and request.sizing != CANCEL else NONE
        quantity = 0.0
        if request.sizing != CANCEL:
            quantity = size(request, instrument, have, state.equity, price)
        if not abs(quantity) < EXACT:  # nor is the size known that needs a price where there is none
            reason = QUANTITY_OUT_OF_RANGE if reason == NONE else reason
        if place >= 0 and reason == NONE:
            end_order(desk, desk.working[place], CANCELLED, NONE)
        if quantity != 0.0:
            number = state.first_order + state.orders
            _write(desk, request, number, int(quantity) if abs(quantity) < EXACT else 0, reason)
    return number


@part
def _write(desk: Desk, request: Record, number: int, quantity: int, reason: int) -> None:
    """Record an order, and put it at the end of the working ones unless it is rejected."""
    state = desk.state[0]
    instrument = desk.instruments[request.column]
    row = desk.orders[state.orders]
    row.timestamp = state.timestamp
    row.instrument = instrument.commodity
    row.type = request.type
    row.tif = request.tif
    row.quantity = quantity
    row.limit_price = request.limit
    row.stop_price = request.stop
    row.tag = request.tag
    row.signal = request.signal
    state.orders += 1
    if request.order >= 0:
        link = desk.links[state.links]
        link.order_id = number
        link.relation = REPLACES
        link.other = request.order
        state.links += 1
    if reason != NONE:
        record_event(desk, number, request.column, REJECTED, reason)
        return
    order = desk.working[state.working]
    order.id = number
    order.column = request.column
    order.type = request.type
    order.tif = request.tif
    order.left = quantity
    order.limit = request.limit
    order.stop = request.stop
    order.filled = 0
    order.gross = 0
    order.commission = 0
    order.tried = -1
    order.date = -1
    state.working += 1
    instrument.working += 1
    if request.tif == TARGET:
        instrument.targeted += quantity
        desk.exposed[request.column] = True


@leaf
def working_place(desk: Desk, number: int) -> int:
    """Where an order stands among the working ones; -1 where it does not work."""
    if number >= 0:
        for place in range(desk.state[0].working):
            if desk.working[place].id == number and desk.working[place].left != 0:
                return place
    return -1


@leaf
def wants(market: Market, program: Program, t: int, bar: int) -> bool:
    """Whether a program wants anything at bar *t* of the window, which is number *bar* of the run."""
    if program.kind == ORDERS:
        return bool(program.first[bar] != program.first[bar + 1])
    for i in range(market.close.shape[1]):
        if is_wanted(program, t, i):
            prefetch(market.close, (t, i))
            prefetch(market.volume, (t, i))
            return True
    return False


@leaf
def is_wanted(program: Program, t: int, column: int) -> bool:
    """Whether there may be an order for the instrument in *column*: a weight, or one signal of the two."""
    if program.kind == WEIGHTS:
        return not math.isnan(program.weights[t, column])
    return bool(program.entries[t, column] != program.exits[t, column])


@leaf
def choose(market: Market, desk: Desk, program: Program, t: int) -> int:
    """Put the columns for which there may be an order in `desk.chosen`; how many."""
    count = 0
    for i in range(market.close.shape[1]):
        # Nothing is to be sold of what is neither held nor ordered.
        if program.kind == WEIGHTS and program.weights[t, i] == 0.0 and not desk.exposed[i]:
            continue
        if is_wanted(program, t, i):
            desk.chosen[count] = i
            count += 1
            prefetch(market.close, (t, i))
            prefetch(market.volume, (t, i))
    return count


@part
def decide(market: Market, books: Books, desk: Desk, program: Program, t: int) -> None:
    """What a program wants at bar *t* of the window, as requests, in order of instrument or of row.

    What was asked for gets the orders' numbers.
    """
    first, last = 0, program.requests.size
    if program.kind in (WEIGHTS, SIGNALS):
        last = choose(market, desk, program, t)
    elif program.kind == ORDERS:
        bar = desk.state[0].bar
        first, last = program.first[bar], program.first[bar + 1]
    elif program.kind == NOTHING:
        last = 0
    for i in range(first, last):
        request = program.requests[i if program.kind in (ORDERS, ASKED) else 0]
        if program.kind == WEIGHTS:
            request.column = desk.chosen[i]
            request.amount = program.weights[t, request.column]
        elif program.kind == SIGNALS:
            column = desk.chosen[i]
            instrument = desk.instruments[column]
            have = books.accounts[instrument.units].balance
            entry = program.entries[t, column]
            # Enter where flat, exit what is held; nothing while an order for the instrument works.
            if instrument.working > 0 or entry == (have != 0):
                continue
            request = program.requests[0 if entry else 1]
            request.column = column
            if not entry:
                request.units = -have
        if program.kind != ASKED:
            request.order = -1
        request.order = submit(market, books, desk, request, t)

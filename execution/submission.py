"""From requests to orders: sizes are found when they are decided, at that bar's close."""

import math

import numpy as np

from execution.admission import end_order, record_event
from execution.compiled import entry, part, routine
from execution.orders import OrderEvent, OrderType, Reason, Relation, Sizing, TimeInForce
from execution.state import Desk, Floats, Program
from ledger.books import Books, Record, Records

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

# Kinds of program.
WEIGHTS, SIGNALS, ORDERS = 1, 2, 3


@part
def size(books: Books, desk: Desk, request: Record, price: float) -> float:
    """The quantity, below zero to sell, that a request asks for when the close is *price*.

    A target is the difference to what is held and to what working target orders will add, truncated toward
    zero to the instrument's step.
    """
    instrument = desk.instruments[request.column]
    if request.sizing == QUANTITY:
        return float(request.units)
    have = float(books.accounts[instrument.units].balance + instrument.targeted)
    if request.sizing == TARGET_QUANTITY:
        wanted = float(request.units) - have
    elif request.amount == 0.0:
        # Needs no price, so that nothing is asked of an instrument that is neither held nor traded today.
        wanted = -have if request.sizing in (TARGET_VALUE, TARGET_PERCENT) else 0.0
    else:
        amount = request.amount
        if request.sizing in (PERCENT, TARGET_PERCENT):
            amount *= float(desk.state[0].equity)
        wanted = amount / (price * instrument.multiplier * instrument.ratio)
        if request.sizing in (TARGET_VALUE, TARGET_PERCENT):
            wanted -= have
    return float(np.trunc(wanted / float(instrument.step)) * float(instrument.step))


@routine
def submit(books: Books, desk: Desk, request: Record, price: float) -> int:
    """Turn a request into a working order, or a rejected one; its number, -1 where it asks for nothing.

    *price* is the instrument's close of this bar, NaN where it has none.
    """
    state = desk.state[0]
    instrument = desk.instruments[request.column]
    replaced = request.order
    if replaced >= 0 and (not cancel(desk, replaced) or request.sizing == CANCEL):
        return -1  # what is filled cannot be replaced
    reason = NONE
    if math.isnan(price):
        reason = NO_BAR
    # Where nothing trades today, a size cannot be told from value or equity; the last price gives the scale.
    quantity = size(books, desk, request, instrument.price if reason == NO_BAR else price)
    if quantity == 0.0:
        return -1
    if not abs(quantity) < EXACT:
        reason = QUANTITY_OUT_OF_RANGE if reason == NONE else reason
        quantity = 0.0

    number = state.first_order + state.orders
    row = desk.orders[state.orders]
    row.ts = state.ts
    row.instrument = instrument.commodity
    row.type = request.type
    row.tif = request.tif
    row.quantity = int(quantity)
    row.limit_price = request.limit
    row.stop_price = request.stop
    row.tag = request.tag
    row.signal = request.signal
    state.orders += 1
    if replaced >= 0:
        link = desk.links[state.links]
        link.order_id = number
        link.relation = REPLACES
        link.other = replaced
        state.links += 1
    if reason != NONE:
        record_event(desk, number, request.column, REJECTED, reason)
    else:
        _work(desk, request, number, int(quantity))
    return int(number)


@part
def _work(desk: Desk, request: Record, number: int, quantity: int) -> None:
    """Put an order at the end of the working ones."""
    state = desk.state[0]
    instrument = desk.instruments[request.column]
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


@part
def cancel(desk: Desk, number: int) -> bool:
    """Cancel an order if it is still working; whether it was."""
    for place in range(desk.state[0].working):
        order = desk.working[place]
        if order.id == number and order.left != 0:
            end_order(desk, order, CANCELLED, NONE)
            return True
    return False


@entry
def submit_all(books: Books, desk: Desk, requests: Records, count: int, close: Floats) -> None:
    """Submit the first *count* requests in their order and write the orders' numbers into them.

    *close* are this bar's closes, float64[instruments].
    """
    for i in range(count):
        requests[i].order = submit(books, desk, requests[i], close[requests[i].column])


@part
def decide(books: Books, desk: Desk, program: Program, close: Floats, t: int) -> None:
    """What a program wants at bar *t* of the window, as requests, instrument by instrument.

    Its last request is the one that is filled in and submitted for weights and signals.
    """
    if program.kind == WEIGHTS:
        request = program.requests[0]
        request.sizing = TARGET_PERCENT
        request.tif = TARGET
        for column in range(close.size):
            weight = program.weights[t, column]
            if not math.isnan(weight):
                request.column = column
                request.amount = weight
                request.order = -1
                submit(books, desk, request, close[column])
    elif program.kind == SIGNALS:
        for column in range(close.size):
            if program.entries[t, column] != program.exits[t, column]:
                _signal(books, desk, program, column, program.entries[t, column], close[column])
    elif program.kind == ORDERS:
        bar = desk.state[0].bar
        for i in range(program.first[bar], program.first[bar + 1]):
            request = program.requests[i]
            request.order = -1
            submit(books, desk, request, close[request.column])


@part
def _signal(books: Books, desk: Desk, program: Program, column: int, entry: bool, price: float) -> None:
    """Enter where flat, exit what is held; nothing while an order for the instrument works."""
    instrument = desk.instruments[column]
    have = books.accounts[instrument.units].balance
    if instrument.working > 0 or entry == (have != 0):
        return
    if entry:
        request = program.requests[0]
    else:
        request = program.requests[1]
        request.units = -have
    request.column = column
    request.order = -1
    submit(books, desk, request, price)

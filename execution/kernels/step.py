"""The bar step: everything that happens in the market at one bar, in this order and nowhere else.

    before   1 events, 2 open, 3 inside, (4 close,) 5 mark
    decide   6 the strategy sees the portfolio with all fills applied, and this bar, and nothing later
    after    7 fills at the same close, where that is the timing, 8 statement

`perform` is the one entry to all of it, because each further entry would compile all that it leads to again.
"""

import math

from tieout.execution.kernels.admission import admit, within_volume
from tieout.execution.kernels.booking import book, close_out, hold, record_fill
from tieout.execution.kernels.charges import value
from tieout.execution.kernels.compiled import entry, inlined, merged, separate, shared
from tieout.execution.kernels.lifecycle import (
    begin_trial,
    end_order,
    expire,
    is_due,
    leave_open,
    miss,
    take_fill,
    trigger,
)
from tieout.execution.kernels.matching import at_once, inside, slipped
from tieout.execution.kernels.orders import ORDER_EVENT, REASON
from tieout.execution.kernels.prefetch import prefetch
from tieout.execution.kernels.room import first_full_array, max_requests
from tieout.execution.kernels.state import NO_MARKET, Desk, Market, Program, empty_desk
from tieout.execution.kernels.submission import decide, has_orders
from tieout.execution.kernels.touches import collect_touches, pop_touch
from tieout.execution.kernels.valuation import bring_up_to, mark, record_statement, revalue
from tieout.ledger.books.arrays import STATUS, Books, empty_books
from tieout.ledger.numeric import Record

# The stages of a bar at which orders fill.
OPEN, INSIDE, CLOSE = range(3)

# The parts of a step.
WHOLE, BEFORE, DECIDE, AFTER, END = range(5)


@entry
def perform(
    market: Market,
    books: Books,
    desk: Desk,
    program: Program,
    part: int,
    start: int,
    stop: int,
    block_transfers: int,
) -> int:
    """Perform the bars from *start* to *stop* of the window. Return the first bar that was not performed.

    *part* is the `WHOLE` step with a program, or, around a strategy in Python, the part `BEFORE` it decides,
    its requests (`DECIDE`), and the part `AFTER`, or the `END` of the data. Stops early where an array has to
    grow, where the block is full, and where a posting failed.
    """
    state = desk.state[0]
    t = start
    ahead = _next_event(market, desk, program, start, stop) if part == WHOLE else start
    while t < stop and state.status == 0:
        if part == WHOLE and state.working == 0 and t < ahead:
            t = ahead
            continue
        if first_full_array(books, desk, max_requests(market, desk, program, t)) >= 0:
            return t
        if part == WHOLE and books.state[0].transfers >= block_transfers:
            return t
        if part in (WHOLE, BEFORE):
            state.bar = state.offset + t
            state.timestamp = market.timestamp[t]
            state.date = market.date[t]
            _end_instruments(market, books, desk, t)  # 1
            if state.working > 0:
                _match(market, books, desk, t, OPEN)  # 2
                collect_touches(market, books, desk, t)
                _match(market, books, desk, t, INSIDE)  # 3
                expire(desk, market.closing[t])
        if part == BEFORE:
            mark(market, books, desk, t)  # 5; for a program it runs where equity is asked for
        if part in (WHOLE, DECIDE):
            decide(market, books, desk, program, t)  # 6
        if part in (WHOLE, AFTER):
            if desk.policy[0].same_close and state.working > 0:
                _match(market, books, desk, t, CLOSE)  # 7
                expire(desk, market.closing[t])
            if _has_statement(market, desk, t) or t + 1 == market.timestamp.size:
                mark(market, books, desk, t)
            if market.month_end[t]:
                revalue(books, desk)
            if _has_statement(market, desk, t):
                record_statement(books, desk)  # 8
        if part == END:
            leave_open(desk)
            revalue(books, desk)
        t += 1
        if part == WHOLE and t > ahead:
            ahead = _next_event(market, desk, program, t, stop)
    return t


@inlined
def _next_event(market: Market, desk: Desk, program: Program, t: int, stop: int) -> int:
    """Return the first bar from *t* on with an order, a statement or an instrument's end, else *stop*.

    Most minutes have none. The last bar of a window is performed in any case, because holdings are marked
    while its prices are in memory. The prices that the bar will read are prefetched.
    """
    state = desk.state[0]
    end = market.timestamp.size - 1
    if state.endings < market.endings.size:
        end = min(end, market.endings[state.endings].bar - state.offset)
    while t < min(stop, end) and not _has_statement(market, desk, t):
        if has_orders(market, program, t, state.offset + t):
            break
        t += 1
    t = min(t, stop)
    if t < market.timestamp.size:
        prefetch(market.timestamp, (t,))
        prefetch(market.date, (t,))
        for i in range(state.holdings):
            prefetch(market.close, (t, desk.holdings[i]))
    return t


@inlined
def _has_statement(market: Market, desk: Desk, t: int) -> bool:
    """Return whether bar *t* has a statement."""
    return bool(desk.policy[0].every_bar or market.closing[t])


@inlined
def _end_instruments(market: Market, books: Books, desk: Desk, t: int) -> None:
    """1: close an instrument without a later bar at its last close, and cancel its orders."""
    state = desk.state[0]
    while state.endings < market.endings.size and market.endings[state.endings].bar <= state.bar:
        column = market.endings[state.endings].column
        state.endings += 1
        instrument = desk.instruments[column]
        instrument.has_ended = True
        if instrument.working > 0:
            for place in range(state.working):
                order = desk.working[place]
                if order.column == column and order.remaining != 0:
                    end_order(desk, order, ORDER_EVENT.CANCELLED, REASON.INSTRUMENT_ENDED)
        position = books.accounts[instrument.units].balance
        if position != 0:
            bring_up_to(market, desk, column, t)
            close_out(books, desk, column, abs(value(instrument, position, instrument.price)))


@separate(shared, lambda: (NO_MARKET, empty_books(1), empty_desk(1), 0, 0))
def _match(market: Market, books: Books, desk: Desk, t: int, stage: int) -> None:
    """Fill the orders that the bar satisfies at one *stage* of it.

    2, `OPEN`: those that worked before and that the opening price satisfies. 3, `INSIDE`: limits and stops
    that the path of each bar touches. All paths advance at one pace. 7, `CLOSE`: orders of this bar, which
    has no later price for them. At one price, orders that reduce a position go first. Each group goes as
    submitted.
    """
    state = desk.state[0]
    place, is_adding = -1, False
    while True:  # with one call of _fill, because code that is inlined twice is compiled twice
        if stage == INSIDE:
            if state.touches == 0:
                break
            place = pop_touch(desk)
        else:
            place += 1
            if place == state.working:
                if is_adding:
                    break
                place, is_adding = -1, True
                continue
        order = desk.working[place]
        column = order.column
        if stage == INSIDE:
            high, low = market.high[t, column], market.low[t, column]
            price = inside(order.type, order.remaining, order.limit, order.stop, high, low)
        else:
            if not is_due(order, state.bar) or math.isnan(market.close[t, column]):
                continue
            position = books.accounts[desk.instruments[column].units].balance
            if not is_adding and not (position > 0 > order.remaining or position < 0 < order.remaining):
                continue
            price = market.close[t, column] if stage == CLOSE else market.open[t, column]
        trigger(desk, order, market.volume[t, column], price)
        price = at_once(order.type, order.remaining, order.limit, price)
        if stage == CLOSE or not math.isnan(price):
            begin_trial(order, state.bar)
        if not math.isnan(price):
            _fill(books, desk, order, market.volume[t, column], price)


@merged
def _fill(books: Books, desk: Desk, order: Record, volume: float, reference: float) -> None:
    """Fill *order* at *reference*, made worse by slippage, as far as volume and account allow.

    The rest of an order that the account could not bear is rejected. The rest that the volume did not allow
    is carried over.
    """
    policy, state = desk.policy[0], desk.state[0]
    instrument = desk.instruments[order.column]
    demand = within_volume(policy, instrument, order.remaining, volume, state.bar)
    if demand == 0:
        miss(order, volume)
        return
    price = slipped(order.type, demand, reference, policy.slippage)
    quantity, gross, fee, basis, reason = admit(books, desk, order, demand, price)
    if quantity != 0:
        status = book(books, desk, order, quantity, gross, fee)
        if status != STATUS.POSTED:
            state.status = status
            return
        # From here on nothing may fail.
        record_fill(desk, order, quantity, price, reference, fee, basis)
        take_fill(desk, order, quantity, gross, fee)
        hold(books, desk, order.column)
        if instrument.turnover_bar != state.bar:
            instrument.turnover_bar = state.bar
            instrument.turnover = 0
        instrument.turnover += abs(quantity)
    if reason != REASON.NONE and order.remaining != 0:
        end_order(desk, order, ORDER_EVENT.REJECTED, reason)

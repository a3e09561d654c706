"""The bar step: everything that happens in the market at one bar, in this order and nowhere else.

    before   1 events, 2 open, 3 inside, (4 close,) 5 mark
    decide   6 the strategy sees the portfolio with all fills applied, and this bar, and nothing later
    after    7 fills at the same close, where that is the timing; 8 statement

`perform` is the one door to all of it: every further one would compile all that it leads to once more.
"""

import math

from tieout.execution.kernels.admission import admit, end_order, record_event
from tieout.execution.kernels.booking import close_out
from tieout.execution.kernels.charges import value
from tieout.execution.kernels.compiled import apart, entry, leaf, part, routine
from tieout.execution.kernels.matching import at_once, inside, moment
from tieout.execution.kernels.orders import OrderEvent, OrderType, Reason, TimeInForce
from tieout.execution.kernels.prefetch import prefetch
from tieout.execution.kernels.state import NO_MARKET, Desk, Floats, Market, Program, empty_desk
from tieout.execution.kernels.submission import ASKED, NOTHING, ORDERS, decide, wants
from tieout.execution.kernels.valuation import bring_up_to, mark, record_statement, revalue
from tieout.ledger.books.arrays import Books, empty_books

MARKET = int(OrderType.MARKET)
GTC = int(TimeInForce.GTC)
TARGET = int(TimeInForce.TARGET)
CANCELLED = int(OrderEvent.CANCELLED)
EXPIRED = int(OrderEvent.EXPIRED)
REJECTED = int(OrderEvent.REJECTED)
OPEN_AT_THE_END = int(OrderEvent.OPEN_AT_THE_END)
NONE = int(Reason.NONE)
NO_VOLUME = int(Reason.NO_VOLUME)
INSTRUMENT_ENDED = int(Reason.INSTRUMENT_ENDED)

# When a bar fills orders.
OPEN, INSIDE, CLOSE = range(3)

# What to perform.
WHOLE, BEFORE, DECIDE, AFTER, END = range(5)

# What one fill needs at most beside its lots, and what each lot that it relieves needs.
TRANSFERS_A_FILL, TRANSFERS_A_LOT = 12, 5

ROOM = (
    *("orders", "links", "working", "touched", "fills", "events", "marks", "statements"),
    *("lots", "txns", "transfers"),
)
"""The arrays that may lack room: the desk's, and those of the books."""


@entry
def perform(
    market: Market,
    books: Books,
    desk: Desk,
    program: Program,
    what: int,
    start: int,
    stop: int,
    block_transfers: int,
) -> int:
    """Perform the bars from *start* to *stop* of the window; the first that is not.

    *what* is the `WHOLE` step with a program; or, around a strategy in Python, what is `BEFORE` it decides,
    what it wants (`DECIDE`), and what comes `AFTER`; or the `END` of the data. Stops early where an array
    has to grow, where the block is full, and where a posting failed.
    """
    state = desk.state[0]
    t = start
    ahead = _upcoming(market, desk, program, start, stop) if what == WHOLE else start
    while t < stop and state.status == 0:
        if what == WHOLE and state.working == 0 and t < ahead:
            t = ahead
            continue
        if lacking(books, desk, wanted(market, desk, program, t)) >= 0:
            return t
        if what == WHOLE and books.state[0].transfers >= block_transfers:
            return t
        if what in (WHOLE, BEFORE):
            state.bar = state.offset + t
            state.timestamp = market.timestamp[t]
            state.date = market.date[t]
            _events(market, books, desk, t)  # 1
            if state.working > 0:
                _match(market, books, desk, t, OPEN)  # 2
                _match(market, books, desk, t, INSIDE)  # 3
                _expire(desk, market.volume[t], market.closing[t])
        if what == BEFORE:
            mark(market, books, desk, t)  # 5, which a program has done where it asks for equity
        if what in (WHOLE, DECIDE):
            decide(market, books, desk, program, t)  # 6
        if what in (WHOLE, AFTER):
            if desk.policy[0].same_close and state.working > 0:
                _match(market, books, desk, t, CLOSE)  # 7
                _expire(desk, market.volume[t], market.closing[t])
            if _is_stated(market, desk, t) or t + 1 == market.timestamp.size:
                mark(market, books, desk, t)
            if market.month_end[t]:
                revalue(books, desk)
            if _is_stated(market, desk, t):
                record_statement(books, desk)  # 8
        if what == END:
            _leave_open(desk)
            revalue(books, desk)
        t += 1
        if what == WHOLE and t > ahead:
            ahead = _upcoming(market, desk, program, t, stop)
    return t


@part
def _upcoming(market: Market, desk: Desk, program: Program, t: int, stop: int) -> int:
    """The first bar from *t* on at which something is wanted or stated, or an instrument ends; else *stop*.

    Of most minutes there is nothing to tell. The last bar of a window is performed in any case, because what
    is held is marked where the prices still are. What that bar will read is asked for already.
    """
    state = desk.state[0]
    ending = market.timestamp.size - 1
    if state.ended < market.endings.size:
        ending = min(ending, market.endings[state.ended].bar - state.offset)
    while t < min(stop, ending) and not _is_stated(market, desk, t):
        if wants(market, program, t, state.offset + t):
            break
        t += 1
    t = min(t, stop)
    if t < market.timestamp.size:
        prefetch(market.timestamp, (t,))
        prefetch(market.date, (t,))
        for i in range(state.held):
            prefetch(market.close, (t, desk.held[i]))
    return t


@leaf
def _is_stated(market: Market, desk: Desk, t: int) -> bool:
    """Whether there is a statement at bar *t*."""
    return bool(desk.policy[0].every_bar or market.closing[t])


@part
def wanted(market: Market, desk: Desk, program: Program, t: int) -> int:
    """How many orders bar *t* may bring."""
    if program.kind == NOTHING:
        return 0
    if program.kind == ASKED:
        return int(program.requests.size)
    if program.kind == ORDERS:
        bar = desk.state[0].offset + t
        return int(program.first[bar + 1] - program.first[bar])
    return int(market.close.shape[1])


@part
def lacking(books: Books, desk: Desk, more: int) -> int:
    """The array, by its place in `ROOM`, that lacks room for a bar with *more* new orders; -1 for none."""
    state = desk.state[0]
    orders = state.working + more
    fills = 2 * orders
    lots = books.lots.size - books.state[0].free + orders
    txns = fills + state.held + 2 * desk.instruments.size
    transfers = TRANSFERS_A_FILL * fills + 2 * TRANSFERS_A_LOT * lots + 4 * desk.instruments.size
    if desk.orders.size < state.orders + more:
        return 0
    if desk.links.size < state.links + more:
        return 1
    if desk.working.size < orders:
        return 2
    if desk.touched.size < orders:
        return 3
    if desk.fills.size < state.fills + fills:
        return 4
    if desk.events.size < state.events + orders + more:
        return 5
    if desk.marks.size < state.marks + state.held + orders:
        return 6
    if desk.statements.size < state.statements + 1:
        return 7
    if books.lots.size < lots:
        return 8
    if books.txns.size < books.state[0].txns + txns:
        return 9
    if books.transfers.size < books.state[0].transfers + transfers:
        return 10
    return -1


@part
def _events(market: Market, books: Books, desk: Desk, t: int) -> None:
    """1: an instrument without a later bar is closed at its last close, and its orders are cancelled."""
    state = desk.state[0]
    while state.ended < market.endings.size and market.endings[state.ended].bar <= state.bar:
        column = market.endings[state.ended].column
        state.ended += 1
        instrument = desk.instruments[column]
        if instrument.working > 0:
            for place in range(state.working):
                order = desk.working[place]
                if order.column == column and order.left != 0:
                    end_order(desk, order, CANCELLED, INSTRUMENT_ENDED)
        have = books.accounts[instrument.units].balance
        if have != 0:
            bring_up_to(market, desk, column, t)
            close_out(books, desk, column, abs(value(instrument, have, instrument.price)))


@apart(routine, lambda: (NO_MARKET, empty_books(1), empty_desk(1), 0, 0))
def _match(market: Market, books: Books, desk: Desk, t: int, stage: int) -> None:
    """What the bar satisfies at one `stage` of it.

    2, `OPEN`: what the opening price satisfies of the orders working before. 3, `INSIDE`: limits and stops
    along the path of each bar; all paths are walked at one pace. 7, `CLOSE`: orders of this bar, which has no
    later price for them. At one price, what reduces a position goes first, each group as submitted.
    """
    state = desk.state[0]
    if stage == INSIDE:
        _find_touched(market, books, desk, t)
    place, adding = -1, False
    while True:
        if stage == INSIDE:
            if state.touched == 0:
                break
            place = _first_touched(desk)
        else:
            place += 1
            if place == state.working:
                if adding:
                    break
                place, adding = -1, True
                continue
        order = desk.working[place]
        column = order.column
        if stage == INSIDE:
            high, low = market.high[t, column], market.low[t, column]
            price = inside(order.type, order.left, order.limit, order.stop, high, low)
        else:
            if order.left == 0 or order.tried == state.bar or math.isnan(market.close[t, column]):
                continue
            have = books.accounts[desk.instruments[column].units].balance
            if not adding and not (have > 0 > order.left or have < 0 < order.left):
                continue
            price = market.close[t, column] if stage == CLOSE else market.open[t, column]
            price = at_once(order.type, order.left, order.limit, order.stop, price)
            if math.isnan(price):
                if stage == CLOSE:
                    order.tried = state.bar
                continue
            order.tried = state.bar
        admit(books, desk, order, market.volume[t, column], price)


@part
def _find_touched(market: Market, books: Books, desk: Desk, t: int) -> None:
    """Put what the bar touches on the heap, by when its path comes by.

    A path turns against the position first: low before high for who is long or flat, high before low for who
    is short.
    """
    state = desk.state[0]
    state.touched = 0
    for place in range(state.working):
        order = desk.working[place]
        column = order.column
        if order.left == 0 or order.tried == state.bar or math.isnan(market.close[t, column]):
            continue
        order.tried = state.bar
        if order.type == MARKET:
            continue
        high, low = market.high[t, column], market.low[t, column]
        price = inside(order.type, order.left, order.limit, order.stop, high, low)
        if not math.isnan(price):
            is_short = books.accounts[desk.instruments[column].units].balance < 0
            first, second = (high, low) if is_short else (low, high)
            _touch(desk, moment(price, market.open[t, column], first, second), place)


@part
def _touch(desk: Desk, when: float, place: int) -> None:
    """Add to the heap of what the bar touches: the earliest on top, of one moment the first submitted."""
    state = desk.state[0]
    i = state.touched
    state.touched += 1
    while i > 0:
        up = (i - 1) // 2
        if desk.touched[up].when < when or (desk.touched[up].when == when and desk.touched[up].place < place):
            break
        desk.touched[i].when = desk.touched[up].when
        desk.touched[i].place = desk.touched[up].place
        i = up
    desk.touched[i].when = when
    desk.touched[i].place = place


@part
def _first_touched(desk: Desk) -> int:
    """Take the top off the heap: the place of a working order."""
    state = desk.state[0]
    top = desk.touched[0].place
    state.touched -= 1
    size = state.touched
    when, place = desk.touched[size].when, desk.touched[size].place
    i = 0
    while 2 * i + 1 < size:
        down = 2 * i + 1
        a, b = desk.touched[down], desk.touched[down + 1]
        if down + 1 < size and (b.when < a.when or (b.when == a.when and b.place < a.place)):
            down += 1
        low = desk.touched[down]
        if when < low.when or (when == low.when and place < low.place):
            break
        desk.touched[i].when = low.when
        desk.touched[i].place = low.place
        i = down
    desk.touched[i].when = when
    desk.touched[i].place = place
    return int(top)


@routine
def _expire(desk: Desk, volume: Floats, closing: bool) -> None:
    """End what this bar was the last chance of, and close the gaps that ended orders leave."""
    state = desk.state[0]
    kept = 0
    for place in range(state.working):
        order = desk.working[place]
        if order.left == 0:
            continue
        if order.tried == state.bar and order.date < 0:
            order.date = state.date
        last_chance = order.tried == state.bar if order.tif == TARGET else closing and order.date >= 0
        if last_chance and order.tif != GTC:
            no_volume = order.tif == TARGET and volume[order.column] == 0.0
            if no_volume and not desk.policy[0].without_volume:
                end_order(desk, order, REJECTED, NO_VOLUME)
            else:
                end_order(desk, order, EXPIRED, NONE)
            continue
        if kept != place:
            desk.working[kept] = order
        kept += 1
    state.working = kept


@part
def _leave_open(desk: Desk) -> None:
    """At the end of the data, or of a run that is stopped, record the orders that are working as open."""
    state = desk.state[0]
    for place in range(state.working):
        order = desk.working[place]
        if order.left != 0:  # it may have been cancelled at this very bar
            record_event(desk, order.id, order.column, OPEN_AT_THE_END, state.ending)

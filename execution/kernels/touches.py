"""The orders that a bar touches on its path, as a heap.

The earliest is on top, and at one moment the first submitted.
"""

import math

from tieout.execution.kernels.compiled import inlined
from tieout.execution.kernels.lifecycle import begin_trial, is_due
from tieout.execution.kernels.matching import inside, moment
from tieout.execution.kernels.orders import ORDER_TYPE
from tieout.execution.kernels.state import Desk, Market
from tieout.ledger.books.arrays import Books
from tieout.ledger.numeric import CHECKED

TOUCHES_AN_ORDER = 1
"""Most touches of an order at one bar."""


@inlined
def collect_touches(market: Market, books: Books, desk: Desk, t: int) -> None:
    """Put the orders that bar *t* touches on the heap, by when the bar's path reaches their price.

    A path turns against the position first: low before high for a long or flat one, high before low for a
    short one.
    """
    state = desk.state[0]
    state.touches = 0
    for place in range(state.working):
        order = desk.working[place]
        column = order.column
        if not is_due(order, state.bar) or math.isnan(market.close[t, column]):
            continue
        begin_trial(order, state.bar)
        if order.type == ORDER_TYPE.MARKET:
            continue
        high, low = market.high[t, column], market.low[t, column]
        price = inside(order.type, order.remaining, order.limit, order.stop, high, low)
        if not math.isnan(price):
            is_short = books.accounts[desk.instruments[column].units].balance < 0
            first, second = (high, low) if is_short else (low, high)
            _push(desk, moment(price, market.open[t, column], first, second), place)


@inlined
def _push(desk: Desk, when: float, place: int) -> None:
    """Add a touch to the heap."""
    state = desk.state[0]
    if CHECKED:
        assert state.touches < desk.touches.size, "no room for a touch"
    i = state.touches
    state.touches += 1
    while i > 0:
        up = desk.touches[(i - 1) // 2]
        if up.when < when or (up.when == when and up.place < place):
            break
        desk.touches[i].when = up.when
        desk.touches[i].place = up.place
        i = (i - 1) // 2
    desk.touches[i].when = when
    desk.touches[i].place = place


@inlined
def pop_touch(desk: Desk) -> int:
    """Take the earliest touch off the heap. Return the place of its working order."""
    state = desk.state[0]
    top = desk.touches[0].place
    state.touches -= 1
    size = state.touches
    when, place = desk.touches[size].when, desk.touches[size].place
    i = 0
    while 2 * i + 1 < size:
        down = 2 * i + 1
        a, b = desk.touches[down], desk.touches[down + 1]
        if down + 1 < size and (b.when < a.when or (b.when == a.when and b.place < a.place)):
            down += 1
        low = desk.touches[down]
        if when < low.when or (when == low.when and place < low.place):
            break
        desk.touches[i].when = low.when
        desk.touches[i].place = low.place
        i = down
    desk.touches[i].when = when
    desk.touches[i].place = place
    return int(top)

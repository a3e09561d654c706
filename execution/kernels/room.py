"""The room of the arrays at one bar: every bound is a sum of the maxima declared beside the appenders.

The step looks before each bar whether every array holds the most rows that the bar can add. A maximum that is
too low lets an append overwrite rows that it does not own. In the checked build (``TIEOUT_CHECKED=1``) every
appender asserts its room instead, and the arrays have no row more than the bounds ask for.
"""

from tieout.execution.kernels.booking import (
    CLOSINGS_AN_INSTRUMENT,
    FILLS_A_TRIAL,
    TRANSFERS_A_FILL,
    TXNS_AN_INSTRUMENT,
)
from tieout.execution.kernels.compiled import inlined
from tieout.execution.kernels.lifecycle import EVENTS_AN_ORDER, TRIALS_AN_ORDER
from tieout.execution.kernels.state import Desk, Market, Program
from tieout.execution.kernels.submission import LINKS_A_REQUEST, NOTHING, ORDERS, ORDERS_A_REQUEST, REQUESTS
from tieout.execution.kernels.touches import TOUCHES_AN_ORDER
from tieout.execution.kernels.valuation import MARKS_A_HOLDING, STATEMENTS_A_BAR
from tieout.ledger.books.arrays import Books
from tieout.ledger.books.events import TRANSFERS_A_VALUATION
from tieout.ledger.books.lots import LOTS_A_TRADE, TRANSFERS_A_LOT

ARRAYS = (
    *("orders", "links", "working", "touches", "fills", "events", "marks", "statements"),
    *("lots", "txns", "transfers"),
)
"""The arrays that may lack room: those of the desk, then those of the books."""


@inlined
def max_requests(market: Market, desk: Desk, program: Program, t: int) -> int:
    """Return the most requests of a program at bar *t* of the window."""
    if program.kind == NOTHING:
        return 0
    if program.kind == REQUESTS:
        return int(program.requests.size)
    if program.kind == ORDERS:
        bar = desk.state[0].offset + t
        return int(program.first[bar + 1] - program.first[bar])
    return int(market.close.shape[1])


@inlined
def first_full_array(books: Books, desk: Desk, requests: int) -> int:
    """Return the place in `ARRAYS` of the first array that lacks room for a bar with *requests*, or -1."""
    state = desk.state[0]
    instruments = desk.instruments.size
    new = ORDERS_A_REQUEST * requests
    orders = state.working + new
    fills = FILLS_A_TRIAL * TRIALS_AN_ORDER * orders
    lots = books.lots.size - books.state[0].free
    # A trade empties lots that were open or that the bar opened. It opens one or leaves one in part,
    # never both.
    moves = lots + (1 + LOTS_A_TRADE) * fills
    transfers = TRANSFERS_A_FILL * fills + TRANSFERS_A_LOT * moves + TRANSFERS_A_VALUATION * instruments
    closings = CLOSINGS_AN_INSTRUMENT * instruments
    if desk.orders.size < state.orders + new + closings:
        return 0
    if desk.links.size < state.links + LINKS_A_REQUEST * requests:
        return 1
    if desk.working.size < orders:
        return 2
    if desk.touches.size < TOUCHES_AN_ORDER * orders:
        return 3
    if desk.fills.size < state.fills + fills + closings:
        return 4
    if desk.events.size < state.events + EVENTS_AN_ORDER * orders:
        return 5
    if desk.marks.size < state.marks + MARKS_A_HOLDING * (state.holdings + fills):
        return 6
    if desk.statements.size < state.statements + STATEMENTS_A_BAR:
        return 7
    if books.lots.size < lots + LOTS_A_TRADE * fills:
        return 8
    if books.txns.size < books.state[0].txns + fills + TXNS_AN_INSTRUMENT * instruments:
        return 9
    if books.transfers.size < books.state[0].transfers + transfers:
        return 10
    return -1

"""The one bridge to the books: a fill, or the end of an instrument, as a transaction.

Whether it may happen is decided before (admission.py); here nothing may be refused. A status other than
`POSTED` is therefore an error in these rules, and stops the run.
"""

from tieout.execution.kernels.compiled import apart, leaf, part, routine
from tieout.execution.kernels.state import Desk
from tieout.ledger.books.arrays import Books, Record, Status, empty_books
from tieout.ledger.books.chart import ACCRUED_INTEREST, CASH, COST, FUTURES_MARGIN, SHORT, SHORT_PROCEEDS
from tieout.ledger.books.events import delisting, flip, valuation
from tieout.ledger.books.kinds import Kind
from tieout.ledger.books.posting import begin, commit

POSTED = int(Status.POSTED)
BUY = int(Kind.BUY)
SELL = int(Kind.SELL)
SHORT_SALE = int(Kind.SHORT_SALE)
COVER = int(Kind.COVER)
FLIP = int(Kind.FLIP)
DELISTING = int(Kind.DELISTING)
VALUATION = int(Kind.VALUATION)


@leaf
def kind_of(have: int, quantity: int) -> int:
    """What a trade of *quantity* is called by somebody who holds *have*."""
    if quantity > 0:
        if have >= 0:
            return BUY
        return COVER if quantity <= -have else FLIP
    if have <= 0:
        return SHORT_SALE
    return SELL if -quantity <= have else FLIP


@apart(routine, lambda: (empty_books(1), 0, 0, 0, 0))
def post(books: Books, timestamp: int, kind: int, instrument: int, amount: int) -> int:
    """Post what is no trade, the end of an instrument or a valuation, as a transaction; its status."""
    begin(books, timestamp, kind, instrument, -1, -1, -1)
    if kind == DELISTING:
        delisting(books, instrument, amount)
    else:
        valuation(books, instrument, amount)
    return commit(books)


@part
def book(
    books: Books,
    desk: Desk,
    order: Record,
    quantity: int,
    price: float,
    reference: float,
    gross: int,
    fee: int,
) -> None:
    """Post a fill of *quantity*, below zero for a sale, and record it; its basis is in the row already."""
    state = desk.state[0]
    instrument = desk.instruments[order.column]
    commodity = instrument.commodity
    kind = kind_of(books.accounts[instrument.units].balance, quantity)
    begin(books, state.timestamp, kind, commodity, order.id, state.first_fill + state.fills, -1)
    flip(books, commodity, quantity, gross, fee, True)
    status = commit(books)
    if status != POSTED:
        state.status = status
        return

    # From here on nothing may fail.
    row = desk.fills[state.fills]
    row.order_id = order.id
    row.timestamp = state.timestamp
    row.instrument = commodity
    row.side = 1 if quantity > 0 else -1
    row.quantity = abs(quantity)
    row.price = price
    row.reference_price = reference
    row.commission = fee
    state.fills += 1
    order.left -= quantity
    order.filled += abs(quantity)
    order.gross += gross
    order.commission += fee
    hold(books, desk, order.column)


@leaf
def hold(books: Books, desk: Desk, column: int) -> None:
    """Keep the list of what is held in step with the balance."""
    state = desk.state[0]
    state.valued = -1
    instrument = desk.instruments[column]
    holds = books.accounts[instrument.units].balance != 0
    desk.exposed[column] = holds or instrument.targeted != 0
    if holds and instrument.held < 0:
        instrument.held = state.held
        desk.held[state.held] = column
        state.held += 1
    elif not holds and instrument.held >= 0:
        state.held -= 1
        last = desk.held[state.held]
        desk.held[instrument.held] = last
        desk.instruments[last].held = instrument.held
        instrument.held = -1


@part
def close_out(books: Books, desk: Desk, column: int, amount: int) -> None:
    """Close the position of an instrument that has ended, for *amount* and without a fee."""
    state = desk.state[0]
    commodity = desk.instruments[column].commodity
    status = post(books, state.timestamp, DELISTING, commodity, amount)
    if status != POSTED:
        state.status = status
        return
    hold(books, desk, column)


@part
def allow_for(books: Books, desk: Desk, column: int, worth: int) -> None:
    """Bring the valuation allowance of a holding to what it is worth; nothing where it is there already."""
    state = desk.state[0]
    commodity = desk.instruments[column].commodity
    first = books.commodities[commodity].first
    carried = 0
    for offset in range(COST, SHORT + 2):  # cost and short, each with its valuation
        carried += books.accounts[first + offset].balance
    if carried == worth:
        return
    status = post(books, state.timestamp, VALUATION, commodity, worth)
    if status != POSTED:
        state.status = status


@part
def money(books: Books, desk: Desk) -> int:
    """Assets less liabilities in the run's currency, without what positions are carried at."""
    total = 0
    first = desk.policy[0].money
    for offset in range(CASH, ACCRUED_INTEREST + 1):
        total += books.accounts[first + offset].balance
    for i in range(desk.state[0].held):
        run = books.commodities[desk.instruments[desk.held[i]].commodity].first
        total += books.accounts[run + SHORT_PROCEEDS].balance
        total += books.accounts[run + FUTURES_MARGIN].balance
    return total

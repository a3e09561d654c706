"""The one bridge to the books: a fill, or the end of an instrument, as a transaction.

Whether it may happen was decided before (admission.py), so here nothing may be refused. A status other than
`POSTED` is an error in those rules, and stops the run.
"""

import math

from tieout.execution.kernels.compiled import inlined, merged, separate, shared
from tieout.execution.kernels.orders import BASIS, ORDER_TYPE, TIME_IN_FORCE
from tieout.execution.kernels.state import Desk
from tieout.ledger.books.arithmetic import less
from tieout.ledger.books.arrays import STATUS, Books, empty_books
from tieout.ledger.books.chart import ACCRUED_INTEREST, CASH, COST, FUTURES_MARGIN, SHORT, SHORT_PROCEEDS
from tieout.ledger.books.events import TRANSFERS_A_VALUATION, delisting, flip, valuation
from tieout.ledger.books.kinds import KIND
from tieout.ledger.books.lots import LOTS_A_TRADE, TRANSFERS_A_LOT
from tieout.ledger.books.posting import begin, commit
from tieout.ledger.numeric import CHECKED, Record

FILLS_A_TRIAL = 1
"""Most fills of an order that is tried at a price, each a row and a transaction."""
TRANSFERS_A_FILL = 1
"""Most transfers of a fill beside those of its lots: the commission."""
TXNS_AN_INSTRUMENT = 2
"""Most transactions of an instrument at one bar beside its fills: it ends, and it is valued."""
CLOSINGS_AN_INSTRUMENT = 1
"""Most closings of an instrument that ended, each an order and a fill of it."""


@inlined
def kind_of(position: int, quantity: int) -> int:
    """Return the kind of a trade of *quantity* by a holder of *position*."""
    if quantity > 0:
        if position >= 0:
            return KIND.BUY
        return KIND.COVER if quantity <= -position else KIND.FLIP
    if position <= 0:
        return KIND.SHORT_SALE
    return KIND.SELL if -quantity <= position else KIND.FLIP


@separate(shared, lambda: (empty_books(1), 0, 0, 0, 0, 0, 0))
def post(books: Books, timestamp: int, kind: int, instrument: int, order: int, fill: int, amount: int) -> int:
    """Post the end of an instrument, or a valuation, as a transaction. Return its status.

    *order* and *fill* are the numbers of those that it belongs to, -1 for none.
    """
    begin(books, timestamp, kind, instrument, order, fill, -1)
    if kind == KIND.DELISTING:
        delisting(books, instrument, amount)
    else:
        valuation(books, instrument, amount)
    if CHECKED:
        assert_in_bounds(books, TRANSFERS_A_VALUATION if kind == KIND.VALUATION else 0)
    return commit(books)


@merged
def book(books: Books, desk: Desk, order: Record, quantity: int, gross: int, fee: int) -> int:
    """Post a fill of *quantity*, below zero for a sale. Return its status."""
    state = desk.state[0]
    instrument = desk.instruments[order.column]
    commodity = instrument.commodity
    kind = kind_of(books.accounts[instrument.units].balance, quantity)
    begin(books, state.timestamp, kind, commodity, order.id, state.first_fill + state.fills, -1)
    flip(books, commodity, quantity, gross, fee, True)
    if CHECKED:
        assert_in_bounds(books, TRANSFERS_A_FILL)
    return int(commit(books))


@inlined
def record_fill(
    desk: Desk, order: Record, quantity: int, price: float, reference: float, fee: int, basis: int
) -> None:
    """Record a fill that was posted."""
    state = desk.state[0]
    if CHECKED:
        assert state.fills < desk.fills.size, "no room for a fill"
    row = desk.fills[state.fills]
    row.order_id = order.id
    row.timestamp = state.timestamp
    row.instrument = desk.instruments[order.column].commodity
    row.side = 1 if quantity > 0 else -1
    row.quantity = abs(quantity)
    row.price = price
    row.reference_price = reference
    row.commission = fee
    row.basis = basis
    state.fills += 1


@inlined
def assert_in_bounds(books: Books, others: int) -> None:
    """Assert the bounds on transfers and lots of the transaction under way. *others* belong to no lot."""
    state = books.state[0]
    lots = 0
    for i in range(state.opened, state.transfers):
        row = books.transfers[i]
        if row.slot >= 0 and books.lots[row.slot].units in (row.debit, row.credit):
            lots += 1
    assert state.transfers - state.opened <= others + TRANSFERS_A_LOT * lots, "more transfers than declared"
    assert state.next_lot - state.next_lot_before <= LOTS_A_TRADE, "more lots than declared"


@inlined
def hold(books: Books, desk: Desk, column: int) -> None:
    """Keep the list of holdings in step with the balance."""
    state = desk.state[0]
    state.valuation_bar = -1
    instrument = desk.instruments[column]
    is_held = books.accounts[instrument.units].balance != 0
    desk.exposure[column] = is_held or instrument.pending != 0
    if is_held and instrument.holding < 0:
        instrument.holding = state.holdings
        desk.holdings[state.holdings] = column
        state.holdings += 1
    elif not is_held and instrument.holding >= 0:
        state.holdings -= 1
        last = desk.holdings[state.holdings]
        desk.holdings[instrument.holding] = last
        desk.instruments[last].holding = instrument.holding
        instrument.holding = -1


@inlined
def close_out(books: Books, desk: Desk, column: int, amount: int) -> None:
    """Close the position of an instrument that has ended, for *amount* and without a fee.

    The closing is recorded as an order and its fill at the last close, though no market fills it.
    """
    state, instrument = desk.state[0], desk.instruments[column]
    position = books.accounts[instrument.units].balance
    number = state.first_order + state.orders
    status = post(
        books,
        state.timestamp,
        KIND.DELISTING,
        instrument.commodity,
        number,
        state.first_fill + state.fills,
        amount,
    )
    if status != STATUS.POSTED:
        state.status = status
        return
    if CHECKED:
        assert state.orders < desk.orders.size, "no room for an order"
    row = desk.orders[state.orders]
    row.timestamp = state.timestamp
    row.instrument = instrument.commodity
    row.type = ORDER_TYPE.MARKET
    row.tif = TIME_IN_FORCE.GTC
    row.quantity = -position
    row.limit_price = math.nan
    row.stop_price = math.nan
    row.tag = desk.policy[0].ended_tag
    row.signal = math.nan
    state.orders += 1
    if CHECKED:
        assert state.fills < desk.fills.size, "no room for a fill"
    fill = desk.fills[state.fills]
    fill.order_id = number
    fill.timestamp = state.timestamp
    fill.instrument = instrument.commodity
    fill.side = -1 if position > 0 else 1
    fill.quantity = abs(position)
    fill.price = instrument.price
    fill.reference_price = instrument.price
    fill.commission = 0
    fill.basis = BASIS.QUANTITY
    state.fills += 1
    hold(books, desk, column)


@inlined
def allow_for(books: Books, desk: Desk, column: int, worth: int) -> None:
    """Bring the valuation allowance of a holding to *worth*. Post nothing if it is there already."""
    state = desk.state[0]
    commodity = desk.instruments[column].commodity
    first = books.commodities[commodity].first
    carried = 0
    for offset in range(COST, SHORT + 2):  # cost and short, each with its valuation
        carried += books.accounts[first + offset].balance
    if carried == worth:
        return
    status = post(books, state.timestamp, KIND.VALUATION, commodity, -1, -1, worth)
    if status != STATUS.POSTED:
        state.status = status


@inlined
def money(books: Books, desk: Desk) -> int:
    """Return assets less liabilities in the run's currency, without the carrying value of positions.

    `NO_AMOUNT` where they do not fit into 64 bits.
    """
    total = 0
    first = desk.policy[0].money
    for offset in range(CASH, ACCRUED_INTEREST + 1):
        total = less(total, -books.accounts[first + offset].balance)
    return less(total, -restricted(books, desk))


@inlined
def restricted(books: Books, desk: Desk) -> int:
    """Return the proceeds of short sales and the margin of futures, or `NO_AMOUNT`."""
    total = 0
    for i in range(desk.state[0].holdings):
        run = books.commodities[desk.instruments[desk.holdings[i]].commodity].first
        total = less(total, -books.accounts[run + SHORT_PROCEEDS].balance)
        total = less(total, -books.accounts[run + FUTURES_MARGIN].balance)
    return total

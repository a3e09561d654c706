"""What is held at the closes of a bar, and the rows that say so."""

import math

from tieout.execution.kernels.booking import allow_for, money
from tieout.execution.kernels.charges import value
from tieout.execution.kernels.compiled import leaf, part, routine
from tieout.execution.kernels.state import Desk, Market
from tieout.ledger.books.arithmetic import NO_AMOUNT, less
from tieout.ledger.books.arrays import Books, Status
from tieout.ledger.books.chart import CASH

OUT_OF_RANGE = int(Status.OUT_OF_RANGE)


@leaf
def bring_up_to(market: Market, desk: Desk, column: int, t: int) -> None:
    """Take the last close of an instrument at bar *t* of the window or before, down to the last mark.

    That bar's own as well: what was bought at its close was not held when it was marked.
    """
    state = desk.state[0]
    instrument = desk.instruments[column]
    close = market.close[t, column]
    instrument.stale = math.isnan(close)
    before = t - 1
    while math.isnan(close) and before >= 0 and before >= state.marked - state.offset:
        close = market.close[before, column]
        before -= 1
    if not math.isnan(close):
        instrument.price = close


@routine
def mark(market: Market, books: Books, desk: Desk, t: int) -> None:
    """Value what is held at this close, or at the last one where there is none today; once a bar."""
    state = desk.state[0]
    if state.valued == state.bar:
        return
    worth = 0
    for i in range(state.held):
        column = desk.held[i]
        bring_up_to(market, desk, column, t)
        instrument = desk.instruments[column]
        part = value(instrument, books.accounts[instrument.units].balance, instrument.price)
        worth = less(worth, less(0, part))
        if worth == NO_AMOUNT:
            state.status = OUT_OF_RANGE
            return
    state.marked = state.bar
    state.valued = state.bar
    state.cash = books.accounts[desk.policy[0].money + CASH].balance
    state.market_value = worth
    state.equity = money(books, desk) + worth


@part
def record_statement(books: Books, desk: Desk) -> None:
    """One row of what was found, and the marks that it values holdings at."""
    state = desk.state[0]
    for i in range(state.held):
        instrument = desk.instruments[desk.held[i]]
        mark = desk.marks[state.marks]
        mark.timestamp = state.timestamp
        mark.instrument = instrument.commodity
        mark.price = instrument.price
        mark.stale = instrument.stale
        state.marks += 1
    row = desk.statements[state.statements]
    row.timestamp = state.timestamp
    row.txn = books.state[0].base_txn + books.state[0].txns - 1
    row.currency = desk.policy[0].currency
    row.cash = state.cash
    row.market_value = state.market_value
    row.equity = state.equity
    state.statements += 1


@routine
def revalue(books: Books, desk: Desk) -> None:
    """Carry every holding at what it is worth, and nothing for what is held no longer."""
    for column in range(desk.instruments.size):
        instrument = desk.instruments[column]
        have = books.accounts[instrument.units].balance
        allow_for(books, desk, column, value(instrument, have, instrument.price) if have != 0 else 0)

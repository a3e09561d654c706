"""The value of holdings at the closes of a bar, and the rows that state it."""

import math

from tieout.execution.kernels.booking import allow_for, money, restricted
from tieout.execution.kernels.charges import value
from tieout.execution.kernels.compiled import inlined, shared
from tieout.execution.kernels.state import Desk, Market
from tieout.ledger.books.arithmetic import NO_AMOUNT, less
from tieout.ledger.books.arrays import STATUS, Books
from tieout.ledger.books.chart import CASH, RECEIVABLE_INTEREST, RECEIVABLE_TRADES
from tieout.ledger.moment import DAY
from tieout.ledger.numeric import CHECKED

MARKS_A_HOLDING = 1
"""Most marks of a holding at one bar."""
STATEMENTS_A_BAR = 1
"""Most statements at one bar."""


@inlined
def bring_up_to(market: Market, desk: Desk, column: int, t: int) -> None:
    """Take the last close of an instrument at bar *t* of the window or before, back to the last mark.

    The close of the last mark counts too: what was bought at that close was not held when it was marked.
    """
    state = desk.state[0]
    instrument = desk.instruments[column]
    close = market.close[t, column]
    instrument.stale = math.isnan(close)
    before = t - 1
    while math.isnan(close) and before >= 0 and before >= state.mark_bar - state.offset:
        close = market.close[before, column]
        before -= 1
    if not math.isnan(close):
        instrument.price = close


@shared
def mark(market: Market, books: Books, desk: Desk, t: int) -> None:
    """Value holdings at this close, or at the last one where there is none today, once a bar."""
    state = desk.state[0]
    if state.valuation_bar == state.bar:
        return
    market_value = 0
    for i in range(state.holdings):
        column = desk.holdings[i]
        bring_up_to(market, desk, column, t)
        instrument = desk.instruments[column]
        amount = value(instrument, books.accounts[instrument.units].balance, instrument.price)
        market_value = less(market_value, less(0, amount))
        if market_value == NO_AMOUNT:
            state.status = STATUS.OUT_OF_RANGE
            return
    equity = less(money(books, desk), -market_value)
    if equity == NO_AMOUNT:
        state.status = STATUS.OUT_OF_RANGE
        return
    state.mark_bar = state.bar
    state.valuation_bar = state.bar
    state.cash = books.accounts[desk.policy[0].money + CASH].balance
    state.market_value = market_value
    state.equity = equity


@inlined
def record_statement(books: Books, desk: Desk) -> None:
    """Record the last valuation, and the marks of its holdings."""
    state = desk.state[0]
    for i in range(state.holdings):
        instrument = desk.instruments[desk.holdings[i]]
        if CHECKED:
            assert state.marks < desk.marks.size, "no room for a mark"
        row = desk.marks[state.marks]
        row.timestamp = state.timestamp
        row.instrument = instrument.commodity
        row.price = instrument.price
        row.stale = instrument.stale
        state.marks += 1
    if CHECKED:
        assert state.statements < desk.statements.size, "no room for a statement"
    statement = desk.statements[state.statements]
    statement.timestamp = state.timestamp
    statement.txn = books.state[0].base_txn + books.state[0].txns - 1
    statement.currency = desk.policy[0].currency
    statement.session = state.date * DAY
    statement.cash = state.cash
    statement.restricted = restricted(books, desk)
    first = desk.policy[0].money
    receivable = 0
    for offset in range(RECEIVABLE_TRADES, RECEIVABLE_INTEREST + 1):
        receivable += books.accounts[first + offset].balance
    statement.receivable = receivable
    # All five sum to equity, and no part of it is counted twice or left out.
    others = state.cash + statement.restricted + receivable + state.market_value
    statement.liabilities = state.equity - others
    statement.market_value = state.market_value
    statement.equity = state.equity
    state.statements += 1


@shared
def revalue(books: Books, desk: Desk) -> None:
    """Carry every holding at its market value, and nothing for an instrument that is no longer held."""
    for column in range(desk.instruments.size):
        instrument = desk.instruments[column]
        position = books.accounts[instrument.units].balance
        worth = value(instrument, position, instrument.price) if position != 0 else 0
        allow_for(books, desk, column, worth)

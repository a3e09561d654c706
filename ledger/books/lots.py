"""Lots acquired and relieved, long or short: the parts of trading events."""

from tieout.ledger.books import chart
from tieout.ledger.books.arithmetic import share
from tieout.ledger.books.arrays import LONG, RELIEF, SHORT_SIDE, STATUS, Books
from tieout.ledger.books.compiled import inlined
from tieout.ledger.books.posting import find_lot, held, move, open_lot, refuse, transfer

TRANSFERS_A_LOT = 4
"""Most transfers for each lot that a trade moves.

To relieve a short lot takes four: the release of its proceeds, its units, its price, and the gain. To open
one takes three: its units, its proceeds, and their restriction.
"""
LOTS_A_TRADE = 1
"""Most lots that a trade opens."""


@inlined
def charge(books: Books, money: int, fee: int, paying: int) -> None:
    """Book a commission as an expense, or as a rebate if it is below zero."""
    if fee >= 0:
        move(books, money + chart.COMMISSIONS, paying, fee)
    else:
        move(books, paying, money + chart.REBATES, -fee)


@inlined
def refuse_size(books: Books, instrument: int, quantity: int, amount: int) -> None:
    """Refuse a trade whose quantity is not positive, or whose amount is negative, and report which it is."""
    first = books.commodities[instrument].first
    if quantity <= 0:
        refuse(books.state[0], STATUS.NOT_POSITIVE, first + chart.UNITS, quantity)
    else:
        refuse(books.state[0], STATUS.NOT_POSITIVE, first + chart.COST, amount)


@inlined
def _held_without_lots(books: Books, instrument: int, side: int) -> bool:
    """Check whether units are held that belong to no lot, such as futures. The two are not mixed."""
    units = books.accounts[books.commodities[instrument].first + chart.UNITS].balance
    return bool(units != 0) and not held(books, instrument, side)


@inlined
def acquire(books: Books, instrument: int, side: int, quantity: int, amount: int, cash: int) -> None:
    """Open a lot of *quantity* for *amount*, which the account *cash* pays, or receives for a short sale."""
    first = books.commodities[instrument].first
    if quantity <= 0 or amount < 0:
        refuse_size(books, instrument, quantity, amount)
        return
    if held(books, instrument, -side) or _held_without_lots(books, instrument, side):
        refuse(
            books.state[0],
            STATUS.OPPOSITE_POSITION,
            first + chart.UNITS,
            books.accounts[first + chart.UNITS].balance,
        )
        return
    slot = open_lot(books, instrument, side, quantity, amount)
    carrying = first + (chart.COST if side == LONG else chart.SHORT)
    move_in_lot(books, slot, first + chart.UNITS, first + chart.MARKET, side * quantity)
    move_in_lot(books, slot, carrying, cash, side * amount)


@inlined
def restrict(books: Books, instrument: int, amount: int) -> None:
    """Set the proceeds of a short sale aside."""
    first = books.commodities[instrument].first
    move(
        books,
        first + chart.SHORT_PROCEEDS,
        books.commodities[instrument].money + chart.CASH,
        amount,
    )


@inlined
def give_up(books: Books, instrument: int, quantity: int, amount: int) -> None:
    """Sell or cover at once, without a fee, from the head of the queue under any method of relief."""
    first = books.commodities[instrument].first
    side = LONG if books.accounts[first + chart.UNITS].balance > 0 else SHORT_SIDE
    money = books.commodities[instrument].money
    slot = books.queues[2 * instrument + (side != LONG)].head
    _relieve_from(books, slot, False, instrument, side, quantity, amount, money + chart.CASH)


@inlined
def relieve(
    books: Books, instrument: int, side: int, quantity: int, amount: int, cash: int, lot: int
) -> None:
    """Close *quantity* for *amount*: the lots in the order of relief, or only the one numbered *lot*."""
    slot = books.queues[2 * instrument + (side != LONG)].head
    if lot != -1:
        slot = find_lot(books, instrument, side, lot)
        if slot < 0:
            refuse(books.state[0], STATUS.UNKNOWN_LOT, lot, quantity)
            return
    elif books.commodities[instrument].relief == RELIEF.SPECIFIC and slot >= 0:
        refuse(
            books.state[0],
            STATUS.LOT_NOT_NAMED,
            books.commodities[instrument].first + chart.UNITS,
            quantity,
        )
        return
    _relieve_from(books, slot, lot != -1, instrument, side, quantity, amount, cash)


@inlined
def _relieve_from(
    books: Books,
    slot: int,
    only: bool,
    instrument: int,
    side: int,
    quantity: int,
    amount: int,
    cash: int,
) -> None:
    first = books.commodities[instrument].first
    if quantity <= 0 or amount < 0:
        refuse_size(books, instrument, quantity, amount)
        return
    left = quantity
    while left > 0 and slot >= 0:
        lot = books.lots[slot]
        have = abs(lot.quantity)
        if have > 0:  # a lot emptied earlier in this transaction is still in its list
            size = min(have, left)
            part = share(amount, size, left)
            cost = share(abs(lot.cost), size, have)
            if side != LONG:
                _release(books, instrument, cost)
            move_in_lot(books, slot, first + chart.MARKET, lot.units, side * size)
            move_in_lot(books, slot, cash, lot.money, side * part)
            move_in_lot(books, slot, lot.money, first + chart.REALIZED, side * (part - cost))
            amount -= part
            left -= size
        slot = -1 if only else lot.next
    if left > 0:
        refuse(books.state[0], STATUS.INSUFFICIENT_LOTS, first + chart.UNITS, quantity - left)


@inlined
def _release(books: Books, instrument: int, cost: int) -> None:
    """Release the proceeds beyond the liability that is left once *cost* of the short position is closed."""
    first = books.commodities[instrument].first
    liability = -books.accounts[first + chart.SHORT].balance - cost
    excess = books.accounts[first + chart.SHORT_PROCEEDS].balance - liability
    if excess > 0:
        cash = books.commodities[instrument].money + chart.CASH
        transfer(books, cash, first + chart.SHORT_PROCEEDS, excess, -1)


@inlined
def write_off(books: Books, instrument: int, slot: int) -> None:
    """Realize what a lot without units still carries: a loss when long, a gain when short."""
    lot = books.lots[slot]
    if lot.cost < 0:
        _release(books, instrument, -lot.cost)
    move_in_lot(books, slot, books.commodities[instrument].first + chart.REALIZED, lot.money, lot.cost)


@inlined
def move_in_lot(books: Books, slot: int, debit: int, credit: int, amount: int) -> None:
    """Transfer a lot's units or cost, of either sign: below zero it goes the other way, zero does nothing."""
    if amount < 0:
        debit, credit, amount = credit, debit, -amount
    if amount != 0:
        transfer(books, debit, credit, amount, slot)

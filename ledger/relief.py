"""What the trading events are made of: lots acquired, sold short and relieved."""

from ledger import chart
from ledger.arithmetic import share
from ledger.books import LONG, SHORT_SIDE, Books, Relief, Status
from ledger.compiled import kernel
from ledger.posting import find_lot, held, move, open_lot, refuse, transfer

NOT_POSITIVE = int(Status.NOT_POSITIVE)
INSUFFICIENT_LOTS = int(Status.INSUFFICIENT_LOTS)
UNKNOWN_LOT = int(Status.UNKNOWN_LOT)
LOT_NOT_NAMED = int(Status.LOT_NOT_NAMED)
OPPOSITE_POSITION = int(Status.OPPOSITE_POSITION)
SPECIFIC = int(Relief.SPECIFIC)


@kernel
def charge(books: Books, money: int, fee: int, paying: int) -> None:
    """Expense a commission; below zero it is a rebate."""
    if fee >= 0:
        move(books, money + chart.COMMISSIONS, paying, fee)
    else:
        move(books, paying, money + chart.REBATES, -fee)


@kernel
def refuse_size(books: Books, instrument: int, quantity: int, amount: int) -> None:
    """Refuse a trade of no units, or for less than nothing, and say which."""
    first = books.commodities[instrument].first
    if quantity <= 0:
        refuse(books.state[0], NOT_POSITIVE, first + chart.UNITS, quantity)
    else:
        refuse(books.state[0], NOT_POSITIVE, first + chart.COST, amount)


@kernel
def _held_without_lots(books: Books, instrument: int, side: int) -> bool:
    """Whether units are held that belong to no lot, as those of futures: the two are not mixed."""
    units = books.accounts[books.commodities[instrument].first + chart.UNITS].balance
    return bool(units != 0) and not held(books, instrument, side)


@kernel
def acquire(books: Books, instrument: int, quantity: int, gross: int, paying: int) -> None:
    """Open a lot of *quantity* that cost *gross*, paid from the account *paying*."""
    first = books.commodities[instrument].first
    if quantity <= 0 or gross < 0:
        refuse_size(books, instrument, quantity, gross)
        return
    if held(books, instrument, SHORT_SIDE) or _held_without_lots(books, instrument, LONG):
        refuse(
            books.state[0],
            OPPOSITE_POSITION,
            first + chart.UNITS,
            books.accounts[first + chart.UNITS].balance,
        )
        return
    slot = open_lot(books, instrument, LONG, quantity, gross)
    transfer(books, first + chart.UNITS, first + chart.MARKET, quantity, slot)
    if gross > 0:
        transfer(books, first + chart.COST, paying, gross, slot)


@kernel
def sell_short(books: Books, instrument: int, quantity: int, proceeds: int, receiving: int) -> None:
    """Open a lot below zero, its proceeds received on the account *receiving*."""
    first = books.commodities[instrument].first
    if quantity <= 0 or proceeds < 0:
        refuse_size(books, instrument, quantity, proceeds)
        return
    if held(books, instrument, LONG) or _held_without_lots(books, instrument, SHORT_SIDE):
        refuse(
            books.state[0],
            OPPOSITE_POSITION,
            first + chart.UNITS,
            books.accounts[first + chart.UNITS].balance,
        )
        return
    slot = open_lot(books, instrument, SHORT_SIDE, quantity, proceeds)
    transfer(books, first + chart.MARKET, first + chart.UNITS, quantity, slot)
    if proceeds > 0:
        transfer(books, receiving, first + chart.SHORT, proceeds, slot)


@kernel
def restrict(books: Books, instrument: int, amount: int) -> None:
    """Set the proceeds of a short sale aside."""
    first = books.commodities[instrument].first
    move(
        books,
        first + chart.SHORT_PROCEEDS,
        books.commodities[instrument].money + chart.CASH,
        amount,
    )


@kernel
def give_up(books: Books, instrument: int, quantity: int, amount: int) -> None:
    """Sell or cover without a fee and whatever the method of relief, at once."""
    first = books.commodities[instrument].first
    side = LONG if books.accounts[first + chart.UNITS].balance > 0 else SHORT_SIDE
    money = books.commodities[instrument].money
    slot = books.queues[2 * instrument + (side != LONG)].head
    _relieve_from(books, slot, False, instrument, side, quantity, amount, money + chart.CASH)


@kernel
def relieve(
    books: Books, instrument: int, side: int, quantity: int, amount: int, cash: int, lot: int
) -> None:
    """Close *quantity* for *amount*: the lots in the order of relief, or the one that is named."""
    slot = books.queues[2 * instrument + (side != LONG)].head
    if lot != -1:
        slot = find_lot(books, instrument, side, lot)
        if slot < 0:
            refuse(books.state[0], UNKNOWN_LOT, lot, quantity)
            return
    elif books.commodities[instrument].relief == SPECIFIC and slot >= 0:
        refuse(
            books.state[0],
            LOT_NOT_NAMED,
            books.commodities[instrument].first + chart.UNITS,
            quantity,
        )
        return
    _relieve_from(books, slot, lot != -1, instrument, side, quantity, amount, cash)


@kernel
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
            taken = min(have, left)
            part = share(amount, taken, left)
            cost = share(abs(lot.cost), taken, have)
            if side == LONG:
                _sell_from(books, slot, instrument, taken, part, cost, cash)
            else:
                _cover_from(books, slot, instrument, taken, part, cost, cash)
            amount -= part
            left -= taken
        slot = -1 if only else lot.next
    if left > 0:
        refuse(books.state[0], INSUFFICIENT_LOTS, first + chart.UNITS, quantity - left)


@kernel
def _sell_from(books: Books, slot: int, instrument: int, taken: int, part: int, cost: int, cash: int) -> None:
    first = books.commodities[instrument].first
    transfer(books, first + chart.MARKET, first + chart.UNITS, taken, slot)
    if part > 0:
        transfer(books, cash, first + chart.COST, part, slot)
    if part > cost:
        transfer(books, first + chart.COST, first + chart.REALISED, part - cost, slot)
    elif part < cost:
        transfer(books, first + chart.REALISED, first + chart.COST, cost - part, slot)


@kernel
def _cover_from(
    books: Books, slot: int, instrument: int, taken: int, part: int, cost: int, cash: int
) -> None:
    first = books.commodities[instrument].first
    _release(books, instrument, cost)
    transfer(books, first + chart.UNITS, first + chart.MARKET, taken, slot)
    if part > 0:
        transfer(books, first + chart.SHORT, cash, part, slot)
    if part < cost:
        transfer(books, first + chart.SHORT, first + chart.REALISED, cost - part, slot)
    elif part > cost:
        transfer(books, first + chart.REALISED, first + chart.SHORT, part - cost, slot)


@kernel
def _release(books: Books, instrument: int, relieved: int) -> None:
    """Free the proceeds that nothing will be owed for once *relieved* of the short is closed."""
    first = books.commodities[instrument].first
    owed_then = -books.accounts[first + chart.SHORT].balance - relieved
    excess = books.accounts[first + chart.SHORT_PROCEEDS].balance - owed_then
    if excess > 0:
        cash = books.commodities[instrument].money + chart.CASH
        transfer(books, cash, first + chart.SHORT_PROCEEDS, excess, -1)


@kernel
def move_units(books: Books, slot: int, change: int) -> None:
    """Change the units of a lot and nothing else."""
    lot = books.lots[slot]
    market = lot.units - chart.UNITS + chart.MARKET
    if change > 0:
        transfer(books, lot.units, market, change, slot)
    elif change < 0:
        transfer(books, market, lot.units, -change, slot)


@kernel
def write_off(books: Books, instrument: int, slot: int) -> None:
    """A lot that has no unit left realises what it carries: a loss when long, a gain when short."""
    first = books.commodities[instrument].first
    lot = books.lots[slot]
    if lot.cost > 0:
        transfer(books, first + chart.REALISED, first + chart.COST, lot.cost, slot)
    elif lot.cost < 0:
        _release(books, instrument, -lot.cost)
        transfer(books, first + chart.SHORT, first + chart.REALISED, -lot.cost, slot)

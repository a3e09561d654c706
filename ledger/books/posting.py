"""Posting: the one way to change the books, compiled.

    begin(books, when, kind, ...)        open a transaction
    transfer(books, debit, credit, ...)  as often as needed: see each event in events.py
    commit(books)                        test it as a whole, and keep all of it or nothing

A refusal sticks: after the first, the transaction's further transfers do nothing. `commit` then undoes the
earlier ones and returns the reason. So an event is written straight down, without a test after each line.
"""

from tieout.ledger.books.arithmetic import NO_AMOUNT
from tieout.ledger.books.arrays import LONG, RELIEF, STATUS, Books
from tieout.ledger.books.bounds import MAX_AMOUNT
from tieout.ledger.books.chart import COST, SHORT, SHORT_PROCEEDS, UNITS
from tieout.ledger.books.compiled import entry
from tieout.ledger.books.ranking import is_ranked, plant, relieved_before, slot_of, uproot
from tieout.ledger.numeric import Int32s, Int64s, Record

NONE = -1
OUT = -2  # stands for the previous lot of a lot that is in no list


@entry
def begin(
    books: Books, timestamp: int, kind: int, instrument: int, order_id: int, fill_id: int, reverses: int
) -> None:
    """Open a transaction at *timestamp* (nanoseconds since 1970, UTC). -1 stands for none."""
    state = books.state[0]
    state.status = STATUS.POSTED
    state.opened = state.transfers
    state.next_lot_before = state.next_lot
    state.free_before = state.free
    if timestamp < state.timestamp:
        refuse(state, STATUS.BACKDATED, timestamp, state.timestamp)
        return
    if state.txns == books.txns.size:
        refuse(state, STATUS.TXNS_FULL, 0, 0)
        return
    txn = books.txns[state.txns]
    txn.timestamp = timestamp
    txn.kind = kind
    txn.instrument = instrument
    txn.order_id = order_id
    txn.fill_id = fill_id
    txn.reverses = reverses
    txn.first = state.transfers


@entry
def refuse(state: Record, status: int, account: int, amount: int) -> None:
    """Refuse the transaction under way. Of several reasons the first one counts."""
    if state.status == STATUS.POSTED:
        state.status = status
        state.account = account
        state.amount = amount


@entry
def transfer(books: Books, debit: int, credit: int, amount: int, slot: int) -> None:
    """Move *amount* > 0 from the account *credit* to the account *debit*, both of one commodity.

    *slot* is the place of the lot that the amount belongs to, -1 for none.
    """
    state = books.state[0]
    if state.status != STATUS.POSTED:
        return
    if not 0 <= debit < books.accounts.size or not 0 <= credit < books.accounts.size:
        refuse(state, STATUS.UNKNOWN_ACCOUNT, credit if 0 <= debit < books.accounts.size else debit, amount)
        return
    to, of = books.accounts[debit], books.accounts[credit]
    if amount <= 0:
        refuse(state, STATUS.NOT_POSITIVE, debit, amount)
        return
    if debit == credit:
        refuse(state, STATUS.SAME_ACCOUNT, debit, amount)
        return
    if to.commodity != of.commodity:
        refuse(state, STATUS.COMMODITY_MISMATCH, debit, credit)
        return
    if to.balance > MAX_AMOUNT - amount or of.balance < amount - MAX_AMOUNT:
        refuse(state, STATUS.OUT_OF_RANGE, debit if to.balance > MAX_AMOUNT - amount else credit, amount)
        return
    if state.transfers == books.transfers.size:
        refuse(state, STATUS.TRANSFERS_FULL, 0, 0)
        return

    # From here on nothing may fail.
    row = books.transfers[state.transfers]
    row.debit = debit
    row.credit = credit
    row.amount = amount
    row.slot = slot
    row.lot = NONE
    state.transfers += 1
    to.balance += amount
    of.balance -= amount
    if slot >= 0:
        row.lot = books.lots[slot].id
        _move_lot(books.lots[slot], debit, credit, amount)


@entry
def move(books: Books, debit: int, credit: int, amount: int) -> None:
    """Transfer an amount of either sign: below zero it goes the other way. `NO_AMOUNT` is refused.

    Zero transfers nothing.
    """
    if amount == NO_AMOUNT:
        refuse(books.state[0], STATUS.OUT_OF_RANGE, debit, amount)
    elif amount > 0:
        transfer(books, debit, credit, amount, NONE)
    elif amount < 0:
        transfer(books, credit, debit, -amount, NONE)


@entry
def commit(books: Books) -> int:
    """Keep the transaction under way if it is whole and breaks no rule, else undo it. Return a `Status`."""
    state = books.state[0]
    if state.status == STATUS.POSTED:
        _test(books)
    if state.status != STATUS.POSTED:
        undo(books)
        return int(state.status)

    # From here on nothing may fail.
    for i in range(state.opened, state.transfers):
        slot = books.transfers[i].slot
        if slot >= 0 and books.lots[slot].id >= 0:
            if books.lots[slot].quantity == 0:
                _close_lot(books, slot)
            elif books.commodities[books.lots[slot].queue // 2].relief == RELIEF.HIFO:
                _take_out(books, slot)
    for i in range(state.opened, state.transfers):
        slot = books.transfers[i].slot
        if slot >= 0 and books.lots[slot].previous == OUT:
            _put_back(books, slot)
    state.timestamp = books.txns[state.txns].timestamp
    state.txns += 1
    return STATUS.POSTED


@entry
def _test(books: Books) -> None:
    """Refuse a transaction that moves nothing, overdraws a floored account or breaks a lot."""
    state = books.state[0]
    if state.opened == state.transfers:
        refuse(state, STATUS.EMPTY, 0, 0)
    for i in range(state.opened, state.transfers):
        row = books.transfers[i]
        if row.slot >= 0:
            lot = books.lots[row.slot]
            if (
                lot.quantity * lot.side < 0
                or lot.cost * lot.side < 0
                or (lot.quantity == 0 and lot.cost != 0)
            ):
                refuse(state, STATUS.LOT_DISTURBED, lot.id, lot.quantity)
            # Proceeds set aside must not exceed what is owed: their restriction has to be lifted first.
            restricted = books.accounts[lot.units - UNITS + SHORT_PROCEEDS].balance
            if lot.side != LONG and restricted > -books.accounts[lot.money].balance:
                refuse(state, STATUS.LOT_DISTURBED, lot.id, lot.quantity)
        # An account is overdrawn only by the leg that lowers it.
        to, of = books.accounts[row.debit], books.accounts[row.credit]
        if of.floor > 0 and of.balance < 0:
            refuse(state, STATUS.OVERDRAFT, row.credit, of.balance)
        if to.floor < 0 and to.balance > 0:
            refuse(state, STATUS.OVERDRAFT, row.debit, to.balance)


@entry
def undo(books: Books) -> None:
    """Take back every transfer of the transaction under way, and the lots it opened."""
    state = books.state[0]
    for i in range(state.transfers - 1, state.opened - 1, -1):
        row = books.transfers[i]
        books.accounts[row.debit].balance -= row.amount
        books.accounts[row.credit].balance += row.amount
        if row.slot >= 0:
            _move_lot(books.lots[row.slot], row.credit, row.debit, row.amount)
    state.transfers = state.opened
    for i in range(state.free, state.free_before):
        _unlink(books, books.lots[i].free)
        books.lots[books.lots[i].free].id = NONE
    state.free = state.free_before
    state.next_lot = state.next_lot_before


# --- lots --------------------------------------------------------------------------------------------
#
# The open lots of one instrument and side form a list in the order of relief, so that a sale takes from the
# head under every method. A lot is emptied by transfers and leaves its list when they are committed.


@entry
def open_lot(books: Books, instrument: int, side: int, quantity: int, cost: int) -> int:
    """Return the slot for *quantity* units at *cost*, both without sign.

    It is the slot of a new lot, or under average cost that of the one open lot.
    """
    state = books.state[0]
    queue = 2 * instrument + (side != LONG)
    if books.commodities[instrument].relief == RELIEF.AVERAGE and books.queues[queue].head >= 0:
        return int(books.queues[queue].head)
    slot = restore_lot(books, instrument, side, state.next_lot, quantity, cost)
    if slot >= 0:
        state.next_lot += 1
    return int(slot)


@entry
def restore_lot(books: Books, instrument: int, side: int, lot_id: int, quantity: int, cost: int) -> int:
    """Open an empty lot numbered *lot_id* and return its slot, or -1 if there is no room.

    It is ranked as *quantity* at *cost*, in its place among the open lots.
    """
    state = books.state[0]
    if state.free == 0:
        refuse(state, STATUS.LOTS_FULL, 0, 0)
        return NONE
    state.free -= 1
    slot = books.lots[state.free].free
    first = books.commodities[instrument].first
    lot = books.lots[slot]
    lot.id = lot_id
    lot.quantity = 0
    lot.cost = 0
    lot.rank_quantity = quantity
    lot.rank_cost = cost
    lot.units = first + UNITS
    lot.money = first + (COST if side == LONG else SHORT)
    lot.queue = 2 * instrument + (side != LONG)
    lot.side = side
    _link(books, slot, books.commodities[instrument].relief)
    return int(slot)


@entry
def find_lot(books: Books, instrument: int, side: int, lot_id: int) -> int:
    """Return the slot of an open lot by its number, or -1."""
    queue = 2 * instrument + (side != LONG)
    if books.commodities[instrument].relief == RELIEF.SPECIFIC:
        return int(slot_of(books, queue, lot_id))
    slot = books.queues[queue].head
    while slot >= 0 and books.lots[slot].id != lot_id:
        slot = books.lots[slot].next
    return int(slot)


@entry
def held(books: Books, instrument: int, side: int) -> bool:
    """Check whether any lot of that side is open."""
    slot = books.queues[2 * instrument + (side != LONG)].head
    while slot >= 0 and books.lots[slot].quantity == 0:
        slot = books.lots[slot].next
    return bool(slot >= 0)


@entry
def _link(books: Books, slot: int, relief: int) -> None:
    """Insert a lot in the order of relief, by its tree or from the end where a new lot usually belongs."""
    lot = books.lots[slot]
    queue = books.queues[lot.queue]
    if is_ranked(relief):
        before = plant(books, slot, relief)
        after = books.lots[before].next if before >= 0 else queue.head
    elif relief == RELIEF.LIFO:
        after = queue.head
        while after >= 0 and not relieved_before(lot, books.lots[after], relief):
            after = books.lots[after].next
        before = books.lots[after].previous if after >= 0 else queue.tail
    else:
        before = queue.tail
        while before >= 0 and relieved_before(lot, books.lots[before], relief):
            before = books.lots[before].previous
        after = books.lots[before].next if before >= 0 else queue.head
    lot.previous = before
    lot.next = after
    if before >= 0:
        books.lots[before].next = slot
    else:
        queue.head = slot
    if after >= 0:
        books.lots[after].previous = slot
    else:
        queue.tail = slot


@entry
def _unlink(books: Books, slot: int) -> None:
    lot = books.lots[slot]
    if is_ranked(books.commodities[lot.queue // 2].relief):
        uproot(books, slot)
    queue = books.queues[lot.queue]
    if lot.previous >= 0:
        books.lots[lot.previous].next = lot.next
    else:
        queue.head = lot.next
    if lot.next >= 0:
        books.lots[lot.next].previous = lot.previous
    else:
        queue.tail = lot.previous


@entry
def _take_out(books: Books, slot: int) -> None:
    """Take a lot that a transfer changed out of its list, once.

    All such lots leave before the first is put back, so that each is put back into a list that is in order.
    """
    if books.lots[slot].previous != OUT:
        _unlink(books, slot)
        books.lots[slot].previous = OUT


@entry
def _put_back(books: Books, slot: int) -> None:
    """Put a lot back by its present cost per unit: a split changes it, and so does rounding."""
    lot = books.lots[slot]
    lot.rank_quantity = abs(lot.quantity)
    lot.rank_cost = abs(lot.cost)
    _link(books, slot, RELIEF.HIFO)


@entry
def _close_lot(books: Books, slot: int) -> None:
    state = books.state[0]
    _unlink(books, slot)
    books.lots[slot].id = NONE
    books.lots[state.free].free = slot
    state.free += 1


@entry
def _move_lot(lot: Record, debit: int, credit: int, amount: int) -> None:
    """Change a lot with its two accounts: it is a share of both, so a transfer for it changes it alike."""
    if debit == lot.units:
        lot.quantity += amount
    elif credit == lot.units:
        lot.quantity -= amount
    elif debit == lot.money:
        lot.cost += amount
    elif credit == lot.money:
        lot.cost -= amount


# --- closing a block ---------------------------------------------------------------------------------


@entry
def unload(
    books: Books,
    opening: Int64s,
    txn: Int64s,
    debit: Int32s,
    credit: Int32s,
    amount: Int64s,
    lot: Int64s,
) -> bool:
    """Copy the block's transfers into columns, refold *opening*, and check whether the books agree.

    They agree if every transaction is whole and in order, and the opening balances plus all transfers are
    the running balances. *opening* then holds the closing balances.
    """
    state = books.state[0]
    following = 0
    for i in range(state.transfers):
        row = books.transfers[i]
        if following < state.txns and books.txns[following].first == i:
            following += 1
        if following == 0 or row.amount <= 0:
            return False
        txn[i] = state.base_txn + following - 1
        debit[i] = row.debit
        credit[i] = row.credit
        amount[i] = row.amount
        lot[i] = row.lot
        opening[row.debit] += row.amount
        opening[row.credit] -= row.amount
    if following != state.txns:
        return False
    agree = True
    for account in range(opening.size):
        agree &= opening[account] == books.accounts[account].balance
    return agree

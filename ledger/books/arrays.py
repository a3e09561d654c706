"""The arrays that hold the books while they are open. Posting is their one writer.

Everything that compiled code touches: balances, the open block of transactions and transfers, and the open
lots, which are shares of account balances. Records sit in numpy structured arrays of a fixed size. When one
is full, posting reports it and undoes the transaction. The journal then doubles the array and posts again.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from tieout.ledger.books import pool
from tieout.ledger.numeric import CHECKED, Records, constants, first_size

TRANSFER = np.dtype(
    [
        ("debit", "i4"),
        ("credit", "i4"),
        ("amount", "i8"),
        ("lot", "i8"),
        ("slot", "i8"),
    ]
)
TXN = np.dtype(
    [
        ("timestamp", "i8"),
        ("order_id", "i8"),
        ("fill_id", "i8"),
        ("reverses", "i8"),
        ("instrument", "i4"),
        ("kind", "i4"),
        ("first", "i8"),  # its first transfer, as an index into the block
    ]
)
ACCOUNT = np.dtype(
    [
        ("balance", "i8"),  # debit above zero
        ("commodity", "i4"),
        ("floor", "i4"),  # +1: not below zero, -1: not above, 0: either
    ]
)
COMMODITY = np.dtype(
    [
        ("first", "i4"),  # account number
        ("money", "i4"),  # first account number of the currency it is priced in
        ("currency", "i4"),
        ("relief", "i4"),
    ]
)
LOT = np.dtype(
    [
        ("id", "i8"),  # -1 where the slot is free
        ("quantity", "i8"),  # its share of the units account, negative when sold short
        ("cost", "i8"),  # its share of the cost account, negative when sold short
        ("rank_quantity", "i8"),  # both as the last transaction left them and without sign,
        ("rank_cost", "i8"),  # for the order of relief by cost per unit
        ("units", "i4"),  # account numbers
        ("money", "i4"),
        ("queue", "i4"),
        ("previous", "i4"),  # slots, in the order of relief
        ("next", "i4"),
        ("left", "i4"),  # slots, in the tree of `ranking`
        ("right", "i4"),
        ("up", "i4"),
        ("side", "i4"),  # +1 long, -1 short
        ("free", "i4"),  # not of the lot: place i of the stack of free slots
    ]
)
QUEUE = np.dtype([("head", "i4"), ("tail", "i4"), ("root", "i4")])
STATE = np.dtype(
    [
        ("timestamp", "i8"),  # of the newest transaction
        ("base_txn", "i8"),  # number of the block's first transaction
        ("txns", "i8"),  # posted in the block
        ("transfers", "i8"),
        ("opened", "i8"),  # first transfer of the transaction under way
        ("next_lot", "i8"),
        ("next_lot_before", "i8"),  # as the transaction under way found it
        ("free", "i8"),  # slots on the stack of free ones
        ("free_before", "i8"),
        ("status", "i8"),  # why the transaction under way is refused
        ("account", "i8"),  # the offending account, lot or time
        ("amount", "i8"),
    ]
)

LONG, SHORT_SIDE = 1, -1


class Relief(IntEnum):
    """Methods of relief: the lot that a sale gives up first."""

    FIFO = 0
    LIFO = 1
    HIFO = 2
    AVERAGE = 3
    SPECIFIC = 4


RELIEF = constants(Relief)


class Status(IntEnum):
    """Outcomes of a posting. Anything but `POSTED` leaves the books unchanged."""

    POSTED = 0
    BACKDATED = 1
    EMPTY = 2
    UNKNOWN_ACCOUNT = 3
    NOT_POSITIVE = 4
    SAME_ACCOUNT = 5
    COMMODITY_MISMATCH = 6
    OUT_OF_RANGE = 7
    OVERDRAFT = 8
    INSUFFICIENT_LOTS = 9
    UNKNOWN_LOT = 10
    LOT_NOT_NAMED = 11
    OPPOSITE_POSITION = 12
    LOT_DISTURBED = 13
    # The block has no room: grow the array and post again.
    TRANSFERS_FULL = 20
    TXNS_FULL = 21
    LOTS_FULL = 22


STATUS = constants(Status)


class Books(NamedTuple):
    """The books as kernels take them. All arrays are C-contiguous. An account's number is its index."""

    accounts: Records
    commodities: Records
    queues: Records  # two for each commodity: long at 2n, short at 2n + 1
    lots: Records
    txns: Records
    transfers: Records
    state: Records  # one row


def records(size: int, dtype: "np.dtype[Any]") -> Records:
    """Return an array of *size* zeroed records."""
    return np.zeros(size, dtype).view(np.recarray)


def copied(old: Records) -> Records:
    """Return a copy of *old*."""
    # As bytes: numpy copies records one by one.
    memory: Any = np.asarray(old).view(np.uint8).copy()
    return np.recarray(old.size, old.dtype, buf=memory)


def grown(old: Records, size: int) -> Records:
    """Return an array of *size* records that begins with those of *old*."""
    new = records(size, old.dtype)
    new[: old.size] = old
    return new


def rows(size: int, dtype: "np.dtype[Any]") -> Records:
    """Return an array of at least *size* records without defined values, exactly *size* if checked."""
    array = pool.take(size, dtype)
    return (array[:size] if CHECKED else array).view(np.recarray)


def with_room(old: Records, size: int) -> Records:
    """Return an array of at least *size* records that begins with those of *old*."""
    new = rows(size, old.dtype)
    # As bytes: numpy copies records one by one.
    new.view(np.uint8)[: old.nbytes] = old.view(np.uint8)
    return new


def empty_books(block_transfers: int) -> Books:
    """Return books without accounts, with room for a block of *block_transfers*."""
    return _EMPTY_BOOKS._replace(
        lots=copied(_EMPTY_BOOKS.lots),
        txns=rows(first_size(block_transfers // 2 + 1), TXN),
        transfers=rows(first_size(block_transfers), TRANSFER),
        state=_EMPTY_BOOKS.state.copy(),
    )


def with_more_lots(books: Books, size: int) -> Books:
    """Return the books with room for *size* open lots. Call it only between transactions."""
    have = books.lots.size
    lots = grown(books.lots, size)
    lots["id"][have:] = -1
    state = books.state[0]
    # Highest slot at the bottom of the stack, so that the new ones are used in order after the old ones.
    lots["free"][: state.free + size - have] = np.concatenate(
        (np.arange(size - 1, have - 1, -1), lots["free"][: state.free])
    )
    state.free += size - have
    return books._replace(lots=lots)


def _without_accounts() -> Books:
    state = records(1, STATE)
    state["timestamp"] = np.iinfo(np.int64).min
    tables = {"accounts": ACCOUNT, "commodities": COMMODITY, "queues": QUEUE, "lots": LOT}
    tables |= {"txns": TXN, "transfers": TRANSFER}
    empty = {name: records(0, dtype) for name, dtype in tables.items()}
    return with_more_lots(Books(**empty, state=state), first_size(1024))


_EMPTY_BOOKS = _without_accounts()
"""Books without accounts or room, from which new books are copied."""

"""The order in which lots are relieved, as a tree beside the list of the open lots of an instrument's side.

The list alone is enough where a new lot belongs at one of its ends: first in, first out, and last in, first
out. By cost per unit it may belong anywhere, and a named lot may lie anywhere. For these two methods the lots
are also a treap: a search tree in which the rank of a child is below that of its parent. Ranks are mixed from
the numbers of the lots, so the tree is about as deep as the logarithm of its size, however prices move.

Seidel and Aragon, Randomized search trees, 1996.
"""

from tieout.ledger.books.arithmetic import higher_per_unit
from tieout.ledger.books.arrays import RELIEF, Books
from tieout.ledger.books.compiled import entry
from tieout.ledger.numeric import Record

NONE = -1
_MASK = 0xFFFFFFFF


@entry
def is_ranked(relief: int) -> bool:
    """Check whether the lots of an instrument form a tree."""
    return bool(relief in (RELIEF.HIFO, RELIEF.SPECIFIC))


@entry
def relieved_before(a: Record, b: Record, relief: int) -> bool:
    """Check whether lot *a* is relieved before lot *b*."""
    if relief == RELIEF.HIFO:
        if higher_per_unit(a.rank_cost, a.rank_quantity, b.rank_cost, b.rank_quantity):
            return True
        if higher_per_unit(b.rank_cost, b.rank_quantity, a.rank_cost, a.rank_quantity):
            return False
    return bool(a.id > b.id if relief == RELIEF.LIFO else a.id < b.id)


@entry
def plant(books: Books, slot: int, relief: int) -> int:
    """Put a lot into the tree. Return the slot of the lot that is relieved just before it, or -1."""
    lot = books.lots[slot]
    queue = books.queues[lot.queue]
    node, up, before, is_left = queue.root, NONE, NONE, False
    while node >= 0:
        up = node
        is_left = relieved_before(lot, books.lots[node], relief)
        if is_left:
            node = books.lots[node].left
        else:
            before = node
            node = books.lots[node].right
    lot.left = NONE
    lot.right = NONE
    lot.up = up
    if up < 0:
        queue.root = slot
    elif is_left:
        books.lots[up].left = slot
    else:
        books.lots[up].right = slot
    while lot.up >= 0 and _rank(lot.id) > _rank(books.lots[lot.up].id):
        _rotate(books, slot)
    return int(before)


@entry
def uproot(books: Books, slot: int) -> None:
    """Take a lot out of the tree."""
    lot = books.lots[slot]
    while lot.left >= 0 or lot.right >= 0:
        child = lot.left
        if child < 0 or (lot.right >= 0 and _rank(books.lots[lot.right].id) > _rank(books.lots[child].id)):
            child = lot.right
        _rotate(books, child)
    _replace_child(books, lot.queue, lot.up, slot, NONE)


@entry
def slot_of(books: Books, queue: int, lot_id: int) -> int:
    """Return the slot of a lot in a tree that is in the order of the lots' numbers, or -1."""
    node = books.queues[queue].root
    while node >= 0 and books.lots[node].id != lot_id:
        node = books.lots[node].left if lot_id < books.lots[node].id else books.lots[node].right
    return int(node)


@entry
def _rank(lot_id: int) -> int:
    """Mix the number of a lot into a rank of 32 bits."""
    # Products stay within 64 bits, signed, because what is multiplied has 31 and 32 bits.
    mixed = ((lot_id & 0x7FFFFFFF) * 0x9E3779B1) & _MASK
    mixed = ((mixed ^ (mixed >> 15)) * 0x45D9F3B) & _MASK
    return int(mixed ^ (mixed >> 13))


@entry
def _rotate(books: Books, slot: int) -> None:
    """Let a lot and its parent change places."""
    lot = books.lots[slot]
    up = lot.up
    parent = books.lots[up]
    if parent.left == slot:
        inner = lot.right
        parent.left = inner
        lot.right = up
    else:
        inner = lot.left
        parent.right = inner
        lot.left = up
    if inner >= 0:
        books.lots[inner].up = up
    _replace_child(books, lot.queue, parent.up, up, slot)
    lot.up = parent.up
    parent.up = slot


@entry
def _replace_child(books: Books, queue: int, up: int, old: int, new: int) -> None:
    """Let *new* be where *old* was below *up*, or at the root."""
    if up < 0:
        books.queues[queue].root = new
    elif books.lots[up].left == old:
        books.lots[up].left = new
    else:
        books.lots[up].right = new

"""Reversals: corrections that undo a transaction in full."""

from collections.abc import Mapping, Sequence
from typing import Any

from tieout.ledger.books.arrays import Books, Relief, Status
from tieout.ledger.books.posting import find_lot, held, refuse, restore_lot, transfer
from tieout.ledger.errors import AlreadyReversed, LotsDisturbed, UnknownTransaction

REVERSAL = """
    select
        txn.instrument, txn.order_id, txn.fill_id, txn.reverses,
        coalesce((select max(t.id) from txn as t where t.reverses = txn.id), -1) as reversed_by,
        transfer.debit, transfer.credit, transfer.amount, transfer.lot,
        lot.instrument as instrument_of_lot,
        lot.side,
        -- The first later transaction that stops a reversal: a split of the lot, or any move after a split.
        (
            select min(later.id)
            from txn as later
            join kind on kind.id = later.kind
            join transfer as moved on moved.txn = later.id and moved.lot = transfer.lot and moved.lot >= 0
            where later.id > txn.id
                and later.reverses < 0
                and not exists (select 1 from txn as undone where undone.reverses = later.id)
                and (kind.name = 'split' or (select name from kind where id = txn.kind) = 'split')
        ) as disturbed_by
    from txn
    join transfer on transfer.txn = txn.id
    left join lot_units as lot on lot.lot = transfer.lot
    where txn.id = ?
    order by transfer.seq
"""
"""The transfers of one transaction, with the instrument and the side of their lots."""


def require_reversible(number: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise a `LedgerError` where transaction *number* was not posted, or can no longer be reversed."""
    if not rows:
        raise UnknownTransaction(f"transaction {number} was not posted")
    if rows[0]["reversed_by"] >= 0 or rows[0]["reverses"] >= 0:
        raise AlreadyReversed(
            f"transaction {number} "
            + (
                f"was reversed by {rows[0]['reversed_by']}"
                if rows[0]["reversed_by"] >= 0
                else f"is itself the reversal of {rows[0]['reverses']}"
            )
        )
    if conflicts := [row for row in rows if row["disturbed_by"] is not None]:
        raise LotsDisturbed(
            f"transaction {number}: lot {conflicts[0]['lot']} was moved by transaction"
            f" {conflicts[0]['disturbed_by']} since, on the other side of a split; reverse that first"
        )


def transfer_back(books: Books, rows: Sequence[Mapping[str, Any]]) -> None:
    """Post the transfers of a transaction with debit and credit exchanged, last first, in the same lots."""
    for row in reversed(rows):
        slot = -1
        if row["lot"] >= 0:
            lot = (row["instrument_of_lot"], row["side"], row["lot"])
            slot = find_lot(books, *lot)
            if slot < 0:
                number, side, lot_id = lot
                if books.commodities[number].relief == Relief.AVERAGE and held(books, number, side):
                    # Two lots would have two averages.
                    refuse(books.state[0], Status.LOT_DISTURBED, lot_id, row["amount"])
                    return
                slot = restore_lot(books, *lot, 1, 0)  # ranked when it is committed
        transfer(books, row["credit"], row["debit"], row["amount"], slot)

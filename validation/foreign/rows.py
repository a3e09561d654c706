"""What a journal has of each fill, beside the executions that a package reports: to one unit."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tieout.ledger.books.arrays import Record, Records
from tieout.ledger.books.chart import CASH, SHORT_PROCEEDS
from tieout.ledger.journal import Journal
from tieout.validation.foreign.booking import CENTS, Booked
from tieout.validation.foreign.orders import ONE
from tieout.validation.foreign.outcome import RELATIVE, Difference

Int64s = NDArray[np.int64]


def flows(journal: Journal, per: str, count: int) -> Int64s:
    """What the open block did to cash and the proceeds of short sales, in units of money.

    int64[count], by *per*: ``order_id`` or ``fill_id`` of the transactions.
    """
    state: Record = journal.books.state[0]
    txns, transfers = journal.books.txns[: state.txns], journal.books.transfers[: state.transfers]
    first = np.array(journal.chart.first)
    is_cash = np.zeros(journal.books.accounts.size, np.int64)
    is_cash[np.append(first[1:] + SHORT_PROCEEDS, first[0] + CASH)] = 1
    amount = transfers["amount"] * (is_cash[transfers["debit"]] - is_cash[transfers["credit"]])
    number = np.repeat(txns[per], np.diff(np.append(txns["first"], transfers.size)))
    flow = np.zeros(count, np.int64)
    np.add.at(flow, number[number >= 0], amount[number >= 0])
    return flow


def unlike(booked: Booked, ours: Records, theirs: Records) -> Iterator[Difference]:
    """Where a row of the table fill, or its transfers, are not what *theirs* come to: the first of each.

    *ours* are the trades that were booked, *theirs* those of the package, one for one, both as `TRADE`.
    Quantity, commission and cash may be a unit apart, a price 1e-9 of it; all else is equal. A trade of less
    than a unit has no row. The block must still be open.
    """
    fills = booked.fills
    changed = _units(ours) != 0
    if theirs.size != ours.size or fills.size != changed.sum():
        yield Difference(-1, -1, "rows of the table fill", str(fills.size), str(theirs.size))
        return
    own = theirs[changed]
    units, paid = _units(own), _rounded(own["cash_before"], CENTS) - _rounded(own["cash_after"], CENTS)
    for what, here, there, room in (
        ("bar", np.searchsorted(booked.timestamp, fills["timestamp"]), own["bar"], 0),
        ("instrument", fills["instrument"] - 1, own["column"], 0),
        ("side", fills["side"], np.sign(own["quantity_after"] - own["quantity_before"]), 0),
        ("quantity", fills["quantity"], np.abs(units), 1),
        ("commission", fills["commission"], _rounded(own["fee"], CENTS), 1),
        ("cash", -flows(booked.journal, "fill_id", fills.size), paid, 1),
        ("price", fills["price"], own["price"], RELATIVE * np.abs(own["price"])),
    ):
        for row in np.flatnonzero(~(np.abs(here - there) <= room))[:1].tolist():
            at = int(own["bar"][row]), int(own["column"][row])
            yield Difference(
                *at, f"{what} of row {row} of the table fill", f"{here[row]:.12g}", f"{there[row]:.12g}"
            )


def _units(trades: Records) -> NDArray[np.float64]:
    return _rounded(trades["quantity_after"], ONE) - _rounded(trades["quantity_before"], ONE)


def _rounded(values: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Float64, which holds a unit exactly below 2**53 of them; a number that is none stays one."""
    return np.rint(np.asarray(values) * scale)

"""The fills of a journal beside the executions that a package reports, compared to one unit."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tieout.ledger.books.chart import CASH, SHORT_PROCEEDS
from tieout.ledger.journal import Journal
from tieout.ledger.numeric import Int64s, Record, Records
from tieout.validation.foreign.booking import CENTS, Booked
from tieout.validation.foreign.orders import ONE
from tieout.validation.foreign.outcome import RELATIVE, Difference


def flows(journal: Journal, per: str, count: int) -> Int64s:
    """Sum up the changes of cash and short proceeds in the open block, in units of money.

    The result is int64[count], by *per*: ``order_id`` or ``fill_id`` of the transactions.
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


def unlike(booked: Booked, trades: Records, package_trades: Records) -> Iterator[Difference]:
    """Yield the first difference of each column between the table fill, its transfers and *package_trades*.

    *trades* are the booked trades, *package_trades* those of the package, one for one, both as `TRADE`.
    Quantity, commission and cash may differ by a unit, a price by 1e-9 of it, and all else is equal. A trade
    of less than a unit has no row. The block must still be open.
    """
    fills = booked.fills
    changed = _units(trades) != 0
    if package_trades.size != trades.size or fills.size != changed.sum():
        yield Difference(-1, -1, "rows of the table fill", str(fills.size), str(package_trades.size))
        return
    rows = package_trades[changed]
    units, payment = _units(rows), _round(rows["cash_before"], CENTS) - _round(rows["cash_after"], CENTS)
    for what, here, there, room in (
        ("bar", np.searchsorted(booked.timestamp, fills["timestamp"]), rows["bar"], 0),
        ("instrument", fills["instrument"] - 1, rows["column"], 0),
        ("side", fills["side"], np.sign(rows["quantity_after"] - rows["quantity_before"]), 0),
        ("quantity", fills["quantity"], np.abs(units), 1),
        ("commission", fills["commission"], _round(rows["fee"], CENTS), 1),
        ("cash", -flows(booked.journal, "fill_id", fills.size), payment, 1),
        ("price", fills["price"], rows["price"], RELATIVE * np.abs(rows["price"])),
    ):
        for row in np.flatnonzero(~(np.abs(here - there) <= room))[:1].tolist():
            at = int(rows["bar"][row]), int(rows["column"][row])
            yield Difference(
                *at, f"{what} of row {row} of the table fill", f"{here[row]:.12g}", f"{there[row]:.12g}"
            )


def _units(trades: Records) -> NDArray[np.float64]:
    return _round(trades["quantity_after"], ONE) - _round(trades["quantity_before"], ONE)


def _round(values: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Round to float64, which is exact below 2**53 units. NaN stays NaN."""
    return np.rint(np.asarray(values) * scale)

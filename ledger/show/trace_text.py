"""The printed form of a trace."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tieout.ledger.show.tables import Places, cell, grid, rows_of, show
from tieout.ledger.show.trace import Trace


def show_trace(trace: Trace, least: Places, *, is_verified: bool) -> None:
    """Print a trace: transaction by transaction, then the rows of other tables.

    *is_verified* says that the seals were checked.
    """
    sealed = "sealed" if is_verified else "sealed according to the file, which was not checked,"
    for transaction in _dictionaries(trace.transactions.table):
        show(*_headings(transaction))
        transfers = _rows_of(trace.transfers.table, transaction["txn"])
        credit = pc.binary_join_element_wise("<-", transfers["credit"], " ")
        show("", grid(transfers.set_column(1, "<- credit", credit), least), "")
        lots = _rows_of(trace.lots.table, transaction["txn"])
        if lots.num_rows:
            show(grid(lots, least), "")
        show(f"  {sealed} in block {transaction['block']}, digest {transaction['digest']}", "")
    for name, rows in trace.rows.items():
        show(grid(_without_empty_columns(rows.table), least, name), "")


def _without_empty_columns(rows: pa.Table) -> pa.Table:
    return rows.select([name for name in rows.column_names if rows[name].null_count < rows.num_rows])


def _headings(transaction: Mapping[str, Any]) -> Iterator[str]:
    parts = [f"transaction {transaction['txn']}", cell(transaction["timestamp"])]
    parts += [transaction["kind"], transaction["symbol"]]
    for name in ("order", "fill"):
        if transaction[f"{name}_id"] >= 0:
            parts.append(f"{name} {transaction[f'{name}_id']}")
    yield "  ".join(part for part in parts if part)
    if transaction["note"]:
        yield f"  {transaction['note']}"
    if transaction["reverses"] >= 0:
        yield f"  reverses transaction {transaction['reverses']}"
    if transaction["reversed_by"] >= 0:
        yield f"  reversed by transaction {transaction['reversed_by']}"


def _rows_of(table: pa.Table, txn: int) -> pa.Table:
    """Return the rows of one transaction without its number, and an empty cell for no lot."""
    rows = table.filter(pc.equal(table["txn"], txn)).drop_columns("txn")
    place = rows.column_names.index("lot")
    none = pa.scalar(None, pa.int64())
    return rows.set_column(place, "lot", pc.if_else(pc.less(rows["lot"], 0), none, rows["lot"]))


def _dictionaries(table: pa.Table) -> Iterator[dict[str, Any]]:
    return (dict(zip(table.column_names, row, strict=True)) for row in rows_of(table))

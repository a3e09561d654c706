"""The trace of an order, a fill or a transaction: everything that it caused.

A trace has the transactions with their transfers and lots, the blocks that seal them, and rows of other
tables. Any table with a column `order_id` or `fill_id` takes part, and `orders` and `fill` with their `id`.
Where a room has a view of such a table in words, the trace reads that view. It is `fill_history` for `fill`
and `order_history` for `orders`.
"""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Literal

from attrs import frozen

from tieout.ledger.errors import UnknownTransaction
from tieout.ledger.file.query import Query
from tieout.ledger.file.reader import Reader

Subject = Literal["order", "fill", "transaction"]


@frozen
class Trace:
    """The consequences of an order, a fill or a transaction. *rows* are those of other tables, by table."""

    subject: Subject
    number: int
    transactions: Query
    transfers: Query
    lots: Query
    rows: dict[str, Query]


def trace(reader: Reader, subject: Subject, number: int) -> Trace:
    """Trace one order, fill or transaction. Raises `UnknownTransaction` where no row is about it."""
    transactions = _ask(reader, "trace_transaction", subject, number)
    txns = transactions.table["txn"].to_pylist()
    rows = dict(_rows(reader, subject, number, transactions))
    if not txns and not rows:
        raise UnknownTransaction(f"{reader.path} has nothing about {subject} {number}")
    transfers, lots = _ask(reader, "trace_transfer", txns), _ask(reader, "trace_lot", txns)
    return Trace(subject, number, transactions, transfers, lots, rows)


def _rows(reader: Reader, subject: Subject, number: int, transactions: Query) -> Iterator[tuple[str, Query]]:
    """Read the rows of other tables: by fill if a table tells fills apart, else by order."""
    orders = _numbers(transactions, "order_id") | ({number} if subject == "order" else set())
    fills = _numbers(transactions, "fill_id") | ({number} if subject == "fill" else set())
    views = set(reader.views)
    for table, columns in reader.layout.items():
        if table == "txn":
            continue
        view = f"{table.removesuffix('s')}_history"
        by_order = ("id" if table == "orders" else "order_id", orders)
        by_fill = ("id" if table == "fill" else "fill_id", fills)
        keys = (by_order, by_fill) if subject == "order" else (by_fill, by_order)
        for column, numbers in keys:
            if column in columns:
                rows = _ask(reader, "trace_row", view if view in views else table, column, sorted(numbers))
                if rows.table.num_rows:
                    yield table, rows
                break


def _numbers(transactions: Query, column: str) -> set[int]:
    values: Iterable[int] = transactions.table[column].to_pylist()
    return {value for value in values if value >= 0}


def _ask(reader: Reader, name: str, *parameters: str | int | list[int]) -> Query:
    query = (files("tieout.ledger") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    return reader.sql(query, parameters)

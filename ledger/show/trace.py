"""From an order, a fill or a transaction to everything that it caused.

Its transactions with their transfers and lots, the blocks that seal them, and the rows about it in
the tables of every room: any table with a column `order_id` or `fill_id` takes part, `orders` and
`fill` with their `id`. Where a room has a view that tells the rows of such a table in words, `fill_history`
for `fill` and `order_history` for `orders`, the rows are told by it.
"""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Literal

from attrs import frozen

from tieout.ledger.errors import UnknownTransaction
from tieout.ledger.file.query import Query
from tieout.ledger.file.reader import Reader

What = Literal["order", "fill", "transaction"]


@frozen
class Trace:
    """What an order, a fill or a transaction caused. *rows* are those of other tables, by table."""

    what: What
    number: int
    transactions: Query
    transfers: Query
    lots: Query
    rows: dict[str, Query]


def trace(reader: Reader, what: What, number: int) -> Trace:
    """Everything about one order, fill or transaction. `UnknownTransaction` if that is nothing."""
    transactions = _ask(reader, "trace_transaction", what, number)
    txns = transactions.table["txn"].to_pylist()
    found = Trace(
        what,
        number,
        transactions,
        _ask(reader, "trace_transfer", txns),
        _ask(reader, "trace_lot", txns),
        dict(_rows(reader, what, number, transactions)),
    )
    if not txns and not found.rows:
        raise UnknownTransaction(f"{reader.path} has nothing about {what} {number}")
    return found


def _rows(reader: Reader, what: What, number: int, transactions: Query) -> Iterator[tuple[str, Query]]:
    """The rows of other tables: about the fills if a table tells fills apart, else the orders."""
    orders = _numbers(transactions, "order_id") | ({number} if what == "order" else set())
    fills = _numbers(transactions, "fill_id") | ({number} if what == "fill" else set())
    views = set(reader.views)
    for table, columns in reader.layout.items():
        if table == "txn":
            continue
        told = f"{table.removesuffix('s')}_history"
        by_order = ("id" if table == "orders" else "order_id", orders)
        by_fill = ("id" if table == "fill" else "fill_id", fills)
        keys = (by_order, by_fill) if what == "order" else (by_fill, by_order)
        for column, numbers in keys:
            if column in columns:
                rows = _ask(reader, "trace_row", told if told in views else table, column, sorted(numbers))
                if rows.table.num_rows:
                    yield table, rows
                break


def _numbers(transactions: Query, column: str) -> set[int]:
    values: Iterable[int] = transactions.table[column].to_pylist()
    return {value for value in values if value >= 0}


def _ask(reader: Reader, name: str, *parameters: str | int | list[int]) -> Query:
    query = (files("tieout.ledger") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    return reader.sql(query, parameters)

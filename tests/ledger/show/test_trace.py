"""From an order, a fill or a transaction to everything that it caused."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tieout import Journal, Reader, buy, cover, currency, deposit, instrument, sell, short_sale
from tieout.ledger.errors import UnknownTransaction
from tieout.ledger.file.query import Query
from tieout.ledger.file.schema import installed_schema
from tieout.ledger.show.tables import places
from tieout.ledger.show.trace import Subject, trace
from tieout.ledger.show.trace_text import show_trace

COMMODITIES = (currency("USD"), instrument("ACME"))
# Another room, as it would be installed: a package and its entry point.
ROOM = '''
from tieout import Schema

RECORDS = Schema(
    "order_room",
    1,
    """
    create table orders (id bigint not null, tag varchar not null);
    create table order_event (id bigint not null, order_id bigint not null, what varchar not null);
    create table fill (id bigint not null, order_id bigint not null, price double not null);
    """,
    {},
    {},
)
'''
ENTRY_POINTS = "[tieout.records]\norder_room = order_room:RECORDS\n"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Order 0 bought in two fills. Order 1 sold in one, which was reversed. Order 2 was refused."""
    folder = tmp_path_factory.mktemp("trace")
    path = folder / "books.duckdb"
    (folder / "order_room.py").write_text(ROOM)
    (folder / "order_room-1.dist-info").mkdir()
    (folder / "order_room-1.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "order_room-1.dist-info" / "METADATA").write_text("Name: order_room\nVersion: 1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        write(path)
        with Reader(path) as journal:
            yield journal


def write(path: Path) -> None:
    with Journal.create(path, COMMODITIES, schemas=[installed_schema("order_room", 1)]) as journal:
        journal.add("orders", {"tag": ["entry", "exit", "too much"]})
        journal.add("order_event", {"order_id": [0, 2], "what": ["filled", "rejected"]})
        journal.add("fill", {"order_id": [0, 0, 1], "price": [100.0, 120.0, 120.0]})
        journal.post("2024-01-02", deposit, "USD", "10000")
        with journal.transaction("2024-01-03", order_id=0, fill_id=0) as transaction:
            transaction.book(buy, "ACME", "10", "1000", fee="1")
        with journal.transaction("2024-01-03", order_id=0, fill_id=1) as transaction:
            transaction.book(buy, "ACME", "5", "600", fee="1")
        with journal.transaction("2024-01-03", order_id=1, fill_id=2) as transaction:
            transaction.book(sell, "ACME", "12", "1440", fee="1")
        journal.commit()
        journal.reverse(3, "2024-01-04", note="wrong account")


def rows(query: Query, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(query.table[name].to_pylist() for name in names), strict=True))


def test_an_order_is_traced_to_all_of_its_fills_and_their_transactions(reader: Reader) -> None:
    result = trace(reader, "order", 0)

    assert [(1, "buy", 0, 0), (2, "buy", 0, 0)] == [
        (txn, kind, order, block)
        for txn, kind, order, block in rows(result.transactions, "txn", "kind", "order_id", "block")
    ]
    assert {"orders": 1, "order_event": 1, "fill": 2} == {
        table: query.table.num_rows for table, query in result.rows.items()
    }


def test_a_fill_is_traced_to_its_own_transaction_and_its_order(reader: Reader) -> None:
    result = trace(reader, "fill", 1)

    assert [(2,)] == rows(result.transactions, "txn")
    assert [(1, 0)] == rows(result.rows["fill"], "id", "order_id")
    assert [(0, "entry")] == rows(result.rows["orders"], "id", "tag")


def test_an_order_that_came_to_nothing_has_rows_and_no_transaction(reader: Reader) -> None:
    result = trace(reader, "order", 2)

    assert [] == rows(result.transactions, "txn")
    assert ["orders", "order_event"] == list(result.rows)
    assert [("rejected",)] == rows(result.rows["order_event"], "what")


@pytest.mark.parametrize(("subject", "number"), [("order", 3), ("fill", 3), ("transaction", 5)])
def test_an_unknown_number_is_refused_by_name(reader: Reader, subject: Subject, number: int) -> None:
    with pytest.raises(UnknownTransaction, match=f"nothing about {subject} {number}"):
        trace(reader, subject, number)


@pytest.mark.parametrize("number", [3, 4])
def test_a_trace_has_the_transactions_on_both_ends_of_a_reversal(reader: Reader, number: int) -> None:
    result = trace(reader, "transaction", number)

    assert [(3, -1, 4, 0, ""), (4, 3, -1, 1, "wrong account")] == rows(
        result.transactions, "txn", "reverses", "reversed_by", "block", "note"
    )


def test_transfers_have_names_and_the_order_of_posting(reader: Reader) -> None:
    result = trace(reader, "transaction", 1)

    assert [
        ("Assets:Positions:ACME", "Market:ACME", Decimal(10), "ACME", 0),
        ("Assets:Positions:ACME", "Assets:Cash:USD", Decimal(1000), "USD", 0),
        ("Expenses:Commissions", "Assets:Cash:USD", Decimal(1), "USD", -1),
    ] == rows(result.transfers, "debit", "credit", "amount", "commodity", "lot")


def test_lots_are_opened_or_relieved_with_units_and_cost_left(reader: Reader) -> None:
    purchase = trace(reader, "transaction", 2)
    sale = trace(reader, "fill", 2)

    names = ("txn", "lot", "action", "quantity", "cost", "quantity_left", "cost_left")
    assert [(2, 1, "opened", 5, 600, 5, 600)] == rows(purchase.lots, *names)
    assert [
        (3, 0, "relieved", -10, -1000, 10, 1000),
        (3, 1, "relieved", -2, -240, 5, 600),
        (4, 0, "added to", 10, 1000, 10, 1000),
        (4, 1, "added to", 2, 240, 5, 600),
    ] == rows(sale.lots, *names)


def test_a_short_lot_is_opened_by_a_sale_and_relieved_by_a_cover(tmp_path: Path) -> None:
    path = tmp_path / "short.duckdb"
    with Journal.create(path, COMMODITIES) as journal:
        journal.post("2024-01-03", short_sale, "ACME", "10", "1000")
        journal.post("2024-01-04", cover, "ACME", "4", "360")
    with Reader(path) as reader:
        actions = [
            *rows(trace(reader, "transaction", 0).lots, "side", "action", "quantity"),
            *rows(trace(reader, "transaction", 1).lots, "side", "action", "quantity"),
        ]

    assert [("short", "opened", -10), ("short", "relieved", 4)] == actions


def test_a_trace_is_printed_with_reversals_and_the_rows_of_other_rooms(
    reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    show_trace(trace(reader, "fill", 2), places(reader), is_verified=True)

    lines = capsys.readouterr().out.splitlines()
    assert "transaction 3  2024-01-03  sell  ACME  order 1  fill 2" in lines
    assert "  reversed by transaction 4" in lines
    assert "  reverses transaction 3" in lines
    assert ["orders", "id  tag", "────────", " 1  exit"] == lines[lines.index("orders") :][:4]


def test_the_digest_is_that_of_the_seal(reader: Reader) -> None:
    result = trace(reader, "transaction", 0)
    seal = reader.connection.execute("select digest from seal where block = 0").fetchall()

    assert seal == rows(result.transactions, "digest")

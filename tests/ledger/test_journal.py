"""The Python face: transactions, notes, moments, rows of other tables, files."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tests.support import naive
from tieout.ledger import errors
from tieout.ledger.books.commodity import Commodity, currency, instrument
from tieout.ledger.books.events import buy, cover, deposit, sell, short_sale, withdrawal
from tieout.ledger.books.kinds import Kind
from tieout.ledger.books.layout import Layout
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal

COMMODITIES = [currency("USD"), currency("EUR", 2), instrument("ACME"), instrument("ES", multiplier=50)]


def journal(path: Path | None = None, **policies: int) -> Journal:
    return Journal.create(path, COMMODITIES, Run(policies=Policies(**policies)))  # type: ignore[arg-type]


def test_a_transaction_takes_its_kind_and_instrument_from_its_first_events() -> None:
    with journal() as books:
        with books.transaction("2024-01-02", order_id=7, fill_id=9, note="opening") as transaction:
            transaction.book(deposit, "USD", "1000")
            transaction.book(buy, "ACME", "10", "500")
        with books.transaction("2024-01-03", Kind.CORRECTION) as by_hand:
            by_hand.transfer("Equity:Contributions", "Assets:Cash:USD", "1")
        rows = books.sql(
            "select txn.id, kind, instrument, order_id, fill_id, reverses, text"
            " from txn left join note on note.txn = txn.id order by txn.id"
        ).rows()

    assert (0, 1) == (transaction.number, by_hand.number)
    assert [
        (0, Kind.DEPOSIT, 2, 7, 9, -1, "opening"),
        (1, Kind.CORRECTION, -1, -1, -1, -1, None),
    ] == [tuple(row.values()) for row in rows]


def test_transfers_by_hand_are_general() -> None:
    with journal() as books:
        books.open_account("Expenses:Fees:Data", "EUR")
        with books.transaction("2024-01-02") as transaction:
            transaction.transfer("Expenses:Fees:Data", "Equity:Contributions", "9.99", "EUR")

        assert [{"kind": "general", "amount": Decimal("9.99")}] == books.sql(
            "select kind, amount from posting where amount > 0"
        ).rows()
        assert Decimal("9.99") == books.balance("Expenses:Fees:Data", "EUR")


@pytest.mark.parametrize(
    "when",
    [
        "2024-01-02",
        "2024-01-02T00:00:00",
        date(2024, 1, 2),
        datetime(2024, 1, 2, 2, tzinfo=timezone(timedelta(hours=2))),
        np.datetime64("2024-01-02"),
        1_704_153_600_000_000_000,
    ],
)
def test_one_moment_may_be_written_in_many_ways(when: object) -> None:
    with journal() as books:
        books.post(when, deposit, "USD", 1)  # type: ignore[arg-type]

        assert [{"t": 1_704_153_600_000_000_000}] == books.sql(
            "select epoch_ns(timestamp) as t from txn"
        ).rows()


def test_amounts_may_be_given_by_name_and_as_text_numbers_or_decimals() -> None:
    with journal() as books:
        books.post("2024-01-02", deposit, currency="USD", amount="1,000.50")
        books.post("2024-01-02", buy, "ACME", gross=Decimal("500.25"), quantity=np.int64(5), fee="0.25")

        assert Decimal(500) == books.balance("Assets:Cash:USD")
        assert Decimal(5) == books.balance("Assets:Positions:ACME", "ACME")
        assert Decimal("0.25") == books.balance("Expenses:Commissions")


def test_a_notional_is_rounded_once_as_the_books_round_it() -> None:
    with journal() as books:
        assert Decimal("33.333333") == books.notional("ACME", "1", 100 / 3)
        assert Decimal("266666.666667") == books.notional("ES", "2", 8000 / 3)


def test_a_transaction_is_visible_at_once_and_durable_with_its_block(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with journal(path, block_transfers=2) as books:
        books.post("2024-01-02", deposit, "USD", 1)
        assert 0 == books.head.blocks
        assert 1 == len(books.sql("from txn").rows())
        books.post("2024-01-02", deposit, "USD", 2)
        assert 1 == books.head.blocks
        books.post("2024-01-03", deposit, "USD", 3)
        assert 2 == books.commit().blocks == books.commit().blocks

    with Journal.open(path) as books:
        assert Decimal(6) == books.balance("Assets:Cash:USD")
        assert path == books.path
        assert 2 == books.head.blocks


@pytest.mark.parametrize(
    "query",
    [
        "insert into note values (0, 0, 'x')",
        "commit",
        "delete from transfer; commit; select 1",
        "set x = 1",
        "",
    ],
)
def test_a_query_reads_and_nothing_else(query: str) -> None:
    with journal() as books:
        books.post("2024-01-02", deposit, "USD", 1)
        with pytest.raises(errors.InvalidQuery):
            books.sql(query)

        assert [] == books.sql("from note").rows()
        assert 1 == books.sql("select count(*) as n from transfer").rows()[0]["n"]
        assert naive.balances(books) == naive.balances_of_transfers(books)


def test_a_query_is_explained_without_being_performed() -> None:
    with journal() as books:
        books.post("2024-01-02", deposit, "USD", 1)

        assert books.sql("explain from transfer").rows()
        assert books.sql("  EXPLAIN\nselect 1").rows()
        assert naive.balances(books) == naive.balances_of_transfers(books)


def test_an_answer_comes_as_arrow_polars_pandas_or_rows() -> None:
    with journal() as books:
        books.post("2024-01-02", deposit, "USD", 1)
        answer = books.sql("select path, units from balance where units > ?", [0])

    assert [{"path": "Assets:Cash:USD", "units": 1_000_000}] == answer.rows()
    assert answer.rows() == answer.arrow().to_pylist() == answer.pl().to_dicts()
    assert answer.rows() == answer.df().to_dict("records")


def test_the_books_as_of_a_moment_leave_out_what_came_later() -> None:
    with journal() as books:
        books.post("2024-01-02", deposit, "USD", 100)
        books.post("2024-01-03T12:00", withdrawal, "USD", 30)
        books.commit()
        books.post("2024-01-04", deposit, "USD", 5)
        cash = "select units // 1000000 as cash from balance where path = 'Assets:Cash:USD'"

        assert [
            [],
            [{"cash": 100}],
            [{"cash": 70}],
            [{"cash": 75}],
            [{"cash": 75}],
        ] == [
            books.sql(cash, at=at).rows()
            for at in ("2024-01-01", "2024-01-03T11:59", "2024-01-03T12:00", "2024-01-04", None)
        ]


def test_a_statement_is_what_balances_and_marks_say() -> None:
    with journal() as books:
        books.post("2024-01-02", deposit, "USD", 1000)
        books.post("2024-01-02", buy, "ACME", 10, 500, 1)
        books.post("2024-01-02", short_sale, "ES", 1, 200, 1)
        books.mark("2024-01-02", {"ACME": 51.0, "ES": 3.0})
        books.statement("2024-01-02")
        books.post("2024-01-03", sell, "ACME", 5, 300)
        books.mark("2024-01-03", {"ACME": 60.0})
        books.statement("2024-01-03")
        rows = books.sql(
            "select currency, cash // 1000000, market_value // 1000000, equity // 1000000"
            " from statement order by id"
        ).rows()
        stale = books.sql("select stale from mark order by id").rows()

        # 498 cash, 200 restricted, 10 at 51 less 1 at 3 x 50. Then 798, 200, 5 at 60 less 150.
        assert [(0, 498, 360, 1058), (1, 0, 0, 0), (0, 798, 150, 1148), (1, 0, 0, 0)] == [
            tuple(row.values()) for row in rows
        ]
        assert [False, False, False, True] == [row["stale"] for row in stale]
        assert [] == books.sql("from proof").rows()


def test_closed_books_are_taken_up_where_they_were_left(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with journal(path) as books:
        books.open_account("Assets:Petty", floored=True)
        books.post("2024-01-02", deposit, "USD", 1000, note="start")
        books.post("2024-01-03", buy, "ACME", 10, 500, 1)
        books.post("2024-01-03", short_sale, "ES", 2, 300)
        books.mark("2024-01-03", {"ACME": 51.0, "ES": 100.0})
        before = naive.contents(books)
        run = books.run
    with Journal.open(path) as books:
        after = naive.contents(books)
        books.declare(instrument("BETA", currency="EUR"))
        books.post("2024-01-04", cover, "ES", 1, 100, lot=1)
        books.statement("2024-01-04")

        assert run == books.run
        assert before[:2] == after[:2]
        assert before[-3:] == after[-3:]
        assert naive.balances(books) == naive.balances_of_transfers(books)
        assert [] == books.sql("from proof").rows()
    with Journal.open(path) as books:
        assert [*("USD", "EUR", "ACME", "ES", "BETA")] == [c.symbol for _, c in books.commodities.since(0)]
        assert [36, 62, 72] == [books.chart.first[2] - 16, books.chart.first[3], books.chart.first[3] + 10]


def test_books_of_one_layout_do_not_change_each_other() -> None:
    layout = Layout.of(COMMODITIES)

    def contents(commodities: Iterable[Commodity] | Layout, symbol: str) -> tuple[object, ...]:
        with Journal.create(None, commodities) as books:
            books.post("2024-01-02", deposit, "USD", 100)
            books.post("2024-01-03", buy, "ACME", 1, 10)
            books.declare(instrument(symbol, currency="EUR"))
            books.open_account("Expenses:Data")
            assert [] == books.sql("from proof").rows()
            return naive.contents(books)

    assert [contents(COMMODITIES, symbol) for symbol in ("BETA", "CORE")] == [
        contents(layout, symbol) for symbol in ("BETA", "CORE")
    ]
    assert contents(layout, "BETA") == contents(layout, "BETA")


@pytest.mark.parametrize(
    "policies", [Policies("lifo"), Policies(may_be_overdrawn=frozenset({"Assets:Cash:USD"}))]
)
def test_a_layout_for_other_policies_is_refused_before_a_file_is_made(
    tmp_path: Path, policies: Policies
) -> None:
    layout, path = Layout.of(COMMODITIES), tmp_path / "books.duckdb"

    with pytest.raises(
        errors.InvalidPolicy, match="the layout is for relief 'fifo' and overdrafts on no account"
    ):
        Journal.create(path, layout, Run(policies=policies))

    assert not path.exists()
    fitting = Layout.of(COMMODITIES, policies.relief, policies.may_be_overdrawn)
    with Journal.create(None, fitting, Run(policies=policies)) as books:
        assert fitting.first == books.chart.first
        assert COMMODITIES == [*fitting.commodities] == [*books.commodities]


def test_books_begun_from_the_commodities_of_others_have_none_of_their_accounts(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with journal(path) as books:
        books.open_account("Expenses:Data")
        books.post("2024-01-02", deposit, "USD", 100)
    with Journal.open(path) as books, Journal.create(None, books.commodities) as others, journal() as plain:
        assert len(plain.chart) == len(others.chart) == len(books.chart) - 1
        assert plain.books.accounts.tolist() == others.books.accounts.tolist()
        assert len(books.chart) == books.books.accounts.size


def test_rows_of_other_tables_are_numbered_and_checked() -> None:
    with journal() as books:
        rows = {
            "timestamp": np.array(["2024-01-02"] * 2, "M8[ns]"),
            "instrument": [2, 3],
            "price": [1, 2.5],
            "stale": [False] * 2,
        }
        books.add("mark", rows)
        books.commit()
        books.add("mark", rows)

        assert 4 == books.count("mark")
        assert [0, 1, 2, 3] == [row["id"] for row in books.sql("select id from mark order by id").rows()]


def test_closing_twice_says_where_the_chain_ended_once() -> None:
    books = journal()
    books.post("2024-01-02", deposit, "USD", 1)
    head = books.close()

    assert head is not None
    assert 1 == head.blocks
    assert None is books.close()


def test_discarded_books_keep_their_sealed_blocks_and_can_be_performed_again(tmp_path: Path) -> None:
    path, run = tmp_path / "books.duckdb", Run()
    books = Journal.create(path, COMMODITIES, run)
    books.post("2024-01-02", deposit, "USD", 1)
    books.commit()
    books.post("2024-01-03", deposit, "USD", 2)
    books.discard()
    books.discard()

    with Journal.replay(path, COMMODITIES, run) as again:
        again.post("2024-01-02", deposit, "USD", 1)
        sealed = again.commit()
        assert 1 == again.sql("select count(*) as n from txn").rows()[0]["n"]
        again.post("2024-01-03", deposit, "USD", 2)
        whole = again.commit()

    assert (1, 2) == (sealed.blocks, whole.blocks)

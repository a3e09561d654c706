"""Books that would balance and still be wrong: each is refused, or told right."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tieout.ledger import errors
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import (
    buy,
    cover,
    deposit,
    futures_close,
    futures_open,
    fx_trade,
    interest,
    sell,
    split,
    withdrawal,
)
from tieout.ledger.books.kinds import Kind
from tieout.ledger.file import chain
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.file.schema import Schema, statements_of
from tieout.ledger.file.verify import verify
from tieout.ledger.journal import Journal

COMMODITIES = [currency("USD"), currency("EUR", 2), instrument("ACME"), instrument("ES", multiplier=50)]


def journal(path: Path | None = None, relief: str = "fifo") -> Journal:
    books = Journal.create(path, COMMODITIES, Run(policies=Policies(relief=relief)))
    books.post("2024-01-01", deposit, "USD", "100000")
    return books


# --- reversals ---------------------------------------------------------------------------------------


def test_a_purchase_is_not_reversed_across_a_split() -> None:
    with journal() as books:
        purchase = books.post("2024-01-02", buy, "ACME", "10", "1000")
        divided = books.post("2024-01-03", split, "ACME", 2, 1)

        with pytest.raises(errors.LotsDisturbed, match=f"lot 0 was moved by transaction {divided}"):
            books.reverse(purchase, "2024-01-04")
        books.reverse(divided, "2024-01-04")
        books.reverse(purchase, "2024-01-05")

        assert [] == books.sql("from position").rows()
        assert Decimal(100_000) == books.balance("Assets:Cash:USD")


def test_a_split_is_not_reversed_after_a_sale_of_its_lot() -> None:
    with journal() as books:
        books.post("2024-01-02", buy, "ACME", "10", "1000")
        divided = books.post("2024-01-03", split, "ACME", 1, 2)
        sale = books.post("2024-01-04", sell, "ACME", "5", "1500")

        with pytest.raises(errors.LotsDisturbed, match=f"transaction {sale}"):
            books.reverse(divided, "2024-01-05")


def test_a_split_comes_first_in_its_transaction() -> None:
    with journal() as books:
        books.post("2024-01-02", buy, "ACME", "10", "1000")

        with books.transaction("2024-01-03") as transaction:
            transaction.book(buy, "ACME", "1", "100")
            with pytest.raises(errors.InvalidEvent, match="a split comes first"):
                transaction.book(split, "ACME", 2, 1)


def test_an_average_stays_one_lot() -> None:
    with journal(relief="average") as books:
        books.post("2024-01-02", buy, "ACME", "10", "1000")
        sale = books.post("2024-01-03", sell, "ACME", "10", "1500")
        books.post("2024-01-04", buy, "ACME", "10", "2000")

        with pytest.raises(errors.LotsDisturbed):
            books.reverse(sale, "2024-01-05")


def test_the_highest_cost_after_a_split_is_the_same_when_the_books_are_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with journal(path, "hifo") as books:
        books.post("2024-01-02", buy, "ACME", "10", "1000")
        books.post("2024-01-03", split, "ACME", 10, 1)
        books.post("2024-01-04", buy, "ACME", "10", "500")
    with Journal.open(path) as books:
        books.post("2024-01-05", sell, "ACME", "10", "300")

        assert Decimal(200) == books.balance("Income:Realised:ACME")


# --- what may not meet -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("debit", "credit", "commodity"),
    [
        ("Expenses:Commissions", "Assets:Positions:ACME", "USD"),
        ("Assets:Positions:ACME", "Market:ACME", "ACME"),
        ("Assets:Cash:USD", "Liabilities:Short:ACME", "USD"),
        ("Assets:Cash:USD", "Memo:Margin:Contra", "USD"),
        ("Memo:Margin:Required", "Equity:Contributions", "USD"),
    ],
)
def test_lots_and_memos_are_not_moved_by_hand(debit: str, credit: str, commodity: str) -> None:
    with journal() as books:
        books.post("2024-01-02", buy, "ACME", "10", "1000")

        with pytest.raises(errors.InvalidEvent), books.transaction("2024-01-03") as transaction:
            transaction.transfer(debit, credit, "1", commodity)


def test_futures_and_lots_of_one_instrument_do_not_mix() -> None:
    with journal() as books:
        books.post("2024-01-02", buy, "ACME", "10", "1000")
        with pytest.raises(errors.OppositePosition):
            books.post("2024-01-03", futures_open, "ACME", "5", "10")
        with pytest.raises(errors.InsufficientLots):
            books.post("2024-01-03", futures_close, "ACME", "5", "0")
        books.post("2024-01-03", futures_open, "ES", "2", "1000")
        with pytest.raises(errors.OppositePosition):
            books.post("2024-01-04", buy, "ES", "1", "100")

        assert [] == books.sql("from proof").rows()


def test_a_currency_is_not_exchanged_for_itself() -> None:
    with journal() as books, pytest.raises(errors.SameAccount):
        books.post("2024-01-02", fx_trade, "USD", "100", "USD", "110")


def test_a_lot_has_a_number_or_none_is_named() -> None:
    with journal() as books:
        books.post("2024-01-02", buy, "ACME", "10", "1000")
        with pytest.raises(errors.UnknownLot):
            books.post("2024-01-03", sell, "ACME", "1", "100", lot=-5)
        with pytest.raises(errors.UnknownLot):
            books.post("2024-01-03", cover, "ACME", "1", "100", lot=0)


@pytest.mark.parametrize("path", ["Assets:Cash:USD", "Income:Realised:TSLA", "Market:TSLA", "Assets:A\nB"])
def test_an_account_is_opened_once_and_not_in_the_place_of_a_commodity(path: str) -> None:
    with journal() as books, pytest.raises(errors.InvalidAccount):
        books.open_account(path)


# --- what cannot be stored is refused when it is given --------------------------------------------------


@pytest.mark.parametrize("note", ["\ud800", 5, None])
def test_a_note_that_cannot_be_stored_is_refused_at_once(note: str, tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with journal(path) as books, pytest.raises(errors.InvalidEvent):
        books.post("2024-01-02", deposit, "USD", "1", note=note)

    with Journal.open(path) as books:
        assert Decimal(100_000) == books.balance("Assets:Cash:USD")


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        (lambda b: b.transaction("2024-01-02", 999).__enter__(), errors.InvalidEvent),
        (lambda b: b.transaction("2024-01-02", Kind.CLOSE).__enter__(), errors.InvalidEvent),
        (lambda b: b.transaction("2024-01-02", order_id=2**70).__enter__(), errors.InvalidEvent),
        (lambda b: b.transaction("2024-01-02", fill_id="x").__enter__(), errors.InvalidEvent),
        (lambda b: b.post("2024-01-02", None), errors.InvalidEvent),
        (lambda b: b.reverse("abc", "2024-01-02"), errors.UnknownTransaction),
        (lambda b: b.mark("2024-01-02", {"ACME": "abc"}), errors.NotAnAmount),
        (lambda b: b.mark("2024-01-02", {"ACME": None}), errors.NotAnAmount),
        (lambda b: b.open_account(None), errors.InvalidAccount),
        (lambda _: currency("\ud800"), errors.InvalidCommodity),
        (lambda _: currency(5), errors.InvalidCommodity),  # type: ignore[arg-type]
        (lambda _: instrument("X", multiplier="abc"), errors.InvalidCommodity),  # type: ignore[arg-type]
        (lambda _: Journal.create(None, ["USD"]), errors.InvalidCommodity),  # type: ignore[list-item]
        (lambda _: Journal.create(None, [], Run(spec={"a": object()})), errors.InvalidPolicy),
        (lambda _: Run(seed=2**70), errors.InvalidPolicy),
        (lambda _: Policies(block_transfers=2**60), errors.InvalidPolicy),
    ],
)
def test_nonsense_is_refused_in_words(
    attempt: Callable[[Journal], object], error: type[errors.LedgerError]
) -> None:
    with journal() as books:
        with pytest.raises(error):
            attempt(books)
        books.post("2024-01-03", withdrawal, "USD", "1")

        assert [] == books.sql("from proof").rows()


# --- statements and marks ------------------------------------------------------------------------------


def test_marks_and_statements_are_recorded_in_order(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with journal(path) as books:
        books.post("2024-01-02", buy, "ACME", "10", "1000")
        books.mark("2024-01-05", {"ACME": 110})
        with pytest.raises(errors.BackdatedTransaction):
            books.mark("2024-01-03", {"ACME": 105})
        with pytest.raises(errors.BackdatedTransaction):
            books.statement("2024-01-04")
        books.statement("2024-01-05")
        with pytest.raises(errors.BackdatedTransaction):
            books.mark("2024-01-05", {"ACME": 111})
    with Journal.open(path) as books:
        with pytest.raises(errors.BackdatedTransaction):
            books.mark("2024-01-05", {"ACME": 111})
        books.mark("2024-01-06", {"ACME": 111})
        books.statement("2024-01-06")

        assert [] == books.sql("from proof").rows()


def test_futures_have_no_value_of_their_own() -> None:
    with journal() as books:
        books.post("2024-01-02", futures_open, "ES", "2", "1000")
        books.mark("2024-01-03", {"ES": 5000})
        books.statement("2024-01-03")
        (position,) = books.sql("from position").rows()

        assert (Decimal(2), Decimal(0)) == (position["quantity"], position["market_value"])
        assert [] == books.sql("from proof").rows()


def test_a_reversed_year_end_close_leaves_the_income_as_it_was() -> None:
    with journal() as books:
        books.post("2024-01-02", interest, "USD", "50")
        books.reverse(books.close_year("2024-12-31"), "2024-12-31")
        net = books.sql("select amount from income_statement where section = 'Net income'").rows()

    assert [{"amount": Decimal(50)}] == net


# --- files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["transfer", "seal", "run"])
def test_a_view_in_the_place_of_a_table_is_not_believed(table: str, tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with journal(path) as books:
        books.post("2024-01-02", buy, "ACME", "10", "1000")
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema elsewhere")
        connection.execute(f"create table elsewhere.{table} as from {table} limit 0")
        connection.execute(f"alter table {table} rename to aside")
        connection.execute(f"create view {table} as from aside")

    with pytest.raises((errors.NotAJournal, errors.DamagedFile), match=f"table {table}"), Reader(path):
        pass


@pytest.mark.parametrize("table", ["account", "fill"])
def test_a_view_in_the_place_of_another_sealed_table_breaks_the_seals(table: str, tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    from tieout.execution.records import RECORDS  # the room that is sure to be there

    Journal.create(path, COMMODITIES, schemas=[RECORDS]).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"alter table {table} rename to aside; create view {table} as from aside")

    with Reader(path) as reader:
        assert f"it has no table {table}" in "; ".join(map(str, chain.departures(reader)))


def test_checks_see_the_whole_journal_after_a_question_about_the_past(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with journal(path) as books:
        books.mark("2024-01-05", {"ACME": 100})
        books.statement("2024-01-05")
    with Reader(path) as reader:
        reader.view("trial-balance", at="2023-01-01")

        assert verify(reader).ok


def test_a_file_with_another_view_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    journal(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("create or replace view trial_balance as select 'nothing' as account")

    with pytest.raises(errors.SealBroken, match="the view trial_balance is defined otherwise"):
        Journal.open(path)


def test_rooms_do_not_replace_each_others_views() -> None:
    one = Schema("one", 1, "", {"leg": "create or replace view leg as select 1"}, {})

    with pytest.raises(errors.InvalidRecords, match="two has views that exist already: leg"):
        statements_of([one, Schema("two", 1, "", one.views, {})])

"""The statements over one small set of books, each figure computed by hand.

1,000 USD are deposited. 10 ACME are bought for 500 with a fee of 1, and 4 of them are sold for 240. 2 BETA
are sold short for 50 EUR. 55 USD buy 50 EUR. A dividend of 3 is earned. ACME is marked at 61 and BETA at 20.
"""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import (
    buy,
    deposit,
    dividend,
    fx_trade,
    interest,
    interest_payment,
    sell,
    short_sale,
    valuation,
    withdrawal,
)
from tieout.ledger.file.schema import ledger_schema, statements_of
from tieout.ledger.journal import Journal

Rows = set[tuple[object, ...]]


@pytest.fixture(scope="module")
def books() -> Iterator[Journal]:
    commodities = [
        currency("USD"),
        currency("EUR", 2),
        instrument("ACME"),
        instrument("BETA", currency="EUR", scale=0),
    ]
    with Journal.create(None, commodities) as journal:
        journal.post("2024-01-02", deposit, "USD", 1000, note="start")
        journal.post("2024-01-03", buy, "ACME", 10, 500, 1)
        journal.post("2024-01-04", sell, "ACME", 4, 240)
        journal.post("2024-01-05", fx_trade, "EUR", 50, "USD", 55)
        journal.post("2024-01-05", short_sale, "BETA", 2, 50)
        journal.post("2024-01-06", dividend, "ACME", 3)
        journal.mark("2024-01-06", {"ACME": 61.0, "BETA": 20.0})
        yield journal


def rows(journal: Journal, query: str, at: str | None = None) -> Rows:
    records = journal.sql(query, at=at).rows()
    plain = (
        tuple(value.normalize() + 0 if isinstance(value, Decimal) else value for value in row.values())
        for row in records
    )
    return set(plain)


def test_the_trial_balance_foots(books: Journal) -> None:
    assert {
        ("Assets:Cash:USD", "USD", 684, 0),
        ("Assets:Cash:EUR", "EUR", 50, 0),
        ("Assets:Margin:ShortProceeds:BETA", "EUR", 50, 0),
        ("Assets:Positions:ACME", "ACME", 6, 0),
        ("Assets:Positions:ACME", "USD", 300, 0),
        ("Assets:Positions:BETA", "BETA", 0, 2),
        ("Assets:Receivable:Dividends", "USD", 3, 0),
        ("Equity:Contributions", "USD", 0, 1000),
        ("Expenses:Commissions", "USD", 1, 0),
        ("Income:Dividends", "USD", 0, 3),
        ("Income:Realised:ACME", "USD", 0, 40),
        ("Liabilities:Short:BETA", "EUR", 0, 50),
        ("Market:ACME", "ACME", 0, 6),
        ("Market:BETA", "BETA", 2, 0),
        ("Trading:FX:EUR", "EUR", 0, 50),
        ("Trading:FX:USD", "USD", 55, 0),
    } == rows(books, "select account, commodity, debit, credit from trial_balance")


def test_assets_equal_liabilities_plus_equity(books: Journal) -> None:
    assert {
        ("Assets", "Assets:Cash:USD", "USD", 684),
        ("Assets", "Assets:Positions:ACME", "USD", 300),
        ("Assets", "Assets:Receivable:Dividends", "USD", 3),
        ("Assets", "Total", "USD", 987),
        ("Equity", "Equity:Contributions", "USD", 1000),
        ("Equity", "Equity:CurrentEarnings", "USD", 42),
        ("Equity", "Trading:FX:USD", "USD", -55),
        ("Equity", "Total", "USD", 987),
        ("Assets", "Assets:Cash:EUR", "EUR", 50),
        ("Assets", "Assets:Margin:ShortProceeds:BETA", "EUR", 50),
        ("Assets", "Total", "EUR", 100),
        ("Liabilities", "Liabilities:Short:BETA", "EUR", 50),
        ("Liabilities", "Total", "EUR", 50),
        ("Equity", "Trading:FX:EUR", "EUR", 50),
        ("Equity", "Total", "EUR", 50),
    } == rows(books, "select section, account, commodity, amount from balance_sheet where amount != 0")


def test_income_less_expenses_is_net_income(books: Journal) -> None:
    assert {
        ("Income", "Income:Dividends", "USD", 3),
        ("Income", "Income:Realised:ACME", "USD", 40),
        ("Income", "Total", "USD", 43),
        ("Expenses", "Expenses:Commissions", "USD", 1),
        ("Expenses", "Total", "USD", 1),
        ("Net income", "Total", "USD", 42),
    } == rows(books, "select section, account, commodity, amount from income_statement")


def test_cash_flows_by_activity_and_kind(books: Journal) -> None:
    assert {
        ("USD", "financing", "deposit", 1000, 0, 1000),
        ("USD", "trading", "buy", 0, 501, -501),
        ("USD", "trading", "sell", 240, 0, 240),
        ("USD", "exchange", "fx_trade", 0, 55, -55),
        ("USD", "cash at hand", "", 1240, 556, 684),
        ("EUR", "exchange", "fx_trade", 50, 0, 50),
        ("EUR", "trading", "short_sale", 50, 50, 0),
        ("EUR", "cash at hand", "", 100, 50, 50),
    } == rows(books, "select commodity, activity, kind, inflow, outflow, net_flow from cash_flow")


def test_positions_at_cost_and_at_their_marks(books: Journal) -> None:
    assert {
        ("ACME", 6, 300, 61.0, 366, 66, "USD"),
        ("BETA", -2, -50, 20.0, -40, 10, "EUR"),
    } == rows(
        books,
        "select symbol, quantity, cost, mark, market_value, unrealized_pnl, currency from position",
    )
    assert {("ACME", 10, 500, None, None)} == rows(
        books, "select symbol, quantity, cost, mark, market_value from position", at="2024-01-03"
    )


def test_lots_with_their_acquisition_and_their_remainder(books: Journal) -> None:
    query = "select lot, symbol, side, acquired_quantity, acquired_cost, quantity, cost, opened_by from lot"

    assert {
        (0, "ACME", "long", 10, 500, 6, 300, 1),
        (1, "BETA", "short", -2, -50, -2, -50, 4),
    } == rows(books, query)


def test_the_general_ledger_runs_account_by_account(books: Journal) -> None:
    assert {
        (0, "deposit", "Equity:Contributions", 1000, 0, 1000, "start"),
        (1, "buy", "Assets:Positions:ACME", 0, 500, 500, None),
        (1, "buy", "Expenses:Commissions", 0, 1, 499, None),
        (2, "sell", "Assets:Positions:ACME", 240, 0, 739, None),
        (3, "fx_trade", "Trading:FX:USD", 0, 55, 684, None),
    } == rows(
        books,
        "select txn, kind, against, debit, credit, balance, note from general_ledger"
        " where account = 'Assets:Cash:USD'",
    )


def test_postings_are_the_two_signed_legs_of_each_transfer(books: Journal) -> None:
    assert {
        ("Assets:Positions:ACME", "USD", 500, 0),
        ("Assets:Positions:ACME", "ACME", 10, 0),
        ("Market:ACME", "ACME", -10, 0),
        ("Assets:Cash:USD", "USD", -500, 0),
        ("Assets:Cash:USD", "USD", -1, -1),
        ("Expenses:Commissions", "USD", 1, -1),
    } == rows(books, "select account, commodity, amount, lot from posting where txn = 1")


def test_a_year_end_close_stays_out_of_the_income_statement() -> None:
    with Journal.create(None, [currency("USD"), instrument("ACME")]) as journal:
        journal.post("2024-06-01", dividend, "ACME", 3)
        journal.close_year("2024-12-31")
        journal.post("2025-06-01", dividend, "ACME", 4)
        net = "select amount from income_statement where section = 'Net income'"

        assert {(7,)} == rows(journal, net)
        assert {(3,)} == rows(
            journal, "select credit from trial_balance where account = 'Equity:RetainedEarnings'"
        )
        assert {("Equity:RetainedEarnings", 3), ("Equity:CurrentEarnings", 4)} == rows(
            journal,
            "select account, amount from balance_sheet where section = 'Equity' and account != 'Total'",
        )


def test_a_valuation_is_carried_beside_cost_and_is_no_part_of_it() -> None:
    with Journal.create(None, [currency("USD"), instrument("ACME")]) as journal:
        journal.post("2024-01-01", deposit, "USD", 100)
        journal.post("2024-01-02", buy, "ACME", 1, 100)
        journal.post("2024-01-03", valuation, "ACME", 130)

        assert {("ACME", 1, 100)} == rows(journal, "select symbol, quantity, cost from position")
        assert {("Assets:Positions:ACME:Valuation", 30)} == rows(
            journal, "select account, debit from trial_balance where account like '%Valuation'"
        )


def test_flows_and_earnings_may_exceed_64_bits() -> None:
    most = "9223372036854.775807"
    with Journal.create(None, [currency("USD")]) as journal:
        for year in range(2024, 2027):
            journal.post(f"{year}-01-01", deposit, "USD", most)
            journal.post(f"{year}-01-01", withdrawal, "USD", most)
            journal.post(f"{year}-02-01", interest, "USD", "4000000000000.000001")
            if year < 2026:
                journal.close_year(f"{year}-12-31")
                journal.post(f"{year}-12-31", interest_payment, "USD", "4000000000000.000001")
                journal.post(f"{year}-12-31", withdrawal, "USD", "4000000000000.000001")

        assert {("USD", Decimal("12000000000000.000003"))} == rows(
            journal, "select commodity, amount from income_statement where section = 'Net income'"
        )
        assert {("USD", 3 * Decimal(most))} == rows(
            journal,
            "select commodity, inflow from cash_flow where activity = 'financing' and kind = 'deposit'",
        )
        assert [] == journal.sql("from proof").rows()


def test_every_view_and_every_check_answers_for_books_without_entries() -> None:
    with Journal.create() as journal:
        empty = {
            name: journal.sql(f'from "{name}"').rows() for name in statements_of([ledger_schema()]).in_order
        }

    fixed = {name for name in empty if name in {"kind", "unit"} or name.startswith("examined_")}
    assert set() == {name for name, rows_of_view in empty.items() if rows_of_view} - fixed

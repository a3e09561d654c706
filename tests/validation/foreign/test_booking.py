"""The books of another engine: its cash and positions to the unit, and all checks of the journal."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tieout.ledger.books.kinds import Kind
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.ledger.numeric import Records
from tieout.validation.foreign.booking import Booked, BookingRefused, book, charges_of, orders_of, trades_of
from tieout.validation.foreign.outcome import Refusal

DAYS = np.arange(np.datetime64("2024-01-01", "D"), np.datetime64("2024-01-05", "D"))
FLAT = np.full((4, 2), 10.0)
OPENING = 1_000.0

Row = tuple[int, int, float, float, float]
"""Bar, column, quantity, price, fee."""


def states(*rows: Row, cash: float = OPENING) -> Records:
    """Return the states of an engine whose cash follows from its fills. Each fill has its own order."""
    trades = trades_of(len(rows))
    held: dict[int, float] = {}
    for number, (trade, (bar, column, quantity, price, fee)) in enumerate(zip(trades, rows, strict=True)):
        before, had = held.get(column, 0.0), cash
        held[column] = before + quantity
        cash -= quantity * price + fee
        figures = before, held[column], had, cash
        np.asarray(trades)[number] = (bar, column, number, *figures, fee, price)
        assert trade.order == number
    return trades


def booked(
    trades: Records | None, prices: NDArray[np.float64] = FLAT, cash: float = OPENING, **others: object
) -> Booked:
    return book(DAYS, ["ACME", "BULL"], cash, trades, prices, **others)  # type: ignore[arg-type]  # few each time


def balances(books: Booked) -> dict[str, float]:
    """Return the balance of each account but those of owner and street."""
    rows = books.journal.sql("select account, debit - credit as balance from trial_balance").rows()
    outside = ("Equity:", "Market:")
    return {r["account"]: float(r["balance"]) for r in rows if not r["account"].startswith(outside)}


def failing(path: Path) -> list[str]:
    with Reader(path) as reader:
        return [result.name for result in verify(reader).results if result.findings]


def test_a_purchase_and_a_sale_leave_cash_and_units_of_the_engine() -> None:
    books = booked(states((0, 0, 10.0, 10.0, 1.0), (2, 0, -4.0, 12.0, 0.5)))

    assert [899.0, 899.0, 946.5, 946.5] == books.cash.tolist()
    assert [999.0, 999.0, 1006.5, 1006.5] == books.value.tolist()
    assert [10, 10, 6, 6] == (books.units[:, 0] // 10**8).tolist()


def test_the_roundings_of_a_fill_are_an_expense_of_their_own() -> None:
    """A third of a unit at 10: 3.333333 333.. is paid, and 0.33333333 units at 10 are 3.333333 33."""
    books = booked(states((0, 0, 1 / 3, 10.0, 0.000_000_4), (1, 0, -1 / 3, 10.000_001, 0.0)))

    assert [996.666666, 1000.0, 1000.0, 1000.0] == books.cash.tolist()
    assert 0 == books.units[1, 0]
    assert abs(balances(books).get("Expenses:Rounding", 0.0)) <= 3e-6


def test_short_proceeds_are_set_aside_and_count_as_cash() -> None:
    books = booked(states((0, 0, -10.0, 10.0, 1.0)))

    assert 1_099.0 == books.cash[0]
    assert 999.0 == books.value[0]
    assert 100.0 == balances(books)["Assets:Margin:ShortProceeds:ACME"]


def test_a_trade_through_zero_closes_and_opens() -> None:
    books = booked(states((0, 0, 5.0, 10.0, 0.0), (1, 0, -12.0, 10.0, 1.0), (2, 0, 9.0, 11.0, 1.0)))

    assert [950.0, 1_069.0, 969.0, 969.0] == books.cash.tolist()
    assert [5, -7, 2, 2] == (books.units[:, 0] // 10**8).tolist()


def test_cash_may_be_overdrawn_where_the_engine_lets_it() -> None:
    trades = states((0, 0, 200.0, 10.0, 0.0))

    assert -1_000.0 == booked(trades).cash[0]
    with pytest.raises(BookingRefused, match="trade 0, of ACME at bar 0: the ledger refuses it: overdraft"):
        booked(trades, may_be_overdrawn=False)


def test_a_fee_below_zero_is_a_rebate() -> None:
    books = booked(states((0, 0, 10.0, 10.0, -0.25)))

    assert 900.25 == books.cash[0]
    assert -0.25 == balances(books)["Income:Rebates"]


def test_money_without_a_unit_is_a_charge(tmp_path: Path) -> None:
    """A fill of a billionth of a unit: nothing to hold, but its fee is paid."""
    books = booked(states((0, 0, 1e-9, 10.0, 0.5)), path=tmp_path / "dust.duckdb")
    expenses = balances(books)["Expenses:Commissions"]
    books.journal.close()

    assert (0, 0.5, 999.5) == (books.fills.size, expenses, books.cash[0])
    assert [] == failing(tmp_path / "dust.duckdb")


def test_money_for_less_than_a_unit_is_no_more_than_a_unit_costs() -> None:
    trades = states((0, 0, 1e-9, 10.0, 0.5))
    trades.cash_after -= 0.01

    with pytest.raises(
        BookingRefused, match=r"trade 0, of ACME at bar 0: cash went down by 0\.51 for less than a unit at 10"
    ):
        booked(trades)


def test_cash_that_is_not_price_and_fee_fails_the_check_of_notionals(tmp_path: Path) -> None:
    """Its cash is still the engine's: the journal says where it does not follow from the fills."""
    trades = states((0, 0, 10.0, 10.0, 1.0))
    trades.cash_after -= 0.01
    books = booked(trades, path=tmp_path / "wrong.duckdb")
    books.journal.close()

    assert 898.99 == books.cash[0]
    assert ["notional"] == failing(tmp_path / "wrong.duckdb")


@pytest.mark.parametrize(
    ("price", "skimmed", "checks"),
    [
        (50.0, 0.000_002, []),
        (50.0, 0.000_003, ["notional"]),
        (100_000.0, 0.000_9, []),
        (100_000.0, 0.001_1, ["notional"]),
    ],
)
def test_rounding_is_at_most_a_unit_at_its_price_and_two_of_money(
    tmp_path: Path, price: float, skimmed: float, checks: list[str]
) -> None:
    trades = states((0, 0, 1.0, price, 0.0), cash=1e6)
    trades.cash_after -= skimmed
    booked(trades, np.full((4, 2), price), 1e6, path=tmp_path / "skimmed.duckdb").journal.close()

    assert checks == failing(tmp_path / "skimmed.duckdb")


def test_what_is_worth_more_than_books_hold_is_refused() -> None:
    trades = states((0, 0, 9e7, 1e-6, 0.0))

    with pytest.raises(
        BookingRefused, match=r"the positions at 2024-01-01.* are worth more than the books can hold"
    ):
        booked(trades, np.full((4, 2), 1e6))


def test_a_sale_that_costs_money_has_all_of_it_as_its_fee(tmp_path: Path) -> None:
    trades = states((0, 0, 10.0, 10.0, 0.0), (1, 0, -10.0, 0.01, 0.0))
    trades.cash_after[1] = trades.cash_before[1] - 5
    books = booked(trades, path=tmp_path / "wrong.duckdb")
    fee = balances(books)["Expenses:Commissions"]
    books.journal.close()

    assert (895.0, 5.0) == (books.cash[1], fee)
    assert ["notional"] == failing(tmp_path / "wrong.duckdb")


def test_interest_on_a_short_is_a_fee_for_borrowing_and_what_is_received_is_income() -> None:
    trades = states((0, 0, -10.0, 10.0, 0.0))
    charges = charges_of(3)
    for number, (kind, amount) in enumerate(
        ((Kind.BORROW_FEE, 2.0), (Kind.MARGIN_INTEREST, 1.0), (Kind.BORROW_FEE, -0.5))
    ):
        before = 1_100.0 if number == 0 else charges.cash_after[number - 1]
        np.asarray(charges)[number] = (number + 1, 0, 1, int(kind), before, before - amount)
    books = booked(trades, charges=charges)
    balance = balances(books)

    assert [1_100.0, 1_098.0, 1_097.0, 1_097.5] == books.cash.tolist()
    assert (2.0, 1.0, -0.5) == (
        balance["Expenses:BorrowFees"],
        balance["Expenses:MarginInterest"],
        balance["Income:Interest"],
    )


def test_columns_may_have_cash_of_their_own() -> None:
    trades = states((0, 0, 1.0, 10.0, 0.0), (1, 1, 1.0, 10.0, 0.0))
    trades.cash_before[1], trades.cash_after[1] = 500.0, 490.0
    books = booked(trades, cash=np.array([1_000.0, 500.0]))  # type: ignore[arg-type]  # one for each

    assert [1_490.0, 1_480.0] == books.cash[:2].tolist()


def test_every_order_ends_in_one_way_and_keeps_the_word_of_its_engine(tmp_path: Path) -> None:
    trades = states((1, 0, 5.0, 10.0, 0.0), (2, 0, -5.0, 10.0, 0.0))
    trades.order = 4, 7
    orders = orders_of(3)
    np.asarray(orders)[:] = [
        (4, 0, 0, 5.0, 0, math.nan, math.nan),
        (7, 0, 0, -12.0, 0, math.nan, math.nan),
        (9, 1, 1, math.inf, 1, 9.5, math.nan),
    ]
    refusals = [Refusal(2, 0, 7, "Margin"), Refusal(1, 1, 2, "NoCashLong"), Refusal(3, 1, 3, "Expired")]
    books = booked(trades, orders=orders, refusals=refusals, path=tmp_path / "orders.duckdb")
    books.journal.close()
    with Reader(tmp_path / "orders.duckdb") as reader:
        ends = reader.sql("select status, reason, tag from order_history").rows()

    assert [
        ("filled", "none", None),
        ("rejected", "insufficient_cash", "Margin"),
        ("rejected", "insufficient_cash", "NoCashLong"),
        ("open_at_the_end", "none", "Open"),
        ("expired", "none", "Expired"),
    ] == [(row["status"], row["reason"], row["tag"]) for row in ends]
    assert [] == failing(tmp_path / "orders.duckdb")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cash_after", math.nan, r"trade 1, of ACME at bar 1: a state is not a number that can be booked"),
        (
            "quantity_after",
            math.inf,
            r"trade 1, of ACME at bar 1: a state is not a number that can be booked",
        ),
        ("quantity_after", 1e11, r"trade 1, of ACME at bar 1: a state is not a number that can be booked"),
        ("price", math.nan, r"trade 1, of ACME at bar 1: the price is nan"),
        ("price", -1.0, r"the price is -1\.0"),
        ("fee", math.nan, r"the fee is nan"),
        ("cash_before", 1.0, r"starts from cash 1\.0, the rows before it left 950\.0"),
        ("quantity_before", 1.0, r"starts from 1\.0, the rows before it left 5\.0"),
        ("bar", 4, r"a trade is outside of the 4 bars and 2 columns"),
        ("bar", -1, r"a trade is outside of the 4 bars and 2 columns"),
        ("column", 2, r"a trade is outside of the 4 bars and 2 columns"),
    ],
)
def test_a_state_that_does_not_follow_is_refused_in_words(field: str, value: float, message: str) -> None:
    trades = states((0, 0, 5.0, 10.0, 0.0), (1, 0, 5.0, 10.0, 0.0))
    trades[field][1] = value

    with pytest.raises(BookingRefused, match=message):
        booked(trades)


def test_trades_out_of_order_and_unknown_words_are_refused() -> None:
    trades = states((0, 0, 5.0, 10.0, 0.0), (1, 0, 5.0, 10.0, 0.0))
    trades.bar = 1, 0

    with pytest.raises(BookingRefused, match="trade 1 is at bar 0, earlier than the previous one"):
        booked(trades)
    with pytest.raises(BookingRefused, match="'Bored' is not a known ending"):
        booked(None, refusals=[Refusal(0, 0, 0, "Bored")])
    with pytest.raises(
        BookingRefused, match="order 0 was filled, then ended Margin: give its size in orders"
    ):
        booked(states((0, 0, 5.0, 10.0, 0.0)), refusals=[Refusal(0, 0, 0, "Margin")])
    with pytest.raises(
        BookingRefused, match=r"the price of ACME at 2024-01-01.* is nan, and there is a position"
    ):
        booked(states((0, 0, 5.0, 10.0, 0.0)), prices=np.full((4, 2), math.nan))


def test_an_engine_that_did_nothing_has_its_opening_cash() -> None:
    assert [OPENING] * 4 == booked(None).cash.tolist()
    assert [0.0] * 4 == booked(None, cash=0.0).cash.tolist()


@st.composite
def runs(draw: st.DrawFn) -> tuple[Records, NDArray[np.float64]]:
    """Trades of two instruments over four bars, long and short, in fractions and through zero."""
    bars = sorted(draw(st.lists(st.integers(0, 3), max_size=12)))
    prices = np.array(draw(st.lists(st.floats(0.5, 300.0), min_size=8, max_size=8))).reshape(4, 2)
    rows = [
        (
            bar,
            column := draw(st.integers(0, 1)),
            draw(st.floats(-20.0, 20.0).filter(bool)),
            float(prices[bar, column]) * draw(st.floats(0.99, 1.01)),
            draw(st.floats(-0.5, 2.0)),
        )
        for bar in bars
    ]
    return states(*rows), prices


@given(runs())
def test_the_books_are_half_a_unit_from_the_floats_and_do_not_drift(
    run: tuple[Records, NDArray[np.float64]],
) -> None:
    trades, prices = run
    books = booked(trades, prices)
    for bar in range(4):
        so_far = trades[trades.bar <= bar]
        cash = so_far.cash_after[-1] if so_far.size else OPENING
        held = [[0.0, *so_far.quantity_after[so_far.column == column]][-1] for column in (0, 1)]

        assert abs(books.cash[bar] - cash) <= 0.500_1e-6
        assert max(abs(books.units[bar] - np.array(held) * 1e8)) <= 0.500_1
        assert math.isclose(books.value[bar], cash + float(held @ prices[bar]), abs_tol=1e-4)


def test_random_books_pass_every_check(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for number in range(5):
        prices = rng.uniform(0.5, 300.0, (4, 2))
        bars, columns = np.sort(rng.integers(0, 4, 30)).tolist(), rng.integers(0, 2, 30).tolist()
        rows = [
            (b, c, float(rng.normal() * 10), float(prices[b, c]), float(rng.random()))
            for b, c in zip(bars, columns, strict=True)
        ]
        path = tmp_path / f"{number}.duckdb"
        booked(states(*rows), prices, path=path).journal.close()

        assert [] == failing(path)

"""The history of a run in figures, tied to the views of the same journal, which are computed another way."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import config

from tests.execution.test_views import many_trades
from tests.support.desk import Desk, day, first_days, funded, two_weeks
from tests.support.ties import assert_tied, history_of
from tieout.execution.figures import folding, schedules
from tieout.execution.figures.history import History, compile_kernels, joined
from tieout.execution.kernels.orders import OrderEvent
from tieout.ledger.books import events
from tieout.ledger.books.kinds import Kind
from tieout.ledger.books.posting import transfer
from tieout.ledger.errors import AmountOutOfRange, DamagedFile, LedgerError
from tieout.ledger.file.reader import Reader

COMPILES = not config.DISABLE_JIT  # type: ignore[attr-defined]  # set from the environment


@pytest.fixture
def desk() -> Desk:
    return funded()


# --- by hand -----------------------------------------------------------------------------------------------


def empty() -> Desk:
    return Desk()


def statements_of_nothing() -> Desk:
    desk = Desk()
    desk.mark(ACME=1.0)
    desk.statement()
    return desk


def turned_round() -> Desk:
    """From long to short to long by one transaction each, with a fee and with a rebate to be shared."""
    desk = Desk()
    desk.deposit("USD", "10000")
    for desk.today, (quantity, price, fee) in enumerate(
        (("10", 100.0, "1"), ("-13", 110.0, "0.000005"), ("4", 90.0, "-0.000005"), ("-1", 91.0, "0.3"))
    ):
        desk.trade("ACME", quantity, price, fee)
        desk.mark(ACME=price + 1)
        desk.statement()
    return desk


def fractions_for_cash() -> Desk:
    """Splits alone, with cash for the fraction, with a sale in the same transaction, and down to nothing."""
    desk = Desk()
    desk.deposit("USD", "10000")
    for symbol in ("ACME", "BOLT"):
        desk.trade(symbol, "5", 30.0, "0.25")
        desk.trade(symbol, "2", 31.0)
    for desk.today, symbol in ((1, "ACME"), (2, "BOLT")):
        desk.mark(ACME=20.0, BOLT=21.0)
        desk.statement()
        with desk.journal.transaction(day(desk.today)) as transaction:
            transaction.book(events.split, symbol, 3, 2)
            transaction.book(events.cash_in_lieu, symbol, "1", "19")
            transaction.book(events.sell, symbol, "2", "39", "0.01")
    desk.today = 3
    desk.trade("ACME", "-20", 15.0, "1")
    desk.post(events.split, "ACME", 1, 2)
    desk.post(events.split, "BOLT", 1, 100)
    desk.statement()
    return desk


def several_trades_of_one_fill() -> Desk:
    """Return books with one charge for two instruments, for one twice in turn, and in two currencies."""
    desk = Desk()
    desk.deposit("USD", "10000")
    desk.deposit("EUR", "10000")
    fill = desk.fill("ACME", "5", 10.0, "0.07")
    with desk.booking(fill) as transaction:
        transaction.book(events.buy, "ACME", "0.00000003", "30", "0.000001")  # 5 of 7 units, to be shared 5
        transaction.book(events.buy, "BOLT", "2", "20", "0.000003")
        transaction.book(events.buy, "ACME", "0.00000002", "20", "0.000001")
        transaction.book(events.buy, "CORK", "2", "20", "0.03")
    desk.today = 1
    with desk.booking(desk.fill("ACME", "-5", 10.0)) as transaction:
        transaction.book(events.sell, "ACME", "0.00000005", "60", "-0.000004")
        transaction.book(events.short_sale, "ACME", "1.5", "60", "0.02")
        transaction.book(events.sell, "CORK", "2", "21", "0.05")
    desk.mark(ACME=40.0, BOLT=10.0)
    desk.statement()
    return desk


def corrected() -> Desk:
    """Reversed, replaced under the same fill, and what came in between."""
    desk = Desk()
    desk.deposit("USD", "10000")
    wrong = desk.trade("ACME", "30", 10.0, "3")
    desk.today = 2
    desk.journal.reverse(1, day(2))
    with desk.booking(wrong) as right:
        right.book(events.buy, "ACME", "3", "30", "1")
    desk.mark(ACME=11.0)
    desk.statement()
    desk.today = 3
    desk.trade("ACME", "-3", 12.0, "1")
    sold = desk.journal.sql("select max(id) as id from txn").rows()[0]["id"]
    desk.today = 4
    desk.trade("ACME", "2", 20.0)
    desk.journal.reverse(sold, day(4))
    desk.mark(ACME=13.0)
    desk.statement()
    return desk


def contracts() -> Desk:
    """Futures on both sides, their variation margin, and a delisting beside them."""
    desk = Desk()
    desk.deposit("USD", "100000")
    with desk.booking(desk.fill("ES", "-2", 5_000.0, "4")) as transaction:
        transaction.book(events.futures_open, "ES", "-2", "2000", "4")
    desk.trade("ACME", "10", 100.0, "1")
    desk.trade("BOLT", "3", 10.0)
    for desk.today, gain in ((1, "-100"), (2, "250")):
        desk.post(events.variation_margin, "ES", gain)
        desk.mark(ES=5_000.0, ACME=90.0, BOLT=11.0)
        desk.statement()
    with desk.booking(desk.fill("ES", "2", 4_997.0, "4")) as transaction:
        transaction.book(events.futures_close, "ES", "2", "400", "4")
    desk.post(events.delisting, "ACME", "0")
    desk.post(events.delisting, "BOLT", "36")
    desk.statement()
    return desk


def years_and_money() -> Desk:
    """Return books with contributions, withdrawals, trades of currency, closings and corrections.

    One closing is undone and another is not. Two statements are of one moment.
    """
    desk = Desk()
    desk.statement()
    desk.deposit("USD", "500")
    desk.trade("ACME", "3", 10.0, "1")
    desk.trade("ACME", "-1", 12.0, "0.5")
    desk.today = 1
    desk.mark(ACME=12.0)
    desk.statement()
    desk.statement()
    desk.post(events.fx_trade, "EUR", "100", "USD", "110")
    desk.post(events.withdrawal, "USD", "90")
    wrong = desk.post(events.deposit, "EUR", "77")
    desk.journal.reverse(wrong, day(1))
    closing = desk.journal.close_year(day(1))
    desk.journal.reverse(closing, day(1))
    desk.today = 2
    desk.journal.close_year(day(2))
    desk.trade("ACME", "-1", 9.0, "1")
    desk.statement()
    desk.deposit("USD", "1")
    return desk


def marked_twice() -> Desk:
    """Marks of one moment before and after a trade, of an instrument twice, of none held, backdated, NaN."""
    desk = Desk()
    desk.deposit("USD", "1000")
    for _ in range(2):
        desk.trade("ACME", "1", 10.0)
        desk.trade("ACME", "-1", 10.0)
    desk.trade("ACME", "1", 10.0)
    desk.mark(ACME=11.0, BOLT=3.0)
    desk.mark(ACME=9.0)
    desk.statement()
    desk.today = 1
    for number, price in ((2, 8.0), (1, 7.0), (1, float("nan")), (2, 12.0)):
        desk.journal.add(
            "mark", {"timestamp": [day(number)], "instrument": [2], "price": [price], "stale": [True]}
        )
    desk.today = 2
    desk.mark(ACME=0.0, CORK=5.0)
    desk.statement()
    desk.trade("ACME", "-1", 0.5)
    desk.today = 3
    desk.trade("ACME", "1", 2.0)
    desk.mark(ACME=99.0)
    desk.journal.add("mark", {"timestamp": [day(1)], "instrument": [2], "price": [-1.0], "stale": [False]})
    return desk


def odd_orders() -> Desk:
    """Several ends of one order, part of one filled, and fills and ends of orders that are not there."""
    desk = Desk()
    desk.deposit("USD", "1000")
    first = desk.order("ACME", "3")
    for event in (OrderEvent.TRIGGERED, OrderEvent.EXPIRED, OrderEvent.CANCELLED):
        desk.record_event(first, event)
    desk.today = 1
    desk.trade("ACME", "1", 10.0, order=first)
    desk.trade("ACME", "2", 10.0, order=desk.order("ACME", "2"))
    desk.fill("ACME", "1", 10.0, order=99)
    desk.fill("ACME", "-1", 10.0, order=-1)
    desk.record_event(77, OrderEvent.EXPIRED)
    desk.order("CORK", "1", instrument=99)
    desk.order("CORK", "1", instrument=-1)
    desk.mark(ACME=10.0)
    desk.statement()
    return desk


def begun() -> Desk:
    """Something that goes on: a purchase that is not yet settled, and no end of anything."""
    desk = Desk()
    first_days(desk)
    return desk


def custom_accounts() -> Desk:
    """Units kept in another place, fees in custom accounts, a loss that is written off by hand."""
    desk = Desk()
    desk.deposit("USD", "1000")
    desk.journal.open_account("Assets:Custody", "ACME")
    desk.journal.open_account("Expenses:Fees:Data")
    desk.trade("ACME", "4", 10.0, "1")
    number = desk.journal.chart.number
    number_of = desk.journal.commodities.number
    with desk.journal.transaction(day(1), Kind.GENERAL) as transaction:
        for debit, credit, symbol, amount in (
            ("Expenses:Fees:Data", "Assets:Cash:USD", "USD", 5_000_000),
            ("Income:Realised:ACME", "Assets:Cash:USD", "USD", 7_000_000),
            ("Expenses:Commissions", "Income:Rebates", "USD", 3_000_000),
            ("Assets:Custody", "Assets:Positions:ACME", "ACME", 100_000_000),
        ):
            of = number_of(symbol)
            transaction.add(_transfer, number(debit, of), number(credit, of), amount)
    desk.today = 1
    desk.mark(ACME=11.0)
    desk.statement()
    return desk


def _transfer(books: Any, debit: int, credit: int, amount: int) -> None:
    transfer(books, debit, credit, amount, -1)


HAND_MADE: Sequence[Callable[[], Desk]] = (
    empty,
    statements_of_nothing,
    begun,
    two_weeks,
    turned_round,
    fractions_for_cash,
    several_trades_of_one_fill,
    corrected,
    contracts,
    years_and_money,
    marked_twice,
    odd_orders,
    custom_accounts,
    *(lambda seed=seed: many_trades(seed) for seed in range(2)),
)


@pytest.mark.parametrize("book", HAND_MADE)
def test_figures_are_those_of_the_views(book: Callable[[], Desk]) -> None:
    assert_tied(book().journal)


@pytest.mark.parametrize("book", [two_weeks, corrected, fractions_for_cash, contracts, years_and_money])
@pytest.mark.parametrize("today", [0, 2])
def test_figures_of_a_moment_are_those_of_the_views(book: Callable[[], Desk], today: int) -> None:
    assert_tied(book().journal, at=day(today))


def test_figures_of_a_file_are_those_of_the_open_journal(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    desk = two_weeks(path)
    before = schedules.trades(history_of(desk.journal))
    desk.close()

    with Reader(path) as reader:
        assert_tied(reader)
        assert before.equals(schedules.trades(history_of(reader)), null_equal=True)


# --- by chance ---------------------------------------------------------------------------------------------

SYMBOLS = ("ACME", "BOLT", "CORK")
FEES = ("0", "0.01", "1", "-0.03")


def trade(desk: Desk, symbol: str, size: int, price: int, fee: str) -> None:
    desk.trade(symbol, str(size), float(price), fee)


def trade_again(desk: Desk, symbol: str, size: int, price: int, fee: str) -> None:
    """Under the fill before, as a correction has it."""
    fill = desk.journal.count("fill") - 1
    with desk.booking(fill) as transaction:
        transaction.book(events.flip, symbol, str(size), str(abs(size) * price), fee)
        if size % 2:
            transaction.book(events.flip, SYMBOLS[size % 3], str(-size), str(price), fee)


def undo(desk: Desk, _symbol: str, size: int, _price: int, _fee: str) -> None:
    last = desk.journal.sql("select max(id) as id from txn").rows()[0]["id"]
    desk.journal.reverse(last - abs(size) % 3, day(desk.today))


def split(desk: Desk, symbol: str, size: int, price: int, _fee: str) -> None:
    with desk.journal.transaction(day(desk.today)) as transaction:
        transaction.book(events.split, symbol, *((3, 2) if size > 0 else (1, 2)))
        if size % 2:
            transaction.book(events.cash_in_lieu, symbol, "1", str(price))


def end(desk: Desk, symbol: str, _size: int, price: int, _fee: str) -> None:
    desk.post(events.delisting, symbol, str(price))


def contract(desk: Desk, _symbol: str, size: int, price: int, fee: str) -> None:
    have = desk.position("ES")
    with desk.booking(desk.fill("ES", str(size), float(price), fee)) as transaction:
        if have * size < 0:
            transaction.book(events.futures_close, "ES", "1", str(size * price), fee)
        else:
            transaction.book(events.futures_open, "ES", str(size), "10", fee)


def settle(desk: Desk, _symbol: str, size: int, price: int, _fee: str) -> None:
    desk.post(events.variation_margin, "ES", str(size * price))


def pay_in(desk: Desk, symbol: str, size: int, price: int, _fee: str) -> None:
    money = "EUR" if symbol == "CORK" else "USD"
    if size > 2:
        desk.post(events.fx_trade, "EUR", str(size), "USD", str(price))
    else:
        desk.post(events.deposit if size > 0 else events.withdrawal, money, str(price))


def close_books(desk: Desk, _symbol: str, _size: int, _price: int, _fee: str) -> None:
    desk.journal.close_year(day(desk.today))


def end_day(desk: Desk, symbol: str, size: int, price: int, _fee: str) -> None:
    desk.mark(**dict.fromkeys((*SYMBOLS, "ES"), float(price)))
    if size > 0:
        desk.statement()
    desk.today += abs(size) % 2
    if size > 2:
        desk.mark(**{symbol: price + 1.0})


DEEDS = (
    trade,
    trade,
    trade,
    trade_again,
    undo,
    split,
    end,
    contract,
    settle,
    pay_in,
    close_books,
    end_day,
    end_day,
)
DEEDS_WITH_TERMS = st.tuples(
    st.sampled_from(DEEDS),
    st.sampled_from(SYMBOLS),
    st.integers(-4, 4),
    st.integers(1, 12),
    st.sampled_from(FEES),
)


@pytest.mark.long
@settings(max_examples=min(settings().max_examples, 2_000) // 5)  # each asks much of SQL
@given(st.lists(DEEDS_WITH_TERMS, max_size=40), st.sampled_from([None, 1]))
def test_figures_of_random_books_are_those_of_the_views(deeds: Any, today: int | None) -> None:
    desk = Desk()
    for money in ("USD", "EUR"):
        desk.deposit(money, "10000")
    desk.trade("ACME", "1", 10.0)
    for deed, *terms in deeds:
        with suppress(LedgerError):  # what the ledger refuses is not booked
            deed(desk, *terms)

    assert_tied(desk.journal, at=None if today is None else day(today))


# --- what does not fit -------------------------------------------------------------------------------------


class Altered:
    """The tables of a journal of which one column says something else."""

    def __init__(self, desk: Desk, table: str, column: str, row: int, value: object) -> None:
        self._journal = desk.journal
        self._change = table, column, row, value

    def columns(self, table: str, names: Sequence[str], /) -> dict[str, Any]:
        columns = self._journal.columns(table, names)
        where, column, row, value = self._change
        if table == where and column in columns:
            columns[column] = columns[column].copy()
            columns[column][row] = value
        return columns


@pytest.mark.parametrize(
    ("table", "column", "row", "value", "message"),
    [
        ("transfer", "txn", 3, 99, "a transfer is out of order, or names a row that does not exist"),
        ("transfer", "txn", 0, -1, "a transfer is out of order, or names a row that does not exist"),
        ("transfer", "txn", 2, 2, "a transfer is out of order"),
        ("transfer", "debit", 3, 10_000, "a transfer is out of order, or names a row that does not exist"),
        ("transfer", "credit", 3, -1, "a transfer is out of order, or names a row that does not exist"),
        ("txn", "timestamp", 1, np.datetime64(0, "ns"), "the transactions are not in the order of time"),
        ("account", "commodity", 5, 77, "an account is in a commodity that does not exist"),
        ("account", "instrument", 5, 77, "an account has an instrument that does not exist"),
        ("commodity", "currency", 2, 6, "ACME is priced in a currency that does not exist"),
        ("statement", "currency", 0, -1, "a statement is in a currency that does not exist"),
    ],
)
def test_tables_that_do_not_fit_together_are_refused(
    table: str, column: str, row: int, value: object, message: str
) -> None:
    history = History(Altered(turned_round(), table, column, row, value))

    with pytest.raises(DamagedFile, match=f"{message}.*verify the journal"):
        schedules.trades(history)


@pytest.mark.parametrize(
    ("table", "column"), [("mark", "instrument"), ("txn", "instrument"), ("orders", "instrument")]
)
@pytest.mark.parametrize("value", [99, -7])
def test_rows_without_a_valid_instrument_are_skipped(table: str, column: str, value: int) -> None:
    desk = contracts()
    history = History(Altered(desk, table, column, 2, value))

    assert history_of(desk.journal).round_trips.size == history.round_trips.size
    assert 1 >= history_of(desk.journal).order_counts(0)[1] - history.order_counts(0)[1]


def test_sums_that_do_not_fit_are_refused() -> None:
    desk = turned_round()
    for table, column, row, value in (
        ("mark", "price", 0, 1e20),
        ("mark", "price", 1, float("nan")),
    ):
        with pytest.raises(AmountOutOfRange, match="a sum over the journal does not fit into 64 bits"):
            assert History(Altered(desk, table, column, row, value)).exposure


@pytest.mark.parametrize("value", [2**63 - 1, 0, 1, -1, -(2**63)])
def test_a_sum_in_two_parts_is_the_sum(value: int) -> None:
    whole = np.array([value])

    assert [value] == joined(whole >> 31, whole & (2**31 - 1)).tolist()
    assert [value] == joined((whole >> 31) - 5, (whole & (2**31 - 1)) + 5 * 2**31).tolist()


@pytest.mark.parametrize(("high", "low"), [(2**32, 0), (2**32 - 1, 2**31), (-(2**32) - 1, 0), (-(2**32), -1)])
def test_a_sum_of_more_than_64_bits_is_refused(high: int, low: int) -> None:
    with pytest.raises(AmountOutOfRange):
        joined(np.array([high]), np.array([low]))


def test_more_than_64_bits_are_traded_exactly() -> None:
    """In and out of a position that is never flat, for more than an account could hold."""
    desk = Desk()
    desk.deposit("USD", "5000000000000")
    desk.trade("BOLT", "1", 1.0)
    for _ in range(6):
        desk.trade("BOLT", "1000000000000", 4.5)
        desk.trade("BOLT", "-1000000000000", 4.5)
    trades = schedules.trades(history_of(desk.journal))

    assert [Decimal(27000000000001)] == trades["bought"].to_list()
    assert_tied(desk.journal)


# --- kernels -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not COMPILES, reason="nothing is compiled")
def test_a_history_finds_its_kernels_compiled() -> None:
    kernels: list[Any] = [
        folding.fold_round_trips,
        folding.share_charges,
        folding.fold_marks,
        folding.fold_exposure,
    ]
    compile_kernels()
    desk = two_weeks()
    figures = history_of(desk.journal), history_of(desk.journal, at=day(3))

    assert all(history.round_trips.size for history in figures)
    assert [1] * 4 == [len(kernel.signatures) for kernel in kernels]

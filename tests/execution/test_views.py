"""The views of orders, trades and exposure, and that they tie to the statements that the ledger prints."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.desk import Desk, day, funded, two_weeks
from tests.support.ties import history_of
from tieout.execution.figures.metrics import metrics
from tieout.execution.kernels.orders import Basis, OrderEvent, OrderType, Reason, Relation, TimeInForce
from tieout.ledger.books import events
from tieout.ledger.file.reader import Reader
from tieout.ledger.show.trace import trace

DAYS = 14


@pytest.fixture
def desk() -> Desk:
    return funded()


def rows(desk: Desk, query: str, at: int | None = None) -> list[tuple[Any, ...]]:
    result = desk.journal.sql(query, at=None if at is None else str(day(at))[:10])
    return [tuple(row.values()) for row in result.rows()]


def lines(desk: Desk, columns: str, view: str = "trade", at: int | None = None) -> list[str]:
    """List the rows of a view in words, money and quantities without trailing zeros."""
    return [" ".join(map(_word, row)) for row in rows(desk, f"select {columns} from {view}", at)]  # noqa: S608  as said


def _word(value: object) -> str:
    match value:
        case Decimal():
            return f"{value.normalize():f}"
        case None:
            return "-"
        case float():
            return f"{value:g}"
        case datetime():
            return f"day-{(value - datetime(2024, 1, 1)).days}"  # noqa: DTZ001  as stored, without a zone
    return str(value)


# --- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ("order_type", OrderType),
        ("time_in_force", TimeInForce),
        ("order_event_kind", OrderEvent),
        ("order_relation", Relation),
        ("reason", Reason),
        ("basis", Basis),
    ],
)
def test_numbers_have_the_same_names_in_python_and_in_sql(view: str, words: type[IntEnum]) -> None:
    names = rows(Desk(), f"select id, name from {view} order by id")  # noqa: S608  named above

    assert [(word.value, word.name.lower()) for word in sorted(words)] == names


def test_fills_events_and_links_are_listed_with_names(desk: Desk) -> None:
    first = desk.order("ACME", "10.5", "entry")
    desk.today = 2
    desk.trade("ACME", "2", 10.0, "0.1", order=first)
    desk.record_event(first, OrderEvent.CANCELLED)
    second = desk.order("ACME", "-1")
    desk.link(second, first)
    desk.trade("ACME", "-1", 8.1, "-0.5", order=second)
    desk.record_event(second, OrderEvent.REJECTED, Reason.DUST)

    assert [
        "0 0 day-2 ACME USD buy 2 10 10 0.1 quantity",
        "1 1 day-2 ACME USD sell 1 8.1 8.1 -0.5 quantity",
    ] == lines(desk, "*", "fill_history")
    assert ["0 0 day-2 cancelled none", "1 1 day-2 rejected dust"] == lines(desk, "*", "order_event_history")
    assert ["0 1 replaces 0"] == lines(desk, "*", "order_link_history")
    assert [] == lines(desk, "*", "fill_history", at=1)


def test_a_trace_tells_orders_and_fills_in_words(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    desk = two_weeks(path)
    by_hand = {
        "orders": desk.journal.sql("from order_history where id = 1").rows(),
        "fill": desk.journal.sql("from fill_history where order_id = 1").rows(),
    }
    desk.close()

    with Reader(path) as reader:
        traces = {name: rows.rows() for name, rows in trace(reader, "order", 1).rows.items()}
    assert by_hand == {name: traces[name] for name in by_hand}
    assert all(traces.values())


# --- orders ------------------------------------------------------------------------------------------------


def test_an_order_is_listed_with_names(desk: Desk) -> None:
    terms: dict[str, Any] = {
        "type": OrderType.LIMIT,
        "limit_price": 12.5,
        "tif": TimeInForce.DAY,
        "signal": 0.75,
    }
    first = desk.order("ACME", "10.5", "entry", **terms)
    desk.today = 2
    desk.trade("ACME", "2", 10.0, "0.1", order=first)
    desk.today = 3
    desk.trade("ACME", "6", 12.0, "0.25", order=first)
    desk.record_event(first, OrderEvent.CANCELLED)
    second = desk.order("ACME", "-8", -1, type=OrderType.STOP, stop_price=9.0, signal=float("nan"))
    desk.link(second, first)
    desk.record_event(second, OrderEvent.TRIGGERED)
    desk.today = 4
    desk.trade("ACME", "-8", 8.1, "-0.5", order=second)

    assert [
        "0 day-1 ACME USD limit day 10.5 12.5 - entry 0.75 2 8 11.5 0.35 day-2 day-3 cancelled none day-3 -",
        "1 day-3 ACME USD stop gtc -8 - 9 - - 1 8 8.1 -0.5 day-4 day-4 filled none day-4 0",
    ] == lines(desk, "*", "order_history")


def test_each_end_has_its_name_and_its_moment(desk: Desk) -> None:
    reason = {OrderEvent.REJECTED: Reason.DUST, OrderEvent.CANCELLED: Reason.INSTRUMENT_ENDED}
    for _ in OrderEvent:
        desk.order("CORK", "1")
    for order, event in enumerate(OrderEvent):
        desk.today = 2 + order
        desk.record_event(order, event, reason.get(event, Reason.NONE))

    assert [
        "EUR 0 0 cancelled instrument_ended day-2",
        "EUR 0 0 expired none day-3",
        "EUR 0 0 rejected dust day-4",
        "EUR 0 0 open_at_the_end none day-5",
        "EUR 0 0 working none -",
    ] == lines(desk, "currency, fills, commission, status, reason, ended_at", "order_history")


def test_a_price_that_all_fills_have_in_common_is_their_average(desk: Desk) -> None:
    order = desk.order("BOLT", "9")
    for part in ("2", "7"):
        desk.trade("BOLT", part, 0.1, order=order)

    assert [(0.1,)] == rows(desk, "select average_price from order_history")


def test_an_order_of_unknown_words_is_not_left_out(desk: Desk) -> None:
    desk.order("ACME", "1", instrument=99, type=98, tif=97, tag=96)

    assert ["0 - - - - - - working"] == lines(
        desk, "id, symbol, currency, type, time_in_force, quantity, tag, status", "order_history"
    )


def test_orders_are_shown_as_they_stood_at_a_moment(desk: Desk) -> None:
    order = desk.order("ACME", "10")
    desk.today = 3
    desk.trade("ACME", "4", 10.0, "1", order=order)
    desk.today = 5
    desk.trade("ACME", "6", 10.0, "1", order=order)
    desk.record_event(desk.order("BOLT", "1"), OrderEvent.OPEN_AT_THE_END)
    columns = "id, filled_quantity, commission, last_fill, status, ended_at"

    assert [[], ["0 0 0 - working -"], ["0 4 1 day-3 working -"]] == [
        lines(desk, columns, "order_history", at=at) for at in (0, 2, 3)
    ]
    assert ["0 10 2 day-5 filled day-5", "1 0 0 - open_at_the_end day-5"] == lines(
        desk, columns, "order_history", at=5
    )


# --- trades ------------------------------------------------------------------------------------------------


TRIP = "number, symbol, side, opened, closed, quantity, realized_pnl, commission, pnl"


def test_a_trade_goes_from_flat_to_flat(desk: Desk) -> None:
    desk.trade("ACME", "10", 100.0, "1")
    desk.today = 2
    desk.trade("BOLT", "-5", 20.0, "1")
    desk.trade("ACME", "5", 130.0, "1")
    desk.today = 4
    desk.trade("ACME", "-12", 120.0, "2")
    desk.today = 5
    desk.trade("ACME", "-3", 90.0, "1")
    desk.trade("BOLT", "5", 18.0)
    desk.today = 6
    desk.trade("ACME", "1", 50.0, "0.5")

    assert [
        "0 ACME long day-1 day-5 15 60 5 55",  # 1,440 + 270 for what cost 1,000 + 650
        "1 BOLT short day-2 day-5 5 10 1 9",
        "2 ACME long day-6 - 1 0 0.5 -0.5",
    ] == lines(desk, TRIP)
    assert [
        "USD 1650 1710 110 114 False 4",
        "USD 90 100 20 18 False 3",
        "USD 50 0 50 - True -",
    ] == lines(desk, "currency, bought, sold, entry_price, exit_price, is_open, days")


def test_an_open_trade_has_its_gain_so_far(desk: Desk) -> None:
    desk.trade("ACME", "10", 100.0, "1")
    desk.trade("ACME", "-4", 110.0, "1")

    assert ["0 ACME long day-1 - 10 40 2 38"] == lines(desk, TRIP)


def test_a_position_turned_round_ends_a_trade_and_begins_the_next(desk: Desk) -> None:
    desk.trade("ACME", "10", 100.0, "1")
    desk.today = 2
    desk.trade("ACME", "-13", 110.0, "0.000005")  # 10 of 13 units: 0.000003 and the rest
    desk.today = 3
    desk.trade("ACME", "4", 90.0, "-0.000005")  # a rebate: 3 of 4 units, rounded toward zero

    assert [
        "0 ACME long day-1 day-2 10 100 1.000003 98.999997",
        "1 ACME short day-2 day-3 3 60 -0.000001 60.000001",
        "2 ACME long day-3 - 1 0 -0.000002 0.000002",
    ] == lines(desk, TRIP)
    assert ["1000 1100", "270 330", "90 0"] == lines(desk, "bought, sold")


def test_a_trade_ends_with_its_instrument_and_without_a_fill(desk: Desk) -> None:
    desk.trade("ACME", "10", 100.0, "1")
    desk.trade("BOLT", "3", 10.0)
    desk.today = 2
    desk.post(events.delisting, "ACME", "0")
    desk.post(events.delisting, "BOLT", "36")

    assert ["0 ACME long day-1 day-2 10 -1000 1 -1001", "1 BOLT long day-1 day-2 3 6 0 6"] == lines(
        desk, TRIP
    )
    assert ["100 0", "10 12"] == lines(desk, "entry_price, exit_price")


def test_a_split_changes_units_and_trades_none(desk: Desk) -> None:
    desk.trade("BOLT", "5", 30.0)
    desk.today = 2
    with desk.journal.transaction(day(2)) as transaction:
        transaction.book(events.split, "BOLT", 3, 2)  # 7.5, of which whole units are 7
    desk.trade("BOLT", "-7", 25.0)
    desk.trade("ACME", "1", 100.0)
    desk.today = 3
    with desk.journal.transaction(day(3)) as transaction:
        transaction.book(events.split, "ACME", 3, 2)
        transaction.book(events.cash_in_lieu, "ACME", "0.5", "40")
    desk.trade("ACME", "-1", 60.0)

    assert ["0 BOLT long day-1 day-2 7 25 0 25", "1 ACME long day-2 day-3 1.5 0 0 0"] == lines(desk, TRIP)
    assert ["150 175 30 25", "100 100 100 66.6667"] == lines(desk, "bought, sold, entry_price, exit_price")


def test_a_split_that_leaves_no_unit_ends_a_trade_at_a_loss(desk: Desk) -> None:
    desk.trade("BOLT", "1", 30.0)
    desk.today = 2
    desk.post(events.split, "BOLT", 1, 2)

    assert ["0 BOLT long day-1 day-2 1 -30 0 -30"] == lines(desk, TRIP)
    assert ["30 0 30 -"] == lines(desk, "bought, sold, entry_price, exit_price")


def test_a_fill_that_was_corrected_adds_nothing(desk: Desk) -> None:
    wrong = desk.trade("ACME", "30", 10.0, "3")
    desk.today = 2
    desk.journal.reverse(2, day(2))

    assert [] == lines(desk, TRIP)
    assert ["0 ACME long day-1 - 30 0 3 -3"] == lines(desk, TRIP, at=1)

    with desk.booking(wrong) as right:
        right.book(events.buy, "ACME", "3", "30", "1")
    desk.today = 3
    desk.trade("ACME", "-3", 12.0, "1")
    sold = desk.journal.sql("select max(id) as id from txn").rows()[0]["id"]
    desk.today = 4
    desk.trade("ACME", "2", 20.0)
    desk.journal.reverse(sold, day(4))

    # Without the sale the purchase after it adds to what was held.
    assert ["0 ACME long day-2 - 5 0 1 -1"] == lines(desk, TRIP)
    assert ["0 ACME long day-2 day-3 3 6 2 4"] == lines(desk, TRIP, at=3)


def test_a_year_that_is_closed_takes_no_gain_away(desk: Desk) -> None:
    desk.trade("ACME", "10", 10.0, "1")
    desk.trade("ACME", "-10", 12.0, "1")
    desk.journal.close_year(day(2))

    assert ["0 ACME long day-1 day-1 10 20 2 18"] == lines(desk, TRIP)


def test_a_contract_gains_by_variation_margin_and_has_no_notional(desk: Desk) -> None:
    with desk.booking(desk.fill("ES", "-2", 5_000.0, "4")) as transaction:
        transaction.book(events.futures_open, "ES", "-2", "2000", "4")
    desk.today = 2
    desk.post(events.variation_margin, "ES", "-100")
    with desk.booking(desk.fill("ES", "2", 4_997.0, "4")) as transaction:
        transaction.book(events.futures_close, "ES", "2", "400", "4")

    assert ["0 ES short day-1 day-2 2 300 8 292"] == lines(desk, TRIP)
    assert ["- - - -"] == lines(desk, "bought, sold, entry_price, exit_price")


def test_the_price_of_a_contract_with_a_multiplier_is_per_point(desk: Desk) -> None:
    desk.trade("ES", "2", 40.5)

    assert ["4050 40.5"] == lines(desk, "bought, entry_price")


def test_marks_count_while_a_trade_is_open(desk: Desk) -> None:
    desk.trade("ACME", "10", 100.0)
    desk.trade("BOLT", "-10", 10.0)
    desk.mark(ACME=90.0, BOLT=12.0)
    desk.today = 2
    desk.mark(ACME=115.0, BOLT=7.0)
    desk.today = 3
    desk.trade("ACME", "-15", 110.0)  # to short: the mark of the day is of that
    desk.trade("CORK", "1", 10.0)
    desk.mark(ACME=150.0, BOLT=9.0)
    desk.today = 4
    desk.trade("ACME", "5", 10.0)
    desk.trade("BOLT", "10", 10.0)
    desk.mark(ACME=1.0, BOLT=1.0)
    columns = "symbol, side, best_mark, worst_mark"

    assert ["ACME long 115 90", "BOLT short 7 12", "ACME short 150 150", "CORK long - -"] == lines(
        desk, columns
    )
    assert ["ACME long 90 90", "BOLT short 12 12"] == lines(desk, columns, at=1)


def test_of_trades_begun_at_one_moment_the_last_is_marked(desk: Desk) -> None:
    for _ in range(2):
        desk.trade("ACME", "1", 10.0)
        desk.trade("ACME", "-1", 10.0)
    desk.trade("ACME", "1", 10.0)
    desk.mark(ACME=11.0)

    assert ["0 -", "1 -", "2 11"] == lines(desk, "number, best_mark")


# --- exposure and flows ------------------------------------------------------------------------------------


def test_exposure_is_long_and_short_gross_and_net(desk: Desk) -> None:
    desk.trade("ACME", "10", 100.0)
    desk.trade("BOLT", "-20", 10.0)
    desk.mark(ACME=110.0, BOLT=12.0)
    desk.statement()
    desk.today = 2
    desk.trade("ACME", "-10", 110.0)
    desk.mark(BOLT=15.0)
    desk.statement()

    columns = "statement, timestamp, currency, long, short, gross, net, equity, positions"
    assert [
        "0 day-1 USD 1100 -240 1340 860 10060 2",
        "1 day-1 EUR 0 0 0 0 10000 0",
        "2 day-2 USD 0 -300 300 -300 10000 1",
        "3 day-2 EUR 0 0 0 0 10000 0",
    ] == lines(desk, columns, "exposure")
    assert [(1340 / 10060,), (0.0,), (300 / 10000,), (0.0,)] == rows(
        desk, "select gross_to_equity from exposure"
    )
    assert 2 == len(rows(desk, "from exposure", at=1))


def test_without_equity_there_is_no_share_of_it() -> None:
    desk = Desk()
    desk.statement()

    assert {(None,)} == {*rows(desk, "select gross_to_equity from exposure")}


def test_a_net_flow_belongs_to_the_first_statement_after_it(desk: Desk) -> None:
    desk.statement()
    desk.deposit("USD", "5")  # at the moment of a statement, and after it
    desk.today = 2
    desk.statement()
    desk.statement()
    desk.post(events.fx_trade, "EUR", "100", "USD", "110")
    desk.post(events.withdrawal, "USD", "90")
    wrong = desk.post(events.deposit, "EUR", "77")
    desk.journal.reverse(wrong, day(2))
    desk.trade("ACME", "1", 10.0, "1")
    desk.trade("ACME", "-1", 12.0, "1")
    desk.today = 3
    desk.journal.close_year(day(3))
    desk.statement()
    desk.deposit("USD", "1")

    assert [
        "0 USD 10000 10000",
        "1 EUR 10000 10000",
        "2 USD 10005 5",
        "3 EUR 10000 0",
        "4 USD 10005 0",
        "5 EUR 10000 0",
        "6 USD 9805 -200",
        "7 EUR 10100 100",
    ] == lines(desk, "statement, currency, equity, net_flow", "period")
    assert 2 == len(rows(desk, "from period", at=1))


# --- ties --------------------------------------------------------------------------------------------------


def many_trades(seed: int) -> Desk:
    """Fills of every kind on three instruments: added to, reduced, turned round, corrected, split, ended."""
    chance = np.random.default_rng(seed)
    desk = Desk()
    desk.deposit("USD", "1000000")
    desk.deposit("EUR", "1000000")
    prices = {"ACME": 100.0, "BOLT": 20.0, "CORK": 40.0}
    for desk.today in range(1, DAYS):
        for symbol, before in prices.items():
            prices[symbol] = round(before * chance.uniform(0.9, 1.1), 2)
            size = str(chance.choice([-7, -5, -3, 3, 5, 7]))
            fee = f"{chance.integers(-1, 5)}.{chance.integers(0, 100):02}"
            desk.trade(symbol, size, prices[symbol], fee)
            if chance.random() < 0.2:
                last = desk.journal.sql("select max(id) as id, arg_max(fill_id, id) as fill from txn").rows()[
                    0
                ]
                desk.journal.reverse(last["id"], day(desk.today))
                if chance.random() < 0.5:
                    have, want = desk.position(symbol), Decimal(size)
                    with desk.booking(last["fill"]) as again:
                        again.book(events.flip, symbol, want, "77.77", "0.33")
                    assert desk.position(symbol) == have + want
            if desk.position(symbol) and chance.random() < 0.1:
                desk.post(events.delisting, symbol, "12.34")
            if desk.position(symbol) and chance.random() < 0.1:
                desk.post(events.split, symbol, *([2, 1] if chance.random() < 0.5 else [1, 2]))
        desk.mark(**prices)
        desk.statement()
    return desk


BOOKS: list[Callable[[], Desk]] = [two_weeks, *(lambda s=seed: many_trades(s) for seed in range(6))]


@pytest.mark.parametrize("book", BOOKS)
def test_trades_tie_to_the_income_statement(book: Callable[[], Desk]) -> None:
    desk = book()
    traded = rows(
        desk, "select currency, sum(realized_pnl), sum(commission), sum(pnl) from trade group by 1 order by 1"
    )
    earned = rows(
        desk,
        "select commodity,"
        " sum(amount) filter (where account like 'Income:Realised:%' or account like 'Income:Futures:%'),"
        " coalesce(sum(amount) filter (where account = 'Expenses:Commissions'), 0)"
        " - coalesce(sum(amount) filter (where account = 'Income:Rebates'), 0)"
        " from income_statement group by 1 order by 1",
    )

    assert [(money, gain, fees, gain - fees) for money, gain, fees in earned] == traded


@pytest.mark.parametrize("book", BOOKS)
def test_open_trades_are_the_positions(book: Callable[[], Desk]) -> None:
    desk = book()

    assert rows(desk, "select symbol, case when quantity > 0 then 'long' else 'short' end from position") == (
        rows(desk, "select symbol, side from trade where is_open order by symbol")
    )
    assert list(range(len(rows(desk, "from trade")))) == [
        n for (n,) in rows(desk, "select number from trade")
    ]


@pytest.mark.parametrize("book", BOOKS)
def test_exposure_ties_to_the_statements(book: Callable[[], Desk]) -> None:
    desk = book()

    assert rows(desk, "select timestamp, currency, market_value, equity from equity") == (
        rows(desk, "select timestamp, currency, net, equity from exposure")
    )
    assert rows(desk, "select id, held from statement_derived order by id") == (
        rows(desk, "select statement, positions from exposure")
    )


def test_contributions_are_the_deposits_alone() -> None:
    desk = two_weeks()
    (dollars, euros) = rows(desk, "select sum(net_flow) from period group by currency order by currency desc")

    assert (Decimal("99891.5"), Decimal(50100)) == (dollars[0], euros[0])


def test_trades_are_separated_by_a_second_computation() -> None:
    """Plain sums over the fills of a book without corrections, by fractions."""
    chance = np.random.default_rng(11)
    desk = Desk()
    desk.deposit("USD", "1000000")
    position, gains, fees = 0, [0], [0]
    for desk.today in range(1, 60):
        size, price, fee = int(chance.choice([-4, -3, -1, 1, 3, 4])), int(chance.integers(5, 15)), desk.today
        desk.trade("BOLT", str(size), float(price), f"{fee}e-6")
        closing = min(abs(size), abs(position)) if size * position < 0 else 0
        first = floor(Fraction(fee * closing, abs(size)))
        for part, charge in ((closing, first), (abs(size) - closing, fee - first)):
            if part:
                signed = part if size > 0 else -part
                gains[-1] -= signed * price
                fees[-1] += charge
                position += signed
                if position == 0:
                    gains.append(0)
                    fees.append(0)
    charged = [Decimal(fee).scaleb(-6) for fee in fees if fee]

    assert [(Decimal(gain),) for gain in gains[:-1]] == rows(
        desk, "select realized_pnl from trade where not is_open order by number"
    )
    assert [(fee,) for fee in charged] == rows(desk, "select commission from trade order by number")


def test_views_of_a_file_are_those_of_the_open_journal(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    desk = two_weeks(path)
    views = ("order_history", "fill_history", "trade", "exposure", "period")
    before = [desk.journal.sql(f"from {view}").rows() for view in views]
    figures = metrics(history_of(desk.journal))
    desk.close()

    with Reader(path) as reader:
        assert before == [reader.view(view).rows() for view in views]
        assert repr(figures) == repr(metrics(history_of(reader)))  # NaN is not itself
        assert {"trade", "exposure", "order_history"} <= {*reader.views}

"""Every figure of a run a second time: by hand on small tables, and by plain Python on longer ones."""

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Literal

import numpy as np
import pytest

from tests.support.desk import Desk, day, two_weeks
from tieout.execution.figures.history import History
from tieout.execution.figures.metrics import Metrics, cagr, growth, metrics
from tieout.execution.figures.tables import Column
from tieout.execution.kernels.orders import OrderEvent, Reason
from tieout.ledger.books import events
from tieout.ledger.errors import UnknownCommodity

NAN = float("nan")
YEARLY = ("cagr", "volatility", "sharpe", "sortino", "calmar", "turnover")


def curve(*equity: float, days: int = 1) -> Desk:
    """A desk that opens with the first equity, in one unit, and states the others, *days* apart."""
    desk = Desk()
    desk.deposit("USD", str(equity[0]))
    desk.trade("BOLT", "1", float(equity[0]))
    for number, value in enumerate(equity[1:], start=1):
        desk.today = number * days
        desk.mark(BOLT=float(value))
        desk.statement()
    return desk


def figures(
    desk: Desk,
    periods_per_year: float | None = 252.0,
    currency: str = "USD",
    by: Literal["session", "bar"] = "session",
) -> Metrics:
    return metrics(History(desk.journal), currency, periods_per_year, by)


def earner() -> Desk:
    """A desk with one statement, of interest, to which nothing was paid in."""
    desk = Desk()
    desk.post(events.interest, "USD", "1")
    desk.statement()
    return desk


def same(expected: float, actual: float) -> bool:
    """Alike but for the order of the sums."""
    return math.isclose(expected, actual, rel_tol=1e-12) or (math.isnan(expected) and math.isnan(actual))


# --- returns -----------------------------------------------------------------------------------------------


def test_returns_by_hand() -> None:
    actual = figures(curve(100, 110, 99, 99), periods_per_year=4)  # +10 %, -10 %, 0

    assert (day(0), day(3)) == (actual.start, actual.end)
    assert (Decimal(100), Decimal(99)) == (actual.start_equity, actual.end_equity)
    assert 99 / 100 - 1 == actual.total_return
    assert same(0.1 * 2, actual.volatility)  # squares of 0.1, 0.1 and 0 by 2
    assert math.isclose(0, actual.sharpe, abs_tol=1e-14)
    assert math.isclose(0, actual.sortino, abs_tol=1e-14)
    assert same(-0.1, actual.max_drawdown)
    assert (day(1), day(2)) == (actual.drawdown_start, actual.drawdown_bottom)


def test_ratios_by_hand() -> None:
    actual = figures(curve(100, 150, 75, 150), periods_per_year=9)  # 1/2, -1/2, 1: mean 1/3

    assert same(math.sqrt(7 / 12) * 3, actual.volatility)  # (1 + 25 + 16) / 36 by 2
    assert same((1 / 3) / math.sqrt(7 / 12) * 3, actual.sharpe)
    assert same((1 / 3) / math.sqrt(1 / 12) * 3, actual.sortino)
    assert -0.5 == actual.max_drawdown
    assert 0.5 == actual.total_return


def test_a_year_is_of_calendar_days() -> None:
    actual = figures(curve(100, 90, 121, days=365))

    assert same(1.21 ** (365.25 / 730) - 1, actual.cagr)
    assert same(actual.cagr / 0.1, actual.calmar)


def test_returns_by_the_standard_library() -> None:
    chance = np.random.default_rng(3)
    equity = [round(1_000 * float(x), 6) for x in np.cumprod(chance.normal(1.001, 0.02, 200))]
    actual = figures(curve(*equity))
    earned = [b / a - 1 for a, b in itertools.pairwise(equity)]
    mean, deviation = statistics.fmean(earned), statistics.stdev(earned)
    falls = [(min(equity[i:]) / equity[i] - 1, i) for i in range(len(equity))]
    deepest, top = min(falls)

    assert equity[-1] / equity[0] - 1 == actual.total_return
    assert same(deviation * math.sqrt(252), actual.volatility)
    assert math.isclose(mean / deviation * math.sqrt(252), actual.sharpe, rel_tol=1e-9)
    downside = math.sqrt(statistics.fmean(min(r, 0) ** 2 for r in earned))
    assert math.isclose(mean / downside * math.sqrt(252), actual.sortino, rel_tol=1e-9)
    assert same(deepest, actual.max_drawdown)
    assert day(top) == actual.drawdown_start
    assert day(top + int(np.argmin(equity[top:]))) == actual.drawdown_bottom


def test_a_contribution_is_not_a_return() -> None:
    desk = curve(100, 110)
    desk.today = 2
    desk.deposit("USD", "90")  # there before it is earned on: 110 + 90
    desk.mark(BOLT=130.0)  # 220
    desk.statement()
    desk.today = 3
    desk.post(events.withdrawal, "USD", "20")
    desk.mark(BOLT=110.0)  # 180 of 200
    desk.statement()
    actual = figures(desk)

    assert same(1.1 * 1.1 * 0.9 - 1, actual.total_return)
    assert same(statistics.stdev([0.1, 0.1, -0.1]) * math.sqrt(252), actual.volatility)
    assert same(-0.1, actual.max_drawdown)
    assert (Decimal(100), Decimal(180)) == (actual.start_equity, actual.end_equity)


def test_a_drawdown_begins_at_the_last_moment_of_the_high_and_ends_at_the_first_of_the_low() -> None:
    actual = figures(curve(100, 120, 90, 120, 60, 60, 200, 150))

    assert (-0.5, day(3), day(4)) == (actual.max_drawdown, actual.drawdown_start, actual.drawdown_bottom)


# --- what is not defined -----------------------------------------------------------------------------------


def undefined(actual: Metrics, *names: str) -> list[str]:
    return [name for name in names if not math.isnan(getattr(actual, name))]


def test_nothing_is_said_of_a_run_without_a_statement() -> None:
    actual = figures(Desk())

    assert [] == undefined(
        actual, *YEARLY, "total_return", "max_drawdown", "average_exposure", "start_equity", "end_equity"
    )
    assert [] == undefined(
        actual, "win_rate", "profit_factor", "average_trade", "best_trade", "worst_trade", "expectancy"
    )
    for moment in (actual.start, actual.end, actual.drawdown_start, actual.drawdown_bottom):
        assert np.isnat(moment)
    assert (0, 0, 0, Decimal(0)) == (actual.fills, actual.trades, actual.open_trades, actual.commission)
    assert {0} == {*actual.orders.values()}


def test_one_statement_without_an_opening_has_no_return() -> None:
    actual = figures(earner())

    assert [] == undefined(actual, *YEARLY, "total_return", "max_drawdown")
    assert Decimal(1) == actual.start_equity == actual.end_equity
    assert 0.0 == actual.average_exposure


def test_an_opening_and_a_statement_have_no_deviation() -> None:
    actual = figures(curve(100, 90))

    assert [] == undefined(actual, "volatility", "sharpe")
    assert same(-math.sqrt(252), actual.sortino)
    assert 90 / 100 - 1 == actual.max_drawdown


def test_equity_that_never_moves_has_no_ratio() -> None:
    actual = figures(curve(100, 100, 100))

    assert [] == undefined(actual, "cagr", "sharpe", "sortino", "calmar")
    assert (0.0, 0.0, 0.0) == (actual.total_return, actual.volatility, actual.max_drawdown)
    assert 0.0 == figures(curve(100, 100, 100, days=15)).cagr
    assert np.isnat(actual.drawdown_start)
    assert np.isnat(actual.drawdown_bottom)


def test_statements_of_one_moment_span_no_year() -> None:
    desk = Desk()
    desk.deposit("USD", "100")
    desk.statement()
    desk.post(events.interest, "USD", "10")
    desk.statement()
    actual = figures(desk)

    assert [] == undefined(actual, "cagr", "calmar", "turnover")
    assert 110 / 100 - 1 == actual.total_return


def test_after_everything_is_lost_nothing_is_earned() -> None:
    desk = Desk()
    desk.deposit("USD", "100")
    desk.trade("ACME", "-10", 10.0)
    for desk.today, price in ((1, 10.0), (2, 25.0), (3, 5.0)):
        desk.mark(ACME=price)
        desk.statement()
    actual = figures(desk)

    assert (Decimal(100), Decimal(150)) == (actual.start_equity, actual.end_equity)  # by way of -50
    assert (0.5, -1.5) == (actual.total_return, actual.max_drawdown)
    assert [] == undefined(actual, *YEARLY[:-1])
    assert {"ruin"} == {actual.missing[name] for name in YEARLY[:-1]}


def test_a_debt_that_is_left_is_a_return_below_minus_one() -> None:
    desk = Desk()
    desk.deposit("USD", "100")
    desk.trade("ACME", "-10", 10.0)
    for desk.today, price in ((1, 10.0), (2, 30.0), (3, 30.0)):
        desk.mark(ACME=price)
        desk.statement()
    actual = figures(desk)

    assert (Decimal(-100), -2.0, -2.0) == (actual.end_equity, actual.total_return, actual.max_drawdown)
    assert {"ruin"} == {
        actual.missing[name] for name in ("cagr", "volatility", "sharpe", "sortino", "calmar")
    }
    desk.deposit("USD", "500")
    desk.today = 4
    desk.statement()
    assert "ruin" == figures(desk).missing["total_return"]  # a flow that meets a debt has no base


def test_a_loss_of_everything_is_a_loss_of_everything() -> None:
    desk = Desk()
    desk.deposit("USD", "100")
    desk.trade("BOLT", "1", 100.0)
    for desk.today, price in ((1, 100.0), (2, 0.0)):
        desk.mark(BOLT=price)
        desk.statement()
    actual = figures(desk)

    assert (-1.0, -1.0) == (actual.total_return, actual.max_drawdown)
    assert {"cagr": "ruin", "calmar": "ruin"} == {
        name: reason for name, reason in actual.missing.items() if name in YEARLY
    }
    assert same(statistics.stdev([0.0, -1.0]) * math.sqrt(252), actual.volatility)


@pytest.mark.parametrize(
    ("desk", "reasons"),
    [
        (Desk, {"cagr": "no statement", "end_equity": "no statement", "best_trade": "no trade"}),
        (earner, {"cagr": "one statement", "turnover": "one statement"}),
        (lambda: curve(100, 90, days=40), {"volatility": "one return", "sharpe": "one return"}),
        (lambda: curve(100, 90, 95), {"cagr": "less than 30 days", "calmar": "less than 30 days"}),
        (
            lambda: curve(100, 100, 100, days=40),
            {"sharpe": "no variance", "sortino": "no loss", "calmar": "no drawdown"},
        ),
    ],
)
def test_a_figure_that_does_not_exist_has_a_reason(desk: Callable[[], Desk], reasons: dict[str, str]) -> None:
    actual = figures(desk())

    assert {
        name
        for name in vars(Metrics)["__slots__"]
        if isinstance(value := getattr(actual, name), float | Decimal) and math.isnan(value)
    } == actual.missing.keys()
    assert reasons.items() <= actual.missing.items()
    assert [*reasons.values()] == [actual.text(name, ".2f") for name in reasons]
    assert "0" == actual.text("trades", "d")


def minutes(*equity: float, apart: int = 60 * 10**9, start: int = 0) -> Desk:
    """A desk whose statements, *apart* nanoseconds from *start* on, show this equity."""
    desk = Desk()
    for number, value in enumerate(equity):
        moment = np.datetime64(start + number * apart, "ns")
        if number == 0:
            desk.journal.post(moment, events.deposit, "USD", str(value))
            desk.journal.post(moment, events.buy, "BOLT", quantity="1", gross=str(value), fee="0")
        desk.journal.mark(moment, {"BOLT": float(value)})
        desk.journal.statement(moment)
    return desk


@pytest.mark.parametrize("apart", [1, 60 * 10**9])
def test_a_gain_of_minutes_has_no_annual_return(apart: int) -> None:
    actual = figures(minutes(1_000, 1_012, 1_025, 1_041, apart=apart), by="bar")

    assert same(0.041, actual.total_return)
    assert "less than 30 days" == actual.missing["cagr"] == actual.missing["calmar"]
    assert actual.sharpe > 0


def test_an_annual_return_beyond_float64_does_not_exist() -> None:
    assert math.isnan(cagr(np.array([1.0, 1e30]), 30.0))
    assert math.isnan(cagr(np.array([1.0, 1.1]), 29.9))
    assert same(1.1 ** (365.25 / 30) - 1, cagr(np.array([1.0, 1.1]), 30.0))
    assert -1.0 < cagr(np.array([1.0, 1e-300]), 36_525.0) < 0


def test_growth_beyond_float64_does_not_exist() -> None:
    equity, net_flows = np.full(40, 2.0**30), np.full(40, 2.0**-10 - 2.0**30)

    assert [1.0, 2.0**40] == growth(equity, net_flows)[:2].tolist()
    assert np.isnan(growth(equity, net_flows)[-1])


def test_the_longest_record_is_longer_than_64_bits_of_nanoseconds() -> None:
    first, last = (
        int(np.datetime64(moment, "ns").astype(np.int64)) for moment in ("1678-01-01", "2262-01-01")
    )
    actual = figures(minutes(100, 200, apart=last - first, start=first))

    years = (np.datetime64("2262-01-01") - np.datetime64("1678-01-01")).astype(int) / 365.25
    assert last - first > 2**63
    assert same(2 ** (1 / years) - 1, actual.cagr)
    assert same(100 / 2 / 150 / years, actual.turnover)


# --- what is rounding alone ----------------------------------------------------------------------------


def test_returns_that_are_equal_but_for_rounding_have_no_variance() -> None:
    actual = figures(curve(*(round(731 * 1.003**number, 6) for number in range(60))))

    assert 0 == actual.volatility
    assert "no variance" == actual.missing["sharpe"]
    assert "no loss" == actual.missing["sortino"]


def test_returns_that_differ_by_more_than_rounding_have_a_variance() -> None:
    actual = figures(curve(*(round(731 * 1.003**number, 6) + number % 2 * 1e-5 for number in range(60))))

    assert 0 < actual.volatility < 1e-6
    assert actual.sharpe > 1e6


def test_a_loss_within_rounding_is_no_loss() -> None:
    equity = [1_000.0, 1_000.000001, 1_000.0, 1_000.1] + [1_000.1 + number for number in range(40)]

    actual = figures(curve(*equity))

    assert {"no loss", "no drawdown"} == {actual.missing["sortino"], actual.missing["calmar"]}
    assert same(-1e-9, actual.max_drawdown) or math.isclose(-1e-9, actual.max_drawdown, rel_tol=1e-6)

    lost = figures(curve(*equity[:2], 999.9999, *equity[3:]))

    assert lost.sortino > 0
    assert lost.calmar > 0


@pytest.mark.parametrize("periods", [0, -1, NAN, math.inf])
def test_periods_are_a_number_above_zero(periods: float) -> None:
    with pytest.raises(ValueError, match="periods_per_year is a number above zero, not"):
        figures(Desk(), periods)


@pytest.mark.parametrize("currency", ["usd", "GBP", "ACME", ""])
def test_an_unknown_currency_is_refused(currency: str) -> None:
    with pytest.raises(UnknownCommodity, match=f"there is no currency '{currency}'"):
        figures(Desk(), currency=currency)


# --- orders and trades -------------------------------------------------------------------------------------


@pytest.fixture
def trader() -> Desk:
    """Five trades: net +99, -51, 0, -26 and +10 so far, of which the last is open."""
    desk = Desk()
    desk.deposit("USD", "10000")
    for number, (bought, sold) in enumerate(((10.0, 20.0), (10.0, 5.0), (10.0, 10.0), (10.0, 7.5))):
        desk.today = number
        desk.trade("ACME", "10", bought)
        desk.trade("ACME", "-10", sold, "0" if number == 2 else "1")  # free where nothing is gained
        desk.statement()
    desk.trade("BOLT", "20", 10.0)
    desk.trade("BOLT", "-10", 11.0)
    desk.record_event(desk.order("ACME", "1"), OrderEvent.REJECTED, Reason.NO_BAR)
    desk.record_event(desk.order("ACME", "1"), OrderEvent.OPEN_AT_THE_END)
    desk.record_event(desk.order("CORK", "1"), OrderEvent.EXPIRED)  # in euros
    desk.order("ACME", "1")
    desk.today = 4
    desk.mark(BOLT=11.0)
    desk.statement()
    return desk


def test_trades_by_hand(trader: Desk) -> None:
    actual = figures(trader)

    assert (4, 1) == (actual.trades, actual.open_trades)
    assert 1 / 4 == actual.win_rate
    assert 99 / 77 == actual.profit_factor
    assert 22 / 4 == actual.average_trade
    assert (Decimal(99), Decimal(-51)) == (actual.best_trade, actual.worst_trade)
    assert same((22 / 4) / (77 / 2), actual.expectancy)
    assert same((1 / 4 * 99 - 2 / 4 * 77 / 2) / (77 / 2), actual.expectancy)
    assert Decimal(3) == actual.commission


def test_orders_by_hand(trader: Desk) -> None:
    actual = figures(trader)

    assert 10 == actual.fills
    assert {
        "filled": 10,
        "cancelled": 0,
        "expired": 0,
        "rejected": 1,
        "open_at_the_end": 1,
        "working": 1,
    } == actual.orders
    assert ("EUR", 0, 1) == (
        (euro := figures(trader, currency="EUR")).currency,
        euro.fills,
        euro.orders["expired"],
    )


def test_turnover_and_exposure_by_hand(trader: Desk) -> None:
    actual = figures(trader)
    traded = 400 + 200 + 50 + 100 + 75 + 200 + 110
    equity = [10_099, 10_048, 10_048, 10_022, 10_042]

    assert same(traded / 2 / (sum(equity) / 5) / (4 / 365.25), actual.turnover)
    assert same(110 / 10_042 / 5, actual.average_exposure)


def test_winners_alone_have_no_profit_factor() -> None:
    desk = Desk()
    desk.deposit("USD", "100")
    desk.trade("ACME", "1", 10.0)
    desk.trade("ACME", "-1", 11.0)
    actual = figures(desk)

    assert [] == undefined(actual, "profit_factor", "expectancy")
    assert (1.0, 1.0, Decimal(1), Decimal(1)) == (
        actual.win_rate,
        actual.average_trade,
        actual.best_trade,
        actual.worst_trade,
    )


# --- as a whole --------------------------------------------------------------------------------------------


def test_each_currency_has_its_own_figures() -> None:
    desk = two_weeks()
    dollars, euros = figures(desk), figures(desk, currency="EUR")

    assert (Decimal(100000), Decimal("101039.178383")) == (dollars.start_equity, dollars.end_equity)
    assert (Decimal(50000), Decimal(50084)) == (euros.start_equity, euros.end_equity)
    assert (1, 2) == (dollars.trades, euros.trades)
    assert same(  # 100 euros were bought with dollars on the way
        50_004.25
        / 50_000
        * (50_001 / 50_004.25)
        * (49_993.5 / 50_001)
        * (50_082.25 / (49_993.5 + 100))
        * (50_084 / 50_082.25)
        - 1,
        euros.total_return,
    )


def test_a_table_is_read_once() -> None:
    desk = two_weeks()
    tables: list[str] = []

    class Counted:
        def columns(self, table: str, names: Sequence[str], /) -> dict[str, Column]:
            tables.append(table)
            return desk.journal.columns(table, names)

    history = History(Counted())
    for symbol in ("USD", "EUR"):
        metrics(history, symbol)

    of_orders = ["fill", "order_event", "orders"]  # read for each currency
    once = ["account", "commodity", "mark", "statement", "transfer", "txn"]
    assert sorted([*once, *of_orders, *of_orders]) == sorted(tables)


def test_figures_may_be_those_of_a_moment() -> None:
    desk = curve(100, 110, 99)
    actual = metrics(History(desk.journal, at="2024-01-02"))

    assert (Decimal(110), 0.0) == (actual.end_equity, actual.max_drawdown)


@pytest.mark.parametrize("currency", ["USD", "EUR"])
def test_ratios_are_of_what_the_views_show(currency: str) -> None:
    desk = two_weeks()
    actual = figures(desk, currency=currency)
    rows = desk.journal.sql(
        "select period.equity, gross_to_equity, net_flow"
        " from period join exposure using (statement, timestamp, currency)"
        " where currency = ? order by statement",
        [currency],
    ).rows()
    nets = desk.journal.sql("select pnl from trade where currency = ? and not is_open", [currency]).rows()
    equity = [float(row["equity"]) for row in rows]
    earned = [
        b / (a + float(row["net_flow"])) - 1
        for a, b, row in zip([0.0, *equity[:-1]], equity, rows, strict=True)
    ]

    assert same(statistics.fmean(row["gross_to_equity"] for row in rows), actual.average_exposure)
    assert same(math.prod(1 + r for r in earned) - 1, actual.total_return)
    assert same(statistics.stdev(earned) * math.sqrt(252), actual.volatility)
    assert sorted([actual.best_trade, actual.worst_trade]) == [
        f(row["pnl"] for row in nets) for f in (min, max)
    ]

"""The periods of the figures: from what was paid in, by session, and how many there are in a year."""

import statistics
from decimal import Decimal

import numpy as np
import pytest

from tests.execution.figures.test_metrics import curve, figures, same
from tests.support.desk import Desk, day
from tieout.execution.figures.metrics import sessions_per_year
from tieout.ledger.books import events


def test_the_record_begins_with_the_first_equity() -> None:
    desk = Desk()
    for desk.today in (1, 2):
        desk.statement()
    desk.deposit("USD", "100")
    desk.today = 3
    desk.statement()
    desk.today = 4
    desk.post(events.interest, "USD", "1")
    desk.statement()
    actual = figures(desk)

    assert (day(2), Decimal(100), Decimal(101)) == (actual.start, actual.start_equity, actual.end_equity)
    assert 1.01 - 1 == actual.total_return


def test_what_is_earned_before_the_first_statement_is_in_the_figures() -> None:
    fallen, risen = figures(curve(100, 75, 80), 4), figures(curve(100, 121), 4)

    assert (Decimal(100), -0.25, 80 / 100 - 1) == (
        fallen.start_equity,
        fallen.max_drawdown,
        fallen.total_return,
    )
    assert (day(0), day(1)) == (fallen.drawdown_start, fallen.drawdown_bottom)
    assert same(statistics.stdev([-0.25, 80 / 75 - 1]) * 2, fallen.volatility)
    assert 121 / 100 - 1 == risen.total_return
    assert "one return" == risen.missing["volatility"]


def test_payments_before_the_first_statement_are_its_base_at_their_first_time() -> None:
    desk = Desk()
    desk.today = 1
    desk.deposit("USD", "100")
    desk.today = 3
    desk.deposit("USD", "60")
    desk.post(events.withdrawal, "USD", "10")
    desk.post(events.interest, "USD", "15")
    desk.today = 40
    desk.statement()
    actual = figures(desk)

    assert (day(1), Decimal(150), 165 / 150 - 1) == (actual.start, actual.start_equity, actual.total_return)
    assert same(1.1 ** (365.25 / 39) - 1, actual.cagr)


def test_periods_are_sessions_however_often_was_stated() -> None:
    often, seldom = Desk(), Desk()
    for desk, hours in ((often, (6, 12, 18)), (seldom, (18,))):
        desk.deposit("USD", "100")
        desk.trade("BOLT", "1", 100.0)
        for number, prices in enumerate([(90, 130, 110), (200, 50, 99), (99, 98, 121)]):
            for hour, price in zip((6, 12, 18), prices, strict=True):
                if hour in hours:
                    moment = day(number) + np.timedelta64(hour, "h")
                    desk.journal.mark(moment, {"BOLT": float(price)})
                    desk.journal.statement(moment)
    one, other = figures(often, None), figures(seldom, None)
    by_bar = figures(often, None, by="bar")

    assert repr(one) == repr(other)
    assert same(statistics.stdev([0.1, -0.1, 121 / 99 - 1]) * 365**0.5, one.volatility)
    assert (365.0, 3 * 365.0) == (one.periods_per_year, by_bar.periods_per_year)
    assert one.total_return == by_bar.total_return
    assert (-0.1, 50 / 200 - 1) == (round(one.max_drawdown, 12), by_bar.max_drawdown)


@pytest.mark.parametrize(
    ("first", "last", "step", "expected"),
    [
        ("2021-12-20", "2024-02-01", 1, 365),  # every day: 365, 365 and no leap year in full
        ("2020-01-01", "2020-12-31", 1, 366),
        ("2022-03-01", "2022-09-01", 1, 365),
        ("2022-03-01", "2022-04-01", 7, 52),
        ("2019-06-05", "2023-06-05", 7, 52),
        ("2022-01-31", "2022-12-31", 30.4, 12),
        ("2022-01-31", "2022-12-31", 91.3, 4),
        ("2015-06-30", "2022-12-31", 365.25, 1),
        ("2022-01-03", "2022-01-03", 1, 252),
    ],
)
def test_periods_a_year_are_the_sessions_of_the_data(
    first: str, last: str, step: float, expected: float
) -> None:
    days = [int(np.datetime64(when, "D").astype(np.int64)) for when in (first, last)]
    sessions = np.unique(np.floor(np.arange(days[0], days[1] + 1, step)).astype(np.int64))

    assert expected == sessions_per_year(sessions)


def test_trading_days_have_the_median_of_the_full_years() -> None:
    days = np.arange("2019-11-01", "2023-03-01", dtype="M8[D]")
    sessions = days[np.is_busday(days)].astype(np.int64)

    assert 261 == sessions_per_year(sessions)  # 262, 261 and 260
    assert 252 == sessions_per_year(sessions[:150])

"""Cases of prices and sizes at the boundary: touches, cuts, weights of programs, revaluation."""

import numpy as np

from tests.support.market_notation import check
from tests.support.stage import fills, market, orders, perform
from tieout import Bars, TargetWeights

NAN = float("nan")


def test_an_order_is_met_by_a_close_at_its_very_price() -> None:
    check(
        """
        ACME  10  10  10
        0: buy 5 ACME limit 10     | 0: 5 @ 10 cash 950
        0: buy 5 ACME stop 10      | 0: 5 @ 10 cash 900
        1: sell 5 ACME limit 10    | 1: -5 @ 10 cash 950
        1: sell 4 ACME stop 10     | 1: -4 @ 10 cash 990
        """,
        same_close=True,
    )


def test_the_way_back_comes_after_all_of_the_way_to_the_first_extreme() -> None:
    # The stop lies at seven eighths of the way down, the limit at five eighths of the way up.
    check("""
        ACME  10  10  10/12/8/10  10
        0: buy 10 ACME                | 1: 10 @ 10 cash 900
        1: sell 10 ACME limit 10.5    ! 2: insufficient_position
        1: sell 10 ACME stop 8.25     | 2: -10 @ 8.25 cash 982.5
    """)


def test_of_two_orders_at_one_price_the_first_submitted_fills_first() -> None:
    check(
        """
        ACME  10  10/10/6/10  10
        0: buy 5 ACME limit 8    | 1: 5 @ 8 cash 5
        0: buy 4 ACME limit 8    ! 1: insufficient_cash
        """,
        cash=45,
    )


def test_many_touches_of_one_bar_fill_in_the_order_of_its_path() -> None:
    check(
        """
        ACME  10  10/10/3/10  10
        0: buy 1 ACME limit 9    | 1: 1 @ 9 cash 42
        0: buy 1 ACME limit 5    | 1: 1 @ 5 cash 7.5
        0: buy 1 ACME limit 8    | 1: 1 @ 8 cash 25.5
        0: buy 1 ACME limit 4    | 1: 1 @ 4 cash 3.5
        0: buy 1 ACME limit 6    | 1: 1 @ 6 cash 12.5
        0: buy 1 ACME limit 7    | 1: 1 @ 7 cash 18.5
        0: buy 1 ACME limit 8.5  | 1: 1 @ 8.5 cash 33.5
        """,
        cash=51,
    )


def test_a_cut_order_leaves_less_than_one_more_step_would_cost() -> None:
    # The commission of 150 would be 75 and that of the 95 that fit is 47.50: the first guess is 92.
    check(
        """
        ACME  10  10  10
        0: buy 150 ACME   | 1: 95 @ 10 fee 47.5 cash 2.5 ! 1: insufficient_cash
        """,
        insufficient="cut",
        rate=0.05,
    )


def test_a_target_of_nothing_sells_all_that_is_held() -> None:
    check("""
        ACME  10  10  10  10
        0: buy 7 ACME              | 1: 7 @ 10 cash 930
        1: target_percent 0 ACME   | 2: -7 @ 10 cash 1000
        2: target_value 0 ACME     | nothing
        2: value 7 ACME            ! 2: below_one_step
    """)


# --- programs -----------------------------------------------------------------------------------------------


def test_the_weights_of_a_program_are_of_the_equity_at_that_close() -> None:
    bars = market("""
        ACME  BOLT
        10    10
        10    10
        20    10
        20    10
    """)
    weights = np.array([[0.5, NAN], [NAN, NAN], [NAN, 0.2], [NAN, NAN]])

    # 500 at 20 and 5,000 in cash are 15,000.
    assert ["1: +500 ACME @ 10", "3: +300 BOLT @ 10"] == fills(perform(bars, TargetWeights(weights)))


def test_a_weight_of_zero_is_an_order_while_an_earlier_target_works() -> None:
    bars = market("""
        ACME  BOLT
        10    10
        -     10
        10    10
        10    10
    """)
    weights = np.array([[0.5, 0.0], [0.0, 0.0], [NAN, NAN], [NAN, NAN]])

    result = perform(bars, TargetWeights(weights))

    # Nothing of BOLT is held or ordered, so that its weights of zero are no orders.
    assert [
        "buy 500 ACME target -> filled",
        "sell 500 ACME target -> filled",
    ] == orders(result)


def test_every_holding_is_revalued_at_the_end_of_the_data() -> None:
    bars = market("""
        ACME  BOLT
        10    10
        10    10
        11    12
    """)
    weights = np.array([[0.3, 0.3], [NAN, NAN], [NAN, NAN]])

    with perform(bars, TargetWeights(weights)) as result:
        gains = result.journal.sql(
            "select account, credit from trial_balance where account like 'Income:Unrealised:%' order by all"
        ).rows()

    assert [("Income:Unrealised:ACME", 300), ("Income:Unrealised:BOLT", 600)] == [
        (row["account"], row["credit"]) for row in gains
    ]


def test_a_statement_a_session_takes_the_close_of_the_last_bar_before_a_gap() -> None:
    acme = np.array([10.0, 10.0, 12.0, NAN, 12.0])
    prices = np.stack([acme, np.full(5, 10.0)], axis=1)
    times = np.datetime64("2024-01-02T10", "ns") + np.array([0, 1, 2, 3, 24], "m8[h]")
    bars = Bars.from_arrays(
        times, ["ACME", "BOLT"], open=prices, high=prices, low=prices, close=prices, volume=prices * 100_000
    )
    weights = np.full((5, 2), NAN)
    weights[0, 0] = 0.5

    with perform(bars, TargetWeights(weights), statements="session") as result:
        marks = result.journal.sql("select price, stale from mark order by id").rows()

    assert [{"price": 12.0, "stale": True}, {"price": 12.0, "stale": False}] == marks

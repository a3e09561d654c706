"""Sizes of orders: whole steps, targets while orders work, and sizes that come to nothing."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.market_notation import check
from tests.support.stage import fills, market, orders, perform
from tieout import Costs, Signals, TargetWeights
from tieout.execution.kernels.submission import SIZE_ROUNDINGS, whole_steps

NAN = float("nan")
in_steps = getattr(whole_steps, "py_func", whole_steps)  # as plain Python: it is compiled into its callers
T, F = True, False

# --- a float just below a whole number ----------------------------------------------------------------------


@pytest.mark.parametrize("percent", range(1, 101))
def test_whole_percents_of_a_hundred_at_one_are_whole_shares(percent: int) -> None:
    weights = np.array([[percent / 100], [NAN]])

    result = perform(market("ACME\n1\n1"), TargetWeights(weights), cash="100")

    assert [f"1: +{percent} ACME @ 1"] == fills(result)


@pytest.mark.parametrize("sizing", ["value {money}", "percent {share}", "target_value {money}"])
@pytest.mark.parametrize("price", ["0.07", "0.1", "1.1", "4.35", "33.3"])
@pytest.mark.parametrize("count", [3, 7, 29, 113])
def test_what_buys_a_number_of_shares_buys_them_all(count: int, price: str, sizing: str) -> None:
    size = sizing.format(money=count * float(price), share=count * float(price) / 10_000)
    cash = Fraction(10_000) - count * Fraction(price)
    check(
        f"""
        ACME  {price}  {price}*1000000
        0: {size} ACME  | 1: {count} @ {price} cash {float(cash)}
        """,
        cash=10_000,
    )


def test_an_order_may_not_cost_more_than_was_asked() -> None:
    # 3 x 0.1 is just above 0.3, and 0.3 / 0.1 just below 3. Three shares cost 0.3 to the unit of money.
    check("ACME  0.1  0.1\n0: value 0.3 ACME  | 1: 3 @ 0.1 cash 999.7")
    # Below one and a half millionths by rounding alone: three shares would be worth two.
    check("""
        ACME  0.0000005  0.0000005*1000000
        0: value 0.0000014999999999999998 ACME  | 1: 2 @ 0.0000005 cash 999.999999
    """)
    # A millionth less does not buy the third share.
    check("ACME  0.1  0.1\n0: value 0.299999 ACME  | 1: 2 @ 0.1 cash 999.8")


@pytest.mark.parametrize(
    ("participation", "volume", "most"),
    [(0.29, 100.0, 29), (0.07, 100.0, 7), (0.1, 30.0, 3), (0.57, 100.0, 57), (0.3, 99.0, 29)],
)
def test_a_share_of_the_volume_is_not_one_share_short(participation: float, volume: float, most: int) -> None:
    check(
        f"""
        ACME  1  1*{volume}
        0: buy 100 ACME  | 1: {most} @ 1 cash {1_000 - most}; 1: open
        """,
        participation=participation,
    )


@given(st.integers(1, 2**26), st.integers(1, 2**26), st.integers(3 - SIZE_ROUNDINGS, SIZE_ROUNDINGS - 3))
def test_whole_steps_are_those_within_some_roundings(steps: int, step: int, ulps: int) -> None:
    whole = float(steps * step)
    quantity = whole * (1 + ulps * 2.0**-53)

    assert whole == in_steps(quantity, step, quantity)
    assert -whole == in_steps(-quantity, step, quantity)


def test_more_than_ten_roundings_below_a_step_are_a_step_less() -> None:
    below = 29.0
    for _ in range(2 * SIZE_ROUNDINGS):
        below = float(np.nextafter(below, 0))

    assert 28.0 == in_steps(below, 1, below)


# --- targets and orders under way ---------------------------------------------------------------------------


def test_a_target_counts_the_market_orders_that_wait() -> None:
    check("""
        ACME  10  10*0  10  10
        0: buy 10 ACME                | 2: 10 @ 10 cash 900
        1: target_quantity 10 ACME    | nothing
        1: target_quantity 12 ACME    | 2: 2 @ 10 cash 880
        2: target_quantity 0 ACME     | 3: -12 @ 10 cash 1000
    """)


def test_the_difference_to_a_target_is_truncated_toward_zero() -> None:
    check("""
        ACME  10  10  10  10  10
        0: buy 10 ACME           | 1: 10 @ 10 cash 900
        1: target_value 45 ACME  | 2: -5 @ 10 cash 950
        2: target_value 69 ACME  | 3: 1 @ 10 cash 940
        3: target_value 51 ACME  | nothing
    """)


def test_a_target_counts_no_resting_limit_and_no_stop() -> None:
    check("""
        ACME  10  10  10
        0: buy 10 ACME limit 5        | 2: open
        0: buy 10 ACME stop 20        | 2: open
        0: target_quantity 10 ACME    | 1: 10 @ 10 cash 900
        1: sell 10 ACME stop 1        | 2: open
        1: target_quantity 10 ACME    | nothing
    """)


def test_a_stop_that_was_triggered_counts_as_the_market_order_that_it_is() -> None:
    check(
        """
        ACME  10  12*10  12*10  12*100
        0: buy 3 ACME stop 11         | 1: 1 @ 12 cash 988; 2: 1 @ 12 cash 976; 3: 1 @ 12 cash 976
        1: target_quantity 3 ACME     | nothing
        2: target_quantity 2 ACME     | 3: -1 @ 12 cash 988
        """,
        participation=0.1,
    )


def test_a_market_order_that_is_replaced_or_canceled_counts_no_longer() -> None:
    check("""
        ACME  10  10*0  10
        0: buy 10 ACME                          | 1: cancelled
        0: buy 5 ACME                           | 1: cancelled
        1: cancel #1                            | nothing
        1: replace #0 target_quantity 7 ACME    | 2: 7 @ 10 cash 930
    """)


# --- sizes that come to nothing -----------------------------------------------------------------------------


def test_a_size_below_one_step_is_rejected_and_a_target_that_is_met_is_no_order() -> None:
    check("""
        ACME  10  10  10
        0: value 9.99 ACME              ! 0: below_one_step
        0: value -9.99 ACME             ! 0: below_one_step
        0: percent 0.0099 ACME          ! 0: below_one_step
        0: target_value 9.99 ACME       ! 0: below_one_step
        0: target_percent 0.0099 ACME   ! 0: below_one_step
        0: target_percent 0 ACME        | nothing
        0: target_quantity 0 ACME       | nothing
        0: buy 2 ACME                   | 1: 2 @ 10 cash 980
        1: target_quantity 2 ACME       | nothing
        1: target_value 29.99 ACME      | nothing
    """)


def test_a_target_below_one_step_sells_all_that_is_held() -> None:
    check(
        """
        ACME  10  10  10  10
        0: target_value 255 ACME        | 1: 25.5 @ 10 cash 745
        1: target_value 4.99 ACME       | 2: -25.5 @ 10 cash 1000
        2: target_value 4.99 ACME       ! 2: below_one_step
        """,
        step="0.5",
        lot="0.5",
    )


def test_an_entry_by_signal_that_buys_nothing_is_rejected() -> None:
    entries = np.array([[T], [F], [F]])

    result = perform(market("ACME\n60000\n60000\n60000"), Signals(entries, ~entries, value=1_000))

    assert ["sell 0 ACME -> rejected below_one_step"] == orders(result)


# --- an exit is not lost ------------------------------------------------------------------------------------


def test_an_exit_ends_the_entry_under_way_and_takes_what_is_held() -> None:
    bars = market("ACME\n" + "10*100\n" * 8)
    entries, exits = np.zeros((2, 8, 1), dtype=bool)
    entries[0] = exits[3] = T

    result = perform(bars, Signals(entries, exits, quantity=100), costs=Costs(participation=0.1))

    assert ["buy 100 ACME -> cancelled", "sell 30 ACME -> filled"] == orders(result)
    assert ["1: +10 ACME @ 10", "2: +10 ACME @ 10", "3: +10 ACME @ 10"] == fills(result)[:3]
    assert ["4: -10 ACME @ 10", "5: -10 ACME @ 10", "6: -10 ACME @ 10"] == fills(result)[3:]


def test_an_exit_on_a_day_without_a_bar_sells_at_the_next() -> None:
    bars = market("ACME  BOLT\n10 10\n10 10\n- 10\n- 10\n10 10\n10 10")
    entries, exits = np.zeros((2, 6, 2), dtype=bool)
    entries[0, 0] = exits[2, 0] = T

    result = perform(bars, Signals(entries, exits, quantity=5))

    assert ["buy 5 ACME -> filled", "sell 5 ACME -> filled"] == orders(result)
    assert ["1: +5 ACME @ 10", "4: -5 ACME @ 10"] == fills(result)


def test_an_exit_before_the_entry_has_filled_at_all_ends_it() -> None:
    bars = market("ACME\n10\n10*0\n10\n10")
    entries, exits = np.zeros((2, 4, 1), dtype=bool)
    entries[0] = exits[1] = T

    result = perform(bars, Signals(entries, exits, quantity=5))

    assert ["buy 5 ACME -> cancelled"] == orders(result)


def test_an_instrument_without_any_bar_takes_no_order() -> None:
    check("""
        ACME  10  10
        NONE  -   -
        0: buy 1 NONE                ! 0: no_bar
        0: target_quantity 1 NONE    ! 0: no_bar
        0: target_quantity 0 NONE    | nothing
    """)


# --- why nothing was traded ---------------------------------------------------------------------------------


def test_what_no_volume_left_unfilled_says_so() -> None:
    check("""
        ACME  10  10*0  10*0
        0: buy 1 ACME              | 2: open no_volume
        0: buy 1 ACME limit 11     | 2: open no_volume
        0: buy 1 ACME limit 9      | 2: open
        0: buy 1 ACME stop 9       | 2: open no_volume
        0: buy 1 ACME day          | 1: expired no_volume
        0: target_quantity 5 ACME  ! 1: no_volume
    """)


def test_a_reason_is_of_the_last_trial() -> None:
    check(
        """
        ACME  10  10*0  10*10  9*10
        0: buy 5 ACME              | 2: 1 @ 10 cash 990; 3: 1 @ 9 cash 981; 3: open
        """,
        participation=0.1,
    )

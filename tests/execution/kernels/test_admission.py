"""May an order fill, and for how much: what cash, holdings and volume allow, and why the rest is refused.

Beside each rule that is kept stands one that is broken, for buying and for selling.
"""

import pytest

from tests.support.market_notation import check

# Something to sell: ten shares bought at bar 0 and filled at 10 at the open of bar 1.
HELD = "0: buy 10 ACME | 1: 10 @ 10 cash 900"


# --- what the account can bear ------------------------------------------------------------------------------


def test_a_purchase_may_take_the_last_cent_and_not_one_more() -> None:
    check("""
        ACME  10  10.01  10
        BETA  10  10     10
        0: buy 100 ACME   ! 1: insufficient_cash
        0: buy 100 BETA   | 1: 100 @ 10 cash 0
    """)
    check(
        """
        ACME  10  10  10
        0: buy 100 ACME   ! 1: insufficient_cash
        0: buy 99 ACME    | 1: 99 @ 10 fee 10 cash 0
        """,
        commission="per_order",
        rate=10.0,
    )


def test_a_sale_of_all_that_is_held_fills_and_of_more_does_not() -> None:
    check(f"""
        ACME  10  10  10  10
        {HELD}
        1: sell 10 ACME  | 2: -10 @ 10 cash 1000
        2: sell 1 ACME     ! 3: insufficient_position
    """)
    check(f"""
        ACME  10  10  10
        {HELD}
        1: sell 11 ACME    ! 2: insufficient_position
    """)


def test_a_sale_whose_fee_is_more_than_there_is_with_its_proceeds_is_rejected() -> None:
    check(
        """
        ACME  10  10  1  1
        0: buy 9 ACME     | 1: 9 @ 10 fee 10 cash 0
        1: sell 9 ACME    ! 2: insufficient_cash
        """,
        cash=100,
        commission="per_order",
        rate=10.0,
    )


def test_an_order_is_cut_to_the_steps_that_cash_and_holdings_allow() -> None:
    check(
        """
        ACME  10  10  10  10
        0: buy 104 ACME   | 1: 99 @ 10 fee 10 cash 0 ! 1: insufficient_cash
        1: sell 200 ACME  | 2: -99 @ 10 fee 10 cash 980 ! 2: insufficient_position
        2: sell 1 ACME    ! 3: insufficient_position
        """,
        insufficient="cut",
        commission="per_order",
        rate=10.0,
    )


def test_a_purchase_is_cut_to_whole_lots() -> None:
    check(
        """
        ACME  10  10  10  10
        0: buy 104 ACME   | 1: 90 @ 10 fee 10 cash 90 ! 1: insufficient_cash
        1: buy 20 ACME    ! 2: insufficient_cash
        1: buy 5 ACME     | 2: 5 @ 10 fee 10 cash 30
        """,
        insufficient="cut_to_lots",
        lot="10",
        commission="per_order",
        rate=10.0,
    )


def test_what_fills_whole_is_not_cut_to_less() -> None:
    # Three at 33.3333334 come to 100.0000002, which is booked as 100 to the micro-dollar.
    check(
        """
        ACME  30  33.3333334  30
        0: buy 3 ACME     | 1: 3 @ 33.3333334 cash 0
        """,
        cash=100,
        insufficient="cut",
    )
    check(
        """
        ACME  30  33.3333334  30
        0: buy 4 ACME     | 1: 3 @ 33.3333334 cash 0 ! 1: insufficient_cash
        """,
        cash=100,
        insufficient="cut",
    )


def test_fractions_spend_exactly_what_there_is() -> None:
    story = check(
        """
        ACME  10  30  30
        0: buy 100 ACME   | 1: 33.33333333 @ 30 cash 0 ! 1: insufficient_cash
        """,
        insufficient="cut",
        step="0.00000001",
    )

    assert ["amount"] == [fill.basis for fill in story.fills]


def test_what_is_bought_for_an_amount_is_rounded_to_the_nearest() -> None:
    check(
        """
        ACME  10  60  60
        0: buy 100 ACME   | 1: 16.66666667 @ 60 cash 0 ! 1: insufficient_cash
        """,
        insufficient="cut",
        step="0.00000001",
    )


def test_fractions_spend_exactly_what_there_is_with_their_commission() -> None:
    story = check(
        """
        ACME  10  30  30
        0: buy 100 ACME   | 1: 33.3 @ 30 fee 1 cash 0 ! 1: insufficient_cash
        """,
        insufficient="cut",
        step="0.00000001",
        commission="per_order",
        rate=1.0,
    )

    assert ["amount"] == [fill.basis for fill in story.fills]


def test_an_unlimited_account_buys_on_debt_and_sells_what_it_has_not() -> None:
    check(
        """
        ACME  10  10  10
        BETA  10  10  10
        0: buy 200 ACME   | 1: 200 @ 10 cash -1000
        0: sell 5 BETA    | 1: -5 @ 10 cash -1000
        1: buy 8 BETA     | 2: 8 @ 10 cash -1030
        1: sell 300 ACME  | 2: -300 @ 10 cash 970
        """,
        unlimited=True,
    )


# --- volume -------------------------------------------------------------------------------------------------


def test_an_order_takes_its_share_of_the_volume_and_carries_over_the_rest() -> None:
    check(
        """
        ACME  10  10*40  10*35  10*100
        0: buy 10 ACME    | 1: 4 @ 10 cash 960; 2: 3 @ 10 cash 930; 3: 3 @ 10 cash 900
        0: buy 2 ACME     | 3: 2 @ 10 cash 880
        """,
        participation=0.1,
    )


def test_the_minimum_commission_counts_once_an_order() -> None:
    check(
        """
        ACME  10  10*40  10*40  10*40
        0: buy 12 ACME    | 1: 4 @ 10 fee 2 cash 958; 2: 4 @ 10 cash 918; 3: 4 @ 10 fee 0.4 cash 877.6
        """,
        participation=0.1,
        rate=0.02,
        minimum=2.0,
    )
    check(
        """
        ACME  10  10*40  10*40
        0: buy 8 ACME     | 1: 4 @ 10 fee 2 cash 958; 2: 4 @ 10 cash 918
        """,
        participation=0.1,
        commission="per_order",
        rate=2.0,
    )


def test_a_commission_a_share_has_a_minimum_and_a_maximum() -> None:
    check(
        """
        ACME  10  10  10  10  10
        0: buy 20 ACME    | 1: 20 @ 10 fee 10 cash 790
        1: buy 1 ACME     | 2: 1 @ 10 fee 1 cash 779   -- the minimum of 2, but no more than a tenth
        2: buy 3 ACME     | 3: 3 @ 10 fee 2 cash 747
        """,
        commission="per_share",
        rate=0.5,
        minimum=2.0,
        maximum=0.1,
    )


def test_nothing_fills_on_a_bar_without_volume_unless_asked() -> None:
    check("""
        ACME  10  10/12/8/10*0  10
        0: buy 1 ACME             | 2: 1 @ 10 cash 990
        0: buy 1 ACME limit 9     | 2: open
        0: buy 1 ACME stop 11     | 2: open
    """)
    check(
        """
        ACME  10  10/12/8/10*0  10
        0: buy 1 ACME             | 1: 1 @ 10 cash 990
        0: buy 1 ACME limit 9     | 1: 1 @ 9 cash 981
        0: buy 1 ACME stop 11     | 1: 1 @ 11 cash 970
        """,
        without_volume=True,
    )


def test_a_stop_that_volume_fills_in_part_goes_on_as_a_market_order() -> None:
    check(
        """
        ACME  10  10  10/10/8/10*40  12
        0: buy 10 ACME            | 1: 10 @ 10 cash 900
        1: sell 6 ACME stop 9     | 2: -4 @ 9 cash 936; 3: -2 @ 12 cash 960
        """,
        participation=0.1,
    )


def test_a_stop_that_is_touched_goes_on_as_a_market_order_though_others_took_the_volume() -> None:
    check(
        """
        ACME  10  10  10/10/8/10*40  12
        0: buy 10 ACME            | 1: 10 @ 10 cash 900
        1: sell 4 ACME stop 9     | 2: -4 @ 9 cash 936
        1: sell 6 ACME stop 9     | 3: -6 @ 12 cash 1008
        """,
        participation=0.1,
    )


# --- refusals of the market ---------------------------------------------------------------------------------


def test_an_order_on_a_day_without_a_bar_is_rejected() -> None:
    check("""
        ACME  10  -   10
        BETA  10  10  10
        1: buy 1 ACME    ! 1: no_bar
        1: buy 1 BETA    | 2: 1 @ 10 cash 990
    """)


def test_a_size_that_only_a_price_tells_is_not_known_on_a_day_without_a_bar() -> None:
    story = check("""
        ACME  10  -   10
        BETA  10  10  10
        1: value 50 ACME           ! 1: no_bar
        1: target_percent 0.5 ACME ! 1: no_bar
        1: target_quantity 5 ACME  ! 1: no_bar
    """)

    assert [0, 0, 5] == [end.quantity // 10**8 for end in story.ends]


def test_nothing_is_ordered_where_nothing_is_wanted_on_a_day_without_a_bar() -> None:
    check("""
        ACME  10  -   10
        BETA  10  10  10
        1: target_percent 0 ACME   | nothing
        1: target_quantity 0 ACME  | nothing
        1: target_value 1 ACME     ! 1: no_bar
    """)


def test_more_than_a_float_holds_is_rejected() -> None:
    check(
        """
        ACME  10  10  10
        0: buy 90071992 ACME   | 1: 90071992 @ 10 cash -900718920
        0: buy 90071993 ACME   ! 0: quantity_out_of_range
        0: sell 90071993 ACME  ! 0: quantity_out_of_range
        """,
        unlimited=True,
    )


def test_no_more_is_held_than_one_order_can_sell() -> None:
    check("""
        ACME  0.0000001  0.0000001  0.0000001  0.0000001
        0: buy 90071992 ACME   | 1: 90071992 @ 0.0000001 cash 990.992801
        1: buy 10 ACME         ! 2: quantity_out_of_range
        2: sell 90071992 ACME  | 3: -90071992 @ 0.0000001 cash 1000
    """)


@pytest.mark.parametrize("insufficient", ["reject", "cut", "cut_to_lots"])
def test_a_cost_past_64_bits_is_refused_and_not_wrapped(insufficient: str) -> None:
    check(
        """
        ACME  100000  100000  100000
        0: buy 90000000 ACME   ! 1: insufficient_cash
        """,
        rate=0.03,
        insufficient=insufficient,
    )
    check(
        """
        ACME  10  10  10
        0: buy 1 ACME          ! 1: insufficient_cash
        """,
        commission="per_order",
        rate=1e14,
        insufficient=insufficient,
    )


def test_what_is_worth_nothing_is_dust() -> None:
    check(
        """
        ACME  10  10  10  10
        0: buy 0.00000005 ACME  ! 1: dust
        0: buy 0.00000006 ACME  | 1: 0.00000006 @ 10 cash 999.999999
        1: sell 0.00000005 ACME ! 2: dust
        1: sell 0.00000006 ACME | 2: -0.00000006 @ 10 cash 1000
        """,
        step="0.00000001",
    )

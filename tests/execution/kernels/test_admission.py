"""May an order fill, and for how much: what cash, holdings and volume allow, and why the rest is refused.

Beside each rule that is kept stands one that is broken, for buying and for selling.
"""

import numpy as np
import pytest

from tests.support.market_notation import check
from tests.support.stage import FIRST_DAY, Acts, perform
from tieout import Bar, Bars, Broker, CashAccount, Costs, PercentCommission, Strategy

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


# --- many orders of one bar ---------------------------------------------------------------------------------


def rising() -> Bars:
    """Fifty instruments over thirty days, at 100 and one more each day."""
    price = 100.0 + np.arange(30)[:, None] + np.zeros(50)
    days = FIRST_DAY + np.arange(30) * np.timedelta64(1, "D")
    symbols = [f"S{n:02}" for n in range(50)]
    return Bars.from_arrays(days, symbols, open=price, high=price, low=price, close=price)


@pytest.mark.parametrize(
    ("insufficient", "cash_left"),
    [
        # A purchase of 200 shares at 101 with 0.1 % takes 20,220.20, so seventeen fill.
        ("reject", 6_256.6),
        # 6,256.60 are left for the eighteenth: 61 shares at 101.101. 89.439 do not pay for another.
        ("cut", 89.439),
    ],
)
def test_fifty_orders_for_more_than_the_cash_leave_no_debt(insufficient: str, cash_left: float) -> None:
    def act(bar: Bar, broker: Broker) -> None:
        for symbol in bar.symbols:
            broker.order_value(symbol, 20_000)

    account = CashAccount(350_000, insufficient)  # type: ignore[arg-type]  # named by the parameter
    costs = Costs(PercentCommission("0.001"))
    with perform(rising(), Acts({0: act}), account=account, costs=costs) as result:
        cash = [float(value) for value in result.equity["cash"]]
        orders = result.orders
        assert [] == result.journal.sql("from proof").rows()

    assert 0 <= min(cash)
    assert 17 == (orders["status"] == "filled").sum()
    assert {"insufficient_cash"} == set(orders["reason"]) - {"none"}
    assert cash_left == cash[-1]


def test_an_order_without_cash_or_position_ends_at_its_first_bar() -> None:
    class Restless(Strategy):
        def on_bar(self, bar: Bar, broker: Broker) -> None:
            for place, symbol in enumerate(bar.symbols):
                if place % 3 == 0:
                    broker.buy(symbol, 1_000)
                elif place % 3 == 1:
                    broker.sell(symbol, 10)
                else:
                    broker.target_percent(symbol, 0.02)

    with perform(rising(), Restless(), cash="100000") as result:
        ends = result.journal.sql(
            "select status, reason, max(date_diff('day', timestamp, ended_at)) as days,"
            " max(timestamp) as last"
            " from order_history group by all order by all"
        ).rows()
        last = result.equity["timestamp"][-1]

    assert {"filled", "rejected", "open_at_the_end"} == {row["status"] for row in ends}
    assert {"none", "insufficient_cash", "insufficient_position"} == {row["reason"] for row in ends}
    assert {0, 1} >= {row["days"] for row in ends}
    assert [last] == [row["last"] for row in ends if row["status"] == "open_at_the_end"]


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
        0: buy 1 ACME limit 9     | 2: open no_volume
        0: buy 1 ACME stop 11     | 2: open no_volume
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


def test_an_order_that_a_cut_leaves_worth_nothing_lacks_the_cash() -> None:
    check(
        """
        ACME  0.0000001  0.0000001
        BETA  10         10
        0: buy 100 BETA     | 1: 100 @ 10 cash 0
        0: buy 40 ACME      ! 1: insufficient_cash
        0: buy 4 ACME       ! 1: dust
        """,
        insufficient="cut",
    )


# --- refusals of the market ---------------------------------------------------------------------------------


def test_a_quantity_needs_no_price_and_waits_for_the_next_bar() -> None:
    check("""
        ACME  10  -   -   10
        BETA  10  10  10  10
        1: buy 1 ACME    | 3: 1 @ 10 cash 980
        1: buy 1 BETA    | 2: 1 @ 10 cash 990
    """)


def test_a_size_that_only_a_price_tells_is_not_known_on_a_day_without_a_bar() -> None:
    story = check("""
        ACME  10  -   10
        BETA  10  10  10
        1: value 50 ACME           ! 1: no_bar
        1: target_percent 0.5 ACME ! 1: no_bar
        1: target_quantity 5 ACME  | 2: 5 @ 10 cash 950
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

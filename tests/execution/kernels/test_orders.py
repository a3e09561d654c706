"""Every rule of the bar step on orders: what fills, at what price and for how much, and what is refused.

Beside each rule that is kept stands one that is broken, for buying and for selling.
"""

from decimal import Decimal
from typing import Any

import pytest

from tests.support.market_notation import check
from tests.support.stage import Acts, fills, market, perform, perform_acts
from tieout import Bar, Broker, Costs, Fill, PerOrderCommission, UnlimitedAccount
from tieout.execution.errors import MalformedOrder

# Something to sell: ten shares bought at bar 0 and filled at 10 at the open of bar 1.
HELD = "0: buy 10 ACME | 1: 10 @ 10 cash 900"


def test_a_market_order_fills_at_the_next_open_and_not_at_its_own_bar() -> None:
    check("""
        ACME  10/12/9/11  13/14/12/13  15
        0: buy 2 ACME    | 1: 2 @ 13 cash 974
        1: sell 2 ACME   | 2: -2 @ 15 cash 1004
        2: buy 1 ACME    | 2: open
    """)


def test_an_order_decided_at_a_close_fills_at_that_very_close_where_the_run_says_so() -> None:
    check(
        """
        ACME  10/12/9/11  13/14/12/13  15
        0: buy 2 ACME              | 0: 2 @ 11 cash 978
        0: buy 1 ACME limit 10.5   | 2: open
        1: sell 2 ACME             | 1: -2 @ 13 cash 1004
        2: buy 1 ACME              | 2: 1 @ 15 cash 989
        """,
        same_close=True,
    )


def test_a_limit_order_fills_when_its_price_is_touched_exactly_and_not_before() -> None:
    check("""
        ACME  10  10/12/8/10  10
        0: buy 1 ACME limit 8       | 1: 1 @ 8 cash 992
        0: buy 1 ACME limit 7.99    | 2: open
    """)
    check(f"""
        ACME  10  10  10/12/8/10  10
        {HELD}
        1: sell 1 ACME limit 12     | 2: -1 @ 12 cash 912
        1: sell 1 ACME limit 12.01  | 3: open
    """)


def test_a_limit_order_gets_the_better_of_limit_and_open() -> None:
    check("""
        ACME  10  7/12/7/10  10
        0: buy 1 ACME limit 8       | 1: 1 @ 7 cash 993
        0: buy 1 ACME limit 6.5     | 2: open
    """)
    check(f"""
        ACME  10  10  13/13/8/10  10
        {HELD}
        1: sell 1 ACME limit 12     | 2: -1 @ 13 cash 913
        1: sell 1 ACME limit 13.5   | 3: open
    """)


def test_a_stop_fills_at_its_price_when_touched_and_not_before() -> None:
    check("""
        ACME  10  10/12/8/10  10
        0: buy 1 ACME stop 12       | 1: 1 @ 12 cash 988
        0: buy 1 ACME stop 12.01    | 2: open
    """)
    check(f"""
        ACME  10  10  10/12/8/10  10
        {HELD}
        1: sell 1 ACME stop 8       | 2: -1 @ 8 cash 908
        1: sell 1 ACME stop 7.99    | 3: open
    """)


def test_a_stop_that_the_open_gaps_through_fills_at_the_open() -> None:
    check("""
        ACME  10  13/14/12.5/13  13
        0: buy 1 ACME stop 12       | 1: 1 @ 13 cash 987
        0: buy 1 ACME stop 15       | 2: open
    """)
    check(f"""
        ACME  10  10  7/8/6/7  7
        {HELD}
        1: sell 1 ACME stop 9       | 2: -1 @ 7 cash 907
        1: sell 1 ACME stop 5       | 3: open
    """)


def test_slippage_is_against_who_trades_and_leaves_limits_alone() -> None:
    check(
        """
        ACME  10  10  20/20/8/10  8
        0: buy 2 ACME               | 1: 2 @ 15 cash 970
        1: sell 1 ACME              | 2: -1 @ 10 cash 980
        1: sell 1 ACME limit 18     | 2: -1 @ 20 cash 1000
        1: buy 1 ACME limit 8       | 2: 1 @ 8 cash 992
        2: sell 1 ACME stop 9       | 3: -1 @ 4 cash 996
        """,
        slippage=0.5,
    )


# --- how long an order is good for --------------------------------------------------------------------------


def test_a_day_order_is_good_for_the_next_day_and_any_other_until_it_is_cancelled() -> None:
    check("""
        ACME  10  10  10/12/7/10
        0: buy 1 ACME limit 8 day   | 1: expired
        0: buy 1 ACME limit 8       | 2: 1 @ 8 cash 992
        1: buy 1 ACME limit 8 day   | 2: 1 @ 8 cash 984
    """)


def test_a_day_order_of_the_morning_is_good_until_the_evening() -> None:
    check(
        """
        ACME  10  10  10/10/8/10  10  10/10/7/10  10/10/6/10
        0: buy 1 ACME limit 8 day   | 2: 1 @ 8 cash 992   -- the same date
        0: buy 1 ACME limit 7 day   | 2: expired
        2: buy 1 ACME limit 7 day   | 4: 1 @ 7 cash 985   -- given in the evening, good for the next date
        2: buy 1 ACME limit 6.5 day | 5: 1 @ 6.5 cash 978.5
        2: buy 1 ACME limit 5 day   | 5: expired
        """,
        bars_a_date=3,
    )


def test_the_day_of_a_day_order_is_the_first_on_which_its_instrument_has_a_bar() -> None:
    check("""
        ACME  10  -   10  10/10/7/10
        BETA  10  10  10  10
        0: buy 1 ACME limit 8 day   | 2: expired
        0: buy 1 BETA limit 8 day   | 1: expired
    """)


def test_a_day_order_that_the_close_of_its_own_bar_does_not_fill_has_had_its_day() -> None:
    check(
        """
        ACME  10  10/10/7/7
        0: buy 1 ACME limit 8 day   | 0: expired
        0: buy 1 ACME limit 10 day  | 0: 1 @ 10 cash 990
        """,
        same_close=True,
    )


def test_a_target_is_good_for_the_next_bar_of_its_instrument_only() -> None:
    check(
        """
        ACME  10  -  10*40  10
        0: target_quantity 10 ACME  | 2: 4 @ 10 cash 960; 2: expired
        0: buy 10 ACME              | 3: 10 @ 10 cash 860
        """,
        participation=0.1,
    )


def test_a_target_is_rejected_where_its_one_bar_trades_nothing() -> None:
    check("""
        ACME  10  10*0  10
        0: target_quantity 10 ACME  ! 1: no_volume
        0: buy 10 ACME              | 2: 10 @ 10 cash 900
    """)


# --- targets ------------------------------------------------------------------------------------------------


def test_a_target_is_the_difference_to_what_is_held_in_whole_steps() -> None:
    check(
        """
        ACME  10  10  10  10  12
        0: target_value 99 ACME        | 1: 9 @ 10 cash 910
        1: target_quantity 9 ACME      | nothing
        1: target_value 95 ACME        | nothing
        2: target_value 45 ACME        | 3: -4 @ 10 cash 950
        3: target_percent 0.5 ACME     | 4: 45 @ 12 cash 410
        """
    )


def test_asking_for_a_target_twice_changes_nothing() -> None:
    check("""
        ACME  10  10  10
        BETA  10  10  10
        0: target_percent 0.5 ACME     | 1: 50 @ 10 cash 500
        0: target_percent 0.5 ACME     | nothing
        0: target_quantity 60 ACME     | 1: 10 @ 10 cash 400
        1: target_percent 0.6 ACME     | nothing
    """)


def test_limits_and_stops_that_work_do_not_count_toward_a_target() -> None:
    check("""
        ACME  10  10  10
        0: buy 10 ACME limit 9         | 2: open
        0: buy 10 ACME stop 11         | 2: open
        0: target_quantity 10 ACME     | 1: 10 @ 10 cash 900
        1: sell 10 ACME stop 9         | 2: open
        1: target_quantity 10 ACME     | nothing
    """)


def test_the_price_of_a_fill_does_not_change_a_target() -> None:
    check("""
        ACME  10  20  20
        0: target_percent 0.4 ACME     | 1: 40 @ 20 cash 200
    """)


def test_sizes_in_money_and_in_percent_are_found_at_the_close() -> None:
    check("""
        ACME  10  8/10/8/10  10
        0: value 105 ACME              | 1: 10 @ 8 cash 920
        0: percent 0.25 ACME           | 1: 25 @ 8 cash 720
        0: value 9 ACME                ! 0: below_one_step
        1: value -55 ACME              | 2: -5 @ 10 cash 770
        1: percent -0.05 ACME limit 11 | 2: open
    """)


# --- cancel and replace -------------------------------------------------------------------------------------


def test_a_working_order_is_cancelled_and_a_filled_one_is_not() -> None:
    check("""
        ACME  10  10  10
        0: buy 1 ACME limit 9     | 1: cancelled
        0: buy 1 ACME             | 1: 1 @ 10 cash 990
        1: cancel #0              | nothing
        1: cancel #1              | nothing
        1: cancel #0              | nothing
    """)


def test_a_working_order_is_replaced_and_a_filled_one_is_not() -> None:
    story = check("""
        ACME  10  10  10
        0: buy 5 ACME limit 9            | 1: cancelled
        0: buy 1 ACME                    | 1: 1 @ 10 cash 990
        1: replace #0 buy 4 ACME         | 2: 4 @ 10 cash 950
        1: replace #1 buy 7 ACME         | nothing
        1: replace #0 buy 7 ACME         | nothing
    """)

    assert [None, None, 0] == [end.replaces for end in story.ends]


def test_the_rest_of_an_order_is_replaced() -> None:
    check(
        """
        ACME  10  10*40  10  10
        0: buy 10 ACME                   | 1: 4 @ 10 cash 960; 1: cancelled
        1: replace #0 buy 3 ACME         | 2: 3 @ 10 cash 930
        """,
        participation=0.1,
    )


def test_a_replacement_that_is_refused_leaves_what_it_would_have_replaced() -> None:
    check("""
        ACME  10  10  -  10/10/8/8
        0: buy 5 ACME                      | 1: 5 @ 10 cash 950
        1: sell 5 ACME stop 9              | 3: -5 @ 9 cash 995
        2: replace #1 sell 90071993 ACME   ! 2: quantity_out_of_range
    """)


def test_a_target_that_is_replaced_counts_no_longer() -> None:
    check("""
        ACME  10  10  10
        0: target_quantity 5 ACME             | 0: cancelled
        0: replace #0 target_quantity 3 ACME  | 1: 3 @ 10 cash 970
    """)


def test_a_target_that_ends_unfilled_counts_no_longer() -> None:
    check("""
        ACME  10  10*0  10  10
        0: target_quantity 5 ACME          ! 1: no_volume
        1: target_quantity 5 ACME          | 2: 5 @ 10 cash 950
    """)


# --- the path within a bar ----------------------------------------------------------------------------------


def test_of_stop_and_limit_inside_one_bar_the_one_against_the_position_comes_first() -> None:
    check(f"""
        ACME  10  10  10/12/8/10  10
        {HELD}
        1: sell 10 ACME limit 11    ! 2: insufficient_position
        1: sell 10 ACME stop 9      | 2: -10 @ 9 cash 990
    """)
    check(
        """
        ACME  10  10  10/12/8/10  10
        0: sell 10 ACME             | 1: -10 @ 10 cash 1000
        1: buy 10 ACME limit 9      | 2: 10 @ 9 cash 900
        1: buy 10 ACME stop 11      | 2: 10 @ 11 cash 990
        """,
        unlimited=True,
    )


def test_a_limit_is_met_on_the_way_down_in_the_order_of_prices_and_of_submission() -> None:
    check(
        """
        ACME  10  10/10/6/10  10
        0: buy 5 ACME limit 7       ! 1: insufficient_cash
        0: buy 5 ACME limit 9       | 1: 5 @ 9 cash 55
        0: buy 6 ACME limit 8       | 1: 6 @ 8 cash 7
        0: buy 1 ACME limit 8       ! 1: insufficient_cash
        """,
        cash=100,
    )


def test_the_paths_of_all_instruments_are_walked_at_one_pace() -> None:
    # Halfway down at the same moment the first submitted is first. A quarter of the way is before both.
    check(
        """
        ACME  10  10/10/6/10     10
        BETA  10  10/10/8/10     10
        CORE  10  10/10/2/10     10
        0: buy 1 ACME limit 8    | 1: 1 @ 8 cash 3
        0: buy 1 BETA limit 9    ! 1: insufficient_cash
        0: buy 1 CORE limit 8    | 1: 1 @ 8 cash 11
        """,
        cash=19,
    )


def test_proceeds_from_inside_a_bar_never_fund_its_open() -> None:
    check(
        """
        ACME  10  10  10/12/10/12  10
        BETA  10  10  10           10
        0: buy 10 ACME              | 1: 10 @ 10 cash 0
        1: buy 1 BETA               ! 2: insufficient_cash
        1: sell 10 ACME limit 11    | 2: -10 @ 11 cash 110
        2: buy 1 BETA               | 3: 1 @ 10 cash 100
        """,
        cash=100,
    )


def test_what_reduces_a_position_comes_before_what_adds_to_one() -> None:
    check(
        """
        ACME  10  10  10  10
        BETA  10  10  10  10
        0: buy 10 ACME              | 1: 10 @ 10 cash 0
        1: buy 10 BETA              | 2: 10 @ 10 cash 0
        1: sell 10 ACME             | 2: -10 @ 10 cash 100
        """,
        cash=100,
    )
    check(
        """
        ACME  10  10  10  10
        BETA  10  10  10  10
        0: buy 5 ACME               | 1: 5 @ 10 cash 50
        0: buy 6 BETA               ! 1: insufficient_cash
        0: buy 5 BETA               | 1: 5 @ 10 cash 0
        """,
        cash=100,
    )


def test_the_cover_of_a_short_comes_before_what_adds() -> None:
    story = check(
        """
        ACME  10  10  10  10
        BETA  10  10  10  10
        0: sell 10 ACME             | 1: -10 @ 10 cash 100
        1: buy 5 BETA               | 2: 5 @ 10 cash 50
        1: buy 10 ACME              | 2: 10 @ 10 cash 100
        """,
        cash=100,
        unlimited=True,
    )

    assert ["ACME", "ACME", "BETA"] == [fill.symbol for fill in story.fills]


# --- the end of an instrument -------------------------------------------------------------------------------


def test_an_instrument_without_a_later_bar_is_closed_at_its_last_close() -> None:
    story = check("""
        ACME  10  10/12/10/12  -   -
        BETA  10  10           10  10
        0: buy 10 ACME             | 1: 10 @ 10 cash 900
        0: buy 1 BETA limit 9      | 3: open
        1: buy 10 ACME limit 9     | 2: cancelled instrument_ended
        1: sell 10 ACME stop 9     | 2: cancelled instrument_ended
        2: buy 10 ACME             ! 2: no_bar
    """)

    assert [(900, 10), (1_020, 0)] == [
        (state.cash // 10**6, state.positions.get("ACME", 0) // 10**8) for state in story.states[1:3]
    ]
    assert 20 * 10**6 == story.books[2].realized


@pytest.mark.parametrize("side", [1, -1])
def test_a_position_that_ends_is_an_order_and_a_fill_without_a_fee(side: int) -> None:
    costs = Costs(commission=PerOrderCommission("1"))
    acts = {0: lambda _, b: b.buy("ACME", 10) if side > 0 else b.sell("ACME", 10)}
    bars = market("ACME BOLT\n10 5\n10 5\n12 5\n- 5\n- 5")
    account = UnlimitedAccount("1000")

    result, _ = perform_acts(bars, acts, account=account, costs=costs)

    rows = result.orders.sort("id").select("quantity", "tag", "status", "reason", "average_price").rows()
    assert [
        (10 * side, "", "filled", "none", 10.0),
        (-10 * side, "instrument_ended", "filled", "none", 12.0),
    ] == rows
    assert [f"1: {10 * side:+d} ACME @ 10", f"3: {-10 * side:+d} ACME @ 12"] == fills(result)
    commissions = result.journal.sql("select commission from fill order by id").rows()
    assert [10**6, 0] == [row["commission"] for row in commissions]
    assert [] == result.journal.sql("from proof").rows()
    assert (1, Decimal(1_000 - 1 + 20 * side)) == (result.metrics.ended, result.metrics.end_equity)


def test_a_strategy_hears_of_a_position_that_ends() -> None:
    heard = []

    class Holds(Acts):
        def on_fill(self, fill: Fill, broker: Broker) -> None:
            heard.append((str(fill.timestamp)[:10], fill.quantity, fill.price, broker.position("ACME")))

    bars = market("ACME BOLT\n10 5\n10 5\n12 5\n- 5\n- 5")
    perform(bars, Holds({0: lambda _, b: b.buy("ACME", 10)}))

    assert [("2024-01-02", 10.0, 10.0, 10.0), ("2024-01-04", -10.0, 12.0, 0.0)] == heard


def test_a_gap_is_not_an_end_and_leaves_the_last_close_as_a_stale_mark() -> None:
    story = check("""
        ACME  10  10/12/10/12  -   10
        BETA  10  10           10  10
        0: buy 10 ACME             | 1: 10 @ 10 cash 900
        1: sell 1 ACME             | 3: -1 @ 10 cash 910
    """)

    assert [1_000, 1_020, 1_020, 1_000] == [state.equity // 10**6 for state in story.states]


def test_a_short_position_is_covered_at_the_last_close() -> None:
    story = check(
        """
        ACME  10  10/12/10/12  -   -
        BETA  10  10           10  10
        0: sell 10 ACME            | 1: -10 @ 10 cash 1000
        """,
        unlimited=True,
    )

    assert (980, {}) == (story.states[2].cash // 10**6, story.states[2].positions)


# --- malformed orders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "args", "terms", "message"),
    [
        ("buy", ("NONE", 1), {}, "there is no instrument 'NONE'"),
        ("buy", ("ACME", 0), {}, "not above zero"),
        ("buy", ("ACME", -1), {}, "not above zero"),
        ("sell", ("ACME", -1), {}, "not above zero"),
        ("buy", ("ACME", float("nan")), {}, "not a number"),
        ("buy", ("ACME", float("inf")), {}, "not a number"),
        ("buy", ("ACME", "ten"), {}, "not a number"),
        ("buy", ("ACME", 0.5), {}, "whole number of steps"),
        ("buy", ("ACME", 1), {"limit": 0}, "not a price above zero"),
        ("buy", ("ACME", 1), {"limit": -5}, "not a price above zero"),
        ("buy", ("ACME", 1), {"limit": float("nan")}, "not a"),
        ("sell", ("ACME", 1), {"stop": 0}, "not a price above zero"),
        ("sell", ("ACME", 1), {"stop": float("inf")}, "not a"),
        ("buy", ("ACME", 1), {"limit": 9, "stop": 11}, "not both"),
        ("buy", ("ACME", 1), {"tif": "fok"}, "neither gtc nor day"),
        ("buy", ("ACME", 1), {"tif": "target"}, "for targets"),
        ("buy", ("ACME", 1), {"limit_price": 9}, "limit_price"),
        ("order_value", ("ACME", 0), {}, "order size is zero"),
        ("order_percent", ("ACME", float("nan")), {}, "not a number"),
        ("target_percent", ("ACME", float("nan")), {}, "not a number"),
        ("target_percent", ("ACME", 0.5), {"limit": 9}, "a target is a market order"),
        ("target_quantity", ("ACME", 1), {"tif": "gtc"}, "a target is a market order"),
        ("target_weights", ({"NONE": 0.5},), {}, "there is no instrument 'NONE'"),
        ("target_weights", ({"ACME": float("nan")},), {}, "not a number"),
    ],
)
def test_a_malformed_order_raises_at_the_call(
    how: str, args: tuple[Any, ...], terms: dict[str, Any], message: str
) -> None:
    def act(_bar: Bar, broker: Broker) -> None:
        with pytest.raises(MalformedOrder, match=message):
            getattr(broker, how)(*args, **terms)

    with perform(market("ACME\n10\n10\n10"), Acts({0: act})) as result:
        orders = result.orders.height

    assert 0 == orders


def test_what_cannot_be_an_order_of_another_instrument_does_not_replace_one() -> None:
    def act(_bar: Bar, broker: Broker) -> None:
        working = broker.buy("ACME", 1, limit=9)
        with pytest.raises(MalformedOrder):
            broker.buy("BETA", 1, replaces=working)

    with perform(market("ACME BETA\n10 10\n10 10"), Acts({0: act})) as result:
        ended = result.orders["status"].to_list()

    assert ["open_at_the_end"] == ended


def test_weights_take_back_what_earlier_weights_asked_for_and_did_not_get() -> None:
    with perform(
        market("ACME BETA\n10 10\n10 -\n10 10\n10 10"),
        Acts(
            {
                0: lambda _, broker: broker.target_weights({"BETA": 0.5}),
                1: lambda _, broker: broker.target_weights({"ACME": 0.5}),
                2: lambda _, broker: broker.target_weights({"ACME": 0.5}),
            }
        ),
    ) as result:
        held = result.positions["symbol"].to_list()

    assert ["ACME"] == held

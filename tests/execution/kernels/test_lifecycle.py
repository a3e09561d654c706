"""Cases of an order's life that its commission and later orders depend on."""

import numpy as np

from tests.support.market_notation import check
from tests.support.stage import Acts, fills, market, perform
from tieout import Costs, TargetWeights

NAN = float("nan")


def test_a_sale_in_parts_is_charged_for_all_its_units() -> None:
    check(
        """
        ACME  10  10*100  10*40  10*40  10*40
        0: buy 10 ACME    | 1: 10 @ 10 fee 5 cash 895
        1: sell 10 ACME   | 2: -4 @ 10 fee 2 cash 933; 3: -4 @ 10 fee 2 cash 971; 4: -2 @ 10 fee 1 cash 990
        """,
        participation=0.1,
        commission="per_share",
        rate=0.5,
    )


def test_a_weight_of_zero_sells_a_holding_whose_last_target_ended_unfilled() -> None:
    bars = market("""
        ACME
        10
        10
        10*0
        10
        10
    """)
    weights = np.array([[0.1], [0.2], [NAN], [0.0], [NAN]])

    assert ["1: +100 ACME @ 10", "4: -100 ACME @ 10"] == fills(perform(bars, TargetWeights(weights)))


def test_a_stop_that_a_bar_without_volume_touches_stays_a_stop() -> None:
    # The second bar passes the stop of 12 without volume. The third is below it, the fourth opens above it.
    bars = market("ACME\n10\n13*0\n11\n14")
    acts = {0: lambda _, broker: broker.buy("ACME", 1, stop=12)}

    assert ["3: +1 ACME @ 14"] == fills(perform(bars, Acts(acts)))


def test_so_does_one_where_a_share_of_no_volume_is_all_that_may_fill() -> None:
    bars = market("ACME\n10\n13*0\n11\n14")
    acts = {0: lambda _, broker: broker.buy("ACME", 1, stop=12)}
    costs = Costs(participation="0.1", fill_without_volume=True)

    assert ["3: +1 ACME @ 14"] == fills(perform(bars, Acts(acts), costs=costs))

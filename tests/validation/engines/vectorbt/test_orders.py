"""VectorBT's rules for orders by hand, in the notation of `vectorbt_cases`."""

import math

import pytest

from tests.validation.engines.vectorbt.cases import Case, case
from tieout.validation.engines.vectorbt.imitation import imitate
from tieout.validation.engines.vectorbt.rules import REASONS

NAN, INF = math.nan, math.inf
CASES: dict[str, Case] = {
    # --- cash and size
    "a purchase takes what cash pays for": case(
        """
        10 | 100 | buy 9.704931 at 10.1 fee 1.980198 | 0
        """,
        fees=0.01,
        fixed_fees=1.0,
        slippage=0.01,
    ),
    "all or nothing is nothing where cash does not pay for all": case(
        """
        10 | 100 | PartialFill             | 100
        10 | 5   | buy 5 at 10.1 fee 1.505 | 47.995
        """,
        fees=0.01,
        fixed_fees=1.0,
        slippage=0.01,
        allow_partial=False,
    ),
    "infinity is never a part": case(
        """
        10 | inf | buy 9.90099 at 10 fee 0.990099 | 0
        """,
        allow_partial=False,
        fees=0.01,
    ),
    "there is no limit to what is sold short": case(
        """
        10 | -100 | sell 100 at 10 | 1100
        10 | -100 | sell 100 at 10 | 2100
        """,
    ),
    "unless cash is locked": case(
        """
        10 | -100 | sell 10 at 10 | 200
        10 | -1   | NoCashShort   | 200
        """,
        lock_cash=True,
    ),
    "all of it short is as much as free cash pays for": case(
        """
        10 | -inf | sell 9.90099 at 10 fee 0.990099 | 198.019802
        """,
        fees=0.01,
    ),
    "a cover takes the cash there is, and value may be below zero": case(
        """
        10 | -10 | sell 10 at 10      | 200
        30 | 10  | buy 6.666667 at 30 | 0 value -100
        40 | -   | -                  | 0 value -133.333333
        30 | -1  | sell 1 at 30       | 30 value -100
        """,
    ),
    "a cover with locked cash takes what it sets free": case(
        """
        10 | -10 | sell 9.90099 at 10 fee 0.990099 | 198.019802
        12 | 5   | buy 5 at 12 fee 0.6             | 137.419802
        25 | 10  | buy 5.442368 at 25 fee 1.360592 | 0
        9  | 10  | NoCashLong                      | 0
        """,
        lock_cash=True,
        fees=0.01,
    ),
    "a short that is covered whole leaves free cash for a long": case(
        """
        10 | -5 | sell 5 at 10   | 150
        8  | 20 | buy 18.75 at 8 | 0 value 110
        """,
        lock_cash=True,
    ),
    "proceeds of a short pay for a long of another": case(
        """
        10 10 | -10 20 | sell 10 of 0 at 10; buy 20 of 1 at 10 | 0
        """,
    ),
    "but not where they are locked": case(
        """
        10 10 | -10 20 | sell 10 of 0 at 10; NoCashLong of 1 | 200
        """,
        lock_cash=True,
    ),
    "a fee that cash does not cover": case(
        """
        10 | 5 | CantCoverFees | 100
        """,
        fixed_fees=200.0,
    ),
    "a fee that proceeds do not cover": case(
        """
        10 | 5    | buy 5 at 10 fee 2 | 48
        10 | -0.1 | CantCoverFees     | 48
        """,
        fixed_fees=2.0,
    ),
    "a fee that a locked short does not cover": case(
        """
        10 | -5 | CantCoverFees | 100
        """,
        fixed_fees=200.0,
        lock_cash=True,
    ),
    "a share of the cash, then of the rest": case(
        """
        10 | 0.5 | buy 5 at 10   | 50
        10 | 0.5 | buy 2.5 at 10 | 25
        """,
        size_type="percent",
    ),
    "a share sold of a long alone is of what is held": case(
        """
        10 | 1    | buy 10 at 10 | 0
        10 | -0.5 | sell 5 at 10 | 50
        """,
        size_type="percent",
        direction="longonly",
    ),
    "a share sold on both sides is of all that can be sold": case(
        """
        10 | 1    | buy 10 at 10  | 0
        10 | -0.5 | sell 10 at 10 | 100
        10 | -1   | sell 10 at 10 | 200
        """,
        size_type="percent",
    ),
    "with locked cash no more is sold than can be": case(
        """
        10 | 0.5  | buy 5 at 10   | 50
        10 | -2   | sell 15 at 10 | 200
        10 | -0.5 | NoCashShort   | 200
        """,
        size_type="percent",
        lock_cash=True,
    ),
    "a value is divided by the valuation price": case(
        """
        10 | 50  | ValPriceNaN  | 100
        20 | -50 | sell 5 at 20 | 200
        """,
        size_type="value",
        val_price=-INF,
    ),
    "a target is the difference": case(
        """
        10 | 4  | buy 4 at 10  | 60
        10 | 4  | SizeZero     | 60
        10 | -2 | sell 6 at 10 | 120
        """,
        size_type="targetamount",
    ),
    "a target value": case(
        """
        10 | 40 | buy 4 at 10  | 60
        20 | 40 | sell 2 at 20 | 100
        """,
        size_type="targetvalue",
    ),
    "a target share knows nothing of fees": case(
        """
        10 | 1   | buy 9.90099 at 10 fee 0.990099   | 0
        12 | 0.5 | sell 4.950495 at 12 fee 0.594059 | 58.811881
        """,
        size_type="targetpercent",
        fees=0.01,
    ),
    "a target share of minus one doubles a short that gained": case(
        """
        10 | -1 | sell 10 at 10 | 200
        5  | -1 | sell 20 at 5  | 300 value 150
        """,
        size_type="targetpercent",
    ),
    "a target share is valued at the order's price": case(
        """
        10 | 0.5 | buy 5 at 10         | 50
        20 | 0.5 | sell 0.833333 at 15 | 62.5
        """,
        size_type="targetpercent",
        price=[[10.0], [15.0]],
    ),
    "or at the close before": case(
        """
        10 | 0.5 | ValPriceNaN    | 100
        20 | 0.5 | buy 5 at 20    | 0
        30 | 0.5 | sell 2.5 at 30 | 75
        """,
        size_type="targetpercent",
        val_price=-INF,
    ),
    "an account without value has no target share": case(
        """
        10 | -1 | sell 10 at 10 | 200
        20 | -1 | ValueZeroNeg  | 200 value 0
        21 | 1  | ValueZeroNeg  | 200
        """,
        size_type="targetpercent",
    ),
    "a target that is met of a long alone that is none": case(
        """
        10 | 0 | NoOpenPosition | 100
        """,
        size_type="targetamount",
        direction="longonly",
    ),
    "or of a short without free cash": case(
        """
        10 | -10 | sell 10 at 10 | 200
        10 | -10 | NoCashShort   | 200
        """,
        size_type="targetamount",
        lock_cash=True,
    ),
    "or elsewhere": case(
        """
        10 | 0 | SizeZero | 100
        """,
        size_type="targetamount",
    ),
    # --- directions
    "a short alone is given the other way about": case(
        """
        10 | 5   | sell 5 at 10   | 150
        10 | -8  | buy 5 at 10    | 100
        10 | -8  | NoOpenPosition | 100
        10 | inf | sell 10 at 10  | 200
        """,
        direction="shortonly",
    ),
    "a long alone sells what it has": case(
        """
        10 | -1 | NoOpenPosition | 100
        10 | 5  | buy 5 at 10    | 50
        10 | -8 | sell 5 at 10   | 100
        """,
        direction="longonly",
    ),
    "an order may go through zero": case(
        """
        10 | 5  | buy 5 at 10 fee 0.5   | 49.5
        12 | -8 | sell 8 at 12 fee 0.96 | 144.54
        9  | 8  | buy 8 at 9 fee 0.72   | 71.82
        """,
        fees=0.01,
    ),
    # --- smallest, largest, steps
    "three steps are two": case(
        """
        10 | 0.3 | buy 0.2 at 10 | 98
        """,
        size_granularity=0.1,
    ),
    "what cash pays for is in steps too": case(
        """
        10 | 100 | buy 9 at 10 fee 0.9 | 9.1
        """,
        size_granularity=3.0,
        fees=0.01,
    ),
    "less than a step is nothing": case(
        """
        10 | 2  | SizeZero | 100
        10 | -2 | SizeZero | 100
        """,
        size_granularity=3.0,
    ),
    "less than the smallest": case(
        """
        10 | inf | MinSizeNotReached | 100
        10 | -1  | MinSizeNotReached | 100
        """,
        min_size=20.0,
    ),
    "dust is less than the smallest": case(
        """
        10 | 1e-9 | MinSizeNotReached | 100
        10 | 2e-6 | buy 2e-06 at 10   | 99.99998
        """,
    ),
    "no more than the largest": case(
        """
        10 | 8   | buy 5 at 10  | 50
        10 | -10 | sell 5 at 10 | 100
        """,
        max_size=5.0,
    ),
    "more than the largest, all or nothing": case(
        """
        10 | 8   | MaxSizeExceeded | 100
        10 | -10 | MaxSizeExceeded | 100
        """,
        max_size=5.0,
        allow_partial=False,
    ),
    # --- prices
    "no price, no order, and the mark stays": case(
        """
        10 | 5 | buy 5 at 10 | 50
        -  | 5 | PriceNaN    | 50 value 100
        20 | - | -           | 50 value 150
        """,
    ),
    "no price yet, and nothing to value a size with": case(
        """
        -  | 50 | PriceNaN    | 100
        10 | 50 | ValPriceNaN | 100
        """,
        size_type="value",
        val_price=[[NAN], [NAN]],
    ),
    "a mark that is not kept leaves no value": case(
        """
        10 | 0.5 | buy 5 at 10         | 50
        -  | 0.5 | ValueNaN            | 50
        10 | 0.5 | sell 0.416667 at 12 | 55
        """,
        size_type="targetpercent",
        ffill_val_price=False,
        price=[[10.0], [11.0], [12.0]],
        val_price=[[INF], [NAN], [INF]],
    ),
    "minus infinity is the close before": case(
        """
        10 | 1 | PriceNaN    | 100
        12 | 1 | buy 1 at 10 | 90
        """,
        price=-INF,
    ),
    "slippage is to the order's disadvantage": case(
        """
        10 | 5  | buy 5 at 10.1 | 49.5
        10 | -5 | sell 5 at 9.9 | 99
        """,
        slippage=0.01,
    ),
    # --- sequence
    "first come, first served": case(
        """
        10 10 | 10 - | buy 10 of 0 at 10                   | 0
        10 10 | -5 5 | sell 5 of 0 at 10; buy 5 of 1 at 10 | 0
        10 10 | 5 -5 | sell 5 of 1 at 10; NoCashLong of 0  | 50
        10 10 | 5 -  | buy 5 of 0 at 10                    | 0
        """,
    ),
    "sales first": case(
        """
        10 10 | 10 - | buy 10 of 0 at 10                   | 0
        10 10 | -5 5 | sell 5 of 0 at 10; buy 5 of 1 at 10 | 0
        10 10 | 5 -5 | sell 5 of 1 at 10; buy 5 of 0 at 10 | 0
        """,
        call_seq="auto",
    ),
    "the cheapest purchase first, and equals as they come": case(
        """
        10 10 10 | 9 5 5 | buy 5 of 1 at 10; buy 5 of 2 at 10; NoCashLong of 0 | 0
        """,
        call_seq="auto",
    ),
    "from the last": case(
        """
        10 10 | 10 10 | buy 10 of 1 at 10; NoCashLong of 0 | 0
        """,
        call_seq="reversed",
    ),
    "in a sequence of one's own": case(
        """
        10 10 10 | 5 5 5   | buy 5 of 2 at 10; buy 5 of 0 at 10; NoCashLong of 1   | 0
        10 10 10 | -5 5 -5 | sell 5 of 0 at 10; sell 5 of 2 at 10; NoCashLong of 1 | 100
        """,
        call_seq=[[2, 0, 1], [1, 0, 2]],
    ),
    "the value does not change within a bar": case(
        """
        10 10 | 0.5 0.4 | buy 5 of 0 at 10 fee 5; buy 4 of 1 at 10 fee 4 | 1
        """,
        size_type="targetpercent",
        fees=0.1,
    ),
    "unless it is asked to": case(
        """
        10 10 | 0.5 0.4 | buy 5 of 0 at 10 fee 5; buy 3.8 of 1 at 10 fee 3.8 | 3.2
        """,
        size_type="targetpercent",
        fees=0.1,
        update_value=True,
    ),
    "cash that is not shared": case(
        """
        10 10 | 10 10 | buy 10 of 0 at 10; buy 10 of 1 at 10 | 0
        10 10 | -10 5 | sell 10 of 0 at 10; NoCashLong of 1  | 100
        """,
        cash_sharing=False,
    ),
    "a locked cover takes no more than the cash there is": case(
        """
        10 | -10 | sell 10 at 10             | 200
        18 | 20  | buy 9.444444 at 18 fee 30 | 0
        """,
        lock_cash=True,
        fixed_fees=[[0.0], [30.0]],
    ),
    "a flat instrument is not sold short without free cash": case(
        """
        10 10 | -10 -5 | sell 10 of 0 at 10; NoCashShort of 1 | 200
        """,
        lock_cash=True,
    ),
    "what is covered whole locks nothing any more": case(
        """
        10 | -5  | sell 5 at 10   | 150
        8  | 20  | buy 18.75 at 8 | 0
        8  | -40 | sell 27.5 at 8 | 220
        8  | -1  | NoCashShort    | 220
        """,
        lock_cash=True,
    ),
    "of a sale through zero only what is short is locked": case(
        """
        10 | 5   | buy 5 at 10  | 50
        10 | -8  | sell 8 at 10 | 130
        10 | -10 | sell 7 at 10 | 200
        """,
        lock_cash=True,
    ),
    "the largest sale first, of a share too": case(
        """
        10 10 | 0.5 -    | buy 5 of 0 at 10                       | 50
        10 10 | -0.5 -60 | sell 7.5 of 0 at 10; sell 6 of 1 at 10 | 185
        """,
        size_type=[["percent", "value"]],
        call_seq="auto",
    ),
    "what has no price comes last, and the last of it first": case(
        """
        - - 10 | 1 1 1 | buy 1 of 2 at 10; PriceNaN of 1; PriceNaN of 0 | 90
        """,
        call_seq="auto",
    ),
    "a fill is a mark where values are kept up": case(
        """
        10 10 | 0.5 - | buy 5 of 0 at 11 | 45
        - 10  | - 0.4 | buy 4 of 1 at 11 | 1
        """,
        size_type="targetpercent",
        slippage=0.1,
        update_value=True,
    ),
    "a target amount that sells comes first": case(
        """
        10 10 | 10 - | buy 10 of 0 at 10                   | 0
        10 10 | 8 1  | sell 2 of 0 at 10; buy 1 of 1 at 10 | 10
        """,
        size_type="targetamount",
        call_seq="auto",
    ),
    "a target value that sells comes first": case(
        """
        10 10 | 100 - | buy 10 of 0 at 10                   | 0
        10 10 | 80 10 | sell 2 of 0 at 10; buy 1 of 1 at 10 | 10
        """,
        size_type="targetvalue",
        call_seq="auto",
    ),
    "a target share that sells comes first": case(
        """
        10 10 | 1 -     | buy 10 of 0 at 10                   | 0
        10 10 | 0.8 0.1 | sell 2 of 0 at 10; buy 1 of 1 at 10 | 10
        """,
        size_type="targetpercent",
        call_seq="auto",
    ),
    "a target of nothing is a sale like another": case(
        """
        10 10 | 5 5 | buy 5 of 0 at 10; buy 5 of 1 at 10   | 0
        10 10 | 2 0 | sell 5 of 1 at 10; sell 3 of 0 at 10 | 80
        """,
        size_type="targetamount",
        call_seq="auto",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_comes_of_orders(name: str) -> None:
    worked_out = CASES[name]

    performed = worked_out.performed(imitate(worked_out.scenario))

    assert worked_out.rows == performed


def test_every_reason_has_a_case() -> None:
    reasons = {refusal.reason for one in CASES.values() for refusal in imitate(one.scenario).refusals}

    # Orders without a size do not exist, and the imitation has no random events.
    assert set(REASONS) - {"SizeNaN", "RandomEvent"} == reasons

"""VectorBT's rules for signals and stops by hand, in the notation of `vectorbt_cases`."""

import math

import pytest

from tests.validation.engines.vectorbt.cases import Case, case
from tieout.validation.engines.vectorbt.imitation import imitate

NAN, INF = math.nan, math.inf
CASES: dict[str, Case] = {
    # --- signals
    "an entry, and no more while it is held": case(
        """
        10 | entry | buy 10 at 10  | 0
        10 | entry | -             | 0
        12 | exit  | sell 10 at 12 | 120
        12 | exit  | -             | 120
        """,
        direction="longonly",
    ),
    "an entry without a size takes all cash": case(
        """
        10 | entry | buy 9.90099 at 10 fee 0.990099 | 0
        """,
        direction="longonly",
        size=INF,
        fees=0.01,
    ),
    "a short alone": case(
        """
        10 | entry | sell 5 at 10 | 150
        8  | exit  | buy 5 at 8   | 110
        """,
        direction="shortonly",
        size=5.0,
    ),
    "on both sides an exit is a short entry": case(
        """
        10 | entry | buy 1 at 10  | 90
        10 | exit  | sell 2 at 10 | 110
        10 | exit  | -            | 110
        10 | entry | buy 2 at 10  | 90
        """,
        direction="both",
        size=1.0,
    ),
    "an infinite flip is limited by cash": case(
        """
        10 | entry | buy 9.90099 at 10 fee 0.990099    | 0
        10 | exit  | sell 19.605921 at 10 fee 1.960592 | 194.098618
        10 | entry | buy 19.217685 at 10 fee 1.921768  | 0
        """,
        direction="both",
        size=INF,
        fees=0.01,
    ),
    "four signals": case(
        """
        10 | short | sell 2 at 10 | 120
        9  | cover | buy 2 at 9   | 102
        9  | entry | buy 2 at 9   | 84
        10 | exit  | sell 2 at 10 | 104
        10 | cover | -            | 104
        """,
        size=2.0,
    ),
    "a value to flip": case(
        """
        10 | entry | buy 4 at 10  | 60
        20 | short | sell 6 at 20 | 180
        """,
        size=40.0,
        size_type="value",
    ),
    "a size of NaN ends a position, and begins none": case(
        """
        10 | entry | buy 3 at 10  | 70
        10 | short | sell 3 at 10 | 100
        10 | short | -            | 100
        """,
        size=[[3.0], [NAN], [NAN]],
    ),
    "entry and exit at once are none": case(
        """
        10 | entry+exit | - | 100
        """,
        size=1.0,
    ),
    "the entry of the two": case(
        """
        10 | entry+exit | buy 1 at 10 | 90
        """,
        size=1.0,
        upon_long_conflict="entry",
    ),
    "the exit of the two": case(
        """
        10 | entry      | buy 1 at 10  | 90
        10 | entry+exit | sell 1 at 10 | 100
        """,
        size=1.0,
        upon_long_conflict="exit",
    ),
    "what goes with the position": case(
        """
        10 | entry+exit | -           | 100
        10 | entry      | buy 1 at 10 | 90
        10 | entry+exit | buy 1 at 10 | 80
        """,
        size=1.0,
        upon_long_conflict="adjacent",
        accumulate="both",
    ),
    "what goes against it": case(
        """
        10 | entry+exit | -            | 100
        10 | entry      | buy 1 at 10  | 90
        10 | entry+exit | sell 1 at 10 | 100
        """,
        size=1.0,
        upon_long_conflict="opposite",
    ),
    "long and short at once are none": case(
        """
        10 | entry+short | - | 100
        """,
        size=1.0,
    ),
    "the long of the two": case(
        """
        10 | entry+short | buy 1 at 10 | 90
        """,
        size=1.0,
        upon_dir_conflict="long",
    ),
    "the short of the two": case(
        """
        10 | entry+short | sell 1 at 10 | 110
        """,
        size=1.0,
        upon_dir_conflict="short",
    ),
    "the side that is held": case(
        """
        10 | entry+short | -            | 100
        10 | short       | sell 1 at 10 | 110
        10 | entry+short | sell 1 at 10 | 120
        """,
        size=1.0,
        upon_dir_conflict="adjacent",
        accumulate="both",
    ),
    "the side that is not": case(
        """
        10 | entry+short | -            | 100
        10 | short       | sell 1 at 10 | 110
        10 | entry+short | buy 2 at 10  | 90
        """,
        size=1.0,
        upon_dir_conflict="opposite",
    ),
    "an opposite entry that does not count": case(
        """
        10 | entry | buy 1 at 10 | 90
        10 | short | -           | 90
        """,
        size=1.0,
        upon_opposite_entry="ignore",
    ),
    "an opposite entry that ends": case(
        """
        10 | short | sell 1 at 10 | 110
        10 | entry | buy 1 at 10  | 100
        """,
        size=1.0,
        upon_opposite_entry="close",
    ),
    "an opposite entry that ends or reduces": case(
        """
        10 | entry | buy 1 at 10  | 90
        10 | entry | buy 1 at 10  | 80
        10 | short | sell 1 at 10 | 90
        """,
        size=1.0,
        upon_opposite_entry="closereduce",
        accumulate="both",
    ),
    "an opposite entry that flips": case(
        """
        10 | entry | buy 1 at 10  | 90
        10 | short | sell 2 at 10 | 110
        """,
        size=1.0,
        upon_opposite_entry="reverse",
        accumulate="both",
    ),
    "adding and taking away": case(
        """
        10 | entry | buy 1 at 10  | 90
        10 | entry | buy 1 at 10  | 80
        10 | exit  | sell 1 at 10 | 90
        10 | short | sell 1 at 10 | 100
        10 | short | sell 1 at 10 | 110
        """,
        size=1.0,
        accumulate="both",
    ),
    "adding alone": case(
        """
        10 | entry | buy 1 at 10  | 90
        10 | entry | buy 1 at 10  | 80
        10 | exit  | sell 2 at 10 | 100
        """,
        size=1.0,
        accumulate="addonly",
    ),
    "taking away alone": case(
        """
        10 | short | sell 1 at 10 | 110
        10 | short | -            | 110
        10 | cover | buy 1 at 10  | 100
        """,
        size=1.0,
        accumulate="removeonly",
    ),
    # --- stops
    "a stop at its level, counted from the close": case(
        """
        9/10/9/10     | entry | buy 1 at 9.09 | 90.91
        10/10/8.5/9.5 | -     | sell 1 at 9   | 99.91
        """,
        size=1.0,
        price=-INF,
        sl_stop=0.1,
        slippage=0.01,
    ),
    "a stop that the open is beyond": case(
        """
        10      | entry | buy 1 at 10 | 90
        8/9/7/9 | -     | sell 1 at 8 | 98
        """,
        size=1.0,
        sl_stop=0.1,
    ),
    "a stop with slippage": case(
        """
        10        | entry | buy 1 at 10    | 90
        10/10/8/9 | -     | sell 1 at 8.91 | 98.91
        """,
        size=1.0,
        sl_stop=0.1,
        slippage=[[0.0], [0.01]],
        stop_exit_price="stopmarket",
    ),
    "a stop at the close": case(
        """
        10          | entry | buy 1 at 10   | 90
        10/10/8/9.5 | -     | sell 1 at 9.5 | 99.5
        """,
        size=1.0,
        sl_stop=0.1,
        stop_exit_price="close",
    ),
    "a stop at the order's price": case(
        """
        10/10/10/10  | entry | buy 1 at 10   | 90
        9.8/10/8/9.5 | -     | sell 1 at 9.8 | 99.8
        """,
        size=1.0,
        sl_stop=0.1,
        stop_exit_price="price",
        price=-INF,
    ),
    "a stop is looked at from the next bar on": case(
        """
        10/10/5/10 | entry | buy 1 at 10   | 90
        10         | -     | -             | 90
        8.5        | -     | sell 1 at 8.5 | 98.5
        """,
        size=1.0,
        sl_stop=0.1,
    ),
    "a stop of a short lies above": case(
        """
        10              | short | sell 1 at 10 | 110
        10/11.5/10/10.5 | -     | buy 1 at 11  | 99
        """,
        size=1.0,
        sl_stop=0.1,
    ),
    "a gain": case(
        """
        10          | entry | buy 1 at 10    | 90
        10/12/10/11 | -     | sell 1 at 11.5 | 101.5
        """,
        size=1.0,
        tp_stop=0.15,
    ),
    "a gain of a short": case(
        """
        10        | short | sell 1 at 10 | 110
        10/10/8/9 | -     | buy 1 at 8.5 | 101.5
        """,
        size=1.0,
        tp_stop=0.15,
    ),
    "loss and gain in one bar are a loss": case(
        """
        10         | entry | buy 1 at 10 | 90
        10/12/8/11 | -     | sell 1 at 9 | 99
        """,
        size=1.0,
        sl_stop=0.1,
        tp_stop=0.1,
    ),
    "a trailing stop lags by a bar": case(
        """
        10          | entry | buy 1 at 10  | 90
        10/20/10/15 | -     | -            | 90
        10/15/10/12 | -     | sell 1 at 10 | 100
        """,
        size=1.0,
        sl_stop=0.1,
        sl_trail=True,
    ),
    "a trailing stop of a short": case(
        """
        10      | short | sell 1 at 10 | 110
        9/9/5/6 | -     | -            | 110
        5/6/5/6 | -     | buy 1 at 5.5 | 104.5
        """,
        size=1.0,
        sl_stop=0.1,
        sl_trail=True,
    ),
    "a stop comes before what is asked": case(
        """
        10        | entry | buy 1 at 10 | 90
        10/10/8/9 | short | sell 1 at 9 | 99
        9         | short | sell 1 at 9 | 108
        """,
        size=1.0,
        sl_stop=0.1,
    ),
    "a stop that flips": case(
        """
        10        | entry | buy 1 at 10 | 90
        10/10/8/9 | -     | sell 2 at 9 | 108
        """,
        size=1.0,
        sl_stop=0.1,
        upon_stop_exit="reverse",
    ),
    "a stop that reduces": case(
        """
        10        | entry | buy 1 at 10 | 90
        10        | entry | buy 1 at 10 | 80
        10/10/8/9 | -     | sell 1 at 9 | 89
        """,
        size=1.0,
        sl_stop=0.1,
        upon_stop_exit="closereduce",
        accumulate="both",
    ),
    "a stop that flips or reduces": case(
        """
        10          | short | sell 1 at 10 | 110
        10          | short | sell 1 at 10 | 120
        10/12/10/10 | -     | buy 1 at 11  | 109
        """,
        size=1.0,
        sl_stop=0.1,
        upon_stop_exit="reversereduce",
        accumulate="both",
    ),
    "without a range the close is all there is": case(
        """
        10  | entry | buy 1 at 10 | 90
        9.5 | -     | -           | 90
        8   | -     | sell 1 at 8 | 98
        """,
        size=1.0,
        sl_stop=0.1,
    ),
    "a purchase of more moves the stop": case(
        """
        10          | entry | buy 1 at 10  | 90
        20          | entry | buy 1 at 20  | 70
        19/19/17/18 | -     | sell 2 at 18 | 106
        """,
        size=1.0,
        accumulate="both",
        sl_stop=[[0.5], [0.1], [NAN]],
    ),
    "or leaves it": case(
        """
        10          | entry | buy 1 at 10 | 90
        20          | entry | buy 1 at 20 | 70
        19/19/17/18 | -     | -           | 70
        """,
        size=1.0,
        accumulate="both",
        sl_stop=[[0.5], [0.1], [NAN]],
        upon_stop_update="keep",
    ),
    "or takes it away": case(
        """
        10         | entry | buy 1 at 10 | 90
        20         | entry | buy 1 at 20 | 70
        19/19/1/18 | -     | -           | 70
        """,
        size=1.0,
        accumulate="both",
        sl_stop=[[0.5], [NAN], [NAN]],
        upon_stop_update="overridenan",
    ),
    "a stop that is counted from the fill": case(
        """
        10         | entry | buy 1 at 11   | 89
        10/10/9/10 | -     | sell 1 at 9.9 | 98.9
        """,
        size=1.0,
        sl_stop=0.1,
        slippage=0.1,
        stop_entry_price="fillprice",
    ),
    "a stop that is counted from the order's price": case(
        """
        10/10/9/9   | entry | buy 1 at 10 | 90
        9.5/9.5/8/9 | -     | sell 1 at 9 | 99
        """,
        size=1.0,
        sl_stop=0.1,
        price=-INF,
        stop_entry_price="price",
    ),
    "a stop that is counted from the valuation price": case(
        """
        10              | entry | buy 1 at 10  | 90
        18.5/19/17/18.5 | -     | sell 1 at 18 | 108
        """,
        size=1.0,
        sl_stop=0.1,
        val_price=20.0,
        stop_entry_price="valprice",
    ),
    "an exit closes the position, regardless of the size": case(
        """
        10 | entry | buy 4 at 10  | 60
        20 | exit  | sell 4 at 20 | 140
        """,
        size=40.0,
        size_type="value",
    ),
    "a flip starts its stop again": case(
        """
        10          | entry | buy 1 at 10  | 90
        20          | short | sell 2 at 20 | 130
        20/23/20/21 | -     | buy 1 at 22  | 108
        """,
        size=1.0,
        sl_stop=0.1,
        upon_opposite_entry="reverse",
    ),
    "a range without low and high is that of open and close": case(
        """
        10        | entry | buy 1 at 10  | 90
        10/-/-/12 | -     | sell 1 at 11 | 101
        """,
        size=1.0,
        tp_stop=0.1,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_comes_of_signals(name: str) -> None:
    worked_out = CASES[name]

    performed = worked_out.performed(imitate(worked_out.scenario))

    assert worked_out.rows == performed

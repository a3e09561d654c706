"""Whole-array strategies: arrays and frames that give the orders they say, and those that are refused."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.support.stage import FIRST_DAY, Acts, fills, market, orders, perform
from tieout import Instruments, InstrumentSpec, Orders, Signals, TargetWeights
from tieout.execution.errors import ExecutionError
from tieout.ledger.errors import TieoutWarning

NAN = float("nan")
ONE_DAY = np.timedelta64(1, "D")

STOCKS = """
    ACME  BOLT
    10    20
    10    20
    10    20
    10    20
"""


def frame(rows: list[tuple[float, str, float]], name: str, **more: list[Any]) -> pl.DataFrame:
    """Rows of day, symbol and figure as a long frame."""
    days = np.array([FIRST_DAY + (np.array(24 * 60 * day)).astype("m8[m]") for day, _, _ in rows], "M8[ns]")
    return pl.DataFrame(
        {"timestamp": days, "symbol": [s for _, s, _ in rows], name: [figure for _, _, figure in rows]} | more
    )


# --- weights ------------------------------------------------------------------------------------------------


def test_weights_are_targets_and_nan_is_no_order() -> None:
    weights = np.array([[0.5, NAN], [NAN, 0.5], [0.0, NAN], [0.5, NAN]])

    result = perform(market(STOCKS), TargetWeights(weights, tag="monthly"))

    assert ["1: +500 ACME @ 10", "2: +250 BOLT @ 20", "3: -500 ACME @ 10"] == fills(result)
    assert "buy 500 ACME target -> open_at_the_end" == orders(result)[-1]
    assert {"monthly"} == set(result.orders["tag"])


def test_a_row_counts_at_the_first_bar_that_is_not_before_it() -> None:
    rows = [(0.0, "ACME", 0.5), (0.5, "BOLT", 0.25), (2.0, "ACME", 0.0)]

    result = perform(market(STOCKS), TargetWeights(frame(rows, "weight")))

    assert ["1: +500 ACME @ 10", "2: +125 BOLT @ 20", "3: -500 ACME @ 10"] == fills(result)


def test_weights_through_a_program_and_through_a_strategy_are_the_same_orders() -> None:
    weights = np.array([[0.5, 0.1], [0.2, 0.4], [0.0, 0.9], [NAN, NAN]])
    acts = {t: lambda bar, broker: broker.target_weights(weights[bar.number]) for t in range(4)}

    program, strategy = (perform(market(STOCKS), s) for s in (TargetWeights(weights), Acts(acts)))

    assert orders(program) == orders(strategy)
    assert fills(program) == fills(strategy)


def test_weights_at_every_bar_trade_once_where_prices_stand_still() -> None:
    bars = market("ACME BOLT\n" + "10 20\n" * 10)

    result = perform(bars, TargetWeights(np.full((10, 2), 0.25)))

    assert ["buy 250 ACME target -> filled", "buy 125 BOLT target -> filled"] == orders(result)


# --- signals ------------------------------------------------------------------------------------------------

T, F = True, False


@pytest.mark.parametrize(
    ("size", "entered"), [({"quantity": 7}, "+7"), ({"value": 79.0}, "+7"), ({"percent": 0.5}, "+500")]
)
def test_signals_enter_where_nothing_is_held_and_leave_all_that_is(
    size: dict[str, Any], entered: str
) -> None:
    entries = np.array([[T, F], [T, F], [F, F], [F, F]])
    exits = np.array([[F, T], [F, F], [T, F], [F, F]])

    result = perform(market(STOCKS), Signals(entries, exits, **size))

    assert [f"1: {entered} ACME @ 10", f"3: {entered.replace('+', '-')} ACME @ 10"] == fills(result)


def test_a_signal_both_ways_is_none_and_none_is_given_while_an_order_works() -> None:
    bars = market("""
        ACME  BOLT
        10    20
        10*0  20
        10    20
        10    20
    """)
    entries = np.array([[T, T], [T, F], [F, F], [F, F]])
    exits = np.array([[F, T], [F, F], [F, F], [F, F]])

    result = perform(bars, Signals(entries, exits, quantity=7))

    assert ["buy 7 ACME -> filled"] == orders(result)
    assert ["2: +7 ACME @ 10"] == fills(result)


def test_changes_to_an_array_after_its_program_is_made_have_no_effect() -> None:
    weights = np.array([[0.5, NAN], [NAN, NAN], [NAN, NAN], [NAN, NAN]])
    entries = np.array([[T, F], [F, F], [F, F], [F, F]])
    exits = np.array([[F, F], [F, F], [T, F], [F, F]])
    programs = TargetWeights(weights), Signals(entries, exits, quantity=7)

    weights[:], entries[:], exits[:] = 0.1, True, True
    by_weights, by_signals = (fills(perform(market(STOCKS), program)) for program in programs)

    assert ["1: +500 ACME @ 10"] == by_weights
    assert ["1: +7 ACME @ 10", "3: -7 ACME @ 10"] == by_signals


# --- orders -------------------------------------------------------------------------------------------------


def test_a_frame_of_orders_is_submitted_row_by_row() -> None:
    rows = [
        (1.0, "BOLT", 2.0),
        (0.0, "BOLT", 3.0),
        (0.0, "ACME", 5.0),
        (1.0, "ACME", -5.0),
        (1.0, "ACME", 4.0),
    ]
    more: dict[str, list[Any]] = {
        "limit": [None, None, None, None, 9.0],
        "stop": [None, None, None, 11.0, None],
        "tif": [None, "GTC", None, None, "day"],
        "tag": ["more", None, "first", "out", "in"],
        "signal": [0.5, None, None, None, None],
    }

    result = perform(market(STOCKS), Orders(frame(rows, "quantity", **more)))

    assert [
        "buy 3 BOLT -> filled",
        "buy 5 ACME -> filled",
        "buy 2 BOLT -> filled",
        "sell 5 ACME stop 11 -> filled",
        "buy 4 ACME limit 9 day -> expired",
    ] == orders(result)
    assert ["", "first", "more", "out", "in"] == result.orders.sort("id")["tag"].to_list()
    assert [None, None, 0.5, None, None] == result.orders.sort("id")["signal"].to_list()


SIZES = [
    ("value", 59.0, "buy 5 ACME -> filled"),
    ("percent", 0.1, "buy 100 ACME -> filled"),
    ("target_quantity", 6.0, "buy 6 ACME target -> filled"),
    ("target_value", 69.0, "buy 6 ACME target -> filled"),
    ("target_percent", 0.5, "buy 500 ACME target -> filled"),
]


@pytest.mark.parametrize(("name", "figure", "expected"), SIZES)
def test_orders_are_sized_by_the_column_that_is_given(name: str, figure: float, expected: str) -> None:
    result = perform(market(STOCKS), Orders(frame([(0.0, "ACME", figure)], name)))

    assert [expected] == orders(result)


def test_quantities_are_in_the_steps_of_their_instrument() -> None:
    rows = [(0.0, "ACME", 2.5), (0.0, "BOLT", 3.0)]
    terms = Instruments(by_symbol={"ACME": InstrumentSpec(step="0.5", lot="0.5", scale=4)})

    result = perform(market(STOCKS), Orders(frame(rows, "quantity")), instruments=terms)

    assert ["1: +2.5 ACME @ 10", "1: +3 BOLT @ 20"] == fills(result)


@pytest.mark.parametrize(
    ("rows", "expected", "warning"),
    [
        (
            [(-60.0, "ACME", 0.1), (-30.0, "ACME", 0.2), (-1.0, "ACME", 0.3)],
            ["buy 300 ACME"],
            "3 before the first bar, 2024-01-01, where the newest of each symbol counts (1; 2 are not used)",
        ),
        (
            [(-30.0, "ACME", 0.2), (-1.0, "BOLT", 0.3), (-31.0, "BOLT", 0.1)],
            ["buy 200 ACME", "buy 150 BOLT"],
            "3 before the first bar, 2024-01-01, where the newest of each symbol counts (2; 1 are not used)",
        ),
        (
            [(-1.0, "ACME", 0.3), (0.0, "ACME", 0.5)],
            ["buy 500 ACME"],
            "1 before the first bar, 2024-01-01, where the newest of each symbol counts (0; 1 are not used)",
        ),
        (
            [(0.0, "ACME", 0.5), (4.0, "ACME", 0.1), (5.0, "BOLT", 0.1)],
            ["buy 500 ACME"],
            "2 after the last bar, 2024-01-04, which are not used",
        ),
    ],
)
def test_weights_of_a_longer_period_run_a_part_of_it_and_say_so(
    rows: list[tuple[float, str, float]], expected: list[str], warning: str
) -> None:
    with pytest.warns(TieoutWarning, match=re.escape(f"weight: rows outside the bars: {warning}")):
        result = perform(market(STOCKS), TargetWeights(frame(rows, "weight")))

    assert [f"{order} target -> filled" for order in expected] == orders(result)


def test_weights_of_the_bars_alone_are_taken_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        perform(market(STOCKS), TargetWeights(frame([(0.0, "ACME", 0.5), (3.0, "ACME", 0.1)], "weight")))


def test_a_frame_without_rows_is_a_run_without_orders() -> None:
    empty = frame([(0.0, "ACME", 1.0)], "quantity").clear()

    assert [] == orders(perform(market(STOCKS), Orders(empty)))


# --- refused ------------------------------------------------------------------------------------------------

SHAPE = (4, 2)
FLAGS = np.zeros(SHAPE, np.bool_)


def of_orders(figure: float = 1.0, name: str = "quantity", **more: Any) -> Orders:
    return Orders(frame([(0.0, "ACME", figure)], name, **{key: [value] for key, value in more.items()}))


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: TargetWeights(np.zeros((3, 2))), "the array is (3, 2), not 4 bars of 2 instruments"),
    (lambda: TargetWeights(np.full(SHAPE, np.inf)), "weights: a weight is infinite"),
    (lambda: TargetWeights(np.full(SHAPE, 1j)), "an array of complex128 does not hold real numbers"),
    (lambda: TargetWeights(np.full(SHAPE, "half")), "an array of <U4 does not hold real numbers"),
    (lambda: TargetWeights(np.full(SHAPE, "half", object)), "the values are not an array of numbers"),
    (lambda: TargetWeights(np.ma.masked_equal(np.zeros(SHAPE), 0)), "an array is masked; fill it"),
    (lambda: TargetWeights(frame([(0.0, "ACME", np.inf)], "weight")), "weights: a weight is infinite"),
    (lambda: TargetWeights(frame([(0.0, "CORK", 0.5)], "weight")), "symbols that the bars do not have"),
    (lambda: Orders(frame([(9.0, "ACME", 5.0)], "quantity")), "orders: rows outside the bars, which begin"),
    (
        lambda: Orders(frame([(-1.0, "ACME", 5.0)], "quantity")),
        "at 2024-01-01 and end at 2024-01-04: 1 of 1; leave them out",
    ),
    (
        lambda: Signals(frame([(-1.0, "ACME", True)], "entry"), FLAGS, quantity=1),
        "entry: rows outside the bars",
    ),
    (lambda: TargetWeights(frame([(0.0, "ACME", 0.5)], "share")), "weight"),
    (
        lambda: TargetWeights(frame([(0.5, "ACME", 0.5), (1.0, "ACME", 0.4)], "weight")),
        "two rows for one symbol at one bar",
    ),
    (lambda: Signals(FLAGS, FLAGS), "the size of an entry is one of quantity, value and percent"),
    (lambda: Signals(FLAGS, FLAGS, quantity=1, value=1), "the size of an entry is one of"),
    (lambda: Signals(FLAGS, FLAGS[:2], quantity=1), "the array is (2, 2)"),
    (lambda: Signals(FLAGS, FLAGS, quantity=1.5), "ACME: 1.5 is not a whole number of steps of 1"),
    (lambda: Signals(FLAGS, FLAGS, quantity=0), "quantity 0 is not a number above zero"),
    (lambda: Signals(FLAGS, FLAGS, quantity=-5), "quantity -5 is not a number above zero"),
    (lambda: Signals(FLAGS, FLAGS, percent=NAN), "percent nan is not a number above zero"),
    (lambda: Signals(FLAGS, FLAGS, value=-1), "value -1 is not a number above zero"),
    (lambda: of_orders(name="size"), "give one column of quantity, value"),
    (lambda: of_orders(value=1.0), "give one column of quantity, value"),
    (lambda: of_orders(NAN), "orders: quantity is missing"),
    (lambda: of_orders(0.0), "orders: quantity is zero"),
    (lambda: of_orders(1e-9), "orders: quantity is zero"),
    (lambda: of_orders(0.5), "ACME: 0.5 is not a whole number of steps of 1"),
    (lambda: of_orders(0.0, "percent"), "orders: percent is zero"),
    (lambda: of_orders(limit=0.0), "limit 0.0 is not a price above zero"),
    (lambda: of_orders(stop=-1.0), "stop -1.0 is not a price above zero"),
    (lambda: of_orders(limit=9.0, stop=11.0), "an order has a limit or a stop, not both"),
    (lambda: of_orders(tif="FOK"), "orders: tif 'FOK' is neither GTC nor DAY"),
    (lambda: of_orders(tif="TARGET"), "orders: tif 'TARGET' is neither GTC nor DAY"),
    (
        lambda: of_orders(1.0, "target_quantity", limit=9.0),
        "a target is a market order, good for the next bar",
    ),
    (lambda: Orders(pl.DataFrame({"symbol": ["ACME"], "quantity": [1.0]})), "timestamp"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_a_program_that_no_market_could_mean_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ExecutionError) as caught:
        perform(market(STOCKS), make())

    assert message in str(caught.value)

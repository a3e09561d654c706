"""The imitation beside VectorBT itself: by hand, at random, and where it breaks our rules."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, reject
from numpy.typing import NDArray

from tests.validation.engines.vectorbt import test_orders as test_vectorbt_orders
from tests.validation.engines.vectorbt import test_signals as test_vectorbt_signals
from tests.validation.engines.vectorbt.cases import Case, case
from tieout.validation.engines.vectorbt.imitation import book_trades, imitate
from tieout.validation.engines.vectorbt.random import scenarios
from tieout.validation.engines.vectorbt.rules import PERCENT
from tieout.validation.engines.vectorbt.scenario import (
    ENGINES,
    GRANULARITY,
    NOTHING,
    OF_SIGNALS,
    UNMARKED,
    WORDS,
    Engine,
    Scenario,
    where_engines_differ,
)
from tieout.validation.evidence.tally import Tally
from tieout.validation.evidence.vectorbt import LEFT_OUT, compare, compare_random
from tieout.validation.foreign.outcome import HALF_A_CENT, Outcome

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(
        find_spec("vectorbt") is None or find_spec("vectorbt_rust") is None,
        reason="VectorBT and its Rust engine are not both installed",
    ),
]
CASES = test_vectorbt_orders.CASES | test_vectorbt_signals.CASES
SCENARIO_FILES = sorted((Path(__file__).parent / "scenarios").glob("*.json"))
NAN = np.nan


def run(scenario: Scenario, engine: Engine = "numba") -> Outcome:
    from tieout.validation.engines.vectorbt import package as vectorbt

    return vectorbt.run(scenario, engine)


def log_of(scenario: Scenario) -> NDArray[np.void]:
    """Return the package's states before and after each fill."""
    from tieout.validation.engines.vectorbt import package as vectorbt

    try:
        log: NDArray[np.void] = vectorbt.portfolio(scenario, "numba").log_records
    except (ValueError, ZeroDivisionError):
        reject()
    fills: NDArray[np.void] = log[log["res_status"] == 0]
    return fills


def list_differences(scenario: Scenario, engine: Engine = "numba") -> list[str]:
    """List the differences."""
    tally = Tally()
    compare(tally, "it", scenario, engine)
    return tally.differences


# --- the imitation beside the package ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "engine"),
    [(name, "numba") for name in CASES]
    + [(name, "rust") for name, one in CASES.items() if not where_engines_differ(one.scenario)],
)
def test_the_package_does_what_was_worked_out_by_hand(name: str, engine: Engine) -> None:
    one = CASES[name]

    assert one.rows == one.performed(run(one.scenario, engine))
    assert [] == list_differences(one.scenario, engine)


@pytest.mark.parametrize("path", SCENARIO_FILES, ids=lambda path: path.stem)
def test_what_was_rare_or_once_failed(path: Path) -> None:
    assert [] == list_differences(Scenario.from_text(path.read_text("utf-8")))


@given(scenarios())
def test_small_scenarios(scenario: Scenario) -> None:
    assert [] == list_differences(scenario)


@pytest.mark.parametrize("engine", ENGINES)
def test_large_scenarios_in_every_regime(engine: Engine) -> None:
    tally = compare_random(300, 1, engine)
    regimes = {name for name in tally.regimes if not name.startswith(LEFT_OUT)}

    assert (300, 0, []) == (tally.scenarios, tally.differing, tally.differences)
    assert set(REFUSALS) == set(tally.refusals)
    assert {
        "cash bound",
        "cash is locked",
        "cash is not shared",
        "from signals",
        "flipped",
        "short",
    } <= regimes


REFUSALS = {
    "CantCoverFees",
    "MaxSizeExceeded",
    "MinSizeNotReached",
    "NoCashLong",
    "NoCashShort",
    "NoOpenPosition",
    "PartialFill",
    "PriceNaN",
    "SizeZero",
    "ValPriceNaN",
    "ValueNaN",
    "ValueZeroNeg",
}


def test_what_is_left_out_is_what_the_package_has_by_default() -> None:
    import vectorbt

    defaults = vectorbt.settings["portfolio"]
    imitation_defaults = {name: value for name, value in OF_SIGNALS.items() if name in defaults}

    np.testing.assert_equal(
        {
            name: defaults[name] or "disabled" if name == "accumulate" else defaults[name]
            for name in imitation_defaults
        },
        imitation_defaults,
    )


def test_words_have_the_numbers_of_the_package() -> None:
    from vectorbt.portfolio import enums

    names = {
        "size_type": enums.SizeType,
        "direction": enums.Direction,
        "accumulate": enums.AccumulationMode,
        "upon_long_conflict": enums.ConflictMode,
        "upon_short_conflict": enums.ConflictMode,
        "upon_dir_conflict": enums.DirectionConflictMode,
        "upon_opposite_entry": enums.OppositeEntryMode,
        "stop_entry_price": enums.StopEntryPrice,
        "stop_exit_price": enums.StopExitPrice,
        "upon_stop_exit": enums.StopExitMode,
        "upon_stop_update": enums.StopUpdateMode,
    }

    assert {name: tuple(word.lower() for word in enum._fields) for name, enum in names.items()} == WORDS


def test_an_error_that_only_one_side_raises_is_a_difference() -> None:
    (difference,) = list_differences(case("10 | 0 | |", size_type="percent").scenario)

    assert "only one side raises an error" in difference


def test_errors_of_two_kinds_are_a_difference() -> None:
    terms = {"size_type": np.array([["percent", "amount"]]), "fixed_fees": np.array([[0.0], [1.0]])}
    size = np.array([[0.0, -np.inf], [NAN, 1.0]])
    close = np.array([[10.0, 10.0], [20.0, 20.0]])

    (difference,) = list_differences(
        Scenario("orders", close, 100.0, {"size": size, "lock_cash": True, **terms}, cash_sharing=False)
    )

    assert "two different errors" in difference


# --- where the package's two engines differ from each other ---------------------------------------------


IN_STEPS = {"size_granularity": 0.1}
IN_TURN: dict[str, Any] = {
    "size_type": [["amount", "percent"]],
    "val_price": [[10.0, NAN]],
    "call_seq": "auto",
}


@pytest.mark.parametrize(
    ("name", "numba", "rust"),
    [
        (
            GRANULARITY,
            case("10 | 1 | buy 0.9 at 10 | 91", **IN_STEPS),
            case("10 | 1 | buy 1 at 10   | 90", **IN_STEPS),
        ),
        (
            UNMARKED,
            case("10 10 | 1 -0.1 | buy 1 of 0 at 10; sell 0.9 of 1 at 10 | 99", **IN_TURN),
            case("10 10 | 1 -0.1 | sell 1 of 1 at 10; buy 1 of 0 at 10   | 100", **IN_TURN),
        ),
    ],
)
def test_the_two_engines_of_the_package_differ(name: str, numba: Case, rust: Case) -> None:
    assert [name] == list(where_engines_differ(numba.scenario))
    assert numba.rows == numba.performed(run(numba.scenario))
    assert rust.rows == rust.performed(run(rust.scenario, "rust"))
    assert numba.rows == numba.performed(imitate(numba.scenario))


def test_of_a_percent_of_zero_numba_fills_what_is_no_number() -> None:
    lonely = case("10 | 0 | NoCashLong | 100", size_type="percent")
    followed = case("10 | 0 | NoCashLong | 100\n10 | 0.5 | buy 5 at 10 | 50", size_type="percent")

    (fill,) = run(lonely.scenario).fills

    assert [NOTHING] == list(where_engines_differ(lonely.scenario))
    assert np.isnan([fill.quantity, fill.fee]).all()
    assert lonely.rows == lonely.performed(run(lonely.scenario, "rust"))
    assert followed.rows == followed.performed(run(followed.scenario, "rust"))
    with pytest.raises(ValueError, match="cash cannot be NaN"):
        run(followed.scenario)


def test_numba_divides_by_zero_where_a_short_is_covered_at_twice_its_price() -> None:
    doubled = case(
        """
        10 | -inf | sell 10 at 10 | 200
        20 | 1    | CantCoverFees | 200
        """,
        lock_cash=True,
        fixed_fees=[[0.0], [1.0]],
    )

    assert doubled.rows == doubled.performed(run(doubled.scenario, "rust"))
    with pytest.raises(ZeroDivisionError):
        run(doubled.scenario)


# --- our rules in the package's own records ---------------------------------------------------------


def money(log: NDArray[np.void]) -> NDArray[np.float64]:
    """Return the change of cash by each fill."""
    sides = np.where(log["res_side"] == 0, -1.0, 1.0)
    brought: NDArray[np.float64] = sides * log["res_size"] * log["res_price"] - log["res_fees"]
    return brought


def at_each_bar(scenario: Scenario, log: NDArray[np.void], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of what moved, by the end of each bar."""
    sums = np.zeros(len(scenario.close))
    np.add.at(sums, log["idx"], moved)
    return sums.cumsum()


@given(scenarios())
def test_cash_is_opening_cash_and_what_fills_brought(scenario: Scenario) -> None:
    from tieout.validation.engines.vectorbt import package as vectorbt

    log = log_of(scenario)
    portfolio = vectorbt.portfolio(scenario, "numba")
    books = book_trades(scenario, vectorbt.trades(scenario, portfolio))
    books.journal.discard()

    opening = scenario.cash * (1 if scenario.cash_sharing else scenario.shape[1])
    conserved = opening + at_each_bar(scenario, log, money(log))
    np.testing.assert_allclose(books.cash, conserved, rtol=1e-9, atol=HALF_A_CENT)
    np.testing.assert_allclose(books.cash, run(scenario).cash, rtol=0.0, atol=HALF_A_CENT)


@given(scenarios())
def test_cash_is_never_below_zero(scenario: Scenario) -> None:
    from tieout.validation.engines.vectorbt import package as vectorbt

    portfolio = vectorbt.portfolio(scenario, "numba") if log_of(scenario).size else reject()
    books = book_trades(scenario, vectorbt.trades(scenario, portfolio))
    books.journal.discard()

    assert (log_of(scenario)["new_cash"] >= 0).all()
    assert (books.cash >= 0).all()


@given(scenarios())
def test_positions_are_sums_of_fills_and_lie_on_the_side_of_their_direction(scenario: Scenario) -> None:
    from tieout.validation.engines.vectorbt import package as vectorbt

    log = log_of(scenario)
    books = book_trades(scenario, vectorbt.trades(scenario, vectorbt.portfolio(scenario, "numba")))
    books.journal.discard()
    sides = np.where(log["res_side"] == 0, 1.0, -1.0)

    for column in range(scenario.shape[1]):
        is_of_column = log["col"] == column
        held = at_each_bar(scenario, log[is_of_column], (sides * log["res_size"])[is_of_column])
        np.testing.assert_allclose(books.units[:, column] / 1e8, held, rtol=1e-9, atol=1e-7)
    is_more_than_all = (log["req_size_type"] == PERCENT) & (log["req_size"] < -1)  # by design, below
    assert (log["new_position"][(log["req_direction"] == 0) & ~is_more_than_all] >= 0).all()
    assert (log["new_position"][log["req_direction"] == 1] <= 0).all()


@given(scenarios())
def test_with_locked_cash_only_a_cover_leaves_less_than_twice_what_shorts_were_sold_for(
    scenario: Scenario,
) -> None:
    """Free cash is cash less twice the proceeds of what is short: it bounds the leverage of shorts by one."""
    locked = evolve(scenario, arguments={**scenario.arguments, "lock_cash": True})

    log = log_of(locked)

    is_cover = (log["position"] < 0) & (log["res_side"] == 0)
    noise = 1e-9 * np.maximum(1.0, log["new_cash"])
    assert (is_cover | (log["new_free_cash"] >= np.minimum(log["free_cash"], 0.0) - noise)).all()


def test_by_design_a_cover_with_locked_cash_may_leave_free_cash_below_zero() -> None:
    fixed_fee = case("10 | -10 | |\n10 | 1 | |", lock_cash=True, fixed_fees=[[0.0], [30.0]])

    log = log_of(fixed_fee.scenario)

    assert [0.0, -20.0] == log["new_free_cash"].tolist()


def test_by_design_free_cash_is_below_zero_where_it_is_not_locked() -> None:
    log = log_of(case("10 | -100 | |").scenario)

    assert [-900.0] == log["new_free_cash"].tolist()


def test_by_design_a_sale_of_more_than_all_that_is_held_is_short_where_only_long_is_allowed() -> None:
    sold = case(
        """
        10 | 1    | buy 10 at 10  | 0
        10 | -1.5 | sell 15 at 10 | 150
        """,
        size_type="percent",
        direction="longonly",
    )

    log = log_of(sold.scenario)

    assert [10.0, -5.0] == log["new_position"].tolist()
    assert sold.rows == sold.performed(run(sold.scenario))


def test_by_design_the_value_of_an_account_may_be_below_zero_and_nothing_ends_it() -> None:
    ruined = case(
        """
        10 | -10 | sell 10 at 10      | 200 value 100
        30 | 10  | buy 6.666667 at 30 | 0 value -100
        60 | 1   | NoCashLong         | 0 value -200
        """
    )

    assert ruined.rows == ruined.performed(run(ruined.scenario))

"""The imitation beside Backtrader itself: by hand, at random, and where the package is not followed."""

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from hypothesis import assume, given

from tests.validation.engines.backtrader.cases import CASES, MONDAY, case, describe_bars, lines, scenario
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.validation.engines.backtrader.defects import DEFECTS, possible_defects
from tieout.validation.engines.backtrader.imitation import (
    FullOutcome,
    all_differences,
    books_of_records,
    imitate,
)
from tieout.validation.engines.backtrader.random import scenarios, seeded
from tieout.validation.engines.backtrader.scenario import Action, Rules, Scenario, of_bars, table
from tieout.validation.evidence.backtrader import LEFT_OUT, compare_random
from tieout.validation.foreign.outcome import HALF_A_CENT

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(find_spec("backtrader") is None, reason="Backtrader is not installed"),
]
SECONDS = 600
SCENARIO_FILES = sorted((Path(__file__).parent / "scenarios").glob("*.json"))


def run(one: Scenario) -> FullOutcome:
    from tieout.validation.engines.backtrader import package as backtrader

    return backtrader.run(one)


@pytest.mark.parametrize("name", CASES)
def test_the_package_does_what_was_worked_out_by_hand(name: str) -> None:
    one = scenario(CASES[name])

    assert lines(CASES[name]) == describe_bars(CASES[name], run(one))
    assert [] == all_differences(imitate(one), run(one))


@pytest.mark.parametrize("path", SCENARIO_FILES, ids=lambda path: path.stem)
def test_what_was_rare_or_once_failed(path: Path) -> None:
    one = Scenario.from_text(path.read_text("utf-8"))

    assert [] == possible_defects(one)
    assert [] == all_differences(imitate(one), run(one))


@given(scenarios())
def test_small_scenarios(one: Scenario) -> None:
    assume(not possible_defects(one))

    assert [] == all_differences(imitate(one), run(one))


def test_large_scenarios_in_every_regime() -> None:
    tally = compare_random(300, seed=1)
    regimes = {name for name in tally.regimes if not name.startswith(LEFT_OUT)}

    assert (300, 0, []) == (tally.scenarios, tally.differing, tally.differences)
    assert {"Canceled", "Expired", "Margin", "Rejected"} == set(tally.refusals)
    assert {
        "Close order filled",
        "Limit order filled",
        "Market order filled",
        "Stop order filled",
        "StopLimit order filled",
        "StopTrail order filled",
        "StopTrailLimit order filled",
        "bars missing",
        "cash below zero",
        "cash bound",
        "cheat on close",
        "cheat on open",
        "child of a bracket accepted",
        "child of a bracket canceled",
        "child of a bracket completed",
        "child of a bracket expired",
        "child of a bracket margin",
        "child of a bracket rejected",
        "child of a bracket waiting",
        "commission in percent",
        "commission per unit",
        "interest",
        "order expired",
        "order of an OCO group cancelled",
        "flip closed and not opened",
        "flipped",
        "short",
        "slippage",
        "submission checked",
        "submission not checked",
        "target or close",
        "value below zero",
    } == regimes


def test_no_two_scenarios_of_a_seed_need_be_alike() -> None:
    drawn = [seeded(0, number).text for number in range(200)]

    assert len(drawn) == len(set(drawn))


# --- what is not followed ----------------------------------------------------------------------------


def without_a_price() -> Scenario:
    one = scenario(case("10 10 10 10 | buy 1 |\n 11 11 11 11 | |\n 12 12 12 12 | |"))
    opened = one.open.copy()
    opened[1] = math.nan
    return evolve(one, open=opened, there=np.ones((3, 1), bool))


def on_an_old_bar() -> Scenario:
    return scenario(
        case("""
        10 10 10 10 / 50 50 45 50 | buy 1 Limit at 46 of 1 |
        10 10 10 10 /  -  -  -  - |                        |
        10 10 10 10 / 45 45 45 45 |                        |
        """)
    )


def at_the_open_of_an_old_bar() -> Scenario:
    return scenario(
        case(
            """
        10 10 10 10 / 50 50 50 50 |            |
        10 10 10 10 /  -  -  -  - | buy 1 of 1 |
        10 10 10 10 / 45 45 45 45 |            |
        """,
            coo=True,
        )
    )


def before_the_first_bar() -> Scenario:
    return scenario(
        case(
            """
        10 10 10 10 /  -  -  -  - | buy 1 of 1 |
        10 10 10 10 / 50 50 50 50 |            |
        10 10 10 10 / 70 80 40 77 |            |
        """,
            coc=True,
            checksubmit=False,
        )
    )


def in_seconds() -> Scenario:
    """At each of some seconds an order that is good for one, and that the next bar fills."""
    timestamp = MONDAY + np.arange(SECONDS) * 10**9
    flat = {name: np.full((timestamp.size, 1), 10.0) for name in ("open", "high", "low", "close")}
    actions = table(
        Action(bar, "buy", 1.0, type="Limit", price=10.0, valid=1 / 86_400) for bar in range(SECONDS - 1)
    )
    return of_bars(timestamp, flat, actions, Rules(cash=1e6))


PLANTED = {
    "a bar without a price": without_a_price,
    "an old bar": on_an_old_bar,
    "the open of an old bar": at_the_open_of_an_old_bar,
    "the last bar before the first": before_the_first_bar,
    "time as a float": in_seconds,
}


def test_each_defect_is_planted_once() -> None:
    assert [defect.name for defect in DEFECTS] == list(PLANTED)


@pytest.mark.parametrize("name", PLANTED)
def test_a_defect_is_found_by_its_rule_and_makes_a_difference(name: str) -> None:
    one = PLANTED[name]()

    assert [name] == possible_defects(one)
    assert [] != all_differences(imitate(one), run(one))


def test_a_bar_without_a_price_leaves_no_cash_at_all() -> None:
    imitation, outcome = imitate(without_a_price()), run(without_a_price())

    assert [10_000.0, 10_000.0, 9_988.0] == imitation.cash.tolist()
    assert [False, True, True] == np.isnan(outcome.cash).tolist()
    assert math.isnan(outcome.fills[0].price)


def test_an_old_bar_fills_an_order_that_was_given_at_its_close() -> None:
    imitation, outcome = imitate(on_an_old_bar()), run(on_an_old_bar())

    assert [(2, 45.0)] == [(fill.bar, fill.price) for fill in imitation.fills]
    assert [(1, 46.0)] == [(fill.bar, fill.price) for fill in outcome.fills]
    assert [0] == outcome.stamps


def test_the_open_of_an_old_bar_fills_what_cheats_on_the_open() -> None:
    imitation, outcome = imitate(at_the_open_of_an_old_bar()), run(at_the_open_of_an_old_bar())

    assert [(2, 45.0)] == [(fill.bar, fill.price) for fill in imitation.fills]
    assert [(1, 50.0)] == [(fill.bar, fill.price) for fill in outcome.fills]


def test_before_its_first_bar_an_instrument_has_its_last_price() -> None:
    imitation, outcome = imitate(before_the_first_bar()), run(before_the_first_bar())

    assert [] == imitation.fills
    assert [77.0] == [round(fill.price) for fill in outcome.fills]


def test_an_order_for_a_second_expires_before_it_or_not_by_the_last_bit() -> None:
    imitation, outcome = imitate(in_seconds()), run(in_seconds())

    assert (SECONDS - 1, 0) == (len(imitation.fills), len(imitation.refusals))
    assert 0 < len(outcome.refusals) < len(outcome.fills)


# --- the package's own records in our books ----------------------------------------------------------


@given(scenarios())
def test_the_package_s_records_account_for_its_cash_and_value(one: Scenario) -> None:
    """Cash is conserved, positions are the sums of fills, and equity is cash and positions at the close."""
    assume(not possible_defects(one))
    outcome = run(one)
    stated = books_of_records(one, outcome, has_statements=False)
    stated.journal.discard()
    held = np.zeros(stated.units.shape)
    np.add.at(
        held,
        ([fill.bar for fill in outcome.fills], [fill.column for fill in outcome.fills]),
        [fill.quantity for fill in outcome.fills],
    )

    assert np.allclose(outcome.cash, stated.cash, rtol=0.0, atol=HALF_A_CENT)
    assert np.allclose(outcome.value, stated.value, rtol=0.0, atol=HALF_A_CENT)
    assert np.array_equal(np.rint(held.cumsum(axis=0) * 1e8), stated.units)


@pytest.mark.parametrize("number", range(3))
def test_a_journal_of_the_package_s_records_verifies(number: int, tmp_path: Path) -> None:
    one = seeded(7, number)
    books_of_records(one, run(one), path=tmp_path / "run.duckdb").journal.close()

    with Reader(tmp_path / "run.duckdb") as reader:
        assert [] == [result.name for result in verify(reader).results if result.findings]


def test_cash_falls_below_zero_by_design_where_a_short_position_is_closed() -> None:
    outcome = run(scenario(CASES["closing is never refused, and cash falls below zero"]))

    assert -30_000.0 == outcome.cash.min()


def test_value_falls_below_zero_by_design_because_nothing_is_called_or_closed() -> None:
    outcome = run(scenario(CASES["closing is never refused, and cash falls below zero"]))

    assert -30_000.0 == outcome.value.min()
    assert "Margin" not in {notice.status for notice in outcome.notices if notice.order < 2}


def test_leverage_has_no_bound_by_design_because_short_sales_are_credited() -> None:
    outcome = run(scenario(CASES["a short sale of any size is credited"]))

    assert (10_000.0, 10_010_000.0) == (outcome.value[-1], outcome.cash[-1])


def test_interest_is_in_cash_by_the_day_and_once_more_in_the_commission_of_what_closes() -> None:
    name = "interest on what is short, at its average price, and once more in the commission"
    outcome = run(scenario(CASES[name]))

    assert 3.0 == sum(fill.fee for fill in outcome.fills) == sum(credit.amount for credit in outcome.credits)
    assert 10_000.0 - 1_000.0 - 3.0 == outcome.cash[-1]

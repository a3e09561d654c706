"""Backtrader imitated: the cases by hand, what can be asked, results that are known, and the books."""

from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given

from tests.validation.engines.backtrader.cases import CASES, case, describe_bars, lines, scenario
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.validation.engines.backtrader.imitation import (
    books,
    books_of_records,
    imitate,
    imitate_and_book,
    perform,
)
from tieout.validation.engines.backtrader.random import scenarios, seeded
from tieout.validation.engines.backtrader.scenario import (
    Action,
    Rules,
    Scenario,
    flags,
    of_bars,
    table,
    targets,
)
from tieout.validation.evidence.backtrader import departures
from tieout.validation.foreign.outcome import HALF_A_CENT
from tieout.validation.workloads import task
from tieout.validation.workloads.task import QUANTITY
from tieout.validation.workloads.workloads import generate


@pytest.mark.parametrize("name", CASES)
def test_by_hand(name: str) -> None:
    followed = imitate(scenario(CASES[name]))

    assert lines(CASES[name]) == describe_bars(CASES[name], followed)


def test_what_cheats_on_the_close_bears_the_time_of_its_decision() -> None:
    followed = imitate(scenario(CASES["cheating on the close fills at the close that it was decided at"]))

    assert ([1], [0]) == ([fill.bar for fill in followed.fills], followed.stamps)


def test_what_fills_at_the_close_of_a_day_bears_the_time_of_its_last_bar() -> None:
    name = "within a day it fills at the day's last close, when the next has begun"

    assert [3] == imitate(scenario(CASES[name])).stamps


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("buy 0", "has no size"),
        ("sell -1", "has no size"),
        ("buy 1 Limit at -5", "has an invalid price"),
        ("buy 1 Limit at 5 valid -1", "has an invalid valid"),
        ("value 100 at 0", "divides by a price of 0"),
        ("buy 1 of 2", "has no instrument"),
        ("cancel order 1", "refers to an action that is not before it"),
        ("cancel", "refers to an action that is not before it"),
        ("buy 1 oco 0", "refers to an action that is not before it"),
        ("buy 1; buy 1; sell 1 under 0", "does not follow its parent"),
        ("close; sell 1 under 0", "is not a child of a buy or a sell at its bar"),
        ("buy 1; sell 1 under 0; sell 1 under 1", "is not a child of a buy or a sell at its bar"),
    ],
)
def test_actions_that_a_scenario_refuses(words: str, refusal: str) -> None:
    with pytest.raises(ValueError, match=refusal):
        scenario(case(f"10 10 10 10 | {words} |"))


@pytest.mark.parametrize(
    ("rules", "refusal"),
    [({"cash": 0.0}, "divides by the cash"), ({"coc": True, "coo": True}, "at the close or at the open")],
)
def test_what_no_broker_can_be_set_to(rules: dict[str, float], refusal: str) -> None:
    with pytest.raises(ValueError, match=refusal):
        Rules(**rules)  # type: ignore[arg-type]  # each has its own type


def test_actions_come_in_the_order_of_time() -> None:
    one = scenario(case("10 10 10 10 | |\n 10 10 10 10 | |"))

    with pytest.raises(ValueError, match="has no bar, or is out of sequence"):
        evolve(one, actions=table([Action(1, "buy", 1.0), Action(0, "buy", 1.0)]))
    with pytest.raises(ValueError, match="has no bar, or is out of sequence"):
        evolve(one, actions=table([Action(2, "buy", 1.0)]))


def test_every_instrument_and_every_time_has_a_bar() -> None:
    with pytest.raises(ValueError, match="every instrument needs a bar"):
        scenario(case("10 10 10 10 / - - - - | |"))
    with pytest.raises(ValueError, match="some instrument must have a bar"):
        scenario(case("10 10 10 10 | |\n - - - - | |"))


def test_where_nothing_is_asked_nothing_happens() -> None:
    followed = imitate(scenario(case("10 10 10 10 | |\n 10 10 10 10 | |")))

    assert ([], [], [10_000.0] * 2) == (followed.fills, followed.notices, followed.value.tolist())


def test_flags_enter_what_is_flat_and_close_what_is_held() -> None:
    yes = np.array([[True, True], [True, False], [False, False]])
    no = np.array([[False, True], [False, True], [True, False]])

    assert [(0, "enter", 100.0, 0), (1, "enter", 100.0, 0), (1, "close", 0.0, 1), (2, "close", 0.0, 0)] == [
        (one.bar, one.kind, one.size, one.column) for one in map(Action.of, flags(yes, no, 100.0).tolist())
    ]


def test_targets_close_what_leaves_before_the_others_come() -> None:
    shares = np.array([[np.nan, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 0.25, np.nan]])
    share, close = "order_target_percent", "close"

    assert [(0, share, 1), (1, close, 1), (1, share, 0), (2, close, 0), (2, share, 1)] == [
        (one.bar, one.kind, one.column) for one in map(Action.of, targets(shares).tolist())
    ]
    assert ["close", "trim", "top_up"] == [
        one.kind for one in map(Action.of, targets(shares, sells_first=True).tolist()) if one.bar == 2
    ]


# --- peers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cash", "rules", "fills", "value"),
    [
        (1e7, {"coc": True}, 10_929, 10_008_935.10),
        (1e7, {}, 10_929, 9_999_434.74),
        (1e6, {"coc": True, "checksubmit": False}, 4_706, 987_216.85),
        (1e6, {"checksubmit": False}, 4_656, 953_799.69),
        (1e6, {}, 281, 1_076_994.39),
    ],
)
def test_flags_give_what_is_known_of_them(
    cash: float, rules: dict[str, bool], fills: int, value: float
) -> None:
    w1 = generate("W1")
    actions = flags(w1.inputs["entries"], w1.inputs["exits"], QUANTITY)
    rules_of_run = evolve(Rules(cash=cash, commission=0.001), **rules)
    followed = imitate(of_bars(w1.timestamp, w1.bars, actions, rules_of_run))

    assert (fills, value) == (len(followed.fills), round(followed.value[-1], 2))


@pytest.mark.parametrize(
    ("invested", "sells_first", "fills", "value"),
    [(0.95, False, 8_040, 1_273_638.82), (0.95, True, 8_040, 1_273_638.82), (1.0, True, 7_996, 1_277_952.88)],
)
def test_targets_give_what_is_known_of_them(
    invested: float,
    sells_first: bool,  # noqa: FBT001  from the table
    fills: int,
    value: float,
) -> None:
    w2 = generate("W2")
    shares = w2.weights / task.INVESTED * invested
    actions = targets(shares, sells_first=sells_first)
    followed = imitate(of_bars(w2.timestamp, w2.bars, actions, Rules(cash=1e6, commission=0.001)))

    assert (fills, value) == (len(followed.fills), round(followed.value[-1], 2))


# --- books -------------------------------------------------------------------------------------------


@given(scenarios())
def test_the_text_of_a_scenario_is_all_of_it(one: Scenario) -> None:
    again = Scenario.from_text(one.text)

    assert one.text == again.text
    assert imitate(one).notices == imitate(again).notices


@given(scenarios())
def test_cash_and_units_in_the_books_are_the_loop_s_rounded(one: Scenario) -> None:
    performance = perform(one)
    stated = books(performance, has_statements=False)
    stated.journal.discard()

    assert [] == list(departures(performance, stated))
    assert np.allclose(performance.desk.value, stated.value, rtol=0.0, atol=HALF_A_CENT)


@given(scenarios())
def test_fills_and_interest_account_for_cash_and_value(one: Scenario) -> None:
    """Books of nothing but the records come to the cash and the value that the loop has."""
    followed = imitate(one)
    stated = books_of_records(one, followed, has_statements=False)
    stated.journal.discard()

    assert np.allclose(followed.cash, stated.cash, rtol=0.0, atol=HALF_A_CENT)
    assert np.allclose(followed.value, stated.value, rtol=0.0, atol=HALF_A_CENT)


@pytest.mark.parametrize("number", range(3))
def test_a_journal_of_a_run_verifies(number: int, tmp_path: Path) -> None:
    _, stated = imitate_and_book(seeded(7, number), path=tmp_path / "run.duckdb")
    stated.journal.close()

    with Reader(tmp_path / "run.duckdb") as reader:
        assert [] == [result.name for result in verify(reader).results if result.findings]

"""The imitation of VectorBT: its inputs, its refusals, its errors, and its books."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject

from tests.validation.engines.vectorbt.cases import Case, case
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.validation.engines.vectorbt.imitation import (
    Simulation,
    WouldRaise,
    book_trades,
    imitate,
    imitate_and_book,
    simulate,
    trades_from,
)
from tieout.validation.engines.vectorbt.random import scenarios, seeded
from tieout.validation.engines.vectorbt.scenario import (
    GRANULARITY,
    NOTHING,
    UNMARKED,
    Scenario,
    where_engines_differ,
)
from tieout.validation.evidence.vectorbt import departures


def test_a_short_without_collateral_leaves_free_cash_below_zero() -> None:
    (desk,) = simulate(case("10 | -100 | |").scenario).desks

    account = desk.account[0]

    assert (1100.0, -900.0) == (account["cash"], account["free"])


@pytest.mark.parametrize(
    ("raises", "ends"),
    [
        (case("10 | 0 |", size_type="percent"), "bar 0, column 0: a bad value"),
        (case("10 | 5 |\n 0 | 5 |"), "bar 1, column 0: a bad value"),
        (case("10 10 | 5 5 |", size_type="value", val_price=[[10.0, 0.0]]), "bar 0, column 1: a bad value"),
        (
            case("10 | 5 |\n 10 | 5 |", direction=[["both"], ["shortonly"]]),
            "bar 1, column 0: a bad value",
        ),
        (
            case("10 | -5 |\n 10 | 5 |", direction=[["both"], ["longonly"]]),
            "bar 1, column 0: a bad value",
        ),
        (
            case("10 | entry |\n 10 | short |", size=0.5, size_type="percent"),
            "bar 1, column 0: a bad value",
        ),
        (
            case("10 | -inf |\n 20 | 1 |", lock_cash=True, fixed_fees=[[0.0], [1.0]]),
            "bar 1, column 0: a division by zero",
        ),
    ],
)
def test_where_vectorbt_raises_an_error_the_run_ends(raises: Case, ends: str) -> None:
    with pytest.raises(WouldRaise) as caught:
        imitate(raises.scenario)

    assert ends == str(caught.value)


@pytest.mark.parametrize(
    ("kind", "arguments", "refusal"),
    [
        ("orders", {"sizes": 1.0}, "orders take no sizes"),
        ("orders", {"entries": True}, "orders take no entries"),
        ("orders", {"slippage": -0.1}, "slippage lies between 0.0 and 1.0"),
        (
            "orders",
            {"size_granularity": np.array([[1.0, -1.0]])},
            "size_granularity lies between 0.0 and inf",
        ),
        ("signals", {"sl_stop": -0.1}, "sl_stop lies between 0.0 and inf"),
        ("signals", {"size": -1.0}, "a signal has a side, so its size is not below zero"),
        ("signals", {"size_type": "targetpercent"}, "a signal has no target"),
    ],
)
def test_what_vectorbt_cannot_be_given(kind: str, arguments: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ValueError, match=f"^{refusal}$"):
        Scenario(kind, np.full((3, 2), 10.0), 100.0, arguments)  # type: ignore[arg-type]  # one of the two


@pytest.mark.parametrize(
    ("differs", "names"),
    [
        (case("10 | 1 |"), []),
        (case("10 | 1 |", size_granularity=0.1), [GRANULARITY]),
        (case("10 | 0 |", size_type="percent"), [NOTHING]),
        (case("10 - | 1 -1 |", size_type="percent", call_seq="auto"), [UNMARKED]),
        (case("10 - | 1 -1 |", size_type="percent"), []),
        (case("10 - | 1 -1 |", size_type="percent", call_seq="auto", cash_sharing=False), []),
        (case("10 - | 1 -1 |", size_type="value", call_seq="auto"), []),
    ],
)
def test_where_vectorbt_differs_from_itself_is_known_beforehand(differs: Case, names: list[str]) -> None:
    assert names == where_engines_differ(differs.scenario)


@given(scenarios())
def test_the_text_of_a_scenario_is_all_of_it(scenario: Scenario) -> None:
    again = Scenario.from_text(scenario.text)

    assert scenario.text == again.text
    assert outcome(scenario) == outcome(again)


def outcome(scenario: Scenario) -> object:
    try:
        result = imitate(scenario)
    except WouldRaise as error:
        return str(error)
    return [*result.fills], [*result.refusals], result.cash.tobytes(), result.value.tobytes()


def test_no_two_scenarios_of_a_seed_need_be_alike() -> None:
    drawn = [seeded(0, number).text for number in range(200)]

    assert len(drawn) == len(set(drawn))


@given(scenarios())
def test_the_books_are_the_loop_s_state_to_half_a_unit(scenario: Scenario) -> None:
    performed = performance(scenario)

    booked = book_trades(scenario, trades_from(performed), performed.outcome.refusals)

    assert [] == list(departures(performed, booked))


def performance(scenario: Scenario) -> Simulation:
    try:
        return simulate(scenario)
    except WouldRaise:
        reject()


@given(scenarios())
def test_what_is_booked_says_what_the_fills_say(scenario: Scenario) -> None:
    performed = performance(scenario)

    result, books = imitate_and_book(scenario)

    with books.journal as journal:
        figures = journal.sql("select count(*) as fills, sum(commission) as fees from fill").rows()[0]
    whole = [fill for fill in result.fills if abs(fill.quantity) >= 1e-8]
    assert len(whole) == figures["fills"]
    assert len(performed.fills) == len(result.fills)


@pytest.mark.parametrize("number", range(4))
def test_a_journal_of_a_run_verifies(number: int, tmp_path: Path) -> None:
    performed = performance(seeded(1, number))

    path = tmp_path / "run.duckdb"
    trades = trades_from(performed)
    book_trades(
        performed.scenario, trades, performed.outcome.refusals, has_statements=True, path=path
    ).journal.close()

    with Reader(path) as reader:
        assert [] == [check.name for check in verify(reader).results if check.findings]

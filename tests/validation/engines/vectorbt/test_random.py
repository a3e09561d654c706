"""The comparison itself: it finds what is planted, and counts what it has seen."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from tests.validation.engines.vectorbt.cases import case
from tieout.validation.engines.vectorbt.imitation import book_trades, imitate, simulate, trades_from
from tieout.validation.evidence.tally import FLIPPED, SHORT, Tally, regimes_of
from tieout.validation.evidence.vectorbt import departures, regimes
from tieout.validation.foreign.outcome import Difference, Fill
from tieout.validation.foreign.rows import unlike

TWO_FILLS = case("10 | 5 | |\n10 | -8 | |", fees=0.001, lock_cash=True)


def test_an_equal_scenario_is_counted_and_not_listed() -> None:
    tally = Tally()
    outcome = imitate(TWO_FILLS.scenario)

    assert tally.add("it", outcome, outcome, ["cash bound"])
    assert (1, 2, 2, 0, []) == (
        tally.scenarios,
        tally.fills,
        tally.bars,
        tally.differing,
        tally.differences,
    )
    assert {"cash bound": 1, SHORT: 1, FLIPPED: 1} == tally.regimes


@pytest.mark.parametrize(
    ("planted", "difference"),
    [
        (
            {"quantity": 5.00001},
            "it: bar 0, column 0: quantity of a fill: 5.0 here, 5.00001 there (1 in all)",
        ),
        ({"fee": 0.06}, "it: bar 0, column 0: fee of a fill: 0.05 here, 0.06 there (1 in all)"),
        (
            {"bar": 1},
            (
                "it: bar 0, column 0: fill: order 0 buys 5 at 10, fee 0.05, at bar 0 here,"
                " order 0 buys 5 at 10, fee 0.05, at bar 1 there (1 in all)"
            ),
        ),
    ],
)
def test_a_fill_that_differs_is_listed(planted: dict[str, Any], difference: str) -> None:
    tally = Tally()
    outcome = imitate(TWO_FILLS.scenario)
    first, *rest = outcome.fills
    expected = evolve(outcome, fills=[evolve(first, **planted), *rest])

    assert not tally.add("it", outcome, expected)
    assert (1, 1, [difference]) == (tally.scenarios, tally.differing, tally.differences)


def test_a_refusal_and_a_balance_that_differ_are_listed() -> None:
    tally = Tally()
    outcome = imitate(case("10 | 5 | |\n10 | 100 | |", allow_partial=False).scenario)
    expected = evolve(outcome, refusals=[], cash=outcome.cash + np.array([0.0, 0.006]))

    tally.add("it", outcome, expected)

    assert ["it: bar 1, column 0: refusal: order 1 PartialFill at bar 1 here, none there (2 in all)"] == (
        tally.differences
    )


def test_tallies_add_up() -> None:
    outcome = imitate(TWO_FILLS.scenario)
    one, other = Tally(), Tally()
    one.add("one", outcome, outcome)
    other.add("other", outcome, evolve(outcome, fills=[]))

    both = one + other

    assert (2, 2, 4, 1) == (both.scenarios, both.fills, both.bars, both.differing)
    assert {SHORT: 1, FLIPPED: 1} == both.regimes
    assert other.differences == both.differences


def test_dust_is_neither_a_short_nor_a_flip() -> None:
    held = [Fill(0, 0, 0, 0.3, 10.0, 0.0), Fill(1, 0, 1, -0.1, 10.0, 0.0), Fill(2, 0, 2, -0.2, 10.0, 0.0)]

    assert [] == list(regimes_of(held))


def test_books_that_differ_from_the_loop_are_listed() -> None:
    performed = simulate(TWO_FILLS.scenario)
    booked = book_trades(performed.scenario, trades_from(performed))
    booked.journal.discard()

    wrong = evolve(booked, cash=booked.cash + 1e-6, units=booked.units - 1)

    assert [] == list(departures(performed, booked))
    assert [
        "bar 0: cash is 49.950001 in the books, 49.95 in the loop",
        "bar 0, column 0: 4.99999999 units in the books, 5.0 in the loop",
    ] == list(departures(performed, wrong))


ROW = "of row 1 of the table fill"


@pytest.mark.parametrize(
    ("name", "by", "differences"),
    [
        ("quantity_after", 1e-8, []),
        ("quantity_after", 2e-8, [f"quantity {ROW}: 800000000 here, 799999998 there"]),
        ("quantity_after", -2e-8, [f"quantity {ROW}: 800000000 here, 800000002 there"]),
        (
            "quantity_after",
            9.0,
            [f"side {ROW}: -1 here, 1 there", f"quantity {ROW}: 800000000 here, 100000000 there"],
        ),
        ("cash_before", 1e-6, []),
        ("cash_before", 2e-6, [f"cash {ROW}: -79920000 here, -79919998 there"]),
        ("fee", 1e-6, []),
        ("fee", 2e-6, [f"commission {ROW}: 80000 here, 80002 there"]),
        ("price", 1e-9, []),
        ("price", 2e-8, [f"price {ROW}: 10 here, 10.00000002 there"]),
        ("fee", np.nan, [f"commission {ROW}: 80000 here, nan there"]),
    ],
)
def test_a_booked_difference_of_more_than_one_unit_is_listed(
    name: str, by: float, differences: list[str]
) -> None:
    scenario = TWO_FILLS.scenario
    trades = trades_from(simulate(scenario))
    booked = book_trades(scenario, trades)
    package_trades = trades.copy()
    package_trades[name][1] += by

    assert [f"bar 1, column 0: {one}" for one in differences] == [
        str(one) for one in unlike(booked, trades, package_trades)
    ]
    booked.journal.discard()


@pytest.mark.parametrize(("name", "column"), [("bar", "bar"), ("column", "instrument")])
def test_a_row_is_of_its_bar_and_instrument(name: str, column: str) -> None:
    scenario = case("10 9 | 5 - | |\n10 9 | -8 - | |", lock_cash=True).scenario
    trades = trades_from(simulate(scenario))
    booked = book_trades(scenario, trades)
    package_trades = trades.copy()
    package_trades[name][1] = 1 - package_trades[name][1]

    assert [f"{column} {ROW}"] == [one.what for one in unlike(booked, trades, package_trades)]
    booked.journal.discard()


def test_a_missing_fill_is_listed() -> None:
    scenario = TWO_FILLS.scenario
    trades = trades_from(simulate(scenario))
    booked = book_trades(scenario, trades)
    one_less = evolve(booked, fills=booked.fills[:1])

    assert ["rows of the table fill: 2 here, 1 there"] == rest_of(unlike(booked, trades, trades[:1]))
    assert ["rows of the table fill: 1 here, 2 there"] == rest_of(unlike(one_less, trades, trades))
    assert [] == rest_of(unlike(booked, trades, trades))
    booked.journal.discard()


def rest_of(differences: Iterable[Difference]) -> list[str]:
    return [f"{one.what}: {one.value} here, {one.expected} there" for one in differences]


def test_regimes_are_those_that_a_scenario_has_reached() -> None:
    bound = case("10 | entry | |", cash_sharing=False, lock_cash=True).scenario

    assert ["cash bound", "from signals", "cash is locked", "cash is not shared"] == list(
        regimes(simulate(bound))
    )

"""Two outcomes side by side: every difference is listed, and nothing else."""

from typing import Any

import numpy as np
import pytest
from attrs import evolve

from tieout.validation.foreign.outcome import Fill, Outcome, Refusal, differences

NAN, INF = float("nan"), float("inf")
BUY, SALE = Fill(0, 0, 0, 5.0, 10.0, 0.05), Fill(2, 1, 2, -5.0, 12.0, 0.06)
DEAR, CANCELLED = Refusal(1, 1, 1, "Margin"), Refusal(2, 0, 3, "Canceled")
HERE = Outcome([BUY, SALE], [DEAR, CANCELLED], np.array([50.0, 50.0, 110.0]), np.array([100.0, 101.0, 110.0]))

OTHERWISE: dict[str, tuple[dict[str, Any], list[tuple[int, str]]]] = {
    "a fill at another bar": ({"fills": [BUY, evolve(SALE, bar=1)]}, [(1, "fill")]),
    "a fill of another instrument": ({"fills": [BUY, evolve(SALE, column=0)]}, [(2, "fill")]),
    "a fill of another order": ({"fills": [BUY, evolve(SALE, order=4)]}, [(2, "fill")]),
    "a fill on the other side": ({"fills": [BUY, evolve(SALE, quantity=5.0)]}, [(2, "fill")]),
    "a fill of another size": ({"fills": [BUY, evolve(SALE, quantity=-5.0001)]}, [(2, "quantity of a fill")]),
    "a fill at another price": ({"fills": [BUY, evolve(SALE, price=12.0001)]}, [(2, "price of a fill")]),
    "a fill at no price": ({"fills": [BUY, evolve(SALE, price=NAN)]}, [(2, "price of a fill")]),
    "a fill with another fee": ({"fills": [BUY, evolve(SALE, fee=0.0601)]}, [(2, "fee of a fill")]),
    "the last fill only here": ({"fills": [BUY]}, [(2, "fill")]),
    "a fill more there": ({"fills": [BUY, SALE, evolve(SALE, order=5)]}, [(2, "fill")]),
    "no fill there": ({"fills": []}, [(0, "fill")]),
    "fills in another order": ({"fills": [SALE, BUY]}, [(0, "fill")]),
    "a refusal for another reason": (
        {"refusals": [evolve(DEAR, reason="Rejected"), CANCELLED]},
        [(1, "refusal")],
    ),
    "a refusal of another order": ({"refusals": [evolve(DEAR, order=0), CANCELLED]}, [(1, "refusal")]),
    "the last refusal only here": ({"refusals": [DEAR]}, [(2, "refusal")]),
    "a refusal more there": ({"refusals": [DEAR, CANCELLED, CANCELLED]}, [(2, "refusal")]),
    "refusals in another order": ({"refusals": [CANCELLED, DEAR]}, [(1, "refusal")]),
    "other cash at one bar in the middle": ({"cash": np.array([50.0, 50.006, 110.0])}, [(1, "cash")]),
    "other cash at two bars": ({"cash": np.array([50.0, 49.0, 109.0])}, [(1, "cash")]),
    "cash that is no number": ({"cash": np.array([50.0, NAN, 110.0])}, [(1, "cash")]),
    "cash without end": ({"cash": np.array([INF, 50.0, 110.0])}, [(0, "cash")]),
    "other value at the last bar": ({"value": np.array([100.0, 101.0, 110.006])}, [(2, "value")]),
    "a bar less": ({"value": np.array([100.0, 101.0])}, [(0, "bars of value")]),
    "two things, told in the order of time": (
        {"fills": [BUY], "cash": np.array([51.0, 50.0, 110.0])},
        [(0, "cash"), (2, "fill")],
    ),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_difference_is_listed(name: str) -> None:
    other, expected = OTHERWISE[name]

    assert expected == [
        (difference.bar, difference.what) for difference in differences(HERE, evolve(HERE, **other))
    ]


@pytest.mark.parametrize("name", OTHERWISE)
def test_it_does_not_matter_which_of_the_two_comes_first(name: str) -> None:
    other, expected = OTHERWISE[name]

    every = differences(evolve(HERE, **other), HERE)

    assert expected == [(one.bar, one.what) for one in every]


ALIKE: dict[str, dict[str, Any]] = {
    "all of it": {},
    "the last digits of a size": {"fills": [evolve(BUY, quantity=5.0 + 1e-9), SALE]},
    "less than half a cent": {"cash": np.array([50.004, 49.996, 110.0])},
}


@pytest.mark.parametrize("name", ALIKE)
def test_equal_outcomes_have_no_difference(name: str) -> None:
    assert [] == differences(HERE, evolve(HERE, **ALIKE[name]))


def test_what_is_no_number_in_both_is_alike() -> None:
    there = evolve(
        HERE, fills=[BUY, evolve(SALE, price=NAN)], cash=np.full(3, NAN), value=np.array([1.0, INF, 1.0])
    )

    assert [] == differences(there, there)

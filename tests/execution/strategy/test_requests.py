"""Quantities at the door: whole steps as units, one by one and many at a time."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from tieout.execution.errors import MalformedOrder
from tieout.execution.kernels.state import empty_desk
from tieout.execution.strategy.requests import all_in_steps, in_steps

STEPS = [("1", 1.0, 100_000_000), ("0.1", 0.1, 10_000_000), ("0.00000001", 1e-8, 1)]
QUANTITIES = [0.0, 7.0, -3.0, 0.5, -1.5, 0.1 + 0.2, 1e-9, 1.0000000001, 123_456_789.0, 2.0**53, 1e300, -1e300]


@pytest.mark.parametrize(("name", "step", "units"), STEPS, ids=[name for name, _, _ in STEPS])
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_quantity_alone_is_in_units_what_it_is_among_many(
    quantity: float, name: str, step: float, units: int
) -> None:
    del name

    def told(asked: Callable[[], int]) -> int | str:
        try:
            return asked()
        except MalformedOrder as refused:
            return str(refused)

    many = np.array([quantity]), np.array([step]), np.array([units]), ["ACME"]

    with np.errstate(over="ignore", invalid="ignore"):
        among_many = told(lambda: int(all_in_steps(*many)[0]))

    assert among_many == told(lambda: in_steps(quantity, step, units, "ACME"))


WHOLE = [(7.0, 1.0, 700_000_000), (-3.0, 1.0, -300_000_000), (0.3, 0.1, 30_000_000), (1e-8, 1e-8, 1)]


@pytest.mark.parametrize(("quantity", "step", "expected"), WHOLE)
def test_a_quantity_is_counted_in_units(quantity: float, step: float, expected: int) -> None:
    assert expected == in_steps(quantity, step, round(step * 1e8), "ACME")


def test_part_of_a_step_is_refused() -> None:
    with pytest.raises(MalformedOrder, match=r"^ACME: 1\.5 is not a whole number of steps of 1\.0$"):
        in_steps(1.5, 1.0, 100_000_000, "ACME")


def test_no_two_arrays_of_a_desk_share_memory() -> None:
    desk = empty_desk(3, orders=5)

    pairs = [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(desk._asdict().items(), 2)
        if np.shares_memory(np.asarray(a), np.asarray(b))
    ]

    assert [] == pairs
    assert (5, 5, 20) == (len(desk.orders), len(desk.touches), len(desk.marks))

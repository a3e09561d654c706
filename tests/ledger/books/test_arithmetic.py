"""The integer arithmetic, compared with a naive version of it."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import naive
from tieout.ledger.books.arithmetic import NO_AMOUNT, fee, higher_per_unit, less, notional, rounded, share
from tieout.ledger.books.bounds import MAX_AMOUNT

SMALL = st.integers(0, 12)
EDGES = st.sampled_from(
    [0, 1, 2, 2**31, 2**32 - 1, 2**32, 2**49, 2**50 - 1, 2**50, 2**50 + 1, 2**53, 2**62, 2**63 - 2, 2**63 - 1]
)
AMOUNTS = st.one_of(SMALL, EDGES, st.integers(0, MAX_AMOUNT))
COUNTS = AMOUNTS.map(lambda n: max(n, 1))
SIGNED = st.tuples(AMOUNTS, st.sampled_from([1, -1])).map(lambda x: x[0] * x[1])


@given(AMOUNTS, AMOUNTS, COUNTS)
@example(MAX_AMOUNT, MAX_AMOUNT - 1, MAX_AMOUNT)
@example(MAX_AMOUNT - 511, 2**62, MAX_AMOUNT - 511)
@example(MAX_AMOUNT - 512, 2**62 + 1, MAX_AMOUNT - 512)
@example(MAX_AMOUNT, 2, 3)
@example(2**62, 2**53 - 1, 2**53)
@example(MAX_AMOUNT, 2**50 - 1, 2**50)
@example(MAX_AMOUNT, 2**50 - 2, 2**50 - 1)
@example(MAX_AMOUNT, 2**50, 2**50 + 1)
@example(9_200_000_000_000_000_001, 1, 2**50)
def test_a_share_is_the_exact_product_rounded_down(total: int, part: int, whole: int) -> None:
    part %= whole + 1

    assert naive.share(total, part, whole) == share(total, part, whole)


@given(AMOUNTS, st.lists(SMALL, min_size=1, max_size=6))
def test_shares_taken_one_after_another_add_up_to_the_total(total: int, parts: list[int]) -> None:
    left, whole, shares = total, sum(parts), 0
    for part in parts:
        if whole:
            out = share(left, part, whole)
            left, whole, shares = left - out, whole - part, shares + out

    assert total == shares + left
    assert left == 0 or sum(parts) == 0


@given(AMOUNTS, COUNTS, AMOUNTS, COUNTS)
def test_costs_per_unit_are_compared_exactly(a: int, b: int, c: int, d: int) -> None:
    assert naive.higher_per_unit(a, b, c, d) == higher_per_unit(a, b, c, d)


@given(SIGNED, SIGNED)
def test_a_difference_is_exact_or_none(total: int, part: int) -> None:
    exact = total - part

    assert (exact if abs(exact) <= MAX_AMOUNT else NO_AMOUNT) == less(total, part)
    assert NO_AMOUNT == less(NO_AMOUNT, part)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, 0),
        (1.5, 2),
        (2.5, 2),
        (-0.5, 0),
        (-1.5, -2),
        (2.4999999999999996, 2),
        (9.1e18, 9_100_000_000_000_000_000),
        (9.3e18, NO_AMOUNT),
        (-9.3e18, NO_AMOUNT),
        (float("inf"), NO_AMOUNT),
        (float("nan"), NO_AMOUNT),
    ],
)
def test_halves_are_rounded_to_even_and_what_does_not_fit_is_none(value: float, expected: int) -> None:
    assert expected == rounded(value)


@given(
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(0, 1e6, allow_nan=False),
    st.sampled_from([1.0, 50.0, 0.01]),
    st.sampled_from([0.01, 1.0, 1e-8, 100.0]),
)
def test_a_notional_is_rounded_once_from_left_to_right(
    quantity: int, price: float, multiplier: float, ratio: float
) -> None:
    product = float(quantity) * price * multiplier * ratio
    expected = int(np.rint(product)) if abs(product) < 9.2e18 else NO_AMOUNT

    assert expected == notional(quantity, price, multiplier, ratio)


@pytest.mark.parametrize(
    ("amount", "rate", "fixed", "expected"),
    [
        (1_000, 0.001, 0.0, 1),
        (500, 0.001, 0.0, 0),
        (1_500, 0.001, 0.0, 2),
        (1_000, 0.001, 2.5, 4),
        (0, 0.1, -3.0, -3),
    ],
)
def test_a_fee_is_a_rate_and_a_fixed_part_rounded_once(
    amount: int, rate: float, fixed: float, expected: int
) -> None:
    assert expected == fee(amount, rate, fixed)

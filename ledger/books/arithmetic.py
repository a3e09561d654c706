"""The integer arithmetic of the books: one way to share a total, one way to round a product.

Amounts are int64 at their commodity's scale. In numba an int64 wraps silently, so every function here either
cannot overflow or returns `NO_AMOUNT`.
"""

import math

import numpy as np

from tieout.ledger.books.bounds import MAX_AMOUNT
from tieout.ledger.books.compiled import entry

NO_AMOUNT = -(2**63)
"""The result of a rounding that does not fit: the one int64 that is never an amount."""

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_NARROW = 2**50
_LARGEST = 9.2e18  # below 2**63, where a float64 still converts


@entry
def share(total: int, part: int, whole: int) -> int:
    """Return ``total * part // whole`` exactly, for 0 <= part <= whole, whole > 0 and total >= 0.

    It is rounded down, so that the remainder stays with the units that are left. The last part takes it.
    """
    total, part, whole = (
        int(total),
        int(part),
        int(whole),
    )  # uncompiled, those of numpy would warn of wrapping
    if part == whole or total == 0:
        return total
    if part == 0:
        return 0
    product = float(total) * float(part)
    if product < _LARGEST:
        return total * part // whole
    if whole <= _NARROW:
        # The quotient of floats is off by 2**12 at most, so the difference of the two products fits into 64
        # bits. Neither product may fit, but both wrap alike.
        estimate = int(product / float(whole))
        return estimate + (total * part - estimate * whole) // whole

    # The product as two 64-bit halves, from 32-bit limbs.
    a, b, c = np.uint64(total), np.uint64(part), np.uint64(whole)
    a_high, a_low, b_high, b_low = a >> _HALF, a & _LOW, b >> _HALF, b & _LOW
    low_low, low_high, high_low = a_low * b_low, a_low * b_high, a_high * b_low
    middle = (low_low >> _HALF) + (low_high & _LOW) + (high_low & _LOW)
    high = a_high * b_high + (low_high >> _HALF) + (high_low >> _HALF) + (middle >> _HALF)
    low = (low_low & _LOW) | (middle << _HALF)

    # Long division. The remainder stays below `whole`, so it has room for as many more bits as `whole`
    # has leading zeros, and `high` is such a remainder because part < whole.
    # At least one: the float of the largest whole is already 2**63.
    room = max(1, 64 - math.frexp(float(whole))[1])
    quotient, remainder, left = np.uint64(0), high, 64
    while left > 0:
        step = min(room, left)
        left -= step
        digits = (low >> np.uint64(left)) & ((_ONE << np.uint64(step)) - _ONE)
        remainder = (remainder << np.uint64(step)) | digits
        quotient = (quotient << np.uint64(step)) | (remainder // c)
        remainder = remainder % c
    return int(np.int64(quotient))


@entry
def less(total: int, part: int) -> int:
    """Return ``total - part``, or `NO_AMOUNT` if it does not fit or *total* is `NO_AMOUNT`."""
    if total == NO_AMOUNT:
        return NO_AMOUNT
    if (part > 0 and total < part - MAX_AMOUNT) or (part < 0 and total > part + MAX_AMOUNT):
        return NO_AMOUNT
    return total - part


@entry
def notional(quantity: int, price: float, multiplier: float, ratio: float) -> int:
    """Return the money for *quantity* units at *price*, or `NO_AMOUNT`: float64, left to right, half to even.

    *ratio* is money units per quantity unit, ``10**(money scale - quantity scale)``. This is the one place
    where a product of price and quantity is rounded.
    """
    return rounded(float(quantity) * price * multiplier * ratio)


@entry
def fee(amount: int, rate: float, fixed: float) -> int:
    """Return ``amount * rate + fixed`` in money units by the same rule, or `NO_AMOUNT`."""
    return rounded(float(amount) * rate + fixed)


@entry
def rounded(value: float) -> int:
    """Round *value* to a whole number, half to even. `NO_AMOUNT` for NaN and for values beyond int64."""
    if not abs(value) < _LARGEST:
        return NO_AMOUNT
    return int(np.rint(value))


@entry
def higher_per_unit(cost: int, quantity: int, other_cost: int, other_quantity: int) -> bool:
    """Check whether cost / quantity > other_cost / other_quantity, exactly, for quantities > 0.

    They are compared as continued fractions: whole parts first, then the remainders upside down.
    """
    while True:
        whole, other_whole = cost // quantity, other_cost // other_quantity
        if whole != other_whole:
            return whole > other_whole
        cost, other_cost = cost - whole * quantity, other_cost - other_whole * other_quantity
        if cost == 0 or other_cost == 0:
            return cost > other_cost
        # a/b > c/d exactly when d/c > b/a.
        cost, quantity, other_cost, other_quantity = other_quantity, other_cost, quantity, cost

"""The cost of an order, and how much of it the account can bear. Money and quantities in units."""

import math
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_double
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from tieout.execution.kernels.compiled import inlined, shared
from tieout.ledger.books.arithmetic import NO_AMOUNT, notional, rounded
from tieout.ledger.numeric import Record


def _call(address: int, quantity: float, value: float) -> float:
    """Call the compiled function at *address*."""
    function: Callable[[float, float], float] = CFUNCTYPE(c_double, c_double, c_double)(int(address))
    return function(quantity, value)


@intrinsic
def _jump(_context: Any, _address: Any, _quantity: Any, _value: Any) -> Any:
    signature = types.float64(types.int64, types.float64, types.float64)

    def generate(_target: Any, builder: Any, _types: Any, arguments: Any) -> Any:
        from llvmlite import ir

        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType(), ir.DoubleType()])
        function = builder.inttoptr(arguments[0], ir.PointerType(kind))
        return builder.call(function, arguments[1:])

    return signature, generate


# numba compares the signatures, annotations included.
@overload(_call, strict=False)
def _compiled_call(address: Any, quantity: Any, value: Any) -> Any:
    del address, quantity, value  # types; the values come to what is returned
    # A lambda, because numba compiles it; an intrinsic is no function to be compiled.
    return lambda address, quantity, value: _jump(address, quantity, value)  # type: ignore[call-arg]  # noqa: PLW0108


@inlined
def due(policy: Record, instrument: Record, quantity: int, gross: int) -> int:
    """Return the commission of an order that has traded *quantity* (without sign) for *gross* in all."""
    if policy.address != 0:
        whole = float(quantity) / instrument.scale
        return rounded(_call(policy.address, whole, float(gross) / policy.money_scale) * policy.money_scale)
    charge = float(gross) * policy.percent
    if policy.per_share != 0.0:
        charge += float(quantity) / instrument.scale * policy.per_share
    charge = max(charge + policy.per_order, policy.minimum)
    if policy.maximum < math.inf:
        charge = min(charge, float(gross) * policy.maximum)
    return rounded(charge)


@inlined
def commission(policy: Record, instrument: Record, order: Record, quantity: int, gross: int) -> int:
    """Return what a further fill of *order* adds to its commission, or `NO_AMOUNT`. A minimum counts once.

    Return 0 where the fill has no quantity or no value.
    """
    if quantity == 0 or gross in (0, NO_AMOUNT):
        return 0
    total = due(policy, instrument, order.filled_quantity + quantity, order.gross + gross)
    return NO_AMOUNT if total == NO_AMOUNT else int(total - order.commission)


@inlined
def value(instrument: Record, quantity: int, price: float) -> int:
    """Return the notional of *quantity* at *price*, or `NO_AMOUNT`."""
    return notional(quantity, price, instrument.multiplier, instrument.ratio)


@inlined
def bears(policy: Record, instrument: Record, order: Record, cash: int, quantity: int, gross: int) -> bool:
    """Return whether *cash* pays for *gross* and the commission together."""
    return is_borne(gross, commission(policy, instrument, order, quantity, gross), cash)


@inlined
def is_borne(gross: int, fee: int, cash: int) -> bool:
    """Return whether *cash* pays for both. An amount that does not fit into 64 bits is too much."""
    return bool(NO_AMOUNT not in (gross, fee) and fee <= cash - gross)


@shared
def affordable(
    policy: Record, instrument: Record, order: Record, cash: int, price: float, step: int, most: int
) -> int:
    """Return the largest multiple of *step*, *most* units at most, that *cash* pays for.

    The search is between two guesses that differ by the commission on the commission.
    """
    price_of_step = float(step) * price * instrument.multiplier * instrument.ratio
    # One more than fits, because what is booked is rounded.
    high = int(min(float(most // step), float(cash) / price_of_step + 1.0))
    if high <= 0:
        return 0
    fee = commission(policy, instrument, order, high * step, value(instrument, high * step, price))
    low = 0
    if 0 <= fee <= cash:
        low = min(int(float(cash - fee) / price_of_step), high)
    if not bears(policy, instrument, order, cash, low * step, value(instrument, low * step, price)):
        low = 0
    while low < high:
        middle = (low + high + 1) // 2
        gross = value(instrument, middle * step, price)
        if bears(policy, instrument, order, cash, middle * step, gross):
            low = middle
        else:
            high = middle - 1
    return low * step


@inlined
def units_for(instrument: Record, gross: int, price: float) -> int:
    """Return the units that *gross* buys at *price*, to the nearest, so that nothing is lost on average."""
    return int(np.rint(float(gross) / (price * instrument.multiplier * instrument.ratio)))


@shared
def spendable(policy: Record, instrument: Record, order: Record, cash: int, price: float) -> int:
    """Return the largest gross that *cash* pays for together with its commission, or 0."""
    high = cash
    fee = commission(policy, instrument, order, units_for(instrument, high, price), high)
    low = cash - fee if 0 <= fee <= cash else 0
    if not bears(policy, instrument, order, cash, units_for(instrument, low, price), low):
        low = 0
    while low < high:
        middle = (low + high + 1) // 2
        if bears(policy, instrument, order, cash, units_for(instrument, middle, price), middle):
            low = middle
        else:
            high = middle - 1
    return low

"""What an order costs, and how much of it the account can bear. Money and quantities in units."""

import math
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_double
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from tieout.execution.kernels.compiled import leaf, routine
from tieout.ledger.books.arithmetic import NO_AMOUNT, notional, rounded
from tieout.ledger.books.arrays import Record


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


@leaf
def due(policy: Record, instrument: Record, quantity: int, gross: int) -> int:
    """The commission of an order that has traded *quantity* (without sign) for *gross* in all its fills."""
    if policy.address != 0:
        whole = float(quantity) / instrument.scale
        return rounded(_call(policy.address, whole, float(gross) / policy.money_scale) * policy.money_scale)
    charged = float(gross) * policy.percent
    if policy.per_share != 0.0:
        charged += float(quantity) / instrument.scale * policy.per_share
    charged = max(charged + policy.per_order, policy.minimum)
    if policy.maximum < math.inf:
        charged = min(charged, float(gross) * policy.maximum)
    return rounded(charged)


@leaf
def commission(policy: Record, instrument: Record, order: Record, quantity: int, gross: int) -> int:
    """What a further fill of *order* adds to its commission, or `NO_AMOUNT`; a minimum counts once.

    Nothing where there is nothing to charge for.
    """
    if quantity == 0 or gross in (0, NO_AMOUNT):
        return 0
    total = due(policy, instrument, order.filled + quantity, order.gross + gross)
    return NO_AMOUNT if total == NO_AMOUNT else int(total - order.commission)


@leaf
def value(instrument: Record, quantity: int, price: float) -> int:
    """The notional of *quantity* at *price*, or `NO_AMOUNT`."""
    return notional(quantity, price, instrument.multiplier, instrument.ratio)


@leaf
def bears(
    policy: Record, instrument: Record, order: Record, available: int, quantity: int, gross: int
) -> bool:
    """Whether *available* pays for *gross* and the commission together."""
    return is_borne(gross, commission(policy, instrument, order, quantity, gross), available)


@leaf
def is_borne(gross: int, fee: int, available: int) -> bool:
    """Whether *available* pays for both; what does not fit into 64 bits is too much."""
    return bool(NO_AMOUNT not in (gross, fee) and fee <= available - gross)


@routine
def affordable(
    policy: Record, instrument: Record, order: Record, available: int, price: float, step: int, most: int
) -> int:
    """The largest multiple of *step*, *most* units at most, that *available* bears.

    Searched between two guesses that differ by the commission on the commission.
    """
    price_of_step = float(step) * price * instrument.multiplier * instrument.ratio
    # One more than fits, because what is booked is rounded.
    high = int(min(float(most // step), float(available) / price_of_step + 1.0))
    if high <= 0:
        return 0
    fee = commission(policy, instrument, order, high * step, value(instrument, high * step, price))
    low = 0
    if 0 <= fee <= available:
        low = min(int(float(available - fee) / price_of_step), high)
    if not bears(policy, instrument, order, available, low * step, value(instrument, low * step, price)):
        low = 0
    while low < high:
        middle = (low + high + 1) // 2
        gross = value(instrument, middle * step, price)
        if bears(policy, instrument, order, available, middle * step, gross):
            low = middle
        else:
            high = middle - 1
    return low * step


@leaf
def units_for(instrument: Record, gross: int, price: float) -> int:
    """The units that *gross* buys at *price*, to the nearest, so that nothing is lost on average."""
    return int(np.rint(float(gross) / (price * instrument.multiplier * instrument.ratio)))


@routine
def spendable(policy: Record, instrument: Record, order: Record, available: int, price: float) -> int:
    """The largest gross that together with its commission is within *available*; 0 where there is none."""
    high = available
    fee = commission(policy, instrument, order, units_for(instrument, high, price), high)
    low = available - fee if 0 <= fee <= available else 0
    if not bears(policy, instrument, order, available, units_for(instrument, low, price), low):
        low = 0
    while low < high:
        middle = (low + high + 1) // 2
        if bears(policy, instrument, order, available, units_for(instrument, middle, price), middle):
            low = middle
        else:
            high = middle - 1
    return low

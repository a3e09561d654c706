"""The commission of an order, and the notional of a fill. Money and quantities in units."""

import math
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_double, c_int64
from typing import Any

from numba import types
from numba.extending import intrinsic, overload

from tieout.execution.kernels.compiled import inlined
from tieout.ledger.books.arithmetic import NO_AMOUNT, notional, rounded
from tieout.ledger.numeric import Record

COMMISSION = CFUNCTYPE(c_double, c_double, c_double, c_int64)
"""A commission as a C function of whole units, money and the type of the order. It returns money."""


def _call(address: int, quantity: float, value: float, order_type: int) -> float:
    """Call the compiled function at *address*."""
    function: Callable[[float, float, int], float] = COMMISSION(int(address))
    return function(quantity, value, int(order_type))


@intrinsic
def _jump(_context: Any, _address: Any, _quantity: Any, _value: Any, _order_type: Any) -> Any:
    signature = types.float64(types.int64, types.float64, types.float64, types.int64)

    def generate(_target: Any, builder: Any, _types: Any, arguments: Any) -> Any:
        from llvmlite import ir

        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType(), ir.DoubleType(), ir.IntType(64)])
        function = builder.inttoptr(arguments[0], ir.PointerType(kind))
        return builder.call(function, arguments[1:])

    return signature, generate


# numba compares the signatures, annotations included.
@overload(_call, strict=False)
def _compiled_call(address: Any, quantity: Any, value: Any, order_type: Any) -> Any:
    del address, quantity, value, order_type  # types: the values are passed to the function that is returned
    # A lambda, because numba compiles it. An intrinsic is no function to be compiled.
    return lambda address, quantity, value, order_type: _jump(address, quantity, value, order_type)  # type: ignore[call-arg]  # noqa: PLW0108


@inlined
def due(policy: Record, instrument: Record, order: Record, quantity: int, gross: int) -> int:
    """Return the commission of the whole *order* after it traded *quantity* (unsigned) for *gross*."""
    if policy.address != 0:
        whole, money = float(quantity) / instrument.scale, float(gross) / policy.money_scale
        return rounded(_call(policy.address, whole, money, order.type) * policy.money_scale)
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
    total = due(policy, instrument, order, order.filled_quantity + quantity, order.gross + gross)
    return NO_AMOUNT if total == NO_AMOUNT else int(total - order.commission)


@inlined
def value(instrument: Record, quantity: int, price: float) -> int:
    """Return the notional of *quantity* at *price*, or `NO_AMOUNT`."""
    return notional(quantity, price, instrument.multiplier, instrument.ratio)

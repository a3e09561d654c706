"""Commission as a function written by the user."""

import ctypes
import hashlib
import inspect
import math
from collections.abc import Callable
from functools import cache
from typing import Any

from tieout.execution.errors import InvalidSetting
from tieout.execution.kernels.charges import COMMISSION
from tieout.ledger.books.commodity import Commodity
from tieout.ledger.numeric import Record


class CustomCommission:
    """A commission given as a function that numba can compile.

        def tiered(quantity: float, notional: float) -> float:
            return 0.005 * quantity if quantity < 10_000 else 50 + 0.002 * (quantity - 10_000)

        Costs(commission=CustomCommission(tiered))

    *function* takes what an order has traded so far, in whole units and in money, both without sign. A third
    argument, if there is one, is the type of the order (`OrderType`). It returns the amount due in money. The
    amount must not fall as the order grows, or orders are cut too far.
    The source text of the function is part of what determines the run. It is compiled once a process, which
    takes a moment. A spec cannot name it.
    """

    def __init__(self, function: Callable[..., float]) -> None:
        self.function = function
        try:
            self.source = inspect.getsource(function)
        except (OSError, TypeError) as error:
            raise InvalidSetting(f"the source of {function!r} cannot be read: {error}") from None
        self._compiled: Any = None

    def fill_in(self, policy: Record, currency: Commodity) -> None:
        """Write the address of the compiled function into the policy that compiled code reads."""
        del currency  # whole money in, whole money out
        if self._compiled is None:
            self._compiled = _compiled(self.function)
        policy.address = ctypes.cast(self._compiled, ctypes.c_void_p).value

    def spec(self) -> dict[str, Any]:
        """Return the description that the journal records."""
        around = inspect.getclosurevars(self.function)
        return {
            "function": self.function.__qualname__,
            "source": hashlib.sha256(self.source.encode()).hexdigest(),
            "values": {
                name: str(value) for name, value in sorted({**around.nonlocals, **around.globals}.items())
            },
        }


@cache
def _compiled(function: Callable[..., float]) -> Any:
    """Compile a C function of type `COMMISSION`, or an interpreted one if numba is switched off.

    Cached, because the policy holds its address alone, which has to stay valid.
    """
    import numba
    from numba.core import config

    is_typed = len(inspect.signature(function).parameters) > 2  # noqa: PLR2004  units and money
    types = ", ".join(("float64", "float64", "int64")[: 3 if is_typed else 2])
    compiled: Callable[..., float] = function
    if not config.DISABLE_JIT:  # type: ignore[attr-defined]  # set from the environment
        try:
            compiled = numba.njit(f"float64({types})", error_model="numpy")(function)
        except numba.core.errors.NumbaError as error:
            raise InvalidSetting(
                f"{function.__qualname__} cannot be compiled: {str(error).splitlines()[0]}"
            ) from None

    def charge(quantity: float, notional: float, _order_type: int) -> float:
        try:
            return compiled(quantity, notional)
        except Exception:  # noqa: BLE001  a C function cannot raise: NaN refuses the order
            return math.nan

    def charge_by_type(quantity: float, notional: float, order_type: int) -> float:
        try:
            return compiled(quantity, notional, order_type)
        except Exception:  # noqa: BLE001  as above
            return math.nan

    c_function = charge_by_type if is_typed else charge
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return COMMISSION(c_function)
    return numba.cfunc("float64(float64, float64, int64)", error_model="numpy")(c_function).ctypes

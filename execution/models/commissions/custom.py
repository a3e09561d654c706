"""Commission as a function written by the user."""

import ctypes
import hashlib
import inspect
import math
from collections.abc import Callable
from typing import Any

from tieout.execution.errors import InvalidSetting
from tieout.ledger.books.arrays import Record
from tieout.ledger.books.commodity import Commodity


class CustomCommission:
    """A commission given as a function that numba can compile.

        def tiered(quantity: float, notional: float) -> float:
            return 0.005 * quantity if quantity < 10_000 else 50 + 0.002 * (quantity - 10_000)

        Costs(commission=CustomCommission(tiered))

    *function* takes what an order has traded so far, in whole units and in money, both without sign. It
    returns the amount due in money. The amount must not fall as the order grows, or orders are cut too far.
    The source text of the function is part of what determines the run. It is compiled once a process, which
    takes a moment. A spec cannot name it.
    """

    def __init__(self, function: Callable[[float, float], float]) -> None:
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


def _compiled(function: Callable[[float, float], float]) -> Any:
    """Compile a C function of two doubles, or an interpreted one if numba is switched off."""
    import numba
    from numba.core import config

    if config.DISABLE_JIT:  # type: ignore[attr-defined]  # set from the environment
        return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_double)(function)
    signature = "float64(float64, float64)"
    try:
        compiled = numba.njit(signature, error_model="numpy")(function)
    except numba.core.errors.NumbaError as error:
        raise InvalidSetting(
            f"{function.__qualname__} cannot be compiled: {str(error).splitlines()[0]}"
        ) from None

    def charged(quantity: float, notional: float) -> float:
        try:
            return compiled(quantity, notional)
        except Exception:  # noqa: BLE001  a C function cannot raise: NaN refuses the order
            return math.nan

    return numba.cfunc(signature, error_model="numpy")(charged).ctypes

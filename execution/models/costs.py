"""What trading costs: commission, slippage, and how much of a bar's volume an order may take."""

import ctypes
import hashlib
import inspect
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

from attrs import field, frozen

from tieout.execution.errors import InvalidSetting
from tieout.ledger.books.arrays import Record
from tieout.ledger.books.commodity import Commodity

Rate = str | int | float | Decimal
"""A share or a price: text and Decimals are taken as written."""


def _number(given: Rate) -> float:
    try:
        rate = float(given)
    except (TypeError, ValueError):
        rate = float("nan")
    if not 0 <= rate < float("inf"):
        raise InvalidSetting(f"a rate, amount or share is a number of zero or more, not {given!r}")
    return rate


def _number_or_none(given: Rate | None) -> float | None:
    return None if given is None else _number(given)


class Commission(Protocol):
    """What an order pays.

    Fills of one order are charged together: what is due for all so far, less what was charged already.
    """

    def fill_in(self, policy: Record, currency: Commodity) -> None:
        """Write the model into the policy that compiled code reads."""

    def spec(self) -> dict[str, Any]:
        """What is recorded of it."""


@frozen
class PercentCommission:
    """A share of the notional, ``"0.001"`` for 0.1 %, never less than *minimum* an order."""

    rate: float = field(default=0.0, converter=_number)
    minimum: float = field(default=0.0, converter=_number)

    def fill_in(self, policy: Record, currency: Commodity) -> None:
        """Write the model into the policy that compiled code reads."""
        policy.percent = self.rate
        policy.minimum = self.minimum * 10.0**currency.scale

    def spec(self) -> dict[str, Any]:
        """What is recorded of it."""
        return {"percent": self.rate, "minimum": self.minimum}


@frozen
class PerShareCommission:
    """Money for each unit, at least *minimum* an order and at most the share *maximum* of its notional."""

    rate: float = field(default=0.0, converter=_number)
    minimum: float = field(default=0.0, converter=_number)
    maximum: float | None = field(default=None, converter=_number_or_none)

    def fill_in(self, policy: Record, currency: Commodity) -> None:
        """Write the model into the policy that compiled code reads."""
        money = 10.0**currency.scale
        policy.per_share = self.rate * money
        policy.minimum = self.minimum * money
        if self.maximum is not None:
            policy.maximum = self.maximum

    def spec(self) -> dict[str, Any]:
        """What is recorded of it."""
        return {"per_share": self.rate, "minimum": self.minimum, "maximum": self.maximum}


@frozen
class PerOrderCommission:
    """The same money for every order that trades, however many fills it takes."""

    amount: float = field(default=0.0, converter=_number)

    def fill_in(self, policy: Record, currency: Commodity) -> None:
        """Write the model into the policy that compiled code reads."""
        policy.per_order = self.amount * 10.0**currency.scale

    def spec(self) -> dict[str, Any]:
        """What is recorded of it."""
        return {"per_order": self.amount}


class CustomCommission:
    """A commission of one's own, as a function that numba can compile.

        def tiered(quantity: float, notional: float) -> float:
            return 0.005 * quantity if quantity < 10_000 else 50 + 0.002 * (quantity - 10_000)

        Costs(commission=CustomCommission(tiered))

    *function* takes what an order has traded so far, in whole units and in money, both without sign, and
    returns what is due for it in money. It must not fall as the order grows, or orders are cut too far. Its
    source text is part of what determines the run. It is compiled once a process, which takes a moment.
    """

    def __init__(self, function: Callable[[float, float], float]) -> None:
        self.function = function
        try:
            self.source = inspect.getsource(function)
        except (OSError, TypeError) as error:
            raise InvalidSetting(f"the source of {function!r} cannot be read: {error}") from None
        self._compiled: Any = None

    def fill_in(self, policy: Record, currency: Commodity) -> None:
        """Write the model into the policy that compiled code reads."""
        del currency  # whole money in, whole money out
        if self._compiled is None:
            self._compiled = _compiled(self.function)
        policy.address = ctypes.cast(self._compiled, ctypes.c_void_p).value

    def spec(self) -> dict[str, Any]:
        """What is recorded of it."""
        around = inspect.getclosurevars(self.function)
        return {
            "function": self.function.__qualname__,
            "source": hashlib.sha256(self.source.encode()).hexdigest(),
            "values": {
                name: str(value) for name, value in sorted({**around.nonlocals, **around.globals}.items())
            },
        }


def _compiled(function: Callable[[float, float], float]) -> Any:
    """A C function of two doubles; interpreted where numba is switched off."""
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
        except Exception:  # noqa: BLE001  a C function can raise nothing: no number refuses the order
            return math.nan

    return numba.cfunc(signature, error_model="numpy")(charged).ctypes


@frozen
class Costs:
    """All costs of a fill.

    *slippage* is a share of the price, against who trades; limit orders have none. *participation* is the
    largest share of a bar's volume that all orders for an instrument take together; the rest is carried
    over. A bar without volume fills nothing unless *fill_without_volume*.
    """

    commission: Commission = field(factory=PercentCommission)
    slippage: float = field(default=0.0, converter=_number)
    participation: float | None = field(default=None, converter=_number_or_none)
    fill_without_volume: bool = False

    def __attrs_post_init__(self) -> None:
        if self.slippage >= 1:
            raise InvalidSetting(f"slippage {self.slippage} is the whole price or more; give a share of it")
        if self.participation == 0:
            raise InvalidSetting("a participation of 0 fills nothing; leave it out for no limit")
        if self.participation is not None and self.participation > 1:
            raise InvalidSetting(
                f"participation {self.participation} is not a share of volume; none is no limit"
            )
        if not hasattr(self.commission, "fill_in") or isinstance(self.commission, Costs | type):
            raise InvalidSetting(
                f"commission {self.commission!r} is none; give PercentCommission(...) or another"
            )

    def fill_in(self, policy: Record, currency: Commodity) -> None:
        """Write the costs into the policy that compiled code reads."""
        infinite = float("inf")
        policy.maximum = infinite
        policy.slippage = self.slippage
        policy.participation = infinite if self.participation is None else self.participation
        policy.without_volume = self.fill_without_volume
        self.commission.fill_in(policy, currency)

    def spec(self) -> dict[str, Any]:
        """What is recorded of them."""
        return {
            "commission": self.commission.spec(),
            "slippage": self.slippage,
            "participation": self.participation,
            "fill_without_volume": self.fill_without_volume,
        }

"""Requests for orders, checked and in units."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tieout.execution.errors import MalformedOrder
from tieout.execution.kernels.orders import OrderType
from tieout.execution.kernels.state import REQUEST
from tieout.ledger.books.arrays import records
from tieout.ledger.numeric import Floats, Int64s, Records

_TOO_MUCH = 2.0**62
"""A number of units that no order may have, and that int64 holds."""


_BLANK = records(1, REQUEST)
_BLANK["limit"] = _BLANK["stop"] = _BLANK["signal"] = np.nan
_BLANK["order"] = -1


def blanks(count: int) -> Records:
    """Return *count* requests for market orders, good until canceled, without a quantity."""
    return _BLANK.repeat(count)


def in_steps(quantity: float, step: float, units: int, symbol: str) -> int:
    """Convert one finite *quantity* as `all_in_steps` does. Arrays cost more than this arithmetic."""
    count = quantity / step
    whole = float(round(count)) if math.isfinite(count) else math.nan
    if not abs(count - whole) <= max(1e-6, abs(count) * 2.0**-50):
        raise _broken_step(symbol, quantity, step)
    limit = _TOO_MUCH / units
    return int(min(max(whole, -limit), limit)) * units


def all_in_steps(quantities: Floats, steps: Floats, units: Int64s, symbols: Sequence[str]) -> Int64s:
    """Convert *quantities* to units. Each symbol has a step of *steps*, which is so many *units*.

    Raises `MalformedOrder` unless each is a whole number of steps, to the precision of a float. A quantity
    too large for any order stays too large. The step then rejects its order with a reason.
    """
    counts = quantities / steps
    whole = np.rint(counts)
    bad = ~(np.abs(counts - whole) <= np.maximum(1e-6, np.abs(counts) * 2.0**-50))
    if np.any(bad):
        i = int(np.argmax(bad))
        raise _broken_step(symbols[i], float(quantities[i]), float(steps[i]))
    limit = _TOO_MUCH / units
    exact: Int64s = np.clip(whole, -limit, limit).astype(np.int64) * units
    return exact


def _broken_step(symbol: str, quantity: float, step: float) -> MalformedOrder:
    return MalformedOrder(f"{symbol}: {quantity} is not a whole number of steps of {step}")


_BY_PRICES = {(False, False): OrderType.MARKET, (True, False): OrderType.LIMIT, (False, True): OrderType.STOP}
"""The type of an order by whether it has a limit, and whether it has a stop."""


def order_type(*, has_limit: bool, has_stop: bool) -> int:
    """Return the type of an order with these prices. Raises `MalformedOrder` where there is none."""
    if (has_limit, has_stop) not in _BY_PRICES:
        raise MalformedOrder("an order has a limit or a stop, not both")
    return int(_BY_PRICES[has_limit, has_stop])


def set_types(requests: NDArray[Any]) -> None:
    """Set the type of each order by its prices.

    Raises `MalformedOrder` for a limit or a stop that is not above zero.
    """
    for name in ("limit", "stop"):
        prices = requests[name][~np.isnan(requests[name])]
        bad = ~((prices > 0) & (prices < np.inf))
        if np.any(bad):
            raise MalformedOrder(f"{name} {prices[bad][0]} is not a price above zero")
    has_limit, has_stop = ~np.isnan(requests["limit"]), ~np.isnan(requests["stop"])
    for limit, stop in {*zip(has_limit.tolist(), has_stop.tolist(), strict=True)}:
        kind = order_type(has_limit=limit, has_stop=stop)
        requests["type"][(has_limit == limit) & (has_stop == stop)] = kind

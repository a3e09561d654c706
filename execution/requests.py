"""Requests at the door: what is asked of a broker, checked and in units."""

import numpy as np

from execution.errors import MalformedOrder
from execution.instruments import Terms
from execution.orders import OrderType
from execution.state import REQUEST
from ledger.books import Records

_NEVER = 2**62


class Tags:
    """The reasons that orders are given for, numbered as they come up."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The number of a tag."""
        number = self._numbers.get(name)
        if number is None:
            if not isinstance(name, str):
                raise MalformedOrder(f"tag {name!r} is not text")
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
        return number


def blank(requests: Records) -> None:
    """Make requests such for market orders, good until cancelled, of a quantity still to be set."""
    empty = np.zeros(1, REQUEST)
    for name in ("limit", "stop", "signal"):
        empty[name] = np.nan
    empty["order"] = -1
    requests[:] = empty[0]


def in_steps(terms: Terms, quantity: float, symbol: str) -> int:
    """*quantity* in units. Raises `MalformedOrder` unless it is a whole number of steps."""
    steps = quantity / float(terms.step)
    whole = round(steps) if abs(steps) < _NEVER else 0
    if not abs(steps - whole) <= 1e-6:  # noqa: PLR2004  a float of a decimal is not exact
        raise MalformedOrder(f"{symbol}: {quantity} is not a whole number of steps of {terms.step}")
    return int(whole * int(terms.step.scaleb(terms.scale)))


def check_prices(requests: Records) -> None:
    """Raise `MalformedOrder` for a limit or a stop that is no price."""
    for name, kind in (("limit", OrderType.LIMIT), ("stop", OrderType.STOP)):
        prices = requests[name][requests["type"] == int(kind)]
        bad = ~((prices > 0) & (prices < np.inf))
        if np.any(bad):
            raise MalformedOrder(f"{name} {prices[bad][0]} is not a price above zero")
    both = ~np.isnan(requests["limit"]) & ~np.isnan(requests["stop"])
    if np.any(both):
        raise MalformedOrder("an order has a limit or a stop, not both")

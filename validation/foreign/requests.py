"""The orders of a tieout run in the forms that other engines accept.

Orders of one bar come in the sequence in which tieout executes them: orders that reduce a position first,
then orders that add to one, each group as submitted.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen

from tieout.execution.kernels.orders import TimeInForce
from tieout.execution.models.commissions.per_order import PerOrderCommission
from tieout.execution.models.commissions.per_share import PerShareCommission
from tieout.execution.models.commissions.percent import PercentCommission
from tieout.execution.models.slippage.percent import PercentSlippage
from tieout.ledger.errors import TieoutError
from tieout.validation.foreign.native import NativeRun, Order

_COMMISSIONS: Mapping[type, str] = {
    PercentCommission: "a share of the money",
    PerShareCommission: "an amount per unit",
    PerOrderCommission: "an amount per order",
}
"""Commission models that another engine may have, in words."""


class CannotCompare(TieoutError):
    """The run cannot be compared: it uses a feature that the engine lacks, or its journal is not usable."""


@frozen
class Charges:
    """Trading costs as an engine takes them: a share of the money, an amount per unit, an amount per order.

    *slippage* is a share of the price.
    """

    percent: float = 0.0
    per_share: float = 0.0
    per_order: float = 0.0
    slippage: float = 0.0


def charges(run: NativeRun, engine: str, commissions: Sequence[type]) -> Charges:
    """Return the costs of a run for *engine*, which has these models of *commissions*.

    Raises `CannotCompare` for costs that the engine does not have.
    """
    costs = run.backtest.costs
    if costs.participation is not None:
        raise CannotCompare(
            f"{engine} cannot limit an order to a share of the bar's volume; leave participation out"
        )
    terms = run.backtest.instruments
    if any(t.multiplier != 1 for t in (terms.default, *terms.by_symbol.values())):
        raise CannotCompare(f"an instrument has a multiplier, which is not supported with {engine}")
    if not isinstance(costs.slippage, PercentSlippage):
        raise CannotCompare(
            f"{engine} has no slippage such as {costs.slippage!r}; it takes a share of the price"
        )
    if type(costs.commission) in commissions:
        slippage = costs.slippage.rate
        match costs.commission:
            case PercentCommission(rate, 0.0):
                return Charges(percent=rate, slippage=slippage)
            case PerShareCommission(rate, 0.0, None):
                return Charges(per_share=rate, slippage=slippage)
            case PerOrderCommission(amount):
                return Charges(per_order=amount, slippage=slippage)
    models = " or ".join(_COMMISSIONS[model] for model in commissions)
    raise CannotCompare(
        f"{engine} has no commission such as {costs.commission!r}; it takes {models}, without a minimum"
    )


def in_turn(orders: Sequence[Order]) -> list[Order]:
    """Sort orders of one bar as tieout executes them: those that reduce first, each group as submitted."""
    return sorted(orders, key=lambda order: (not order.reduces, order.number))


def orders_by_bar(run: NativeRun) -> Mapping[int, list[Order]]:
    """Group orders by bar, in the sequence in which they are placed. A bar without orders has no entry."""
    by_bar: defaultdict[int, list[Order]] = defaultdict(list)
    for order in run.orders:
        if run.panels.is_there[order.bar, order.column]:
            by_bar[order.bar].append(order)
    return {bar: in_turn(orders) for bar, orders in by_bar.items()}


def last_valid_bar(run: NativeRun, order: Order) -> int:
    """Return the last bar on which an order is good, -1 if it is good until cancelled.

    A target order is good for its instrument's next bar. A day order is good until the last bar of the first
    date on which it could fill.
    """
    if order.tif is TimeInForce.GTC:
        return -1
    first = run.panels.following(order.bar, order.column)
    if first < 0:
        return -1
    if order.tif is TimeInForce.TARGET:
        return first
    date = run.panels.date
    return int(np.flatnonzero(date == date[first])[-1])

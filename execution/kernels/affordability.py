"""The quantity of an order that the cash of an account pays for. Money and quantities in units."""

import numpy as np

from tieout.execution.kernels.charges import commission, value
from tieout.execution.kernels.compiled import inlined, shared
from tieout.ledger.books.arithmetic import NO_AMOUNT
from tieout.ledger.numeric import Record


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

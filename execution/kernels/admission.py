"""The decision on a fill: may it happen, and for how much? An account policy answers, and nothing is written.

What the account cannot bear is refused with a reason, or cut, as the policy says. The step then fills.
"""

import math
from enum import IntEnum

from tieout.execution.kernels.affordability import affordable, is_borne, spendable, units_for
from tieout.execution.kernels.charges import commission, value
from tieout.execution.kernels.compiled import inlined, merged
from tieout.execution.kernels.orders import BASIS, REASON
from tieout.execution.kernels.state import Desk
from tieout.ledger.books.arithmetic import NO_AMOUNT, less
from tieout.ledger.books.arrays import Books
from tieout.ledger.books.chart import CASH
from tieout.ledger.numeric import ROUNDING, Record, constants


class Insufficient(IntEnum):
    """Treatments of an order that the account cannot bear in full."""

    REJECT = 0
    CUT = 1  # to the quantity that it can bear
    CUT_TO_LOTS = 2  # to whole lots of it


INSUFFICIENT = constants(Insufficient)

MOST_UNITS = 2**53 - 1  # what a float64 holds exactly
FRACTIONS = 1e8
"""Units of the finest fractions: with fewer, a step is worth too much to follow from an amount."""
SHARE_ROUNDINGS = 4
"""Most roundings of float64 in a share of a volume: of both factors, their product, and its units."""


@inlined
def within_volume(policy: Record, instrument: Record, quantity: int, volume: float, bar: int) -> int:
    """Return as much of *quantity* as the volume of number *bar* allows, in whole steps."""
    if volume == 0.0 and not policy.without_volume:
        return 0
    if policy.participation == math.inf:
        return quantity
    turnover = instrument.turnover if instrument.turnover_bar == bar else 0
    share = policy.participation * volume * instrument.scale
    if not share < float(abs(quantity) + turnover):  # nor where the volume is not known
        return quantity
    # A share that rounding alone holds below a whole unit is whole.
    allowed = int(share * (1.0 + SHARE_ROUNDINGS * ROUNDING))
    most = max(0, allowed - turnover) // instrument.step * instrument.step
    return int(most) if quantity > 0 else -int(most)


@merged
def admit(
    books: Books, desk: Desk, order: Record, demand: int, price: float
) -> tuple[int, int, int, int, int]:
    """Decide a fill of *demand* (below zero to sell) at *price*: quantity, gross, fee, basis and reason.

    The quantity has the sign of *demand* and is 0 where nothing may be filled. A reason other than `NONE`
    says why not all of it.
    """
    policy = desk.policy[0]
    instrument = desk.instruments[order.column]
    position = books.accounts[instrument.units].balance
    cash = books.accounts[policy.money + CASH].balance
    if demand < 0:
        quantity, reason = sellable(policy, position, -demand)
        gross = value(instrument, quantity, price)
        fee = commission(policy, instrument, order, quantity, gross)
        basis: int = BASIS.QUANTITY
    else:
        quantity, gross, fee, basis, reason = payable(policy, instrument, order, cash, price, demand)
    if quantity > 0:
        if gross == NO_AMOUNT:
            quantity, reason = 0, REASON.QUANTITY_OUT_OF_RANGE
        elif gross == 0:  # dust, unless a cut left no more than that of it
            quantity, reason = 0, REASON.DUST if reason == REASON.NONE else reason
        else:
            flow = less(gross, fee) if demand < 0 else less(-gross, fee)
            after = position - quantity if demand < 0 else position + quantity
            is_too_large = abs(after) > MOST_UNITS  # which no single order could close again
            if is_too_large or NO_AMOUNT in (fee, flow) or less(cash, -flow) == NO_AMOUNT:
                quantity, reason = 0, REASON.QUANTITY_OUT_OF_RANGE
            elif demand < 0 and not policy.unlimited and fee - gross > cash:
                quantity, reason = 0, REASON.INSUFFICIENT_CASH
    return (quantity if demand > 0 else -quantity), gross, fee, basis, reason


@inlined
def sellable(policy: Record, position: int, quantity: int) -> tuple[int, int]:
    """Return how much of *quantity* may be sold out of *position*, and why not all of it."""
    if policy.unlimited or quantity <= position:
        return quantity, REASON.NONE
    if policy.insufficient == INSUFFICIENT.REJECT or position <= 0:
        return 0, REASON.INSUFFICIENT_POSITION
    return position, REASON.INSUFFICIENT_POSITION


@inlined
def payable(
    policy: Record, instrument: Record, order: Record, cash: int, price: float, quantity: int
) -> tuple[int, int, int, int, int]:
    """Decide how much of *quantity* the cash pays for: quantity, gross, fee, basis, and why not all of it."""
    gross = value(instrument, quantity, price)
    fee = commission(policy, instrument, order, quantity, gross)
    if policy.unlimited or gross in (0, NO_AMOUNT) or is_borne(gross, fee, cash):
        return quantity, gross, fee, BASIS.QUANTITY, REASON.NONE
    if policy.insufficient == INSUFFICIENT.REJECT:
        return 0, 0, 0, BASIS.QUANTITY, REASON.INSUFFICIENT_CASH
    if policy.insufficient == INSUFFICIENT.CUT and instrument.step == 1 and instrument.scale >= FRACTIONS:
        # Fractions can spend exactly the cash: the amount is the fact and the quantity follows.
        gross = spendable(policy, instrument, order, cash, price)
        quantity = min(quantity, units_for(instrument, gross, price))
        fee = commission(policy, instrument, order, quantity, gross)
        return (quantity if gross > 0 else 0), gross, fee, BASIS.AMOUNT, REASON.INSUFFICIENT_CASH
    step = instrument.lot if policy.insufficient == INSUFFICIENT.CUT_TO_LOTS else instrument.step
    quantity = affordable(policy, instrument, order, cash, price, step, quantity)
    gross = value(instrument, quantity, price)
    fee = commission(policy, instrument, order, quantity, gross)
    return quantity, gross, fee, BASIS.QUANTITY, REASON.INSUFFICIENT_CASH

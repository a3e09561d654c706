"""May a fill happen, and for how much: the questions that an account policy answers.

Asked before anything is posted. What is not enough is refused with a reason, or cut, as the policy says.
"""

import math
from enum import IntEnum

from tieout.execution.kernels.booking import book
from tieout.execution.kernels.charges import affordable, commission, is_borne, spendable, units_for, value
from tieout.execution.kernels.compiled import leaf, part
from tieout.execution.kernels.matching import slipped
from tieout.execution.kernels.orders import Basis, OrderEvent, OrderType, Reason, TimeInForce
from tieout.execution.kernels.state import Desk
from tieout.ledger.books.arithmetic import NO_AMOUNT, less
from tieout.ledger.books.arrays import Books, Record
from tieout.ledger.books.chart import CASH


class Insufficient(IntEnum):
    """What becomes of an order that the account cannot bear in full."""

    REJECT = 0
    CUT = 1  # to what it can bear
    CUT_TO_LOTS = 2  # to whole lots of it


REJECT = int(Insufficient.REJECT)
CUT = int(Insufficient.CUT)
CUT_TO_LOTS = int(Insufficient.CUT_TO_LOTS)
MARKET = int(OrderType.MARKET)
STOP = int(OrderType.STOP)
QUANTITY = int(Basis.QUANTITY)
AMOUNT = int(Basis.AMOUNT)
TARGET = int(TimeInForce.TARGET)
REJECTED = int(OrderEvent.REJECTED)
NONE = int(Reason.NONE)
QUANTITY_OUT_OF_RANGE = int(Reason.QUANTITY_OUT_OF_RANGE)
INSUFFICIENT_POSITION = int(Reason.INSUFFICIENT_POSITION)
INSUFFICIENT_CASH = int(Reason.INSUFFICIENT_CASH)
DUST = int(Reason.DUST)

MOST_UNITS = 2**53 - 1  # what a float64 holds exactly


@leaf
def record_event(desk: Desk, order_id: int, column: int, event: int, reason: int) -> None:
    """Record what became of an order where its fills do not say it."""
    state = desk.state[0]
    row = desk.events[state.events]
    row.timestamp = state.timestamp
    row.order_id = order_id
    row.column = column
    row.event = event
    row.reason = reason
    state.events += 1


@leaf
def end_order(desk: Desk, order: Record, event: int, reason: int) -> None:
    """End a working order that is not filled, or not in full."""
    instrument = desk.instruments[order.column]
    if order.tif == TARGET:
        instrument.targeted -= order.left
        desk.exposed[order.column] = instrument.held >= 0 or instrument.targeted != 0
    instrument.working -= 1
    order.left = 0
    record_event(desk, order.id, order.column, event, reason)


@leaf
def within_volume(policy: Record, instrument: Record, quantity: int, volume: float, bar: int) -> int:
    """As much of *quantity* as the bar's volume allows, in whole steps; what it has given is remembered."""
    if volume == 0.0 and not policy.without_volume:
        return 0
    if instrument.used_bar != bar:
        instrument.used_bar = bar
        instrument.used = 0
    if policy.participation == math.inf:
        return quantity
    share = policy.participation * volume * instrument.scale
    if not share < float(abs(quantity) + instrument.used):  # nor where the volume is not known
        return quantity
    left = max(0, int(share) - instrument.used) // instrument.step * instrument.step
    return int(left) if quantity > 0 else -int(left)


@part
def admit(books: Books, desk: Desk, order: Record, volume: float, reference: float) -> None:
    """Fill *order* at *reference*, made worse by slippage, as far as volume and account allow.

    What is left of an order that the account could not bear is rejected; what the volume did not give is
    carried over, and a stop that has been touched goes on as a market order.
    """
    policy, state = desk.policy[0], desk.state[0]
    instrument = desk.instruments[order.column]
    wanted = within_volume(policy, instrument, order.left, volume, state.bar)
    if wanted == 0:
        if order.type == STOP and volume != 0.0:
            order.type = MARKET  # touched, though others took all there was
        return
    price = slipped(order.type, wanted, reference, policy.slippage)
    have = books.accounts[instrument.units].balance
    available = books.accounts[policy.money + CASH].balance
    if wanted < 0:
        quantity, reason = sellable(policy, have, -wanted)
        gross = value(instrument, quantity, price)
        fee = commission(policy, instrument, order, quantity, gross)
        basis = QUANTITY
    else:
        quantity, gross, fee, basis, reason = payable(policy, instrument, order, available, price, wanted)
    if quantity > 0:
        if gross in (0, NO_AMOUNT):
            quantity, reason = 0, DUST if gross == 0 else QUANTITY_OUT_OF_RANGE
        else:
            moved = less(gross, fee) if wanted < 0 else less(-gross, fee)
            held = have - quantity if wanted < 0 else have + quantity
            too_much = abs(held) > MOST_UNITS  # which no one order could close again
            if too_much or NO_AMOUNT in (fee, moved) or less(available, -moved) == NO_AMOUNT:
                quantity, reason = 0, QUANTITY_OUT_OF_RANGE
            elif wanted < 0 and not policy.unlimited and fee - gross > available:
                quantity, reason = 0, INSUFFICIENT_CASH
    if quantity > 0:
        signed = quantity if wanted > 0 else -quantity
        desk.fills[state.fills].basis = basis
        if order.tif == TARGET:
            instrument.targeted -= signed
        book(books, desk, order, signed, price, reference, gross, fee)
        instrument.used += quantity
        if order.left == 0:
            instrument.working -= 1
        elif order.type == STOP:
            order.type = MARKET
    if reason != NONE and order.left != 0:
        end_order(desk, order, REJECTED, reason)


@leaf
def sellable(policy: Record, have: int, quantity: int) -> tuple[int, int]:
    """How much of *quantity* may be sold by who holds *have*, and why not all of it."""
    if policy.unlimited or quantity <= have:
        return quantity, NONE
    if policy.insufficient == REJECT or have <= 0:
        return 0, INSUFFICIENT_POSITION
    return have, INSUFFICIENT_POSITION


@leaf
def payable(
    policy: Record, instrument: Record, order: Record, available: int, price: float, quantity: int
) -> tuple[int, int, int, int, int]:
    """How much of *quantity* cash pays for: quantity, gross, fee, basis, and why not all of it."""
    gross = value(instrument, quantity, price)
    fee = commission(policy, instrument, order, quantity, gross)
    if policy.unlimited or gross in (0, NO_AMOUNT) or is_borne(gross, fee, available):
        return quantity, gross, fee, QUANTITY, NONE
    if policy.insufficient == REJECT:
        return 0, 0, 0, QUANTITY, INSUFFICIENT_CASH
    if policy.insufficient == CUT and instrument.step == 1:
        # Fractions can spend exactly what is there: the amount is the fact and the quantity follows.
        gross = spendable(policy, instrument, order, available, price)
        quantity = min(quantity, units_for(instrument, gross, price))
        fee = commission(policy, instrument, order, quantity, gross)
        return (quantity if gross > 0 else 0), gross, fee, AMOUNT, INSUFFICIENT_CASH
    step = instrument.lot if policy.insufficient == CUT_TO_LOTS else instrument.step
    quantity = affordable(policy, instrument, order, available, price, step, quantity)
    gross = value(instrument, quantity, price)
    fee = commission(policy, instrument, order, quantity, gross)
    return quantity, gross, fee, QUANTITY, INSUFFICIENT_CASH

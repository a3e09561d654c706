"""May a fill happen, and for how much: the questions that an account policy answers.

Asked before anything is posted. What is not enough is refused with a reason, or cut, as the policy says.
"""

from enum import IntEnum

from execution.booking import book
from execution.charges import affordable, commission, spendable, units_for, value
from execution.compiled import leaf, part, routine
from execution.matching import slipped
from execution.orders import Basis, OrderEvent, OrderType, Reason, TimeInForce
from execution.state import Desk
from ledger.arithmetic import NO_AMOUNT
from ledger.books import Books, Record
from ledger.chart import CASH


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
QUANTITY_OUT_OF_RANGE = int(Reason.QUANTITY_OUT_OF_RANGE)
INSUFFICIENT_POSITION = int(Reason.INSUFFICIENT_POSITION)
INSUFFICIENT_CASH = int(Reason.INSUFFICIENT_CASH)
DUST = int(Reason.DUST)


@leaf
def record_event(desk: Desk, order_id: int, column: int, event: int, reason: int) -> None:
    """Record what became of an order where its fills do not say it."""
    state = desk.state[0]
    row = desk.events[state.events]
    row.ts = state.ts
    row.order_id = order_id
    row.column = column
    row.event = event
    row.reason = reason
    state.events += 1


@routine
def end_order(desk: Desk, order: Record, event: int, reason: int) -> None:
    """End a working order that is not filled, or not in full."""
    instrument = desk.instruments[order.column]
    if order.tif == TARGET:
        instrument.targeted -= order.left
    instrument.working -= 1
    order.left = 0
    record_event(desk, order.id, order.column, event, reason)


@part
def within_volume(policy: Record, instrument: Record, quantity: int, volume: float, bar: int) -> int:
    """As much of *quantity* as the bar's volume allows, in whole steps; what it has given is remembered."""
    if volume == 0.0 and not policy.without_volume:
        return 0
    if instrument.used_bar != bar:
        instrument.used_bar = bar
        instrument.used = 0
    share = policy.participation * volume * instrument.scale
    if not share < float(abs(quantity) + instrument.used):
        return quantity
    left = max(0, int(share) - instrument.used) // instrument.step * instrument.step
    return int(left) if quantity > 0 else -int(left)


@routine
def admit(books: Books, desk: Desk, order: Record, volume: float, reference: float) -> None:
    """Fill *order* at *reference*, made worse by slippage, as far as volume and account allow."""
    policy, state = desk.policy[0], desk.state[0]
    instrument = desk.instruments[order.column]
    quantity = within_volume(policy, instrument, order.left, volume, state.bar)
    if quantity == 0:
        return
    price = slipped(order.type, quantity, reference, policy.slippage)
    if quantity < 0:
        _sell(books, desk, order, -quantity, price, reference)
    else:
        _buy(books, desk, order, quantity, price, reference)


@part
def _sell(books: Books, desk: Desk, order: Record, quantity: int, price: float, reference: float) -> None:
    policy = desk.policy[0]
    instrument = desk.instruments[order.column]
    have = books.accounts[instrument.units].balance
    short_of = 0
    if quantity > have and not policy.unlimited:
        if policy.insufficient == REJECT or have <= 0:
            end_order(desk, order, REJECTED, INSUFFICIENT_POSITION)
            return
        quantity = have
        short_of = INSUFFICIENT_POSITION
    gross = value(instrument, quantity, price)
    if gross in (0, NO_AMOUNT):
        end_order(desk, order, REJECTED, DUST if gross == 0 else QUANTITY_OUT_OF_RANGE)
        return
    fee = commission(policy, instrument, order, quantity, gross)
    if not policy.unlimited and books.accounts[policy.money + CASH].balance + gross < fee:
        end_order(desk, order, REJECTED, INSUFFICIENT_CASH)
        return
    _fill(books, desk, order, -quantity, price, reference, gross, fee, QUANTITY, short_of)


@part
def _buy(books: Books, desk: Desk, order: Record, quantity: int, price: float, reference: float) -> None:
    policy = desk.policy[0]
    instrument = desk.instruments[order.column]
    available = books.accounts[policy.money + CASH].balance
    gross = value(instrument, quantity, price)
    if gross in (0, NO_AMOUNT):
        end_order(desk, order, REJECTED, DUST if gross == 0 else QUANTITY_OUT_OF_RANGE)
        return
    fee = commission(policy, instrument, order, quantity, gross)
    if policy.unlimited or gross + fee <= available:
        _fill(books, desk, order, quantity, price, reference, gross, fee, QUANTITY, 0)
        return
    basis = QUANTITY
    if policy.insufficient == REJECT:
        quantity = 0
    elif policy.insufficient == CUT and instrument.step == 1:
        # Fractions can spend exactly what is there: the amount is the fact and the quantity follows.
        basis = AMOUNT
        gross = spendable(policy, instrument, order, available, price)
        quantity = min(quantity, units_for(instrument, gross, price))
    else:
        step = instrument.lot if policy.insufficient == CUT_TO_LOTS else instrument.step
        quantity = affordable(policy, instrument, order, available, price, step, quantity)
        gross = value(instrument, quantity, price)
    if quantity <= 0 or gross <= 0:
        end_order(desk, order, REJECTED, INSUFFICIENT_CASH)
        return
    fee = commission(policy, instrument, order, quantity, gross)
    _fill(books, desk, order, quantity, price, reference, gross, fee, basis, INSUFFICIENT_CASH)


@routine
def _fill(
    books: Books,
    desk: Desk,
    order: Record,
    quantity: int,
    price: float,
    reference: float,
    gross: int,
    fee: int,
    basis: int,
    short_of: int,
) -> None:
    """Book an admitted fill; what is left of an order that the account could not bear is rejected."""
    instrument = desk.instruments[order.column]
    desk.fills[desk.state[0].fills].basis = basis
    book(books, desk, order, quantity, price, reference, gross, fee)
    instrument.used += abs(quantity)
    if order.tif == TARGET:
        instrument.targeted -= quantity
    if order.left == 0:
        instrument.working -= 1
    elif short_of != 0:
        end_order(desk, order, REJECTED, short_of)
    elif order.type == STOP:
        order.type = MARKET  # triggered

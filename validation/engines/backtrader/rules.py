"""Backtrader 1.9.78.123's broker as a compiled loop: its state and its operations, in its sequence.

The steps of a bar are: check submitted orders against cash, charge interest, process pending orders first in
first out (expire, leave or execute), and value the account at the closes. The actions of the bar come last
and see the resulting state of the broker. With cheat-on-open they come first. Nothing is rounded, and sums
are added in the sequence of Backtrader, so floats agree to the last bit.

The imitation does not repeat Backtrader's defects with missing bars (`defects`). Without a bar, the only
price is the close that an order has met already.
"""

import math

from tieout.ledger.moment import DAY
from tieout.ledger.numeric import Record
from tieout.validation.engines.backtrader.matching import (
    at_close,
    at_limit,
    at_stop,
    at_stop_limit,
    set_prices,
    slipped,
    trail,
    valid_until,
)
from tieout.validation.engines.backtrader.tables import (
    ACCEPTED,
    AT_CLOSE,
    BUY,
    CANCEL,
    CANCELED,
    CHEAT_ON_CLOSE,
    CHEAT_ON_OPEN,
    CLOSE,
    COMPLETED,
    DISSOLVED,
    ENTER,
    EXPIRED,
    LIMIT,
    MARGIN,
    MARKET,
    PARTIAL,
    REJECTED,
    SELL,
    STOP,
    STOP_TRAIL,
    SUBMITTED,
    TARGET_PERCENT,
    TARGET_SIZE,
    TOP_UP,
    TRIM,
    WHOLE,
    WORKING,
    Desk,
)
from tieout.validation.foreign.compiled import entry, inlined, shared


@entry
def perform(desk: Desk) -> None:
    """Perform every bar. `cash` and `value` are the figures that the strategy sees at each bar."""
    account = desk.account[0]
    is_first = desk.rules[0].timing == CHEAT_ON_OPEN
    for bar in range(desk.timestamp.size):
        account.bar = bar
        account.notice_bar = bar
        if is_first:
            _decide(desk)
        _work(desk)
        desk.cash[bar] = account.cash
        desk.value[bar] = account.value
        account.notice_bar = bar + 1
        if not is_first:
            _decide(desk)


@shared
def _work(desk: Desk) -> None:
    """Do the broker's work of a bar."""
    account = desk.account[0]
    for i in range(account.activated):
        desk.orders[desk.activated[i]].is_active = 1
    account.activated = 0
    _check_submitted(desk)
    _charge_interest(desk)
    waiting = account.pending
    for i in range(waiting):
        number = desk.pending[i]
        order = desk.orders[number]
        if order.is_pending:
            account.place = i
            order.is_pending = 0
            _process(desk, number)
    count = 0
    for i in range(waiting):
        if desk.orders[desk.pending[i]].is_pending:
            desk.pending[count] = desk.pending[i]
            count += 1
    account.pending = count
    account.place = count
    _value(desk)


@inlined
def _process(desk: Desk, number: int) -> None:
    """Process a pending order: expire it, leave it, or try it."""
    order = desk.orders[number]
    last = desk.last[desk.account[0].bar, order.column]
    if order.type != MARKET and order.valid >= 0 and desk.timestamp[last] > order.valid:
        _tell(desk, number, EXPIRED)
        _leave_group(desk, number)
        _dissolve(desk, number)
    elif not order.is_active:
        order.is_pending = 1
    else:
        _try(desk, number, last)
        if order.status < COMPLETED:
            order.is_pending = 1
        elif order.status == COMPLETED:
            _fulfil(desk, number)


# --- actions of the strategy ----------------------------------------------------------------------


@shared
def _decide(desk: Desk) -> None:
    """Perform the actions of the bar on the state of the broker."""
    account = desk.account[0]
    while account.action < desk.actions.size and desk.actions[account.action].bar <= account.bar:
        row = account.action
        account.action += 1
        desk.order_of[row] = -1
        action = desk.actions[row]
        if action.kind == CANCEL:
            number = desk.order_of[action.other]
            if number >= 0 and desk.orders[number].is_pending:
                _withdraw(desk, number)
                _dissolve(desk, number)
        elif desk.last[account.bar, action.column] >= 0:
            size, price = _size_and_price(desk, action)
            if size != 0.0:
                _create(desk, row, size, price)


@inlined
def _size_and_price(desk: Desk, action: Record) -> tuple[float, float]:
    """Return size (below zero to sell, 0 for no order) and price of an action's order."""
    price, amount = action.price, action.amount
    if action.kind == BUY:
        return amount, price
    if action.kind == SELL:
        return -amount, price
    _know(desk, action.column)
    held = desk.instruments[action.column].position
    if action.kind == ENTER:
        return (amount if held == 0.0 else 0.0), price
    if action.kind == CLOSE or (amount == 0.0 and held != 0.0 and action.kind <= TARGET_PERCENT):
        return -held, price
    if action.kind == TARGET_SIZE:
        return amount - held, price
    close = desk.close[desk.account[0].bar, action.column]
    value = held * close
    if action.kind >= TARGET_PERCENT:
        amount *= desk.account[0].value
        if (action.kind == TRIM and amount > value) or (action.kind == TOP_UP and amount < value):
            return 0.0, price
        if amount == 0.0 and held != 0.0:
            return -held, price
    if math.isnan(price):
        price = close
    if amount > value:
        return (amount - value) // price, price
    if amount < value:
        return -((value - amount) // price), price
    return 0.0, price


@inlined
def _know(desk: Desk, column: int) -> None:
    """Register an instrument. Backtrader sums positions in the sequence of first questions about them."""
    if not desk.instruments[column].is_known:
        desk.instruments[column].is_known = 1
        desk.known_columns[desk.account[0].known_count] = column
        desk.account[0].known_count += 1


@inlined
def _create(desk: Desk, row: int, size: float, price: float) -> None:
    """Create the order of an action, and submit it once its bracket is complete."""
    account, action = desk.account[0], desk.actions[row]
    number = account.orders
    account.orders += 1
    desk.order_of[row] = number
    order = desk.orders[number]
    order.column, order.type = action.column, action.type
    order.bar, order.created = account.bar, desk.last[account.bar, action.column]
    order.quantity = order.remaining = size
    order.requested_price, order.requested_limit = price, action.limit
    order.close = desk.close[account.bar, action.column]
    order.trail_amount, order.trail_percent = action.trail_amount, action.trail_percent
    set_prices(order)
    order.valid = valid_until(action.valid, desk.timestamp[order.created])
    leader = number
    if action.other >= 0 and desk.order_of[action.other] >= 0:
        leader = desk.orders[desk.order_of[action.other]].leader
    order.leader = leader
    order.generation = desk.orders[leader].group_generation
    desk.orders[leader].group_members += 1
    order.parent = number if action.parent < 0 else desk.order_of[action.parent]
    order.is_active = 1 if action.parent < 0 else 0
    if action.parent >= 0:
        desk.orders[order.parent].children += 1
    family = row if action.parent < 0 else action.parent
    if row + 1 == desk.actions.size or desk.actions[row + 1].parent != family:
        for one in range(order.parent, number + 1):
            if desk.rules[0].checks_submission:
                _tell(desk, one, SUBMITTED)
            else:
                _accept(desk, one)


@inlined
def _accept(desk: Desk, number: int) -> None:
    """Accept an order, which is pending from then on."""
    account, order = desk.account[0], desk.orders[number]
    _tell(desk, number, ACCEPTED)
    order.is_pending = 1
    desk.pending[account.pending] = number
    account.pending += 1
    account.place = account.pending


@inlined
def _tell(desk: Desk, number: int, status: int) -> None:
    """Set the status of an order, and notify the strategy."""
    account = desk.account[0]
    if account.events >= desk.events.size:
        raise IndexError("no room for an event")
    desk.orders[number].status = status
    event = desk.events[account.events]
    event.bar, event.order, event.status = account.notice_bar, number, status
    account.events += 1


# --- groups and brackets -----------------------------------------------------------------------------


@shared
def _withdraw(desk: Desk, number: int) -> None:
    """Cancel a pending order and the rest of its OCO group."""
    desk.orders[number].is_pending = 0
    _tell(desk, number, CANCELED)
    _leave_group(desk, number)


@shared
def _leave_group(desk: Desk, number: int) -> None:
    """Cancel the pending orders of the OCO group of an order that has ended or filled, and end the group.

    Runs from the end of the queue to its beginning. Orders that this bar has processed are at the end.
    """
    account, order = desk.account[0], desk.orders[number]
    leader = desk.orders[order.leader]
    generation, members = leader.group_generation, leader.group_members
    leader.group_generation += 1
    leader.group_members = 0
    if members == 0 or (members == 1 and order.generation == generation):
        return
    for step in range(account.pending):
        place = account.place - 1 - step
        if place < 0:
            place += account.pending
        other = desk.orders[desk.pending[place]]
        if other.is_pending and other.leader == order.leader and other.generation == generation:
            other.is_pending = 0
            _tell(desk, desk.pending[place], CANCELED)


@shared
def _dissolve(desk: Desk, number: int) -> None:
    """Cancel the rest of an order's bracket."""
    parent = desk.orders[number].parent
    stage = desk.orders[parent].stage
    desk.orders[parent].stage = DISSOLVED
    if stage == DISSOLVED:
        return
    first = parent if stage == WHOLE else parent + 1
    for one in range(first, parent + 1 + desk.orders[parent].children):
        if desk.orders[one].is_pending:
            _withdraw(desk, one)


@inlined
def _fulfil(desk: Desk, number: int) -> None:
    """Handle a complete fill: a parent activates its children at the next bar, a child cancels the other."""
    account, order = desk.account[0], desk.orders[number]
    if order.parent != number:
        _dissolve(desk, number)
        return
    order.stage = WORKING
    for child in range(number + 1, number + 1 + order.children):
        desk.activated[account.activated] = child
        account.activated += 1


# --- the submission check ---------------------------------------------------------------------


@inlined
def _check_submitted(desk: Desk) -> None:
    """Simulate all submitted orders, one after the other, at the prices of their creation.

    A refused order leaves its effect on simulated cash and positions.
    """
    account = desk.account[0]
    if not desk.rules[0].checks_submission:
        return
    cash = account.cash
    for number in range(account.submitted, account.orders):
        order = desk.orders[number]
        if order.parent != number and desk.orders[order.parent].stage == DISSOLVED:
            _tell(desk, number, REJECTED)
            continue
        _know(desk, order.column)
        instrument = desk.instruments[order.column]
        if instrument.checked_at != account.bar:
            instrument.checked_at = account.bar
            instrument.checked_size = instrument.position
            instrument.checked_price = instrument.price
        price = order.price
        if desk.rules[0].timing == CHEAT_ON_OPEN and order.type == MARKET:
            price = desk.open[account.bar, order.column]
        size, average, opened, closed = _updated(
            instrument.checked_size, instrument.checked_price, order.remaining, price
        )
        instrument.checked_size, instrument.checked_price = size, average
        if closed != 0.0:
            cash += -closed * price
            cash -= _commission(desk.rules[0], closed, price)
        if opened != 0.0:
            cash -= opened * price
            cash -= _commission(desk.rules[0], opened, price)
        if cash >= 0.0:
            _accept(desk, number)
        else:
            _tell(desk, number, MARGIN)
            _leave_group(desk, number)
            _dissolve(desk, number)
    account.submitted = account.orders


@inlined
def _updated(held: float, average: float, size: float, price: float) -> tuple[float, float, float, float]:
    """Return a position after a trade of *size*: size and average price, and the opened and closed sizes."""
    after = held + size
    if after == 0.0:
        return after, 0.0, 0.0, size
    if held == 0.0:
        return after, price, size, 0.0
    if (held > 0.0) == (size > 0.0):
        return after, (average * held + size * price) / after, size, 0.0
    if (after > 0.0) == (held > 0.0):
        return after, average, 0.0, size
    return after, price, after, -held


@inlined
def _commission(rules: Record, size: float, price: float) -> float:
    rate: float = rules.commission
    return abs(size) * rate if rules.is_per_unit else abs(size) * rate * price


# --- interest and value ------------------------------------------------------------------------------


@inlined
def _charge_interest(desk: Desk) -> None:
    """Charge interest by calendar days at the average price, on shorts, and on longs if the rules say so."""
    account, rules = desk.account[0], desk.rules[0]
    total = 0.0
    for i in range(account.known_count):
        column = desk.known_columns[i]
        instrument = desk.instruments[column]
        if instrument.position == 0.0:
            continue
        day = desk.timestamp[desk.last[account.bar, column]] // DAY
        if (
            day > instrument.day
            and (instrument.position < 0.0 or rules.charges_long)
            and rules.credit_rate != 0.0
        ):
            interest = (
                (day - instrument.day) * rules.credit_rate * abs(instrument.position) * instrument.price
            )
            instrument.credit += interest
            total += interest
            credit = desk.credits[account.credits]
            credit.bar, credit.column, credit.amount = account.bar, column, interest
            account.credits += 1
        instrument.day = day
    if total != 0.0:
        charge = desk.charges[account.charges]
        charge.bar, charge.execution = account.bar, account.executions
        charge.cash_before = account.cash
        account.cash -= total
        charge.cash_after = account.cash
        account.charges += 1


@inlined
def _value(desk: Desk) -> None:
    """Value the account at the closes. Longs are added as cost and gain, one after the other."""
    account = desk.account[0]
    total = 0.0
    for i in range(account.known_count):
        column = desk.known_columns[i]
        instrument = desk.instruments[column]
        if instrument.position == 0.0:
            continue
        close = desk.close[account.bar, column]
        worth = instrument.position * close
        if worth > 0.0:
            gain = instrument.position * (close - instrument.price)
            total += worth - gain
            total += gain
        else:
            total += worth
    account.value = account.cash + total


# --- matching ----------------------------------------------------------------------------------------


@inlined
def _try(desk: Desk, number: int, last: int) -> None:
    """Execute an order if the bar has a price for it. Otherwise a trailing stop follows the close."""
    account, rules, order = desk.account[0], desk.rules[0], desk.orders[number]
    is_there = last == account.bar
    if not is_there and (order.type != MARKET or rules.timing != CHEAT_ON_CLOSE):
        return
    opened, high = desk.open[account.bar, order.column], desk.high[account.bar, order.column]
    low, close = desk.low[account.bar, order.column], desk.close[account.bar, order.column]
    price, stamp = opened, last
    is_trailing = order.type >= STOP_TRAIL and not order.is_triggered
    if order.type == MARKET:
        if rules.timing == CHEAT_ON_CLOSE:
            price, stamp = order.close, order.created
        price = slipped(rules, order.quantity, price, low, high, rules.slip_open, 0)
    elif order.type == AT_CLOSE:
        price, stamp = at_close(desk, order, last, close)
    elif order.type == LIMIT:
        price = at_limit(rules, order.quantity, order.price, opened, high, low)
    elif order.type in (STOP, STOP_TRAIL):
        price = at_stop(rules, order.quantity, order.price, opened, high, low)
    elif order.is_triggered:
        price = at_limit(rules, order.quantity, order.limit, opened, high, low)
    else:
        price = at_stop_limit(rules, order, opened, high, low, close)
    if not math.isnan(price):
        _execute(desk, number, price, stamp)
    if is_trailing and order.status < COMPLETED:
        trail(order, close)


# --- execution ---------------------------------------------------------------------------------------


@shared
def _execute(desk: Desk, number: int, price: float, stamp: int) -> None:
    """Execute the closing part regardless of cash, and the opening part if cash suffices, else refuse it."""
    account, rules, order = desk.account[0], desk.rules[0], desk.orders[number]
    instrument = desk.instruments[order.column]
    _know(desk, order.column)
    position, average, cash = instrument.position, instrument.price, account.cash
    _, _, opened, closed = _updated(position, average, order.remaining, price)
    requested, closing_fee, opening_fee = opened, 0.0, 0.0
    if closed != 0.0:
        gain = -closed * (price - average)
        cash += -closed * average + gain
        closing_fee = _commission(rules, closed, price)
        cash -= closing_fee
    if opened != 0.0:
        rest = cash - opened * price
        opening_fee = _commission(rules, opened, price)
        rest -= opening_fee
        if rest < 0.0:
            opened = opening_fee = 0.0
        else:
            cash = rest
    size = closed + opened
    if size != 0.0:
        record_fee = closing_fee
        if closed != 0.0 and rules.repeats_interest:
            record_fee += instrument.credit
            instrument.credit = 0.0
        if account.executions >= desk.executions.size:
            raise IndexError("no room for an execution")
        row = desk.executions[account.executions]
        account.executions += 1
        row.bar, row.column, row.order, row.stamp = account.bar, order.column, number, stamp
        row.quantity, row.price, row.fee, row.commission = (
            size,
            price,
            record_fee + opening_fee,
            closing_fee + opening_fee,
        )
        row.quantity_before, row.cash_before, row.cash_after = position, account.cash, cash
        account.cash = cash
        instrument.position, instrument.price, _, _ = _updated(position, average, size, price)
        row.quantity_after = instrument.position
        instrument.day = desk.timestamp[desk.last[account.bar, order.column]] // DAY
        order.remaining -= size
        _tell(desk, number, PARTIAL if order.remaining != 0.0 else COMPLETED)
        _leave_group(desk, number)
    if requested != 0.0 and opened == 0.0:
        _tell(desk, number, MARGIN)
        _leave_group(desk, number)
        _dissolve(desk, number)

"""VectorBT's rules for one order: its size, its limits, its refusal, and its changes of cash and position.

Everything is a float64, as in VectorBT, and operations come in the same sequence. A sum that is rounded in
another place could decide differently when cash binds. Words are VectorBT's own. An order is for a *size*
above zero to buy and below zero to sell. A position is below zero when it is short.
"""

import math

import numpy as np

from tieout.ledger.numeric import Record
from tieout.validation.foreign.compiled import inlined, shared

SIZE_TYPES = ("amount", "value", "percent", "targetamount", "targetvalue", "targetpercent")
AMOUNT, VALUE, PERCENT, TARGET_AMOUNT, TARGET_VALUE, TARGET_PERCENT = range(6)
DIRECTIONS = ("longonly", "shortonly", "both")
LONG_ONLY, SHORT_ONLY, BOTH = range(3)

REASONS = (
    "SizeNaN",
    "PriceNaN",
    "ValPriceNaN",
    "ValueNaN",
    "ValueZeroNeg",
    "SizeZero",
    "NoCashShort",
    "NoCashLong",
    "NoOpenPosition",
    "MaxSizeExceeded",
    "RandomEvent",
    "CantCoverFees",
    "MinSizeNotReached",
    "PartialFill",
)
"""Reasons to ignore or reject an order, by VectorBT's number. The imitation has no random events."""
(
    SIZE_NAN,
    PRICE_NAN,
    VAL_PRICE_NAN,
    VALUE_NAN,
    VALUE_ZERO_NEG,
    SIZE_ZERO,
    NO_CASH_SHORT,
    NO_CASH_LONG,
    NO_OPEN_POSITION,
    MAX_SIZE_EXCEEDED,
    _,  # RandomEvent
    CANT_COVER_FEES,
    MIN_SIZE_NOT_REACHED,
    PARTIAL_FILL,
) = range(14)
FILLED, INVALID, NO_QUOTIENT = -1, -2, -3
"""Outcomes beside a refusal: filled, ValueError, ZeroDivisionError."""

ACCOUNT = np.dtype([("cash", "f8"), ("free", "f8"), ("value", "f8")])
"""Account: *free* is cash less twice the amount that shorts lock, *value* the base of percent targets."""
HOLDING = np.dtype(
    [
        ("position", "f8"),
        ("debt", "f8"),  # proceeds of shorts, less covers at the average price
        ("mark", "f8"),  # the valuation price
        ("loss", "f8"),  # stops as fractions (NaN: none), and their base prices
        ("loss_base", "f8"),
        ("is_trailing", "?"),
        ("gain", "f8"),
        ("gain_base", "f8"),
    ]
)
ORDER = np.dtype(
    [
        ("size", "f8"),  # with the sign of ShortOnly already changed
        ("size_type", "i8"),
        ("direction", "i8"),
        ("price", "f8"),
        ("slippage", "f8"),
        ("wanted", "f8"),  # the absolute amount, and the share of resources or NaN
        ("percent", "f8"),
    ]
)
FILL = np.dtype(
    [
        ("bar", "i8"),
        ("column", "i8"),
        ("quantity", "f8"),  # below zero for a sale
        ("price", "f8"),
        ("fee", "f8"),
        ("cash_before", "f8"),
        ("cash_after", "f8"),
        ("position_before", "f8"),
        ("position_after", "f8"),
        ("debt_after", "f8"),
        ("free_after", "f8"),
    ]
)


@inlined
def is_close(a: float, b: float) -> bool:
    """Check whether two numbers are equal but for noise. NaN and infinity are close to nothing."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return False
    return a == b or abs(a - b) <= max(1e-9 * max(abs(a), abs(b)), 1e-12)


@inlined
def is_less(a: float, b: float) -> bool:
    """Check whether a is below b by more than noise."""
    return a < b and not is_close(a, b)


@inlined
def plus(a: float, b: float) -> float:
    """Add two numbers. The sum is exactly zero if it is noise."""
    if np.sign(a) != np.sign(b):
        return 0.0 if is_close(abs(a), abs(b)) else a + b
    return 0.0 if is_close(a + b, 0.0) else a + b


@inlined
def without_dust(a: float) -> float:
    """Return the number, or exactly zero if it is noise."""
    return 0.0 if is_close(a, 0.0) else a


@inlined
def in_steps(size: float, granularity: float) -> float:
    """Round down to whole steps by the floor of a float quotient: three steps of 0.1 may become two."""
    return size if math.isnan(granularity) else size // granularity * granularity


@shared
def decide(account: Record, holding: Record, order: Record, terms: Record, fill: Record) -> int:
    """Fill an order, or only clear dust. Return FILLED, a reason, INVALID or NO_QUOTIENT.

    Writes every field of *fill* but bar and column.
    """
    fill["cash_before"], fill["position_before"] = account["cash"], holding["position"]
    account["cash"] = without_dust(account["cash"])
    account["free"] = without_dust(account["free"])
    holding["position"] = without_dust(holding["position"])
    holding["debt"] = without_dust(holding["debt"])
    if math.isnan(order["size"]):
        return SIZE_NAN
    if math.isnan(order["price"]):
        return PRICE_NAN
    position = holding["position"]
    wrong_side = (order["direction"] == LONG_ONLY and position < 0) or (
        order["direction"] == SHORT_ONLY and position > 0
    )
    if math.isinf(order["price"]) or order["price"] <= 0 or wrong_side:
        return INVALID
    reason = _size(account, holding, order)
    if reason == FILLED:
        if order["wanted"] > 0:
            return _buy(account, holding, order, terms, fill)
        order["wanted"] = -order["wanted"]
        return _sell(account, holding, order, terms, fill)
    return reason


@inlined
def _size(account: Record, holding: Record, order: Record) -> int:
    """Convert the size to an amount. A share of resources becomes an infinite amount and a percent."""
    size, kind = order["size"], order["size_type"]
    if kind == TARGET_PERCENT:
        value = without_dust(account["value"])
        if math.isnan(value):
            return VALUE_NAN
        if value <= 0:
            return VALUE_ZERO_NEG
        size *= value
    if kind in (VALUE, TARGET_VALUE, TARGET_PERCENT):
        mark = without_dust(holding["mark"])
        if math.isinf(mark) or mark <= 0:
            return INVALID
        if math.isnan(mark):
            return VAL_PRICE_NAN
        size /= mark
    if kind in (TARGET_AMOUNT, TARGET_VALUE, TARGET_PERCENT):
        size -= holding["position"]
    order["percent"] = math.nan
    if kind == PERCENT:
        if size == 0:
            # A share of zero has no side: VectorBT books a fill of NaN, and raises at the next order.
            return INVALID
        order["percent"] = abs(size)
        size = math.copysign(math.inf, size)
    elif size == -math.inf and order["direction"] != LONG_ONLY:
        order["percent"] = 1.0
    order["wanted"] = size
    return FILLED


@inlined
def _spendable(account: Record, holding: Record, order: Record, terms: Record, price: float) -> float:
    """Return the cash that a purchase may take: all of it, with short proceeds, unless cash is locked.

    NaN if a short is covered at exactly twice its average price, where VectorBT's formula divides by zero.
    """
    cash, free = account["cash"], account["free"]
    position, debt = holding["position"], holding["debt"]
    limit = cash
    if terms["lock_cash"] and position >= 0:
        limit = free
    elif terms["lock_cash"]:
        # The cash that a cover unlocks may pay for it.
        required = abs(position) * price * (1 + terms["fees"]) + terms["fixed_fees"]
        rest = plus(free + 2 * debt, -required)
        if rest > 0:
            limit = free + 2 * debt
        elif rest < 0:
            average = debt / abs(position)
            apart = price * (1 + terms["fees"]) - 2 * average
            if apart == 0:
                return math.nan
            covered = (free - terms["fixed_fees"]) / apart
            limit = covered * price * (1 + terms["fees"]) + terms["fixed_fees"]
    limit = min(limit, cash)
    return float(limit if math.isnan(order["percent"]) else min(limit, order["percent"] * limit))


@inlined
def _buy(account: Record, holding: Record, order: Record, terms: Record, fill: Record) -> int:
    """Buy or cover as much as cash allows."""
    price = order["price"] * (1 + order["slippage"])
    requested, amount = order["wanted"], order["wanted"]
    limit = _spendable(account, holding, order, terms, price)
    if math.isnan(limit):
        return NO_QUOTIENT
    if order["direction"] != SHORT_ONLY:
        if limit == 0:
            return NO_CASH_LONG
        if math.isinf(requested) and math.isinf(limit):
            return INVALID
    else:
        if holding["position"] == 0:
            return NO_OPEN_POSITION
        amount = min(-holding["position"], requested)
    if amount == 0:
        return SIZE_ZERO
    if amount > terms["max_size"]:
        if not terms["allow_partial"]:
            return MAX_SIZE_EXCEEDED
        amount = terms["max_size"]
    amount = in_steps(amount, terms["size_granularity"])
    size, spent = amount, amount * price
    fee = spent * terms["fees"] + terms["fixed_fees"]
    total = spent + fee
    if not (total < limit or is_close(total, limit)):
        spent = plus(limit, -terms["fixed_fees"]) / (1 + terms["fees"])
        if spent <= 0:
            return CANT_COVER_FEES
        size, fee, total = spent / price, limit - spent, limit
        if not math.isnan(terms["size_granularity"]):
            size = in_steps(size, terms["size_granularity"])
            fee = size * price * terms["fees"] + terms["fixed_fees"]
            total = size * price + fee
    if is_close(amount, 0.0):
        return SIZE_ZERO
    reason = _too_small(size, requested, terms)
    if reason == FILLED:
        _move_bought(account, holding, size, total)
        _record(account, holding, fill, price, fee)
        fill["quantity"] = size
    return reason


@inlined
def _too_small(size: float, requested: float, terms: Record) -> int:
    """Return the reason against a size: below the minimum, or partial where that is not allowed."""
    if is_less(size, terms["min_size"]):
        return MIN_SIZE_NOT_REACHED
    if math.isfinite(requested) and is_less(size, requested) and not terms["allow_partial"]:
        return PARTIAL_FILL
    return FILLED


@inlined
def _move_bought(account: Record, holding: Record, size: float, total: float) -> None:
    before, debt = holding["position"], holding["debt"]
    account["cash"] = plus(account["cash"], -total)
    holding["position"] = plus(before, size)
    if before < 0:
        covered = size if holding["position"] < 0 else abs(before)
        repaid = covered * (debt / abs(before))
        holding["debt"] = plus(debt, -repaid)
        account["free"] = plus(account["free"] + 2 * repaid, -total)
    else:
        account["free"] = plus(account["free"], -total)


@inlined
def _sell(account: Record, holding: Record, order: Record, terms: Record, fill: Record) -> int:
    """Sell or short. Only locked cash or a share of resources limits the size."""
    price = order["price"] * (1 - order["slippage"])
    requested, size, percent = order["wanted"], order["wanted"], order["percent"]
    if order["direction"] == LONG_ONLY:
        size = min(holding["position"], requested)
    elif terms["lock_cash"] or not math.isnan(percent):
        long = max(holding["position"], 0.0)
        covered = plus(account["free"], long * price * (1 - terms["fees"]))
        largest = long
        if covered > 0:
            largest = plus(long, plus(covered, -terms["fixed_fees"]) / (price * (1 + terms["fees"])))
            if largest <= 0:
                return CANT_COVER_FEES
        elif holding["position"] <= 0:
            return NO_CASH_SHORT
        if not terms["lock_cash"]:
            size = largest
        elif math.isnan(percent):
            size = min(requested, largest)
        else:
            size, percent = min(percent * largest, largest), math.nan
    if not math.isnan(percent):
        size = percent * size
    if size > terms["max_size"]:
        if not terms["allow_partial"]:
            return MAX_SIZE_EXCEEDED
        size = terms["max_size"]
    if order["direction"] == LONG_ONLY and holding["position"] == 0:
        return NO_OPEN_POSITION
    if order["direction"] != LONG_ONLY and math.isinf(size):
        return INVALID
    size = in_steps(size, terms["size_granularity"])
    if is_close(size, 0.0):
        return SIZE_ZERO
    reason = _too_small(size, requested, terms)
    return _settle_sale(account, holding, terms, fill, size, price) if reason == FILLED else reason


@inlined
def _settle_sale(
    account: Record, holding: Record, terms: Record, fill: Record, size: float, price: float
) -> int:
    proceeds = size * price
    fee = proceeds * terms["fees"] + terms["fixed_fees"]
    net = plus(proceeds, -fee)
    if net < 0:
        return CANT_COVER_FEES
    before = holding["position"]
    account["cash"] += net
    holding["position"] = plus(before, -size)
    if holding["position"] < 0:
        shorted = (size if before < 0 else abs(holding["position"])) * price
        holding["debt"] += shorted
        account["free"] = plus(account["free"], plus(net, -2 * shorted))
    else:
        account["free"] += net
    _record(account, holding, fill, price, fee)
    fill["quantity"] = -size
    return FILLED


@inlined
def _record(account: Record, holding: Record, fill: Record, price: float, fee: float) -> None:
    fill["price"], fill["fee"] = price, fee
    fill["cash_after"], fill["free_after"] = account["cash"], account["free"]
    fill["position_after"], fill["debt_after"] = holding["position"], holding["debt"]

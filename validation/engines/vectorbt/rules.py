"""VectorBT's rules for one order: how large it becomes, what limits it, why it is refused, what it moves.

Everything is a float64, as it is there, and every operation stands in its order: a sum that is rounded in
another place decides another way when cash binds. Words are VectorBT's own. An order is for a *size* above
zero to buy and below zero to sell; a position is below zero when it is short.
"""

import math

import numpy as np

from tieout.ledger.books.arrays import Record
from tieout.validation.foreign.compiled import leaf, routine

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
"""That an order is filled; that VectorBT raises an error, of a value or of a division, which ends the run."""

ACCOUNT = np.dtype([("cash", "f8"), ("free", "f8"), ("value", "f8")])
"""*free* is cash less what shorts have locked twice over; *value* is what targets are a share of."""
HOLDING = np.dtype(
    [
        ("position", "f8"),
        ("debt", "f8"),  # what shorts were sold for, covers taken out at the average
        ("mark", "f8"),  # the valuation price
        ("loss", "f8"),  # stops as fractions, NaN where there is none, and the prices they count from
        ("loss_base", "f8"),
        ("is_trailing", "?"),
        ("gain", "f8"),
        ("gain_base", "f8"),
    ]
)
ORDER = np.dtype(
    [
        ("size", "f8"),  # as it is given; ShortOnly is turned about before it gets here
        ("size_type", "i8"),
        ("direction", "i8"),
        ("price", "f8"),
        ("slippage", "f8"),
        ("wanted", "f8"),  # the size as an amount, without sign, and the share of resources or NaN
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


@leaf
def is_close(a: float, b: float) -> bool:
    """Whether two numbers are one but for noise; NaN and infinity are close to nothing."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return False
    return a == b or abs(a - b) <= max(1e-9 * max(abs(a), abs(b)), 1e-12)


@leaf
def is_less(a: float, b: float) -> bool:
    """Whether a is below b by more than noise."""
    return a < b and not is_close(a, b)


@leaf
def plus(a: float, b: float) -> float:
    """The sum, and exactly zero where they cancel but for noise."""
    if np.sign(a) != np.sign(b):
        return 0.0 if is_close(abs(a), abs(b)) else a + b
    return 0.0 if is_close(a + b, 0.0) else a + b


@leaf
def without_dust(a: float) -> float:
    """The number, and exactly zero where it is noise."""
    return 0.0 if is_close(a, 0.0) else a


@leaf
def in_steps(size: float, granularity: float) -> float:
    """The size in whole steps, by the floor of a quotient of floats: three steps of 0.1 may be two."""
    return size if math.isnan(granularity) else size // granularity * granularity


@routine
def decide(account: Record, holding: Record, order: Record, terms: Record, fill: Record) -> int:
    """Fill an order, or do nothing but clear dust: FILLED, a reason, or INVALID.

    Of *fill* everything but bar and column is written.
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


@leaf
def _size(account: Record, holding: Record, order: Record) -> int:
    """Turn the size into an amount and perhaps a share of resources, an infinite amount then."""
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
            # A share of nothing has no side: there a fill of NaN is booked, and the next order raises.
            return INVALID
        order["percent"] = abs(size)
        size = math.copysign(math.inf, size)
    elif size == -math.inf and order["direction"] != LONG_ONLY:
        order["percent"] = 1.0
    order["wanted"] = size
    return FILLED


@leaf
def _spendable(account: Record, holding: Record, order: Record, terms: Record, price: float) -> float:
    """The cash that a purchase may take: all of it, short proceeds too, unless cash is locked.

    NaN where a short is covered at just twice what it was sold for, which VectorBT's formula divides by.
    """
    cash, free = account["cash"], account["free"]
    position, debt = holding["position"], holding["debt"]
    limit = cash
    if terms["lock_cash"] and position >= 0:
        limit = free
    elif terms["lock_cash"]:
        # What a cover sets free is there to pay for it.
        required = abs(position) * price * (1 + terms["fees"]) + terms["fixed_fees"]
        left = plus(free + 2 * debt, -required)
        if left > 0:
            limit = free + 2 * debt
        elif left < 0:
            average = debt / abs(position)
            apart = price * (1 + terms["fees"]) - 2 * average
            if apart == 0:
                return math.nan
            covered = (free - terms["fixed_fees"]) / apart
            limit = covered * price * (1 + terms["fees"]) + terms["fixed_fees"]
    limit = min(limit, cash)
    return float(limit if math.isnan(order["percent"]) else min(limit, order["percent"] * limit))


@leaf
def _buy(account: Record, holding: Record, order: Record, terms: Record, fill: Record) -> int:
    """Buy or cover as much of what is wanted as there is cash for."""
    price = order["price"] * (1 + order["slippage"])
    asked, wanted = order["wanted"], order["wanted"]
    limit = _spendable(account, holding, order, terms, price)
    if math.isnan(limit):
        return NO_QUOTIENT
    if order["direction"] != SHORT_ONLY:
        if limit == 0:
            return NO_CASH_LONG
        if math.isinf(asked) and math.isinf(limit):
            return INVALID
    else:
        if holding["position"] == 0:
            return NO_OPEN_POSITION
        wanted = min(-holding["position"], asked)
    if wanted == 0:
        return SIZE_ZERO
    if wanted > terms["max_size"]:
        if not terms["allow_partial"]:
            return MAX_SIZE_EXCEEDED
        wanted = terms["max_size"]
    wanted = in_steps(wanted, terms["size_granularity"])
    size, spent = wanted, wanted * price
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
    if is_close(wanted, 0.0):
        return SIZE_ZERO
    reason = _too_small(size, asked, terms)
    if reason == FILLED:
        _move_bought(account, holding, size, total)
        _record(account, holding, fill, price, fee)
        fill["quantity"] = size
    return reason


@leaf
def _too_small(size: float, asked: float, terms: Record) -> int:
    """Why a size is not filled: below the smallest, or only a part where all or nothing was asked."""
    if is_less(size, terms["min_size"]):
        return MIN_SIZE_NOT_REACHED
    if math.isfinite(asked) and is_less(size, asked) and not terms["allow_partial"]:
        return PARTIAL_FILL
    return FILLED


@leaf
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


@leaf
def _sell(account: Record, holding: Record, order: Record, terms: Record, fill: Record) -> int:
    """Sell what is held, or short: without a limit unless cash is locked or a share of resources is asked."""
    price = order["price"] * (1 - order["slippage"])
    asked, size, percent = order["wanted"], order["wanted"], order["percent"]
    if order["direction"] == LONG_ONLY:
        size = min(holding["position"], asked)
    elif terms["lock_cash"] or not math.isnan(percent):
        held = max(holding["position"], 0.0)
        covered = plus(account["free"], held * price * (1 - terms["fees"]))
        largest = held
        if covered > 0:
            largest = plus(held, plus(covered, -terms["fixed_fees"]) / (price * (1 + terms["fees"])))
            if largest <= 0:
                return CANT_COVER_FEES
        elif holding["position"] <= 0:
            return NO_CASH_SHORT
        if not terms["lock_cash"]:
            size = largest
        elif math.isnan(percent):
            size = min(asked, largest)
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
    reason = _too_small(size, asked, terms)
    return _settle_sale(account, holding, terms, fill, size, price) if reason == FILLED else reason


@leaf
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


@leaf
def _record(account: Record, holding: Record, fill: Record, price: float, fee: float) -> None:
    fill["price"], fill["fee"] = price, fee
    fill["cash_after"], fill["free_after"] = account["cash"], account["free"]
    fill["position_after"], fill["debt_after"] = holding["position"], holding["debt"]

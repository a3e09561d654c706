"""VectorBT's signals: conflicts at a bar, the resulting order, and the stops of a position.

The signals of one cell are a set of flags. Stops come first: a stop that is hit overrides the user's signals
of that bar. A trailing stop moves after its check, so it lags by a bar.
"""

import math

import numpy as np

from tieout.ledger.numeric import Record
from tieout.validation.engines.vectorbt.rules import (
    AMOUNT,
    BOTH,
    FILLED,
    INVALID,
    LONG_ONLY,
    PERCENT,
    SHORT_ONLY,
    VALUE,
)
from tieout.validation.foreign.compiled import inlined, shared

LONG_ENTRY, LONG_EXIT, SHORT_ENTRY, SHORT_EXIT = 1, 2, 4, 8

ACCUMULATION = ("disabled", "both", "addonly", "removeonly")
KEEP_SIZE, ADD_AND_REMOVE, ADD_ONLY, REMOVE_ONLY = range(4)
CONFLICTS = ("ignore", "entry", "exit", "adjacent", "opposite")
TAKE_ENTRY, TAKE_EXIT, TAKE_ADJACENT, TAKE_OPPOSITE = range(1, 5)
DIRECTION_CONFLICTS = ("ignore", "long", "short", "adjacent", "opposite")
TAKE_LONG, TAKE_SHORT, TAKE_SAME_SIDE, TAKE_OTHER_SIDE = range(1, 5)
OPPOSITE_ENTRIES = ("ignore", "close", "closereduce", "reverse", "reversereduce")
IGNORE_ENTRY, CLOSE, CLOSE_OR_REDUCE, REVERSE = range(4)
STOP_EXITS = ("close", "closereduce", "reverse", "reversereduce")
STOP_CLOSES, STOP_CLOSES_OR_REDUCES, STOP_REVERSES = range(3)
STOP_ENTRY_PRICES = ("valprice", "price", "fillprice", "close")
FROM_MARK, _, FROM_FILL, FROM_CLOSE = range(4)
STOP_EXIT_PRICES = ("stoplimit", "stopmarket", "price", "close")
AT_STOP, AT_STOP_AND_SLIPPAGE, _, AT_CLOSE = range(4)
STOP_UPDATES = ("keep", "override", "overridenan")
OVERRIDE, OVERRIDE_WITH_NAN = range(1, 3)

BAR = np.dtype([("open", "f8"), ("high", "f8"), ("low", "f8"), ("close", "f8")])


@inlined
def hit(position: float, base: float, stop: float, bar: Record, is_loss: bool) -> float:  # noqa: FBT001  which stop it is
    """Return the price at which a stop is hit (the open if it lies beyond the stop), or NaN."""
    if position == 0:
        return math.nan
    is_below = (position > 0) == is_loss
    level = base * (1 - stop) if is_below else base * (1 + stop)
    if (bar["open"] <= level) if is_below else (level <= bar["open"]):
        return float(bar["open"])
    return level if bar["low"] <= level <= bar["high"] else math.nan


@shared
def stopped(holding: Record, bar: Record) -> float:
    """Return the price at which a stop ends the position, stop-loss before take-profit, or NaN.

    Trails the base of the stop-loss, and fills in missing prices of *bar*.
    """
    position = holding["position"]
    if math.isnan(bar["open"]):
        bar["open"] = bar["close"]
    if math.isnan(bar["low"]):
        bar["low"] = min(bar["open"], bar["close"])
    if math.isnan(bar["high"]):
        bar["high"] = max(bar["open"], bar["close"])
    price = math.nan
    if not math.isnan(holding["loss"]):
        price = hit(position, holding["loss_base"], holding["loss"], bar, True)  # noqa: FBT003  kernels take no keywords
    if math.isnan(price) and not math.isnan(holding["gain"]):
        price = hit(position, holding["gain_base"], holding["gain"], bar, False)  # noqa: FBT003  as above
    if holding["is_trailing"] and not math.isnan(holding["loss"]):
        if position > 0 and bar["high"] > holding["loss_base"]:
            holding["loss_base"] = bar["high"]
        elif position < 0 and bar["low"] < holding["loss_base"]:
            holding["loss_base"] = bar["low"]
    return price


@inlined
def arm(holding: Record, terms: Record, before: float, base: float) -> None:
    """Set, keep or clear the stops after a fill. *base* is their base price."""
    after = holding["position"]
    if after == 0:
        holding["loss"] = holding["gain"] = math.nan
        holding["is_trailing"] = False
        return
    opened = before == 0 or (before > 0) != (after > 0)
    if not opened and abs(after) <= abs(before):
        return
    update = terms["upon_stop_update"]
    loss, gain = terms["sl_stop"], terms["tp_stop"]
    if opened or update == OVERRIDE_WITH_NAN or (update == OVERRIDE and not math.isnan(loss)):
        holding["loss"], holding["loss_base"], holding["is_trailing"] = loss, base, terms["sl_trail"]
    if opened or update == OVERRIDE_WITH_NAN or (update == OVERRIDE and not math.isnan(gain)):
        holding["gain"], holding["gain_base"] = gain, base


@inlined
def _without_conflict(position: float, flags: int, entry: int, both: int, mode: int) -> int:
    """Resolve an entry and an exit of one side at once."""
    if flags & both != both:
        return flags
    if mode == TAKE_ENTRY or (mode == TAKE_ADJACENT and position != 0):
        return flags & ~both | entry
    if mode == TAKE_EXIT or (mode == TAKE_OPPOSITE and position != 0):
        return flags & ~entry
    return flags & ~both


@inlined
def _on_one_side(position: float, flags: int, mode: int) -> int:
    """Resolve a long and a short entry at once."""
    both = LONG_ENTRY | SHORT_ENTRY
    if flags & both != both:
        return flags
    other = (mode == TAKE_OTHER_SIDE) == (position > 0)
    if mode == TAKE_LONG or (mode >= TAKE_SAME_SIDE and position != 0 and not other):
        return flags & ~SHORT_ENTRY
    if mode == TAKE_SHORT or (mode >= TAKE_SAME_SIDE and position != 0 and other):
        return flags & ~LONG_ENTRY
    return flags & ~both


@inlined
def resolved(position: float, flags: int, terms: Record) -> tuple[int, int]:
    """Return the signals that count, and the mode of accumulation."""
    accumulate = terms["accumulate"]
    if not flags & (LONG_ENTRY | SHORT_ENTRY):
        return flags, accumulate
    flags = _without_conflict(
        position, flags, LONG_ENTRY, LONG_ENTRY | LONG_EXIT, terms["upon_long_conflict"]
    )
    flags = _without_conflict(
        position, flags, SHORT_ENTRY, SHORT_ENTRY | SHORT_EXIT, terms["upon_short_conflict"]
    )
    flags = _on_one_side(position, flags, terms["upon_dir_conflict"])
    against = SHORT_ENTRY if position > 0 else LONG_ENTRY
    if position != 0 and flags & against:
        mode = terms["upon_opposite_entry"]
        if mode in (CLOSE, CLOSE_OR_REDUCE):
            flags = flags & ~against | (LONG_EXIT if position > 0 else SHORT_EXIT)
        elif mode == IGNORE_ENTRY:
            flags &= ~against
        if mode in (CLOSE, REVERSE):
            accumulate = KEEP_SIZE
    return flags, accumulate


@inlined
def on_stop(position: float, terms: Record) -> tuple[int, int]:
    """Return the signal of a stop, and the mode of accumulation."""
    mode = terms["upon_stop_exit"]
    accumulate = KEEP_SIZE if mode in (STOP_CLOSES, STOP_REVERSES) else terms["accumulate"]
    if mode in (STOP_CLOSES, STOP_CLOSES_OR_REDUCES):
        return (LONG_EXIT if position > 0 else SHORT_EXIT), accumulate
    return (SHORT_ENTRY if position > 0 else LONG_ENTRY), accumulate


@inlined
def order_from(holding: Record, flags: int, accumulate: int, size: float, order: Record) -> int:
    """Write size, type and direction of the order for the signals. A size of zero is no order.

    The type is that of the size, except that an exit or a flip is an amount.
    """
    position = holding["position"]
    order["size"], order["direction"] = 0.0, BOTH
    if position == 0:
        if flags & LONG_ENTRY:
            order["size"] = size
        elif flags & SHORT_ENTRY:
            order["size"] = -size
        return FILLED
    side = 1.0 if position > 0 else -1.0
    direction = LONG_ONLY if position > 0 else SHORT_ONLY
    against, leave, more = (
        (SHORT_ENTRY, LONG_EXIT, LONG_ENTRY) if position > 0 else (LONG_ENTRY, SHORT_EXIT, SHORT_ENTRY)
    )
    takes = accumulate in (ADD_AND_REMOVE, REMOVE_ONLY)
    if flags & against:
        if takes:
            order["size"] = -side * size
        else:
            turned = 0.0
            if not math.isnan(size):
                if order["size_type"] == PERCENT:
                    return INVALID
                turned = size / holding["mark"] if order["size_type"] == VALUE else size
            order["size"], order["size_type"] = -side * (abs(position) + turned), AMOUNT
    elif flags & leave:
        order["direction"] = direction
        order["size"] = -side * size
        if not takes:
            order["size"], order["size_type"] = -position, AMOUNT
    elif flags & more:
        order["direction"] = direction
        if accumulate in (ADD_AND_REMOVE, ADD_ONLY):
            order["size"] = side * size
    return FILLED

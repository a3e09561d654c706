"""VectorBT 1.2.0's portfolio simulation as a compiled loop: arrays in, records of fills and refusals out.

The state is float64, as in VectorBT's numba engine, and decides everything. An account is all columns if they
share cash, else a single column. The steps of a bar are: prices and marks of all columns, the account's value
(once), one order per column, then the orders in their sequence. Cash changes from order to order, the value
does not. Orders fill at the prices of their own bar, so nothing prevents look-ahead.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tieout.ledger.numeric import Floats, Record
from tieout.validation.engines.vectorbt.rules import (
    AMOUNT,
    FILLED,
    LONG_ONLY,
    PERCENT,
    SHORT_ONLY,
    SIZE_NAN,
    TARGET_AMOUNT,
    TARGET_PERCENT,
    TARGET_VALUE,
    VALUE,
    decide,
)
from tieout.validation.engines.vectorbt.signals import (
    AT_CLOSE,
    AT_STOP,
    AT_STOP_AND_SLIPPAGE,
    FROM_CLOSE,
    FROM_FILL,
    FROM_MARK,
    arm,
    on_stop,
    order_from,
    resolved,
    stopped,
)
from tieout.validation.foreign.compiled import entry, inlined, shared

TERMS = np.dtype(
    [
        *((name, "i8") for name in ("size_type", "direction", "accumulate", "upon_long_conflict")),
        *((name, "i8") for name in ("upon_short_conflict", "upon_dir_conflict", "upon_opposite_entry")),
        *((name, "i8") for name in ("stop_entry_price", "stop_exit_price")),
        *((name, "i8") for name in ("upon_stop_exit", "upon_stop_update")),
        *((name, "f8") for name in ("fees", "fixed_fees", "slippage", "min_size", "max_size")),
        *((name, "f8") for name in ("size_granularity", "sl_stop", "tp_stop")),
        *((name, "?") for name in ("lock_cash", "allow_partial", "sl_trail")),
    ]
)
"""Terms that seldom differ between cells, with VectorBT's names."""
RULES = np.dtype([(name, "?") for name in ("is_signals", "is_auto", "ffill_val_price", "update_value")])
REFUSAL = np.dtype([("bar", "i8"), ("column", "i8"), ("reason", "i8")])


class Sheet(NamedTuple):
    """Inputs [bars, columns]. Except for closes and flags, one row or column may stand for all."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    worth: Floats  # the close. A missing one is the one before, or else after
    size: Floats
    price: Floats
    val_price: Floats
    flags: NDArray[np.int64]
    sequence: NDArray[np.int64]
    terms: NDArray[np.void]
    rules: NDArray[np.void]


class Desk(NamedTuple):
    """The state of one account and its results. Orders, values and sequence are those of a bar."""

    account: NDArray[np.void]
    holdings: NDArray[np.void]
    orders: NDArray[np.void]
    values: Floats
    sequence: NDArray[np.int64]
    bar: NDArray[np.void]
    fills: NDArray[np.void]
    refusals: NDArray[np.void]
    counts: NDArray[np.int64]  # of fills and refusals, and the cell that ended the run
    cash: Floats
    value: Floats


@inlined
def _at(values: NDArray[Any], bar: int, column: int) -> Any:
    """Return the input of a cell, where one row or column may stand for all."""
    return values[bar if values.shape[0] > 1 else 0, column if values.shape[1] > 1 else 0]


@inlined
def _price(sheet: Sheet, desk: Desk, bar: int, column: int) -> None:
    """Set the order's price, with infinity resolved, and the valuation price."""
    order, holding, rules = desk.orders[column], desk.holdings[column], sheet.rules[0]
    before = sheet.close[bar - 1, column] if bar > 0 else math.nan
    price = _at(sheet.price, bar, column)
    if price == math.inf:
        price = sheet.close[bar, column]
    elif price == -math.inf:
        price = before
        if rules["is_signals"] and not math.isnan(_at(sheet.open, bar, column)):
            price = _at(sheet.open, bar, column)
    order["price"] = price
    mark = _at(sheet.val_price, bar, column)
    if math.isinf(mark):
        mark = price if mark > 0 else before
    if not (math.isnan(mark) and rules["ffill_val_price"]):
        holding["mark"] = mark


@inlined
def _write_order(sheet: Sheet, desk: Desk, bar: int, column: int) -> int:
    """Write the order of a cell. ShortOnly changes the sign of the size."""
    order, terms = desk.orders[column], _at(sheet.terms, bar, column)
    order["size_type"], order["direction"] = terms["size_type"], terms["direction"]
    order["slippage"] = terms["slippage"]
    size = _at(sheet.size, bar, column)
    order["size"] = -size if terms["direction"] == SHORT_ONLY else size
    return FILLED


@inlined
def _write_signal(sheet: Sheet, desk: Desk, bar: int, column: int) -> int:
    """Write the order of a cell from its stops, or else from its signals."""
    order, holding, terms = desk.orders[column], desk.holdings[column], _at(sheet.terms, bar, column)
    order["size_type"], order["slippage"] = terms["size_type"], terms["slippage"]
    position, stop = holding["position"], math.nan
    if not (math.isnan(holding["loss"]) and math.isnan(holding["gain"])):
        prices = desk.bar[0]
        prices["open"], prices["close"] = _at(sheet.open, bar, column), sheet.close[bar, column]
        prices["high"], prices["low"] = _at(sheet.high, bar, column), _at(sheet.low, bar, column)
        stop = stopped(holding, prices)
    if math.isnan(stop):
        flags, accumulate = resolved(position, sheet.flags[bar, column], terms)
    else:
        flags, accumulate = on_stop(position, terms)
        at = terms["stop_exit_price"]
        if at in (AT_STOP, AT_STOP_AND_SLIPPAGE):
            order["price"] = stop
        elif at == AT_CLOSE:
            order["price"] = sheet.close[bar, column]
        if at == AT_STOP:
            order["slippage"] = 0.0
    return order_from(holding, flags, accumulate, _at(sheet.size, bar, column), order)


@inlined
def _value(desk: Desk, first: int, last: int) -> float:
    """Return cash and positions at their marks."""
    value = desk.account[0]["cash"]
    for column in range(first, last):
        position = desk.holdings[column]["position"]
        if position != 0:
            value += position * desk.holdings[column]["mark"]
    return float(value)


@inlined
def _about(account: Record, holding: Record, order: Record, is_signals: bool) -> float:  # noqa: FBT001  whether it is a signal
    """Estimate the value of an order, below zero for sales. An automatic sequence sorts by it."""
    size, kind, value = order["size"], order["size_type"], holding["position"] * holding["mark"]
    amount = math.nan
    if is_signals and size == 0:
        amount = 0.0
    elif kind == AMOUNT:
        amount = size * holding["mark"]
    elif kind == VALUE:
        amount = size
    elif kind == PERCENT:
        amount = size * account["cash"]
        if not size >= 0:
            both = 2 * max(value, 0.0) + max(account["free"], 0.0)
            amount = size * (value if order["direction"] == LONG_ONLY else both)
    elif kind == TARGET_AMOUNT:
        amount = size * holding["mark"] - value
    elif kind == TARGET_VALUE:
        amount = size - value
    elif kind == TARGET_PERCENT:
        amount = size * account["value"] - value
    return float(amount)


@inlined
def _arrange(desk: Desk, first: int, last: int) -> None:
    """Sort the columns by value: the smallest first, stable, NaN at the end.

    NaN values come in reverse, because VectorBT inserts each before the others.
    """
    sequence, values = desk.sequence, desk.values
    end_of_numbers, end = first, last
    for column in range(first, last):
        if math.isnan(values[column]):
            end -= 1
            sequence[end] = column
            continue
        place = end_of_numbers
        while place > first and values[sequence[place - 1]] > values[column]:
            sequence[place] = sequence[place - 1]
            place -= 1
        sequence[place] = column
        end_of_numbers += 1


@shared
def _place(sheet: Sheet, desk: Desk, bar: int, column: int) -> int:
    """Decide on the order of a cell, and record its fill or refusal."""
    account, holding, order = desk.account[0], desk.holdings[column], desk.orders[column]
    rules, terms = sheet.rules[0], _at(sheet.terms, bar, column)
    if rules["is_signals"] and order["size"] == 0:
        return FILLED
    fill = desk.fills[desk.counts[0]]
    reason = decide(account, holding, order, terms, fill)
    if reason == FILLED:
        fill["bar"], fill["column"] = bar, column
        desk.counts[0] += 1
        before = fill["position_before"]
        if rules["update_value"]:
            value_before = before * holding["mark"] if before != 0 else 0.0
            value_after = holding["position"] * fill["price"] if holding["position"] != 0 else 0.0
            account["value"] = (
                account["value"] + (account["cash"] - fill["cash_before"]) + (value_after - value_before)
            )
            holding["mark"] = fill["price"]
        if rules["is_signals"]:
            source, base = terms["stop_entry_price"], order["price"]
            if source == FROM_MARK:
                base = holding["mark"]
            elif source == FROM_FILL:
                base = fill["price"]
            elif source == FROM_CLOSE:
                base = sheet.close[bar, column]
            arm(holding, terms, before, base)
    elif reason > SIZE_NAN:
        refusal = desk.refusals[desk.counts[1]]
        refusal["bar"], refusal["column"], refusal["reason"] = bar, column, reason
        desk.counts[1] += 1
    return reason


@entry
def perform(sheet: Sheet, desk: Desk, first: int, last: int) -> int:
    """Perform columns *first* to *last* as one account. Return FILLED, or the error that VectorBT raises."""
    bars, columns = sheet.close.shape
    rules, account = sheet.rules[0], desk.account[0]
    for bar in range(bars):
        for column in range(first, last):
            _price(sheet, desk, bar, column)
        account["value"] = _value(desk, first, last)
        for column in range(first, last):
            if rules["is_signals"]:
                status = _write_signal(sheet, desk, bar, column)
            else:
                status = _write_order(sheet, desk, bar, column)
            if status != FILLED:
                desk.counts[2] = bar * columns + column
                return status
            if rules["is_auto"]:
                desk.values[column] = _about(
                    account, desk.holdings[column], desk.orders[column], rules["is_signals"]
                )
            else:
                row = bar if sheet.sequence.shape[0] > 1 else 0
                desk.sequence[column] = first + sheet.sequence[row, column]
        if rules["is_auto"]:
            _arrange(desk, first, last)
        for place in range(first, last):
            status = _place(sheet, desk, bar, desk.sequence[place])
            if status < FILLED:
                desk.counts[2] = bar * columns + desk.sequence[place]
                return status
        desk.cash[bar] = desk.value[bar] = account["cash"]
        for column in range(first, last):
            if desk.holdings[column]["position"] != 0:
                desk.value[bar] += desk.holdings[column]["position"] * sheet.worth[bar, column]
    return FILLED

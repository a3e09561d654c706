"""The tables of Backtrader's imitation, and its words as numbers.

No field has the name of an attribute of numpy records (``size``), which plain Python would read instead.
"""

from typing import NamedTuple

import numpy as np

from tieout.ledger.numeric import Floats, Int64s, Records

BUY, SELL, ENTER, CLOSE, TARGET_SIZE, TARGET_VALUE, TARGET_PERCENT, TRIM, TOP_UP, CANCEL = range(10)
"""Kinds of actions: `ENTER` buys if the position is flat, `CLOSE` closes it.

`TRIM` and `TOP_UP` are a target in percent if that sells, or if that buys.
"""
MARKET, AT_CLOSE, LIMIT, STOP, STOP_LIMIT, STOP_TRAIL, STOP_TRAIL_LIMIT = range(7)
"""Execution types, with Backtrader's numbers."""
SUBMITTED, ACCEPTED, PARTIAL, COMPLETED, CANCELED, EXPIRED, MARGIN, REJECTED = range(1, 9)
"""Statuses, with Backtrader's numbers. An order below `COMPLETED` is alive."""
NEXT_OPEN, CHEAT_ON_CLOSE, CHEAT_ON_OPEN = range(3)
"""Times of market orders: the next open, the close of the decision, the open of the same bar."""

WHOLE, WORKING, DISSOLVED = range(3)
"""States of a bracket: the parent works, the children work, nothing is left."""

ACTION = np.dtype(
    [
        ("bar", "i8"),
        ("column", "i8"),
        ("kind", "i8"),  # BUY to CANCEL
        ("type", "i8"),  # MARKET to STOP_TRAIL_LIMIT
        ("amount", "f8"),  # units, money or a share of the account's value
        ("price", "f8"),  # of a limit, a stop, or for the submission check, NaN: none
        ("limit", "f8"),  # of a stop-limit, NaN: none
        ("trail_amount", "f8"),  # NaN: none
        ("trail_percent", "f8"),  # a share of the price, NaN: none
        ("valid", "f8"),  # days from the bar, 0: that day only, NaN: until it is cancelled
        ("other", "i8"),  # the action whose order is cancelled, or in whose OCO group this one is, -1: none
        ("parent", "i8"),  # the action whose order must fill first, -1: none
    ]
)
"""Actions of the strategy, by time. *other* and *parent* are rows."""

ORDER = np.dtype(
    [
        ("column", "i8"),
        ("bar", "i8"),  # of its action
        ("created", "i8"),  # the last bar of its instrument at that time
        ("type", "i8"),
        ("quantity", "f8"),  # below zero to sell
        ("remaining", "f8"),
        ("requested_price", "f8"),  # of its action
        ("requested_limit", "f8"),
        ("price", "f8"),  # a trailing stop moves it
        ("limit", "f8"),
        ("close", "f8"),  # at its creation
        ("trail_amount", "f8"),
        ("trail_percent", "f8"),
        ("limit_offset", "f8"),
        ("annotated", "f8"),  # the last close before the end of the session, NaN: none
        ("valid", "i8"),  # nanoseconds, -1: until it is cancelled
        ("leader", "i8"),  # the order that leads its OCO group
        ("generation", "i8"),  # of that group
        ("group_generation", "i8"),  # of the group that this one leads
        ("group_members", "i8"),
        ("parent", "i8"),  # itself without one
        ("children", "i8"),  # number of the following orders that are its children
        ("stage", "i8"),  # WHOLE, WORKING or DISSOLVED
        ("status", "i8"),
        ("is_pending", "i8"),
        ("is_active", "i8"),
        ("is_triggered", "i8"),
    ]
)
INSTRUMENT = np.dtype(
    [
        ("position", "f8"),
        ("price", "f8"),  # the average
        ("day", "i8"),  # to which interest is charged
        ("credit", "f8"),  # interest that no commission includes yet
        ("is_known", "i8"),  # 1 after the first question to the broker
        ("checked_at", "i8"),  # the bar of the last submission check
        ("checked_size", "f8"),
        ("checked_price", "f8"),
    ]
)
ACCOUNT = np.dtype(
    [
        ("cash", "f8"),
        ("value", "f8"),
        ("bar", "i8"),
        ("notice_bar", "i8"),  # the bar of the next notice to the strategy
        ("action", "i8"),  # the next one
        ("orders", "i8"),
        ("submitted", "i8"),  # the first order without a check
        ("pending", "i8"),
        ("place", "i8"),  # in `pending`, of the current order, the end without one
        ("activated", "i8"),
        ("known_count", "i8"),
        ("executions", "i8"),
        ("events", "i8"),
        ("charges", "i8"),
        ("credits", "i8"),
    ]
)
RULES = np.dtype(
    [
        ("commission", "f8"),
        ("is_per_unit", "i8"),  # else a share of the money
        ("credit_rate", "f8"),  # of interest, for a day
        ("charges_long", "i8"),
        ("repeats_interest", "i8"),
        ("checks_submission", "i8"),
        ("timing", "i8"),
        ("slip_percent", "f8"),
        ("slip_fixed", "f8"),
        ("slip_open", "i8"),
        ("slip_match", "i8"),
        ("slip_limit", "i8"),
        ("slip_out", "i8"),
    ]
)
EXECUTION = np.dtype(
    [
        ("bar", "i8"),
        ("column", "i8"),
        ("order", "i8"),
        ("stamp", "i8"),  # the bar whose time it has
        ("quantity", "f8"),
        ("price", "f8"),
        ("fee", "f8"),  # of the record: may include interest again
        ("commission", "f8"),  # as paid from cash
        ("quantity_before", "f8"),
        ("quantity_after", "f8"),
        ("cash_before", "f8"),
        ("cash_after", "f8"),
    ]
)
EVENT = np.dtype([("bar", "i8"), ("order", "i8"), ("status", "i8")])
CHARGED = np.dtype([("bar", "i8"), ("execution", "i8"), ("cash_before", "f8"), ("cash_after", "f8")])
CREDIT = np.dtype([("bar", "i8"), ("column", "i8"), ("amount", "f8")])


class Desk(NamedTuple):
    """The arrays of the loop. Prices are [bars, columns], carried over where there is no bar."""

    timestamp: Int64s
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    last: Int64s  # [bars, columns] the last bar that an instrument has, -1 before its first
    actions: Records
    rules: Records  # one row
    account: Records  # one row
    instruments: Records
    known_columns: Int64s  # columns in the sequence of first questions to the broker
    orders: Records
    order_of: Int64s  # by action, -1 without one
    pending: Int64s
    activated: Int64s  # children whose parent has filled at this bar
    executions: Records
    events: Records
    charges: Records
    credits: Records
    cash: Floats
    value: Floats

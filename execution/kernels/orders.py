"""The words of an order: what kind it is, how long it is good for, how it is sized, and how it ends.

The numbers are stored. The views `order_type`, `time_in_force`, `order_event_kind`, `order_relation` and
`reason` give the names in SQL; a test keeps the two alike.
"""

from enum import IntEnum


class OrderType(IntEnum):
    """How the price of a fill is found."""

    MARKET = 0
    LIMIT = 1
    STOP = 2


class TimeInForce(IntEnum):
    """How long an order is good for."""

    GTC = 0  # until it is cancelled
    DAY = 1  # through the last bar of the first date on which it could fill
    TARGET = 2  # a target's: the next bar of its instrument


class Sizing(IntEnum):
    """What the figure in a request means. A target is the difference to what is held and worked."""

    QUANTITY = 0
    VALUE = 1
    PERCENT = 2
    TARGET_QUANTITY = 3
    TARGET_VALUE = 4
    TARGET_PERCENT = 5
    CANCEL = 6  # no size at all: the order to take back


class OrderEvent(IntEnum):
    """What became of an order where its fills do not say it."""

    CANCELLED = 1
    EXPIRED = 2
    REJECTED = 3
    OPEN_AT_THE_END = 4
    TRIGGERED = 5


class Reason(IntEnum):
    """Why an order ended unfilled, in the order in which the rules are tried."""

    NONE = 0
    NO_BAR = 1  # the instrument has no bar at the time of the order
    QUANTITY_OUT_OF_RANGE = 2  # 2**53 units or more, ordered or held: a float64 does not hold them exactly
    NO_VOLUME = 3  # the one bar that it was good for traded nothing
    INSUFFICIENT_POSITION = 4  # more to sell than is held
    INSUFFICIENT_CASH = 5  # price and commission are more than there is
    DUST = 6  # worth less than half the smallest unit of money
    INSTRUMENT_ENDED = 7  # no later bar: the position was closed and the order cancelled
    RUN_STOPPED = 8  # the strategy raised an error


class Relation(IntEnum):
    """How an order belongs to an earlier one."""

    REPLACES = 1


class Basis(IntEnum):
    """Which of a fill's figures is the fact, and which follows from it and the price."""

    QUANTITY = 0
    AMOUNT = 1

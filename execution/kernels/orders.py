"""The vocabulary of an order: its type, its time in force, its sizing, and its end.

The numbers are stored. The views `order_type`, `time_in_force`, `order_event_kind`, `order_relation` and
`reason` give the names in SQL, and a test compares the two.
"""

from enum import IntEnum

from tieout.ledger.numeric import constants


class OrderType(IntEnum):
    """Types of order, which differ in the price of a fill."""

    MARKET = 0
    LIMIT = 1
    STOP = 2


class TimeInForce(IntEnum):
    """Times in force: the period for which an order is good."""

    GTC = 0  # until it is canceled
    DAY = 1  # through the last bar of the first date on which it could fill
    TARGET = 2  # of a target: the next bar of its instrument


class Sizing(IntEnum):
    """Units of the size of a request.

    A target orders the difference to the position and to what working targets and market orders will add.
    """

    QUANTITY = 0
    VALUE = 1
    PERCENT = 2
    TARGET_QUANTITY = 3
    TARGET_VALUE = 4
    TARGET_PERCENT = 5
    CANCEL = 6  # no size: the order to cancel


class OrderEvent(IntEnum):
    """State changes of an order that its fills do not imply."""

    CANCELLED = 1
    EXPIRED = 2
    REJECTED = 3
    OPEN_AT_THE_END = 4
    TRIGGERED = 5  # recorded once stop-limit orders exist


class Reason(IntEnum):
    """Reasons for which an order ends unfilled, in the order in which the rules are applied."""

    NONE = 0
    NO_BAR = 1  # the size needs a price, and the instrument has no bar at the time; or it has none any more
    QUANTITY_OUT_OF_RANGE = 2  # 2**53 units or more, ordered or held: a float64 does not hold them exactly
    NO_VOLUME = 3  # the last bar at which it could have filled had no volume
    INSUFFICIENT_POSITION = 4  # more to sell than is held
    INSUFFICIENT_CASH = 5  # price and commission exceed the cash
    DUST = 6  # worth less than half the smallest unit of money
    INSTRUMENT_ENDED = 7  # no later bar: the position was closed and the order canceled
    RUN_STOPPED = 8  # the strategy raised an error
    BELOW_ONE_STEP = 9  # the size is less than one step of the instrument


class Relation(IntEnum):
    """Relations of an order to an earlier one."""

    REPLACES = 1


class Basis(IntEnum):
    """The figure of a fill that is the fact. The other one follows from it and the price."""

    QUANTITY = 0
    AMOUNT = 1


# As compiled code reads them.
ORDER_TYPE = constants(OrderType)
TIME_IN_FORCE = constants(TimeInForce)
SIZING = constants(Sizing)
ORDER_EVENT = constants(OrderEvent)
REASON = constants(Reason)
RELATION = constants(Relation)
BASIS = constants(Basis)

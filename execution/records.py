"""The tables that execution keeps in a journal: orders, what became of them, fills, and a benchmark.

Registered with the store under the entry point group ``tieout.records``; the ledger stores, seals and
verifies them like its own.
"""

from enum import IntEnum

from ledger.schema import Schema

RECORDS = Schema.load("execution", 1)
"""Tables, views and checks of this room."""


class OrderEvent(IntEnum):
    """What became of an order where its fills do not say it; named in the view `order_event_kind`."""

    CANCELLED = 1
    EXPIRED = 2
    REJECTED = 3
    OPEN_AT_THE_END = 4
    TRIGGERED = 5


class Basis(IntEnum):
    """Which of a fill's figures is the fact, and which follows from it and the price."""

    QUANTITY = 0
    AMOUNT = 1

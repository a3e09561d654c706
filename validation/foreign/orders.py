"""The orders of another engine as rows of execution's tables: requests and endings."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout.execution.kernels.orders import OrderEvent, OrderType, Reason, TimeInForce
from tieout.ledger.books.arrays import records
from tieout.ledger.errors import TieoutError
from tieout.ledger.journal import Journal
from tieout.ledger.numeric import Int64s, Records
from tieout.validation.foreign.outcome import Refusal

SCALE = 8
"""Decimals of an instrument."""
ONE = 10.0**SCALE
EPSILON = 2.0**-50
"""Relative error that sums of floats may have."""

ORDER = np.dtype(
    [
        ("number", "i8"),  # as in the trades
        ("bar", "i8"),  # at which it was placed
        ("column", "i8"),
        ("quantity", "f8"),  # below zero to sell
        ("type", "i8"),  # OrderType
        ("limit_price", "f8"),  # NaN: none
        ("stop_price", "f8"),
    ]
)
"""A request. An order without one is for its filled quantity, at the bar of its first fill."""

_MOST = 2.0**62
"""Units of an order of unlimited size."""

REASONS = {
    "NoCashLong": Reason.INSUFFICIENT_CASH,
    "NoCashShort": Reason.INSUFFICIENT_CASH,
    "CantCoverFees": Reason.INSUFFICIENT_CASH,
    "PartialFill": Reason.INSUFFICIENT_CASH,
    "ValueZeroNeg": Reason.INSUFFICIENT_CASH,
    "NoOpenPosition": Reason.INSUFFICIENT_POSITION,
    "MinSizeNotReached": Reason.DUST,
    "SizeZero": Reason.DUST,
    "MaxSizeExceeded": Reason.QUANTITY_OUT_OF_RANGE,
    "SizeNaN": Reason.NO_BAR,
    "PriceNaN": Reason.NO_BAR,
    "ValueNaN": Reason.NO_BAR,
    "ValPriceNaN": Reason.NO_BAR,
    "RandomEvent": Reason.NO_VOLUME,
    "Margin": Reason.INSUFFICIENT_CASH,
    "Rejected": Reason.INSUFFICIENT_CASH,
}
"""The nearest reason for each engine's refusals. The engine's own word becomes the tag of the order."""
ENDS = {
    "Canceled": OrderEvent.CANCELLED,
    "Cancelled": OrderEvent.CANCELLED,
    "Expired": OrderEvent.EXPIRED,
    "Open": OrderEvent.OPEN_AT_THE_END,
}
"""Words for endings that are no refusal."""


class BookingRefused(TieoutError):
    """A state of another engine is not a number, or does not follow from the state before it."""


def orders_of(count: int) -> Records:
    """Return empty rows for *count* orders."""
    return records(count, ORDER)


@frozen(eq=False)
class Orders:
    """Rows of the table orders by time, and their endings.

    *numbers* are the engine's own, rising, and *place* is the row of each. *table* has `ORDER` by row,
    *units* the requested units. *endings* are bar, row and word of every ending that fills do not imply.
    """

    numbers: Int64s
    place: Int64s
    table: Records
    units: Int64s
    endings: list[tuple[int, int, str]]

    @classmethod
    def of(
        cls, trades: Records, requests: Records, refusals: Sequence[Refusal], timestamp: Int64s
    ) -> "Orders":
        """Collect orders from requests, from trades, and from refusals."""
        refusal_rows = np.array([(r.order, r.bar, r.column) for r in refusals], np.int64).reshape(-1, 3)
        number = np.concatenate((requests["number"], trades["order"], refusal_rows[:, 0]))
        numbers, first, which = np.unique(number, return_index=True, return_inverse=True)
        of_requests, of_trade, of_refusal = np.split(which, [requests.size, requests.size + trades.size])
        table = records(numbers.size, ORDER)
        bars = np.full(numbers.size, timestamp.size, np.int64)
        for of, when in ((of_trade, trades["bar"]), (of_refusal, refusal_rows[:, 1])):
            np.minimum.at(bars, of, when)
        table["number"], table["bar"] = numbers, bars
        table["column"] = np.concatenate((requests["column"], trades["column"], refusal_rows[:, 2]))[first]
        table["limit_price"] = table["stop_price"] = math.nan
        table["type"] = int(OrderType.MARKET)
        fill_units, trips = np.zeros((2, numbers.size), np.int64)
        before, after = (np.rint(trades[f"quantity_{when}"] * ONE) for when in ("before", "after"))
        with np.errstate(invalid="ignore"):  # NaN is refused when it is booked
            np.add.at(fill_units, of_trade, (after - before).astype(np.int64))
        np.add.at(trips, of_trade, 1)
        has_request = np.zeros(numbers.size, bool)
        has_request[of_requests] = True
        units = fill_units.copy()
        if requests.size:
            for name in ORDER.names or ():
                table[name][of_requests] = requests[name]
            sizes = np.clip(np.rint(requests["quantity"] * ONE), -_MOST, _MOST)  # a size may be infinite
            # Each of several fills is rounded. An order is filled if rounding alone explains the rest.
            close = np.abs(sizes - fill_units[of_requests]) <= trips[of_requests] + np.abs(sizes) * EPSILON
            units[of_requests] = np.where(
                close & (fill_units[of_requests] != 0), fill_units[of_requests], sizes.astype(np.int64)
            )
        words: dict[int, tuple[int, str]] = {}
        for refusal, row in zip(refusals, of_refusal.tolist(), strict=True):
            words.setdefault(row, (refusal.bar, refusal.reason))
            if not has_request[row] and fill_units[row]:
                raise BookingRefused(
                    f"order {refusal.order} was filled, then ended {refusal.reason}: give its size in orders"
                )
        rank = np.lexsort((numbers, table["bar"]))
        place = np.empty(numbers.size, np.int64)
        place[rank] = np.arange(numbers.size)
        for row in np.flatnonzero((fill_units != units) | (fill_units == 0)).tolist():
            is_dust = trips[row] > 0 and fill_units[row] == 0
            words.setdefault(
                row, (int(table["bar"][row]), "SizeZero") if is_dust else (timestamp.size - 1, "Open")
            )
        endings = [(bar, int(place[row]), word) for row, (bar, word) in words.items()]
        return cls(numbers, place, table[rank], units[rank], sorted(endings, key=lambda end: end[:2]))

    def rows_of(self, numbers: Int64s) -> Int64s:
        """Return the rows of the orders with these numbers."""
        order_rows: Int64s = self.place[np.searchsorted(self.numbers, numbers)]
        return order_rows

    def record(self, journal: Journal, timestamp: Int64s) -> None:
        """Write the rows of orders, endings and tags."""
        if not self.table.size:
            return
        words = [word for *_, word in self.endings]
        tags = {word: number for number, word in enumerate(dict.fromkeys(words))}
        tag = np.full(self.table.size, -1, np.int64)
        for _, row, word in self.endings:
            tag[row] = tags[word]
        journal.add("tag", {"name": list(tags)})
        journal.add(
            "orders",
            {
                "timestamp": times(timestamp, self.table["bar"]),
                "instrument": self.table["column"] + 1,
                "type": self.table["type"],
                "tif": np.full(self.table.size, int(TimeInForce.GTC)),
                "quantity": self.units,
                "limit_price": self.table["limit_price"],
                "stop_price": self.table["stop_price"],
                "tag": tag,
                "signal": np.full(self.table.size, math.nan),
            },
        )
        ends = [_end(word) for word in words]
        journal.add(
            "order_event",
            {
                "timestamp": times(timestamp, np.array([bar for bar, *_ in self.endings], np.int64)),
                "order_id": np.array([row for _, row, _ in self.endings], np.int64),
                "event": np.array([event for event, _ in ends], np.int64),
                "reason": np.array([reason for _, reason in ends], np.int64),
            },
        )


def _end(word: str) -> tuple[int, int]:
    """Translate an engine's own word for an ending into an event and a reason."""
    if word in ENDS:
        return int(ENDS[word]), int(Reason.NONE)
    if word not in REASONS:
        raise BookingRefused(f"{word!r} is not a known ending; use one of {', '.join(REASONS | ENDS)}")
    return int(OrderEvent.REJECTED), int(REASONS[word])


def rows(table: Any, dtype: "np.dtype[Any]") -> Records:
    """Convert rows for the loop. None becomes no rows."""
    if table is None or not len(table):
        return records(0, dtype)
    array = np.ascontiguousarray(table)
    if array.dtype != dtype:
        raise BookingRefused(f"rows must have the fields {dtype.names}, not {array.dtype.names}")
    return array.view(np.recarray)


def times(timestamp: Int64s, bar: Int64s) -> NDArray[Any]:
    """Return the timestamps of bars."""
    return timestamp[bar].view("M8[ns]")

"""The orders of another engine as rows of execution's tables: what was asked, and how each ended."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout.execution.kernels.orders import OrderEvent, OrderType, Reason, TimeInForce
from tieout.ledger.books.arrays import Records, records
from tieout.ledger.errors import TieoutError
from tieout.ledger.journal import Journal
from tieout.validation.foreign.outcome import Refusal

Int64s = NDArray[np.int64]

SCALE = 8
"""Decimals of an instrument."""
ONE = 10.0**SCALE
EPSILON = 2.0**-50
"""How far off sums of floats are taken to be, for their size."""

ORDER = np.dtype(
    [
        ("number", "i8"),  # as in the trades
        ("bar", "i8"),  # at which it was given
        ("column", "i8"),
        ("quantity", "f8"),  # below zero to sell
        ("type", "i8"),  # OrderType
        ("limit_price", "f8"),  # NaN: none
        ("stop_price", "f8"),
    ]
)
"""What was asked. An order that is not told is for what was filled, and of the bar of its first fill."""

_MOST = 2.0**62
"""Units of an order without bounds."""

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
"""Why an order was refused, in the nearest words of ours; the engine's own word is the order's tag."""
ENDS = {
    "Canceled": OrderEvent.CANCELLED,
    "Cancelled": OrderEvent.CANCELLED,
    "Expired": OrderEvent.EXPIRED,
    "Open": OrderEvent.OPEN_AT_THE_END,
}
"""Words that tell how an order ended without being refused."""


class BookingRefused(TieoutError):
    """A state of another engine is no number, or does not follow from the one before it."""


def orders_of(count: int) -> Records:
    """Room for *count* orders."""
    return records(count, ORDER)


@frozen(eq=False)
class Orders:
    """Rows of the table orders, in the order of time, and what became of them.

    *numbers* are the engine's own, rising, and *place* the row of each; *table* has `ORDER` by row, *units*
    what was asked for, *ended* bar, row and word of every end that fills do not tell.
    """

    numbers: Int64s
    place: Int64s
    table: Records
    units: Int64s
    ended: list[tuple[int, int, str]]

    @classmethod
    def of(cls, trades: Records, given: Records, refusals: Sequence[Refusal], timestamp: Int64s) -> "Orders":
        """Those that are given, that have trades, and that were refused."""
        refused = np.array([(r.order, r.bar, r.column) for r in refusals], np.int64).reshape(-1, 3)
        number = np.concatenate((given["number"], trades["order"], refused[:, 0]))
        numbers, first, which = np.unique(number, return_index=True, return_inverse=True)
        of_given, of_trade, of_refusal = np.split(which, [given.size, given.size + trades.size])
        table = records(numbers.size, ORDER)
        bars = np.full(numbers.size, timestamp.size, np.int64)
        for of, when in ((of_trade, trades["bar"]), (of_refusal, refused[:, 1])):
            np.minimum.at(bars, of, when)
        table["number"], table["bar"] = numbers, bars
        table["column"] = np.concatenate((given["column"], trades["column"], refused[:, 2]))[first]
        table["limit_price"] = table["stop_price"] = math.nan
        table["type"] = int(OrderType.MARKET)
        filled, trips = np.zeros((2, numbers.size), np.int64)
        before, after = (np.rint(trades[f"quantity_{when}"] * ONE) for when in ("before", "after"))
        with np.errstate(invalid="ignore"):  # what is no number is refused where it is booked
            np.add.at(filled, of_trade, (after - before).astype(np.int64))
        np.add.at(trips, of_trade, 1)
        is_given = np.zeros(numbers.size, bool)
        is_given[of_given] = True
        units = filled.copy()
        if given.size:
            for name in ORDER.names or ():
                table[name][of_given] = given[name]
            wanted = np.clip(np.rint(given["quantity"] * ONE), -_MOST, _MOST)  # all there is may be asked for
            # Of several fills each is rounded: an order is filled where that alone keeps it from it.
            close = np.abs(wanted - filled[of_given]) <= trips[of_given] + np.abs(wanted) * EPSILON
            units[of_given] = np.where(
                close & (filled[of_given] != 0), filled[of_given], wanted.astype(np.int64)
            )
        words: dict[int, tuple[int, str]] = {}
        for refusal, row in zip(refusals, of_refusal.tolist(), strict=True):
            words.setdefault(row, (refusal.bar, refusal.reason))
            if not is_given[row] and filled[row]:
                raise BookingRefused(
                    f"order {refusal.order} was filled and then ended {refusal.reason}: say in orders what it"
                    " asked for"
                )
        rank = np.lexsort((numbers, table["bar"]))
        place = np.empty(numbers.size, np.int64)
        place[rank] = np.arange(numbers.size)
        for row in np.flatnonzero((filled != units) | (filled == 0)).tolist():
            is_dust = trips[row] > 0 and filled[row] == 0
            words.setdefault(
                row, (int(table["bar"][row]), "SizeZero") if is_dust else (timestamp.size - 1, "Open")
            )
        ended = [(bar, int(place[row]), word) for row, (bar, word) in words.items()]
        return cls(numbers, place, table[rank], units[rank], sorted(ended, key=lambda end: end[:2]))

    def rows_of(self, numbers: Int64s) -> Int64s:
        """The rows of the orders with these numbers."""
        found: Int64s = self.place[np.searchsorted(self.numbers, numbers)]
        return found

    def record(self, journal: Journal, timestamp: Int64s) -> None:
        """Add the rows of orders, of what became of them, and of tags."""
        if not self.table.size:
            return
        words = [word for *_, word in self.ended]
        tags = {word: number for number, word in enumerate(dict.fromkeys(words))}
        tag = np.full(self.table.size, -1, np.int64)
        for _, row, word in self.ended:
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
                "timestamp": times(timestamp, np.array([bar for bar, *_ in self.ended], np.int64)),
                "order_id": np.array([row for _, row, _ in self.ended], np.int64),
                "event": np.array([event for event, _ in ends], np.int64),
                "reason": np.array([reason for _, reason in ends], np.int64),
            },
        )


def _end(word: str) -> tuple[int, int]:
    """An engine's own word for how an order ended, as an event and a reason."""
    if word in ENDS:
        return int(ENDS[word]), int(Reason.NONE)
    if word not in REASONS:
        raise BookingRefused(
            f"nothing here is called {word!r}; a refusal is one of {', '.join(REASONS | ENDS)}"
        )
    return int(OrderEvent.REJECTED), int(REASONS[word])


def rows(given: Any, dtype: "np.dtype[Any]") -> Records:
    """Rows as the loop takes them; none where none are given."""
    if given is None or not len(given):
        return records(0, dtype)
    array = np.ascontiguousarray(given)
    if array.dtype != dtype:
        raise BookingRefused(f"rows have the fields {array.dtype.names}, not {dtype.names}")
    return array.view(np.recarray)


def times(timestamp: Int64s, bar: Int64s) -> NDArray[Any]:
    """The times of *bar*."""
    return timestamp[bar].view("M8[ns]")

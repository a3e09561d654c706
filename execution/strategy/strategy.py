"""The base class of strategies, and their view of the market: the current bar, and nothing later."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen

from tieout.execution.data.frames import FIELDS
from tieout.execution.errors import UnknownFeature
from tieout.execution.strategy.broker import Broker
from tieout.ledger.numeric import Flags, Floats


@frozen
class Fill:
    """A notice of a fill. *quantity* is below zero for a sale."""

    timestamp: np.datetime64
    order: int
    symbol: str
    quantity: float
    price: float
    commission: float


@frozen
class Rejection:
    """A notice that market or account rejected an order, or the rest of one."""

    timestamp: np.datetime64
    order: int
    symbol: str
    reason: str


class Strategy:
    """Base class of a strategy. Override the methods that it needs.

    `on_bar` is called once a bar with all instruments. To be called once for each instrument instead,
    override `on_instrument`.
    """

    @property
    def lookback(self) -> int:
        """Number of bars that `history` reaches back."""
        return 0

    def on_start(self, broker: Broker) -> None:
        """Prepare before the first bar. Orders are refused here."""

    def on_bar(self, bar: "Bar", broker: Broker) -> None:
        """Decide at the close of a bar, after its fills."""
        for instrument in bar.instruments():
            self.on_instrument(instrument, broker)

    def on_instrument(self, instrument: "Instrument", broker: Broker) -> None:
        """Decide at the close of a bar for one instrument that has a bar, in alphabetical order."""

    def on_fill(self, fill: Fill, broker: Broker) -> None:
        """React to a fill since the last bar, before `on_bar`."""

    def on_rejection(self, rejection: Rejection, broker: Broker) -> None:
        """React to a rejection since the last bar, before `on_bar`."""

    def on_end(self, broker: Broker) -> None:
        """Finish after the last bar. Orders are refused here."""


class BarHistory:
    """The last *lookback* bars up to the current one. It never holds a later bar."""

    def __init__(self, names: tuple[str, ...], width: int, lookback: int) -> None:
        self._names = {name: place for place, name in enumerate(names)}
        self._rows = np.full((len(names), 2 * lookback, width), np.nan)
        self._lookback = lookback
        self._end = 0

    def add(self, now: Floats) -> None:
        """Append a bar: float64[fields, instruments]."""
        if self._end == self._rows.shape[1]:
            self._rows[:, : self._lookback] = self._rows[:, self._lookback :]
            self._end = self._lookback
        self._rows[:, self._end] = now
        self._end += 1

    def last(self, name: str, bars: int) -> Floats:
        """Return a copy of the last bars: float64[up to *bars*, instruments], the newest last."""
        if name not in self._names:
            names = ", ".join(self._names)
            raise UnknownFeature(f"there is no history of {name!r}; there is history of {names}")
        if bars < 1:
            raise UnknownFeature(f"history of {bars} bars does not exist; give a number above zero")
        if bars > self._lookback:
            raise UnknownFeature(
                f"history of {bars} bars is out of reach; set the strategy's lookback to {bars}"
            )
        return self._rows[self._names[name], max(0, self._end - bars) : self._end].copy()


class Bar:
    """The bars of all instruments at one timestamp. Arrays are float64[instruments], NaN for a missing bar.

    *number* counts the bars of the run from 0. *timestamp* is the end of the bar, numpy.datetime64[ns].
    """

    __slots__ = (
        "_context",
        "_history",
        "_names",
        "_numbers",
        "_values",
        "number",
        "symbols",
        "timestamp",
    )

    def __init__(
        self,
        number: int,
        timestamp: np.datetime64,
        symbols: tuple[str, ...],
        numbers: Mapping[str, int],
        names: Mapping[str, int],
        values: Floats,
        context: Mapping[str, float],
        history: BarHistory | None,
    ) -> None:
        self.number = number
        self.timestamp = timestamp
        self.symbols = symbols
        self._numbers = numbers
        self._names = names
        self._values = values
        self._context = context
        self._history = history

    @property
    def open(self) -> Floats:
        """Opening prices."""
        return self["open"]

    @property
    def high(self) -> Floats:
        """Highest prices."""
        return self["high"]

    @property
    def low(self) -> Floats:
        """Lowest prices."""
        return self["low"]

    @property
    def close(self) -> Floats:
        """Closing prices."""
        return self["close"]

    @property
    def volume(self) -> Floats:
        """Volumes, in units."""
        return self["volume"]

    @property
    def traded(self) -> Flags:
        """Flags of the instruments with a bar and volume: bool[instruments]."""
        close = self["close"]
        traded: Flags = (close == close) & (self["volume"] != 0)  # noqa: PLR0124  NaN is not itself
        return traded

    def __getitem__(self, name: str) -> Floats:
        """Return a field of the bars, or a feature by instrument."""
        place = self._names.get(name)
        if place is None:
            raise UnknownFeature(f"there is no feature {name!r}; there are {', '.join(self._names)}")
        values: Floats = self._values[place]
        return values

    def feature(self, name: str) -> Floats:
        """Return a feature by instrument, as of this bar."""
        return self[name]

    def context(self, name: str) -> float:
        """Return a feature of the whole market, not of an instrument."""
        try:
            return self._context[name]
        except KeyError:
            names = ", ".join(self._context) or "none"
            raise UnknownFeature(f"there is no context {name!r}; there is {names}") from None

    def top(self, name: str, count: int) -> list[str]:
        """List the *count* traded instruments with the highest feature *name*. Ties go by symbol."""
        # The highest come first, NaN comes last and is not itself.
        ranks = np.where(self.traded, -self[name], np.nan)
        worst = np.nan
        if 0 < count < ranks.size:
            # Only the best are sorted.
            worst = np.partition(ranks, count - 1)[count - 1]
        (places,) = (ranks <= worst if worst == worst else ranks == ranks).nonzero()  # noqa: PLR0124
        ranked = places[ranks[places].argsort(kind="stable")[:count]]
        symbols = self.symbols
        return [symbols[i] for i in ranked.tolist()]

    def history(self, name: str, bars: int) -> Floats:
        """Return a field or feature of the last bars, this bar last: float64[up to *bars*, instruments]."""
        if self._history is None:
            raise UnknownFeature(
                f"history of {bars} bars is out of reach; set the strategy's lookback to {bars}"
            )
        return self._history.last(name, bars)

    def index(self, symbol: str) -> int:
        """Return the place of *symbol* in the arrays."""
        try:
            return self._numbers[symbol]
        except KeyError:
            raise UnknownFeature(f"there is no instrument {symbol!r}") from None

    def instruments(self) -> "list[Instrument]":
        """List the instruments that have a bar."""
        cells = _Cells(self)
        places = np.flatnonzero(~np.isnan(self["close"])).tolist()
        return [Instrument(self, cells, place) for place in places]


class _Cells:
    """Values of one instrument at a time. All instruments of a bar share each conversion of an array."""

    __slots__ = ("_bar", "_columns", "_lists")

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._lists: dict[str, list[float]] = {}
        self._columns: dict[tuple[str, int], Floats] = {}

    def value(self, name: str, place: int) -> float:
        """Return a field or feature as of this bar."""
        values = self._lists.get(name)
        if values is None:
            values = self._lists[name] = self._bar[name].tolist()
        return values[place]

    def history(self, name: str, bars: int, place: int) -> Floats:
        """Return a field or feature of the last bars: float64[up to *bars*], read-only."""
        columns = self._columns.get((name, bars))
        if columns is None:
            columns = self._columns[name, bars] = np.ascontiguousarray(self._bar.history(name, bars).T)
            columns.flags.writeable = False
        column: Floats = columns[place]
        return column


class Instrument:
    """The bar of one instrument. *place* is its place in the arrays of *bar*."""

    __slots__ = ("_cells", "bar", "place")

    def __init__(self, bar: Bar, cells: _Cells, place: int) -> None:
        self.bar = bar
        self.place = place
        self._cells = cells

    @property
    def symbol(self) -> str:
        """Symbol of the instrument."""
        return self.bar.symbols[self.place]

    @property
    def open(self) -> float:
        """Opening price."""
        return self._cells.value("open", self.place)

    @property
    def high(self) -> float:
        """Highest price."""
        return self._cells.value("high", self.place)

    @property
    def low(self) -> float:
        """Lowest price."""
        return self._cells.value("low", self.place)

    @property
    def close(self) -> float:
        """Closing price."""
        return self._cells.value("close", self.place)

    @property
    def volume(self) -> float:
        """Volume, in units."""
        return self._cells.value("volume", self.place)

    def feature(self, name: str) -> float:
        """Return a feature, as of this bar."""
        return self._cells.value(name, self.place)

    def history(self, name: str, bars: int) -> Floats:
        """Return a field or feature of the last bars, this bar last: float64[up to *bars*], read-only."""
        return self._cells.history(name, bars, self.place)


def fields(features: Mapping[str, Any]) -> tuple[str, ...]:
    """List the names of the arrays of a bar: its fields, then its *features*."""
    return (*FIELDS, *features)

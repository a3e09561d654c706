"""What a strategy is, and what it sees: one bar of every instrument, and nothing later."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen

from tieout.execution.data.frames import FIELDS
from tieout.execution.errors import UnknownFeature
from tieout.execution.kernels.state import Flags, Floats
from tieout.execution.strategy.broker import Broker


@frozen
class Fill:
    """A fill, as a strategy is told of it. *quantity* is below zero for a sale."""

    time: np.datetime64
    order: int
    symbol: str
    quantity: float
    price: float
    commission: float


@frozen
class Rejection:
    """An order, or the rest of one, that market or account refused."""

    time: np.datetime64
    order: int
    symbol: str
    reason: str


class Strategy:
    """Base of a strategy: override what is needed.

    `on_bar` is called once a bar with all instruments; a strategy that wants one call for each instrument
    overrides `on_instrument` instead.
    """

    @property
    def lookback(self) -> int:
        """How many bars `history` reaches back."""
        return 0

    def on_start(self, broker: Broker) -> None:
        """Before the first bar. Nothing can be ordered yet."""

    def on_bar(self, bar: "Bar", broker: Broker) -> None:
        """At the end of every bar, all fills applied."""
        for instrument in bar.instruments():
            self.on_instrument(instrument, broker)

    def on_instrument(self, instrument: "Instrument", broker: Broker) -> None:
        """At the end of every bar for each instrument that has one, in alphabetical order."""

    def on_fill(self, fill: Fill, broker: Broker) -> None:
        """For each fill since the last bar, before `on_bar`."""

    def on_rejection(self, rejection: Rejection, broker: Broker) -> None:
        """For each order refused since the last bar, before `on_bar`."""

    def on_end(self, broker: Broker) -> None:
        """After the last bar. Nothing can be ordered any more."""


class History:
    """The last bars, as far as time has come: a later one is not in here to be found."""

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
        """float64[up to *bars*, instruments], the newest last; a copy."""
        if name not in self._names:
            raise UnknownFeature(f"there is no history of {name!r}; there is of {', '.join(self._names)}")
        if not 0 < bars <= self._lookback:
            raise UnknownFeature(
                f"history of {bars} bars is asked for; set the strategy's lookback to {bars}"
            )
        return self._rows[self._names[name], max(0, self._end - bars) : self._end].copy()


class Bar:
    """All bars of one time. Arrays are float64[instruments], NaN where there is no bar."""

    __slots__ = (
        "_columns",
        "_context",
        "_history",
        "_lists",
        "_names",
        "_now",
        "_numbers",
        "number",
        "symbols",
        "time",
    )

    def __init__(
        self,
        number: int,
        time: np.datetime64,
        symbols: tuple[str, ...],
        numbers: Mapping[str, int],
        names: Mapping[str, int],
        now: Floats,
        context: Mapping[str, float],
        history: History | None,
    ) -> None:
        self.number = number
        self.time = time
        self.symbols = symbols
        self._numbers = numbers
        self._names = names
        self._now = now
        self._context = context
        self._history = history
        self._lists: dict[str, list[float]] = {}
        self._columns: dict[tuple[str, int], Floats] = {}

    @property
    def open(self) -> Floats:
        """First prices."""
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
        """Last prices."""
        return self["close"]

    @property
    def volume(self) -> Floats:
        """Units traded."""
        return self["volume"]

    @property
    def traded(self) -> Flags:
        """Which instruments have a bar with volume."""
        close = self["close"]
        traded: Flags = (close == close) & (self["volume"] != 0)  # noqa: PLR0124  NaN is not itself
        return traded

    def __getitem__(self, name: str) -> Floats:
        """A field of the bars, or a feature by instrument."""
        place = self._names.get(name)
        if place is None:
            raise UnknownFeature(f"there is no feature {name!r}; there are {', '.join(self._names)}")
        values: Floats = self._now[place]
        return values

    def feature(self, name: str) -> Floats:
        """A feature by instrument, as of this bar."""
        return self[name]

    def context(self, name: str) -> float:
        """A feature of the time, not of an instrument."""
        try:
            return self._context[name]
        except KeyError:
            there = ", ".join(self._context) or "none"
            raise UnknownFeature(f"there is no context {name!r}; there is {there}") from None

    def top(self, name: str, count: int) -> list[str]:
        """The *count* instruments highest by a feature, of those that traded; of equals the first by name."""
        # The highest come first, NaN comes last and is not itself.
        ranks = np.where(self.traded, -self[name], np.nan)
        least = np.nan
        if 0 < count < ranks.size:
            # Only the best are put in order.
            least = np.partition(ranks, count - 1)[count - 1]
        (places,) = (ranks <= least if least == least else ranks == ranks).nonzero()  # noqa: PLR0124
        ranked = places[ranks[places].argsort(kind="stable")[:count]]
        symbols = self.symbols
        return [symbols[i] for i in ranked.tolist()]

    def history(self, name: str, bars: int) -> Floats:
        """float64[up to *bars*, instruments] of a field or feature, this bar last."""
        if self._history is None:
            raise UnknownFeature(f"history is asked for; set the strategy's lookback to {bars}")
        return self._history.last(name, bars)

    def history_at(self, name: str, bars: int, place: int) -> Floats:
        """float64[up to *bars*] of one instrument, read-only: what all instruments ask for is copied once."""
        columns = self._columns.get((name, bars))
        if columns is None:
            columns = self._columns[name, bars] = np.ascontiguousarray(self.history(name, bars).T)
            columns.flags.writeable = False
        one: Floats = columns[place]
        return one

    def index(self, symbol: str) -> int:
        """Where *symbol* stands in the arrays."""
        try:
            return self._numbers[symbol]
        except KeyError:
            raise UnknownFeature(f"there is no instrument {symbol!r}") from None

    def instruments(self) -> "list[Instrument]":
        """Each instrument that has a bar."""
        there = np.flatnonzero(~np.isnan(self["close"])).tolist()
        return [Instrument(self, i) for i in there]

    def at(self, name: str, place: int) -> float:
        """One value of a field or feature."""
        values = self._lists.get(name)
        if values is None:
            values = self._lists[name] = self[name].tolist()
        return values[place]


class Instrument:
    """One instrument's bar."""

    __slots__ = ("bar", "place")

    def __init__(self, bar: Bar, place: int) -> None:
        self.bar = bar
        self.place = place

    @property
    def symbol(self) -> str:
        """Its name."""
        return self.bar.symbols[self.place]

    @property
    def open(self) -> float:
        """First price."""
        return self.bar.at("open", self.place)

    @property
    def high(self) -> float:
        """Highest price."""
        return self.bar.at("high", self.place)

    @property
    def low(self) -> float:
        """Lowest price."""
        return self.bar.at("low", self.place)

    @property
    def close(self) -> float:
        """Last price."""
        return self.bar.at("close", self.place)

    @property
    def volume(self) -> float:
        """Units traded."""
        return self.bar.at("volume", self.place)

    def feature(self, name: str) -> float:
        """A feature, as of this bar."""
        return self.bar.at(name, self.place)

    def history(self, name: str, bars: int) -> Floats:
        """float64[up to *bars*] of a field or feature, this bar last; read-only."""
        return self.bar.history_at(name, bars, self.place)


def fields(features: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of what a bar has by instrument."""
    return (*FIELDS, *features)

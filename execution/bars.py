"""Bars as panels: float64[bars, instruments] in order of time and symbol, NaN where there is no bar."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from execution import frames
from execution.errors import BadBars, ExecutionError
from execution.features import FeatureFrame, Join
from execution.frames import FIELDS, PRICES, Repairs
from execution.state import ENDING, Flags, Floats, Int64s, Market
from ledger.books import Records, records
from ledger.moment import DAY

WINDOW_BYTES = 256 * 2**20
"""A lazy frame whose panels are larger than this is streamed in windows of about this size."""


class Window(NamedTuple):
    """Consecutive bars; *first* is the number of the first of them over the whole run."""

    first: int
    market: Market
    features: dict[str, Floats]
    context: dict[str, Floats]


class Bars:
    """The bars of a run, checked; whole in memory or streamed in windows of time."""

    def __init__(
        self,
        ts: Int64s,
        symbols: tuple[str, ...],
        last: Int64s,
        load: Callable[[int, int], dict[str, Floats]],
        *,
        zone: str | None = None,
        repairs: Repairs | None = None,
        window: int | None = None,
    ) -> None:
        """*last* is each instrument's last bar; *load* gives the panels from one bar to another.

        *window* is the number of bars loaded at a time; None for all.
        """
        if not len(ts):
            raise BadBars("there is no bar")
        self.ts = ts
        self.symbols = symbols
        self.zone = zone
        self.repairs = repairs
        self.window = window or len(ts)
        self.date = _dates(ts, zone)
        self.closing: Flags = np.append(self.date[1:] != self.date[:-1], True)
        self.endings = _endings(last, len(ts))
        self._load = load

    def __len__(self) -> int:
        return len(self.ts)

    @classmethod
    def read(
        cls,
        given: Any,
        *,
        columns: Mapping[str, str] | None = None,
        repair: bool = False,
        window: int | None = None,
    ) -> Self:
        """Bars from a long frame, or a Parquet or CSV file.

        *columns* names the columns that are called otherwise: ``{"timestamp": "date"}``. With *repair*, bad
        bars are dropped or mended and listed in `repairs`. A file or lazy frame larger than memory is
        streamed; *window* sets the number of bars of a window.
        """
        named = frames.lazy(given, "bars", dict(columns or {}))
        frames.require_columns(named, ("timestamp", "symbol", *PRICES))
        zone = frames.zone(named)
        repairs = Repairs() if repair else None
        if named.is_lazy:
            ts, symbols = _extent(named)
            size = len(ts) * len(symbols) * len(FIELDS) * 8
            if window is not None or size > WINDOW_BYTES:
                window = window or max(1, len(ts) * WINDOW_BYTES // size)
                return cls._streamed(named, zone, repairs, window)
        rows = frames.bars(named, repair=repairs)
        ts = rows["timestamp"].unique().sort().to_numpy()
        symbols = tuple(rows["symbol"].unique().sort())
        panels, last = _panels(rows, ts, symbols)
        return cls._whole(ts, symbols, panels, last, zone=zone, repairs=repairs, window=window)

    @classmethod
    def from_arrays(
        cls,
        timestamp: ArrayLike,
        symbols: Sequence[str],
        *,
        open: ArrayLike,  # noqa: A002  the field's name
        high: ArrayLike,
        low: ArrayLike,
        close: ArrayLike,
        volume: ArrayLike | None = None,
    ) -> Self:
        """Bars from float64[bars, instruments]; NaN in every price where there is no bar. Not copied.

        *timestamp* is datetime64 or int64 nanoseconds, rising; *symbols* are in alphabetical order.
        """
        ts = np.asarray(timestamp)
        ts = np.ascontiguousarray(
            ts.astype("M8[ns]").astype(np.int64) if ts.dtype.kind == "M" else ts, np.int64
        )
        given = {"open": open, "high": high, "low": low, "close": close}
        panels = {name: np.ascontiguousarray(values, np.float64) for name, values in given.items()}
        shape = (len(ts), len(symbols))
        panels["volume"] = (
            np.full(shape, np.nan) if volume is None else np.ascontiguousarray(volume, np.float64)
        )
        _check(ts, tuple(symbols), panels)
        there = ~np.isnan(panels["close"])
        last = len(ts) - 1 - np.argmax(there[::-1], axis=0)
        return cls._whole(ts, tuple(symbols), panels, last.astype(np.int64))

    @classmethod
    def _whole(
        cls, ts: Int64s, symbols: tuple[str, ...], panels: dict[str, Floats], last: Int64s, **more: Any
    ) -> Self:
        return cls(ts, symbols, last, lambda a, b: {name: p[a:b] for name, p in panels.items()}, **more)

    @classmethod
    def _streamed(cls, named: frames.Named, zone: str | None, repairs: Repairs | None, window: int) -> Self:
        keys = frames.in_nanoseconds(named.frame).select("timestamp", "symbol").drop_nulls()
        ts, symbols = _extent(named)
        ends = keys.group_by("symbol").agg(pl.col("timestamp").max()).sort("symbol").collect()
        last = np.searchsorted(ts, ends["timestamp"].to_numpy()).astype(np.int64)

        def load(a: int, b: int) -> dict[str, Floats]:
            nanoseconds = frames.in_nanoseconds(named.frame)
            part = nanoseconds.filter(pl.col("timestamp").is_between(int(ts[a]), int(ts[b - 1])))
            as_time = part.with_columns(pl.col("timestamp").cast(pl.Datetime("ns")))
            # Each window is read more than once; what repairing it does is noted the first time.
            fresh = Repairs() if repairs is not None else None
            rows = frames.bars(frames.Named(as_time, named.name, is_lazy=True), repair=fresh)
            if repairs is not None and fresh is not None and a not in noted:
                repairs.done.extend(fresh.done)
                noted.add(a)
            return _panels(rows, ts[a:b], symbols)[0]

        noted: set[int] = set()
        return cls(ts, symbols, last, load, zone=zone, repairs=repairs, window=window)

    def windows(self, features: Iterable[FeatureFrame] = ()) -> Iterator[Window]:
        """The run in windows of bars, with *features* joined."""
        join = Join(tuple(features), self.symbols)
        for a in range(0, len(self), self.window):
            b = min(a + self.window, len(self))
            joined = join.window(self.ts[a:b])
            panels = self._load(a, b)
            market = Market(
                ts=self.ts[a:b],
                date=self.date[a:b],
                closing=self.closing[a:b],
                endings=self.endings,
                **panels,
            )
            yield Window(a, market, joined.features, joined.context)

    def fingerprints(self, features: Iterable[FeatureFrame] = ()) -> dict[str, Any]:
        """What was read, by digest: SHA-256 of every column, the number of bars, the first and last time."""
        digests: dict[str, Any] = {}
        count = 0
        for window in self.windows(features):
            columns = {name: getattr(window.market, name) for name in FIELDS}
            for name, values in (columns | window.features | window.context).items():
                digests.setdefault(name, hashlib.sha256()).update(
                    np.ascontiguousarray(values).view(np.uint8).data
                )
            count += int(np.count_nonzero(~np.isnan(window.market.close)))
        keys = hashlib.sha256(self.ts.tobytes())
        for symbol in self.symbols:
            keys.update(f"{len(symbol.encode())}:{symbol}".encode())
        first, last = (str(np.datetime64(int(t), "ns")) for t in (self.ts[0], self.ts[-1]))
        return {
            "bars": count,
            "first": first,
            "last": last,
            "zone": self.zone or "",
            "keys": keys.hexdigest(),
            "columns": {name: digest.hexdigest() for name, digest in digests.items()},
        }


def _extent(named: frames.Named) -> tuple[Int64s, tuple[str, ...]]:
    """All times and all symbols of a frame."""
    keys = frames.in_nanoseconds(named.frame).select("timestamp", "symbol").drop_nulls()
    ts = keys.select(pl.col("timestamp").unique().sort()).collect()["timestamp"].to_numpy()
    symbols = keys.select(pl.col("symbol").unique().sort()).collect()["symbol"]
    return ts, tuple(symbols)


def _panels(rows: pl.DataFrame, ts: Int64s, symbols: tuple[str, ...]) -> tuple[dict[str, Floats], Int64s]:
    """Rows in order of time and symbol as panels, and each instrument's last bar."""
    place = np.searchsorted(ts, rows["timestamp"].to_numpy())
    column = rows["symbol"].cast(pl.Enum(symbols)).to_physical().to_numpy().astype(np.int64)
    last = np.zeros(len(symbols), np.int64)
    last[column] = place  # in order of time: the last stays
    shape = (len(ts), len(symbols))
    panels = {}
    for name in FIELDS:
        values = rows[name].to_numpy()
        if values.size == shape[0] * shape[1]:
            panels[name] = np.ascontiguousarray(values).reshape(shape)
        else:
            panels[name] = np.full(shape, np.nan)
            panels[name][place, column] = values
    return panels, last


def _endings(last: Int64s, bars: int) -> Records:
    """Instruments that have no bar after *last*, with the number of the bar at which they are closed."""
    ended = np.flatnonzero(last < bars - 1)
    ended = ended[np.argsort(last[ended], kind="stable")]
    endings = records(ended.size, ENDING)
    endings["bar"] = last[ended] + 1
    endings["column"] = ended
    return endings


def _dates(ts: Int64s, zone: str | None) -> Int64s:
    """Days since 1970 in *zone*."""
    if zone is None:
        return ts // DAY
    moments = pl.Series(ts).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(zone)
    return moments.dt.date().to_physical().to_numpy().astype(np.int64)


def _check(ts: Int64s, symbols: tuple[str, ...], panels: dict[str, Floats]) -> None:
    """Raise `BadBars` where arrays break a rule."""
    for name, values in panels.items():
        if values.shape != (len(ts), len(symbols)):
            raise BadBars(f"{name} is {values.shape}, not {len(ts)} bars of {len(symbols)} instruments")
    if list(symbols) != sorted(set(symbols)):
        raise BadBars("symbols are not in alphabetical order, each once; sort the columns")
    if np.any(ts[1:] <= ts[:-1]):
        raise BadBars(f"timestamps do not rise at bar {int(np.argmax(ts[1:] <= ts[:-1])) + 1}")
    o, h, low, c = (panels[name] for name in PRICES)
    missing = np.isnan(c)
    # Where the range holds open and close and the low is above zero, all four prices are numbers above zero.
    sound = (low > 0) & (low <= o) & (low <= c) & (h >= o) & (h >= c) & (h < np.inf)
    gap = missing & np.isnan(o) & np.isnan(h) & np.isnan(low)
    volume = panels["volume"]
    for what, bad in (
        ("a price is missing or not above zero, or the range does not hold open and close", ~(sound | gap)),
        ("volume is below zero", ~missing & (volume < 0)),
    ):
        if np.any(bad):
            t, n = np.argwhere(bad)[0]
            shown = ", ".join(f"{name} {panels[name][t, n]}" for name in FIELDS)
            raise BadBars(f"{symbols[n]} at bar {t}: {what}: {shown}")


def as_bars(given: Any) -> Bars:
    """*given* as bars: bars already, or a frame to read."""
    return given if isinstance(given, Bars) else Bars.read(given)


def array_of(given: Any, bars: Bars, dtype: type) -> NDArray[Any]:
    """A whole-array program's input as [bars, instruments], which it has to have. Not copied if it fits."""
    array: NDArray[Any] = np.ascontiguousarray(given, dtype)
    if array.shape != (len(bars), len(bars.symbols)):
        raise ExecutionError(
            f"the array is {array.shape}, not {len(bars)} bars of {len(bars.symbols)} instruments"
        )
    return array

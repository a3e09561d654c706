"""Bars as panels: float64[bars, instruments] in order of time and symbol, NaN where there is no bar."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl
from attrs import evolve, frozen
from numpy.typing import ArrayLike, NDArray

from tieout.execution.data.bar_rules import CheckedBars, Repairs, check
from tieout.execution.data.features import FeatureFrame, Join, gibibytes
from tieout.execution.data.frames import FIELDS, PRICES
from tieout.execution.errors import BadBars, InvalidSetting
from tieout.execution.kernels.state import ENDING, Market, private_copy, read_only
from tieout.ledger.books.arrays import records
from tieout.ledger.moment import DAY
from tieout.ledger.numeric import Flags, Floats, Int64s, Records

WHOLE_BYTES = 128 * 2**20
"""A lazy frame with panels larger than this is streamed."""
WINDOW_BYTES = 24 * 2**20
"""The approximate size of a streamed window. Reading takes about thirty times as much for a moment."""
_ROW_BYTES = len(FIELDS) * 8
MEMORY = 8 * 2**30
"""The most bytes that the panels of a window may take unless `Bars.read` is called with another number."""


class Window(NamedTuple):
    """Consecutive bars. *first* is the number of the first one over the whole run."""

    first: int
    market: Market
    features: dict[str, Floats]
    context: dict[str, Floats]


class Bars:
    """The checked bars of a run, whole in memory or streamed in windows of time.

    `timestamp` is int64[bars], the end of each bar in nanoseconds, rising. `symbols` are in alphabetical
    order. `date` is int64[bars], days since 1970 in `zone`, the time zone of the timestamps. An intraday bar
    that ends at midnight is of the day before. `repairs` lists the repairs, or is None if no repair was asked
    for.
    """

    def __init__(
        self,
        timestamp: Int64s,
        symbols: tuple[str, ...],
        last: Int64s,
        load: Callable[[int, int], dict[str, Floats]],
        *,
        zone: str | None = None,
        repairs: Repairs | None = None,
        window: int | None = None,
        is_in_memory: bool = True,
        memory: int = MEMORY,
    ) -> None:
        """Take each instrument's last bar, *last*, and *load*, which returns the panels between two bars.

        *window* is the number of bars loaded at a time, or None for all. Bars are *is_in_memory* if loading
        always returns the same. *memory* limits the features that are joined to a window.
        """
        if not len(timestamp):
            raise BadBars("the data have no bars")
        self.timestamp = read_only(timestamp)
        self.symbols = symbols
        self.zone = zone
        self.repairs = repairs
        self.window = window or len(timestamp)
        self._memory = memory
        self.date = dates(timestamp, zone)
        self.closing: Flags = _last_of(self.date)
        self.month_end: Flags = _last_of(self.date.astype("M8[D]").astype("M8[M]"))
        self.endings = _endings(last, len(timestamp))
        self._load = load
        self.is_in_memory = is_in_memory
        self._digests: tuple[int, dict[str, str]] | None = None

    def __len__(self) -> int:
        return len(self.timestamp)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or another process needs. The market of all bars is made there again."""
        return {name: value for name, value in vars(self).items() if name != "_all"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of other bars. Copied arrays can be written, which compiled code does not expect."""
        vars(self).update(state)
        for name in ("timestamp", "date", "closing", "month_end"):
            setattr(self, name, read_only(getattr(self, name)))

    def __repr__(self) -> str:
        """Bars x instruments, the first and last date, and symbols."""
        first, last = (np.datetime_as_string(self.timestamp[i].view("M8[ns]"), "D") for i in (0, -1))
        symbols = ", ".join(self.symbols[:5]) + ", ..." * (len(self.symbols) > 5)  # noqa: PLR2004  fits a line
        return f"Bars {len(self):,} x {len(self.symbols):,}, {first} to {last}: {symbols}"

    @property
    def is_without_volume(self) -> bool:
        """True if the bars have no volume. Either every bar has a volume or none has."""
        for a in range(0, len(self), self.window):
            panels = self._load(a, min(a + self.window, len(self)))
            if np.any(there := ~np.isnan(panels["close"])):
                return bool(np.all(np.isnan(panels["volume"][there])))
        return False

    @classmethod
    def read(
        cls,
        data: Any,
        *,
        columns: Mapping[str, str] | None = None,
        repair: bool = False,
        window: int | None = None,
        memory: int = MEMORY,
    ) -> Self:
        """Read bars from a long frame (Polars, pandas, Arrow), or a Parquet or CSV file.

        Its columns are timestamp (dates or datetimes, of any zone and unit) and symbol (text, categories or
        whole numbers). Further columns are open, high, low and close (numbers above zero), and optionally
        volume. Others are ignored. *columns* maps names that differ: ``{"timestamp": "date"}``. The time of
        no symbol may go back.

        With *repair*, bad bars are dropped or mended and listed in `repairs`. A file or lazy frame larger
        than memory is streamed. *window* sets the number of bars of a window. Panels have a cell for every
        time and symbol. *memory* is the most bytes that those of a window may take, by default 8 GiB.
        Raises `BadBars` if a rule is broken, with the first rows that break it, if *data* cannot be read, or
        if its panels would take more than *memory*.
        """
        if window is not None and window < 1:
            raise InvalidSetting(f"window is {window}, not a number of bars above zero")
        most_rows = WHOLE_BYTES // _ROW_BYTES if window is None else 0
        checked = check(data, columns or {}, repair=repair, most_rows=most_rows)
        size = checked.cells * _ROW_BYTES
        is_streamed = checked.source.is_lazy and (window is not None or size > WHOLE_BYTES)
        if is_streamed:
            window = window or max(1, len(checked.timestamp) * WINDOW_BYTES // size)
            _require_memory(checked, min(window, len(checked.timestamp)), memory)
            checked.count_duplicates(window)
            load: Callable[[int, int], dict[str, Floats]] = _Streaming(
                evolve(checked, rows=None)
            )  # the rows are not to be held
        else:
            _require_memory(checked, len(checked.timestamp), memory)
            load = _Cutting(_panels(checked.whole(), checked.timestamp, checked.symbols))
        return cls(
            checked.timestamp,
            checked.symbols,
            np.searchsorted(checked.timestamp, checked.last).astype(np.int64),
            load,
            zone=checked.zone,
            repairs=checked.repairs if repair else None,
            window=window,
            is_in_memory=not is_streamed,
            memory=memory,
        )

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
        """Build bars from float64[bars, instruments] with NaN in every price of a missing bar.

        *timestamp* is datetime64 or int64 nanoseconds, rising. *symbols* are in alphabetical order. The
        arrays are copied. Raises `BadBars` if a rule is broken.
        """
        timestamp, names = _moments(timestamp), tuple(symbols)
        prices = {"open": open, "high": high, "low": low, "close": close}
        panels = {name: _numbers(values, name) for name, values in prices.items()}
        shape = (len(timestamp), len(names))
        panels["volume"] = np.full(shape, np.nan) if volume is None else _numbers(volume, "volume")
        _check(timestamp, names, panels)
        there = ~np.isnan(panels["close"])
        last = len(timestamp) - 1 - np.argmax(there[::-1], axis=0) if len(timestamp) else np.zeros(0)
        if len(timestamp):
            last[~there.any(axis=0)] = -1  # without a bar, an instrument has ended before the first
        return cls(timestamp, names, last.astype(np.int64), _Cutting(panels))

    def windows(self, features: Iterable[FeatureFrame] = ()) -> Iterator[Window]:
        """Yield the run in windows of bars, with *features* joined. No window is held once it is yielded."""
        join = Join(tuple(features), self.symbols, self._memory)
        for a in range(0, len(self), self.window):
            yield self._window(a, min(a + self.window, len(self)), join)

    def _window(self, a: int, b: int, join: Join) -> Window:
        joined = join.window(self.timestamp[a:b])
        is_all = self.is_in_memory and b - a == len(self)
        return Window(a, self._all if is_all else self._market(a, b), joined.features, joined.context)

    @cached_property
    def _all(self) -> Market:
        """All bars in memory, shared by many runs."""
        return self._market(0, len(self))

    def _market(self, a: int, b: int) -> Market:
        panels: dict[str, Any] = self._load(a, b)
        times = {name: getattr(self, name)[a:b] for name in ("timestamp", "date", "closing", "month_end")}
        parts = times | panels | {"endings": self.endings}
        return Market(**{name: read_only(array) for name, array in parts.items()})

    def fingerprints(self, windows: Iterable[Window] = ()) -> dict[str, Any]:
        """Return the SHA-256 of every column, the number of bars, and the first and last time.

        *windows* are those of a run, with features joined, or by default those of the bars alone. The digests
        cover the joined values and not files: neither the source nor the windows change them.
        """
        if not self.is_in_memory:
            count, columns = _digest_columns(windows or self.windows(), FIELDS)
        else:
            # Bars in memory cannot change, so they are digested once for many runs.
            self._digests = self._digests or _digest_columns(self.windows(), FIELDS)
            count, columns = self._digests
            columns = columns | _digest_columns(windows, ())[1]
        keys = hashlib.sha256(self.timestamp.tobytes())
        for symbol in self.symbols:
            keys.update(f"{len(symbol.encode())}:{symbol}".encode())
        first, last = (str(np.datetime64(int(t), "ns")) for t in (self.timestamp[0], self.timestamp[-1]))
        return {
            "bars": count,
            "first": first,
            "last": last,
            "zone": self.zone or "",
            "keys": keys.hexdigest(),
            "columns": columns,
        }


def _digest_columns(windows: Iterable[Window], names: tuple[str, ...]) -> tuple[int, dict[str, str]]:
    """Count the bars, and digest their columns *names* and the joined features."""
    digests: dict[str, Any] = {}
    count = 0
    for window in windows:
        columns = {name: getattr(window.market, name) for name in names}
        if "volume" in columns:
            # Arrays, unlike frames, may hold a volume where there is no bar.
            columns["volume"] = np.where(np.isnan(columns["close"]), np.nan, columns["volume"])
        if names:
            count += int(np.count_nonzero(~np.isnan(window.market.close)))
        for name, values in (columns | window.features | window.context).items():
            digests.setdefault(name, hashlib.sha256()).update(_canonical(values))
    return count, {name: digest.hexdigest() for name, digest in digests.items()}


def _require_memory(checked: CheckedBars, bars: int, memory: int) -> None:
    """Raise `BadBars` if the panels of *bars* bars would take more than *memory* bytes."""
    symbols = len(checked.symbols)
    size = bars * symbols * _ROW_BYTES
    if size > memory:
        remedy = (
            "give a window of fewer bars"
            if checked.source.is_lazy and bars > 1
            else "give a Parquet file, or a lazy frame such as polars.LazyFrame, which is read in windows"
            if bars > 1
            else "give fewer symbols"
        )
        raise BadBars(
            f"{checked.name}: {bars:,} times x {symbols:,} symbols would take {gibibytes(size)} of memory,"
            f" more than the {gibibytes(memory)} allowed; {remedy}, or allow more with memory={size}"
        )


@frozen(eq=False)
class _Cutting:
    """A loader for windows of panels in memory. An object and no closure, so that bars can be pickled."""

    panels: dict[str, Floats]

    def __call__(self, a: int, b: int) -> dict[str, Floats]:
        return {name: panel[a:b] for name, panel in self.panels.items()}


@frozen(eq=False)
class _Streaming:
    """A loader that reads each window from its source."""

    checked: CheckedBars

    def __call__(self, a: int, b: int) -> dict[str, Floats]:
        checked = self.checked
        return _panels(checked.window(a, b), checked.timestamp[a:b], checked.symbols, checked.name)


def _canonical(values: Floats) -> bytes:
    """Return the bytes of *values*, with the same NaN for every NaN."""
    return np.where(np.isnan(values), np.nan, values).tobytes()


def _panels(
    rows: pl.DataFrame, timestamp: Int64s, symbols: tuple[str, ...], name: str = "bars"
) -> dict[str, Floats]:
    """Spread rows in order of time and symbol over float64[timestamp, symbols], NaN where there is no row."""
    place = np.searchsorted(timestamp, rows["ns"].to_numpy())
    column = rows["symbol"].cast(pl.Enum(symbols), strict=False).to_physical()
    if column.null_count() or not np.array_equal(timestamp[place], rows["ns"].to_numpy()):
        raise BadBars(f"{name}: changed while it was read")
    shape = (len(timestamp), len(symbols))
    panels = {}
    for field in FIELDS:
        values = rows[field].to_numpy() if field in rows.columns else np.full(rows.height, np.nan)
        if values.size == shape[0] * shape[1]:
            panels[field] = private_copy(values, np.float64).reshape(shape)
        else:
            panels[field] = np.full(shape, np.nan)
            panels[field][place, column.to_numpy()] = values
    return panels


def _endings(last: Int64s, bars: int) -> Records:
    """List the instruments that have no bar after *last*, with the number of the bar that closes them."""
    ended = np.flatnonzero(last < bars - 1)
    ended = ended[np.argsort(last[ended], kind="stable")]
    endings = records(ended.size, ENDING)
    endings["bar"] = last[ended] + 1
    endings["column"] = ended
    return endings


def dates(timestamp: Int64s, zone: str | None) -> Int64s:
    """Return the date of each bar in *zone*, in days since 1970.

    A timestamp is the end of its bar, so a bar that ends at midnight is of the day before. Where every bar is
    stamped at midnight, the timestamps are dates, and each bar is of the date that it carries.
    """
    local = wall_clock(timestamp, zone)
    is_dated = not np.any(local % DAY)
    return (local if is_dated else local - 1) // DAY


def wall_clock(timestamp: Int64s, zone: str | None) -> Int64s:
    """Return the time on the clock of *zone* at each timestamp, in nanoseconds since 1970 there."""
    if zone is None:
        return timestamp
    moments = pl.Series(timestamp).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(zone)
    return moments.dt.replace_time_zone(None).to_physical().to_numpy()


def _moments(values: ArrayLike) -> Int64s:
    """Convert timestamps to nanoseconds."""
    try:
        timestamp = np.asarray(values)
        if timestamp.dtype.kind == "O":
            timestamp = timestamp.astype("M8[us]")
    except (TypeError, ValueError) as error:
        raise BadBars(f"timestamp is neither datetime64 nor int64: {error}") from None
    if timestamp.ndim != 1 or timestamp.dtype.kind not in "Mi":
        raise BadBars(
            f"timestamp is {timestamp.dtype}{list(timestamp.shape)}; give one datetime64 or int64 per bar"
        )
    if timestamp.dtype.kind == "M":
        exact = timestamp.astype("M8[ns]")
        if np.any(np.isnat(timestamp) | (exact.astype(timestamp.dtype) != timestamp)):
            raise BadBars("timestamp: one is missing, or outside the years 1678 to 2261")
        timestamp = exact
    return private_copy(timestamp.view(np.int64) if timestamp.dtype.kind == "M" else timestamp, np.int64)


def _numbers(values: ArrayLike, name: str) -> Floats:
    try:
        return private_copy(values, np.float64)
    except InvalidSetting as error:
        raise BadBars(f"{name}: {error}") from None


def _last_of(period: NDArray[Any]) -> Flags:
    """Return bool[bars]: whether a bar is the last of its period. The last bar of the data is."""
    return np.append(period[1:] != period[:-1], True)


def _check(timestamp: Int64s, symbols: tuple[str, ...], panels: dict[str, Floats]) -> None:
    """Raise `BadBars` if arrays break a rule."""
    for name, values in panels.items():
        if values.shape != (len(timestamp), len(symbols)):
            raise BadBars(
                f"{name} is {values.shape}, not {len(timestamp)} bars of {len(symbols)} instruments"
            )
    if invalid := [symbol for symbol in symbols if not (isinstance(symbol, str) and symbol)]:
        raise BadBars(f"symbols: {invalid[0]!r} is not text; give each instrument a name")
    if list(symbols) != sorted(set(symbols)):
        raise BadBars("symbols are not in alphabetical order, each once; sort the columns")
    if np.any(timestamp[1:] <= timestamp[:-1]):
        raise BadBars(f"timestamps do not rise at bar {int(np.argmax(timestamp[1:] <= timestamp[:-1])) + 1}")
    o, h, low, c = (panels[name] for name in PRICES)
    missing = np.isnan(c)
    # If the range holds open and close and the low is above zero, all four prices are numbers above zero.
    sound = (low > 0) & (low <= o) & (low <= c) & (h >= o) & (h >= c) & (h < np.inf)
    gap = missing & np.isnan(o) & np.isnan(h) & np.isnan(low)
    volume = panels["volume"]
    has_volume = np.full(volume.shape, not np.all(np.isnan(volume)))
    for fault, bad in (
        ("a price is missing or not above zero, or the range does not hold open and close", ~(sound | gap)),
        ("volume is below zero", ~missing & (volume < 0)),
        ("volume is missing or infinite", ~missing & has_volume & ~np.isfinite(volume)),
    ):
        if np.any(bad):
            t, n = np.argwhere(bad)[0]
            row = ", ".join(f"{name} {panels[name][t, n]}" for name in FIELDS)
            raise BadBars(f"{symbols[n]} at bar {t}: {fault}: {row}")


def as_bars(data: Any) -> Bars:
    """Return *data* if it is `Bars`, and read it otherwise."""
    return data if isinstance(data, Bars) else Bars.read(data)

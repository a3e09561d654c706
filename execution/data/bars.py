"""Bars as panels: float64[bars, instruments] in order of time and symbol, NaN where there is no bar."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from tieout.execution.data import frames
from tieout.execution.data.features import FeatureFrame, Join
from tieout.execution.data.frames import FIELDS, KEYS, PRICES, Repairs
from tieout.execution.errors import BadBars, InvalidSetting
from tieout.execution.kernels.state import ENDING, Flags, Floats, Int64s, Market, fixed, owned
from tieout.ledger.books.arrays import Records, records
from tieout.ledger.moment import DAY

WHOLE_BYTES = 128 * 2**20
"""A lazy frame whose panels are larger than this is streamed, ..."""
WINDOW_BYTES = 24 * 2**20
"""... in windows of about this size: a reader takes some thirty times as much for a moment."""


class Window(NamedTuple):
    """Consecutive bars; *first* is the number of the first of them over the whole run."""

    first: int
    market: Market
    features: dict[str, Floats]
    context: dict[str, Floats]


class Bars:
    """The bars of a run, checked; whole in memory or streamed in windows of time.

    `timestamp` is int64[bars], the end of each bar in nanoseconds, rising. `symbols` are in alphabetical
    order. `date` is int64[bars], days since 1970 in `zone`, the time zone of the timestamps. `repairs` is
    what repairing did, None where it was not asked for.
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
    ) -> None:
        """*last* is each instrument's last bar; *load* gives the panels from one bar to another.

        *window* is the number of bars loaded at a time; None for all. They are *is_in_memory* where loading
        gives the same for ever.
        """
        if not len(timestamp):
            raise BadBars("there is no bar")
        self.timestamp = fixed(timestamp)
        self.symbols = symbols
        self.zone = zone
        self.repairs = repairs
        self.window = window or len(timestamp)
        self.date = _dates(timestamp, zone)
        self.closing: Flags = _last_of(self.date)
        self.month_end: Flags = _last_of(self.date.astype("M8[D]").astype("M8[M]"))
        self.endings = _endings(last, len(timestamp))
        self._load = load
        self.is_in_memory = is_in_memory
        self._own: tuple[int, dict[str, str]] | None = None

    def __len__(self) -> int:
        return len(self.timestamp)

    def __repr__(self) -> str:
        """Bars x instruments, the first and last date, and symbols."""
        first, last = (np.datetime_as_string(self.timestamp[i].view("M8[ns]"), "D") for i in (0, -1))
        symbols = ", ".join(self.symbols[:5]) + ", ..." * (len(self.symbols) > 5)  # noqa: PLR2004  fits a line
        return f"Bars {len(self):,} x {len(self.symbols):,}, {first} to {last}: {symbols}"

    @property
    def is_without_volume(self) -> bool:
        """Whether nobody knows what was traded; it is known of every bar or of none."""
        for a in range(0, len(self), self.window):
            panels = self._load(a, min(a + self.window, len(self)))
            if np.any(there := ~np.isnan(panels["close"])):
                return bool(np.all(np.isnan(panels["volume"][there])))
        return False

    @classmethod
    def read(
        cls,
        given: Any,
        *,
        columns: Mapping[str, str] | None = None,
        repair: bool = False,
        window: int | None = None,
    ) -> Self:
        """Bars from a long frame (Polars, pandas, Arrow), or a Parquet or CSV file.

        It has the columns timestamp (dates or datetimes, of any zone and unit), symbol (text, categories or
        whole numbers), open, high, low and close (numbers above zero), and volume where it is known. Others
        are left alone; *columns* names those that are called otherwise: ``{"timestamp": "date"}``. The time
        of no symbol may go back.

        With *repair*, bad bars are dropped or mended and listed in `repairs`. A file or lazy frame larger
        than memory is streamed; *window* sets the number of bars of a window.
        Raises `BadBars` where a rule is broken, with the first rows that do, or what is given cannot be read.
        """
        if window is not None and window < 1:
            raise InvalidSetting(f"window is {window}, not a number of bars above zero")
        columns = dict(columns or {})
        frames.require_known(columns)
        named = frames.lazy(given, "bars", columns, BadBars)
        frames.require_columns(named, (*KEYS, *PRICES))
        zone = frames.zone(named)
        frames.require_symbols(named)
        frames.require_numbers(named, (c for c in FIELDS if c in named.frame.collect_schema()))
        row_bytes = len(FIELDS) * 8
        found = frames.inspected(named, WHOLE_BYTES // row_bytes if window is None else 0)
        if not repair:
            frames.refuse(named, found.repairs)
        if not len(found.timestamp):
            raise BadBars(f"{named.name}: not one of its rows is a bar:\n{found.repairs}")
        size = len(found.timestamp) * len(found.symbols) * row_bytes
        if named.is_lazy and (window is not None or size > WHOLE_BYTES):
            window = window or max(1, len(found.timestamp) * WINDOW_BYTES // size)
            return cls._streamed(named, found, zone, found.repairs if repair else None, window)
        assert found.rows is not None, "a frame in memory is kept whole, and a smaller lazy one too"
        rows, again = frames.mended(found.rows)
        if found.goes_back:
            frames.found_again(found.repairs, [again])
        panels = _panels(rows, found.timestamp, found.symbols)
        last = np.searchsorted(found.timestamp, found.last).astype(np.int64)
        return cls(
            found.timestamp,
            found.symbols,
            last,
            _cutting(panels),
            zone=zone,
            repairs=found.repairs if repair else None,
            window=window,
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
        """Bars from float64[bars, instruments]; NaN in every price where there is no bar.

        *timestamp* is datetime64 or int64 nanoseconds, rising; *symbols* are in alphabetical order. All are
        copied. Raises `BadBars` where a rule is broken.
        """
        timestamp, names = _moments(timestamp), tuple(symbols)
        given = {"open": open, "high": high, "low": low, "close": close}
        panels = {name: _numbers(values, name) for name, values in given.items()}
        shape = (len(timestamp), len(names))
        panels["volume"] = np.full(shape, np.nan) if volume is None else _numbers(volume, "volume")
        _check(timestamp, names, panels)
        there = ~np.isnan(panels["close"])
        last = len(timestamp) - 1 - np.argmax(there[::-1], axis=0) if len(timestamp) else np.zeros(0)
        return cls(timestamp, names, last.astype(np.int64), _cutting(panels))

    @classmethod
    def _streamed(
        cls,
        named: frames.Named,
        found: frames.Inspected,
        zone: str | None,
        repairs: Repairs | None,
        window: int,
    ) -> Self:
        """Bars read anew for every window, as they were *found* to be."""
        timestamp, symbols = found.timestamp, found.symbols
        typed = frames.typed(named)

        def part(frame: pl.LazyFrame, a: int, b: int) -> pl.DataFrame:
            return named.collect(frames.between(frame, int(timestamp[a]), int(timestamp[b - 1])))

        def load(a: int, b: int) -> dict[str, Floats]:
            given = part(typed, a, b)
            rows, _ = frames.mended(frames.sound(given))
            if repairs is None and rows.height < given.height:
                raise BadBars(f"{named.name}: changed while it was read")
            return _panels(rows, timestamp[a:b], symbols, named.name)

        if repairs is not None and found.goes_back:
            numbered = typed.with_row_index("row")
            starts = range(0, len(timestamp), window)
            parts = (part(numbered, a, min(a + window, len(timestamp))) for a in starts)
            frames.found_again(repairs, (frames.mended(frames.sound(rows))[1] for rows in parts))
        last = np.searchsorted(timestamp, found.last).astype(np.int64)
        return cls(
            timestamp, symbols, last, load, zone=zone, repairs=repairs, window=window, is_in_memory=False
        )

    def windows(self, features: Iterable[FeatureFrame] = ()) -> Iterator[Window]:
        """The run in windows of bars, with *features* joined. No window is held here once it is given out."""
        join = Join(tuple(features), self.symbols)
        for a in range(0, len(self), self.window):
            yield self._window(a, min(a + self.window, len(self)), join)

    def _window(self, a: int, b: int, join: Join) -> Window:
        joined = join.window(self.timestamp[a:b])
        is_all = self.is_in_memory and b - a == len(self)
        return Window(a, self._all if is_all else self._market(a, b), joined.features, joined.context)

    @cached_property
    def _all(self) -> Market:
        """All that is in memory: of many runs the same."""
        return self._market(0, len(self))

    def _market(self, a: int, b: int) -> Market:
        panels: dict[str, Any] = self._load(a, b)
        times = {name: getattr(self, name)[a:b] for name in ("timestamp", "date", "closing", "month_end")}
        parts = times | panels | {"endings": self.endings}
        return Market(**{name: fixed(array) for name, array in parts.items()})

    def fingerprints(self, windows: Iterable[Window] = ()) -> dict[str, Any]:
        """What was read, by digest: SHA-256 of every column, the number of bars, the first and last time.

        *windows* are those of a run, with features joined; by default those of the bars alone. Of what is
        joined and not of files: the same however it came in, in whatever windows.
        """
        if not self.is_in_memory:
            count, columns = _digested(windows or self.windows(), FIELDS)
        else:
            # They cannot change, so one look at them is enough for however many runs.
            self._own = self._own or _digested(self.windows(), FIELDS)
            count, columns = self._own
            columns = columns | _digested(windows, ())[1]
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


def _digested(windows: Iterable[Window], names: tuple[str, ...]) -> tuple[int, dict[str, str]]:
    """How many bars there are, and the digests of their columns *names* and of what is joined."""
    digests: dict[str, Any] = {}
    count = 0
    for window in windows:
        columns = {name: getattr(window.market, name) for name in names}
        if "volume" in columns:
            # Arrays may hold a volume where there is no bar, and a frame cannot.
            columns["volume"] = np.where(np.isnan(columns["close"]), np.nan, columns["volume"])
        if names:
            count += int(np.count_nonzero(~np.isnan(window.market.close)))
        for name, values in (columns | window.features | window.context).items():
            digests.setdefault(name, hashlib.sha256()).update(_canonical(values))
    return count, {name: digest.hexdigest() for name, digest in digests.items()}


def _cutting(panels: dict[str, Floats]) -> Callable[[int, int], dict[str, Floats]]:
    """Loads windows of panels that are in memory."""
    return lambda a, b: {name: panel[a:b] for name, panel in panels.items()}


def _canonical(values: Floats) -> bytes:
    """The bytes of *values*, with one NaN for all that there are."""
    return np.where(np.isnan(values), np.nan, values).tobytes()


def _panels(
    rows: pl.DataFrame, timestamp: Int64s, symbols: tuple[str, ...], name: str = "bars"
) -> dict[str, Floats]:
    """Rows in order of time and symbol as float64[timestamp, symbols]; NaN where there is no row."""
    place = np.searchsorted(timestamp, rows["ns"].to_numpy())
    column = rows["symbol"].cast(pl.Enum(symbols), strict=False).to_physical()
    if column.null_count() or not np.array_equal(timestamp[place], rows["ns"].to_numpy()):
        raise BadBars(f"{name}: changed while it was read")
    shape = (len(timestamp), len(symbols))
    panels = {}
    for field in FIELDS:
        values = rows[field].to_numpy() if field in rows.columns else np.full(rows.height, np.nan)
        if values.size == shape[0] * shape[1]:
            panels[field] = owned(values, np.float64).reshape(shape)
        else:
            panels[field] = np.full(shape, np.nan)
            panels[field][place, column.to_numpy()] = values
    return panels


def _endings(last: Int64s, bars: int) -> Records:
    """Instruments that have no bar after *last*, with the number of the bar at which they are closed."""
    ended = np.flatnonzero(last < bars - 1)
    ended = ended[np.argsort(last[ended], kind="stable")]
    endings = records(ended.size, ENDING)
    endings["bar"] = last[ended] + 1
    endings["column"] = ended
    return endings


def _dates(timestamp: Int64s, zone: str | None) -> Int64s:
    """Days since 1970 in *zone*."""
    if zone is None:
        return timestamp // DAY
    moments = pl.Series(timestamp).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(zone)
    return moments.dt.date().to_physical().to_numpy().astype(np.int64)


def _moments(given: ArrayLike) -> Int64s:
    """Timestamps as nanoseconds."""
    try:
        timestamp = np.asarray(given)
        if timestamp.dtype.kind == "O":
            timestamp = timestamp.astype("M8[us]")
    except (TypeError, ValueError) as error:
        raise BadBars(f"timestamp is neither datetime64 nor int64: {error}") from None
    if timestamp.ndim != 1 or timestamp.dtype.kind not in "Mi":
        raise BadBars(
            f"timestamp is {timestamp.dtype}{list(timestamp.shape)}, not datetime64 or int64, one a bar"
        )
    if timestamp.dtype.kind == "M":
        exact = timestamp.astype("M8[ns]")
        if np.any(np.isnat(timestamp) | (exact.astype(timestamp.dtype) != timestamp)):
            raise BadBars("timestamp: one is missing, or outside the years 1678 to 2261")
        timestamp = exact
    return owned(timestamp.view(np.int64) if timestamp.dtype.kind == "M" else timestamp, np.int64)


def _numbers(given: ArrayLike, name: str) -> Floats:
    try:
        return owned(given, np.float64)
    except InvalidSetting as error:
        raise BadBars(f"{name}: {error}") from None


def _last_of(period: NDArray[Any]) -> Flags:
    """bool[bars]: whether a bar is the last of its period; that of the data is the last of its own."""
    return np.append(period[1:] != period[:-1], True)


def _check(timestamp: Int64s, symbols: tuple[str, ...], panels: dict[str, Floats]) -> None:
    """Raise `BadBars` where arrays break a rule."""
    for name, values in panels.items():
        if values.shape != (len(timestamp), len(symbols)):
            raise BadBars(
                f"{name} is {values.shape}, not {len(timestamp)} bars of {len(symbols)} instruments"
            )
    if other := [symbol for symbol in symbols if not (isinstance(symbol, str) and symbol)]:
        raise BadBars(f"symbols: {other[0]!r} is not a text")
    if list(symbols) != sorted(set(symbols)):
        raise BadBars("symbols are not in alphabetical order, each once; sort the columns")
    if np.any(timestamp[1:] <= timestamp[:-1]):
        raise BadBars(f"timestamps do not rise at bar {int(np.argmax(timestamp[1:] <= timestamp[:-1])) + 1}")
    o, h, low, c = (panels[name] for name in PRICES)
    missing = np.isnan(c)
    # Where the range holds open and close and the low is above zero, all four prices are numbers above zero.
    sound = (low > 0) & (low <= o) & (low <= c) & (h >= o) & (h >= c) & (h < np.inf)
    gap = missing & np.isnan(o) & np.isnan(h) & np.isnan(low)
    volume = panels["volume"]
    is_known = np.full(volume.shape, not np.all(np.isnan(volume)))
    for what, bad in (
        ("a price is missing or not above zero, or the range does not hold open and close", ~(sound | gap)),
        ("volume is below zero", ~missing & (volume < 0)),
        ("volume is missing or infinite", ~missing & is_known & ~np.isfinite(volume)),
    ):
        if np.any(bad):
            t, n = np.argwhere(bad)[0]
            shown = ", ".join(f"{name} {panels[name][t, n]}" for name in FIELDS)
            raise BadBars(f"{symbols[n]} at bar {t}: {what}: {shown}")


def as_bars(given: Any) -> Bars:
    """*given* as bars: bars already, or a frame to read."""
    return given if isinstance(given, Bars) else Bars.read(given)

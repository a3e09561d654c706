"""Features joined to bars as of their own timestamp: a bar sees the newest row not after its end.

A row counts whole: a null in the newest row is unknown, and is not filled from an older row.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from attrs import frozen
from numpy.typing import NDArray

from tieout.execution.data.frames import (
    ERROR_ROWS,
    FIELDS,
    KEYS,
    NamedFrame,
    between,
    first_rows,
    in_nanoseconds,
    lazy,
    nanoseconds,
    require_columns,
    require_symbols,
    zone,
)
from tieout.execution.errors import BadFeatures
from tieout.ledger.numeric import Floats, Int64s

_CELL_BYTES = 8
"""Bytes of a feature at one bar of one instrument."""


class Joined(NamedTuple):
    """The features of a window: by instrument float64[bars, instruments], and by time float64[bars]."""

    features: dict[str, Floats]
    context: dict[str, Floats]


class Rows(NamedTuple):
    """The rows of a feature frame in order of time: nanoseconds, number of the instrument, values by name."""

    timestamp: Int64s
    column: Int64s
    values: dict[str, Floats]


@frozen
class FeatureFrame:
    """One feature frame with the *names* of its features. It is *by_instrument* if it has a column symbol."""

    source: NamedFrame
    names: tuple[str, ...]
    by_instrument: bool

    @property
    def is_dated(self) -> bool:
        """True if its times are dates, without an hour."""
        return bool(self.source.frame.collect_schema()["timestamp"] == pl.Date)

    @classmethod
    def of(cls, data: Any, name: str, columns: Mapping[str, str], bars_zone: str | None) -> "FeatureFrame":
        """Check a frame in any form that `frames.lazy` opens. Its features are numbers or booleans.

        Errors call it *name*. *columns* maps our names to those of the data. *bars_zone* is the time zone of
        the bars. With a column symbol, a row belongs to one symbol and time, otherwise to one time.
        Raises `BadFeatures` if the frame cannot be read, has no rows or no features, or is in another zone
        than the bars. Also if a row lacks its timestamp or symbol, or a column is text or a field of bars.
        """
        source = lazy(data, name, columns, BadFeatures)
        require_columns(source, ("timestamp",))
        frame_zone = zone(source)
        schema = source.frame.collect_schema()
        if by_instrument := "symbol" in schema:
            require_symbols(source)
        names = tuple(column for column in schema.names() if column not in KEYS)
        if not names:
            raise BadFeatures(f"{source.name}: it has no feature beside {' and '.join(schema.names())}")
        if clashes := set(names) & set(FIELDS):
            raise BadFeatures(
                f"{source.name}: the bars have columns of the same name: {', '.join(sorted(clashes))};"
                " rename them"
            )
        _require_rows(source, by_instrument=by_instrument)
        if frame_zone != bars_zone:
            raise BadFeatures(
                f"{source.name}: its times are in {frame_zone or 'no zone'}, those of the bars in"
                f" {bars_zone or 'no zone'}; convert one of them"
            )
        if text := [n for n in names if not (schema[n].is_numeric() or schema[n] in (pl.Boolean, pl.Null))]:
            raise BadFeatures(
                f"{source.name}: {', '.join(f'{n} ({schema[n]})' for n in text)} is not a number;"
                " leave it out"
            )
        return cls(source, names, by_instrument)

    def require_shared(self, symbols: tuple[str, ...]) -> None:
        """Raise `BadFeatures` if no row has one of *symbols*: the two then name instruments differently."""
        if not self.by_instrument:
            return
        names = self.source.frame.select(pl.col("symbol").cast(pl.String))
        shared = names.filter(pl.col("symbol").is_in(symbols)).head(1)
        if self.source.collect(shared).is_empty():
            others = self.source.collect(names.head(ERROR_ROWS).unique(maintain_order=True))["symbol"]
            raise BadFeatures(
                f"{self.source.name}: none of its symbols has bars. It has {', '.join(others)}, ...;"
                f" the bars have {', '.join(symbols[:ERROR_ROWS])}, ...; name them alike"
            )

    def rows(self, symbols: tuple[str, ...], after: int | None, until: int) -> Rows:
        """Read the rows of *symbols* with *after* < timestamp <= *until*, in nanoseconds.

        Raises `BadFeatures` if two rows have the same symbol and time.
        """
        frame = in_nanoseconds(between(self.source.frame, None if after is None else after + 1, until))
        keys = ["timestamp"]
        if self.by_instrument:
            # A symbol without bars has no code, and its feature could not be traded on.
            codes = pl.col("symbol").cast(pl.Enum(symbols), strict=False).to_physical().cast(pl.Int64)
            frame = frame.with_columns(codes.alias("symbol")).filter(pl.col("symbol").is_not_null())
            keys.append("symbol")
        values = [pl.col(n).cast(pl.Float64).fill_null(float("nan")) for n in self.names]
        rows = self.source.collect(frame.select(*keys, *values))
        rising = _rising(rows, keys)
        if not rising.all():
            rows = rows.sort(keys)
            is_duplicate = ~_rising(rows, keys)
            if is_duplicate.any():
                self._refuse_duplicates(rows.filter(pl.Series(np.append(False, is_duplicate))), symbols)
        column = rows["symbol"].to_numpy() if self.by_instrument else np.zeros(rows.height, np.int64)
        return Rows(rows["timestamp"].to_numpy(), column, {n: rows[n].to_numpy() for n in self.names})

    def _refuse_duplicates(self, duplicates: pl.DataFrame, symbols: tuple[str, ...]) -> None:
        """Raise `BadFeatures` with all rows that have the keys of the first of *duplicates*."""
        numbered = _numbered(self.source, by_instrument=self.by_instrument)
        first = numbered.filter(pl.col("ns") == duplicates["timestamp"][0])
        keys, count = "time", duplicates.height
        if self.by_instrument:
            first = first.filter(pl.col("symbol").cast(pl.String) == symbols[duplicates["symbol"][0]])
            keys = "symbol and time"
        raise BadFeatures(
            f"{self.source.name}: a second row of one {keys} in {count} row{'s' * (count > 1)},"
            f" the first:\n{first_rows(self.source.collect(first.drop('ns').head(ERROR_ROWS)))}\n"
            "Keep one of each."
        )


def _rising(rows: pl.DataFrame, keys: list[str]) -> NDArray[np.bool_]:
    """Return bool[rows - 1]: whether each row but the first is after the one before it, by *keys*."""
    time = rows["timestamp"].to_numpy()
    rises: NDArray[np.bool_] = time[1:] > time[:-1]
    if len(keys) > 1:
        column = rows[keys[1]].to_numpy()
        rises = rises | ((time[1:] == time[:-1]) & (column[1:] > column[:-1]))
    return rises


def _numbered(source: NamedFrame, *, by_instrument: bool) -> pl.LazyFrame:
    """Select the keys of a frame with the number of each row, `row`, and nanoseconds, `ns`."""
    keys = KEYS if by_instrument else KEYS[:1]
    time = nanoseconds(source.frame.collect_schema()["timestamp"])
    return source.frame.select(keys).with_row_index("row").with_columns(ns=time)


def _require_rows(source: NamedFrame, *, by_instrument: bool) -> None:
    """Raise `BadFeatures` if a frame has no rows, or a row without a timestamp or symbol."""
    if source.collect(source.frame.select("timestamp").head(1)).is_empty():
        raise BadFeatures(f"{source.name}: the data have no rows")
    keys = ("ns", "symbol") if by_instrument else ("ns",)
    is_missing = pl.any_horizontal(pl.col(key).is_null() for key in keys)
    bad = source.collect(
        _numbered(source, by_instrument=by_instrument).filter(is_missing).drop("ns").head(ERROR_ROWS)
    )
    if bad.height:
        raise BadFeatures(
            f"{source.name}: a {' or '.join(bad.columns[1:])} is missing, or a time is outside the years 1678"
            f" to 2261, the first:\n{first_rows(bad)}\nLeave these rows out."
        )


class Join:
    """A join of feature frames to successive windows. It carries the last rows of each to the next."""

    def __init__(self, frames: tuple[FeatureFrame, ...], symbols: tuple[str, ...], memory: int) -> None:
        """Take the most bytes that the features of a window may take, *memory*.

        Raises `BadFeatures` if two frames have a feature of the same name.
        """
        names = [name for frame in frames for name in frame.names]
        if len(set(names)) < len(names):
            shared = sorted({name for name in names if names.count(name) > 1})
            raise BadFeatures(f"{', '.join(shared)}: in more than one feature frame; rename one")
        self._frames = frames
        self._symbols = symbols
        self._memory = memory
        self._carried: dict[str, Floats] = {}
        self._until: int | None = None

    def window(self, timestamp: Int64s) -> Joined:
        """Return the features of a window of bars that end at *timestamp*, later than the window before.

        Raises `BadFeatures` if a frame has none of the symbols, or the features take too much memory.
        """
        self._require_memory(len(timestamp))
        joined = Joined({}, {})
        until = int(timestamp[-1])
        for frame in self._frames:
            rows = frame.rows(self._symbols, self._until, until)
            if self._until is None and not rows.timestamp.size:  # else it has rows of them
                frame.require_shared(self._symbols)
            width = len(self._symbols) if frame.by_instrument else 1
            place = np.searchsorted(timestamp, rows.timestamp).astype(np.int64)
            newest = _newest(place, rows.column, len(timestamp), width)
            for name, values in rows.values.items():
                panel = self._spread(name, values, newest, width)
                if frame.by_instrument:
                    joined.features[name] = panel
                else:
                    joined.context[name] = panel[:, 0]
        self._until = until
        return joined

    def _require_memory(self, bars: int) -> None:
        widths = [len(self._symbols) if f.by_instrument else 1 for f in self._frames for _ in f.names]
        size = bars * sum(widths) * _CELL_BYTES
        if size > self._memory:
            raise BadFeatures(
                f"{', '.join(frame.source.name for frame in self._frames)}: {len(widths):,} features of"
                f" {bars:,} bars and {len(self._symbols):,} symbols would take {gibibytes(size)} of memory,"
                f" more than the {gibibytes(self._memory)} allowed; read the bars with"
                " Bars.read(data, window=...) and fewer bars a window, or allow more with"
                f" Bars.read(data, memory={size})"
            )

    def _spread(self, name: str, rows: Floats, newest: NDArray[np.int32] | None, width: int) -> Floats:
        """Return float64[bars, width]: each cell's *newest* row, else the row carried from before."""
        if newest is None:
            values = rows.reshape(-1, width)
        else:
            carried = self._carried.get(name, np.full(width, np.nan))
            values = np.where(newest >= 0, rows[newest] if rows.size else np.nan, carried)
        self._carried[name] = values[-1].copy()
        return np.ascontiguousarray(values)


def gibibytes(size: int) -> str:
    """Return a number of bytes in GiB, with the digits that it needs."""
    return f"{size / 2**30:,.3g} GiB"


def _newest(place: Int64s, column: Int64s, bars: int, width: int) -> NDArray[np.int32] | None:
    """Return int32[bars, width]: the newest row for each bar, -1 for none. None if the rows fill the grid.

    *place* is the first bar that is not before a row, *column* its instrument, in order of time.
    """
    cells = place * width + column
    if cells.size == bars * width and np.array_equal(cells, np.arange(cells.size)):
        return None
    newest = np.full(bars * width, -1, np.int32)
    newest[cells] = np.arange(cells.size, dtype=np.int32)  # in order of time: of two rows the later stays
    grid = newest.reshape(bars, width)
    return np.maximum.accumulate(grid, axis=0, out=grid)

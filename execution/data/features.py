"""Features joined to bars as of their own timestamp: what a bar sees is the newest row not after its end.

A row counts whole: a null in the newest row is unknown, and is not filled from an older one.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from attrs import frozen
from numpy.typing import NDArray

from tieout.execution.data.frames import (
    FIELDS,
    KEYS,
    SHOWN,
    Named,
    between,
    in_nanoseconds,
    lazy,
    nanoseconds,
    require_columns,
    require_symbols,
    shown,
    zone,
)
from tieout.execution.errors import BadFeatures
from tieout.execution.kernels.state import Floats, Int64s


class Joined(NamedTuple):
    """Features of a window: by instrument float64[bars, instruments], and by time float64[bars]."""

    features: dict[str, Floats]
    context: dict[str, Floats]


class Rows(NamedTuple):
    """Rows of a feature frame in order of time: nanoseconds, number of the instrument, values by name."""

    timestamp: Int64s
    column: Int64s
    values: dict[str, Floats]


@frozen
class FeatureFrame:
    """One feature frame: *names* of its features, *by_instrument* where it has a column symbol."""

    named: Named
    names: tuple[str, ...]
    by_instrument: bool

    @property
    def is_dated(self) -> bool:
        """Whether its times are dates, without an hour."""
        return bool(self.named.frame.collect_schema()["timestamp"] == pl.Date)

    @classmethod
    def of(cls, given: Any, what: str, columns: Mapping[str, str], bars_zone: str | None) -> "FeatureFrame":
        """Take a frame in: whatever `frames.lazy` takes, its features numbers or booleans.

        *what* is what errors call it, *columns* maps names wanted to those there are, *bars_zone* is the
        time zone of the bars. With a column symbol, a row is of one symbol and time; else of one time.
        Raises `BadFeatures` where the frame cannot be read, has no rows or no features, is in another zone
        than the bars, lacks a timestamp or symbol in a row, has a column of text or one of the bars' names.
        """
        named = lazy(given, what, columns, BadFeatures)
        require_columns(named, ("timestamp",))
        own = zone(named)
        schema = named.frame.collect_schema()
        if by_instrument := "symbol" in schema:
            require_symbols(named)
        names = tuple(column for column in schema.names() if column not in KEYS)
        if not names:
            raise BadFeatures(f"{named.name}: there is no feature beside {' and '.join(schema.names())}")
        if taken := set(names) & set(FIELDS):
            raise BadFeatures(f"{named.name}: {', '.join(sorted(taken))} is a field of the bars; rename it")
        _require_rows(named, by_instrument=by_instrument)
        if own != bars_zone:
            raise BadFeatures(
                f"{named.name}: its times are in {own or 'no zone'}, those of the bars in"
                f" {bars_zone or 'no zone'}; convert one of them"
            )
        if text := [n for n in names if not (schema[n].is_numeric() or schema[n] in (pl.Boolean, pl.Null))]:
            raise BadFeatures(
                f"{named.name}: {', '.join(f'{n} ({schema[n]})' for n in text)} is not a number; leave it out"
            )
        return cls(named, names, by_instrument)

    def require_shared(self, symbols: tuple[str, ...]) -> None:
        """Raise `BadFeatures` where not one row is of one of *symbols*: they are named differently then."""
        if not self.by_instrument:
            return
        own = self.named.frame.select(pl.col("symbol").cast(pl.String))
        shared = own.filter(pl.col("symbol").is_in(symbols)).head(1)
        if self.named.collect(shared).is_empty():
            others = self.named.collect(own.head(SHOWN).unique(maintain_order=True))["symbol"]
            raise BadFeatures(
                f"{self.named.name}: not one of its symbols has bars. It has {', '.join(others)}, ...;"
                f" the bars have {', '.join(symbols[:SHOWN])}, ...; name them alike"
            )

    def rows(self, symbols: tuple[str, ...], after: int | None, until: int) -> Rows:
        """Its rows with *after* < timestamp <= *until*, in nanoseconds, of *symbols* alone.

        Raises `BadFeatures` where two rows are of one symbol and time.
        """
        frame = in_nanoseconds(between(self.named.frame, None if after is None else after + 1, until))
        keys = ["timestamp"]
        if self.by_instrument:
            # A symbol without bars has no code, and nobody could trade on its feature.
            codes = pl.col("symbol").cast(pl.Enum(symbols), strict=False).to_physical().cast(pl.Int64)
            frame = frame.with_columns(codes.alias("symbol")).filter(pl.col("symbol").is_not_null())
            keys.append("symbol")
        values = [pl.col(n).cast(pl.Float64).fill_null(float("nan")) for n in self.names]
        found = self.named.collect(frame.select(*keys, *values))
        rising = _rising(found, keys)
        if not rising.all():
            found = found.sort(keys)
            again = ~_rising(found, keys)
            if again.any():
                self._refuse_again(found.filter(pl.Series(np.append(False, again))), symbols)
        column = found["symbol"].to_numpy() if self.by_instrument else np.zeros(found.height, np.int64)
        return Rows(found["timestamp"].to_numpy(), column, {n: found[n].to_numpy() for n in self.names})

    def _refuse_again(self, again: pl.DataFrame, symbols: tuple[str, ...]) -> None:
        """Raise the rows that have the keys of the first row of *again*."""
        numbered = _numbered(self.named, by_instrument=self.by_instrument)
        first = numbered.filter(pl.col("ns") == again["timestamp"][0])
        what = "time"
        if self.by_instrument:
            first = first.filter(pl.col("symbol").cast(pl.String) == symbols[again["symbol"][0]])
            what = "symbol and time"
        raise BadFeatures(
            f"{self.named.name}: a second row of one {what} in {again.height} row{'s' * (again.height > 1)},"
            f" the first:\n{shown(self.named.collect(first.drop('ns').head(SHOWN)))}\nKeep one of each."
        )


def _rising(rows: pl.DataFrame, keys: list[str]) -> NDArray[np.bool_]:
    """bool[rows - 1]: whether each row but the first is after the one before it, by *keys*."""
    time = rows["timestamp"].to_numpy()
    rises: NDArray[np.bool_] = time[1:] > time[:-1]
    if len(keys) > 1:
        column = rows[keys[1]].to_numpy()
        rises = rises | ((time[1:] == time[:-1]) & (column[1:] > column[:-1]))
    return rises


def _numbered(named: Named, *, by_instrument: bool) -> pl.LazyFrame:
    """The keys of a frame with the number of each row, `row`, and nanoseconds, `ns`."""
    keys = KEYS if by_instrument else KEYS[:1]
    time = nanoseconds(named.frame.collect_schema()["timestamp"])
    return named.frame.select(keys).with_row_index("row").with_columns(ns=time)


def _require_rows(named: Named, *, by_instrument: bool) -> None:
    """Raise `BadFeatures` where a frame has no rows, or one without a timestamp or symbol."""
    if named.collect(named.frame.select("timestamp").head(1)).is_empty():
        raise BadFeatures(f"{named.name}: there is no row in it")
    keys = ("ns", "symbol") if by_instrument else ("ns",)
    is_unknown = pl.any_horizontal(pl.col(key).is_null() for key in keys)
    bad = named.collect(
        _numbered(named, by_instrument=by_instrument).filter(is_unknown).drop("ns").head(SHOWN)
    )
    if bad.height:
        raise BadFeatures(
            f"{named.name}: a {' or '.join(bad.columns[1:])} is missing, or a time is outside the years 1678"
            f" to 2261, the first:\n{shown(bad)}\nLeave these rows out."
        )


class Join:
    """Joins feature frames to one window after another, carrying the last rows from each to the next."""

    def __init__(self, frames: tuple[FeatureFrame, ...], symbols: tuple[str, ...]) -> None:
        """Raise `BadFeatures` where a name is used twice."""
        names = [name for frame in frames for name in frame.names]
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise BadFeatures(f"{', '.join(twice)}: in more than one feature frame; rename one")
        self._frames = frames
        self._symbols = symbols
        self._carried: dict[str, Floats] = {}
        self._until: int | None = None

    def window(self, timestamp: Int64s) -> Joined:
        """Return the features of a window of bars that end at *timestamp*, later than the window before.

        Raises `BadFeatures` where a frame has none of the symbols.
        """
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

    def _spread(self, name: str, rows: Floats, newest: NDArray[np.int32] | None, width: int) -> Floats:
        """float64[bars, width]: of each cell's *newest* row; where there is none, what was carried here."""
        if newest is None:
            values = rows.reshape(-1, width)
        else:
            carried = self._carried.get(name, np.full(width, np.nan))
            values = np.where(newest >= 0, rows[newest] if rows.size else np.nan, carried)
        self._carried[name] = values[-1].copy()
        return np.ascontiguousarray(values)


def _newest(place: Int64s, column: Int64s, bars: int, width: int) -> NDArray[np.int32] | None:
    """int32[bars, width]: the newest row for each bar, -1 for none; None where the rows are just the grid.

    *place* is the first bar that is not before a row, *column* its instrument, in order of time.
    """
    cells = place * width + column
    if cells.size == bars * width and np.array_equal(cells, np.arange(cells.size)):
        return None
    newest = np.full(bars * width, -1, np.int32)
    newest[cells] = np.arange(cells.size, dtype=np.int32)  # in order of time: of two rows the later stays
    grid = newest.reshape(bars, width)
    return np.maximum.accumulate(grid, axis=0, out=grid)

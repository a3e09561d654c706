"""Features joined to bars as of their own timestamp: what a bar sees is the newest row not after its end."""

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from attrs import frozen
from numpy.typing import NDArray

from execution.errors import BadFeatures
from execution.frames import FIELDS, Named, in_nanoseconds, lazy, zone
from execution.state import Floats, Int64s

_KEYS = ("timestamp", "symbol")


class Joined(NamedTuple):
    """Features of a window: by instrument float64[bars, instruments], and by time float64[bars]."""

    features: dict[str, Floats]
    context: dict[str, Floats]


@frozen
class FeatureFrame:
    """One feature frame: *names* of its features, *by_instrument* where it has a column symbol."""

    named: Named
    names: tuple[str, ...]
    by_instrument: bool

    @classmethod
    def of(cls, given: Any, what: str, columns: dict[str, str], bars_zone: str | None) -> "FeatureFrame":
        """Take a frame in.

        Raises `BadFeatures` for a zone other than that of the bars or a column of text."""
        named = lazy(given, what, columns)
        schema = named.frame.collect_schema()
        if "timestamp" not in schema:
            raise BadFeatures(f"{named.name}: there is no column 'timestamp'")
        own = zone(named)
        if own != bars_zone:
            raise BadFeatures(
                f"{named.name}: its times are in {own or 'no zone'}, those of the bars in"
                f" {bars_zone or 'no zone'}; convert one of them"
            )
        names = tuple(column for column in schema.names() if column not in _KEYS)
        if text := [n for n in names if not (schema[n].is_numeric() or schema[n] in (pl.Boolean, pl.Null))]:
            raise BadFeatures(f"{named.name}: {', '.join(text)} is not a number; leave it out")
        if taken := set(names) & set(FIELDS):
            raise BadFeatures(f"{named.name}: {', '.join(sorted(taken))} is a field of the bars; rename it")
        return cls(named, names, "symbol" in schema)

    def rows(self, symbols: tuple[str, ...], after: int | None, until: int) -> pl.DataFrame:
        """Its rows in nanoseconds with *after* < timestamp <= *until*, by time, of *symbols* alone."""
        frame = in_nanoseconds(self.named.frame).filter(pl.col("timestamp") <= until)
        if after is not None:
            frame = frame.filter(pl.col("timestamp") > after)
        keys = ["timestamp"]
        if self.by_instrument:
            # A symbol without bars has no code, and nobody could trade on its feature.
            codes = pl.col("symbol").cast(pl.Enum(symbols), strict=False).to_physical().cast(pl.Int64)
            frame = frame.with_columns(column=codes).filter(pl.col("column").is_not_null())
            keys.append("column")
        rows = frame.select(*keys, *(pl.col(n).cast(pl.Float64).fill_null(float("nan")) for n in self.names))
        found = rows.collect()
        if not found["timestamp"].is_sorted():
            found = found.sort("timestamp", maintain_order=True)
        if found.select(pl.struct(keys).is_duplicated().any()).item():
            again = found.filter(pl.struct(keys).is_duplicated()).head(5)
            raise BadFeatures(f"{self.named.name}: two rows for one symbol at one time:\n{again}")
        return found


class Join:
    """Joins feature frames to one window after another, carrying the last rows from each to the next."""

    def __init__(self, frames: tuple[FeatureFrame, ...], symbols: tuple[str, ...]) -> None:
        names = [name for frame in frames for name in frame.names]
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise BadFeatures(f"{', '.join(twice)}: in more than one feature frame; rename one")
        self._frames = frames
        self._symbols = symbols
        self._carried: dict[str, NDArray[np.float64]] = {}
        self._until: int | None = None

    def window(self, ts: Int64s) -> Joined:
        """The features of a window of bars that end at *ts*, which follows the window asked for before."""
        joined = Joined({}, {})
        for frame in self._frames:
            rows = frame.rows(self._symbols, self._until, int(ts[-1]))
            place = np.searchsorted(ts, rows["timestamp"].to_numpy())
            columns = rows["column"].to_numpy() if frame.by_instrument else np.zeros(len(place), np.int64)
            width = len(self._symbols) if frame.by_instrument else 1
            newest = _newest(place, columns, len(ts), width)
            for name in frame.names:
                values = self._spread(name, rows[name].to_numpy(), newest)
                if frame.by_instrument:
                    joined.features[name] = values
                else:
                    joined.context[name] = values[:, 0].copy()
        self._until = int(ts[-1])
        return joined

    def _spread(self, name: str, rows: NDArray[np.float64], newest: NDArray[np.int32] | None) -> Floats:
        if newest is None:
            values = rows.reshape(-1, len(self._symbols))
        else:
            carried = self._carried.get(name, np.full(newest.shape[1], np.nan))
            values = np.where(newest >= 0, rows[newest] if rows.size else np.nan, carried)
        self._carried[name] = values[-1].copy()
        return np.ascontiguousarray(values)


def _newest(
    place: NDArray[np.int64], columns: NDArray[np.int64], bars: int, width: int
) -> NDArray[np.int32] | None:
    """int32[bars, width]: the newest row for each bar, -1 for none; None where the rows are just the grid."""
    cells = place * width + columns
    if cells.size == bars * width and np.array_equal(cells, np.arange(cells.size)):
        return None
    newest = np.full(bars * width, -1, np.int32)
    newest[cells] = np.arange(cells.size, dtype=np.int32)  # in order of time: of two rows the later stays
    grid = newest.reshape(bars, width)
    return np.maximum.accumulate(grid, axis=0, out=grid)

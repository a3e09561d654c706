"""The places of a program's rows on the bars: a row of a frame counts at the first bar that is not before it.

A row dated before the first bar, or after the last one, has no such place. Of target weights, the newest row
of a symbol before the first bar counts at that bar. Other rows outside are left out with a warning, so that
a part of the bars can be run with the weights of all. An order or a signal outside the bars is refused.
"""

import warnings
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tieout.execution.data.bars import Bars, wall_clock
from tieout.execution.data.frames import NamedFrame, first_rows, in_nanoseconds, lazy, require_columns, zone
from tieout.execution.errors import ExecutionError, MalformedOrder
from tieout.ledger.errors import TieoutWarning
from tieout.ledger.moment import DAY
from tieout.ledger.numeric import Flags, Floats, Int64s


def targets(values: Any, name: str, bars: Bars) -> Floats:
    """Return an array of the right shape unchanged. Spread a long frame over the bars, NaN for no row.

    Of rows before the first bar, the newest of each symbol counts there. Those after the last are left out.
    """
    if isinstance(values, np.ndarray):
        return _require_shape(values, bars)
    source = _opened(values, name)
    rows = _read(source, bars)
    is_early, is_late = _outside(rows, bars)
    if is_early.any() or is_late.any():
        time = pl.col("timestamp")
        newest = pl.when(pl.col("is_early")).then(time).max().over("symbol")
        # A row that is dated at the first bar itself replaces all before it.
        has_own = (~pl.col("is_early") & (time <= bars.timestamp[0])).any().over("symbol")
        stands = pl.col("is_early") & (time == newest) & ~has_own
        flagged = rows.with_columns(is_early=pl.Series(is_early), is_late=pl.Series(is_late))
        rest = flagged.filter(~pl.col("is_late") & (~pl.col("is_early") | stands))
        _warn(source.name, bars, int(is_early.sum()), int(rest["is_early"].sum()), int(is_late.sum()))
        rows = rest.drop("is_early", "is_late")
    return _spread(source, rows, name, bars)


def flags(values: Any, name: str, bars: Bars) -> Flags:
    """Return an array of the right shape unchanged. Of a long frame, return where column *name* is true."""
    if isinstance(values, np.ndarray):
        return _require_shape(values, bars)
    source = _opened(values, name)
    is_set: Flags = _spread(source, within(source, bars), name, bars) == 1
    return is_set


def within(source: NamedFrame, bars: Bars) -> pl.DataFrame:
    """Return the rows of a frame. Raise its error if one is before the first bar or after the last."""
    rows = _read(source, bars)
    is_early, is_late = _outside(rows, bars)
    if np.any(is_early | is_late):
        outside = rows.filter(pl.Series(is_early | is_late)).with_columns(
            pl.col("timestamp").cast(pl.Datetime("ns"))
        )
        raise source.error(
            f"{source.name}: rows outside the bars, which begin at {_day(bars, 0)} and end at"
            f" {_day(bars, -1)}: {outside.height} of {rows.height}; leave them out, first\n"
            f"{first_rows(outside)}"
        )
    return rows


def places(rows: pl.DataFrame, bars: Bars) -> tuple[Int64s, Int64s]:
    """Return the number of the bar of each row, and the column of its instrument."""
    place = np.searchsorted(bars.timestamp, rows["timestamp"].to_numpy()).astype(np.int64)
    column = rows["symbol"].cast(pl.Enum(bars.symbols)).to_physical()
    return place, column.to_numpy().astype(np.int64)


def numbers(rows: pl.DataFrame, name: str) -> Floats:
    """Return a column as float64, NaN for missing values."""
    try:
        values: Floats = rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    except pl.exceptions.PolarsError as error:
        raise MalformedOrder(f"{name} is not a number: {str(error).splitlines()[0]}") from None
    return values


def _opened(values: Any, name: str) -> NamedFrame:
    source = lazy(values, name, {}, MalformedOrder)
    require_columns(source, ("timestamp", "symbol", name))
    return source


def _read(source: NamedFrame, bars: Bars) -> pl.DataFrame:
    """Return the rows of a frame, times in nanoseconds. Raise its error if the bars lack a symbol."""
    if zone(source) != bars.zone:
        raise source.error(f"{source.name}: its times are in another zone than those of the bars")
    rows = source.collect(in_nanoseconds(source.frame))
    codes = rows["symbol"].cast(pl.Enum(bars.symbols), strict=False)
    if codes.null_count():
        bad = rows.filter(codes.is_null()).head(5)
        raise source.error(f"{source.name}: symbols that the bars do not have:\n{bad}")
    if rows["timestamp"].null_count():
        raise source.error(f"{source.name}: a timestamp is missing")
    return rows


def _outside(rows: pl.DataFrame, bars: Bars) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows are before the date of the first bar, and which are after the last bar."""
    timestamp = rows["timestamp"].to_numpy()
    is_early = wall_clock(timestamp, bars.zone) // DAY < bars.date[0]
    return is_early, timestamp > bars.timestamp[-1]


def _spread(source: NamedFrame, rows: pl.DataFrame, name: str, bars: Bars) -> Floats:
    """Spread rows over float64[bars, instruments], NaN for no row."""
    place, column = places(rows, bars)
    cells = place * len(bars.symbols) + column
    order = np.argsort(cells, kind="stable")
    same = np.flatnonzero(np.diff(cells[order]) == 0)
    if same.size:
        pair = rows[order[same[0] : same[0] + 2]].with_columns(pl.col("timestamp").cast(pl.Datetime("ns")))
        when = _day(bars, int(place[order[same[0]]]))
        raise source.error(
            f"{source.name}: two rows for one symbol at one bar, {when}; keep one, first\n{first_rows(pair)}"
        )
    dense = np.full((len(bars), len(bars.symbols)), np.nan)
    dense[place, column] = numbers(rows, name)
    return dense


def _require_shape(array: NDArray[Any], bars: Bars) -> NDArray[Any]:
    """Return *array*. Raise `ExecutionError` unless it has a value for each bar and instrument."""
    if array.shape != (len(bars), len(bars.symbols)):
        raise ExecutionError(
            f"the array is {array.shape}, not {len(bars)} bars of {len(bars.symbols)} instruments"
        )
    return array


def _warn(name: str, bars: Bars, early: int, standing: int, late: int) -> None:
    """Warn of the rows of targets that were outside the bars. Of the *early* ones some are *standing*."""
    texts = []
    if early:
        texts.append(
            f"{early} before the first bar, {_day(bars, 0)}, where the newest of each symbol counts"
            f" ({standing}; {early - standing} are not used)"
        )
    if late:
        texts.append(f"{late} after the last bar, {_day(bars, -1)}, which are not used")
    warnings.warn(f"{name}: rows outside the bars: {', and '.join(texts)}", TieoutWarning, stacklevel=4)


def _day(bars: Bars, number: int) -> str:
    return str(np.datetime_as_string(bars.timestamp[number].view("M8[ns]"), "s")).removesuffix("T00:00:00")

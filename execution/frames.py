"""Frames at the door: read from whatever holds them, checked, and repaired on request.

A long frame has one row a bar: ``timestamp, symbol, open, high, low, close, volume``. `timestamp` is the end
of the bar; a daily bar carries its session date. Without a zone, times are UTC.
"""

import difflib
from pathlib import Path
from typing import Any

import polars as pl
from attrs import define, field, frozen

from execution.errors import BadBars, ExecutionError

PRICES = ("open", "high", "low", "close")
FIELDS = (*PRICES, "volume")
SHOWN = 5

_SUFFIXES = (".parquet", ".csv")


@frozen
class Named:
    """A frame with the words that errors call it by. *is_lazy* if it may be larger than memory."""

    frame: pl.LazyFrame
    name: str
    is_lazy: bool


@define
class Repairs:
    """What repairing did to bars: the rule, how many rows, and the first of them."""

    done: list[tuple[str, int, pl.DataFrame]] = field(factory=list)

    def note(self, what: str, rows: pl.DataFrame) -> None:
        """Add what was done to *rows*."""
        if rows.height:
            self.done.append((what, rows.height, rows.head(SHOWN)))

    def __str__(self) -> str:
        return "\n".join(f"{what}: {count} rows, first\n{_shown(rows)}" for what, count, rows in self.done)


def lazy(given: Any, what: str, columns: dict[str, str]) -> Named:
    """*given* as a lazy frame, its columns renamed: *columns* maps a name expected to the one there is.

    Raises `ExecutionError` where it is none of the things that hold frames, or a file is not there.
    """
    if isinstance(given, str | Path):
        path = Path(given)
        if path.suffix.lower() not in _SUFFIXES:
            raise ExecutionError(f"{what}: {path} is neither .parquet nor .csv")
        if not path.exists():
            raise ExecutionError(f"{what}: there is no file {path}")
        frame, name, is_lazy = _scan(path), str(path), True
    elif isinstance(given, pl.LazyFrame):
        frame, name, is_lazy = given, what, True
    elif isinstance(given, pl.DataFrame):
        frame, name, is_lazy = given.lazy(), what, False
    else:
        frame, name, is_lazy = _foreign(given, what), what, False
    there = frame.collect_schema().names()
    for column in columns.values():
        if column not in there:
            raise BadBars(f"{name}: there is no column {column!r}{_nearest(column, there)}")
    return Named(frame.rename({old: new for new, old in columns.items()}), name, is_lazy)


def _scan(path: Path) -> pl.LazyFrame:
    if path.suffix.lower() == ".csv":
        return pl.scan_csv(path, try_parse_dates=True)
    return pl.scan_parquet(path)


def _foreign(given: Any, what: str) -> pl.LazyFrame:
    """A pandas or Arrow frame."""
    try:
        if hasattr(given, "to_pandas") or hasattr(given, "__arrow_c_stream__"):
            frame = pl.DataFrame(given)
        else:
            frame = pl.from_pandas(given)
    except (TypeError, ValueError) as error:
        raise ExecutionError(f"{what}: {type(given).__name__} is not a frame: {error}") from None
    return frame.lazy()


def require_columns(named: Named, wanted: tuple[str, ...]) -> None:
    """Raise `BadBars` where a column is missing, with the nearest that is there."""
    there = named.frame.collect_schema().names()
    for column in wanted:
        if column not in there:
            raise BadBars(f"{named.name}: there is no column {column!r}{_nearest(column, there)}")


def _nearest(column: str, there: list[str]) -> str:
    if near := difflib.get_close_matches(column, there, 1):
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(there)}"


def zone(named: Named) -> str | None:
    """The time zone of a frame's timestamps; None for those without."""
    kind = named.frame.collect_schema()["timestamp"]
    if kind == pl.Date:
        return None
    if not isinstance(kind, pl.Datetime):
        raise BadBars(f"{named.name}: timestamp is {kind}, not a date or a datetime")
    return kind.time_zone


def in_nanoseconds(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The frame with `timestamp` as nanoseconds since 1970 (int64) and `symbol` as text."""
    kind = frame.collect_schema()["timestamp"]
    time = pl.col("timestamp")
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        time = time.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    exprs = [time.cast(pl.Datetime("ns")).to_physical().alias("timestamp")]
    if "symbol" in frame.collect_schema().names():
        exprs.append(pl.col("symbol").cast(pl.String))
    return frame.with_columns(exprs)


def bars(named: Named, *, repair: Repairs | None) -> pl.DataFrame:
    """The rows of *named*, collected and checked; in order of time and symbol, in nanoseconds.

    Raises `BadBars` with the first rows that break a rule; with *repair*, what can be dropped or widened is,
    and noted there.
    """
    has_volume = "volume" in named.frame.collect_schema().names()
    columns = ["timestamp", "symbol", *(FIELDS if has_volume else PRICES)]
    frame = in_nanoseconds(named.frame).select(columns).with_row_index("row").collect()
    try:
        frame = frame.with_columns(pl.col(c).cast(pl.Float64) for c in columns[2:])
    except pl.exceptions.InvalidOperationError as error:
        raise BadBars(f"{named.name}: a price or volume is not a number: {error}") from None
    frame = _without_faulty(frame, named.name, repair, has_volume=has_volume)
    frame = _in_order(frame, named.name, repair)
    frame = _once_each(frame, named.name, repair)
    frame = _within_range(frame, named.name, repair)
    if not has_volume:
        frame = frame.with_columns(volume=pl.lit(float("nan")))
    return frame.drop("row").select("timestamp", "symbol", *FIELDS)


def _without_faulty(
    frame: pl.DataFrame, name: str, repair: Repairs | None, *, has_volume: bool
) -> pl.DataFrame:
    """Drop, or refuse, rows that are no bars."""
    known = pl.col("timestamp").is_not_null() & pl.col("symbol").is_not_null()
    priced = pl.all_horizontal(pl.col(p).is_not_null() & pl.col(p).is_finite() for p in PRICES)
    positive = pl.all_horizontal(pl.col(p) > 0 for p in PRICES)
    rules = [
        ("no timestamp or symbol", known),
        ("a price is missing", priced),
        ("a price is not above zero", positive),
    ]
    if has_volume:
        volume = pl.col("volume")
        rules.append(
            ("volume is missing or below zero", volume.is_not_null() & volume.is_finite() & (volume >= 0))
        )
    for what, is_good in rules:
        bad = frame.filter(~is_good)
        if bad.height:
            _refuse(name, what, bad, "drop these bars", repair)
            frame = frame.filter(is_good)
    return frame


def _in_order(frame: pl.DataFrame, name: str, repair: Repairs | None) -> pl.DataFrame:
    """Sorted by time; refused where the time of an instrument goes back."""
    back = frame.filter(pl.col("timestamp") < pl.col("timestamp").shift(1).over("symbol"))
    if back.height:
        _refuse(name, "time goes back", back, "sort the bars", repair)
    time, symbol = pl.col("timestamp"), pl.col("symbol")
    follows = (time > time.shift(1)) | ((time == time.shift(1)) & (symbol >= symbol.shift(1)))
    if frame.select(follows.all()).item():
        return frame
    return frame.sort("timestamp", "symbol", maintain_order=True)


def _once_each(frame: pl.DataFrame, name: str, repair: Repairs | None) -> pl.DataFrame:
    same = (pl.col("timestamp") == pl.col("timestamp").shift(1)) & (
        pl.col("symbol") == pl.col("symbol").shift(1)
    )
    again = frame.filter(same)
    if again.height:
        _refuse(name, "a second bar of one symbol at one time", again, "keep the first of each", repair)
        return frame.filter(~same.fill_null(value=False))
    return frame


def _within_range(frame: pl.DataFrame, name: str, repair: Repairs | None) -> pl.DataFrame:
    low, high = pl.min_horizontal(PRICES), pl.max_horizontal(PRICES)
    wide = (pl.col("low") <= low) & (pl.col("high") >= high)
    narrow = frame.filter(~wide)
    if narrow.height:
        _refuse(
            name, "the range does not hold open and close", narrow, "widen the range to hold them", repair
        )
        return frame.with_columns(low=low, high=high)
    return frame


def _refuse(name: str, what: str, rows: pl.DataFrame, remedy: str, repair: Repairs | None) -> None:
    """Raise what is wrong with *rows*; with *repair*, note it."""
    rows = rows.with_columns(pl.col("timestamp").cast(pl.Datetime("ns")))
    if repair is None:
        raise BadBars(
            f"{name}: {what} in {rows.height} rows, the first of them:\n{_shown(rows.head(SHOWN))}\n"
            f"Mend them, or ask for repair, which would {remedy}."
        )
    repair.note(f"{what}; {remedy}", rows)


def _shown(rows: pl.DataFrame) -> str:
    with pl.Config(
        tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_cols=-1, tbl_width_chars=200
    ):
        return str(rows)

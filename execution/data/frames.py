"""Frames at the door: read from whatever holds them, checked, and repaired on request.

A long frame has one row a bar: ``timestamp, symbol, open, high, low, close, volume``. `timestamp` is the end
of the bar; a daily bar carries its session date. Without a zone, times are UTC.

Rows may come in any order in which the time of no symbol goes back. Bars are therefore looked through once
in the order that they have, batch by batch, before anything else is done with them: in windows of time, that
order cannot be seen any more.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from attrs import define, field, frozen

from tieout.execution.errors import ExecutionError
from tieout.execution.kernels.state import Int64s
from tieout.ledger.errors import nearest
from tieout.ledger.moment import DAY

KEYS = ("timestamp", "symbol")
PRICES = ("open", "high", "low", "close")
FIELDS = (*PRICES, "volume")
SHOWN = 5

BATCH = 250_000
"""Rows of a lazy frame that are looked through at a time."""

_SUFFIXES = (".parquet", ".csv")
_UNITS = {"ms": 1_000_000, "us": 1_000, "ns": 1}


@frozen
class Named:
    """A frame with the words that errors call it by, and their class. *is_lazy* if it may exceed memory."""

    frame: pl.LazyFrame
    name: str
    is_lazy: bool
    error: type[ExecutionError] = ExecutionError

    def collect(self, query: pl.LazyFrame | None = None) -> pl.DataFrame:
        """The rows of *query*, which is made from the frame; else all of its rows."""
        with _reading(self.name, self.error):
            return (self.frame if query is None else query).collect()


class Fault(NamedTuple):
    """What can be wrong with bars, and what repairing does about it."""

    what: str
    remedy: str


@define
class Repairs:
    """What repairing did to bars: the fault, how many rows had it, and the first of them."""

    found: dict[Fault, tuple[int, pl.DataFrame]] = field(factory=dict)

    def note(self, fault: Fault, rows: pl.DataFrame) -> None:
        """Add *rows* to those with *fault*; of all, the first by their number, `row`, are kept."""
        if rows.height:
            count, first = self.found.get(fault, (0, rows.clear()))
            self.found[fault] = (count + rows.height, pl.concat([first, rows]).sort("row").head(SHOWN))

    @property
    def done(self) -> list[tuple[str, int, pl.DataFrame]]:
        """What was done, in the order of the rules: the fault and its remedy, rows, the first of them."""
        return [(f"{f.what}; {f.remedy}", *self.found[f]) for f in FAULTS if f in self.found]

    def __bool__(self) -> bool:
        return bool(self.found)

    def __str__(self) -> str:
        return "\n".join(f"{what}: {count} rows, first\n{shown(rows)}" for what, count, rows in self.done)


# --- in ----------------------------------------------------------------------------------------------------


def lazy(
    given: Any, what: str, columns: Mapping[str, str], error: type[ExecutionError] = ExecutionError
) -> Named:
    """*given* as a lazy frame, its columns renamed: *columns* maps a name expected to the one there is.

    *given* is a Polars frame, eager or lazy, a pandas or Arrow one, or the path of a Parquet or CSV file. A
    column that *columns* maps to takes the place of one that has the name already.
    Raises *error* where *given* holds no frame, cannot be read, or a column of *columns* is not there.
    """
    name, is_lazy = what, False
    if isinstance(given, str | PathLike):
        path = Path(given)
        name, is_lazy = str(path), True
        if path.suffix.lower() not in _SUFFIXES:
            raise error(f"{what}: {path} is neither .parquet nor .csv; convert it, or give a Polars frame")
        if not path.exists():
            raise error(f"{what}: there is no file {path}")
    with _reading(name, error):
        if is_lazy:
            frame = _scan(path, columns, error)
        elif isinstance(given, pl.LazyFrame):
            frame, is_lazy = given, True
        elif isinstance(given, pl.DataFrame):
            frame = given.lazy()
        else:
            frame = _foreign(given, what, error)
        there = frame.collect_schema().names()
    for column in columns.values():
        if column not in there:
            raise error(f"{name}: there is no column {column!r}{nearest(column, there)}")
    return Named(_renamed(frame, there, columns), name, is_lazy, error)


@contextmanager
def _reading(name: str, error: type[ExecutionError]) -> Iterator[None]:
    """Raise what goes wrong in reading as *error*, in one sentence."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as problem:
        reason = str(problem).strip().partition("\n")[0]
        raise error(f"{name} cannot be read: {reason}") from None


def _scan(path: Path, columns: Mapping[str, str], error: type[ExecutionError]) -> pl.LazyFrame:
    if path.suffix.lower() == ".csv":
        kinds = _csv_kinds(path, columns)
        _require_year_first(path, columns.get("timestamp", "timestamp"), kinds, error)
        return pl.scan_csv(path, try_parse_dates=True, schema_overrides=kinds, glob=False)
    return pl.scan_parquet(path, glob=False)


def _require_year_first(
    path: Path, time: str, kinds: Mapping[str, pl.DataType], error: type[ExecutionError]
) -> None:
    """Raise *error* where times do not begin with the year: Polars reads 03/05 as 3 May, whoever wrote it."""
    if time not in kinds or not kinds[time].is_temporal():
        return
    written = pl.scan_csv(path, infer_schema=False, glob=False).select(time).with_row_index("row", offset=1)
    other = written.filter(~pl.col(time).str.contains(r"^\s*\d{4}\D")).head(SHOWN).collect()
    if other.height:
        raise error(
            f"{path}: {time} does not begin with the year, so that day and month could be either, first\n"
            f"{shown(other)}\nPlease write it as 2024-03-05."
        )


def _csv_kinds(path: Path, columns: Mapping[str, str]) -> dict[str, pl.DataType]:
    """The types of a CSV file's columns, by all of its rows: the first may be empty, or whole by chance."""
    time, symbol = (columns.get(key, key) for key in KEYS)
    kinds: dict[str, pl.DataType] = dict(pl.scan_csv(path, try_parse_dates=True, glob=False).collect_schema())
    written = pl.scan_csv(path, infer_schema=False, glob=False)
    maybe = [name for name, kind in kinds.items() if name not in {time, symbol} and kind != pl.Boolean]
    is_number = [
        (pl.col(n).cast(pl.Float64, strict=False).is_null() == pl.col(n).is_null()).all() for n in maybe
    ]
    numbers = written.select(is_number).collect().row(0) if maybe else ()
    kinds |= {n: pl.Float64() if is_one else pl.String() for n, is_one in zip(maybe, numbers, strict=True)}
    # A symbol is what is written: 000001 is not 1.
    return kinds | ({symbol: pl.String()} if symbol in kinds else {})


def _foreign(given: Any, what: str, error: type[ExecutionError]) -> pl.LazyFrame:
    """A pandas or Arrow frame. The index of a pandas frame counts as columns where it has names."""
    index = getattr(given, "index", None)
    try:
        if hasattr(given, "iloc") and any(name is not None for name in getattr(index, "names", ())):
            return pl.from_pandas(given, include_index=True).lazy()
        if hasattr(given, "iloc") or hasattr(given, "__arrow_c_stream__") or hasattr(given, "to_pandas"):
            return pl.DataFrame(given).lazy()
    except (TypeError, ValueError) as problem:
        reason = str(problem).partition("\n")[0]
        raise error(f"{what}: a {type(given).__name__} that is not a frame of columns: {reason}") from None
    raise error(
        f"{what}: {type(given).__name__} is not a frame; give a Polars, pandas or Arrow one, or the path of a"
        " Parquet or CSV file"
    )


def _renamed(frame: pl.LazyFrame, there: list[str], columns: Mapping[str, str]) -> pl.LazyFrame:
    # One column may stand for several, as a close does where only closes are known; so a field of the bars
    # that is used under another name keeps its own as well.
    used = set(columns.values()) - {*KEYS, *FIELDS}
    kept = [column for column in there if column not in columns and column not in used]
    return frame.select(*kept, *(pl.col(old).alias(name) for name, old in columns.items()))


# --- columns -----------------------------------------------------------------------------------------------


def require_columns(named: Named, wanted: Iterable[str]) -> None:
    """Raise the frame's error where a column is missing, with the nearest that is there."""
    there = named.frame.collect_schema().names()
    for column in wanted:
        if column not in there:
            raise named.error(f"{named.name}: there is no column {column!r}{nearest(column, there)}")


def require_known(columns: Mapping[str, str]) -> None:
    """Raise `ExecutionError` where *columns* names something that bars do not have."""
    for name in columns:
        if name not in (*KEYS, *FIELDS):
            near = nearest(name, [*KEYS, *FIELDS])
            end = "" if near.endswith("?") else "."
            raise ExecutionError(
                f"columns: {name!r} is not a column of bars{near}{end}"
                " To use a column 'date' as the timestamp, say {'timestamp': 'date'}."
            )


def zone(named: Named) -> str | None:
    """The time zone of a frame's timestamps; None for those without."""
    kind = named.frame.collect_schema()["timestamp"]
    if kind == pl.Date:
        return None
    if not isinstance(kind, pl.Datetime):
        remedy = {
            pl.String: "parse it: pl.col('timestamp').str.to_datetime()",
            pl.Int64: "say what it counts: pl.from_epoch('timestamp', 'ns')",
        }.get(kind.base_type(), "convert it")
        _refuse_kind(named, "timestamp", f"is {kind}, not a date or a datetime", remedy)
        return None
    return kind.time_zone


def require_numbers(named: Named, columns: Iterable[str]) -> None:
    """Raise the frame's error where one of *columns* holds no numbers."""
    schema = named.frame.collect_schema()
    for column in columns:
        kind = schema[column]
        if not (kind.is_numeric() or kind == pl.Null):
            remedy = f"convert it: pl.col({column!r}).cast(pl.Float64)"
            _refuse_kind(named, column, f"is {kind}, not a number", remedy)


def require_symbols(named: Named) -> None:
    """Raise the frame's error where `symbol` is neither text nor categories nor whole numbers."""
    kind = named.frame.collect_schema()["symbol"]
    is_text = isinstance(kind, pl.String | pl.Categorical | pl.Enum)
    if not (is_text or kind.is_integer() or kind == pl.Null):
        remedy = "convert it: pl.col('symbol').cast(pl.String)"
        _refuse_kind(named, "symbol", f"is {kind}, not text", remedy)


def _refuse_kind(named: Named, column: str, why: str, remedy: str) -> None:
    """Raise that a column is of the wrong type, with the first rows that cannot be of the right one."""
    rows = named.collect(named.frame.select(column).with_row_index("row").head(SHOWN))
    if rows.is_empty():
        # Nothing is known of the types of a frame without rows.
        return
    text = pl.col(column)
    if column in FIELDS and named.frame.collect_schema()[column] == pl.String:
        numbered = named.frame.select(column).with_row_index("row")
        is_other = text.is_not_null() & text.cast(pl.Float64, strict=False).is_null()
        other = named.collect(numbered.filter(is_other).head(SHOWN))
        rows = rows if other.is_empty() else other
    raise named.error(f"{named.name}: {column} {why}, first\n{shown(rows)}\nPlease {remedy}.")


def in_nanoseconds(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The frame with `timestamp` as nanoseconds since 1970 (int64) and `symbol` as text.

    A timestamp that nanoseconds cannot hold, before 1678 or after 2261, is null.
    """
    schema = frame.collect_schema()
    exprs = [nanoseconds(schema["timestamp"]).alias("timestamp")]
    if "symbol" in schema:
        exprs.append(pl.col("symbol").cast(pl.String))
    return frame.with_columns(exprs)


def nanoseconds(kind: pl.DataType) -> pl.Expr:
    """The column `timestamp`, of *kind*, as nanoseconds since 1970; null where they cannot hold it."""
    time = pl.col("timestamp")
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        time = time.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return time.cast(pl.Datetime("ns"), strict=False).to_physical()


def between(frame: pl.LazyFrame, first: int | None, last: int) -> pl.LazyFrame:
    """The rows with *first* <= timestamp <= *last*, in nanoseconds; all up to *last* without *first*.

    Compared in the unit of the column itself, so that what a Parquet file says of its parts is made use of.
    """
    kind = frame.collect_schema()["timestamp"]
    unit = _UNITS[kind.time_unit] if isinstance(kind, pl.Datetime) else DAY
    frame = frame.filter(pl.col("timestamp") <= pl.lit(last // unit, dtype=kind))
    if first is not None:
        frame = frame.filter(pl.col("timestamp") >= pl.lit(-(-first // unit), dtype=kind))
    return frame


# --- bars --------------------------------------------------------------------------------------------------


_DROP = "drop these bars"
_UNKNOWN = pl.lit(float("nan"))
_EACH = tuple(pl.col(price) for price in PRICES)
_VOLUME = pl.col("volume")
_LOWEST, _HIGHEST = pl.min_horizontal(PRICES), pl.max_horizontal(PRICES)

# Each with what holds for a row that is free of it, given that it is free of those before.
_OF_BARS: tuple[tuple[Fault, pl.Expr], ...] = (
    (
        Fault("a timestamp is missing, or outside the years 1678 to 2261", _DROP),
        pl.col("ns").is_not_null(),
    ),
    (Fault("a symbol is missing", _DROP), pl.col("symbol").is_not_null() & (pl.col("symbol") != "")),
    (
        Fault("a price is missing", _DROP),
        pl.all_horizontal(price.is_not_null() & price.is_not_nan() for price in _EACH),
    ),
    (Fault("a price is infinite", _DROP), pl.all_horizontal(price.is_finite() for price in _EACH)),
    (Fault("a price is not above zero", _DROP), pl.all_horizontal(price > 0 for price in _EACH)),
)
_OF_VOLUMES: tuple[tuple[Fault, pl.Expr], ...] = (
    (Fault("volume is missing", _DROP), _VOLUME.is_not_null() & _VOLUME.is_not_nan()),
    (Fault("volume is infinite", _DROP), _VOLUME.is_finite()),
    (Fault("volume is below zero", _DROP), _VOLUME >= 0),
)
_RANGE = Fault("the range does not hold open and close", "widen the range to hold them")
_HOLDS = (pl.col("low") <= _LOWEST) & (pl.col("high") >= _HIGHEST)
_BACK = Fault("time goes back", "sort the bars")
_AGAIN = Fault("a second bar of one symbol at one time", "keep the first of each")

FAULTS = (*(fault for fault, _ in _OF_BARS + _OF_VOLUMES), _RANGE, _BACK, _AGAIN)
"""All that can be wrong with bars, in the order in which it is looked for."""


def typed(named: Named) -> pl.LazyFrame:
    """`timestamp` as it is, `symbol` as text, the fields as float64, `ns`, and nothing else."""
    schema = named.frame.collect_schema()
    numbers = [pl.col(name).cast(pl.Float64) for name in FIELDS if name in schema]
    time = nanoseconds(schema["timestamp"]).alias("ns")
    return named.frame.select("timestamp", pl.col("symbol").cast(pl.String), *numbers, time)


def sound(frame: pl.DataFrame, repairs: Repairs | None = None) -> pl.DataFrame:
    """The rows of a typed frame that are bars; what is left out is noted in *repairs*."""
    rules = _OF_BARS + _OF_VOLUMES if "volume" in frame.columns else _OF_BARS
    for fault, holds in _broken(frame, rules):
        if repairs is not None:
            repairs.note(fault, frame.filter(~holds).drop("ns"))
        frame = frame.filter(holds)
    return frame


def _broken(
    frame: pl.DataFrame, rules: tuple[tuple[Fault, pl.Expr], ...]
) -> tuple[tuple[Fault, pl.Expr], ...]:
    """None of the rules if all hold, which is nearly always so; else all of them."""
    return () if frame.select(pl.all_horizontal(holds for _, holds in rules).all()).item() else rules


def mended(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Sound rows in order of time and symbol, once each, their ranges wide; and those that came again."""
    if not rows.select(_HOLDS.all()).item():
        rows = rows.with_columns(low=_LOWEST, high=_HIGHEST)
    time, symbol = pl.col("ns"), pl.col("symbol")
    is_same = (time == time.shift(1)) & (symbol == symbol.shift(1))
    follows = (time > time.shift(1)) | ((time == time.shift(1)) & (symbol > symbol.shift(1)))
    if rows.select(follows.all()).item():
        return rows, rows.clear()
    rows = rows.sort("ns", "symbol", maintain_order=True)
    again = rows.select(is_same.fill_null(value=False)).to_series()
    return rows.filter(~again), rows.filter(again)


class Inspected(NamedTuple):
    """What a pass over bars found: their times, symbols, and each symbol's last time, in nanoseconds.

    *rows* are the sound ones in the order of the frame; None where they are more than were to be kept.
    """

    timestamp: Int64s
    symbols: tuple[str, ...]
    last: Int64s
    repairs: Repairs
    rows: pl.DataFrame | None

    @property
    def goes_back(self) -> bool:
        """Whether the time of a symbol goes back: two bars of one time may then be far apart."""
        return _BACK in self.repairs.found


def inspected(named: Named, most: int) -> Inspected:
    """Look through bars in the order that they have, keeping the rows if they are at most *most*.

    Raises the frame's error where it has no rows, or none that is a bar.
    """
    repairs = Repairs()
    kept: list[pl.DataFrame] | None = []
    ends = pl.DataFrame(schema={"ns": pl.Int64, "symbol": pl.String, "last": pl.Int64})
    times = _Times()
    seen = count = 0
    for batch in _batches(named):
        rows = sound(batch.with_row_index("row", offset=seen), repairs)
        seen += batch.height
        count += rows.height
        repairs.note(_RANGE, rows.filter(~_HOLDS).drop("ns"))
        ends = _ends(ends, rows, repairs)
        times.add(rows["ns"])
        if kept is not None:
            kept.append(rows)
        if named.is_lazy and count > most:
            kept = None
    if not seen:
        raise named.error(f"{named.name}: there is no row in it")
    ends = ends.sort("symbol")
    whole = pl.concat(kept) if kept else None
    return Inspected(times.sorted(), tuple(ends["symbol"]), ends["last"].to_numpy(), repairs, whole)


def _batches(named: Named) -> Iterator[pl.DataFrame]:
    frame = typed(named)
    if not named.is_lazy:
        yield named.collect(frame)
        return
    with _reading(named.name, named.error):
        yield from frame.collect_batches(chunk_size=BATCH, maintain_order=True)


def _ends(ends: pl.DataFrame, rows: pl.DataFrame, repairs: Repairs) -> pl.DataFrame:
    """For each symbol the time of its newest row, `ns`, and its last time.

    Notes rows of *rows* that are not after the row of their symbol before them, which may be in *ends*.
    """
    keys = pl.concat([ends.select("ns", "symbol"), rows.select("ns", "symbol")])
    before = keys.select(pl.col("ns").shift(1).over("symbol")).to_series()[ends.height :]
    if not (rows["ns"] > before).all():
        repairs.note(_BACK, rows.filter(rows["ns"] < before).drop("ns"))
        repairs.note(_AGAIN, rows.filter(rows["ns"] == before).drop("ns"))
    tail = rows.select("ns", "symbol", last="ns")
    newest = pl.col("ns").last(), pl.col("last").max()
    return pl.concat([ends, tail]).group_by("symbol", maintain_order=True).agg(newest).select(ends.columns)


class _Times:
    """Collects times, each once."""

    def __init__(self) -> None:
        self._all = np.zeros(0, np.int64)
        self._fresh: list[Int64s] = []

    def add(self, times: pl.Series) -> None:
        self._fresh.append(times.unique().to_numpy())
        # Joined only once they are many, so that each is sorted a few times and not for every batch.
        if sum(map(len, self._fresh)) > max(BATCH, len(self._all)):
            self.sorted()

    def sorted(self) -> Int64s:
        self._all = np.unique(np.concatenate([self._all, *self._fresh]))
        self._fresh = []
        return self._all


def found_again(repairs: Repairs, windows: Iterable[pl.DataFrame]) -> None:
    """Note all second bars anew, from those of each window."""
    repairs.found.pop(_AGAIN, None)
    for again in windows:
        repairs.note(_AGAIN, again.drop("ns"))


def refuse(named: Named, repairs: Repairs) -> None:
    """Raise the first fault that was found, with its first rows and the remedy; nothing if there is none."""
    for fault in FAULTS:
        if fault in repairs.found:
            count, rows = repairs.found[fault]
            raise named.error(
                f"{named.name}: {fault.what} in {count} row{'s' * (count > 1)}, the first:\n{shown(rows)}\n"
                f"Mend them, or ask for repair, which would {fault.remedy}."
            )


def shown(rows: pl.DataFrame) -> str:
    """Rows as an error shows them: the first few, without types."""
    with pl.Config(
        tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_cols=-1, tbl_width_chars=200
    ):
        return str(rows.head(SHOWN))

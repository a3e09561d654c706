"""Frames of any source: opened lazily, with checks of their columns and types.

A long frame has one row a bar: ``timestamp, symbol, open, high, low, close, volume``. `timestamp` is the end
of the bar. A daily bar carries its session date. Times without a zone are UTC.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl
from attrs import frozen

from tieout.execution.errors import ExecutionError
from tieout.ledger.errors import nearest
from tieout.ledger.moment import DAY
from tieout.ledger.text import line
from tieout.ledger.threads import require_threads

KEYS = ("timestamp", "symbol")
PRICES = ("open", "high", "low", "close")
FIELDS = (*PRICES, "volume")
ERROR_ROWS = 5
"""Rows that an error shows."""

_SUFFIXES = (".parquet", ".csv")
_UNITS = {"ms": 1_000_000, "us": 1_000, "ns": 1}


@frozen
class NamedFrame:
    """A frame with its name in errors, and the class of these. It *is_lazy* if it may exceed memory.

    *suffix* is that of the file that it was read from, empty for a frame in memory.
    """

    frame: pl.LazyFrame
    name: str
    is_lazy: bool
    error: type[ExecutionError] = ExecutionError
    suffix: str = ""

    def collect(self, query: pl.LazyFrame | None = None) -> pl.DataFrame:
        """Return the rows of *query*, which is built on the frame, or by default all rows."""
        with reading(self.name, self.error):
            return (self.frame if query is None else query).collect()


# --- opening -----------------------------------------------------------------------------------------------


def lazy(
    data: Any, name: str, columns: Mapping[str, str], error: type[ExecutionError] = ExecutionError
) -> NamedFrame:
    """Open *data* as a lazy frame with its columns renamed: *columns* maps our names to those of the data.

    *data* is a Polars frame, eager or lazy, a pandas or Arrow frame, or the path of a Parquet or CSV file. A
    renamed column replaces a column that has the name already. Errors call the frame *name*, or its path.
    Raises *error* if *data* is no frame, cannot be read, or lacks a column of *columns*.
    """
    is_lazy, suffix = False, ""
    if isinstance(data, str | PathLike):
        path = Path(data)
        if path.suffix.lower() not in _SUFFIXES:
            raise error(
                f"{name}: {line(path)} is neither .parquet nor .csv; convert it, or give a Polars frame"
            )
        if not path.exists():
            raise error(f"{name}: there is no file {line(path)}")
        name, is_lazy, suffix = line(path), True, path.suffix.lower()
    with reading(name, error):
        if suffix:
            frame = _scan(path, columns, error)
        elif isinstance(data, pl.LazyFrame):
            frame, is_lazy = data, True
        elif isinstance(data, pl.DataFrame):
            frame = data.lazy()
        else:
            frame = _foreign(data, name, error)
        names = frame.collect_schema().names()
    for column in columns.values():
        if column not in names:
            raise error(f"{name}: there is no column {column!r}{nearest(column, names)}")
    return NamedFrame(_rename(frame, names, columns), name, is_lazy, error, suffix)


@contextmanager
def reading(name: str, error: type[ExecutionError]) -> Iterator[None]:
    """Raise every failure to read as *error*, in one sentence."""
    require_threads(name)
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
    """Raise *error* if times do not begin with the year. Polars reads 03/05 as 3 May, which may be wrong."""
    if time not in kinds or not kinds[time].is_temporal():
        return
    texts = pl.scan_csv(path, infer_schema=False, glob=False).select(time).with_row_index("row", offset=1)
    ambiguous = texts.filter(~pl.col(time).str.contains(r"^\s*\d{4}\D")).head(ERROR_ROWS).collect()
    if ambiguous.height:
        raise error(
            f"{line(path)}: {time} does not begin with the year, so that day and month could be either,"
            f" first\n{first_rows(ambiguous)}\nPlease write it as 2024-03-05."
        )


def _csv_kinds(path: Path, columns: Mapping[str, str]) -> dict[str, pl.DataType]:
    """Return the types of the columns of a CSV file by all of its rows. The first may be empty, or whole."""
    time, symbol = (columns.get(key, key) for key in KEYS)
    kinds: dict[str, pl.DataType] = dict(pl.scan_csv(path, try_parse_dates=True, glob=False).collect_schema())
    texts = pl.scan_csv(path, infer_schema=False, glob=False)
    candidates = [name for name, kind in kinds.items() if name not in {time, symbol} and kind != pl.Boolean]
    is_number = [
        (pl.col(n).cast(pl.Float64, strict=False).is_null() == pl.col(n).is_null()).all() for n in candidates
    ]
    numbers = texts.select(is_number).collect().row(0) if candidates else ()
    kinds |= {
        n: pl.Float64() if is_one else pl.String() for n, is_one in zip(candidates, numbers, strict=True)
    }
    # A symbol is text: 000001 is not 1.
    return kinds | ({symbol: pl.String()} if symbol in kinds else {})


def _foreign(data: Any, name: str, error: type[ExecutionError]) -> pl.LazyFrame:
    """Convert a pandas or Arrow frame. The index of a pandas frame becomes columns if it has names."""
    index = getattr(data, "index", None)
    try:
        if hasattr(data, "iloc") and any(level is not None for level in getattr(index, "names", ())):
            return pl.from_pandas(data, include_index=True).lazy()
        if hasattr(data, "iloc") or hasattr(data, "__arrow_c_stream__") or hasattr(data, "to_pandas"):
            return pl.DataFrame(data).lazy()
    except (TypeError, ValueError) as problem:
        reason = str(problem).partition("\n")[0]
        raise error(f"{name}: the {type(data).__name__} is not a frame of columns: {reason}") from None
    raise error(
        f"{name}: {type(data).__name__} is not a frame; give a Polars, pandas or Arrow one, or the path of a"
        " Parquet or CSV file"
    )


def _rename(frame: pl.LazyFrame, names: list[str], columns: Mapping[str, str]) -> pl.LazyFrame:
    # One column may stand for several, such as the close where the data have only closes. So a field of the
    # bars that is used under another name keeps its own name too.
    sources = set(columns.values()) - {*KEYS, *FIELDS}
    others = [column for column in names if column not in columns and column not in sources]
    return frame.select(*others, *(pl.col(old).alias(name) for name, old in columns.items()))


# --- columns -----------------------------------------------------------------------------------------------


def require_columns(source: NamedFrame, columns: Iterable[str]) -> None:
    """Raise the frame's error if it lacks one of *columns*, with the most similar column that it has."""
    names = source.frame.collect_schema().names()
    for column in columns:
        if column not in names:
            raise source.error(f"{source.name}: there is no column {column!r}{nearest(column, names)}")


def zone(source: NamedFrame) -> str | None:
    """Return the time zone of the timestamps, or None if they have no zone."""
    kind = source.frame.collect_schema()["timestamp"]
    if kind == pl.Date:
        return None
    if not isinstance(kind, pl.Datetime):
        remedy = {
            pl.String: "parse it: pl.col('timestamp').str.to_datetime()",
            pl.Int64: "state its unit: pl.from_epoch('timestamp', 'ns')",
        }.get(kind.base_type(), "convert it")
        _refuse_kind(source, "timestamp", f"is {kind}, not a date or a datetime", remedy)
        return None
    return kind.time_zone


def require_numbers(source: NamedFrame, columns: Iterable[str]) -> None:
    """Raise the frame's error if one of *columns* does not hold numbers."""
    schema = source.frame.collect_schema()
    for column in columns:
        kind = schema[column]
        if not (kind.is_numeric() or kind == pl.Null):
            remedy = f"convert it: pl.col({column!r}).cast(pl.Float64)"
            _refuse_kind(source, column, f"is {kind}, not a number", remedy)


def require_symbols(source: NamedFrame) -> None:
    """Raise the frame's error unless `symbol` is text, categories or whole numbers."""
    kind = source.frame.collect_schema()["symbol"]
    is_text = isinstance(kind, pl.String | pl.Categorical | pl.Enum)
    if not (is_text or kind.is_integer() or kind == pl.Null):
        remedy = "convert it: pl.col('symbol').cast(pl.String)"
        _refuse_kind(source, "symbol", f"is {kind}, not text", remedy)


def _refuse_kind(source: NamedFrame, column: str, fault: str, remedy: str) -> None:
    """Raise the frame's error for a column of the wrong type, with the first rows at fault."""
    rows = source.collect(source.frame.select(column).with_row_index("row").head(ERROR_ROWS))
    if rows.is_empty():
        return  # a frame without rows says nothing of its types
    text = pl.col(column)
    if column in FIELDS and source.frame.collect_schema()[column] == pl.String:
        numbered = source.frame.select(column).with_row_index("row")
        is_other = text.is_not_null() & text.cast(pl.Float64, strict=False).is_null()
        other = source.collect(numbered.filter(is_other).head(ERROR_ROWS))
        rows = rows if other.is_empty() else other
        if source.suffix:
            row, value = rows.row(0)
            remedy = "write a number there" if source.suffix == ".csv" else "store the column as numbers"
            raise source.error(f"{source.name}, row {row + 1}: {column} is text, {value!r}; {remedy}")
    raise source.error(f"{source.name}: {column} {fault}, first\n{first_rows(rows)}\nPlease {remedy}.")


def in_nanoseconds(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Convert `timestamp` to nanoseconds since 1970 (int64), and `symbol` to text.

    A timestamp that nanoseconds cannot hold, before 1678 or after 2261, becomes null.
    """
    schema = frame.collect_schema()
    exprs = [nanoseconds(schema["timestamp"]).alias("timestamp")]
    if "symbol" in schema:
        exprs.append(pl.col("symbol").cast(pl.String))
    return frame.with_columns(exprs)


def nanoseconds(kind: pl.DataType) -> pl.Expr:
    """Convert the column `timestamp`, of *kind*, to nanoseconds since 1970, or null outside their range."""
    time = pl.col("timestamp")
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        time = time.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return time.cast(pl.Datetime("ns"), strict=False).to_physical()


def between(frame: pl.LazyFrame, first: int | None, last: int) -> pl.LazyFrame:
    """Filter the rows with *first* <= timestamp <= *last*, in nanoseconds. Without *first*, all up to *last*.

    The comparison is in the unit of the column, so that Polars can skip parts of a Parquet file.
    """
    kind = frame.collect_schema()["timestamp"]
    unit = _UNITS[kind.time_unit] if isinstance(kind, pl.Datetime) else DAY
    frame = frame.filter(pl.col("timestamp") <= pl.lit(last // unit, dtype=kind))
    if first is not None:
        frame = frame.filter(pl.col("timestamp") >= pl.lit(-(-first // unit), dtype=kind))
    return frame


def first_rows(rows: pl.DataFrame) -> str:
    """Format rows for an error: the first few, without types, each text on one line."""
    texts = pl.col(pl.String).map_elements(line, return_dtype=pl.String)
    with pl.Config(
        tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_cols=-1, tbl_width_chars=200
    ):
        return str(rows.head(ERROR_ROWS).with_columns(texts))

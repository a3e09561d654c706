"""The rules that bars follow: checked batch by batch, and repaired on request.

Rows may come in any order in which the time of no symbol goes back. Bars are therefore checked once in the
order of their rows, before anything else: in windows of time, that order is lost.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from attrs import define, field, frozen

from tieout.execution.data import frames
from tieout.execution.data.frames import ERROR_ROWS, FIELDS, KEYS, PRICES, NamedFrame, first_rows
from tieout.execution.errors import BadBars, ExecutionError
from tieout.ledger.errors import nearest
from tieout.ledger.numeric import Int64s

BATCH = 250_000
"""Rows of a lazy frame that are checked at a time."""


class Fault(NamedTuple):
    """A fault of a bar, and the repair of it."""

    description: str
    remedy: str


_DROP = "drop these bars"
_EACH = tuple(pl.col(price) for price in PRICES)
_VOLUME = pl.col("volume")
_LOWEST, _HIGHEST = pl.min_horizontal(PRICES), pl.max_horizontal(PRICES)

# Each fault with the condition of a row without it, provided that the row has none of the faults before.
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
_IN_RANGE = (pl.col("low") <= _LOWEST) & (pl.col("high") >= _HIGHEST)
_BACK = Fault("time goes back", "sort the bars")
_DUPLICATE = Fault("a second bar of one symbol at one time", "keep the first of each")

FAULTS = (*(fault for fault, _ in _OF_BARS + _OF_VOLUMES), _RANGE, _BACK, _DUPLICATE)
"""All faults of bars, in the order of the checks."""


@define
class Repairs:
    """The repairs of bars: for each fault the number of rows that had it, and the first of them."""

    by_fault: dict[Fault, tuple[int, pl.DataFrame]] = field(factory=dict)

    def note(self, fault: Fault, rows: pl.DataFrame) -> None:
        """Add *rows* to those with *fault*. The first of all by their number, `row`, are listed."""
        if rows.height:
            count, first = self.by_fault.get(fault, (0, rows.clear()))
            self.by_fault[fault] = (
                count + rows.height,
                pl.concat([first, rows]).sort("row").head(ERROR_ROWS),
            )

    def replace_duplicates(self, batches: Iterable[pl.DataFrame]) -> None:
        """Count the duplicates again, from those of each batch of sorted rows."""
        self.by_fault.pop(_DUPLICATE, None)
        for duplicates in batches:
            self.note(_DUPLICATE, duplicates.drop("ns"))

    @property
    def entries(self) -> list[tuple[str, int, pl.DataFrame]]:
        """The repairs in the order of the rules: fault and remedy, number of rows, the first of them."""
        return [(f"{f.description}; {f.remedy}", *self.by_fault[f]) for f in FAULTS if f in self.by_fault]

    def __bool__(self) -> bool:
        return bool(self.by_fault)

    def __str__(self) -> str:
        return "\n".join(
            f"{text}: {count} rows, first\n{first_rows(rows)}" for text, count, rows in self.entries
        )


@frozen(eq=False)
class CheckedBars:
    """Bars that follow the rules, or do so once repaired.

    *timestamp* are the times in nanoseconds, each once. *last* is the last time of each of *symbols*. *rows*
    are the rows that no fault drops, in the order of the frame, or None if they are to be streamed.
    """

    source: NamedFrame
    zone: str | None
    timestamp: Int64s
    symbols: tuple[str, ...]
    last: Int64s
    rows: pl.DataFrame | None
    repairs: Repairs
    is_repaired: bool

    @property
    def name(self) -> str:
        """The name of the bars in errors."""
        return self.source.name

    @property
    def cells(self) -> int:
        """The number of cells of one panel."""
        return len(self.timestamp) * len(self.symbols)

    def whole(self) -> pl.DataFrame:
        """Return all rows, repaired, in order of time and symbol."""
        assert self.rows is not None, "a frame in memory is kept whole, and a smaller lazy one too"
        rows, duplicates = _mend(self.rows)
        if self._goes_back:
            self.repairs.replace_duplicates([duplicates])
        return rows

    def window(self, a: int, b: int) -> pl.DataFrame:
        """Read the rows from the time number *a* to number *b*, repaired, in order of time and symbol.

        Raises `BadBars` if a row has a fault that it did not have when it was checked.
        """
        batch = self._read(_select_typed(self.source), a, b)
        rows, _ = _mend(_drop_faults(batch))
        if not self.is_repaired and rows.height < batch.height:
            raise BadBars(f"{self.name}: changed while it was read")
        return rows

    def count_duplicates(self, window: int) -> None:
        """Count duplicates in windows of so many times: rows that go back hide some of them."""
        if self.is_repaired and self._goes_back:
            numbered = _select_typed(self.source).with_row_index("row")
            starts = range(0, len(self.timestamp), window)
            batches = (self._read(numbered, a, min(a + window, len(self.timestamp))) for a in starts)
            self.repairs.replace_duplicates(_mend(_drop_faults(batch))[1] for batch in batches)

    @property
    def _goes_back(self) -> bool:
        """True if the time of a symbol goes back. Two bars of one time may then be far apart."""
        return _BACK in self.repairs.by_fault

    def _read(self, frame: pl.LazyFrame, a: int, b: int) -> pl.DataFrame:
        first, last = int(self.timestamp[a]), int(self.timestamp[b - 1])
        return self.source.collect(frames.between(frame, first, last))


def check(data: Any, columns: Mapping[str, str], *, repair: bool, most_rows: int) -> CheckedBars:
    """Check bars in any form that `frames.lazy` opens. A lazy frame keeps at most *most_rows* rows in memory.

    Raises `BadBars` if the data cannot be read, have no rows, or break a rule. With *repair*, only bars that
    are all dropped break the rules.
    """
    _require_names(columns)
    source = frames.lazy(data, "bars", columns, BadBars)
    frames.require_columns(source, (*KEYS, *PRICES))
    zone = frames.zone(source)
    frames.require_symbols(source)
    frames.require_numbers(source, (c for c in FIELDS if c in source.frame.collect_schema()))
    checked = _inspect(source, zone, most_rows, repair=repair)
    if not repair:
        _refuse(source, checked.repairs)
    if not len(checked.timestamp):
        raise BadBars(f"{source.name}: not one of its rows is a bar:\n{checked.repairs}")
    return checked


def _require_names(columns: Mapping[str, str]) -> None:
    """Raise `ExecutionError` if *columns* maps a name that is no column of bars."""
    for name in columns:
        if name not in (*KEYS, *FIELDS):
            near = nearest(name, [*KEYS, *FIELDS])
            raise ExecutionError(
                f"columns: {name!r} is not a column of bars{near}."
                " To use a column 'date' as the timestamp, say {'timestamp': 'date'}."
            )


def _select_typed(source: NamedFrame) -> pl.LazyFrame:
    """Select `timestamp` unchanged, `symbol` as text, the fields as float64, and nanoseconds, `ns`."""
    schema = source.frame.collect_schema()
    numbers = [pl.col(name).cast(pl.Float64) for name in FIELDS if name in schema]
    time = frames.nanoseconds(schema["timestamp"]).alias("ns")
    return source.frame.select("timestamp", pl.col("symbol").cast(pl.String), *numbers, time)


def _drop_faults(frame: pl.DataFrame, repairs: Repairs | None = None) -> pl.DataFrame:
    """Drop the rows of a typed frame that are no bars, and note them in *repairs*."""
    rules = _OF_BARS + _OF_VOLUMES if "volume" in frame.columns else _OF_BARS
    if frame.select(pl.all_horizontal(holds for _, holds in rules).all()).item():
        return frame  # the usual case
    for fault, holds in rules:
        if repairs is not None:
            repairs.note(fault, frame.filter(~holds).drop("ns"))
        frame = frame.filter(holds)
    return frame


def _mend(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Sort rows by time and symbol and widen their ranges. Return the rows and, apart, their duplicates."""
    if not rows.select(_IN_RANGE.all()).item():
        rows = rows.with_columns(low=_LOWEST, high=_HIGHEST)
    time, symbol = pl.col("ns"), pl.col("symbol")
    is_same = (time == time.shift(1)) & (symbol == symbol.shift(1))
    follows = (time > time.shift(1)) | ((time == time.shift(1)) & (symbol > symbol.shift(1)))
    if rows.select(follows.all()).item():
        return rows, rows.clear()
    rows = rows.sort("ns", "symbol", maintain_order=True)
    is_duplicate = rows.select(is_same.fill_null(value=False)).to_series()
    return rows.filter(~is_duplicate), rows.filter(is_duplicate)


def _inspect(source: NamedFrame, zone: str | None, most_rows: int, *, repair: bool) -> CheckedBars:
    """Pass over the rows in their own order, and keep them if they are at most *most_rows*.

    Raises the frame's error if it has no rows.
    """
    repairs = Repairs()
    batches: list[pl.DataFrame] | None = []
    ends = pl.DataFrame(schema={"ns": pl.Int64, "symbol": pl.String, "last": pl.Int64})
    times = _Times()
    count = bars = 0
    for batch in _batches(source):
        rows = _drop_faults(batch.with_row_index("row", offset=count), repairs)
        count += batch.height
        bars += rows.height
        repairs.note(_RANGE, rows.filter(~_IN_RANGE).drop("ns"))
        ends = _ends(ends, rows, repairs)
        times.add(rows["ns"])
        if batches is not None:
            batches.append(rows)
        if source.is_lazy and bars > most_rows:
            batches = None
    if not count:
        raise source.error(f"{source.name}: the data have no rows")
    ends = ends.sort("symbol")
    return CheckedBars(
        source,
        zone,
        times.sorted(),
        tuple(ends["symbol"]),
        ends["last"].to_numpy(),
        pl.concat(batches) if batches else None,
        repairs,
        is_repaired=repair,
    )


def _batches(source: NamedFrame) -> Iterator[pl.DataFrame]:
    frame = _select_typed(source)
    if not source.is_lazy:
        yield source.collect(frame)
        return
    with frames.reading(source.name, source.error):
        yield from frame.collect_batches(chunk_size=BATCH, maintain_order=True)


def _ends(ends: pl.DataFrame, rows: pl.DataFrame, repairs: Repairs) -> pl.DataFrame:
    """Return for each symbol the time of its newest row, `ns`, and its last time.

    Notes each of *rows* that is not after the row of its symbol before it, which may be in *ends*.
    """
    keys = pl.concat([ends.select("ns", "symbol"), rows.select("ns", "symbol")])
    before = keys.select(pl.col("ns").shift(1).over("symbol")).to_series()[ends.height :]
    if not (rows["ns"] > before).all():
        repairs.note(_BACK, rows.filter(rows["ns"] < before).drop("ns"))
        repairs.note(_DUPLICATE, rows.filter(rows["ns"] == before).drop("ns"))
    tail = rows.select("ns", "symbol", last="ns")
    newest = pl.col("ns").last(), pl.col("last").max()
    return pl.concat([ends, tail]).group_by("symbol", maintain_order=True).agg(newest).select(ends.columns)


class _Times:
    """A set of times, sorted on demand."""

    def __init__(self) -> None:
        self._sorted = np.zeros(0, np.int64)
        self._fresh: list[Int64s] = []

    def add(self, times: pl.Series) -> None:
        self._fresh.append(times.unique().to_numpy())
        # Merged only once they are many, so that each is sorted a few times and not for every batch.
        if sum(map(len, self._fresh)) > max(BATCH, len(self._sorted)):
            self.sorted()

    def sorted(self) -> Int64s:
        self._sorted = np.unique(np.concatenate([self._sorted, *self._fresh]))
        self._fresh = []
        return self._sorted


def _refuse(source: NamedFrame, repairs: Repairs) -> None:
    """Raise the frame's error for the first fault in *repairs*, with its first rows and the remedy."""
    for fault in FAULTS:
        if fault in repairs.by_fault:
            count, rows = repairs.by_fault[fault]
            raise source.error(
                f"{source.name}: {fault.description} in {count} row{'s' * (count > 1)}, the first:\n"
                f"{first_rows(rows)}\nMend them, or ask for repair, which would {fault.remedy}."
            )

"""Frames at the door: what holds them, what is refused in which words, and what repairing makes of it."""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tieout.execution.data.bars import Bars
from tieout.execution.errors import BadBars, ExecutionError

Change = Callable[[pl.DataFrame], Any]

DAYS = (dt.date(2024, 1, 2), dt.date(2024, 1, 3), dt.date(2024, 1, 4))
#        open  high  low  close volume
QUOTES = {
    "ACME": ((10, 12, 9, 11, 100), (11, 13, 10, 12, 0), (12, 14, 11, 13, 300)),
    "BOLT": ((50, 55, 45, 50, 700), (50, 60, 50, 60, 800), (60, 60, 40, 40, 900)),
}
FIELDS = ("open", "high", "low", "close", "volume")


def long_frame() -> pl.DataFrame:
    """Two instruments on three days, by day."""
    rows = [(day, s, *map(float, QUOTES[s][n])) for n, day in enumerate(DAYS) for s in QUOTES]
    return pl.DataFrame(rows, schema=["timestamp", "symbol", *FIELDS], orient="row")


def quoted(bars: Bars) -> dict[str, list[list[float]]]:
    """Return the fields of each bar, by symbol."""
    (window,) = bars.windows()
    columns = [getattr(window.market, name) for name in FIELDS]
    return {
        symbol: [[float(column[t, n]) for column in columns] for t in range(len(bars))]
        for n, symbol in enumerate(bars.symbols)
    }


WHOLE = {symbol: [list(map(float, row)) for row in rows] for symbol, rows in QUOTES.items()}


def refusal(data: Any, **more: Any) -> str:
    with pytest.raises(ExecutionError) as caught:
        Bars.read(data, **more)
    return str(caught.value)


def cell(row: int, column: str, value: Any) -> Change:
    """The change of one cell."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        values = frame[column].to_list()
        values[row] = value
        return frame.with_columns(pl.Series(column, values, dtype=frame[column].dtype))

    return change


# --- what holds a frame ----------------------------------------------------------------------------------


def kept_as_parquet(frame: pl.DataFrame, folder: Path) -> Path:
    frame.write_parquet(folder / "prices.parquet")
    return folder / "prices.parquet"


def kept_as_csv(frame: pl.DataFrame, folder: Path) -> str:
    frame.write_csv(folder / "prices.csv")
    return str(folder / "prices.csv")


HOLDERS: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
    "eager": lambda frame, _: frame,
    "lazy": lambda frame, _: frame.lazy(),
    "parquet": kept_as_parquet,
    "csv": kept_as_csv,
    "arrow table": lambda frame, _: frame.to_arrow(),
    "arrow batch": lambda frame, _: frame.to_arrow().combine_chunks().to_batches()[0],
    "arrow reader": lambda frame, _: frame.to_arrow().to_reader(),
    "pandas": lambda frame, _: frame.to_pandas(),
    "pandas indexed by day and symbol": lambda frame, _: frame.to_pandas().set_index(["timestamp", "symbol"]),
    "pandas indexed by nothing that has a name": lambda frame, _: frame.to_pandas().iloc[[0, 1, 2, 3, 4, 5]],
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_bars_are_the_same_from_every_holder(holder: str, tmp_path: Path) -> None:
    bars = Bars.read(HOLDERS[holder](long_frame(), tmp_path))

    assert WHOLE == quoted(bars)
    assert Bars.read(long_frame()).fingerprints() == bars.fingerprints()


def test_a_frame_without_volume_has_none_that_is_known() -> None:
    bars = Bars.read(long_frame().drop("volume"))

    assert [[str(row[4]) for row in rows] for rows in quoted(bars).values()] == [["nan"] * 3] * 2


SYMBOLS: dict[str, pl.Expr] = {
    "categories": pl.col("symbol").cast(pl.Categorical),
    "an enum in another order": pl.col("symbol").cast(pl.Enum(["ZERO", "BOLT", "ACME"])),
}
NUMBERS = [pl.Float32, pl.Int64, pl.UInt16, pl.Decimal(12, 4), pl.Int128]


@pytest.mark.parametrize("kind", SYMBOLS)
def test_symbols_may_be_categories(kind: str) -> None:
    assert WHOLE == quoted(Bars.read(long_frame().with_columns(SYMBOLS[kind])))


def test_symbols_may_be_whole_numbers_and_are_ordered_as_text() -> None:
    numbers = pl.col("symbol").replace_strict({"ACME": 700, "BOLT": 1000}, return_dtype=pl.Int32)
    bars = Bars.read(long_frame().with_columns(numbers))

    assert ("1000", "700") == bars.symbols
    assert WHOLE["BOLT"] == quoted(bars)["1000"]


@pytest.mark.parametrize("kind", NUMBERS, ids=str)
def test_prices_may_be_any_numbers(kind: Any) -> None:
    assert WHOLE == quoted(Bars.read(long_frame().with_columns(pl.col(FIELDS).cast(kind))))


def test_a_decimal_is_the_nearest_price() -> None:
    frame = long_frame()[:1].with_columns(close=pl.lit(Decimal("10.1")))

    assert 10.1 == quoted(Bars.read(frame))["ACME"][0][3]


TIMES: dict[str, Any] = {
    "dates": pl.Date,
    "milliseconds": pl.Datetime("ms"),
    "microseconds": pl.Datetime("us"),
    "nanoseconds": pl.Datetime("ns"),
}


@pytest.mark.parametrize("kind", TIMES)
def test_times_are_of_any_unit(kind: str) -> None:
    bars = Bars.read(long_frame().with_columns(pl.col("timestamp").cast(TIMES[kind])))

    assert Bars.read(long_frame()).fingerprints() == bars.fingerprints()
    assert bars.zone is None


def test_a_zone_says_what_day_it_is() -> None:
    late = [dt.datetime(2024, 1, day, 23, 30, tzinfo=dt.UTC) for day in (2, 3, 4)]
    times = pl.Series("timestamp", [t for t in late for _ in QUOTES], dtype=pl.Datetime("us", "UTC"))
    utc = Bars.read(long_frame().with_columns(times))
    tokyo = Bars.read(long_frame().with_columns(times.dt.convert_time_zone("Asia/Tokyo")))

    assert ("UTC", "Asia/Tokyo") == (utc.zone, tokyo.zone)
    assert utc.timestamp.tolist() == tokyo.timestamp.tolist()
    assert (utc.date + 1).tolist() == tokyo.date.tolist()
    assert utc.fingerprints()["keys"] == tokyo.fingerprints()["keys"]


def test_an_offset_of_arrow_is_a_zone() -> None:
    frame = long_frame().with_columns(pl.col("timestamp").cast(pl.Datetime("us")))
    table = frame.to_arrow()
    times = table["timestamp"].cast(pa.timestamp("us", "+02:00"))
    bars = Bars.read(table.set_column(0, "timestamp", times))

    assert Bars.read(frame).timestamp.tolist() == bars.timestamp.tolist()


def test_a_csv_file_is_typed_by_all_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    minutes = [f"2024-01-02T{n // 60:02}:{n % 60:02}:00Z" for n in range(1_200)]
    rows = [f"{minute},000001,10,12,9,{'11' if n < 1_100 else '11.5'}," for n, minute in enumerate(minutes)]
    path.write_text("timestamp,symbol,open,high,low,close,note\n" + "\n".join(rows))
    bars = Bars.read(path)

    assert ("000001",) == bars.symbols
    assert "UTC" == bars.zone
    assert [11.0, 11.5] == [row[3] for row in quoted(bars)["000001"]][1_099:1_101]


# --- columns that are called otherwise ---------------------------------------------------------------------


def test_columns_are_named_as_they_are() -> None:
    frame = long_frame().rename({"timestamp": "date", "symbol": "ticker", "close": "Close"})
    bars = Bars.read(frame, columns={"timestamp": "date", "symbol": "ticker", "close": "Close"})

    assert WHOLE == quoted(bars)


def test_a_column_that_is_named_takes_the_place_of_one_that_has_the_name() -> None:
    frame = long_frame().with_columns(adj_close=pl.col("close") * 0.0 + 50.0)

    assert 50.0 == quoted(Bars.read(frame[1:2], columns={"close": "adj_close"}))["BOLT"][0][3]


def test_one_column_may_stand_for_several() -> None:
    frame = long_frame().select("timestamp", "symbol", "close")
    bars = Bars.read(frame, columns=dict.fromkeys(("open", "high", "low"), "close"))

    assert [11.0] * 4 == quoted(bars)["ACME"][0][:4]


def test_two_columns_may_change_places() -> None:
    frame = long_frame().rename({"open": "close", "close": "open"})

    assert WHOLE == quoted(Bars.read(frame, columns={"open": "close", "close": "open"}))


SAY = "To use a column 'date' as the timestamp, say {'timestamp': 'date'}."
COLUMNS: list[tuple[dict[str, str], dict[str, str], str]] = [
    ({"close": "last"}, {}, "bars: there is no column 'close'; there are ..."),
    ({"close": "CLOSE"}, {}, "bars: there is no column 'close' (did you mean 'CLOSE'?)"),
    ({"symbol": "Symbols"}, {}, "bars: there is no column 'symbol' (did you mean 'Symbols'?)"),
    ({"timestamp": "date"}, {}, "bars: there is no column 'timestamp'; there are ..."),
    ({}, {"close": "closing"}, "bars: there is no column 'closing' (did you mean 'close'?)"),
    (
        {"timestamp": "date"},
        {"date": "timestamp"},
        f"columns: 'date' is not a column of bars; there are timestamp, symbol, {', '.join(FIELDS)}. {SAY}",
    ),
    ({}, {"opening": "x"}, f"columns: 'opening' is not a column of bars (did you mean 'open'?). {SAY}"),
]


@pytest.mark.parametrize(("names", "columns", "message"), COLUMNS)
def test_a_column_that_is_not_there_is_refused_with_the_nearest(
    names: dict[str, str], columns: dict[str, str], message: str
) -> None:
    text = refusal(long_frame().rename(names), columns=columns)

    assert message == re.sub(r"there are [\w, ]*$", "there are ...", text)


# --- what cannot be read -----------------------------------------------------------------------------------


UNREADABLE = {
    "none.parquet": "bars: there is no file PATH",
    "prices.xlsx": "bars: PATH is neither .parquet nor .csv; convert it, or give a Polars frame",
    "text.parquet": "PATH cannot be read: parquet: File out of specification",
    "cut.parquet": "PATH cannot be read: parquet: File out of specification",
    "empty.csv": "PATH cannot be read: empty CSV",
    "ragged.csv": "PATH cannot be read: ",
    "rowless.csv": "PATH: the data have no rows",
    "word.csv": "PATH, row 2: close is text, 'n/a'; write a number there",
    "word.parquet": "PATH, row 4: close is text, 'none'; store the column as numbers",
    "moment.csv": "PATH: timestamp is String, not a date or a datetime, first",
    "either.csv": "PATH: timestamp does not begin with the year, so that day and month could be either",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    whole = kept_as_parquet(long_frame(), tmp_path).read_bytes()
    head = "timestamp,symbol,open,high,low,close\n"
    (tmp_path / "prices.xlsx").touch()
    (tmp_path / "text.parquet").write_text("these are no bars")
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.csv").touch()
    (tmp_path / "ragged.csv").write_text(f"{head}2024-01-02,A,1,2,1,2,3,4,5\n")
    (tmp_path / "rowless.csv").write_text(head)
    (tmp_path / "word.csv").write_text(f"{head}2024-01-02,A,1,2,1,2\n2024-01-03,A,1,2,1,n/a\n")
    words = pl.Series("close", ["1", "2", "3", "none", "5", "6"])
    long_frame().with_columns(words).write_parquet(tmp_path / "word.parquet")
    (tmp_path / "moment.csv").write_text(f"{head}yesterday,A,1,2,1,2\n")
    (tmp_path / "either.csv").write_text(f"{head}03/05/2024,A,1,2,1,2\n")
    return tmp_path


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_refused_by_name(name: str, folder: Path) -> None:
    message = refusal(folder / name).replace(str(folder / name), "PATH")

    assert message.startswith(UNREADABLE[name])


def test_what_holds_no_frame_is_refused() -> None:
    remedy = "is not a frame; give a Polars, pandas or Arrow one, or the path of a Parquet or CSV file"
    mixed = pd.DataFrame({"timestamp": [1, "x"]})

    assert [f"bars: {kind} {remedy}" for kind in ("int", "NoneType", "list", "dict")] == [
        refusal(data) for data in (3, None, [long_frame()], {"open": [1.0]})
    ]
    assert refusal(mixed).startswith("bars: the DataFrame is not a frame of columns: ")


def test_a_lazy_frame_that_fails_is_refused() -> None:
    missing = pl.scan_parquet("nowhere.parquet")
    failing = long_frame().lazy().with_columns(pl.col("symbol").cast(pl.Int64).cast(pl.String))

    assert refusal(missing).startswith("bars cannot be read: No such file or directory")
    assert refusal(failing).startswith("bars cannot be read: conversion from `str` to `i64` failed")


KINDS: list[tuple[Any, str, str]] = [
    (
        pl.col("timestamp").cast(pl.String),
        "timestamp is String, not a date or a datetime, first",
        "Please parse it: pl.col('timestamp').str.to_datetime().",
    ),
    (
        pl.col("timestamp").to_physical().cast(pl.Int64),
        "timestamp is Int64, not a date or a datetime, first",
        "Please state its unit: pl.from_epoch('timestamp', 'ns').",
    ),
    (
        pl.lit(None).alias("timestamp"),
        "timestamp is Null, not a date or a datetime, first",
        "Please convert it.",
    ),
    (
        pl.lit(1.5).alias("symbol"),
        "symbol is Float64, not text, first",
        "Please convert it: pl.col('symbol').cast(pl.String).",
    ),
    (
        pl.Series("close", ["1", "2", "3", "none", "5", "6"]),
        "close is String, not a number, first",
        "Please convert it: pl.col('close').cast(pl.Float64).",
    ),
    (
        pl.lit(value=True).alias("volume"),
        "volume is Boolean, not a number, first",
        "Please convert it: pl.col('volume').cast(pl.Float64).",
    ),
]


@pytest.mark.parametrize(("column", "why", "remedy"), KINDS)
def test_a_column_of_another_type_is_refused_with_a_remedy(column: Any, why: str, remedy: str) -> None:
    message = refusal(long_frame().with_columns(column), repair=True)

    assert f"bars: {why}" == message.partition("\n")[0]
    assert remedy == message.rpartition("\n")[2]


def test_of_a_column_of_text_the_rows_that_are_no_numbers_are_shown() -> None:
    message = refusal(long_frame().with_columns(pl.Series("close", ["1", "2", "3", "none", "5", "6"])))

    assert "│ 3   ┆ none  │" in message
    assert "│ 2 " not in message


EMPTY = [long_frame().clear(), long_frame().clear().lazy(), long_frame().clear().cast(pl.Null)]


@pytest.mark.parametrize("data", EMPTY, ids=["eager", "lazy", "without types"])
def test_a_frame_without_rows_is_refused(data: Any) -> None:
    assert "bars: the data have no rows" == refusal(data)
    assert "bars: the data have no rows" == refusal(data, repair=True)


# --- rules, and repairs ------------------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")
FAR = dt.date(9999, 12, 31)
DROP = "drop these bars"
# The change, its fault, its repair, the row in the message, then the bars of ACME that are left.
RULES: list[tuple[str, Change, str, str, int, list[int]]] = [
    (
        "no time",
        cell(2, "timestamp", None),
        "a timestamp is missing, or outside the years 1678 to 2261",
        DROP,
        2,
        [0, 2],
    ),
    (
        "no such time",
        cell(2, "timestamp", FAR),
        "a timestamp is missing, or outside the years 1678 to 2261",
        DROP,
        2,
        [0, 2],
    ),
    ("no symbol", cell(2, "symbol", None), "a symbol is missing", DROP, 2, [0, 2]),
    ("an empty symbol", cell(2, "symbol", ""), "a symbol is missing", DROP, 2, [0, 2]),
    ("a null", cell(2, "open", None), "a price is missing", DROP, 2, [0, 2]),
    ("a NaN", cell(2, "close", NAN), "a price is missing", DROP, 2, [0, 2]),
    ("an infinite price", cell(2, "high", INF), "a price is infinite", DROP, 2, [0, 2]),
    ("a price of nothing", cell(2, "low", 0.0), "a price is not above zero", DROP, 2, [0, 2]),
    ("a price below zero", cell(2, "close", -1.0), "a price is not above zero", DROP, 2, [0, 2]),
    ("no volume", cell(2, "volume", None), "volume is missing", DROP, 2, [0, 2]),
    ("volume that is NaN", cell(2, "volume", NAN), "volume is missing", DROP, 2, [0, 2]),
    ("infinite volume", cell(2, "volume", INF), "volume is infinite", DROP, 2, [0, 2]),
    ("volume below zero", cell(2, "volume", -1.0), "volume is below zero", DROP, 2, [0, 2]),
    (
        "time that goes back",
        lambda f: f[[2, 0, 1, 3, 4, 5]],
        "time goes back",
        "sort the bars",
        1,
        [0, 1, 2],
    ),
    (
        "a bar twice",
        lambda f: pl.concat([f[:3], cell(0, "close", 10.0)(f[2:3]), f[3:]]),
        "a second bar of one symbol at one time",
        "keep the first of each",
        3,
        [0, 1, 2],
    ),
]


@pytest.mark.parametrize(
    ("change", "fault", "remedy", "row", "left"), [r[1:] for r in RULES], ids=[r[0] for r in RULES]
)
@pytest.mark.parametrize("is_lazy", [False, True], ids=["eager", "lazy"])
def test_a_bar_that_breaks_a_rule_is_refused_or_repaired(
    change: Change, fault: str, remedy: str, row: int, left: list[int], *, is_lazy: bool
) -> None:
    data = change(long_frame()).lazy() if is_lazy else change(long_frame())
    message = refusal(data)
    bars = Bars.read(data, repair=True)
    assert bars.repairs is not None
    ((text, count, rows),) = bars.repairs.entries
    acme = [quote for quote in quoted(bars)["ACME"] if quote[3] == quote[3]]

    assert message.startswith(f"bars: {fault} in 1 row, the first:\n")
    assert message.endswith(f"\nMend them, or ask for repair, which would {remedy}.")
    assert f"│ {row}   ┆" in message
    assert (f"{fault}; {remedy}", 1, [row]) == (text, count, rows["row"].to_list())
    assert [WHOLE["ACME"][n] for n in left] == acme
    assert WHOLE["BOLT"] == quoted(bars)["BOLT"]


@pytest.mark.parametrize(
    ("column", "value", "mended"),
    [("high", 12.5, [11, 13, 10, 12]), ("low", 11.5, None), ("high", 11.5, None), ("low", 20.0, None)],
)
def test_a_range_that_does_not_hold_open_and_close_is_widened(
    column: str, value: float, mended: list[float] | None
) -> None:
    frame = cell(2, column, value)(long_frame())
    if mended is not None:
        assert [11.0, 12.5, 10.0, 12.0] == quoted(Bars.read(frame))["ACME"][1][:4]
        return
    bars = Bars.read(frame, repair=True)
    assert bars.repairs is not None
    o, h, low, c = frame.select("open", "high", "low", "close").row(2)

    assert refusal(frame).startswith("bars: the range does not hold open and close in 1 row, the first:")
    assert [("the range does not hold open and close; widen the range to hold them", 1)] == [
        entry[:2] for entry in bars.repairs.entries
    ]
    assert [o, max(o, h, low, c), min(o, h, low, c), c] == quoted(bars)["ACME"][1][:4]


def test_everything_that_is_wrong_is_listed_in_the_order_of_the_rules() -> None:
    frame = long_frame()
    for change in (
        cell(0, "symbol", None),
        cell(1, "open", NAN),
        cell(2, "low", 99.0),
        cell(3, "volume", -2.0),
    ):
        frame = change(frame)
    bars = Bars.read(frame, repair=True)

    assert refusal(frame).startswith("bars: a symbol is missing in 1 row, the first:")
    assert [
        "a symbol is missing; drop these bars: 1 rows, first",
        "a price is missing; drop these bars: 1 rows, first",
        "volume is below zero; drop these bars: 1 rows, first",
        "the range does not hold open and close; widen the range to hold them: 1 rows, first",
    ] == [line for line in str(bars.repairs).splitlines() if line.endswith("first")]


def test_only_the_first_rows_are_shown_and_all_are_counted() -> None:
    frame = long_frame().with_columns(volume=-1.0)
    message = refusal(frame)

    assert message.startswith("bars: volume is below zero in 6 rows, the first:")
    assert ["0", "1", "2", "3", "4"] == [
        line.split()[1] for line in message.splitlines() if line[:3].strip("│ ").isdigit()
    ]


def test_nothing_is_repaired_where_nothing_is_wrong() -> None:
    bars = Bars.read(long_frame(), repair=True)

    assert (False, "") == (bool(bars.repairs), str(bars.repairs))
    assert Bars.read(long_frame()).repairs is None


def test_bars_that_are_all_dropped_are_refused_with_the_faults() -> None:
    with pytest.raises(
        BadBars, match=r"(?s)^bars: not one of its rows is a bar:\nvolume is below zero; drop"
    ):
        Bars.read(long_frame().with_columns(volume=-1.0), repair=True)


@pytest.mark.parametrize("order", [[0, 2, 4, 1, 3, 5], [1, 0, 3, 2, 5, 4], [1, 3, 0, 5, 2, 4]])
def test_rows_may_come_in_any_order_in_which_no_time_goes_back(order: list[int]) -> None:
    assert WHOLE == quoted(Bars.read(long_frame()[order]))


# --- real bars ---------------------------------------------------------------------------------------------

REAL_BARS = Path(__file__).parents[4] / "shared" / "data" / "sp500_2015_2020.parquet"
real = pytest.mark.skipif(
    not REAL_BARS.exists(), reason="the real bars of ../shared/data are not on this machine"
)
THREE = [("DXC", dt.date(2018, 6, 1)), ("CBOE", dt.date(2020, 1, 10)), ("DIS", dt.date(2020, 1, 10))]


@real
@pytest.mark.parametrize("window", [None, 300])
def test_real_bars_are_read_as_their_description_says(window: int | None) -> None:
    bars = Bars.read(REAL_BARS, columns={"timestamp": "date"}, repair=True, window=window)
    assert bars.repairs is not None
    ((text, count, rows),) = bars.repairs.entries
    market = [w.market for w in bars.windows()]
    there = ~np.isnan(np.concatenate([m.close for m in market]))
    volume = np.concatenate([m.volume for m in market])
    first, last = np.argmax(there, axis=0), len(bars) - 1 - np.argmax(there[::-1], axis=0)
    gaps = (last - first + 1) > np.count_nonzero(there, axis=0)

    assert ("the range does not hold open and close; widen the range to hold them", 3) == (text, count)
    assert THREE == rows.select("symbol", "timestamp").rows()
    assert (482, 1_259, 592_355) == (len(bars.symbols), len(bars), there.sum())
    assert (17, 17, 18) == ((first > 0).sum(), len(bars.endings), gaps.sum())
    assert 434 == np.count_nonzero(volume == 0)


@real
def test_real_bars_are_refused_by_name_where_repair_is_not_asked_for() -> None:
    with pytest.raises(BadBars) as caught:
        Bars.read(REAL_BARS, columns={"timestamp": "date"})
    message = str(caught.value)

    assert (
        f"{REAL_BARS}: the range does not hold open and close in 3 rows, the first:"
        == message.partition("\n")[0]
    )
    assert [f"{day} ┆ {symbol} " in message for symbol, day in THREE] == [True] * 3
    assert message.endswith("\nMend them, or ask for repair, which would widen the range to hold them.")

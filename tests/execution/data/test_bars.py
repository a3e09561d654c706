"""Bars as panels: whole and in windows, repaired, from arrays, and by their fingerprints."""

import datetime as dt
import weakref
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tieout.execution.data import bar_rules
from tieout.execution.data import bars as bars_module
from tieout.execution.data.bars import Bars, Window, as_bars
from tieout.execution.data.features import FeatureFrame
from tieout.execution.errors import BadBars, ExecutionError, InvalidSetting

FIELDS = ("open", "high", "low", "close", "volume")
SCHEMA = {"timestamp": pl.Date, "symbol": pl.String} | dict.fromkeys(FIELDS, pl.Float64)
FIRST = dt.date(2024, 1, 28)
NAN, INF = float("nan"), float("inf")

Row = tuple[int | None, str | None, float, float, float, float, float | None]


def long_frame(rows: list[Row]) -> pl.DataFrame:
    """Rows whose first column is a day, as a frame."""
    dated = [(None if day is None else FIRST + dt.timedelta(day), *more) for day, *more in rows]
    return pl.DataFrame(dated, schema=SCHEMA, orient="row")


def bar(day: int, symbol: str, price: float = 10.0) -> Row:
    return (day, symbol, price, price + 1, price - 1, price, 100.0)


def whole(bars: Bars, *features: FeatureFrame) -> dict[str, list[str]]:
    """All panels of all windows, bar by bar, as text: ``nan`` is equal to itself then."""
    texts: dict[str, list[str]] = {}
    for window in bars.windows(features):
        market = window.market
        columns = {
            name: getattr(market, name) for name in (*FIELDS, "timestamp", "date", "closing", "month_end")
        }
        for name, values in (columns | window.features | window.context).items():
            texts.setdefault(name, []).extend(str(row) for row in values.tolist())
    return texts


def rows_of(bars: Bars) -> set[Row]:
    """The bars that panels hold, as rows."""
    (window,) = bars.windows()
    panels = [getattr(window.market, name) for name in FIELDS]
    rows: set[Row] = set()
    for t, n in zip(*np.nonzero(~np.isnan(panels[3])), strict=True):
        day = int(bars.date[t]) - (FIRST - dt.date(1970, 1, 1)).days
        o, h, low, c, volume = (float(panel[t, n]) for panel in panels)
        rows.add((day, bars.symbols[n], o, h, low, c, volume))
    return rows


def endings(bars: Bars) -> list[tuple[int, str]]:
    return [(int(row["bar"]), bars.symbols[row["column"]]) for row in bars.endings]


# --- panels ------------------------------------------------------------------------------------------------


def test_instruments_start_late_stop_early_and_have_gaps() -> None:
    bars = Bars.read(
        long_frame(
            [
                *(bar(day, "ACME") for day in (0, 1, 2, 3)),
                *(bar(day, "LATE", 20.0) for day in (2, 3)),
                *(bar(day, "GAPS", 30.0) for day in (0, 3)),
                *(bar(day, "ENDS", 40.0) for day in (0, 1)),
                bar(1, "ONCE", 50.0),
            ]
        )
    )

    assert ("ACME", "ENDS", "GAPS", "LATE", "ONCE") == bars.symbols
    assert [
        "[10.0, 40.0, 30.0, nan, nan]",
        "[10.0, 40.0, nan, nan, 50.0]",
        "[10.0, nan, nan, 20.0, nan]",
        "[10.0, nan, 30.0, 20.0, nan]",
    ] == whole(bars)["close"]
    assert [(2, "ENDS"), (2, "ONCE")] == endings(bars)


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York", "Asia/Kathmandu"])
def test_an_intraday_bar_that_ends_at_midnight_is_of_the_day_before(zone: str | None) -> None:
    ends = np.datetime64("2024-03-30T01", "ns") + np.arange(60) * np.timedelta64(1, "h")
    times = pl.Series(ends).dt.replace_time_zone(zone)  # the last day of a month is the second of three
    frame = pl.DataFrame({"timestamp": times, "symbol": ["BTC"] * 60} | dict.fromkeys(FIELDS, [9.0] * 60))

    bars = Bars.read(frame)

    first = int(bars.date[0])
    assert [first] * 24 + [first + 1] * 24 + [first + 2] * 12 == bars.date.tolist()
    assert [23, 47, 59] == np.flatnonzero(bars.closing).tolist()
    assert [47, 59] == np.flatnonzero(bars.month_end).tolist()


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_daily_bars_at_midnight_are_of_the_date_that_they_carry(zone: str | None) -> None:
    days = pl.Series(np.array(["2024-02-28", "2024-02-29", "2024-03-01"], "M8[ns]"))
    frame = pl.DataFrame({"timestamp": days.dt.replace_time_zone(zone), "symbol": ["ACME"] * 3})
    bars = Bars.read(frame.with_columns(**{field: pl.lit(9.0) for field in FIELDS}))

    assert ["2024-02-28", "2024-02-29", "2024-03-01"] == bars.date.astype("M8[D]").astype(str).tolist()
    assert [False, True, True] == bars.month_end.tolist()


def test_the_last_bars_of_dates_and_months_are_known() -> None:
    hours = [dt.datetime(2024, 1, day, hour, tzinfo=dt.UTC) for day in (30, 31) for hour in (20, 23)]
    frame = pl.DataFrame({"timestamp": hours, "symbol": ["ACME"] * 4} | dict.fromkeys(FIELDS, [9.0] * 4))
    utc = Bars.read(frame)
    athens = Bars.read(frame.with_columns(pl.col("timestamp").dt.convert_time_zone("Europe/Athens")))

    assert [False, True, False, True] == utc.closing.tolist()
    assert [False, False, False, True] == utc.month_end.tolist()
    assert [True, False, True, True] == athens.closing.tolist()
    assert [False, False, True, True] == athens.month_end.tolist()


def test_bars_without_volume_are_bars() -> None:
    bars = Bars.read(long_frame([(0, "ACME", 1.0, 1.0, 1.0, 1.0, 0.0)]))

    assert ["[0.0]"] == whole(bars)["volume"]


@pytest.mark.parametrize("full", [True, False])
def test_what_the_step_is_given_is_of_one_type_so_that_it_is_compiled_once(*, full: bool) -> None:
    rows = [bar(0, "ACME"), *([bar(0, "BOLT")] if full else []), bar(1, "ACME"), bar(1, "BOLT")]
    frame = long_frame(rows)
    fixed = np.full((1, 1), 9.0)
    fixed.flags.writeable = False
    arrays = Bars.from_arrays(np.array([0]), ["A"], open=fixed, high=fixed, low=fixed, close=fixed)
    markets = [
        window.market
        for bars in (Bars.read(frame), Bars.read(frame.lazy(), window=1), arrays)
        for window in bars.windows()
    ]

    assert {(False, True)} == {
        (values.flags.writeable, values.flags.c_contiguous) for market in markets for values in market
    }


# --- windows -----------------------------------------------------------------------------------------------


class Case(NamedTuple):
    rows: list[Row]
    scores: list[tuple[int, str, float | None]]


prices = st.tuples(st.integers(1, 5), st.integers(0, 2), st.integers(0, 4), st.integers(0, 2)).map(
    lambda p: (p[0] + p[1], p[0] + p[1] + p[3] + p[2], p[0], p[0] + p[1] + p[2], float(p[3]))
)
cells = st.tuples(st.integers(0, 8), st.sampled_from(["ACME", "BOLT", "COIL"]))
cases = st.builds(
    lambda quotes, scores: Case(
        [(*key, *map(float, quote)) for key, quote in sorted(quotes.items())],
        [(*key, value) for key, value in scores.items()],
    ),
    st.dictionaries(cells, prices, min_size=1, max_size=20),
    st.dictionaries(cells, st.none() | st.integers(0, 3).map(float), max_size=12),
)


def score_frames(case: Case, bars: Bars) -> list[FeatureFrame]:
    rows = [row for row in case.scores if row[1] in bars.symbols]
    if not rows:
        return []
    schema = {"timestamp": pl.Date, "symbol": pl.String, "score": pl.Float64}
    dated = [(FIRST + dt.timedelta(day), *more) for day, *more in rows]
    frame = pl.DataFrame(dated, schema=schema, orient="row")
    return [FeatureFrame.of(frame, "features 1", {}, bars.zone)]


def held(frame: pl.DataFrame, how: str, folder: Path) -> Any:
    match how:
        case "parquet":
            frame.write_parquet(folder / "bars.parquet", row_group_size=4)
            return folder / "bars.parquet"
        case "csv":
            frame.write_csv(folder / "bars.csv")
            return folder / "bars.csv"
        case "pandas":
            return frame.to_pandas()
        case "arrow":
            return frame.to_arrow()
        case "lazy":
            return frame.lazy()
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bars")


HELD = st.sampled_from(["eager", "lazy", "parquet", "csv", "pandas", "arrow"])


@given(cases, st.integers(1, 9), HELD, st.booleans())
def test_neither_window_nor_order_nor_holder_makes_a_difference(
    folder: Path,
    case: Case,
    window: int,
    how: str,
    by_symbol: bool,  # noqa: FBT001  drawn
) -> None:
    frame = long_frame(case.rows)
    plain = Bars.read(frame)
    given_rows = frame.sort("symbol", "timestamp") if by_symbol else frame
    other = Bars.read(held(given_rows, how, folder), window=window)
    features = score_frames(case, plain)

    assert whole(plain, *features) == whole(other, *features)
    assert plain.fingerprints(plain.windows(features)) == other.fingerprints(other.windows(features))
    assert endings(plain) == endings(other)
    assert set(case.rows) == rows_of(plain)


class Loads:
    """Bars whose loads are counted."""

    def __init__(self, bars: Bars) -> None:
        self.calls: list[tuple[int, int]] = []
        self._load = bars._load
        bars._load = self

    def __call__(self, a: int, b: int) -> Any:
        self.calls.append((a, b))
        return self._load(a, b)


def test_each_window_is_loaded_once_and_none_is_held_after_it() -> None:
    frame = long_frame([bar(day, symbol) for day in range(10) for symbol in ("ACME", "BOLT")])
    bars = Bars.read(frame.lazy(), window=4)
    loads = Loads(bars)
    panels = []
    windows = bars.windows()
    for _ in range(3):
        window: Window | None = next(windows)
        assert window is not None
        panels.append(weakref.ref(window.market.close))
        assert (window.first, window.first + len(window.market.close)) == loads.calls[-1]
        del window

        assert [None] * len(panels) == [panel() for panel in panels]

    assert [(0, 4), (4, 8), (8, 10)] == loads.calls


def test_a_lazy_frame_is_streamed_once_its_panels_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = long_frame([bar(day, symbol) for day in range(10) for symbol in ("ACME", "BOLT")])
    bytes_a_bar = 2 * 5 * 8
    sizes = []
    for bars_in_memory in (20, 10, 9, 3, 0):
        for name in ("WHOLE_BYTES", "WINDOW_BYTES"):
            monkeypatch.setattr(bars_module, name, bars_in_memory * bytes_a_bar)
        sizes.append((Bars.read(frame.lazy()).window, Bars.read(frame).window))

    assert [(10, 10), (10, 10), (9, 10), (3, 10), (1, 10)] == sizes


def test_a_few_rows_may_have_large_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WHOLE_BYTES", "WINDOW_BYTES"):
        monkeypatch.setattr(bars_module, name, 10 * 5 * 8)
    frame = long_frame([bar(day, f"S{day}") for day in range(10)])
    bars = Bars.read(frame.lazy())

    assert 1 == bars.window
    assert whole(Bars.read(frame)) == whole(bars)


@pytest.mark.parametrize("window", [0, -3])
def test_a_window_has_bars(window: int) -> None:
    with pytest.raises(InvalidSetting, match=f"^window is {window}, not a number of bars above zero$"):
        Bars.read(long_frame([bar(0, "ACME")]), window=window)


CHANGED = {
    "another symbol": [bar(0, "BOLT"), bar(1, "BOLT")],
    "a bar twice": [bar(0, "ACME"), bar(0, "ACME"), bar(1, "ACME")],
    "a price below zero": [bar(0, "ACME", -5.0), bar(1, "ACME")],
}


@pytest.mark.parametrize("how", CHANGED)
def test_a_file_that_changes_while_it_is_read_is_refused(how: str, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    long_frame([bar(0, "ACME"), bar(1, "ACME")]).write_csv(path)
    bars = Bars.read(path, window=1)
    long_frame(CHANGED[how]).write_csv(path)

    with pytest.raises(BadBars, match=r"bars\.csv: changed while it was read$"):
        list(bars.windows())


def test_a_time_that_appears_while_a_file_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    long_frame([bar(0, "ACME"), bar(2, "ACME")]).write_csv(path)
    bars = Bars.read(path, window=2)
    long_frame([bar(0, "ACME"), bar(1, "ACME")]).write_csv(path)

    with pytest.raises(BadBars, match=r"bars\.csv: changed while it was read$"):
        list(bars.windows())


# --- any mess ----------------------------------------------------------------------------------------------

odd_prices = st.sampled_from([1.0, 2.0, 3.0, 3.0, 3.0, 0.0, -1.0, NAN, INF, None])
messy_rows = st.tuples(
    st.none() | st.integers(0, 4),
    st.sampled_from(["ACME", "BOLT", "ACME", "BOLT", "", None]),
    odd_prices,
    odd_prices,
    odd_prices,
    odd_prices,
    st.sampled_from([0.0, 5.0, 5.0, 5.0, -1.0, NAN, INF, None]),
)
sound_rows = st.builds(
    bar, st.integers(0, 4), st.sampled_from(["ACME", "BOLT", "COIL"]), st.integers(2, 9).map(float)
)
messes = st.lists(sound_rows | sound_rows | messy_rows, min_size=1, max_size=16)


def is_bar(row: Any) -> bool:
    day, symbol, *numbers = row
    is_complete = day is not None and symbol and all(n is not None and abs(n) < INF for n in numbers)
    return bool(is_complete) and all(price > 0 for price in numbers[:4]) and numbers[4] >= 0


def repaired(rows: list[Any]) -> set[Row]:
    """Return the rows that are to be left: of bars the first of each time, its range wide enough."""
    left: dict[tuple[int, str], Row] = {}
    for day, symbol, *numbers in filter(is_bar, rows):
        o, h, low, c, volume = numbers
        left.setdefault((day, symbol), (day, symbol, o, max(o, h, low, c), min(o, h, low, c), c, volume))
    return set(left.values())


def counted(bars: Bars) -> list[tuple[str, int, list[int]]]:
    """The repairs: fault and remedy, number of rows, and the numbers of the first rows."""
    assert bars.repairs is not None
    return [(text, count, rows["row"].to_list()) for text, count, rows in bars.repairs.entries]


@given(messes)
@example([bar(0, "A"), bar(1, "A"), bar(0, "A"), bar(1, "A")])
def test_any_mess_is_refused_or_repaired_into_bars_that_are_accepted(rows: list[Any]) -> None:
    frame = long_frame(rows)
    expected = repaired(rows)
    if not expected:
        with pytest.raises(BadBars):
            Bars.read(frame, repair=True)
        return
    bars = Bars.read(frame, repair=True)
    again = Bars.read(long_frame(sorted(rows_of(bars), key=str)))

    assert expected == rows_of(bars)
    assert whole(again) == whole(bars)
    assert {row for row in rows if is_bar(row) and rows.count(row) == 1 and row in expected} <= rows_of(bars)


@given(messes)
def test_bars_are_refused_exactly_where_they_would_be_repaired(rows: list[Any]) -> None:
    assume(repaired(rows))
    frame = long_frame(rows)
    faults = [what.partition(";")[0] for what, *_ in counted(Bars.read(frame, repair=True))]
    refused = []
    try:
        Bars.read(frame)
    except ExecutionError as error:
        refused = [str(error).removeprefix("bars: ").partition(" in ")[0]]

    assert faults[:1] == refused


@given(messes, st.integers(1, 5), st.integers(1, 4))
@example([bar(1, "A"), bar(0, "A"), bar(2, "B"), bar(1, "A", 12.0), bar(0, "A", 13.0)], 1, 2)
def test_a_stream_is_repaired_as_a_whole_frame_is(rows: list[Any], window: int, batch: int) -> None:
    assume(repaired(rows))
    frame = long_frame(rows)
    plain = Bars.read(frame, repair=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bar_rules, "BATCH", batch)
        streamed = Bars.read(frame.lazy(), repair=True, window=window)

    assert counted(plain) == counted(streamed)
    assert whole(plain) == whole(streamed)
    assert plain.fingerprints() == streamed.fingerprints()
    assert endings(plain) == endings(streamed)


@given(messes, st.integers(1, 5), st.integers(1, 4))
def test_a_stream_is_refused_as_a_whole_frame_is(rows: list[Any], window: int, batch: int) -> None:
    def outcome(given_rows: Any, window: int | None) -> Any:
        try:
            return Bars.read(given_rows, window=window).fingerprints()
        except BadBars as error:
            return str(error)

    frame = long_frame(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bar_rules, "BATCH", batch)

        assert outcome(frame, None) == outcome(frame.lazy(), window)


def test_time_that_goes_back_across_windows_and_batches_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bar_rules, "BATCH", 1)
    frame = long_frame([bar(1, "ACME"), bar(2, "BOLT"), bar(0, "ACME"), bar(3, "ACME")])

    with pytest.raises(BadBars, match=r"^bars: time goes back in 1 row, the first:\n"):
        Bars.read(frame.lazy(), window=1)


# --- arrays ------------------------------------------------------------------------------------------------

DAYS = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], "M8[D]")


def arrays(**changed: Any) -> Bars:
    """Return two instruments on three days. *changed* is an argument, or a cell: ``(bar, column, value)``."""
    given_arrays: dict[str, Any] = {
        "timestamp": DAYS,
        "symbols": ["ACME", "BOLT"],
        "open": np.full((3, 2), 10.0),
        "high": np.full((3, 2), 12.0),
        "low": np.full((3, 2), 9.0),
        "close": np.full((3, 2), 11.0),
        "volume": np.full((3, 2), 100.0),
    }
    for name, value in changed.items():
        if isinstance(value, tuple):
            t, n, number = value
            given_arrays[name][t, n] = number
        else:
            given_arrays[name] = value
    return Bars.from_arrays(**given_arrays)


def test_arrays_are_bars_like_a_frame_of_them() -> None:
    rows = [(DAYS[t].item(), s, 10.0, 12.0, 9.0, 11.0, 100.0) for t in range(3) for s in ("ACME", "BOLT")]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    gap = dict.fromkeys(("open", "high", "low", "close"), (1, 1, NAN))

    assert Bars.read(frame).fingerprints() == arrays().fingerprints()
    assert Bars.read(frame[[0, 1, 2, 4, 5]]).fingerprints() == arrays(**gap).fingerprints()
    assert Bars.read(frame.drop("volume")).fingerprints() == arrays(volume=None).fingerprints()
    assert [(2, "BOLT")] == endings(arrays(**dict.fromkeys(gap, (2, 1, NAN))))


def test_a_later_change_of_an_array_changes_nothing() -> None:
    close, timestamp = np.full((3, 2), 11.0), DAYS.astype("M8[ns]").view(np.int64)
    bars = arrays(close=close, timestamp=timestamp)
    close[:], timestamp[:] = 10.5, 0

    assert arrays(close=np.full((3, 2), 11.0)).fingerprints() == bars.fingerprints()


@pytest.mark.parametrize(
    "timestamp",
    [DAYS.astype("M8[ns]"), DAYS.astype("M8[ns]").view(np.int64), DAYS.astype("M8[s]"), DAYS.tolist()],
)
def test_timestamps_of_arrays_are_of_any_unit(timestamp: Any) -> None:
    assert arrays().timestamp.tolist() == arrays(timestamp=timestamp).timestamp.tolist()


BROKEN = "a price is missing or not above zero, or the range does not hold open and close"
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"timestamp": DAYS[[0, 2, 1]]}, "timestamps do not rise at bar 2"),
    ({"timestamp": DAYS[[0, 1, 1]]}, "timestamps do not rise at bar 2"),
    ({"timestamp": DAYS[:2]}, "open is (3, 2), not 2 bars of 2 instruments"),
    ({"timestamp": [0.0, 1.0, 2.0]}, "timestamp is float64[3]; give one datetime64 or int64 per bar"),
    ({"timestamp": [DAYS, 1]}, "timestamp is neither datetime64 nor int64: "),
    ({"timestamp": ["a", "b", "c"]}, "timestamp is <U1[3]; give one datetime64 or int64 per bar"),
    (
        {"timestamp": DAYS.reshape(3, 1)},
        "timestamp is datetime64[D][3, 1]; give one datetime64 or int64 per bar",
    ),
    (
        {"timestamp": np.array(["NaT", *DAYS[1:]], "M8[D]")},
        "timestamp: one is missing, or outside the years 1678 to 2261",
    ),
    (
        {"timestamp": np.array([*DAYS[:2], "9999-12-31"], "M8[D]")},
        "timestamp: one is missing, or outside the years 1678 to 2261",
    ),
    ({"symbols": ["BOLT", "ACME"]}, "symbols are not in alphabetical order, each once; sort the columns"),
    ({"symbols": ["ACME", "ACME"]}, "symbols are not in alphabetical order, each once; sort the columns"),
    ({"symbols": ["ACME"]}, "open is (3, 2), not 3 bars of 1 instruments"),
    ({"symbols": [1, 2]}, "symbols: 1 is not text"),
    ({"symbols": ["", "ACME"]}, "symbols: '' is not text"),
    ({"high": np.full((2, 2), 12.0)}, "high is (2, 2), not 3 bars of 2 instruments"),
    ({"volume": np.full(3, 1.0)}, "volume is (3,), not 3 bars of 2 instruments"),
    ({"low": [["x"]]}, "low: an array of <U1 does not hold real numbers"),
    (
        {"close": (1, 1, NAN)},
        f"BOLT at bar 1: {BROKEN}: open 10.0, high 12.0, low 9.0, close nan, volume 100.0",
    ),
    ({"open": (2, 0, NAN)}, f"ACME at bar 2: {BROKEN}: open nan"),
    ({"low": (0, 0, 0.0)}, f"ACME at bar 0: {BROKEN}: "),
    ({"low": (0, 0, -1.0)}, f"ACME at bar 0: {BROKEN}: "),
    ({"high": (0, 0, INF)}, f"ACME at bar 0: {BROKEN}: "),
    ({"high": (0, 0, 10.5)}, f"ACME at bar 0: {BROKEN}: "),
    ({"low": (0, 0, 10.5)}, f"ACME at bar 0: {BROKEN}: "),
    ({"volume": (0, 1, -1.0)}, "BOLT at bar 0: volume is below zero: "),
    ({"volume": (0, 1, NAN)}, "BOLT at bar 0: volume is missing or infinite: "),
    ({"volume": (0, 1, INF)}, "BOLT at bar 0: volume is missing or infinite: "),
]


@pytest.mark.parametrize(("changed", "message"), REFUSED)
def test_arrays_that_break_a_rule_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(BadBars) as caught:
        arrays(**changed)

    assert str(caught.value).startswith(message)


def test_arrays_without_bars_are_refused() -> None:
    none = np.zeros((0, 1))

    with pytest.raises(BadBars, match=r"^the data have no bars$"):
        Bars.from_arrays(np.zeros(0, np.int64), ["ACME"], open=none, high=none, low=none, close=none)


def test_bars_and_frames_are_taken_as_bars() -> None:
    bars = arrays()

    assert as_bars(bars) is bars
    assert ("ACME", "BOLT") == as_bars(long_frame([bar(0, "ACME"), bar(0, "BOLT")])).symbols


# --- fingerprints ------------------------------------------------------------------------------------------


@given(cases, st.data())
def test_any_cell_that_changes_changes_the_fingerprint(case: Case, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(case.rows) - 1))
    column = data.draw(st.integers(0, 6))
    day, symbol, o, h, low, c, volume = case.rows[place]
    assert day is not None
    assert volume is not None
    changed: Row = [
        (day + 20, symbol, o, h, low, c, volume),
        (day, "ZINC", o, h, low, c, volume),
        (day, symbol, (low + o) / 2 if o > low else low / 2, h, low / 2, c, volume),
        (day, symbol, o, h + 0.5, low, c, volume),
        (day, symbol, o, h, low / 2, c, volume),
        (day, symbol, o, h + 1, low, c + 0.25, volume),
        (day, symbol, o, h, low, c, volume + 1),
    ][column]
    rows = [*case.rows[:place], changed, *case.rows[place + 1 :]]
    before = Bars.read(long_frame(case.rows)).fingerprints()
    after = Bars.read(long_frame(rows).sort("timestamp")).fingerprints()
    fields = {name for name in FIELDS if before["columns"][name] != after["columns"][name]}

    assert before != after
    assert (before["keys"] != after["keys"] and column < 2) or FIELDS[max(0, column - 2)] in fields


def test_a_feature_that_changes_changes_its_own_fingerprint() -> None:
    bars = Bars.read(long_frame([bar(0, "ACME"), bar(1, "ACME")]))
    case = Case([], [(0, "ACME", 1.0), (1, "ACME", None)])
    other = case._replace(scores=[(0, "ACME", 1.0), (1, "ACME", 2.0)])
    before = bars.fingerprints(bars.windows(score_frames(case, bars)))
    after = bars.fingerprints(bars.windows(score_frames(other, bars)))

    assert {"score"} == {
        name for name in before["columns"] if before["columns"][name] != after["columns"][name]
    }


def test_a_fingerprint_says_how_much_there_is_and_when() -> None:
    prints = Bars.read(long_frame([bar(0, "ACME"), bar(2, "ACME"), bar(2, "BOLT")])).fingerprints()

    assert (3, "2024-01-28T00:00:00.000000000", "2024-01-30T00:00:00.000000000", "") == (
        prints["bars"],
        prints["first"],
        prints["last"],
        prints["zone"],
    )
    assert list(FIELDS) == list(prints["columns"])

"""Features as of their own timestamp: against plain loops, and refusals."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.execution.data.bars import Bars
from tieout.execution.data.features import FeatureFrame
from tieout.execution.errors import BadFeatures

SYMBOLS = ("ACME", "BOLT", "COIL")
MINUTE = 60_000_000_000
NAN = float("nan")


def bars_at(minutes: list[int], window: int | None = None) -> Bars:
    """Three instruments with a bar at each of *minutes*."""
    price = np.full((len(minutes), len(SYMBOLS)), 10.0)
    bars = Bars.from_arrays(
        np.array(minutes) * MINUTE, SYMBOLS, open=price, high=price, low=price, close=price
    )
    bars.window = window or len(minutes)
    return bars


def times(minutes: list[int]) -> pl.Series:
    return pl.Series("timestamp", np.array(minutes, np.int64) * MINUTE).cast(pl.Datetime("ns"))


def scores(rows: Sequence[tuple[int, str, float | None]], name: str = "score") -> pl.DataFrame:
    minutes, symbols, values = [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]
    return pl.DataFrame(
        {"timestamp": times(minutes), "symbol": symbols, name: pl.Series(values, dtype=pl.Float64)}
    )


def moods(rows: Sequence[tuple[int, float | None]], name: str = "mood") -> pl.DataFrame:
    minutes, values = [r[0] for r in rows], [r[1] for r in rows]
    return pl.DataFrame({"timestamp": times(minutes), name: pl.Series(values, dtype=pl.Float64)})


def feature_frames(*frames: Any) -> list[FeatureFrame]:
    return [FeatureFrame.of(frame, f"features {n}", {}, None) for n, frame in enumerate(frames, start=1)]


def digests(bars: Bars, features: list[FeatureFrame]) -> dict[str, Any]:
    return bars.fingerprints(bars.windows(features))


def joined(bars: Bars, *frames: Any) -> dict[str, list[str]]:
    """Every feature, bar by bar, as text: ``nan`` is equal to itself then."""
    columns: dict[str, list[str]] = {}
    for window in bars.windows(feature_frames(*frames)):
        for name, values in (window.features | window.context).items():
            columns.setdefault(name, []).extend(str(row) for row in values.tolist())
    return columns


def refusal(data: Any, bars: Bars | None = None, columns: dict[str, str] | None = None) -> str:
    bars = bars or bars_at([1, 2, 3])
    with pytest.raises(BadFeatures) as caught:
        list(bars.windows([FeatureFrame.of(data, "features 1", columns or {}, bars.zone)]))
    return str(caught.value)


# --- what a bar sees ---------------------------------------------------------------------------------------


def test_a_feature_is_seen_from_its_own_time_on_and_never_earlier() -> None:
    columns = joined(
        bars_at([10, 20, 30, 40]), scores([(20, "ACME", 1.0), (21, "BOLT", 2.0), (41, "COIL", 3.0)])
    )

    assert ["[nan, nan, nan]", "[1.0, nan, nan]", "[1.0, 2.0, nan]", "[1.0, 2.0, nan]"] == columns["score"]


def test_of_several_rows_since_the_last_bar_the_newest_is_seen() -> None:
    columns = joined(bars_at([10, 20]), scores([(5, "ACME", 1.0), (9, "ACME", 2.0), (11, "ACME", 3.0)]))

    assert ["[2.0, nan, nan]", "[3.0, nan, nan]"] == columns["score"]


@pytest.mark.parametrize("unknown", [None, NAN])
def test_a_null_in_the_newest_row_is_unknown(unknown: float | None) -> None:
    frame = scores([(10, "ACME", 1.0), (20, "ACME", unknown), (40, "ACME", 4.0)])

    assert ["[1.0, nan, nan]", "[nan, nan, nan]", "[nan, nan, nan]", "[4.0, nan, nan]"] == joined(
        bars_at([10, 20, 30, 40]), frame
    )["score"]


@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_context_is_by_time_alone(window: int) -> None:
    every_bar = moods([(10, 1.0), (20, 2.0), (30, None), (40, 4.0)])
    now_and_then = moods([(9, 0.5), (31, 0.75)], "rate")
    columns = joined(bars_at([10, 20, 30, 40], window), every_bar, now_and_then)

    assert ["1.0", "2.0", "nan", "4.0"] == columns["mood"]
    assert ["0.5", "0.5", "0.5", "0.75"] == columns["rate"]


@pytest.mark.parametrize("window", [1, 2, 3])
def test_a_row_for_every_bar_and_instrument_is_seen_unchanged(window: int) -> None:
    rows = [(minute, symbol, minute + n / 10) for minute in (10, 20, 30) for n, symbol in enumerate(SYMBOLS)]

    assert ["[10.0, 10.1, 10.2]", "[20.0, 20.1, 20.2]", "[30.0, 30.1, 30.2]"] == joined(
        bars_at([10, 20, 30], window), scores(rows)
    )["score"]


def test_a_time_of_day_is_after_the_date() -> None:
    days = pl.Series("timestamp", [dt.date(2024, 1, d) for d in (2, 3, 4)])
    prices = {name: [10.0] * 3 for name in ("open", "high", "low", "close")}
    bars = Bars.read(pl.DataFrame({"timestamp": days, "symbol": ["ACME"] * 3} | prices))
    noon = pl.DataFrame({"timestamp": [dt.datetime(2024, 1, 2, 12)], "noon": [1.0]})  # noqa: DTZ001  dates have no zone
    same = pl.DataFrame({"timestamp": [dt.date(2024, 1, 2)], "same": [1]})
    columns = joined(bars, noon, same)

    assert ["nan", "1.0", "1.0"] == columns["noon"]
    assert ["1.0", "1.0", "1.0"] == columns["same"]


def test_numbers_of_any_kind_and_truths_are_features() -> None:
    frame = scores([(10, "ACME", 1.0), (10, "BOLT", 0.0)]).with_columns(
        whole=pl.lit(3, pl.Int8),
        narrow=pl.lit(0.5, pl.Float32),
        true=pl.col("score") > 0,
        exact=pl.lit("1.25").cast(pl.Decimal(6, 2)),
        unknown=pl.lit(None),
    )
    columns = joined(bars_at([10]), frame)

    assert ["[3.0, 3.0, nan]"] == columns["whole"]
    assert ["[0.5, 0.5, nan]"] == columns["narrow"]
    assert ["[1.0, 0.0, nan]"] == columns["true"]
    assert ["[1.25, 1.25, nan]"] == columns["exact"]
    assert ["[nan, nan, nan]"] == columns["unknown"]


def test_features_of_symbols_without_bars_are_left_out() -> None:
    frame = scores([(10, "ACME", 1.0), (10, "ZINC", 9.0), (10, "AAAA", 9.0), (10, "ZINC", 8.0)])

    assert ["[1.0, nan, nan]"] == joined(bars_at([10]), frame)["score"]


def test_columns_are_named_as_they_are(tmp_path: Path) -> None:
    frame = scores([(10, "ACME", 1.0)]).rename({"timestamp": "known_at", "score": "alpha"})
    frame.write_parquet(tmp_path / "alpha.parquet")
    names = {"timestamp": "known_at", "score": "alpha"}
    taken_in = FeatureFrame.of(tmp_path / "alpha.parquet", "features 1", names, None)
    (window,) = bars_at([10]).windows([taken_in])

    assert ("score",) == taken_in.names
    assert "[[1.0, nan, nan]]" == str(window.features["score"].tolist()).replace("'", "")


# --- against plain loops -----------------------------------------------------------------------------------


class Case(NamedTuple):
    bars: list[int]
    scores: list[tuple[int, str, float | None]]
    others: list[tuple[int, str, float | None]]
    moods: list[tuple[int, float | None]]


values = st.none() | st.integers(-3, 3).map(float)
minutes = st.integers(0, 12)
scored = st.dictionaries(st.tuples(minutes, st.sampled_from((*SYMBOLS, "ZINC"))), values, max_size=25)
cases = st.builds(
    lambda bars, one, two, mood: Case(
        sorted(bars),
        [(*key, value) for key, value in one.items()],
        [(*key, value) for key, value in two.items()],
        list(mood.items()),
    ),
    st.sets(minutes, min_size=1),
    scored.filter(lambda rows: any(symbol != "ZINC" for _, symbol in rows)),
    scored.filter(lambda rows: any(symbol != "ZINC" for _, symbol in rows)),
    st.dictionaries(minutes, values, min_size=1, max_size=8),
)


def naive(bars: list[int], rows: list[tuple[int, str, float | None]], symbol: str) -> list[float]:
    """Return the value that each bar sees: of the rows not after it the newest."""
    panel = []
    for bar in bars:
        newest, value = -1, NAN
        for minute, of, score in rows:
            if of == symbol and newest < minute <= bar:
                newest, value = minute, NAN if score is None else score
        panel.append(value)
    return panel


@given(cases, st.integers(1, 13), st.booleans())
def test_every_bar_sees_what_plain_loops_find(case: Case, window: int, is_lazy: bool) -> None:  # noqa: FBT001  drawn
    frames = [scores(case.scores), scores(case.others, "other"), moods(case.moods)]
    actual = joined(bars_at(case.bars, window), *([f.lazy() for f in frames] if is_lazy else frames))
    expected = {}
    for name, rows in (("score", case.scores), ("other", case.others)):
        columns = [naive(case.bars, rows, symbol) for symbol in SYMBOLS]
        expected[name] = [str(list(row)) for row in zip(*columns, strict=True)]
    by_time = [(minute, "", value) for minute, value in case.moods]
    expected["mood"] = [str(value) for value in naive(case.bars, by_time, "")]

    assert expected == actual


@given(cases, st.integers(1, 13), st.randoms())
def test_the_order_of_rows_and_the_window_do_not_matter(case: Case, window: int, random: Any) -> None:
    frames = [scores(case.scores), moods(case.moods)]
    mixed = [f[random.sample(range(f.height), f.height)] for f in frames]
    whole = digests(bars_at(case.bars), feature_frames(*frames))

    assert whole == digests(bars_at(case.bars, window), feature_frames(*mixed))


# --- refusals ----------------------------------------------------------------------------------------------

GOOD = scores([(1, "ACME", 1.0), (2, "ACME", 2.0), (2, "BOLT", 3.0)])
MISSING = "features 1: a timestamp or symbol is missing, or a time is outside the years 1678 to 2261, the"
OTHERS = "features 1: none of its symbols has bars. It has acme, ...; the bars have ACME, BOLT, COIL, ...;"
REFUSED: dict[str, tuple[Any, str]] = {
    "text": (
        GOOD.with_columns(sector=pl.lit("steel")),
        "features 1: sector (String) is not a number; leave it out",
    ),
    "categories": (
        GOOD.with_columns(sector=pl.lit("steel").cast(pl.Categorical)),
        "features 1: sector (Categorical) is not a number; leave it out",
    ),
    "a date": (
        GOOD.with_columns(due=pl.lit(dt.date(2024, 1, 2))),
        "features 1: due (Date) is not a number; leave it out",
    ),
    "a field of the bars": (
        GOOD.rename({"score": "close"}),
        "features 1: the bars have columns of the same name: close; rename them",
    ),
    "no feature": (GOOD.drop("score"), "features 1: it has no feature beside timestamp and symbol"),
    "no time": (
        GOOD.rename({"timestamp": "Timestamp"}),
        "features 1: there is no column 'timestamp' (did you mean 'Timestamp'?)",
    ),
    "time as text": (
        GOOD.cast({"timestamp": pl.String}),
        "features 1: timestamp is String, not a date or a datetime, first",
    ),
    "symbols as fractions": (
        GOOD.with_columns(symbol=pl.lit(0.5)),
        "features 1: symbol is Float64, not text, first",
    ),
    "another zone": (
        GOOD.with_columns(pl.col("timestamp").dt.replace_time_zone("UTC")),
        "features 1: its times are in UTC, those of the bars in no zone; convert one of them",
    ),
    "no rows": (GOOD.clear(), "features 1: the data have no rows"),
    "no rows and no types": (GOOD.clear().cast(pl.Null), "features 1: the data have no rows"),
    "a time that is missing": (
        GOOD.with_columns(pl.when(pl.col("score") != 2.0).then("timestamp").alias("timestamp")),
        MISSING,
    ),
    "a time that is out of reach": (
        GOOD.with_columns(timestamp=pl.lit(dt.date(9999, 12, 31))),
        MISSING,
    ),
    "a symbol that is missing": (
        GOOD.with_columns(symbol=pl.lit(None, pl.String)),
        MISSING,
    ),
    "other symbols": (
        GOOD.with_columns(symbol=pl.lit("acme")),
        OTHERS,
    ),
    "no frame": (7, "features 1: int is not a frame; give a Polars, pandas or Arrow one, or the path of a"),
    "no file": ("nowhere.parquet", "features 1: there is no file nowhere.parquet"),
    "a file of another kind": (
        "scores.json",
        "features 1: scores.json is neither .parquet nor .csv; convert it, or give a Polars frame",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_frame_that_cannot_be_joined_is_refused(what: str) -> None:
    frame, message = REFUSED[what]

    assert refusal(frame).startswith(message)


def test_zones_that_agree_are_accepted_and_naive_times_beside_a_zone_refused() -> None:
    bars = bars_at([1, 2, 3])
    bars.zone = "UTC"
    zoned = GOOD.with_columns(pl.col("timestamp").dt.replace_time_zone("UTC"))
    (window,) = bars.windows([FeatureFrame.of(zoned, "features 1", {}, "UTC")])

    assert 1.0 == window.features["score"][0, 0]
    assert "features 1: its times are in no zone, those of the bars in UTC; convert one of them" == refusal(
        GOOD, bars
    )


@pytest.mark.parametrize("window", [1, 2, 3])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 2, 3]])
def test_two_rows_of_one_symbol_and_time_are_refused(window: int, order: list[int]) -> None:
    frame = pl.concat([GOOD, scores([(2, "ACME", 5.0)])])[order]
    message = refusal(frame, bars_at([1, 2, 3], window))
    lines = [line.split() for line in message.splitlines() if "ACME" in line]

    assert message.startswith("features 1: a second row of one symbol and time in 1 row, the first:\n")
    assert message.endswith("\nKeep one of each.")
    assert [str(place) for place, row in enumerate(order) if row in (1, 3)] == [line[1] for line in lines]


def test_two_rows_of_context_of_one_time_are_refused() -> None:
    message = refusal(moods([(1, 1.0), (2, 2.0), (2, 2.0)]))

    assert message.startswith("features 1: a second row of one time in 1 row, the first:\n")


def test_a_name_in_two_frames_is_refused() -> None:
    with pytest.raises(BadFeatures, match=r"^score: in more than one feature frame; rename one$"):
        list(bars_at([1, 2]).windows(feature_frames(GOOD, moods([(1, 1.0)], "score"))))


def test_a_column_of_a_mapping_that_is_not_there_is_refused() -> None:
    assert "features 1: there is no column 'scores' (did you mean 'score'?)" == refusal(
        GOOD, columns={"alpha": "scores"}
    )

"""Sparse frames whose panels would take too much memory: refused before the memory is taken."""

import datetime as dt
import re
from typing import Any

import numpy as np
import polars as pl
import pytest

from tieout.execution.data import bars as bars_module
from tieout.execution.data.bars import Bars, as_bars
from tieout.execution.data.features import FeatureFrame, gibibytes
from tieout.execution.errors import BadBars, BadFeatures

DAYS = 12
CELLS = DAYS * DAYS


def sparse() -> pl.DataFrame:
    """A frame in which every day has one bar, of an instrument of its own."""
    day = [dt.date(2024, 1, 1) + dt.timedelta(days=number) for number in range(DAYS)]
    prices = dict.fromkeys(("open", "high", "low", "close"), 10.0)
    symbols = [f"S{number:02}" for number in range(DAYS)]
    return pl.DataFrame({"timestamp": day, "symbol": symbols}).with_columns(
        *(pl.lit(price).alias(name) for name, price in prices.items())
    )


def refusal(data: Any, **options: Any) -> str:
    with pytest.raises(BadBars) as error:
        Bars.read(data, **options)
    return str(error.value)


def allowed(text: str) -> int:
    (size,) = re.findall(r"memory=(\d+)", text)
    return int(size)


def test_a_sparse_frame_is_refused_with_its_sizes_and_both_remedies_help() -> None:
    text = refusal(sparse(), memory=CELLS * 40 - 1)

    assert f": {DAYS} times x {DAYS} symbols would take 5.36e-06 GiB of memory" in text
    assert "a lazy frame such as polars.LazyFrame, which is read in windows" in text
    assert CELLS * 40 == allowed(text)
    assert DAYS == len(Bars.read(sparse(), memory=allowed(text)))
    assert DAYS == len(Bars.read(sparse().lazy(), memory=DAYS * 40, window=1))


def test_the_bound_is_asked_without_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 8 * 2**30 == bars_module.MEMORY
    days, symbols = 100_000, 50_000
    day = pl.Series(np.arange(days) * 60_000_000_000).cast(pl.Datetime("ns"))
    frame = pl.DataFrame({"timestamp": day, "symbol": [f"S{n % symbols:05}" for n in range(days)]})
    frame = frame.with_columns(*(pl.lit(9.0).alias(name) for name in ("open", "high", "low", "close")))
    monkeypatch.setattr(bars_module, "_panels", None)  # nothing may be spread

    with pytest.raises(
        BadBars, match=r"100,000 times x 50,000 symbols would take 186 GiB of memory, more than the 8 GiB"
    ):
        as_bars(frame)


def test_a_window_that_is_too_large_is_refused_and_a_smaller_one_helps() -> None:
    text = refusal(sparse().lazy(), memory=DAYS * 40 * 2, window=3)

    assert "3 times x 12 symbols" in text
    assert "give a window of fewer bars" in text
    assert DAYS == len(Bars.read(sparse().lazy(), memory=DAYS * 40 * 2, window=2))


def test_one_bar_of_too_many_symbols_is_refused() -> None:
    text = refusal(sparse().lazy(), memory=DAYS * 40 - 1, window=1)

    assert "give fewer symbols" in text
    assert DAYS == len(Bars.read(sparse().lazy(), memory=allowed(text), window=1))


def test_features_that_take_too_much_are_refused_and_both_remedies_help() -> None:
    feature = sparse().select("timestamp", "symbol", score=pl.lit(1.0), rank=pl.lit(2.0))
    frames = [FeatureFrame.of(feature, "features 1", {}, None)]
    memory = CELLS * 40
    many = [
        FeatureFrame.of(feature.rename({"score": f"s{n}", "rank": f"r{n}"}), f"features {n}", {}, None)
        for n in range(3)
    ]

    assert 1 == len(list(Bars.read(sparse(), memory=memory).windows(frames)))
    with pytest.raises(BadFeatures) as error:
        list(Bars.read(sparse(), memory=memory).windows(many))

    text = str(error.value)
    assert "features 0, features 1, features 2: 6 features of 12 bars and 12 symbols" in text
    (window,) = Bars.read(sparse(), memory=allowed(text)).windows(many)
    streamed = list(Bars.read(sparse().lazy(), memory=memory, window=4).windows(many))
    assert 3 == len(streamed)
    assert np.array_equal(
        window.features["s0"], np.concatenate([part.features["s0"] for part in streamed]), equal_nan=True
    )


@pytest.mark.parametrize(("size", "text"), [(2**30, "1 GiB"), (36 * 2**30, "36 GiB"), (2**29, "0.5 GiB")])
def test_sizes_are_in_gibibytes(size: int, text: str) -> None:
    assert text == gibibytes(size)

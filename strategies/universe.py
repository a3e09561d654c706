"""A universe of generated stocks: prices and scores from a seed, for demonstrations.

Prices are geometric Brownian motion, rounded to cents. A score is the standardized return of the next day in
persistent noise: `information` x return + sqrt(1 - information**2) x AR(1). It is as strong as that of a good
model. Exponentials and logarithms are rounded, so that every machine makes the same bytes.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tieout import Bars
from tieout.execution.errors import InvalidSetting

Floats = NDArray[np.float64]

PERSISTENCE = 0.8
"""AR(1) coefficient of the noise in a score, from day to day."""
MOST_BARS = 10_000_000
"""Bars of all stocks together. Generating them takes two gigabytes."""
_BAR_BYTES = 200
_RANGES = {"stocks": (1, 1_000), "days": (2, 60_000), "seed": (0, 2**63 - 1), "warmup": (0, 60_000)}
"""The names of stocks have three digits, and time ends in the year 2262."""


def generate(
    stocks: int = 500, days: int = 252, *, seed: int = 7, information: float = 0.05, warmup: int = 13
) -> tuple[Bars, pl.DataFrame]:
    """Generate bars, and scores as a long frame. The scores begin after *warmup* days.

    Raises `InvalidSetting` for sizes that are no such numbers, or would take gigabytes.
    """
    _require_sizes(stocks, days, seed=seed, warmup=warmup)
    if type(information) not in {int, float} or not 0 <= information <= 1:
        raise InvalidSetting(f"information is a number from 0 to 1, not {information!r}")
    rng = np.random.default_rng(seed)
    shape = (days, stocks)
    first = rng.uniform(20, 500, stocks)
    volatility = rng.uniform(0.008, 0.022, stocks)
    returns = rng.standard_normal(shape) * volatility + (0.0003 - 0.5 * volatility**2)
    returns[0] = 0.0
    exact = first * np.exp(np.cumsum(returns, axis=0))
    gap = np.exp(rng.standard_normal(shape) * volatility * 0.2)
    opened = np.vstack([first, exact[:-1]]) * gap
    reach = np.exp(np.abs(rng.standard_normal((2, *shape))) * volatility * 0.4)
    close, opened = _cents(exact), _cents(opened)
    high = np.maximum(_cents(np.maximum(close, opened) * reach[0]), np.maximum(close, opened))
    low = np.minimum(_cents(np.minimum(close, opened) / reach[1]), np.minimum(close, opened))
    volume = np.round(rng.uniform(2e5, 4e6, shape))
    timestamp = np.busday_offset("2023-01-02", np.arange(days), roll="forward").astype("M8[ns]")
    symbols = [f"S{number:03d}" for number in range(stocks)]
    bars = Bars.from_arrays(timestamp, symbols, open=opened, high=high, low=low, close=close, volume=volume)
    score = _scores(rng, close, information)[warmup:]
    features = pl.DataFrame(
        {
            "timestamp": np.repeat(timestamp[warmup:], stocks),
            "symbol": pl.Series(symbols * len(score), dtype=pl.Categorical),
            "score": score.ravel(),
        }
    )
    return bars, features


def _require_sizes(stocks: int, days: int, **others: int) -> None:
    """Raise `InvalidSetting` for a size outside of its range, or for too many bars in all."""
    sizes = {"stocks": stocks, "days": days, **others}
    for name, size in sizes.items():
        if type(size) is not int or size < _RANGES[name][0]:
            raise InvalidSetting(f"{name} is a whole number from {_RANGES[name][0]} on, not {size!r}")
    if stocks * days > MOST_BARS:
        raise InvalidSetting(
            f"{stocks:,} stocks on {days:,} days are {stocks * days:,} bars, which take"
            f" {stocks * days * _BAR_BYTES // 2**30:,} GiB; ask for {MOST_BARS:,} bars at most"
        )
    for name, size in sizes.items():
        if size > _RANGES[name][1]:
            raise InvalidSetting(f"{name} is {size:,}; ask for {_RANGES[name][1]:,} at most")


def _cents(prices: Floats) -> Floats:
    cents: Floats = np.maximum(np.round(prices, 2), 0.5)
    return cents


def _scores(rng: np.random.Generator, close: Floats, information: float) -> Floats:
    """Generate scores: float64[days, stocks], rounded to six decimals."""
    future = np.zeros(close.shape)
    future[:-1] = np.log(close[1:] / close[:-1])
    shock = rng.standard_normal(close.shape)
    noise = np.empty(close.shape)
    noise[0] = shock[0]
    for day in range(1, len(noise)):
        noise[day] = PERSISTENCE * noise[day - 1] + np.sqrt(1 - PERSISTENCE**2) * shock[day]
    exact = information * future / future.std() + np.sqrt(1 - information**2) * noise
    scores: Floats = np.round(exact, 6)
    return scores

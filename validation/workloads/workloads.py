"""The five workloads on which engines are compared, from seeds, the same bytes on every machine.

    W1  250 instruments x 252 days, random entries and exits
    W2  500 x 252, the 25 best by a score from bar 13 on
    W3  500 x 2,520, the same
    W4  1 x 1,000,000 minutes, crosses of two moving averages as flags
    W5  5,000 x 2,520, the 25 best by a score on the last bar of each month

Prices are rounded to cents and scores to six decimals, so that the last bit of an exponential or a logarithm
does not matter, and engines of fixed precision see the same numbers. `DIGESTS` has the result.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout.ledger.numeric import Floats
from tieout.validation.workloads import task

Array = NDArray[Any]

BEST, WARMUP = task.BEST, task.WARMUP
"""Number of positions, and the first bar whose scores count."""

DIGESTS = {
    "W1": "cb51576072af9e34",
    "W2": "630befc265254003",
    "W3": "8f49a99313c95b6c",
    "W4": "319280ec51d47627",
    "W5": "3664e80b282c3557",
}
"""First 16 digits of the SHA-256 over each workload."""

_MINUTE = 60 * 10**9
FIELDS = ("open", "high", "low", "close", "volume")


@frozen(slots=False)
class Workload:
    """Arrays [bars, instruments]: *bars* by field, *inputs* of a strategy. *timestamp* is in nanoseconds."""

    name: str
    timestamp: NDArray[np.int64]
    bars: Mapping[str, Floats]
    inputs: Mapping[str, Array]

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols in alphabetical order."""
        count = self.bars["close"].shape[1]
        width = max(3, len(str(count - 1)))
        return tuple(f"A{number:0{width}d}" for number in range(count))

    @cached_property
    def digest(self) -> str:
        """Return the first 16 digits of the SHA-256 over every array with its name."""
        # Named `ts` here and nowhere else, so that the published digests of the workloads stay what they are.
        arrays = {"ts": self.timestamp, **self.bars, **self.inputs}
        sha = hashlib.sha256()
        for name in sorted(arrays):
            sha.update(name.encode())
            sha.update(np.ascontiguousarray(arrays[name]).tobytes())
        return sha.hexdigest()[:16]

    @cached_property
    def weights(self) -> Floats:
        """Return shares of 0.95 of equity for the best, 0 for the others, NaN on bars without a decision."""
        top = self.inputs["top"]
        rows = np.flatnonzero(top[:, 0] >= 0)
        weights = np.full(self.bars["close"].shape, np.nan)
        weights[rows] = 0.0
        weights[rows[:, None], top[rows]] = task.INVESTED / BEST
        return weights


def walk(seed: int, shape: tuple[int, int]) -> Workload:
    """Generate bars alone, [bars, instruments], one for each weekday."""
    rng = np.random.default_rng(seed)
    bars, instruments = shape
    first, volatility = rng.uniform(20, 500, instruments), rng.uniform(0.008, 0.022, instruments)
    return Workload("walk", _days(bars), _bars(rng, shape, first, volatility, 0.0003), {})


def generate(name: str) -> Workload:
    """Generate a workload by its name, W1 to W5."""
    return _GENERATORS[name]()


def _flags() -> Workload:
    rng = np.random.default_rng(101)
    shape = bars, instruments = 252, 250
    first, volatility = rng.uniform(20, 500, instruments), rng.uniform(0.008, 0.025, instruments)
    fields = _bars(rng, shape, first, volatility, 0.0003)
    uniform, probability = rng.random(shape), 0.175
    inputs = {"entries": uniform < probability, "exits": uniform > 1 - probability}
    return Workload("W1", _days(bars), fields, _none_at_the_end(inputs))


def _ranked(name: str, seed: int, shape: tuple[int, int], *, monthly: bool = False) -> Workload:
    rng = np.random.default_rng(seed)
    bars, instruments = shape
    first, volatility = rng.uniform(20, 500, instruments), rng.uniform(0.008, 0.022, instruments)
    fields = _bars(rng, shape, first, volatility, 0.0003)
    score = np.round(_scores(rng, fields["close"], 0.06, 0.8), 6)
    timestamp = _days(bars)
    decides = np.arange(bars) >= WARMUP
    if monthly:
        month = timestamp.view("M8[ns]").astype("M8[M]")
        decides[:-1] &= month[1:] != month[:-1]
    top = np.full((bars, BEST), -1, np.int64)
    for t in np.flatnonzero(decides):
        top[t] = np.sort(np.argsort(-score[t], kind="stable")[:BEST])
    return Workload(name, timestamp, fields, {"score": score, "top": top})


def _minutes() -> Workload:
    rng = np.random.default_rng(404)
    bars = 1_000_000
    fields = _bars(rng, (bars, 1), np.array([1000.0]), np.array([0.0006]), 0.0000008)
    fast, slow = (_mean(fields["close"][:, 0], window) for window in (20, 100))
    above, valid = fast > slow, ~np.isnan(slow)
    was_above = np.concatenate([[False], above[:-1]])
    was_valid = np.concatenate([[False], valid[:-1]])
    up, down = valid & was_valid & above & ~was_above, valid & was_valid & ~above & was_above
    timestamp = (
        np.datetime64("2020-01-01T00:00", "ns").astype(np.int64) + np.arange(bars, dtype=np.int64) * _MINUTE
    )
    return Workload(
        "W4", timestamp, fields, _none_at_the_end({"entries": up[:, None], "exits": down[:, None]})
    )


_GENERATORS: dict[str, Callable[[], Workload]] = {
    "W1": _flags,
    "W2": lambda: _ranked("W2", 202, (252, 500)),
    "W3": lambda: _ranked("W3", 303, (2520, 500)),
    "W4": _minutes,
    "W5": lambda: _ranked("W5", 505, (2520, 5000), monthly=True),
}


def _days(count: int) -> NDArray[np.int64]:
    """Return weekdays from 2014 on, in nanoseconds."""
    days = np.busday_offset(np.datetime64("2014-01-01", "D"), np.arange(count), roll="forward")
    return days.astype("datetime64[ns]").astype(np.int64)


def _bars(
    rng: np.random.Generator, shape: tuple[int, int], first: Floats, volatility: Floats, drift: float
) -> dict[str, Floats]:
    """Draw closes by geometric Brownian motion, opens near the previous close, and deep volume."""
    returns = rng.standard_normal(shape) * volatility + (drift - 0.5 * volatility**2)
    returns[0] = 0.0
    close = first * np.exp(np.cumsum(returns, axis=0))
    before = np.vstack([first[None, :], close[:-1]])
    opened = before * np.exp(rng.standard_normal(shape) * volatility * 0.2)
    high = np.maximum(opened, close) * np.exp(np.abs(rng.standard_normal(shape)) * volatility * 0.4)
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.standard_normal(shape)) * volatility * 0.4)
    close, opened, high, low = (np.maximum(np.round(p, 2), 0.5) for p in (close, opened, high, low))
    high = np.maximum(high, np.maximum(opened, close))
    low = np.minimum(low, np.minimum(opened, close))
    volume = np.round(rng.uniform(2e7, 4e7, shape))
    return dict(zip(FIELDS, (opened, high, low, close, volume), strict=True))


def _scores(rng: np.random.Generator, close: Floats, information: float, persistence: float) -> Floats:
    """Return the next bar's standardized return times *information*, plus autocorrelated noise."""
    future = np.zeros(close.shape)
    future[:-1] = np.log(close[1:] / close[:-1])
    signal = future / future.std()
    shock = rng.standard_normal(close.shape)
    noise = np.empty(close.shape)
    noise[0] = shock[0]
    for t in range(1, len(noise)):
        noise[t] = persistence * noise[t - 1] + np.sqrt(1 - persistence**2) * shock[t]
    scores: Floats = information * signal + np.sqrt(1 - information**2) * noise
    return scores


def _mean(values: Floats, window: int) -> Floats:
    """Return the moving average, NaN until the window is full."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.concatenate([np.full(window - 1, np.nan), (sums[window:] - sums[:-window]) / window])


def _none_at_the_end(flags: dict[str, Array]) -> dict[str, Array]:
    """Clear the flags of the last bar, which has no next open to fill at."""
    for values in flags.values():
        values[-1] = False
    return flags

"""A thousand parameter sets of the best by score: positions, share of equity, bars between rebalances."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tieout.validation.workloads.task import WARMUP

COUNTS = range(5, 55, 5)
SHARES = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
EVERY = range(1, 11)


def weights(arrays: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the weights [bars, instruments] of each set. They are NaN on bars without a decision."""
    score = arrays["score"]
    ranked = np.argsort(-score, axis=1, kind="stable")
    # The number of positions changes fastest: the largest sets come early, so growing memory is a leak.
    for every, share, count in itertools.product(EVERY, SHARES, COUNTS):
        rows = np.arange(WARMUP, len(score), every)
        shares = np.full(score.shape, np.nan)
        shares[rows] = 0.0
        shares[rows[:, None], ranked[rows, :count]] = share / count
        yield shares

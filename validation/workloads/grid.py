"""A thousand parameter sets of the best by score: how many, how much of equity, how often."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tieout.validation.workloads.task import WARMUP

COUNTS = range(5, 55, 5)
SHARES = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
EVERY = range(1, 11)


def weights(arrays: Mapping[str, Any]) -> Iterator[Any]:
    """The weights [bars, instruments] of one set after the other; NaN on bars that nothing is decided on."""
    score = arrays["score"]
    ranked = np.argsort(-score, axis=1, kind="stable")
    # How many are held changes fastest, so that the largest sets come early and memory that grows is a leak.
    for every, share, count in itertools.product(EVERY, SHARES, COUNTS):
        rows = np.arange(WARMUP, len(score), every)
        given = np.full(score.shape, np.nan)
        given[rows] = 0.0
        given[rows[:, None], ranked[rows, :count]] = share / count
        yield given

"""12-1 momentum after Jegadeesh and Titman (1993): the return of a year without its last month."""

import numpy as np
from attrs import define, field

from tieout import Bar, Broker, Strategy


@define
class Momentum(Strategy):
    """At the first bar of a month, hold the *count* instruments with the highest momentum at equal weights.

    Momentum is the return from *year* bars ago to *skip* bars ago. An instrument needs a bar today and *year*
    bars before it, volume on each of the last *liquid* bars, and a close of *price* or more. The momentum of
    others could not have been earned: their prices stand still, or are next to nothing.
    """

    count: int = 50
    invested: float = 0.95
    year: int = 252
    skip: int = 21
    liquid: int = 20
    price: float = 5.0
    _month: np.datetime64 | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.skip < self.year:
            raise ValueError(f"skip {self.skip} is not within the year of {self.year} bars")

    @property
    def lookback(self) -> int:
        """Number of bars: a year and this one."""
        return self.year + 1

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Rank the instruments and rebalance, once a month."""
        before, self._month = self._month, bar.timestamp.astype("M8[M]")
        if self._month == before or bar.number < self.year:
            return
        closes = bar.history("close", self.year + 1)
        volumes = bar.history("volume", self.liquid)
        eligible = ~np.isnan(closes).any(axis=0) & (volumes > 0).all(axis=0) & (bar.close >= self.price)
        momentum = np.where(eligible, closes[-1 - self.skip] / closes[0] - 1, np.nan)
        ranked = np.argsort(-momentum, kind="stable")[: self.count]
        best = [bar.symbols[i] for i in ranked if eligible[i]]
        if best:
            broker.target_weights(dict.fromkeys(best, self.invested / self.count))

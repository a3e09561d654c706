"""Crossover of two simple moving averages."""

import numpy as np
from attrs import define

from tieout import Broker, Instrument, Strategy


@define
class SmaCross(Strategy):
    """Hold an instrument while the mean of its last *fast* closes is above that of its last *slow* closes.

    Each position gets the share *share* of equity. Both means leave out missing closes.
    """

    fast: int = 20
    slow: int = 100
    share: float = 0.1

    @property
    def lookback(self) -> int:
        """Number of bars of the slow mean."""
        return self.slow

    def on_instrument(self, instrument: Instrument, broker: Broker) -> None:
        """Enter above the slow mean, and exit below it."""
        closes = instrument.history("close", self.slow)
        if len(closes) < self.slow:
            return
        rising = np.nanmean(closes[-self.fast :]) > np.nanmean(closes)
        is_long = broker.position(instrument.symbol) > 0
        if rising and not is_long:
            broker.target_percent(instrument.symbol, self.share, tag="cross up")
        elif is_long and not rising:
            broker.target_quantity(instrument.symbol, 0, tag="cross down")

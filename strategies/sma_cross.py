"""The crossing of two moving averages."""

import numpy as np
from attrs import define

from tieout import Broker, Instrument, Strategy


@define
class SmaCross(Strategy):
    """Hold an instrument while the mean of its last *fast* closes is above that of its last *slow* ones.

    Each gets *share* of equity. Closes that are missing are left out of both.
    """

    fast: int = 20
    slow: int = 100
    share: float = 0.1

    @property
    def lookback(self) -> int:
        """As many bars as the slow mean takes."""
        return self.slow

    def on_instrument(self, instrument: Instrument, broker: Broker) -> None:
        """Enter above, leave below."""
        closes = instrument.history("close", self.slow)
        if len(closes) < self.slow:
            return
        rising = np.nanmean(closes[-self.fast :]) > np.nanmean(closes)
        held = broker.position(instrument.symbol) > 0
        if rising and not held:
            broker.target_percent(instrument.symbol, self.share, tag="cross up")
        elif held and not rising:
            broker.target_quantity(instrument.symbol, 0, tag="cross down")

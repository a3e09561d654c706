"""Equal weights, rebalanced only where they have moved too far."""

import numpy as np
from attrs import define

from execution import Bar, Broker, Strategy


@define
class EqualWeight(Strategy):
    """Hold all that trades at equal weights, *invested* of equity in all.

    A weight that is within *band* of its target, as a share of it, is left alone.
    """

    invested: float = 0.95
    band: float = 0.2

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Bring back what is outside its band."""
        traded = bar.traded
        if not traded.any():
            return
        target = np.where(traded, self.invested / traded.sum(), 0.0)
        weights = broker.quantities * np.nan_to_num(bar.close) / broker.equity
        away = np.abs(weights - target) > self.band * target
        broker.target_weights(np.where(traded & away, target, np.nan), tag="outside the band")

"""Equal weights, rebalanced only where they have drifted too far."""

import numpy as np
from attrs import define

from tieout import Bar, Broker, Strategy


@define
class EqualWeight(Strategy):
    """Hold all traded instruments at equal weights that add up to *invested*.

    A position without a bar today keeps its share. A weight within *band* of its target, as a share of the
    target, is not changed.
    """

    invested: float = 0.95
    band: float = 0.2

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Rebalance the weights outside their band."""
        traded, quantities = bar.traded, broker.quantities
        if not traded.any():
            return
        target = self.invested / np.count_nonzero(traded | (quantities != 0))
        weights = quantities * np.nan_to_num(bar.close) / broker.equity
        away = np.abs(weights - target) > self.band * target
        broker.target_weights(np.where(traded & away, target, np.nan), tag="outside the band")

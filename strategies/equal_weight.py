"""Equal weights, rebalanced only where they have moved too far."""

import numpy as np
from attrs import define

from tieout import Bar, Broker, Strategy


@define
class EqualWeight(Strategy):
    """Hold all that trades at equal weights, *invested* of equity in all.

    What is held and has no bar today keeps its share. A weight that is within *band* of its target, as a
    share of it, is left alone.
    """

    invested: float = 0.95
    band: float = 0.2

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Bring back what is outside its band."""
        traded, held = bar.traded, broker.quantities
        if not traded.any():
            return
        target = self.invested / np.count_nonzero(traded | (held != 0))
        weights = held * np.nan_to_num(bar.close) / broker.equity
        away = np.abs(weights - target) > self.band * target
        broker.target_weights(np.where(traded & away, target, np.nan), tag="outside the band")

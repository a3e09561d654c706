"""The best by a score, at equal weights."""

from attrs import define

from tieout import Bar, Broker, Strategy


@define
class Top(Strategy):
    """At every bar, hold the *count* instruments highest by the feature *score*, *invested* of equity in all.

    Nothing is done before the feature exists.
    """

    count: int = 25
    invested: float = 0.95
    score: str = "score"

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Hold the best."""
        if best := bar.top(self.score, self.count):
            broker.target_weights(dict.fromkeys(best, self.invested / self.count))

"""Buy once and keep."""

from attrs import define, field

from tieout import Bar, Broker, Strategy


@define
class BuyAndHold(Strategy):
    """At the first bar, put *invested* of equity to equal parts into all that trades, and keep it."""

    invested: float = 0.95
    _bought: bool = field(default=False, init=False)

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Buy, once."""
        traded = [symbol for symbol, trades in zip(bar.symbols, bar.traded, strict=True) if trades]
        if traded and not self._bought:
            self._bought = True
            for symbol in traded:
                broker.order_percent(symbol, self.invested / len(traded), tag="buy and hold")

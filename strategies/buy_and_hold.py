"""Buy once and hold."""

from attrs import define, field

from tieout import Bar, Broker, Strategy


@define
class BuyAndHold(Strategy):
    """Invest *invested* of equity equally in all instruments traded at the first bar, and hold them."""

    invested: float = 0.95
    _bought: bool = field(default=False, init=False)

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Buy, once."""
        traded = [symbol for symbol, trades in zip(bar.symbols, bar.traded, strict=True) if trades]
        if traded and not self._bought:
            self._bought = True
            for symbol in traded:
                broker.order_percent(symbol, self.invested / len(traded), tag="buy and hold")

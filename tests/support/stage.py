"""Small markets written as tables, and strategies written as functions of a bar."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tieout import Backtest, Bar, Bars, Broker, CashAccount, Fill, Rejection, Result, Strategy

FIRST_DAY = np.datetime64("2024-01-01", "ns")


def market(table: str) -> Bars:
    """Read bars from a table with one line a day, the first of which names the instruments.

    A cell is ``10``, ``10>12`` from open to close, or ``-`` for no bar. ``10*0`` trades nothing. Else a bar's
    volume is 10,000.
    """
    head, *lines = [line.split() for line in table.strip().splitlines()]
    cells = np.array([[_cell(text) for text in line] for line in lines])
    opened, close, volume = cells[:, :, 0], cells[:, :, 1], cells[:, :, 2]
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    days = FIRST_DAY + np.arange(len(lines)) * np.timedelta64(1, "D")
    return Bars.from_arrays(days, head, open=opened, high=high, low=low, close=close, volume=volume)


def _cell(text: str) -> tuple[float, float, float]:
    if text == "-":
        return (np.nan, np.nan, np.nan)
    prices, _, volume = text.partition("*")
    opened, _, close = prices.partition(">")
    return float(opened), float(close or opened), float(volume or 10_000)


Act = Callable[[Bar, Broker], object]


class Acts(Strategy):
    """A strategy that performs the act of each bar and keeps its result."""

    def __init__(self, acts: Mapping[int, Act], lookback: int = 0) -> None:
        self._acts = acts
        self._lookback = lookback
        self._results: list[Any] = []
        self._notices: list[Fill | Rejection] = []

    @property
    def lookback(self) -> int:
        return self._lookback

    @property
    def results(self) -> list[Any]:
        """Return the result of each act."""
        return self._results

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        if bar.number in self._acts:
            self._results.append(self._acts[bar.number](bar, broker))


class Notified(Acts):
    """A strategy that also keeps its fills and rejections."""

    @property
    def notices(self) -> list[Fill | Rejection]:
        """Return the fills and rejections in order."""
        return self._notices

    def on_fill(self, fill: Fill, broker: Broker) -> None:
        del broker
        self._notices.append(fill)

    def on_rejection(self, rejection: Rejection, broker: Broker) -> None:
        del broker
        self._notices.append(rejection)


def perform(bars: Bars, strategy: Any, cash: str = "10000", **more: Any) -> Result:
    """Perform a run in memory."""
    return Backtest(**({"bars": bars, "strategy": strategy, "account": CashAccount(cash)} | more)).run()


def perform_acts(bars: Bars, acts: Mapping[int, Act], **more: Any) -> tuple[Result, list[Any]]:
    """Perform a run with an act at each bar. Return it with the result of each act."""
    strategy = Acts(acts, more.pop("lookback", 0))
    return perform(bars, strategy, **more), strategy.results


def orders(result: Result) -> list[str]:
    """List every order in a line: its terms, its status and the reason."""
    lines = []
    for row in result.orders.sort("id").to_dicts():
        side = "buy" if row["quantity"] > 0 else "sell"
        price = row["limit_price"] if row["limit_price"] is not None else row["stop_price"]
        words = [side, f"{abs(row['quantity']).normalize():f}", row["symbol"]]
        words += [row["type"]] * (row["type"] != "market") + ([f"{price:g}"] if price is not None else [])
        words += [row["time_in_force"]] * (row["time_in_force"] != "gtc")
        words += ["->", row["status"], *([row["reason"]] if row["reason"] not in {"", "none"} else [])]
        lines.append(" ".join(words))
    return lines


def fills(result: Result) -> list[str]:
    """List every fill in a line: the day, quantity and price."""
    rows: Sequence[Mapping[str, Any]] = result.journal.sql(
        "select epoch_ns(timestamp) as ns, symbol, side * quantity * value as quantity, price from fill"
        " join commodity on commodity.id = instrument join unit using (scale) order by fill.id"
    ).rows()
    first = int(FIRST_DAY.astype(np.int64))
    return [
        f"{(row['ns'] - first) // (86_400 * 10**9)}: {row['quantity'].normalize():+f} {row['symbol']}"
        f" @ {row['price']:g}"
        for row in rows
    ]

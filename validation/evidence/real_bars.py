"""Real bars: members of the S&P 500 over five years, long the best and short the worst, in both engines.

Every day the book is long the 25 with the highest return over 20 of their own bars, and short the 25 with the
lowest. Each is 4 % of the account. A symbol needs a bar today, 252 bars of history, volume on each of the
last 20, and a close of 5 or more. A position that leaves the book is closed. Backtrader has each symbol's own
bars. It also decides before the last symbol has begun, and orders only symbols with a bar that day.

The file of bars is not part of the project.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from attrs import frozen
from numpy.typing import NDArray

from tieout.execution.data.frames import FIELDS
from tieout.ledger.numeric import Floats
from tieout.validation.engines.backtrader import scenario as of_backtrader
from tieout.validation.engines.vectorbt import scenario as of_vectorbt
from tieout.validation.evidence.studies import ALL, BACKTRADER, RATE, Pair, pair

BARS = Path(__file__).resolve().parents[3] / "shared" / "data" / "sp500_2015_2020.parquet"
"""Default path of the file, beside the project."""
EACH_WAY, SHARE = 25, 0.04
LOOKBACK, HISTORY, VOLUME_BARS, FLOOR = 20, 252, 20, 5.0
CASH = 1_000_000.0


@frozen(eq=False)
class Market:
    """Panels of float64[bars, columns] by field, NaN where a symbol has no bar, and times in nanoseconds."""

    timestamp: NDArray[np.int64]
    symbols: Sequence[str]
    fields: dict[str, Floats]

    @classmethod
    def read(cls, path: Path = BARS) -> "Market":
        """Read the file's bars without repairs."""
        rows = pl.read_parquet(path).sort("date", "symbol")
        dates, symbols = rows["date"].unique().sort(), rows["symbol"].unique().sort()
        shape = len(dates), len(symbols)
        bar, column = (
            values.search_sorted(rows[name]).to_numpy()
            for values, name in ((dates, "date"), (symbols, "symbol"))
        )
        fields = {}
        for name in FIELDS:
            fields[name] = np.full(shape, np.nan)
            fields[name][bar, column] = rows[name].cast(pl.Float64).to_numpy()
        timestamp = dates.cast(pl.Datetime("ns")).to_numpy().astype(np.int64)
        return cls(timestamp, symbols.to_list(), fields)

    def until(self, bars: int) -> "Market":
        """Return the first *bars*, and the symbols that have one of them."""
        (columns,) = np.nonzero(np.any(~np.isnan(self.fields["close"][:bars]), axis=0))
        fields = {name: one[:bars, columns] for name, one in self.fields.items()}
        return Market(self.timestamp[:bars], [self.symbols[column] for column in columns.tolist()], fields)


def book(market: Market) -> Floats:
    """Return float64[bars, columns]: the target share of each symbol, NaN for no target.

    The target is 0 where a symbol with a bar has left the book.
    """
    close, volume = market.fields["close"], market.fields["volume"]
    targets = np.full(close.shape, np.nan)
    returns, is_fit = np.full(close.shape, -np.inf), np.zeros(close.shape, np.bool_)
    for column in range(close.shape[1]):
        rows = np.flatnonzero(~np.isnan(close[:, column]))
        prices, has_volume = close[rows, column], volume[rows, column] > 0
        runs = np.convolve(has_volume, np.ones(VOLUME_BARS), "full")[: rows.size] == VOLUME_BARS
        fit = runs & (prices >= FLOOR) & (np.arange(rows.size) >= HISTORY - 1)
        is_fit[rows, column] = fit
        returns[rows[LOOKBACK:], column] = prices[LOOKBACK:] / prices[:-LOOKBACK] - 1.0
    ever = np.zeros(close.shape[1], np.bool_)
    for bar in range(len(close)):
        fit = np.flatnonzero(is_fit[bar])
        targets[bar, ever & ~np.isnan(close[bar])] = 0.0
        if fit.size < 2 * EACH_WAY:
            continue
        ranked = fit[np.argsort(-returns[bar, fit], kind="stable")]
        targets[bar, ranked[:EACH_WAY]], targets[bar, ranked[-EACH_WAY:]] = SHARE, -SHARE
        ever[ranked[:EACH_WAY]] = ever[ranked[-EACH_WAY:]] = True
    return targets


def for_backtrader(market: Market, shares: Floats) -> of_backtrader.Scenario:
    """Make the scenario for Backtrader: each symbol's own bars, with targets on them, at the next open."""
    rules = of_backtrader.Rules(cash=CASH, commission=RATE)
    return of_backtrader.of_bars(market.timestamp, market.fields, of_backtrader.targets(shares), rules)


def for_vectorbt(market: Market, shares: Floats) -> of_vectorbt.Scenario:
    """Make the scenario for VectorBT: the shares at the close, sales first."""
    return of_vectorbt.Scenario(
        "orders",
        market.fields["close"],
        CASH,
        {"size": shares, "size_type": "targetpercent", "direction": "both", "fees": RATE},
        call_seq="auto",
    )


def real(market: Market, engines: Sequence[str] = ALL) -> Iterator[Pair]:
    """Perform the study on real bars in the packages and in the imitations."""
    shares = book(market)
    for engine in engines:
        make = for_backtrader if engine == BACKTRADER else for_vectorbt
        yield pair("long the best 25, short the worst 25", engine, make(market, shares))

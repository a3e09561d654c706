"""The native engine beside VectorBT and Backtrader, on random runs with the rules that all three share.

No imitation takes part: `Backtest` runs a strategy, and its orders are given to the packages. Every fill,
every refusal, and cash and value at every bar are compared. `draw` draws only the shared rules, and lists
them. A difference outside of that list is a difference of rules, not chance.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np

from tieout import (
    Backtest,
    Bar,
    Bars,
    Broker,
    CashAccount,
    Costs,
    Instruments,
    PercentCommission,
    Sizing,
    Strategy,
    UnlimitedAccount,
)
from tieout.execution.data.instruments import InstrumentSpec
from tieout.ledger.numeric import Floats
from tieout.validation.compare.differences import Comparison
from tieout.validation.engines.backtrader.adapter import by_package as by_backtrader
from tieout.validation.engines.vectorbt.adapter import by_package as by_vectorbt
from tieout.validation.evidence.tally import CASH_BOUND, Tally, regimes_of
from tieout.validation.foreign.native import NativeRun
from tieout.validation.foreign.outcome import Outcome

HALVES = Instruments(InstrumentSpec(step="0.5"))
RATES = (0.0, 0.001, 0.002, 0.01)
SLIPPAGES = (0.0, 0.0005, 0.001, 0.01)

Kind = Literal["bound", "ample", "unlimited"]
KINDS: tuple[Kind, ...] = ("bound", "ample", "unlimited")
"""Binding cash, ample cash, and an unlimited account with shorts."""


class Wishes(Strategy):
    """Trade the wish of each bar and instrument: buy a quantity, or sell a share of the position.

    *wishes* is float64[bars, instruments], NaN for no order. Above zero is a quantity to buy. Below zero is a
    share of the position to sell, or with *is_free* a quantity to sell.
    """

    def __init__(self, wishes: Floats, *, is_free: bool) -> None:
        self._wishes = wishes
        self._is_free = is_free
        self._bar = -1

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Order the wishes of the instruments that have a bar."""
        self._bar += 1
        wish = np.where(np.isnan(bar.close), np.nan, self._wishes[self._bar])
        if not self._is_free:
            sale = np.ceil(-wish * broker.quantities * 2.0) / 2.0
            wish = np.where(wish < 0, -np.minimum(sale, broker.quantities), wish)
        wish[wish == 0] = np.nan
        if not np.isnan(wish).all():
            broker.order_vector(Sizing.QUANTITY, wish)


def draw(seed: int) -> Backtest:
    """Draw a random run with the shared rules. The same seed gives the same run.

    The shared rules are:

    - market orders only, filled at the next open or at the same close, one for each bar and instrument
    - whole or half units, whose sums are exact in floats, so that no dust is left to sell
    - a commission of tenths of a percent, without a minimum
    - an order that exceeds cash is refused whole: no partial fills in VectorBT
    - orders that reduce come before orders that add: VectorBT's call sequence, Backtrader's order of
      submission
    - Backtrader checks cash at the fill, because its check at submission uses other prices
    - a cash account sells only what it holds, because Backtrader would go short
    - shorts and flips with an unlimited account whose cash covers all purchases, because the others
      never lend
    - cash never becomes exactly zero, where the last digit of a float decides: cash begins with a
      millionth
    - slippage, which can leave the bar's range, only with ample cash, because we round its digits
    - volume on every bar, and every instrument trades to the end, because the others ignore both
    - missing bars only at the same close or with ample cash, because a waiting order goes ahead of
      others in Backtrader
    """
    rng = np.random.default_rng([seed, 5])
    bars, columns = int(rng.integers(5, 41)), int(rng.integers(1, 7))
    kind = KINDS[int(rng.integers(len(KINDS)))]
    fill = ("next_open", "same_close")[int(rng.integers(2))]
    gaps = 0.0 if kind == "bound" and fill == "next_open" else float(rng.choice([0.0, 0.1, 0.3]))
    panels = _prices(rng, (bars, columns), gaps)
    most = 2 * int(rng.integers(1, 101))
    wishes = rng.integers(1, most + 1, (bars, columns)) / 2.0
    if kind == "unlimited":
        wishes *= rng.choice([-1.0, 1.0], wishes.shape)
    else:
        share = rng.choice([0.25, 0.5, 1.0], wishes.shape)
        wishes = np.where(rng.random(wishes.shape) < 0.4, -share, wishes)
    idle = rng.random(wishes.shape) >= rng.choice([0.2, 0.5, 0.9])
    idle[0] = False  # every run has an order to compare
    wishes[idle] = np.nan
    rate = float(rng.choice(RATES))
    slippage = 0.0 if kind == "bound" else float(rng.choice(SLIPPAGES))
    dearest = float(np.nanmax(panels["high"])) * most / 2.0
    cash = f"{_cash(rng, kind, dearest, bars * columns)}.000001"
    timestamp = np.busday_offset("2020-01-01", np.arange(bars), roll="forward").astype("M8[ns]")
    return Backtest(
        bars=Bars.from_arrays(timestamp, [f"I{column}" for column in range(columns)], **panels),
        strategy=Wishes(wishes, is_free=kind == "unlimited"),
        account=UnlimitedAccount(cash) if kind == "unlimited" else CashAccount(cash),
        costs=Costs(PercentCommission(rate), slippage=slippage),
        instruments=HALVES,
        fill=fill,
    )


def _rules() -> tuple[str, ...]:
    """Return the rules that the docstring of `draw` lists."""
    text = inspect.getdoc(draw) or ""
    return tuple(" ".join(item.split()) for item in text.split("\n- ")[1:])


COMMON_RULES = _rules()
"""The shared rules, to be printed."""


def _cash(rng: np.random.Generator, kind: Kind, dearest: float, cells: int) -> int:
    """Return whole cash for a few orders, or for every possible order."""
    if kind == "bound":
        return int(dearest * rng.uniform(0.2, 3.0)) + 1
    return int(dearest * 1.03 * cells) + 1


def _prices(rng: np.random.Generator, shape: tuple[int, int], gaps: float) -> dict[str, Floats]:
    """Draw prices in cents with missing bars, never the last nor all of one time, and volume on every bar."""
    first = rng.uniform(2.0, 300.0, shape[1])
    close = first * np.exp(np.cumsum(rng.normal(0.0, rng.choice([0.01, 0.05]), shape), axis=0))
    opened = np.vstack([first, close[:-1]]) * np.exp(rng.normal(0.0, 0.01, shape))
    close, opened = (np.maximum(np.round(prices, 2), 0.5) for prices in (close, opened))
    high = np.maximum(close, opened) + np.round(rng.uniform(0.0, 0.5, shape), 2)
    low = np.maximum(np.minimum(close, opened) - np.round(rng.uniform(0.0, 0.5, shape), 2), 0.01)
    panels = {"open": opened, "high": high, "low": low, "close": close, "volume": np.full(shape, 1e6)}
    missing = rng.random(shape) < gaps
    missing[-1] = False
    missing[np.arange(shape[0]), rng.integers(0, shape[1], shape[0])] = False
    for prices in panels.values():
        prices[missing] = np.nan
    return panels


# --- comparing -------------------------------------------------------------------------------------


def perform(seed: int) -> NativeRun:
    """Perform the random run of a seed in the native engine."""
    backtest = draw(seed)
    with backtest.run() as result:
        return NativeRun.of(backtest, result.journal)


PACKAGES: Mapping[str, tuple[str, Callable[[NativeRun], Outcome]]] = {
    "VectorBT, numba": ("vectorbt", partial(by_vectorbt, engine="numba")),
    "VectorBT, Rust": ("vectorbt", partial(by_vectorbt, engine="rust")),
    "Backtrader": ("backtrader", partial(by_backtrader, checks_submission=False)),
}
"""The name of each engine, and the function that performs the orders of a run in it."""


def compare_random(count: int, first: int = 0, packages: Mapping[str, Any] = PACKAGES) -> dict[str, Tally]:
    """Compare the runs of *count* seeds from *first* on with each package."""
    tallies = {name: Tally() for name in packages}
    for seed in range(first, first + count):
        run = perform(seed)
        for name, (engine, trade) in packages.items():
            add(tallies[name], f"seed {seed}", Comparison(engine, run, trade(run)))
    return tallies


def add(tally: Tally, scenario: str, comparison: Comparison) -> None:
    """Count one comparison."""
    outcome, departures = comparison.run.outcome, comparison.differences
    tally.scenarios += 1
    tally.fills += len(outcome.fills)
    tally.bars += outcome.cash.size
    tally.refusals.update(refusal.reason for refusal in outcome.refusals)
    regimes = {*regimes_of(outcome.fills)}
    if any(refusal.reason == "insufficient_cash" for refusal in outcome.refusals):
        regimes.add(CASH_BOUND)
    tally.regimes.update(regimes)
    if departures:
        tally.differ(scenario, departures)

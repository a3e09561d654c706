"""The native engine beside VectorBT and Backtrader, on random runs in which their rules and ours coincide.

Not an imitation: `execution.Backtest` performs a strategy, the orders that it gave are given to the packages,
and every fill, every refusal, and cash and value at every bar are compared. What the rules have in common is
what `drawn` draws, and lists; whatever lies outside of it is a difference of rules, not chance.
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
from tieout.execution.data.instruments import Terms
from tieout.validation.compare.differences import Comparison
from tieout.validation.engines.backtrader.adapter import by_package as by_backtrader
from tieout.validation.engines.vectorbt.adapter import by_package as by_vectorbt
from tieout.validation.evidence.tally import CASH_BOUND, Tally, regimes_of
from tieout.validation.foreign.native import Performed
from tieout.validation.foreign.outcome import Floats, Outcome

HALVES = Instruments(Terms(step="0.5"))
RATES = (0.0, 0.001, 0.002, 0.01)
SLIPPAGES = (0.0, 0.0005, 0.001, 0.01)

Kind = Literal["bound", "ample", "unlimited"]
KINDS: tuple[Kind, ...] = ("bound", "ample", "unlimited")
"""Cash that binds; cash that does not; and shorts."""


class Wishes(Strategy):
    """At each bar and instrument: above zero, buy so much; below, sell that share of what is held.

    *wishes* is float64[bars, instruments], NaN for nothing. With *is_free*, sell so much instead.
    """

    def __init__(self, wishes: Floats, *, is_free: bool) -> None:
        self._wishes = wishes
        self._is_free = is_free
        self._bar = -1

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Ask for what is wished of those that have a bar."""
        self._bar += 1
        wish = np.where(np.isnan(bar.close), np.nan, self._wishes[self._bar])
        if not self._is_free:
            sold = np.ceil(-wish * broker.quantities * 2.0) / 2.0
            wish = np.where(wish < 0, -np.minimum(sold, broker.quantities), wish)
        wish[wish == 0] = np.nan
        if not np.isnan(wish).all():
            broker.order_vector(Sizing.QUANTITY, wish)


def drawn(seed: int) -> Backtest:
    """A random run in which the rules coincide; the same one for the same seed.

    What has to be so for that, a rule each:

    - market orders alone, filled at the next open or at the same close, one a bar and instrument
    - for whole or half units, sums of which floats hold exactly, so that no dust is left to sell
    - a commission of so many tenths of a percent, without a minimum
    - what the account cannot bear is refused whole: no partial fills in VectorBT
    - what reduces goes first, then what adds: VectorBT's call sequence, Backtrader's order of
      submission
    - Backtrader checks cash when it fills, not when an order is submitted, for which it takes other
      prices
    - with a cash account nothing is sold that is not held: Backtrader would go short
    - shorts and reversals with an unlimited account whose cash covers all purchases: the others never
      lend
    - no order takes cash to exactly zero, where a float's last digit decides: cash begins with a
      millionth
    - slippage, which may leave the bar's range, only where cash is ample, as it has digits that we
      round
    - every bar trades, and every instrument to the end: the others neither look at volume nor end
      anything
    - gaps in the bars at the same close, or with ample cash: what waits goes ahead of others in
      Backtrader
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
    left = rng.random(wishes.shape) >= rng.choice([0.2, 0.5, 0.9])
    left[0] = False  # there is something to compare
    wishes[left] = np.nan
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


def _listed() -> tuple[str, ...]:
    """What `drawn` lists: each a rule on which the three agree."""
    listed = inspect.getdoc(drawn) or ""
    return tuple(" ".join(item.split()) for item in listed.split("\n- ")[1:])


COINCIDES = _listed()
"""The same, to be printed."""


def _cash(rng: np.random.Generator, kind: Kind, dearest: float, cells: int) -> int:
    """Whole money for a few orders, or for every order that there may be."""
    if kind == "bound":
        return int(dearest * rng.uniform(0.2, 3.0)) + 1
    return int(dearest * 1.03 * cells) + 1


def _prices(rng: np.random.Generator, shape: tuple[int, int], gaps: float) -> dict[str, Floats]:
    """Prices in cents with a share of bars missing, never the last, nor all of one time; every bar trades."""
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


def compared(seed: int, engine: str, theirs: Callable[[Performed], Outcome]) -> Comparison:
    """The random run of a seed beside what an engine makes of its orders."""
    ours = performed(seed)
    return Comparison(engine, ours, theirs(ours))


def performed(seed: int) -> Performed:
    """The random run of a seed, performed by the native engine."""
    backtest = drawn(seed)
    with backtest.run() as result:
        return Performed.of(backtest, result.journal)


PACKAGES: Mapping[str, tuple[str, Callable[[Performed], Outcome]]] = {
    "VectorBT, numba": ("vectorbt", partial(by_vectorbt, engine="numba")),
    "VectorBT, Rust": ("vectorbt", partial(by_vectorbt, engine="rust")),
    "Backtrader": ("backtrader", partial(by_backtrader, checks_submission=False)),
}
"""Against whom: the engine's name, and what performs the orders of a run."""


def compare_random(count: int, first: int = 0, packages: Mapping[str, Any] = PACKAGES) -> dict[str, Tally]:
    """Compare the runs of *count* seeds from *first* on with each of the packages."""
    tallies = {name: Tally() for name in packages}
    for seed in range(first, first + count):
        ours = performed(seed)
        for name, (engine, theirs) in packages.items():
            add(tallies[name], f"seed {seed}", Comparison(engine, ours, theirs(ours)))
    return tallies


def add(tally: Tally, scenario: str, comparison: Comparison) -> None:
    """Count one comparison."""
    ours, found = comparison.run.outcome, comparison.differences
    tally.scenarios += 1
    tally.fills += len(ours.fills)
    tally.bars += ours.cash.size
    tally.refusals.update(refusal.reason for refusal in ours.refusals)
    regimes = {*regimes_of(ours.fills)}
    if any(refusal.reason == "insufficient_cash" for refusal in ours.refusals):
        regimes.add(CASH_BOUND)
    tally.regimes.update(regimes)
    if found:
        tally.differ(scenario, found)

"""The native engine beside the imitations, on random runs in which the rules coincide."""

from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from tieout import (
    Backtest,
    Bar,
    Bars,
    Broker,
    CashAccount,
    Costs,
    PercentCommission,
    PercentSlippage,
    Strategy,
    UnlimitedAccount,
)
from tieout.validation.compare.differences import Comparison
from tieout.validation.engines.backtrader import adapter as backtrader
from tieout.validation.engines.vectorbt import adapter as vectorbt
from tieout.validation.evidence.native import COMMON_RULES, HALVES, add, compare_random, perform
from tieout.validation.evidence.tally import CASH_BOUND, FLIPPED, SHORT, Tally
from tieout.validation.foreign.native import NativeRun
from tieout.validation.foreign.outcome import Outcome

SEEDS = range(20)
run_of = cache(perform)


def by_imitation(run: NativeRun, engine: str) -> Outcome:
    if engine == "vectorbt":
        return vectorbt.by_imitation(run)
    return backtrader.by_imitation(run, checks_submission=False)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_run_has_only_the_shared_rules(seed: int) -> None:
    run = run_of(seed)
    backtest = run.backtest

    limits = [not np.isnan(order.limit) or not np.isnan(order.stop) for order in run.orders]
    assert not any(limits)
    assert len(run.orders) == len({(order.bar, order.column) for order in run.orders})
    assert all(2 * order.quantity == int(2 * order.quantity) for order in run.orders)
    assert {"insufficient_cash"} >= {refusal.reason for refusal in run.outcome.refusals}
    assert str(backtest.account.cash).endswith(".000001")
    assert run.panels.is_there[-1].all()
    assert {} == dict(run.endings)
    if isinstance(backtest.account, UnlimitedAccount):
        assert not run.outcome.refusals
        assert run.outcome.cash.min() >= 0
    else:
        assert isinstance(backtest.account, CashAccount)
        assert "reject" == backtest.account.insufficient
        assert all(order.reduces or order.quantity > 0 for order in run.orders)
    if run.outcome.refusals:
        assert PercentSlippage() == backtest.costs.slippage
        assert run.is_same_close or run.panels.is_there.all()


def test_twenty_random_runs_cover_every_choice() -> None:
    runs = [run_of(seed) for seed in SEEDS]
    costs = [run.backtest.costs for run in runs]
    gaps = {run.backtest.fill for run in runs if not run.panels.is_there.all()}

    assert {"next_open", "same_close"} == gaps
    assert {True, False} == {bool(run.panels.is_there.all()) for run in runs}
    assert {True, False} == {one.slippage != PercentSlippage() for one in costs}
    assert {True, False} == {one.commission != PercentCommission(0.0) for one in costs}
    assert {True, False} == {run.is_limited for run in runs}
    assert {True, False} == {bool(run.outcome.refusals) for run in runs if run.is_limited}
    assert {True, False} == {len(run.panels.symbols) > 1 for run in runs}


def test_the_same_seed_draws_the_same_run_and_another_seed_another_run() -> None:
    one, again, other = run_of(3), perform(3), run_of(4)

    assert str(one.orders) == str(again.orders)
    assert one.outcome.fills == again.outcome.fills
    assert str(one.orders) != str(other.orders)


def test_random_runs_lead_to_the_same_books_everywhere() -> None:
    """Cash binds, positions go short and flip: twenty seeds reach all of it."""
    tallies = {"vectorbt": Tally(), "backtrader": Tally()}
    for seed in SEEDS:
        run = run_of(seed)
        for engine, tally in tallies.items():
            add(tally, f"seed {seed}", Comparison(engine, run, by_imitation(run, engine)))

    for tally in tallies.values():
        assert [] == tally.differences
        assert 20 == tally.scenarios
        assert {CASH_BOUND, SHORT, FLIPPED} == set(tally.regimes)


@pytest.mark.parametrize(
    ("name", "more", "subject"),
    [
        ("fee", 0.006, "commission"),
        ("fee", 0.004, ""),
        ("price", 1e-6, "price"),
        ("quantity", 1e-7, "quantity"),
        ("quantity", 1e-9, ""),
        ("bar", 1, "fill"),
    ],
)
def test_a_different_fill_is_reported(name: str, more: float, subject: str) -> None:
    run = run_of(0)
    package = by_imitation(run, "vectorbt")
    first, *others = package.fills
    other = evolve(first, **{name: getattr(first, name) + more})

    departures = Comparison("vectorbt", run, evolve(package, fills=[other, *others])).differences

    assert [subject] * bool(subject) == [departure.what for departure in departures]


@pytest.mark.parametrize("name", ["cash", "value"])
@pytest.mark.parametrize(("more", "count"), [(0.004, 0), (0.006, 1)])
def test_half_a_cent_of_cash_or_value_is_reported(name: str, more: float, count: int) -> None:
    run = run_of(0)
    package = by_imitation(run, "vectorbt")

    moved = evolve(package, **{name: getattr(package, name) + more})
    departures = Comparison("vectorbt", run, moved).differences

    assert [(0, name)] * count == [(departure.bar, departure.what) for departure in departures]


class Resting(Strategy):
    """A strategy with limits, stops and market orders near the close, some for a day, some cancelled."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._random = np.random.default_rng(seed)

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Submit about one order for every other instrument."""
        random = self._random
        for symbol, close in zip(bar.symbols, bar.close.tolist(), strict=True):
            kind = ("limit", "stop", "market", "none", "none")[int(random.integers(5))]
            if kind == "none":
                continue
            terms: dict[str, Any] = {} if kind == "market" else {kind: round(close + random.normal(0, 2), 2)}
            terms |= {"tif": "day"} if random.random() < 0.3 else {}
            (broker.buy if random.random() < 0.5 else broker.sell)(
                symbol, int(random.integers(1, 9)), **terms
            )
        resting = [order for order in broker.open_orders if order.type != "market"]
        if resting and random.random() < 0.3:
            broker.cancel(resting[int(random.integers(len(resting)))])


@pytest.mark.parametrize("seed", range(6))
def test_limits_and_stops_fill_alike_in_backtrader_where_cash_is_ample(seed: int) -> None:
    rng = np.random.default_rng(seed)
    close = np.round(50 + rng.normal(0, 1, (40, 3)).cumsum(axis=0).clip(-30, 30), 2)
    opened = np.round(close + rng.normal(0, 1, close.shape), 2)
    high, low = np.maximum(close, opened) + 0.5, np.minimum(close, opened) - 0.5
    timestamp = np.busday_offset("2024-01-01", np.arange(40), roll="forward").astype("M8[ns]")
    backtest = Backtest(
        bars=Bars.from_arrays(timestamp, list("ABC"), open=opened, high=high, low=low, close=close),
        strategy=Resting(seed),
        account=UnlimitedAccount("1000000"),
        costs=Costs(PercentCommission("0.001")),
    )
    with backtest.run() as result:
        run = NativeRun.of(backtest, result.journal)

    assert 20 < len(run.outcome.fills) < len(run.orders)
    assert [] == list(Comparison("backtrader", run, by_imitation(run, "backtrader")).differences)


def test_the_steps_are_halves_whose_sums_floats_hold() -> None:
    assert "0.5" == str(HALVES.default.step)
    assert any("half units" in rule for rule in COMMON_RULES)


@pytest.mark.reference
@pytest.mark.skipif(
    not all(find_spec(package) for package in ("vectorbt", "vectorbt_rust", "backtrader")),
    reason="VectorBT or Backtrader is not installed",
)
def test_random_runs_lead_to_the_same_books_in_the_packages() -> None:
    for tally in compare_random(40, 1_000).values():
        assert (40, []) == (tally.scenarios, tally.differences)

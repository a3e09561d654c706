"""The native engine beside the imitations, on random runs in which the rules coincide."""

from importlib.util import find_spec

import numpy as np
import pytest
from attrs import evolve

from execution import CashAccount, UnlimitedAccount
from validation.parity import backtrader, vectorbt
from validation.parity.compare_found import Comparison
from validation.parity.compare_run import Performed
from validation.parity.compare_theirs import through_backtrader, through_vectorbt
from validation.parity.native import COINCIDES, HALVES, add, compare_random, performed
from validation.parity.outcome import Outcome
from validation.parity.tally import CASH_BOUND, REVERSED, SHORT, Tally

SEEDS = range(12)


def by_imitation(run: Performed) -> dict[str, Outcome]:
    return {
        "vectorbt": through_vectorbt(run, vectorbt.imitate),
        "backtrader": through_backtrader(run, backtrader.imitate, checks_submission=False),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_run_has_in_it_what_the_rules_have_in_common(seed: int) -> None:
    run = performed(seed)
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
        assert 0 == backtest.costs.slippage
        assert run.is_same_close or run.panels.is_there.all()


def test_the_same_seed_draws_the_same_run_and_another_another() -> None:
    one, again, other = performed(3), performed(3), performed(4)

    assert str(one.orders) == str(again.orders)
    assert one.outcome.fills == again.outcome.fills
    assert str(one.orders) != str(other.orders)


def test_random_runs_lead_to_the_same_books_everywhere() -> None:
    """They bind cash, go short and reverse; twenty seeds reach all of it."""
    tallies = {"vectorbt": Tally(), "backtrader": Tally()}
    for seed in range(20):
        run = performed(seed)
        for engine, theirs in by_imitation(run).items():
            add(tallies[engine], f"seed {seed}", Comparison(engine, run, theirs))

    for tally in tallies.values():
        assert [] == tally.differences
        assert 20 == tally.scenarios
        assert {CASH_BOUND, SHORT, REVERSED} == set(tally.regimes)


@pytest.mark.parametrize(
    ("name", "more", "what"),
    [
        ("fee", 0.006, "commission"),
        ("fee", 0.004, ""),
        ("price", 1e-6, "price"),
        ("quantity", 1e-7, "quantity"),
        ("quantity", 1e-9, ""),
        ("bar", 1, "fill"),
    ],
)
def test_a_fill_that_is_another_is_seen(name: str, more: float, what: str) -> None:
    run = performed(0)
    theirs = by_imitation(run)["vectorbt"]
    first, *others = theirs.fills
    other = evolve(first, **{name: getattr(first, name) + more})

    found = Comparison("vectorbt", run, evolve(theirs, fills=[other, *others])).departures

    assert [what] * bool(what) == [departure.what for departure in found]


@pytest.mark.parametrize("name", ["cash", "value"])
@pytest.mark.parametrize(("more", "seen"), [(0.004, 0), (0.006, 1)])
def test_half_a_cent_of_cash_or_value_is_seen(name: str, more: float, seen: int) -> None:
    run = performed(0)
    theirs = by_imitation(run)["vectorbt"]

    found = Comparison("vectorbt", run, evolve(theirs, **{name: getattr(theirs, name) + more})).departures

    assert [(0, name)] * seen == [(departure.bar, departure.what) for departure in found]


def test_the_steps_are_halves_whose_sums_floats_hold() -> None:
    assert "0.5" == str(HALVES.default.step)
    assert any("half units" in what for what in COINCIDES)


@pytest.mark.reference
@pytest.mark.skipif(
    not all(find_spec(package) for package in ("vectorbt", "vectorbt_rust", "backtrader")),
    reason="VectorBT or Backtrader is not installed",
)
def test_random_runs_lead_to_the_same_books_in_the_packages() -> None:
    for tally in compare_random(40, 1_000).values():
        assert (40, []) == (tally.scenarios, tally.differences)

"""The demo by the engine and by an independent loop: the same cash, positions and equity on every bar."""

from functools import cache
from typing import Any

import numpy as np

from tieout import Backtest, CashAccount, Costs, PercentCommission, Result
from tieout.strategies.top import Top
from tieout.strategies.universe import generate
from tieout.validation.evidence.manual_loop import Account, Inputs, Terms, run

SEED = 7


def demo(terms: Terms) -> tuple[Inputs, Result]:
    """Return the demo's inputs as arrays, and the engine's run of them."""
    bars, scores = generate(seed=SEED)
    window = next(bars.windows())
    score = np.full((len(bars), len(bars.symbols)), np.nan)
    score[len(bars) - scores.height // len(bars.symbols) :] = (
        scores["score"].to_numpy().reshape(-1, len(bars.symbols))
    )
    result = Backtest(
        bars=bars,
        features=scores,
        strategy=Top(count=terms.best, invested=terms.invested),
        account=CashAccount(str(terms.cash)),
        costs=Costs(commission=PercentCommission(terms.commission)),
        seed=SEED,
    ).run()
    return Inputs(window.market.open, window.market.close, score), result


def booked(result: Result, symbols: int) -> Account:
    """Read the journal: statements as stored, and positions as the sum of their postings."""
    ask = result.journal.sql
    statements = ask("select timestamp, cash, equity from statement order by timestamp").arrow()
    timestamp = statements["timestamp"].to_numpy()
    changes = ask(
        "select timestamp, commodity.id as instrument, sum(amount)::bigint as units from leg"
        " join txn on txn.id = leg.txn join account on account.id = leg.account"
        " join commodity on commodity.id = account.commodity and commodity.kind = 'instrument'"
        " where path like 'Assets:Positions:%' group by all"
    ).arrow()
    instruments = ask("select id from commodity where kind = 'instrument' order by symbol").rows()
    positions: Any = np.zeros((len(timestamp), symbols), np.int64)
    bar = np.searchsorted(timestamp, changes["timestamp"].to_numpy())
    column = np.searchsorted([row["id"] for row in instruments], changes["instrument"].to_numpy())
    positions[bar, column] = changes["units"].to_numpy()
    return Account(
        statements["cash"].to_numpy(), np.cumsum(positions, axis=0), statements["equity"].to_numpy()
    )


@cache
def both() -> tuple[Account, Account]:
    """Return the demo as the journal has it, and as the loop has it."""
    inputs, result = demo(Terms())
    return booked(result, inputs.close.shape[1]), run(inputs, Terms())


def test_the_loop_and_the_engine_agree_on_every_bar() -> None:
    engine, loop = both()

    assert (252, 500) == engine.positions.shape
    for name, one, other in zip(Account._fields, engine, loop, strict=True):
        np.testing.assert_array_equal(one, other, name)


def test_the_demo_holds_twenty_five_and_trades_every_day() -> None:
    """The runs that are compared trade: neither is idle."""
    engine, _ = both()
    count = np.count_nonzero(engine.positions, axis=1)

    assert [0] * 14 == count[:14].tolist()
    assert {25} == set(count[14:].tolist())
    assert 238 == np.count_nonzero(np.diff(engine.cash))


def test_by_hand_a_purchase_without_the_cash_for_its_commission_is_refused() -> None:
    """Two stocks at 10 and half of 100 each: 5 and 5 shares. Commission leaves cash for one of the orders."""
    prices = np.full((3, 2), 10.0)
    score = np.array([[2.0, 1.0], [np.nan, np.nan], [np.nan, np.nan]])

    account = run(Inputs(prices, prices, score), Terms(best=2, invested=1.0, cash=100, commission=0.001))

    assert [[0, 0], [5, 0], [5, 0]] == account.positions.tolist()
    assert [100_000_000, 49_950_000, 49_950_000] == account.cash.tolist()
    assert [100_000_000, 99_950_000, 99_950_000] == account.equity.tolist()


def test_by_hand_sales_come_first_and_pay_for_purchases() -> None:
    prices = np.full((4, 2), 10.0)
    score = np.array([[1.0, 2.0], [2.0, 1.0], [np.nan, np.nan], [np.nan, np.nan]])

    account = run(Inputs(prices, prices, score), Terms(best=1, invested=1.0, cash=100, commission=0.0))

    assert [[0, 0], [0, 10], [10, 0], [10, 0]] == account.positions.tolist()

"""The demo by the engine and by hand: the same cash, positions and equity on every bar."""

from functools import cache

import numpy as np
import pytest

from tieout.validation.evidence import by_hand
from tieout.validation.evidence.manual_loop import Account, Inputs, Terms, run


@cache
def both() -> tuple[Account, Account]:
    """What the journal of the demo says, and the loop by hand."""
    inputs, result = by_hand.demo(Terms())
    return by_hand.booked(result, inputs.close.shape[1]), run(inputs, Terms())


def test_the_demo_by_hand_is_the_demo_of_the_engine() -> None:
    engine, loop = both()

    assert by_hand.Comparison(252, 126_000, ()) == by_hand.compare(engine, loop)


def test_the_demo_holds_twenty_five_and_trades_every_day() -> None:
    """What was compared is a portfolio that trades, not an idle one."""
    engine, _ = both()
    held = np.count_nonzero(engine.positions, axis=1)

    assert [0] * 14 == held[:14].tolist()
    assert {25} == set(held[14:].tolist())
    assert 238 == np.count_nonzero(np.diff(engine.cash))


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("cash", "bar 100: cash: 1 and 0"),
        ("equity", "bar 100: equity: 1 and 0"),
        ("positions", "bar 100: position 3: 1 and 0"),
    ],
)
def test_a_difference_of_one_unit_is_found(what: str, told: str) -> None:
    def idle() -> Account:
        return Account(np.zeros(252, np.int64), np.zeros((252, 4), np.int64), np.zeros(252, np.int64))

    off = idle()
    getattr(off, what)[100, ...] += 1 if what != "positions" else np.array([0, 0, 0, 1])

    assert (told,) == by_hand.compare(off, idle()).differences


def test_by_hand_a_purchase_without_the_cash_for_its_commission_does_not_happen() -> None:
    """Two stocks at 10 and half of 100 each: 5 and 5 shares, of which commission leaves 5 and none."""
    prices = np.full((3, 2), 10.0)
    score = np.array([[2.0, 1.0], [np.nan, np.nan], [np.nan, np.nan]])

    account = run(Inputs(prices, prices, score), Terms(best=2, invested=1.0, cash=100, commission=0.001))

    assert [[0, 0], [500_000_000, 0], [500_000_000, 0]] == account.positions.tolist()
    assert [100_000_000, 49_950_000, 49_950_000] == account.cash.tolist()
    assert [100_000_000, 99_950_000, 99_950_000] == account.equity.tolist()


def test_by_hand_sales_come_first_and_pay_for_purchases() -> None:
    prices = np.full((4, 2), 10.0)
    score = np.array([[1.0, 2.0], [2.0, 1.0], [np.nan, np.nan], [np.nan, np.nan]])

    account = run(Inputs(prices, prices, score), Terms(best=1, invested=1.0, cash=100, commission=0.0))

    assert [[0, 0], [0, 10], [10, 0], [10, 0]] == (account.positions // 10**8).tolist()

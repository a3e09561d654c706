"""An oracle for the Top-25 demo: its rules as one loop, which imports nothing of tieout.

It is written from the rules alone, so that it cannot share a mistake with the engine. It takes arrays of
prices and scores. It returns cash, positions and equity at every bar. A test compares them with the journal
of the engine (tests/validation/evidence/test_manual_loop.py).

The rules. A decision is made at a bar's close and filled at the next bar's open. The target portfolio is the
best by score, each at the same share of equity. Of equal scores the first by name ranks higher. An order is
share x equity / close - position, truncated toward zero to whole shares. Zero is no order. A position that is
no longer among the best has a target of zero. At the open, sales come before purchases, each in order of
name. A purchase that cash does not cover with its commission is refused. An order that does not fill expires.

Money is in whole micro-dollars and quantities are in hundred-millionths of a share. The amount of a fill is
rounded once, half to even, and so is its commission.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]

DOLLAR = 10**6


class Inputs(NamedTuple):
    """Arrays float64[bars, stocks], stocks in order of name, a bar in every cell. A missing score is NaN."""

    opened: Floats
    close: Floats
    score: Floats


class Terms(NamedTuple):
    """Number of positions, their total share of equity, cash in dollars, and the commission rate."""

    best: int = 25
    invested: float = 0.95
    cash: int = 1_000_000
    commission: float = 0.001


class Account(NamedTuple):
    """State after every bar: micro-dollars int64[bars], hundred-millionths of a share int64[bars, stocks]."""

    cash: Int64s
    positions: Int64s
    equity: Int64s


def run(inputs: Inputs, terms: Terms) -> Account:
    """Perform the whole run."""
    bars, stocks = inputs.close.shape
    cash = terms.cash * DOLLAR
    shares = [0] * stocks
    orders: dict[int, int] = {}  # shares to trade at the next open by stock, below zero to sell
    cash_after = np.zeros(bars, np.int64)
    positions_after = np.zeros((bars, stocks), np.int64)
    equity_after = np.zeros(bars, np.int64)
    for t in range(bars):
        sales = [stock for stock in sorted(orders) if orders[stock] < 0]
        purchases = [stock for stock in sorted(orders) if orders[stock] > 0]
        for stock in sales + purchases:
            amount = worth(abs(orders[stock]), inputs.opened[t, stock])
            fee = int(np.rint(amount * terms.commission))
            paid = amount + fee if orders[stock] > 0 else fee - amount
            if paid <= cash:
                cash -= paid
                shares[stock] += orders[stock]
        holdings = [stock for stock in range(stocks) if shares[stock]]
        equity = cash + sum(worth(shares[stock], inputs.close[t, stock]) for stock in holdings)
        orders = decide(inputs.close[t], inputs.score[t], shares, equity, terms)
        cash_after[t] = cash
        equity_after[t] = equity
        positions_after[t] = np.array(shares)
    return Account(cash_after, positions_after, equity_after)


def worth(shares: int, price: float) -> int:
    """Value whole shares in micro-dollars."""
    return int(np.rint(float(shares) * price * 1.0 * DOLLAR))


def decide(close: Floats, score: Floats, shares: list[int], equity: int, terms: Terms) -> dict[int, int]:
    """Decide the shares to trade by stock. There are none while there are no scores."""
    scored = [stock for stock in range(len(score)) if score[stock] == score[stock]]
    best = sorted(scored, key=lambda stock: (-score[stock], stock))[: terms.best]
    if not best:
        return {}
    orders = {stock: -shares[stock] for stock in range(len(shares)) if shares[stock]}
    for stock in best:
        money = terms.invested / terms.best * equity / DOLLAR
        orders[stock] = int(money / close[stock] - shares[stock])
    return {stock: quantity for stock, quantity in orders.items() if quantity}

"""The Top-25 demo once more, as one loop by hand: `python -m tieout.validation.evidence.manual_loop`.

Written from the rules and from nothing else: it imports nothing of ours, so that it cannot be wrong in the
same way. What it takes is arrays of prices and scores; what it gives is cash, positions and equity at every
bar, to be compared with what the engine's journal says (validation/evidence/by_hand.py).

The rules. A decision is made at a bar's close and filled at the next bar's open. The portfolio wanted is the
best by score, each at the same share of equity; of equal scores the first by name. A target is
share x equity / close - position, truncated toward zero to whole shares; zero is no order. What is held and
no longer among the best has a target of nothing. At the open, sales come before purchases, each in order of
name. A purchase that cash does not cover with its commission does not happen. An order that did not fill is
gone.

Money is kept in whole micro-dollars and quantities in hundred-millionths of a share. The amount of a fill is
rounded once, half to even, and so is its commission.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]

DOLLAR = 10**6
SHARE = 10**8


class Inputs(NamedTuple):
    """float64[bars, stocks], stocks in order of name, a bar in every cell; scores NaN where there is none."""

    opened: Floats
    close: Floats
    score: Floats


class Terms(NamedTuple):
    """How many of the best, at what share of equity in all; cash in dollars; the commission's rate."""

    best: int = 25
    invested: float = 0.95
    cash: int = 1_000_000
    commission: float = 0.001


class Account(NamedTuple):
    """After every bar: micro-dollars int64[bars], and hundred-millionths of a share int64[bars, stocks]."""

    cash: Int64s
    positions: Int64s
    equity: Int64s


def run(inputs: Inputs, terms: Terms) -> Account:
    """The whole run."""
    bars, stocks = inputs.close.shape
    cash = terms.cash * DOLLAR
    shares = [0] * stocks
    wanted: dict[int, int] = {}  # shares to trade at the next open by stock, below zero to sell
    cash_after = np.zeros(bars, np.int64)
    positions_after = np.zeros((bars, stocks), np.int64)
    equity_after = np.zeros(bars, np.int64)
    for t in range(bars):
        sales = [stock for stock in sorted(wanted) if wanted[stock] < 0]
        purchases = [stock for stock in sorted(wanted) if wanted[stock] > 0]
        for stock in sales + purchases:
            amount = worth(abs(wanted[stock]), inputs.opened[t, stock])
            fee = int(np.rint(amount * terms.commission))
            paid = amount + fee if wanted[stock] > 0 else fee - amount
            if paid <= cash:
                cash -= paid
                shares[stock] += wanted[stock]
        held = [stock for stock in range(stocks) if shares[stock]]
        equity = cash + sum(worth(shares[stock], inputs.close[t, stock]) for stock in held)
        wanted = decided(inputs.close[t], inputs.score[t], shares, equity, terms)
        cash_after[t] = cash
        equity_after[t] = equity
        positions_after[t] = np.array(shares) * SHARE
    return Account(cash_after, positions_after, equity_after)


def worth(shares: int, price: float) -> int:
    """Micro-dollars of so many whole shares."""
    return int(np.rint(float(shares * SHARE) * price * 1.0 * (DOLLAR / SHARE)))


def decided(close: Floats, score: Floats, shares: list[int], equity: int, terms: Terms) -> dict[int, int]:
    """Shares to trade by stock; nothing while there are no scores."""
    scored = [stock for stock in range(len(score)) if score[stock] == score[stock]]
    best = sorted(scored, key=lambda stock: (-score[stock], stock))[: terms.best]
    if not best:
        return {}
    orders = {stock: -shares[stock] for stock in range(len(shares)) if shares[stock]}
    for stock in best:
        money = terms.invested / terms.best * equity / DOLLAR
        orders[stock] = int(money / close[stock] - shares[stock])
    return {stock: quantity for stock, quantity in orders.items() if quantity}


if __name__ == "__main__":
    import runpy

    # The comparison needs the engine, which this module may not import.
    runpy.run_module("tieout.validation.evidence.by_hand", run_name="__main__")

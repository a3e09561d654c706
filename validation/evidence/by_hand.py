"""The demo by the engine against the demo by hand: `python -m tieout.validation.evidence.manual_loop`.

Cash, equity and every position on every bar, zero tolerance. Ends with 1 where anything differs.
"""

import sys
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout import Backtest, CashAccount, Costs, PercentCommission, Result
from tieout.strategies.top import Top
from tieout.strategies.universe import generate
from tieout.validation.evidence.manual_loop import Account, Inputs, Terms, run

Int64s = NDArray[np.int64]
SEED = 7
SHOWN = 5


@frozen
class Comparison:
    """How many bars were compared, and each difference: what, at which bar, engine, by hand."""

    bars: int
    positions: int
    differences: tuple[str, ...]


def demo(terms: Terms) -> tuple[Inputs, Result]:
    """The demo's inputs as arrays, and the run that the engine makes of them."""
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
    """What the journal says: statements as stored, and positions as the sum of what was posted to them."""
    ask = result.journal.sql
    statements = ask("select timestamp, cash, equity from statement order by timestamp").arrow()
    timestamp = statements["timestamp"].to_numpy()
    moved = ask(
        "select timestamp, commodity.id as instrument, sum(amount)::bigint as units from leg"
        " join txn on txn.id = leg.txn join account on account.id = leg.account"
        " join commodity on commodity.id = account.commodity and commodity.kind = 'instrument'"
        " where path like 'Assets:Positions:%' group by all"
    ).arrow()
    ids = [
        row["id"] for row in ask("select id from commodity where kind = 'instrument' order by symbol").rows()
    ]
    positions: Any = np.zeros((len(timestamp), symbols), np.int64)
    place = np.searchsorted(timestamp, moved["timestamp"].to_numpy())
    column = np.searchsorted(ids, moved["instrument"].to_numpy())
    positions[place, column] = moved["units"].to_numpy()
    return Account(
        statements["cash"].to_numpy(), np.cumsum(positions, axis=0), statements["equity"].to_numpy()
    )


def compare(engine: Account, by_hand: Account) -> Comparison:
    """Every difference between the two, in order of time."""
    found: list[tuple[int, str]] = []
    for what in ("cash", "equity"):
        ours, theirs = getattr(engine, what), getattr(by_hand, what)
        found.extend(
            (int(t), f"{what}: {ours[t]:,} and {theirs[t]:,}") for t in np.flatnonzero(ours != theirs)
        )
    ours, theirs = engine.positions, by_hand.positions
    found.extend(
        (int(t), f"position {n}: {ours[t, n]:,} and {theirs[t, n]:,}") for t, n in np.argwhere(ours != theirs)
    )
    told = tuple(f"bar {t}: {text}" for t, text in sorted(found))
    return Comparison(len(by_hand.cash), by_hand.positions.size, told)


def main() -> None:
    """Compare, and print what differs."""
    terms = Terms()
    inputs, result = demo(terms)
    comparison = compare(booked(result, inputs.close.shape[1]), run(inputs, terms))
    print(f"bars compared       {comparison.bars:>9,}  cash, equity")
    print(f"positions compared  {comparison.positions:>9,}")
    print(f"differences         {len(comparison.differences):>9,}")
    for difference in comparison.differences[:SHOWN]:
        print(difference)
    sys.exit(1 if comparison.differences else 0)


if __name__ == "__main__":
    main()

"""The runs that are disturbed: a journal with blocks of two sizes, and a backtest from its spec.

Posting is a function of the block's number, so that a run can be resumed anywhere. Some blocks carry so
many marks that the WAL is moved into the file while the run goes on, or that rows are written past it.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from attrs import frozen

from tieout import Backtest, Bar, Bars, Broker, CashAccount, Recording, Strategy, TargetWeights
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import buy, deposit
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal

COMMODITIES = [currency("USD"), *(instrument(symbol) for symbol in ("AAA", "BBB", "CCC"))]
RUN = Run(spec={"program": "faults"}, policies=Policies(block_transfers=1_000_000))
NOON = 1_600_000_000_000_000_000

SPEC_BARS, SPEC_BLOCK = 252, 7
"""Bars of the backtest, and of each of its blocks."""
SPEC = f"""
[bars]
generated = "tieout.strategies.universe:generate"
parameters = {{ stocks = 100, days = {SPEC_BARS}, seed = 3 }}

[strategy]
name = "tieout.strategies.top:Top"
parameters = {{ count = 10 }}

[account]
cash = "1000000"

[costs]
commission = {{ percent = "0.001", minimum = "1" }}

[run]
block_bars = {SPEC_BLOCK}
"""

RIVAL_BARS = 12
_RIVAL_SPEC = """
[bars]
generated = "tieout.strategies.universe:generate"
parameters = {{ stocks = 4, days = {bars}, seed = 3, warmup = 2 }}

[strategy]
name = "tieout.strategies.top:Top"
parameters = {{ count = 2 }}

[account]
cash = "{cash}"

[run]
block_bars = 4
"""


def rival_spec(cash: int) -> str:
    """Return the spec of one of two runs that are begun at once. Its cash tells it from the other."""
    return _RIVAL_SPEC.format(bars=RIVAL_BARS, cash=cash)


class Buyer(Strategy):
    """Buys on every bar."""

    def on_bar(self, _: Bar, broker: Broker) -> None:
        """Buy one share."""
        broker.buy("A", 1)


def rival(cash: int, strategy: Strategy | None = None) -> Backtest:
    """Return a small run of several blocks. Its cash tells it from the other."""
    timestamp = (np.datetime64("2024-01-01") + np.arange(RIVAL_BARS)).astype("M8[ns]")
    close = 10 + np.arange(2 * RIVAL_BARS).reshape(RIVAL_BARS, 2) * 0.1
    weights = np.tile([[0.5, 0.4], [0.3, 0.6]], (RIVAL_BARS // 2, 1))
    return Backtest(
        bars=Bars.from_arrays(timestamp, ["A", "B"], open=close, high=close, low=close, close=close),
        strategy=strategy or TargetWeights(weights),
        account=CashAccount(str(cash)),
        recording=Recording(block_bars=4),
    )


@frozen
class Program:
    """*blocks* of *posts* transactions and *marks* marks each, every tenth of three times as many marks."""

    blocks: int
    posts: int
    marks: int = 0

    def perform(self, journal: Journal) -> Iterator[int]:
        """Post the blocks that *journal* lacks. Yield the number of durable blocks after each."""
        if not len(journal.commodities):
            for commodity in COMMODITIES:
                journal.declare(commodity)
        for block in range(journal.count("txn") // self.posts, self.blocks):
            self._post(journal, block)
            yield journal.commit().blocks

    def _post(self, journal: Journal, block: int) -> None:
        choice = random.Random(block)
        if self.marks:
            _add_marks(journal, block, self.marks * (1 if block % 10 else 3))
        for number in range(self.posts):
            timestamp = NOON + (block * self.posts + number) * 1_000_000_000
            if number == 0:
                journal.post(timestamp, deposit, "USD", "1000000", note=f"block {block}")
            else:
                symbol = choice.choice(("AAA", "BBB", "CCC"))
                quantity, gross = choice.randint(1, 50), choice.randint(1, 5000)
                journal.post(timestamp, buy, symbol, quantity, gross, "0.35")


SMALL = Program(blocks=60, posts=10)
LARGE = Program(blocks=20, posts=3, marks=45_000)


def create(path: Path) -> Journal:
    """Create a journal for a program."""
    return Journal.create(path, COMMODITIES, RUN)


def replay(path: Path) -> Journal:
    """Open the journal to be performed again from the start, against its seals."""
    return Journal.replay(path, COMMODITIES, RUN)


def proceed(path: Path) -> Journal:
    """Open the journal to be continued after its last block."""
    return Journal.open(path)


RESUME: tuple[Callable[[Path], Journal], ...] = (replay, proceed)


def _add_marks(journal: Journal, block: int, rows: int) -> None:
    values = np.random.default_rng(block)
    journal.add(
        "mark",
        {
            "timestamp": np.full(rows, NOON + block, np.int64).view("M8[ns]"),
            "instrument": values.integers(1, 4, rows).astype(np.int32),
            "price": values.random(rows),
            "stale": np.zeros(rows, bool),
        },
    )

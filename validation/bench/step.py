"""The bar step alone: every transfer posted in memory, nothing stored, sealed or read."""

from typing import Any

import numpy as np

from tieout import Backtest
from tieout.execution.data.listing import Listing
from tieout.execution.engine import Engine, Tags
from tieout.execution.records import RECORDS
from tieout.ledger.books.commodity import currency
from tieout.ledger.books.events import deposit
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal
from tieout.validation.workloads.task import Clock

Prepared = tuple[Engine, Any, Any, int]
"""An engine that has not begun, its market, its program, and the number of bars."""


def prepared(backtest: Backtest) -> Prepared:
    """What the step of an array program needs, made beforehand."""
    bars, account, terms = backtest.bars, backtest.account, backtest.instruments
    money, tags = currency(backtest.currency), Tags()
    run = Run(policies=Policies(block_transfers=backtest.recording.block_transfers))
    listing = Listing.of(bars.symbols, terms, backtest.currency, run.policies)
    journal = Journal.create(None, listing.layout, run, [RECORDS])
    engine = Engine(
        journal,
        bars.symbols,
        account,
        backtest.costs,
        listing.rows,
        backtest.currency,
        tags,
        same_close=backtest.fill == "same_close",
        every_bar=bool(np.all(bars.closing)),
        block_bars=0,
    )
    journal.post(int(bars.timestamp[0]), deposit, backtest.currency, account.cash)
    program = backtest.strategy.program(bars, terms, money, tags)
    window = next(bars.windows())
    engine.enter(window.first)
    return engine, window.market, program, len(bars)


def perform(engine: Engine, market: Any, program: Any, bars: int) -> None:
    """Perform every bar."""
    engine.run(market, program, 0, bars)


def seconds(backtest: Backtest) -> float:
    """How long the step of an array program takes."""
    given = prepared(backtest)
    with Clock() as clock:
        perform(*given)
    return clock.seconds

"""The declared maxima of rows, each reached by a run in the checked build.

The checked build asserts the room of every append, and its arrays have no row more than the bounds ask for. A
maximum that is declared too low therefore stops one of these runs.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.support.stage import FIRST_DAY, Acts, fills, market, orders, perform
from tieout import Bar, Bars, Broker, Costs, Orders, PerOrderCommission, Result, UnlimitedAccount
from tieout.execution.kernels.room import ARRAYS
from tieout.execution.kernels.state import empty_desk
from tieout.ledger.books.arrays import empty_books
from tieout.ledger.numeric import CHECKED

needs_checked_build = pytest.mark.skipif(
    not CHECKED, reason="the checked build is asked for by TIEOUT_CHECKED=1, as the last test here does"
)
HERE = Path(__file__)
FEE = Costs(commission=PerOrderCommission("1"))


def kinds(result: Result) -> list[tuple[str, int]]:
    """The kind of every transaction and the number of its transfers."""
    rows = result.journal.sql(
        "select kind.name as name, count(*) as transfers from txn join transfer on transfer.txn = txn.id"
        " join kind on kind.id = txn.kind group by txn.id, kind.name order by txn.id"
    ).rows()
    return [(str(row["name"]), int(row["transfers"])) for row in rows]


def month_ends(table: str) -> Bars:
    """A market whose days are the ends of months."""
    bars = market(table)
    months = np.array(FIRST_DAY, "M8[M]") + np.arange(1, len(bars) + 1)
    days = months.astype("M8[D]").astype("M8[ns]") - np.timedelta64(1, "D")
    panel = next(iter(bars.windows())).market
    prices = {name: np.array(getattr(panel, name)) for name in ("open", "high", "low", "close", "volume")}
    return Bars.from_arrays(days, bars.symbols, **prices)


@needs_checked_build
def test_every_array_begins_with_one_row() -> None:
    desk, books = empty_desk(2), empty_books(1_000_000)

    sizes = {name: getattr(desk if hasattr(desk, name) else books, name).size for name in ARRAYS}

    assert dict.fromkeys(ARRAYS, 1) == sizes


@needs_checked_build
def test_orders_links_events_fills_marks_and_statements_grow_row_by_row() -> None:
    def asks(_: Bar, broker: Broker) -> None:
        first = broker.buy("A", 1, limit=1)
        second = broker.buy("A", 3, limit=1, replaces=first)
        broker.buy("A", 2, limit=2, replaces=second)
        broker.buy("B", 3, tif="day")
        broker.buy("B", 10_000)

    def asks_again(_: Bar, broker: Broker) -> None:
        broker.sell("A", 1)
        broker.buy("B", 1, limit=9)
        broker.buy("B", 1, limit=8)

    with perform(market("A B\n10 10\n10 10\n5>1 12>8\n2 8"), Acts({0: asks, 1: asks_again})) as result:
        assert [
            "buy 1 A limit 1 -> cancelled",
            "buy 3 A limit 1 -> cancelled",
            "buy 2 A limit 2 -> filled",
            "buy 3 B day -> filled",
            "buy 10000 B -> rejected insufficient_cash",
            "sell 1 A -> rejected insufficient_position",
            "buy 1 B limit 9 -> filled",
            "buy 1 B limit 8 -> filled",
        ] == orders(result)
        assert ["1: +3 B @ 10", "2: +2 A @ 2", "2: +1 B @ 9", "2: +1 B @ 8"] == fills(result)
        assert [] == result.journal.sql("from proof").rows()


@needs_checked_build
def test_a_cover_of_two_lots_takes_four_transfers_a_lot_and_one_for_the_commission() -> None:
    acts = {
        0: lambda _, broker: broker.sell("A", 1),
        1: lambda _, broker: broker.sell("A", 1),
        2: lambda _, broker: broker.buy("A", 2),
    }
    bars = market("A\n10\n10\n11\n12\n12")

    with perform(bars, Acts(acts), account=UnlimitedAccount("1000"), costs=FEE) as result:
        assert ["1: -1 A @ 10", "2: -1 A @ 11", "3: +2 A @ 12"] == fills(result)
        assert [("short_sale", 4), ("short_sale", 4), ("cover", 9)] == kinds(result)[1:4]


@needs_checked_build
def test_a_position_valued_on_both_sides_takes_two_transfers() -> None:
    acts = {0: lambda _, broker: broker.buy("A", 1), 1: lambda _, broker: broker.sell("A", 2)}
    bars = month_ends("A\n10\n11>12\n12>9\n9")

    with perform(bars, Acts(acts), account=UnlimitedAccount("1000")) as result:
        assert [("buy", 2), ("valuation", 1), ("flip", 6), ("valuation", 2)] == kinds(result)[1:5]


@needs_checked_build
def test_an_instrument_that_ends_with_a_month_is_closed_and_valued() -> None:
    # An array program: around a strategy in Python each half of a step has room of its own.
    bars = month_ends("A B\n10 5\n11>12 6>7\n- 8")
    first = bars.timestamp[:1].repeat(2).view("M8[ns]")
    program = Orders(pl.DataFrame({"timestamp": first, "symbol": ["A", "B"], "quantity": [1.0, 1.0]}))

    with perform(bars, program) as result:
        assert [("buy", 2), ("buy", 2), ("valuation", 1), ("valuation", 1)] == kinds(result)[1:5]
        assert [("delisting", 3), ("valuation", 1), ("valuation", 1)] == kinds(result)[5:]


@pytest.mark.skipif(CHECKED, reason="it starts the checked build, which would start another without end")
def test_the_declared_maxima_hold_in_the_checked_build() -> None:
    environment = os.environ | {"TIEOUT_CHECKED": "1", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(HERE)]

    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert (0, True) == (run.returncode, "5 passed" in run.stdout), run.stdout

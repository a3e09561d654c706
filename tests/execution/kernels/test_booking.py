"""Cases of what a fill posts and of the list of holdings that follows it."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.market_notation import check
from tests.support.stage import Acts, market, orders, perform
from tieout import Backtest, Bars, CashAccount, Reader, TargetWeights, UnlimitedAccount
from tieout.execution.errors import StrategyFailed

NAN = float("nan")


def test_a_trade_is_called_after_the_position_that_it_meets() -> None:
    acts = {
        0: lambda _, broker: broker.buy("ACME", 5),
        1: lambda _, broker: broker.sell("ACME", 5),
        2: lambda _, broker: broker.sell("ACME", 5),
        3: lambda _, broker: broker.buy("ACME", 5),
        4: lambda _, broker: broker.buy("ACME", 5),
        5: lambda _, broker: broker.sell("ACME", 6),
        6: lambda _, broker: broker.buy("ACME", 2),
    }
    bars = market("\n".join(["ACME", *["10"] * 8]))

    with perform(bars, Acts(acts), account=UnlimitedAccount("1000")) as result:
        kinds = result.journal.sql(
            "select kind.name from txn join kind on kind.id = txn.kind where fill_id >= 0 order by txn.id"
        ).rows()

    assert ["buy", "sell", "short_sale", "cover", "buy", "flip", "flip"] == [row["name"] for row in kinds]


def test_every_holding_is_valued_after_others_are_sold() -> None:
    story = check("""
        ACME  10  10  10  10  10
        BOLT  10  10  11  12  13
        CORK  10  10  10  10  10
        0: buy 1 ACME   | 1: 1 @ 10 cash 990
        0: buy 1 BOLT   | 1: 1 @ 10 cash 980
        0: buy 1 CORK   | 1: 1 @ 10 cash 970
        1: sell 1 ACME  | 2: -1 @ 10 cash 980
        2: sell 1 CORK  | 3: -1 @ 10 cash 990
    """)

    assert [30, 21, 12, 13] == [state.market_value // 10**6 for state in story.states[1:]]


def test_a_short_position_is_carried_at_its_market_value_at_the_end() -> None:
    story = check(
        """
        ACME  10  10  11
        0: sell 5 ACME  | 1: -5 @ 10 cash 1000
        """,
        unlimited=True,
    )

    assert (-55, 995) == (story.states[-1].market_value // 10**6, story.states[-1].equity // 10**6)


def test_an_instrument_ends_at_its_bar_though_nothing_else_happens_there() -> None:
    prices = np.stack([[10.0, 10.0, 12.0, NAN, NAN, NAN], [10.0] * 6], axis=1)
    times = np.datetime64("2024-01-02T10", "ns") + np.arange(6).astype("m8[h]")
    bars = Bars.from_arrays(
        times, ["ACME", "BOLT"], open=prices, high=prices, low=prices, close=prices, volume=prices * 100_000
    )
    weights = np.full((6, 2), NAN)
    weights[0, 0] = 0.5

    with perform(bars, TargetWeights(weights), statements="session") as result:
        ends = result.journal.sql(
            "select hour(txn.timestamp) as hour from txn join kind on kind.id = txn.kind"
            " where kind.name = 'delisting'"
        ).rows()

    assert [{"hour": 13}] == ends


def test_cash_does_not_fall_below_64_bits() -> None:
    acts = {0: lambda _, broker: (broker.buy("ACME", 80_000_000), broker.buy("BOLT", 80_000_000))}
    bars = market("\n".join(["ACME BOLT", *["100000 100000"] * 3]))

    with perform(bars, Acts(acts), account=UnlimitedAccount("0")) as result:
        assert [
            "buy 80000000 ACME -> filled",
            "buy 80000000 BOLT -> rejected quantity_out_of_range",
        ] == orders(result)


def test_holdings_of_a_run_that_a_strategy_stops_are_revalued(tmp_path: Path) -> None:
    acts = {0: lambda _, broker: broker.buy("ACME", 5), 2: lambda _, __: 1 // 0}
    bars, path = market("ACME\n10\n10\n12\n13"), tmp_path / "run.duckdb"

    with pytest.raises(StrategyFailed):
        Backtest(bars=bars, strategy=Acts(acts), account=CashAccount("100")).run(path)

    with Reader(path) as reader:
        gain = reader.sql("select credit from trial_balance where account = 'Income:Unrealised:ACME'").rows()
    assert [10] == [row["credit"] for row in gain]

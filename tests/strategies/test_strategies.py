"""The reference strategies do what they say, on markets small enough to follow by eye."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.support.stage import FIRST_DAY, fills, market, orders, perform
from tieout import Bars, Costs, PercentCommission, Result
from tieout.strategies.buy_and_hold import BuyAndHold
from tieout.strategies.equal_weight import EqualWeight
from tieout.strategies.momentum import Momentum
from tieout.strategies.sma_cross import SmaCross
from tieout.strategies.top import Top
from tieout.strategies.universe import generate

Table = list[list[float]]


def scores(table: Table, symbols: str, first: int = 0) -> pl.DataFrame:
    """A score a day for each of *symbols*, from day *first* on."""
    days = FIRST_DAY + np.arange(first, first + len(table)) * np.timedelta64(1, "D")
    return pl.DataFrame(
        {
            "timestamp": np.repeat(days, len(symbols.split())),
            "symbol": symbols.split() * len(table),
            "score": [figure for row in table for figure in row],
        }
    )


# --- top ----------------------------------------------------------------------------------------------------


def test_top_holds_the_best_and_sells_what_is_no_longer_among_them() -> None:
    bars = market("""
        ACME  BOLT  CORK
        10    10    10
        10    10    10
        10    10    10
        10    10    10
    """)
    features = scores([[1, 2, 3], [3, 2, 1], [3, 2, 1]], "ACME BOLT CORK", first=1)

    result = perform(bars, Top(count=2, invested=0.8), features=features)

    assert [
        "2: +400 BOLT @ 10",
        "2: +400 CORK @ 10",
        "3: -400 CORK @ 10",
        "3: +400 ACME @ 10",
    ] == fills(result)
    assert {"rebalance"} == set(result.orders["tag"])


def test_top_takes_none_that_does_not_trade() -> None:
    bars = market("""
        ACME  BOLT  CORK
        10    10*0  -
        10    10    10
    """)

    result = perform(bars, Top(count=2, invested=0.8), features=scores([[1, 2, 3]], "ACME BOLT CORK"))

    assert ["1: +400 ACME @ 10"] == fills(result)


# --- buy and hold -------------------------------------------------------------------------------------------


def test_buy_and_hold_buys_what_trades_first_and_keeps_it() -> None:
    bars = market("""
        ACME  BOLT  CORK
        -     10*0  10*0
        10    10    -
        11    9     10
        30    1     10
    """)

    result = perform(bars, BuyAndHold(invested=0.9))

    assert ["2: +450 ACME @ 11", "2: +450 BOLT @ 9"] == fills(result)
    assert ["buy 450 ACME -> filled", "buy 450 BOLT -> filled"] == orders(result)


# --- the crossing of two averages ---------------------------------------------------------------------------


def test_sma_cross_is_in_while_the_fast_mean_is_above_the_slow_one() -> None:
    bars = market("""
        ACME
        10
        10
        10
        13
        13
        7
        7
        7
    """)

    result = perform(bars, SmaCross(fast=1, slow=3, share=0.5))

    assert ["4: +384 ACME @ 13", "6: -384 ACME @ 7"] == fills(result)
    assert ["cross up", "cross down"] == result.orders.sort("id")["tag"].to_list()


def test_sma_cross_leaves_out_the_closes_that_are_missing() -> None:
    """BOLT has no bar on one day: its means are over the others, and it stays in."""
    bars = market("""
        ACME  BOLT
        10    10
        10    10
        10    12
        10    -
        10    13
        10    14
    """)

    result = perform(bars, SmaCross(fast=1, slow=3, share=0.5))

    assert ["buy 416 BOLT target -> filled"] == orders(result)


# --- equal weights ------------------------------------------------------------------------------------------


def test_equal_weight_trades_only_what_is_outside_its_band() -> None:
    """At weights of 45 % and a band of a fifth, 54 % stays, and 55 % is brought back."""
    bars = market("""
        ACME  BOLT
        10    10
        10    10
        13    10
        15    10
        15    10
    """)

    result = perform(bars, EqualWeight(invested=0.9, band=0.2))

    # 450 x 13 / 11,350 = 51.5 %. 450 x 15 / 12,250 = 55.1 %, and BOLT is at 36.7 %, still above 36 %.
    assert ["1: +450 ACME @ 10", "1: +450 BOLT @ 10", "4: -82 ACME @ 15"] == fills(result)


def test_equal_weight_counts_what_it_holds_and_does_not_trade_today() -> None:
    """ACME is at 62 % of 14,500, and brought back to 45 %, not to all that is invested."""
    bars = market("""
        ACME  BOLT
        10    10
        10    10
        20    -
        20    10
    """)

    result = perform(bars, EqualWeight(invested=0.9, band=0.2))

    assert ["1: +450 ACME @ 10", "1: +450 BOLT @ 10", "3: -123 ACME @ 20"] == fills(result)


# --- momentum -----------------------------------------------------------------------------------------------

YEAR, SKIP, LIQUID = 40, 5, 4


def panel(paths: dict[str, np.ndarray[Any, Any]], volume: dict[str, np.ndarray[Any, Any]]) -> Bars:
    """Return closes by symbol, one a day from New Year's Day. A NaN is a day without a bar."""
    closes = np.column_stack([paths[symbol] for symbol in sorted(paths)])
    traded = np.column_stack([volume.get(s, np.full(len(closes), 1e6)) for s in sorted(paths)])
    days = FIRST_DAY + np.arange(len(closes)) * np.timedelta64(1, "D")
    return Bars.from_arrays(
        days, sorted(paths), open=closes, high=closes, low=closes, close=closes, volume=traded
    )


def rising(rate: float, bars: int = 100, first: float = 20.0) -> np.ndarray[Any, Any]:
    return np.round(first * (1 + rate) ** np.arange(bars), 2)


def momentum(bars: Bars, **terms: Any) -> Result:
    parameters = {"count": 1, "year": YEAR, "skip": SKIP, "liquid": LIQUID} | terms
    return perform(bars, Momentum(**parameters), cash="1000000")


def bought(result: Result) -> list[tuple[str, str]]:
    """The day of every order to buy and what."""
    rows = result.orders.sort("id").filter(pl.col("quantity") > 0).to_dicts()
    return [(f"{row['timestamp']:%m-%d}", row["symbol"]) for row in rows]


def test_momentum_ranks_at_the_first_bar_of_a_month_once_it_has_a_year() -> None:
    """Forty days take it into February, whose first bar is past: it waits for March, and for April."""
    bars = panel({"ACME": rising(0.001), "BOLT": rising(0.002), "CORK": rising(-0.001)}, {})

    assert [("03-01", "BOLT")] == bought(momentum(bars))[:1]
    assert {"03-01", "04-01"} >= {day for day, _ in bought(momentum(bars))}


def test_momentum_leaves_out_the_last_month() -> None:
    """BOLT has the better year to the day before yesterday's jump of ACME, which does not count."""
    late = rising(0.001)
    late[58:] *= 3

    assert [("03-01", "BOLT")] == bought(momentum(panel({"ACME": late, "BOLT": rising(0.002)}, {})))[:1]


WITHOUT_A_DAY = rising(0.003)
WITHOUT_A_DAY[45] = np.nan
STILL = np.full(100, 1e6)
STILL[58] = 0

INELIGIBLE: list[tuple[str, np.ndarray[Any, Any], dict[str, np.ndarray[Any, Any]]]] = [
    ("a day of the year is missing", WITHOUT_A_DAY, {}),
    ("began within the year", np.where(np.arange(100) < 25, np.nan, rising(0.003)), {}),
    ("a day without volume just now", rising(0.003), {"BHF": STILL}),
    ("costs less than five", rising(0.003, first=1.0), {}),
]


@pytest.mark.parametrize(("why", "path", "volume"), INELIGIBLE, ids=[case[0] for case in INELIGIBLE])
def test_momentum_leaves_out_prices_that_could_not_be_traded(
    why: str, path: np.ndarray[Any, Any], volume: dict[str, np.ndarray[Any, Any]]
) -> None:
    del why
    bars = panel({"ACME": rising(0.001), "BHF": path}, volume)
    control = panel({"ACME": rising(0.001), "BHF": rising(0.003)}, {})

    assert ("03-01", "ACME") == bought(momentum(bars))[0]
    assert ("03-01", "BHF") == bought(momentum(control))[0]


def test_momentum_is_not_taken_in_by_a_stock_that_stood_still_at_nothing() -> None:
    """Prices as of BHF: a thousandth of a dollar without volume, gone for a while, then listed at twelve.

    Its momentum is in the thousands, and there is none to be had while it is not listed for a year.
    """
    path = np.full(100, 12.0)
    path[:20] = 0.001
    path[20:50] = np.nan
    traded = np.full(100, 1e6)
    traded[:20] = 0

    result = momentum(panel({"ACME": rising(0.001), "BHF": path}, {"BHF": traded}))

    assert {"ACME"} == {symbol for _, symbol in bought(result)}


@pytest.mark.parametrize("skip", [-1, 40, 41])
def test_momentum_skips_less_than_its_year(skip: int) -> None:
    with pytest.raises(ValueError, match=f"skip {skip} is not within the year of 40 bars"):
        Momentum(year=40, skip=skip)


# --- the universe -------------------------------------------------------------------------------------------


DIGESTS = {
    "open": "a2e82d38cd799db4",
    "high": "7789854d2d3855c0",
    "low": "be811facdeff46b3",
    "close": "02e4c3172a7020db",
    "volume": "63be6a3e75a5658c",
}


def test_the_universe_is_the_same_on_every_machine() -> None:
    bars, features = generate()

    assert "252 bars of 500" == f"{len(bars)} bars of {len(bars.symbols)}"
    assert DIGESTS == {name: digest[:16] for name, digest in bars.fingerprints()["columns"].items()}
    assert 239 * 500 == features.height


def test_another_seed_is_another_universe() -> None:
    first, second = (generate(3, 20, seed=seed)[0].fingerprints()["columns"] for seed in (1, 2))

    assert not set(first.values()) & set(second.values())


def test_a_score_says_a_little_of_the_next_return() -> None:
    """The correlation of score and return is the parameter, and zero with the return before."""
    bars, features = generate(400, 300, information=0.05)
    close = next(bars.windows()).market.close[13:]
    score = features["score"].to_numpy().reshape(close.shape)
    returns = np.log(close[1:] / close[:-1])

    ahead = np.corrcoef(score[:-1].ravel(), returns.ravel())[0, 1]
    behind = np.corrcoef(score[1:].ravel(), returns.ravel())[0, 1]

    assert 0.03 < ahead < 0.07
    assert abs(behind) < 0.015


def test_costs_are_paid_by_every_strategy() -> None:
    bars, features = generate(5, 60, warmup=5)
    costs = Costs(PercentCommission("0.001"))
    for strategy in (
        Top(3),
        BuyAndHold(),
        SmaCross(3, 9),
        EqualWeight(),
        Momentum(2, year=20, skip=5, liquid=5),
    ):
        result = perform(bars, strategy, features=features, costs=costs, cash="1000000")

        assert result.metrics.fills > 0
        assert result.metrics.commission > 0

"""The result of a run, in memory and in a file."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from tests.support.ties import assert_tied, frame
from tieout import Backtest, Bars, CashAccount, Costs, PercentCommission, Result
from tieout.ledger.errors import JournalClosed
from tieout.strategies.buy_and_hold import BuyAndHold
from tieout.strategies.universe import generate


def run(path: Path | None = None) -> Result:
    bars, _ = generate(3, 8)
    costs = Costs(PercentCommission("0.001"))
    return Backtest(bars=bars, strategy=BuyAndHold(), account=CashAccount("100000"), costs=costs).run(path)


def test_a_result_is_what_the_views_of_its_journal_show() -> None:
    with run() as result:
        assert_frame_equal(frame(result.journal, "equity"), result.equity, check_exact=True)
        assert_frame_equal(frame(result.journal, "trade"), result.trades, check_exact=True)
        assert_tied(result.journal)


def test_a_result_in_a_file_is_the_one_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "run.duckdb"
    run(path).close()

    with run() as one, Result.open(path) as other:
        for name in ("equity", "trades", "positions", "orders"):
            assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)
        assert repr(one.metrics) == repr(other.metrics)  # NaN is not itself
        assert one.head == other.head


def test_a_result_and_its_bars_print_what_they_hold() -> None:
    bars, _ = generate(7, 8)
    one = Bars.from_arrays(
        bars.timestamp[:1], ["ACME"], open=[[9.0]], high=[[9.0]], low=[[9.0]], close=[[9.0]]
    )

    with run() as result:
        assert [
            f"Result {result.head[:16]}, 2023-01-02 to 2023-01-11",
            f"  end equity    {result.metrics.end_equity:,.2f} USD",
            f"  total return  {result.metrics.total_return:.2%}",
            "  CAGR          less than 30 days",
            f"  Sharpe        {result.metrics.sharpe:.2f}",
            f"  max drawdown  {result.metrics.max_drawdown:.2%}",
            "  trades        0",
        ] == repr(result).splitlines()
    assert "Result: closed" == repr(result)
    assert "Bars 8 x 7, 2023-01-02 to 2023-01-11: S000, S001, S002, S003, S004, ..." == repr(bars)
    assert "Bars 1 x 1, 2023-01-02 to 2023-01-02: ACME" == repr(one)


FIGURES = ("metrics", "equity", "trades", "positions", "orders", "journal")


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("is_in_memory", [True, False])
def test_a_closed_result_says_that_it_is_closed_and_how_to_read_it(
    figure: str, tmp_path: Path, *, is_in_memory: bool
) -> None:
    path = tmp_path / "run.duckdb"
    result = run(None if is_in_memory else path)
    head = result.head
    before = getattr(result, figure)
    result.close()
    remedy = "run into a file" if is_in_memory else f"open it again with Result.open('{path}')"

    with pytest.raises(JournalClosed, match=f"^the result is closed; .*{re.escape(remedy)}$"):
        getattr(result, figure)

    assert head == result.head
    if not is_in_memory:
        with Result.open(path) as again:
            assert repr(before) == repr(getattr(again, figure)) or figure == "journal"


def test_figures_are_of_as_many_periods_a_year_as_one_says() -> None:
    with run() as result:
        assert 0 < result.metrics.fills
        assert repr(result.metrics) == repr(result.metrics_for(252.0))
        assert result.metrics.volatility == 2 * result.metrics_for(63).volatility
        assert Decimal(100_000) == result.metrics.start_equity

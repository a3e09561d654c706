"""12-1 momentum on real bars from a spec: late starts, ends, gaps and bad bars as docs/spec.md says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tieout import Backtest, Result
from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.reading import read

DATA = Path(__file__).parents[3] / "shared" / "data" / "sp500_2015_2020.parquet"
FIRST = "2016-12-01"
"""A year before what is traded, and then two years of it."""
SPEC = f"""\
[bars]
path = "bars.parquet"
columns = {{ timestamp = "date" }}
repair = true
from = {FIRST}

[strategy]
name = "tieout.strategies.momentum:Momentum"
parameters = {{ count = 50 }}

[account]
cash = "1000000"
insufficient = "cut"

[costs]
commission = {{ percent = "0.0005", minimum = "1" }}
"""
pytestmark = pytest.mark.skipif(not DATA.is_file(), reason="the real bars are not on this machine")


@pytest.fixture(scope="module")
def backtest(tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    folder = tmp_path_factory.mktemp("real")
    (folder / "bars.parquet").symlink_to(DATA)
    (folder / "momentum.toml").write_text(SPEC)
    return assemble(read(folder / "momentum.toml"))


@pytest.fixture(scope="module")
def result(backtest: Backtest) -> Iterator[Result]:
    with backtest.run() as performed:
        yield performed


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Return the bars unchanged, read without tieout."""
    table = pl.read_parquet(DATA).filter(pl.col("date").cast(pl.Date) >= pl.lit(FIRST).str.to_date())
    return table.sort("symbol", "date")


def query(result: Result, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in result.journal.sql(sql).rows()]


def days(rows: pl.DataFrame) -> list[Any]:
    return rows["date"].unique().sort().to_list()


def test_it_trades_each_month_and_ends_every_order(result: Result, rows: pl.DataFrame) -> None:
    months = rows.filter(pl.col("date") >= days(rows)[252])["date"].dt.truncate("1mo").n_unique()
    ends = {name for (name,) in query(result, "select distinct status from order_history")}

    assert [(months,)] == query(result, "select count(distinct timestamp) from orders where tag = 0")
    assert ends <= {"filled", "cancelled", "expired", "rejected", "open_at_the_end"}
    assert [] == query(result, "from check_overdraft")


def test_three_bars_are_widened_and_listed(backtest: Backtest) -> None:
    assert backtest.bars.repairs is not None
    ((rule, count, rows),) = backtest.bars.repairs.entries

    assert ("the range does not hold open and close; widen the range to hold them", 3) == (rule, count)
    assert ["DXC", "CBOE", "DIS"] == rows["symbol"].to_list()


def test_nothing_is_ordered_before_there_is_a_year_of_bars(result: Result, rows: pl.DataFrame) -> None:
    nth = rows.with_columns(nth=pl.int_range(pl.len()).over("symbol"))
    late = nth.group_by("symbol").agg(pl.col("date").min()).filter(pl.col("date") > days(rows)[0])
    orders = pl.DataFrame(
        query(
            result,
            "select c.symbol, cast(min(o.timestamp) as date)"
            " from orders o join commodity c on c.id = o.instrument"
            " group by c.symbol",
        ),
        schema=["symbol", "date"],
        orient="row",
    )
    first = orders.join(nth.with_columns(pl.col("date").cast(pl.Date)), on=["symbol", "date"])

    assert late.height > 0
    assert orders.height == first.height
    assert first["nth"].min() == 252


def test_what_stops_trading_is_closed_at_its_last_close(result: Result, rows: pl.DataFrame) -> None:
    last = rows.group_by("symbol").agg(pl.col("date").max(), pl.col("close").last())
    ended = {s: (d, c) for s, d, c in last.rows() if d < days(rows)[-1]}
    closed = query(
        result,
        "select c.symbol, cast(t.timestamp as date),"
        " -sum(case when p.account like 'Assets:Positions:%' and p.commodity = c.symbol then p.amount end),"
        " sum(case when p.account = 'Assets:Cash:USD' then p.amount end)"
        " from posting p join txn t on t.id = p.txn join commodity c on c.id = t.instrument"
        " where p.kind = 'delisting' group by all order by 1",
    )
    following = dict(zip(days(rows), days(rows)[1:], strict=False))
    positions = {symbol for (symbol,) in query(result, "select symbol from position where quantity != 0")}

    assert closed
    assert positions.isdisjoint(ended)
    for symbol, date, quantity, cash in closed:
        end, close = ended[symbol]
        assert following[end].isoformat()[:10] == date.isoformat()[:10]
        assert round(float(quantity) * close, 6) == float(cash)


def test_a_gap_fills_nothing_and_is_marked_with_the_last_close(result: Result, rows: pl.DataFrame) -> None:
    bars = {(s, d.isoformat()[:10]) for s, d in rows.select("symbol", "date").iter_rows()}
    fills = query(
        result,
        "select c.symbol, strftime(f.timestamp, '%Y-%m-%d')"
        " from fill f join commodity c on c.id = f.instrument",
    )
    marks = query(
        result,
        "select c.symbol, strftime(m.timestamp, '%Y-%m-%d'), m.stale, m.price"
        " from mark m join commodity c on c.id = m.instrument",
    )
    closes = {(s, d.isoformat()[:10]): c for s, d, c in rows.select("symbol", "date", "close").iter_rows()}

    assert [] == [fill for fill in fills if fill not in bars]
    assert [] == [mark for mark in marks if mark[2] == ((mark[0], mark[1]) in bars)]
    assert [] == [(s, d) for s, d, stale, price in marks if not stale and price != closes[s, d]]

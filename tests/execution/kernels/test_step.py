"""The records that the bar step writes at the end of a bar."""

from decimal import Decimal

import polars as pl

from tieout import Backtest, Bar, Broker, CashAccount, Strategy


class Buys(Strategy):
    """One unit, at the first bar."""

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        if bar.number == 0:
            broker.buy("ACME", 1)


def bars() -> pl.DataFrame:
    days = ["2024-01-29", "2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]
    there = [days[n] for n in (0, 1, 2, 4)]
    other = pl.DataFrame({"timestamp": days, "symbol": "BETA", "close": [5.0] * 5})
    acme = pl.DataFrame({"timestamp": there, "symbol": "ACME", "close": [10.0, 11, 13, 12]})
    closes = pl.concat([acme, other]).with_columns(pl.col("timestamp").str.to_date())
    return closes.with_columns(pl.col("close").alias(n) for n in ("open", "high", "low")).with_columns(
        volume=1e6
    )


def test_a_holding_without_a_bar_keeps_its_last_close_and_the_mark_says_so() -> None:
    with Backtest(bars=bars(), strategy=Buys(), account=CashAccount("100")).run() as result:
        marks = result.journal.sql(
            "select strftime(timestamp, '%d') as day, price, stale from mark order by id"
        ).rows()

        expected = [("30", 11.0, False), ("31", 13.0, False), ("01", 13.0, True), ("02", 12.0, False)]
        assert expected == [(mark["day"], mark["price"], mark["stale"]) for mark in marks]


def test_holdings_are_revalued_at_the_end_of_a_month_and_of_the_data() -> None:
    with Backtest(bars=bars(), strategy=Buys(), account=CashAccount("100")).run() as result:
        gains = result.journal.sql(
            "select strftime(txn.timestamp, '%d') as day, transfer.amount"
            " from txn join transfer on transfer.txn = txn.id join kind on kind.id = txn.kind"
            " where kind.name = 'valuation' order by txn.id"
        ).rows()

        # Bought at 11 on the 30th: two more on the 31st, and one less on the 2nd, where the data ends.
        assert [("31", 2_000_000), ("02", 1_000_000)] == [(gain["day"], gain["amount"]) for gain in gains]
        assert Decimal(101) == result.equity["equity"][-1]

"""The failures of the engine that this one replaces, each as something that cannot be said any more."""

import numpy as np

from tests.support.stage import Does, market, performed
from tieout import Bar, Bars, Broker, CashAccount, Costs, PercentCommission, Strategy, TargetWeights

DAYS = 30
SYMBOLS = [f"S{n:02}" for n in range(50)]


def rising() -> Bars:
    """Fifty instruments at 100 that rise by one a day."""
    price = 100.0 + np.arange(DAYS)[:, None] + np.zeros(len(SYMBOLS))
    days = np.datetime64("2024-01-01", "ns") + np.arange(DAYS) * np.timedelta64(1, "D")
    return Bars.from_arrays(days, SYMBOLS, open=price, high=price, low=price, close=price)


def test_a_portfolio_moves_when_its_orders_fill() -> None:
    # There, 0 % came of 29 days of gains, because fills never reached the portfolio.
    bars = rising()

    with performed(bars, Does({0: lambda _, broker: broker.buy("S00", 10)})) as result:
        equity = [float(value) for value in result.equity["equity"]]
        held = result.positions.select("symbol", "quantity").rows()

    assert [10_000.0] + [10_000.0 + 10 * day for day in range(DAYS - 1)] == equity
    assert [("S00", 10)] == held


def test_positions_do_not_pile_up_under_repeated_targets() -> None:
    # There, every repetition bought again: +34,072 % where +770 % was right.
    class Insists(Strategy):
        def on_bar(self, bar: Bar, broker: Broker) -> None:
            for _ in bar.symbols * 2:
                broker.target_quantity("ACME", 10)
                broker.target_quantity("BETA", 5)
            broker.target_quantity("ACME", 10)

    table = "ACME BETA\n10 10\n10 -\n10*0 10\n10 -\n10 10\n10 10"
    with performed(market(table), Insists()) as result:
        held = result.positions.select("symbol", "quantity").rows()
        bought = result.journal.sql("select sum(side * quantity) // 100000000 as units from fill").rows()

    assert [("ACME", 10), ("BETA", 5)] == held
    assert [{"units": 15}] == bought


def test_weights_repeated_on_every_bar_trade_once_where_prices_stand_still() -> None:
    table = "ACME BETA\n" + "10 20\n" * 10

    with performed(market(table), TargetWeights(np.full((10, 2), 0.25))) as result:
        orders = result.orders.select("symbol", "quantity", "status").rows()

    assert [("ACME", 250, "filled"), ("BETA", 125, "filled")] == orders


def test_no_order_is_stuck() -> None:
    # There, 9,341 orders were open at the end, because one without cash or a position was tried for ever.
    class Restless(Strategy):
        def on_bar(self, bar: Bar, broker: Broker) -> None:
            for place, symbol in enumerate(bar.symbols):
                if place % 3 == 0:
                    broker.buy(symbol, 1_000)
                elif place % 3 == 1:
                    broker.sell(symbol, 10)
                else:
                    broker.target_percent(symbol, 0.02)

    with performed(rising(), Restless(), cash="100000") as result:
        ends = result.journal.sql(
            "select status, reason, max(date_diff('day', timestamp, ended_at)) as days,"
            " max(timestamp) as last"
            " from order_history group by all order by all"
        ).rows()
        last = result.equity["timestamp"][-1]

    assert {"filled", "rejected", "open_at_the_end"} == {row["status"] for row in ends}
    assert {"none", "insufficient_cash", "insufficient_position"} == {row["reason"] for row in ends}
    assert {0, 1} >= {row["days"] for row in ends}
    assert [last] == [row["last"] for row in ends if row["status"] == "open_at_the_end"]


def fifty_orders(insufficient: str) -> tuple[list[float], int, set[str]]:
    """Cash at every bar, how many of fifty orders for $20,000 filled, and why the others did not."""

    def act(bar: Bar, broker: Broker) -> None:
        for symbol in bar.symbols:
            broker.order_value(symbol, 20_000)

    account = CashAccount(350_000, insufficient)  # type: ignore[arg-type]  # named by the parameter
    costs = Costs(PercentCommission("0.001"))
    with performed(rising(), Does({0: act}), account=account, costs=costs) as result:
        cash = [float(value) for value in result.equity["cash"]]
        orders = result.orders
        assert [] == result.journal.sql("from proof").rows()
    filled = int((orders["status"] == "filled").sum())
    return cash, filled, set(orders["reason"]) - {"none"}


def test_fifty_orders_of_20000_in_one_bar_leave_no_debt() -> None:
    # There, all fifty filled and cash ended at -$650,000.
    cash, filled, reasons = fifty_orders("reject")

    assert 0 <= min(cash)
    # A purchase of 200 shares at 101 with 0.1 % takes 20,220.20.
    assert (17, {"insufficient_cash"}) == (filled, reasons)
    assert 6_256.6 == cash[-1]


def test_fifty_orders_of_20000_in_one_bar_are_cut_to_the_cash_there_is() -> None:
    cash, filled, reasons = fifty_orders("cut")

    assert 0 <= min(cash)
    assert (17, {"insufficient_cash"}) == (filled, reasons)
    # 6,256.60 are left for the eighteenth: 61 shares at 101.101, and 89.439 are not enough for another.
    assert 89.439 == cash[-1]

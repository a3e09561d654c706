"""Runs of the engine on the oracle's markets, and their journals in the oracle's words."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tests.support import market_oracle as oracle
from tieout import (
    Backtest,
    Bar,
    Bars,
    Broker,
    CashAccount,
    Costs,
    Instruments,
    InstrumentSpec,
    Orders,
    PercentCommission,
    PerOrderCommission,
    PerShareCommission,
    Result,
    Strategy,
    UnlimitedAccount,
)
from tieout.execution.models.commissions.commission import Commission

FIRST_DAY: np.datetime64 = np.datetime64("2024-01-01", "ns")
ONE_DAY = np.timedelta64(24 * 3600, "s")
UNITS_OF_MONEY = 10**6


def times(dates: Sequence[int]) -> list[np.datetime64]:
    """The ends of bars: an hour apart within a date, none at midnight."""
    within: Counter[int] = Counter()
    ends = []
    for date in dates:
        within[date] += 1
        ends.append(FIRST_DAY + date * ONE_DAY + within[date] * np.timedelta64(3600, "s"))
    return ends


def bars_of(
    symbols: Sequence[str], bars: Sequence[Mapping[str, oracle.Bar]], dates: Sequence[int], window: int = 0
) -> Bars:
    """Return the engine's bars. *window* is the number that it takes at a time, 0 for all."""
    panels = {
        name: np.array(
            [[getattr(row[s], name) if s in row else None for s in symbols] for row in bars], np.float64
        )
        for name in oracle.Bar._fields
    }
    result = Bars.from_arrays(np.array(times(dates)), symbols, **panels)
    if window:
        result.window = window
    return result


def costs_of(rules: oracle.Rules) -> Costs:
    commission: Commission
    match rules.commission:
        case "percent":
            commission = PercentCommission(rules.rate, rules.minimum)
        case "per_share":
            commission = PerShareCommission(rules.rate, rules.minimum, rules.maximum)
        case "per_order":
            commission = PerOrderCommission(rules.rate)
    return Costs(commission, rules.slippage, rules.participation, fill_without_volume=rules.without_volume)


def backtest(
    bars: Bars, terms: Mapping[str, oracle.Terms], rules: oracle.Rules, strategy: Any, **more: Any
) -> Backtest:
    """Return the run that *rules* describe, with a statement every bar."""
    account: Any = (
        UnlimitedAccount(rules.cash) if rules.unlimited else CashAccount(rules.cash, rules.insufficient)
    )
    by_symbol = {
        symbol: InstrumentSpec(Decimal(t.step) / t.scale, Decimal(t.lot) / t.scale, len(str(t.scale)) - 1)
        for symbol, t in terms.items()
    }
    arguments: dict[str, Any] = {
        "bars": bars,
        "strategy": strategy,
        "account": account,
        "costs": costs_of(rules),
        "instruments": Instruments(by_symbol=by_symbol),
        "fill": "same_close" if rules.same_close else "next_open",
        "statements": "bar",
    }
    return Backtest(**(arguments | more))


# --- orders -------------------------------------------------------------------------------------------------


def ask(broker: Broker, wish: oracle.Wish, tickets: Sequence[Any], scale: int = 10**8) -> Any:
    """Ask a broker for an order and return its ticket, None for a cancellation."""
    earlier = None if wish.earlier is None else tickets[wish.earlier]
    if wish.sizing == "cancel":
        broker.cancel(-1 if earlier is None else earlier)
        return None
    terms: dict[str, Any] = {} if wish.sizing.startswith("target") else {"tif": wish.tif}
    if wish.price is not None:
        terms[wish.kind] = wish.price
    if earlier is not None:
        terms["replaces"] = earlier
    match wish.sizing:
        case "quantity":
            trade = broker.buy if wish.amount > 0 else broker.sell
            return trade(wish.symbol, abs(wish.amount) / scale, **terms)
        case "target_quantity":
            return broker.target_quantity(wish.symbol, wish.amount / scale, **terms)
        case "value" | "percent":
            return getattr(broker, f"order_{wish.sizing}")(wish.symbol, wish.amount, **terms)
        case _:
            return getattr(broker, wish.sizing)(wish.symbol, wish.amount, **terms)


class Script(Strategy):
    """A strategy that asks for the given orders at each bar."""

    def __init__(self, wishes: Sequence[Iterable[oracle.Wish]]) -> None:
        self._wishes = wishes
        self._tickets: list[Any] = []

    @property
    def tickets(self) -> list[Any]:
        """Return the ticket of each order, None for cancellations."""
        return self._tickets

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        for wish in self._wishes[bar.number]:
            self._tickets.append(ask(broker, wish, self._tickets))


def orders_program(bars: Bars, wishes: Sequence[Iterable[oracle.Wish]], scale: int = 10**8) -> Orders:
    """Return the same orders as a frame, which holds one sizing and names no earlier order."""
    rows = [
        {
            "timestamp": int(bars.timestamp[t]),
            "symbol": wish.symbol,
            wish.sizing: wish.amount / scale if wish.sizing.endswith("quantity") else float(wish.amount),
            "limit": wish.price if wish.kind == "limit" else None,
            "stop": wish.price if wish.kind == "stop" else None,
            "tif": wish.tif,
        }
        for t, at_bar in enumerate(wishes)
        for wish in at_bar
    ]
    sizing = next(wish.sizing for at_bar in wishes for wish in at_bar)
    schema = {
        "timestamp": pl.Int64,
        "symbol": pl.String,
        sizing: pl.Float64,
        "limit": pl.Float64,
        "stop": pl.Float64,
        "tif": pl.String,
    }
    frame = pl.DataFrame(rows, schema).with_columns(pl.col("timestamp").cast(pl.Datetime("ns")))
    return Orders(frame.drop("tif") if sizing.startswith("target") else frame)


# --- the journal of a run -----------------------------------------------------------------------------------


class End(NamedTuple):
    """The end of an order, in the words of `order_history`."""

    number: int
    bar: int
    symbol: str
    kind: str
    tif: str
    quantity: int
    price: float | None
    status: str
    reason: str
    ended_at: int
    replaces: int | None


class Books(NamedTuple):
    """The sums of the transfers up to the end of a bar, in units."""

    cash: int
    positions: dict[str, int]
    realized: int
    unrealized: int
    commission: int
    carrying_amount: int  # of long positions, less the liabilities of short ones
    contributions: int
    net: int  # assets less liabilities


class Story(NamedTuple):
    """The fills, ends of orders, states and books of a run."""

    fills: list[oracle.Fill]
    ends: list[End]
    states: list[oracle.State]
    books: list[Books]


def read(result: Result, bars: Bars) -> Story:
    """Read the story of a run from its journal."""
    journal = result.journal
    place = {int(t): n for n, t in enumerate(bars.timestamp)}
    symbols = {row["id"]: row["symbol"] for row in journal.sql("from commodity").rows()}
    rows = journal.sql(
        "select order_id, epoch_ns(timestamp) as timestamp, instrument, side * quantity as quantity, price,"
        " reference_price, commission, basis from fill order by id"
    ).rows()
    fills = [
        oracle.Fill(
            row["order_id"],
            place[row["timestamp"]],
            symbols[row["instrument"]],
            row["quantity"],
            row["price"],
            row["reference_price"],
            row["commission"],
            ("quantity", "amount")[row["basis"]],
        )
        for row in rows
    ]
    rows = journal.sql(
        "select *, epoch_ns(timestamp) as bar, epoch_ns(ended_at) as ended_bar from order_history order by id"
    ).rows()
    ends = [
        End(
            row["id"],
            place[row["bar"]],
            row["symbol"],
            row["type"],
            row["time_in_force"],
            int(row["quantity"].scaleb(8)),
            row["limit_price"] if row["stop_price"] is None else row["stop_price"],
            row["status"],
            row["reason"],
            place.get(row["ended_bar"], -1),
            row["replaces"],
        )
        for row in rows
    ]
    rows = journal.sql(
        "select txn, cash, market_value, equity, epoch_ns(timestamp) as timestamp from statement order by id"
    ).rows()
    assert list(place) == [row["timestamp"] for row in rows]
    books = folded(journal.sql, [row["txn"] for row in rows], symbols)
    states = [
        oracle.State(row["cash"], book.positions, row["market_value"], row["equity"])
        for row, book in zip(rows, books, strict=True)
    ]
    return Story(fills, ends, states, books)


def folded(sql: Callable[[str], Any], cuts: Sequence[int], symbols: Mapping[int, str]) -> list[Books]:
    """Add up the transfers of a journal to each of the transactions in *cuts*."""
    accounts = {row["id"]: (row["path"], symbols[row["commodity"]]) for row in sql("from account").rows()}
    transfers = sql("select txn, debit, credit, amount from transfer order by seq").rows()
    held: Counter[tuple[str, str]] = Counter()
    books, count = [], 0
    for cut in cuts:
        while count < len(transfers) and transfers[count]["txn"] <= cut:
            row = transfers[count]
            held[accounts[row["debit"]]] += row["amount"]
            held[accounts[row["credit"]]] -= row["amount"]
            count += 1
        books.append(_summary(held))
    return books


def _summary(held: Mapping[tuple[str, str], int]) -> Books:
    def money(*starts: str) -> int:
        return sum(n for (path, symbol), n in held.items() if symbol == "USD" and path.startswith(starts))

    return Books(
        cash=money("Assets:Cash:"),
        positions={
            symbol: amount
            for (path, symbol), amount in held.items()
            if amount and symbol != "USD" and path.startswith("Assets:Positions:")
        },
        realized=-money("Income:Realised:"),
        unrealized=-money("Income:Unrealised:"),
        commission=money("Expenses:Commissions"),
        carrying_amount=money("Assets:Positions:", "Liabilities:Short:"),
        contributions=-money("Equity:Contributions"),
        net=money("Assets:", "Liabilities:"),
    )


TABLES = ("account", "txn", "transfer", "fill", "orders", "order_event", "order_link", "mark", "statement")


def stored(result: Result) -> dict[str, list[list[str]]]:
    """Return every stored row of a run as text, in which one NaN is like another. Tags are left out."""
    hidden = {"orders": " exclude (tag)"}
    return {
        table: [
            [f"{name} {value}" for name, value in row.items()]
            for row in result.journal.sql(f"select *{hidden.get(table, '')} from {table} order by 1").rows()  # noqa: S608  the names are listed above
        ]
        for table in TABLES
    }


def perform(run: Backtest, path: Path | None = None) -> Story:
    """Perform a run and read its journal."""
    with run.run(path) as result:
        return read(result, run.bars)


# --- the story of the oracle --------------------------------------------------------------------------------


def oracle_story(simulation: oracle.Simulation) -> Story:
    """Return the story of the oracle, which has no books."""
    replaces = dict(simulation.links)
    ends = []
    for order in simulation.orders:
        assert order.end is not None
        bar, status, reason = order.end
        ends.append(
            End(
                order.number,
                order.bar,
                order.symbol,
                order.first_kind,
                order.tif,
                order.quantity,
                order.first_price,
                status,
                reason,
                bar,
                replaces.get(order.number),
            )
        )
    return Story(simulation.fills, ends, simulation.states, [])


def parting(expected: Story, actual: Story) -> tuple[Any, ...] | None:
    """Return the first difference of two stories: in which list, at which place, expected and actual."""
    for name in ("fills", "ends", "states"):
        one, other = getattr(expected, name), getattr(actual, name)
        for place in range(max(len(one), len(other))):
            pair = (one[place : place + 1], other[place : place + 1])
            if pair[0] != pair[1]:
                return (name, place, *pair)
    return None

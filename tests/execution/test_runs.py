"""Whole random runs, against a market simulated another way and against SQL.

Nothing is compared with a tolerance.
"""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support import generators_market as generators
from tests.support import market
from tests.support.generators_market import UNIT, Case
from tests.support.market_oracle import Simulation
from tests.support.ties import assert_tied
from tieout import Bar, Bars, Broker, Orders, Result, Signals, Strategy, TargetWeights
from tieout.execution.records import RECORDS
from tieout.ledger.file.anchor import parse
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.schema import ledger_schema
from tieout.ledger.file.verify import Outcome, verify

pytestmark = pytest.mark.long

MOST = min(settings().max_examples, 2_000)
FEWER = settings(max_examples=MOST // 5)  # each performs two runs, or asks much of SQL


def simulated(case: Case) -> Simulation:
    simulation = Simulation(case.symbols, case.terms, case.bars, case.dates, case.rules)
    simulation.run(lambda now: case.wishes[now.now])
    return simulation


def bars_of(case: Case, window: int = 0) -> Bars:
    return market.bars_of(case.symbols, case.bars, case.dates, window)


def run(case: Case, strategy: Any, bars: Bars | None = None, path: Path | None = None, **more: Any) -> Result:
    return market.backtest(bars or bars_of(case), case.terms, case.rules, strategy, **more).run(path)


def story_of(case: Case) -> market.Story:
    with run(case, market.Script(case.wishes)) as result:
        return market.read(result, bars_of(case))


@settings(max_examples=MOST)
@given(generators.cases())
def test_the_engine_and_the_oracle_agree_on_every_fill_end_and_bar(case: Case) -> None:
    simulation = simulated(case)

    story = story_of(case)

    parting = market.parting(market.oracle_story(simulation), story)
    assert parting is None
    assert simulation.realized == story.books[-1].realized
    assert simulation.commission == story.books[-1].commission
    assert_the_story_keeps_the_rules(case, story)


def assert_the_story_keeps_the_rules(case: Case, story: market.Story) -> None:
    """Check rules that hold for any orders, without the oracle."""
    for state, book in zip(story.states, story.books, strict=True):
        earned = book.realized + book.unrealized - book.commission
        assert state.cash == book.cash
        assert state.equity == book.net - book.carrying_amount + state.market_value
        assert state.equity == book.contributions + earned + state.market_value - book.carrying_amount
        if not case.rules.unlimited:
            assert 0 <= state.cash
            assert all(quantity > 0 for quantity in state.positions.values())
    volume: dict[tuple[int, str], int] = {}
    for fill in story.fills:
        if fill.symbol not in case.bars[fill.bar]:  # it has ended
            assert fill.price == fill.reference == case.bars[fill.bar - 1][fill.symbol].close
            continue
        bar = case.bars[fill.bar][fill.symbol]
        volume[fill.bar, fill.symbol] = volume.get((fill.bar, fill.symbol), 0) + abs(fill.quantity)
        assert bar.low <= fill.reference <= bar.high
        assert bar.volume != 0 or case.rules.without_volume
        if case.rules.participation is not None and bar.volume is not None:
            most = Fraction(case.rules.participation) * Fraction(bar.volume) * UNIT
            assert volume[fill.bar, fill.symbol] <= most * (1 + Fraction(4, 2**53))
    for end in story.ends:
        filled = sum(fill.quantity for fill in story.fills if fill.order == end.number)
        assert (end.status == "filled") == (filled == end.quantity != 0)
        assert end.bar <= end.ended_at


@settings(FEWER)
@given(generators.cases())
def test_every_order_ends_once_and_no_check_finds_anything(case: Case) -> None:
    with run(case, market.Script(case.wishes)) as result:
        for schema in (ledger_schema(), RECORDS):
            for name in schema.checks:
                assert [] == result.journal.sql(f"from check_{name}").rows(), name
        ends = result.journal.sql("select count(status) as ends from order_end group by order_id").rows()
        derived = result.journal.sql(
            "select cash, market_value, equity from statement_derived order by id"
        ).rows()
        stated = result.journal.sql("select cash, market_value, equity from statement order by id").rows()

        assert {1} >= {row["ends"] for row in ends}
        assert derived == stated
        assert [] == result.journal.sql("from proof").rows()
        assert_tied(result.journal)


@settings(max_examples=MOST // 10)  # each writes and reads a file
@given(generators.cases())
def test_a_run_in_a_file_passes_every_check_and_is_the_run_in_memory(case: Case) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.duckdb"
        with run(case, market.Script(case.wishes)) as in_memory:
            run(case, market.Script(case.wishes), path=path).close()
            with Reader(path) as reader:
                report = verify(reader, parse(in_memory.head))

    assert [] == [check.findings for check in report.results if check.outcome is Outcome.FAILED]
    assert in_memory.head == report.head


# --- the same orders by other means -------------------------------------------------------------------------


def assert_same_rows(case: Case, strategy: Strategy, program: Any) -> None:
    """A strategy over all bars at once, and a program over windows of them, store the same rows."""
    with run(case, strategy) as one, run(case, program, bars_of(case, case.window)) as other:
        expected, actual = market.stored(one), market.stored(other)

    for table in market.TABLES:
        assert expected[table] == actual[table], table


@settings(FEWER)
@given(generators.cases())
def test_windows_of_time_change_nothing(case: Case) -> None:
    with (
        run(case, market.Script(case.wishes)) as one,
        run(case, market.Script(case.wishes), bars_of(case, case.window)) as other,
    ):
        assert one.head == other.head


@settings(FEWER)
@given(generators.cases(), st.sampled_from(["quantity", "value", "percent", *generators.TARGETS]))
def test_orders_of_a_strategy_and_orders_of_a_frame_store_the_same_rows(case: Case, sizing: str) -> None:
    wishes = [
        [wish for wish in orders if wish.sizing == sizing and wish.earlier is None] for orders in case.wishes
    ]
    assume(any(wishes))

    program: Orders = market.orders_program(bars_of(case), wishes)

    assert_same_rows(case, market.Script(wishes), program)


class Weighs(Strategy):
    """Asks for each weight by itself, in order of symbol."""

    def __init__(self, weights: np.ndarray) -> None:
        self._weights = weights

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        for symbol, weight in zip(bar.symbols, self._weights[bar.number].tolist(), strict=True):
            if not np.isnan(weight):
                broker.target_percent(symbol, weight)


WEIGHTS = (float("nan"), 0.0, 0.3, 0.6, 1.2, -0.25)


@settings(FEWER)
@given(generators.cases(), st.data())
def test_weights_of_a_strategy_and_weights_of_an_array_store_the_same_rows(
    case: Case, data: st.DataObject
) -> None:
    shape = (len(case.bars), len(case.symbols))
    row = st.lists(st.sampled_from(WEIGHTS), min_size=shape[1], max_size=shape[1])
    weights = np.array(data.draw(st.lists(row, min_size=shape[0], max_size=shape[0])))

    assert_same_rows(case, Weighs(weights), TargetWeights(weights))


SELDOM = (*[float("nan")] * 12, *WEIGHTS)


@settings(FEWER)
@given(generators.cases(), st.data())
def test_a_statement_a_session_says_what_that_of_its_last_bar_does(case: Case, data: st.DataObject) -> None:
    shape = (len(case.bars), len(case.symbols))
    row = st.lists(st.sampled_from(SELDOM), min_size=shape[1], max_size=shape[1])
    weights = np.array(data.draw(st.lists(row, min_size=shape[0], max_size=shape[0])))
    bars = bars_of(case)
    closes = set(bars.timestamp[bars.closing].view("M8[ns]").tolist())

    with (
        run(case, TargetWeights(weights)) as every,
        run(case, TargetWeights(weights), statements="session") as some,
        run(case, TargetWeights(weights), bars_of(case, case.window), statements="session") as parts,
    ):
        for table in ("statement", "mark"):
            expected = [row[1:] for row in stated(every, table) if row[1] in closes]
            assert expected == [row[1:] for row in stated(some, table)]
        assert market.stored(every)["transfer"] == market.stored(some)["transfer"]
        assert some.head == parts.head


def stated(result: Result, table: str) -> list[tuple[Any, ...]]:
    columns = {
        "statement": ("timestamp", "txn", "cash", "market_value", "equity"),
        "mark": ("timestamp", "instrument", "price", "stale"),
    }[table]
    rows = result.journal.columns(table, columns)
    return list(zip(range(len(rows["timestamp"])), *(rows[name].tolist() for name in columns), strict=True))


class Follows(Strategy):
    """Enters where it is flat and exits what it holds, unless an order is working. An exit ends an entry."""

    def __init__(self, entries: np.ndarray, exits: np.ndarray, size: dict[str, float]) -> None:
        self._entries = entries
        self._exits = exits
        self._size = size

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        for place, symbol in enumerate(bar.symbols):
            enters, leaves = self._entries[bar.number, place], self._exits[bar.number, place]
            for order in broker.open_orders:
                if leaves and not enters and order.symbol == symbol and order.quantity > 0:
                    broker.cancel(order)
            busy = {order.symbol for order in broker.open_orders}
            have = broker.position(symbol)
            if enters == leaves or symbol in busy:
                continue
            if enters and have == 0:
                ((name, size),) = self._size.items()
                getattr(broker, {"quantity": "buy"}.get(name, f"order_{name}"))(symbol, size)
            if leaves and have > 0:
                broker.sell(symbol, have)
            if leaves and have < 0:
                broker.buy(symbol, -have)


@settings(FEWER)
@given(
    generators.cases(),
    st.sampled_from([{"quantity": 4.0}, {"value": 99.99}, {"percent": 0.45}]),
    st.data(),
)
def test_signals_of_a_strategy_and_signals_of_an_array_store_the_same_rows(
    case: Case, size: dict[str, Any], data: st.DataObject
) -> None:
    shape = (len(case.bars), len(case.symbols))
    row = st.lists(st.sampled_from(["enter", "leave", "both", ""]), min_size=shape[1], max_size=shape[1])
    choices = np.array(data.draw(st.lists(row, min_size=shape[0], max_size=shape[0])))
    entries, exits = np.isin(choices, ["enter", "both"]), np.isin(choices, ["leave", "both"])

    assert_same_rows(case, Follows(entries, exits, size), Signals(entries, exits, **size))

"""The view of a strategy, its notices, and that nothing after the current bar can be reached from it."""

import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.support.stage import FIRST_DAY, Acts, Notified, market, orders, perform, perform_acts
from tieout import Backtest, Bar, Bars, Broker, CashAccount, Fill, Instrument, Recording, Rejection, Strategy
from tieout.execution.errors import InvalidSetting, StrategyFailed, UnknownFeature
from tieout.ledger.numeric import Floats

# --- the future ---------------------------------------------------------------------------------------------


def reachable(*roots: object) -> Iterator[object]:
    """Every object that can be got at from *roots* by looking, without calling anything.

    Attributes in `__dict__` and `__slots__`, items, cells of closures, what methods are bound to, what a
    generator or a frame holds, and the arrays that arrays are views of. Modules and types lead everywhere,
    and are left out: a program that imports what it wants needs no bar for it.
    """
    waiting, visited = list(roots), {}
    while waiting:
        item = waiting.pop()
        if id(item) in visited or isinstance(item, str | bytes | int | float | type | types.ModuleType):
            continue
        visited[id(item)] = item
        yield item
        waiting.extend(_inside(item))


def _inside(item: object) -> Iterator[object]:
    if isinstance(item, dict):
        yield from item.keys()
        yield from item.values()
    elif isinstance(item, list | tuple | set | frozenset):
        yield from item
    if isinstance(item, types.FunctionType):
        yield from (cell.cell_contents for cell in item.__closure__ or ())
        yield from item.__defaults__ or ()
    for name in ("__self__", "__func__", "__wrapped__", "base", "obj", "gi_frame", "f_locals", "f_back"):
        yield getattr(item, name, None)
    yield getattr(item, "__dict__", None)
    for kind in type(item).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            yield getattr(item, name, None)


def held_by(item: object, values: Floats) -> set[float]:
    """The numbers of *values* that an object holds itself."""
    if isinstance(item, np.ndarray):
        fields = item.dtype.names
        arrays = [item[name] for name in fields] if fields else [item]
        return {float(x) for a in arrays if a.dtype.kind in "fiu" for x in values[np.isin(values, a)]}
    if isinstance(item, pl.DataFrame):
        return set().union(*(held_by(column.to_list(), values) for column in item))
    if isinstance(item, list | tuple):
        return {float(x) for x in item if isinstance(x, int | float)} & set(values.tolist())
    return set()


BARS = 12


def telling() -> tuple[Bars, pl.DataFrame]:
    """Prices and scores each of which occurs nowhere else, so that each one identifies its bar."""
    panels = {}
    for place, name in enumerate(("open", "close", "volume")):
        panels[name] = 1_000.5 + np.arange(BARS * 2).reshape(BARS, 2) * 64 + place * 16
    days = FIRST_DAY + np.arange(BARS) * np.timedelta64(1, "D")
    bars = Bars.from_arrays(
        days, ["ACME", "BOLT"], high=panels["close"] + 16, low=panels["open"] - 16, **panels
    )
    scores = 0.015625 + 0.03125 * np.arange(BARS * 2)
    features = pl.DataFrame(
        {"timestamp": np.repeat(days, 2), "symbol": ["ACME", "BOLT"] * BARS, "score": scores}
    )
    return bars, features


def later(bar: int) -> Floats:
    """All prices, volumes and scores of the bars after *bar*."""
    bars, features = telling()
    window = next(bars.windows())
    panels = [getattr(window.market, name) for name in ("open", "high", "low", "close", "volume")]
    scores = features["score"].to_numpy().reshape(BARS, 2)
    return np.concatenate([panel[bar + 1 :].ravel() for panel in (*panels, scores)])


class Spy(Strategy):
    """Looks through all that it can reach, at every bar."""

    def __init__(self) -> None:
        self._leaks: dict[int, set[float]] = {}
        self._now: dict[int, bool] = {}

    @property
    def lookback(self) -> int:
        return 5

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        bar.history("close", 3)
        for instrument in bar.instruments():
            instrument.history("score", 2)
        broker.target_weights({"ACME": 0.4, "BOLT": 0.4})
        broker.buy("ACME", 1, limit=1)
        leaks: set[float] = set()
        sees_now = False
        for item in reachable(bar, broker, bar.instruments(), bar.history, broker.buy, bar.top):
            leaks |= held_by(item, later(bar.number))
            sees_now = sees_now or bool(held_by(item, bar.close))
        self._leaks[bar.number] = leaks
        self._now[bar.number] = sees_now


@pytest.mark.parametrize("window", [BARS, 7])
def test_no_price_or_score_of_a_later_bar_can_be_reached(window: int) -> None:
    bars, features = telling()
    bars.window = window
    spy = Spy()
    perform(bars, spy, features=features, cash="1000000", recording=Recording(block_transfers=1_000))

    assert {bar: set[float]() for bar in range(BARS)} == spy._leaks
    assert {True} == set(spy._now.values())


def test_the_search_would_find_the_future() -> None:
    """An array of all closes, hidden in the ways that one could be."""
    bars, _ = telling()
    closes = next(bars.windows()).market.close

    def closure() -> object:
        return closes

    class Slotted:
        __slots__ = ("panel",)

        def __init__(self) -> None:
            self.panel = closes

        def look(self) -> None: ...

    places = (
        [{"a": (closes,)}],
        closes[:3],
        closes[2].view(),
        closure,
        Slotted(),
        Slotted().look,
        generator(closes),
    )
    for hidden in places:
        assert any(held_by(item, later(3)) for item in reachable(hidden)), hidden


def generator(panel: np.ndarray[Any, Any]) -> Iterator[object]:
    """A generator, which holds its arguments."""
    yield panel


# --- the bar ------------------------------------------------------------------------------------------------

GAPS = """
    ACME   BOLT    CORK
    10>11  20      -
    12     -       30
    13     21*0    31
    14     22      32
"""


def test_a_bar_is_its_prices_and_whether_they_were_traded_at() -> None:
    def look(bar: Bar, _: Broker) -> tuple[Any, ...]:
        return (
            bar.number,
            str(bar.timestamp)[:10],
            bar.open[0],
            bar.close[0],
            bar.traded.tolist(),
            bar.index("CORK"),
        )

    _, answers = perform_acts(market(GAPS), dict.fromkeys(range(3), look))

    assert [
        (0, "2024-01-01", 10.0, 11.0, [True, True, False], 2),
        (1, "2024-01-02", 12.0, 12.0, [True, False, True], 2),
        (2, "2024-01-03", 13.0, 13.0, [True, False, True], 2),
    ] == answers


def test_the_arrays_of_a_bar_cannot_be_written() -> None:
    def write(bar: Bar, _: Broker) -> None:
        with pytest.raises(ValueError, match="read-only"):
            bar.close[0] = 1.0

    perform_acts(market(GAPS), {0: write})


def test_history_reaches_back_as_far_as_time_has_come() -> None:
    def look(bar: Bar, _: Broker) -> Any:
        return bar.history("close", 3)[:, :2]

    _, answers = perform_acts(market(GAPS), dict.fromkeys(range(4), look), lookback=3)

    assert [
        [[11.0, 20.0]],
        [[11.0, 20.0], [12.0, -1.0]],
        [[11.0, 20.0], [12.0, -1.0], [13.0, 21.0]],
        [[12.0, -1.0], [13.0, 21.0], [14.0, 22.0]],
    ] == [np.nan_to_num(rows, nan=-1.0).tolist() for rows in answers]


@pytest.mark.parametrize("window", [1, 2, 3, 30])
@pytest.mark.parametrize("lookback", [1, 2, 7])
def test_history_is_the_last_bars_however_they_are_windowed(window: int, lookback: int) -> None:
    bars, _ = telling()
    closes = next(bars.windows()).market.close.copy()
    bars.window = window

    def look(bar: Bar, _: Broker) -> Any:
        histories = [instrument.history("close", lookback).tolist() for instrument in bar.instruments()]
        assert histories == bar.history("close", lookback).T.tolist()
        return bar.history("close", lookback).tolist()

    _, answers = perform_acts(bars, dict.fromkeys(range(BARS), look), lookback=lookback)

    assert [closes[max(0, t + 1 - lookback) : t + 1].tolist() for t in range(BARS)] == answers


def test_an_instrument_is_one_bar_and_those_without_one_are_left_out() -> None:
    visited: list[tuple[Any, ...]] = []

    class Each(Strategy):
        @property
        def lookback(self) -> int:
            return 2

        def on_instrument(self, instrument: Instrument, broker: Broker) -> None:
            del broker
            i = instrument
            visited.append(
                (i.symbol, i.open, i.high, i.low, i.close, i.volume, i.history("open", 2).tolist())
            )

    bars = market("""
        ACME   BOLT
        10>11  -
        12>9   20
    """)
    perform(bars, Each())

    assert [
        ("ACME", 10.0, 11.0, 10.0, 11.0, 10_000.0, [10.0]),
        ("ACME", 12.0, 12.0, 9.0, 9.0, 10_000.0, [10.0, 12.0]),
    ] == [row for row in visited if row[0] == "ACME"]
    assert ["ACME", "ACME", "BOLT"] == [row[0] for row in visited]


def test_the_best_by_a_feature_are_those_that_trade_and_of_equals_the_first() -> None:
    bars = market(GAPS)
    features = [
        pl.DataFrame(
            {
                "timestamp": np.repeat(FIRST_DAY, 3),
                "symbol": ["ACME", "BOLT", "CORK"],
                "score": [1.0, 1.0, 9.0],
            }
        ),
        pl.DataFrame({"timestamp": np.array([FIRST_DAY + np.timedelta64(1, "D")]), "rate": [0.05]}),
    ]

    def look(bar: Bar, _: Broker) -> tuple[Any, ...]:
        rate = bar.context("rate")
        return (
            bar.top("score", 1),
            bar.top("score", 3),
            bar.top("score", 0),
            bar.feature("score").tolist(),
            None if np.isnan(rate) else rate,
        )

    _, answers = perform_acts(bars, {0: look, 3: look}, features=features)

    assert [
        (["ACME"], ["ACME", "BOLT"], [], [1.0, 1.0, 9.0], None),
        (["CORK"], ["CORK", "ACME", "BOLT"], [], [1.0, 1.0, 9.0], 0.05),
    ] == answers


UNKNOWN = [
    (lambda bar: bar.feature("score"), "no feature 'score'; there are open, high, low, close, volume"),
    (lambda bar: bar.top("score", 1), "no feature 'score'"),
    (lambda bar: bar.context("rate"), "no context 'rate'; there is none"),
    (lambda bar: bar.index("DOVE"), "no instrument 'DOVE'"),
    (lambda bar: bar.history("score", 1), "no history of 'score'"),
    (lambda bar: bar.history("close", 3), "set the strategy's lookback to 3"),
    (lambda bar: bar.history("close", 0), "history of 0 bars"),
]


@pytest.mark.parametrize(("look", "message"), UNKNOWN)
def test_a_name_that_a_bar_does_not_have_is_refused(look: Any, message: str) -> None:
    def attempt(bar: Bar, _: Broker) -> str:
        with pytest.raises(UnknownFeature) as caught:
            look(bar)
        return str(caught.value)

    _, answers = perform_acts(market(GAPS), {1: attempt}, lookback=2)

    assert message in answers[0]


def test_history_is_refused_to_a_strategy_without_a_lookback() -> None:
    def attempt(bar: Bar, _: Broker) -> None:
        with pytest.raises(UnknownFeature, match="set the strategy's lookback to 1"):
            bar.history("close", 1)

    perform_acts(market(GAPS), {0: attempt})


# --- notices ------------------------------------------------------------------------------------------------

FALLING = """
    ACME  BOLT
    10    20
    10    20
    9     -
    8     20
    7     20
"""


def notes(notices: list[Fill | Rejection]) -> list[str]:
    return [
        f"{str(n.timestamp)[8:10]} order {n.order}: "
        + (f"{n.quantity:+g} {n.symbol} @ {n.price:g}" if isinstance(n, Fill) else f"{n.symbol} {n.reason}")
        for n in notices
    ]


@pytest.mark.parametrize("block_bars", [0, 1, 2])
def test_each_fill_and_each_rejection_is_notified_once_and_in_order(block_bars: int) -> None:
    acts = {
        0: lambda _, b: (b.buy("ACME", 1), b.buy("BOLT", 2), b.buy("ACME", 5_000)),
        1: lambda _, b: (b.sell("ACME", 1), b.sell("BOLT", 7)),
        2: lambda _, b: (b.buy("ACME", 3), b.order_value("BOLT", 80)),
        3: lambda _, b: b.buy("ACME", 6),
    }
    strategy = Notified(acts)
    result = perform(market(FALLING), strategy, recording=Recording(block_bars=block_bars))

    assert [
        "02 order 0: +1 ACME @ 10",
        "02 order 1: +2 BOLT @ 20",
        "02 order 2: ACME insufficient_cash",
        "03 order 3: -1 ACME @ 9",
        "03 order 6: BOLT no_bar",
        "04 order 5: +3 ACME @ 8",
        "04 order 4: BOLT insufficient_position",
        "05 order 7: +6 ACME @ 7",
    ] == notes(strategy.notices)
    count = "select (select count(*) from fill) + (select count(*) from order_event where event = 3) as n"
    assert [{"n": 8}] == result.journal.sql(count).rows()


def test_a_fill_at_the_last_close_is_notified_before_the_end() -> None:
    class Last(Notified):
        def on_end(self, broker: Broker) -> None:
            self._results.append((len(self.notices), broker.positions, broker.cash))

    strategy = Last({4: lambda _, b: b.buy("ACME", 1)})
    perform(market(FALLING), strategy, fill="same_close")

    assert (1, {"ACME": 1.0}, 9_993.0) == strategy._results[-1]


def test_a_fill_is_notified_once_the_books_have_it() -> None:
    class Sees(Acts):
        def on_fill(self, fill: Fill, broker: Broker) -> None:
            self._results.append((broker.position(fill.symbol), broker.cash))

    strategy = Sees({0: lambda _, b: b.buy("ACME", 4) and None})
    perform(market(FALLING), strategy)

    assert (4.0, 9_960.0) == strategy._results[-1]


# --- a strategy that raises ---------------------------------------------------------------------------------


def test_a_strategy_that_raises_ends_the_run_at_the_bar_that_is_named() -> None:
    acts = {0: lambda _, b: b.buy("ACME", 1, limit=1), 2: lambda _, __: 1 // 0}

    with pytest.raises(StrategyFailed, match=r"failed at bar 2, 2024-01-03: ZeroDivisionError") as caught:
        perform_acts(market(FALLING), acts)

    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_strategy_that_raises_before_the_first_bar_is_named_too() -> None:
    class Broken(Strategy):
        def on_start(self, broker: Broker) -> None:
            raise KeyError(f"weights of {broker.positions}")

    with pytest.raises(StrategyFailed, match="before the first bar: KeyError"):
        perform(market(FALLING), Broken())


def test_a_class_is_not_a_strategy_until_it_is_made() -> None:
    with pytest.raises(InvalidSetting, match="must be a Strategy object or a program"):
        Backtest(bars=market(FALLING), strategy=Notified, account=CashAccount("1"))


def test_a_strategy_that_does_nothing_leaves_cash_as_it_was() -> None:
    result = perform(market(FALLING), Strategy())

    assert [] == orders(result)
    assert [10_000.0] * 5 == [float(equity) for equity in result.equity["equity"]]

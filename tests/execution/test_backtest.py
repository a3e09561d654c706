"""Settings that a backtest refuses, and the description that it records."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from attrs import define

from tieout import (
    Backtest,
    Bar,
    Bars,
    Broker,
    CashAccount,
    Costs,
    CustomCommission,
    InstrumentSpec,
    Orders,
    PercentCommission,
    Recording,
    Signals,
    Strategy,
    TargetWeights,
    UnlimitedAccount,
)
from tieout.execution.errors import BadFeatures, InvalidSetting, MalformedOrder
from tieout.strategies.buy_and_hold import BuyAndHold

DAY = np.timedelta64(1, "D")


def bars(days: int = 3, volume: float | None = 1e9, price: float = 10.0) -> Bars:
    times = np.datetime64("2024-01-02", "ns") + np.arange(days) * DAY
    prices = np.full((days, 1), price)
    traded = None if volume is None else np.full((days, 1), volume)
    return Bars.from_arrays(
        times, ["ACME"], open=prices, high=prices, low=prices, close=prices, volume=traded
    )


class Acts(Strategy):
    """A strategy with one function for each bar."""

    def __init__(self, *steps: Callable[[Broker], object]) -> None:
        self._steps = steps

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        if bar.number < len(self._steps):
            self._steps[bar.number](broker)


def ends(strategy: Strategy, account: Any = None, **more: Any) -> list[tuple[int, str]]:
    account = account or CashAccount("1000")
    with Backtest(bars=bars(**more), strategy=strategy, account=account).run() as result:
        rows = result.journal.sql("from order_end order by order_id, status").rows()
        return [(row["order_id"], row["status"]) for row in rows]


@pytest.mark.parametrize(
    "last",
    [
        lambda broker: broker.cancel(0),
        lambda broker: broker.cancel(broker.buy("ACME", 1)),
        lambda broker: broker.buy("ACME", 2, replaces=0),
    ],
)
def test_an_order_that_is_cancelled_at_the_last_bar_ends_once(last: Callable[[Broker], object]) -> None:
    first = Acts(lambda broker: broker.buy("ACME", 1, limit=1), lambda _: None, last)

    rows = ends(first)

    assert len({number for number, _ in rows}) == len(rows)


def test_chance_comes_from_the_seed() -> None:
    def drawn(seed: int) -> list[float]:
        numbers: list[float] = []
        strategy = Acts(*[lambda broker: numbers.append(broker.random.random())] * 3)
        Backtest(bars=bars(), strategy=strategy, seed=seed).run().close()
        return numbers

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_feature_that_is_dated_is_not_joined_to_bars_with_hours() -> None:
    hours = np.datetime64("2024-01-02T10", "ns") + np.arange(3) * np.timedelta64(1, "h")
    prices = np.full((3, 1), 10.0)
    intraday = Bars.from_arrays(hours, ["ACME"], open=prices, high=prices, low=prices, close=prices)
    dated = pl.DataFrame({"timestamp": ["2024-01-02"], "symbol": ["ACME"], "score": [1.0]}).with_columns(
        pl.col("timestamp").str.to_date()
    )

    with pytest.raises(BadFeatures, match="say at what time"):
        Backtest(bars=intraday, features=dated, strategy=Acts())
    Backtest(bars=bars(), features=dated, strategy=Acts())


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": TargetWeights},
        {"strategy": BuyAndHold},
        {"strategy": 5},
        {"account": 10},
        {"account": CashAccount},
        {"costs": PercentCommission("0.001")},
        {"costs": None},
        {"instruments": InstrumentSpec()},
        {"recording": {"block_bars": 5}},
        {"fill": "soon"},
        {"statements": "never"},
    ],
)
def test_an_argument_of_a_wrong_type_is_refused(wrong: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"bars": bars(), "strategy": Acts()} | wrong

    with pytest.raises(InvalidSetting):
        Backtest(**settings)


def test_an_argument_of_a_wrong_type_is_named_with_an_example() -> None:
    with pytest.raises(
        InvalidSetting, match=r"account must be an account such as CashAccount\(\.\.\.\), not 5"
    ):
        Backtest(bars=bars(), strategy=Acts(), account=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"describe": 5}, "describe is a mapping"),
        ({"block_bars": -1}, "zero or more, not -1"),
        ({"block_bars": 2.5}, "zero or more, not 2.5"),
        ({"block_bars": True}, "zero or more, not True"),
    ],
)
def test_a_recording_of_wrong_settings_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        Recording(**wrong)


@pytest.mark.parametrize("scale", [13, -1, 2.0, True])
def test_a_scale_is_a_number_of_decimals(scale: Any) -> None:
    with pytest.raises(InvalidSetting, match="scale"):
        InstrumentSpec(scale=scale)


@pytest.mark.parametrize("commission", [Costs, Costs(), 0.001])
def test_a_commission_is_one(commission: Any) -> None:
    with pytest.raises(InvalidSetting, match="commission"):
        Costs(commission=commission)


def test_a_share_of_a_volume_that_is_not_there_is_refused() -> None:
    capped = Costs(participation="0.1")

    with pytest.raises(InvalidSetting, match="share of volume"):
        Backtest(bars=bars(volume=None), strategy=Acts(), costs=capped)
    with pytest.raises(InvalidSetting, match="not a share"):
        Costs(participation="1.1")


def test_more_than_64_bits_is_rejected_on_entry_and_not_on_exit() -> None:
    rich = UnlimitedAccount("0")
    too_much = Acts(lambda broker: [broker.buy("ACME", 80_000_000) for _ in range(2)])

    assert [(0, "filled"), (1, "rejected")] == ends(too_much, rich, price=1e5)
    there_and_back = Acts(
        lambda broker: broker.buy("ACME", 80_000_000), lambda broker: broker.sell("ACME", 80_000_000)
    )
    assert [(0, "filled"), (1, "filled")] == ends(there_and_back, rich, price=1e5)


def test_a_position_that_no_order_could_close_is_not_come_by() -> None:
    twice = Acts(*[lambda broker: broker.buy("ACME", 6 * 10**15)] * 2)

    assert [(0, "filled"), (1, "rejected")] == ends(twice, UnlimitedAccount("0"), price=0.0001)


def frame(**columns: list[Any]) -> pl.DataFrame:
    base: dict[str, list[Any]] = {"timestamp": [date(2024, 1, 2)], "symbol": ["ACME"]}
    return pl.DataFrame(base | columns)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"quantity": [1.0], "lmit": [9.0]}, "no lmit"),
        ({"target_percent": [0.5], "tif": ["day"]}, "leave tif out"),
        ({"quantity": [1.0], "percent": [0.5]}, "give one column"),
        ({"quantity": ["many"]}, "quantity is not a number"),
        ({"quantity": [1.0], "limit": ["low"]}, "limit is not a number"),
    ],
)
def test_a_frame_of_orders_says_nothing_that_is_not_heard(
    columns: dict[str, list[Any]], message: str
) -> None:
    with pytest.raises(MalformedOrder, match=message):
        Backtest(bars=bars(), strategy=Orders(frame(**columns))).description()


@pytest.mark.parametrize("flags", [np.full((3, 1), "False"), np.full((3, 1), 0.5)])
def test_flags_are_flags(flags: Any) -> None:
    with pytest.raises(MalformedOrder, match="true and false"):
        Backtest(bars=bars(), strategy=Signals(flags, flags == 2, quantity=1)).description()


def test_a_flag_that_is_missing_is_none() -> None:
    entries = np.array([[np.nan], [1.0], [0.0]])
    signals = Signals(entries, np.zeros((3, 1)), quantity=1)

    assert [(0, "filled")] == ends(signals)  # type: ignore[arg-type]  # a program is a strategy too


def test_the_digest_of_orders_covers_their_tags_and_one_zero_and_one_nan() -> None:
    def recorded(strategy: Any) -> Any:
        fingerprints: Any = Backtest(bars=bars(), strategy=strategy).description().fingerprints
        return fingerprints["program"]

    one, other = (recorded(Orders(frame(quantity=[1.0], tag=[tag]))) for tag in ("one", "two"))
    assert one != other
    quiet = np.array([[0.0], [np.nan], [0.5]])
    loud = np.array([[-0.0], [-np.nan], [0.5]])
    assert recorded(TargetWeights(quiet)) == recorded(TargetWeights(loud))


@define
class Holds(Strategy):
    """A strategy with a parameter."""

    parameter: Any


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(2), np.zeros(2, np.int64)),
        ({"b", "a"}, {"a", "c"}),
        ((1, 2), (2, 1)),
        (Path("a"), Path("b")),
    ],
)
def test_parameters_that_differ_are_recorded_so(one: Any, other: Any) -> None:
    specs = [
        Backtest(bars=bars(), strategy=Holds(parameter)).description().spec for parameter in (one, other)
    ]

    assert specs[0] != specs[1]
    assert specs[0] == Backtest(bars=bars(), strategy=Holds(one)).description().spec


@pytest.mark.parametrize(
    "parameter", [object(), float("nan"), np.array([object()]), pl.DataFrame({"a": [1]})]
)
def test_a_parameter_that_cannot_be_recorded_is_refused(parameter: Any) -> None:
    with pytest.raises(InvalidSetting, match="parameter"):
        Backtest(bars=bars(), strategy=Holds(parameter)).description()


def test_a_description_adds_and_never_contradicts() -> None:
    added = Backtest(
        bars=bars(), strategy=Acts(), recording=Recording(describe={"study": "first", "fill": "next_open"})
    )
    contradicting = Backtest(
        bars=bars(), strategy=Acts(), recording=Recording(describe={"fill": "same_close"})
    )

    assert "first" == added.description().spec["study"]
    with pytest.raises(InvalidSetting, match="describe says that fill"):
        contradicting.description()


def fails(quantity: float, notional: float) -> float:
    if quantity > 0:
        raise ValueError
    return notional


def test_a_commission_that_fails_refuses_the_order() -> None:
    costs = Costs(commission=CustomCommission(fails))
    strategy = Acts(lambda broker: broker.buy("ACME", 1))
    with Backtest(bars=bars(), strategy=strategy, costs=costs).run() as result:
        assert ["rejected"] == result.orders["status"].to_list()


def test_the_variables_that_a_commission_reads_are_recorded() -> None:
    def of(rate: float) -> Any:
        def charged(_: float, notional: float) -> float:
            return rate * notional

        return CustomCommission(charged).spec()

    assert of(0.1) != of(0.2)
    assert of(0.1) == of(0.1)


def test_an_error_beside_the_strategy_is_not_the_strategys(tmp_path: Path) -> None:
    def progress(_: int, __: int) -> None:
        raise OSError("the terminal is gone")

    with pytest.raises(OSError, match="terminal"):
        Backtest(bars=bars(), strategy=Acts()).run(tmp_path / "a.duckdb", progress)
    Backtest(bars=bars(), strategy=Acts()).run(tmp_path / "a.duckdb").close()


@pytest.mark.parametrize("replaces", [-7, None, "x", 1.5])
def test_only_an_order_can_be_replaced(replaces: Any) -> None:
    refused = []

    def ask(broker: Broker) -> None:
        with pytest.raises(MalformedOrder, match="replaces"):
            broker.buy("ACME", 1, replaces=replaces)
        refused.append(replaces)

    Backtest(bars=bars(), strategy=Acts(ask)).run().close()

    assert [replaces] == refused


# --- what is worked out afterwards -------------------------------------------------------------------------


def two() -> Bars:
    """Return hourly bars of two days. ACME stops for a day and BOLT does not."""
    acme = np.array([10, 10, 10, 40, 20, np.nan, np.nan, np.nan, np.nan, 20.0])
    prices = np.stack([acme, np.full(10, 20.0)], axis=1)
    hours = np.append(np.arange(9), 24).astype("m8[h]")
    times = np.datetime64("2024-01-02T10", "ns") + hours
    return Bars.from_arrays(times, ["ACME", "BOLT"], open=prices, high=prices, low=prices, close=prices)


def test_what_is_bought_at_a_close_is_worth_that_close_until_the_next() -> None:
    weights = np.full((10, 2), np.nan)
    weights[[0, 1, 2, 4]] = [[0.5, 0.5], [0.4, 0.5], [0.0, 0.5], [0.5, 0.5]]
    backtest = Backtest(
        bars=two(),
        strategy=TargetWeights(weights),
        fill="same_close",
        statements="session",
        account=CashAccount("10000"),
    )

    with backtest.run() as result:
        assert [10_000, 10_000] == result.equity["equity"].to_list()
        assert [(20.0, False), (20.0, True)] == sorted(
            result.journal.sql("select price, stale from mark limit 2").pl().iter_rows(), key=lambda r: r[1]
        )


def programs() -> list[Any]:
    entries = np.zeros((10, 2), np.bool_)
    entries[2] = entries[6, 1] = True
    return [TargetWeights(np.full((10, 2), 0.4)), Signals(entries, ~entries, percent=0.3)]


@pytest.mark.parametrize("place", range(2))
def test_a_run_in_memory_has_the_head_of_the_same_run_in_a_file(place: int, tmp_path: Path) -> None:
    with (
        Backtest(bars=two(), strategy=programs()[place]).run() as one,
        Backtest(bars=two(), strategy=programs()[place]).run(tmp_path / "run.duckdb") as other,
    ):
        assert other.head == one.head


def test_changes_after_a_run_do_not_change_its_record() -> None:
    def performed(disturb: Callable[[Backtest, np.ndarray, dict[str, Any]], object] | None = None) -> str:
        weights, notes = np.full((10, 2), 0.4), {"by": {"name": ["me"]}}
        backtest = Backtest(bars=two(), strategy=TargetWeights(weights), recording=Recording(describe=notes))
        with backtest.run() as result:
            if disturb is not None:
                disturb(backtest, weights, notes)
            return result.head

    expected = performed()

    assert expected == performed(lambda _, weights, __: weights.fill(0.1))
    assert expected == performed(lambda _, __, notes: notes["by"]["name"].append("you"))
    assert expected == performed(lambda backtest, _, __: setattr(backtest, "bars", bars()))
    with pytest.raises(ValueError, match="read-only"):
        two().timestamp[0] = 0

"""A run beside its imitation: the orders handed over, the differences, and the rules that explain them."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from tests.support.native_runs import FINE, FREE, NAN, run
from tests.support.rule_cases import CASES, PACKAGE_ONLY, RULES
from tieout import (
    CashAccount,
    Costs,
    Instruments,
    PercentCommission,
    PerOrderCommission,
    PerShareCommission,
)
from tieout.execution.kernels.orders import OrderType
from tieout.validation.compare.differences import Comparison, is_alike, max_difference, order_results
from tieout.validation.compare.render import show
from tieout.validation.engines import registry
from tieout.validation.engines.vectorbt.grid import Grid
from tieout.validation.evidence.native import draw
from tieout.validation.foreign.native import NativeRun
from tieout.validation.foreign.outcome import Fill, Outcome, Refusal
from tieout.validation.foreign.requests import CannotCompare, charges

ADAPTERS = registry.adapters()
IMITATED = sorted(name for name, adapter in ADAPTERS.items() if adapter.by_imitation is not None)


def compared(engine: str, tieout_run: NativeRun) -> Comparison:
    return Comparison(engine, tieout_run, imitated(engine, tieout_run))


def imitated(engine: str, tieout_run: NativeRun) -> Outcome:
    by_imitation = ADAPTERS[engine].by_imitation
    assert by_imitation is not None
    return by_imitation(tieout_run)


# --- a run as data -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_cash_and_value_folded_from_transfers_are_those_of_the_statements(seed: int) -> None:
    backtest = draw(seed)
    with backtest.run() as result:
        tieout_run, equity = NativeRun.of(backtest, result.journal), result.equity

    assert [round(value, 6) for value in tieout_run.outcome.value.tolist()] == equity["equity"].cast(
        float
    ).to_list()
    assert tieout_run.opening == float(str(backtest.account.cash))


def test_an_order_reduces_that_goes_against_the_position_when_it_is_given() -> None:
    tieout_run = run(
        """
        0 A +0.1
        1 A +0.2
        2 A -0.3
        3 A +0.1
        """,
        {"A": [10, 10, 10, 10, 10]},
        instruments=Instruments.fractional(),
    )

    assert [False, False, True, False] == [order.reduces for order in tieout_run.orders]


def test_at_the_same_close_it_is_the_position_before_the_bars_own_fills() -> None:
    tieout_run = run("0 A +1\n1 A -1\n1 A +1", {"A": [10, 10, 10]}, fill="same_close")

    assert [False, True, False] == [order.reduces for order in tieout_run.orders]
    assert [0, 1, 1] == [fill.bar for fill in tieout_run.outcome.fills]


def test_a_position_that_closes_because_its_instrument_ends_is_an_ending() -> None:
    tieout_run = run("0 A +1", {"A": [10, 11, 12, NAN, NAN], "B": [5, 5, 5, 5, 5]})

    assert {0: 3} == dict(tieout_run.endings)
    assert [1000, 989, 989, 1001, 1001] == tieout_run.outcome.cash.tolist()
    assert [1000, 1000, 1001, 1001, 1001] == tieout_run.outcome.value.tolist()


# --- the orders handed over ---------------------------------------------------------------------------------


def test_what_reduces_goes_first_then_what_adds_and_columns_without_orders_come_last() -> None:
    tieout_run = run("0 B +2\n1 A +3\n1 B -2\n1 D +1", {name: [10, 10, 10] for name in "ABCD"})

    assert [[0, 1, 2, 3], [1, 0, 2, 3], [1, 0, 3, 2]] == Grid.of(tieout_run).turn.tolist()


def test_an_order_is_executed_on_the_next_bar_of_its_instrument() -> None:
    tieout_run = run("0 A +1", {"A": [10, NAN, 10, 10], "B": [5, 5, 5, 5]})

    assert [[2, 0]] == np.argwhere(~np.isnan(Grid.of(tieout_run).size)).tolist()


@pytest.mark.parametrize(
    ("orders", "message"),
    [
        ("0 A +1 limit 9", "order 0 is of the type limit"),
        ("0 A +1 stop 11", "order 0 is of the type stop"),
        ("0 A +1\n0 A +2", "orders 0 and 1 are both for A at 2024-01-02"),
    ],
)
def test_vectorbt_takes_one_market_order_a_bar_and_instrument(orders: str, message: str) -> None:
    tieout_run = run(orders, {"A": [10, 10, 10]})

    with pytest.raises(CannotCompare, match=message):
        Grid.of(tieout_run)


class LaterType(IntEnum):
    """An order type that no adapter knows yet."""

    TRAILING_STOP = 99


@pytest.mark.parametrize("engine", sorted(ADAPTERS))
@pytest.mark.parametrize("order_type", [*OrderType, *LaterType])
def test_an_order_of_each_type_is_taken_or_refused_by_its_name(engine: str, order_type: Any) -> None:
    tieout_run = run("0 A +1 limit 9 day", {"A": [10, 10, 10]})
    order = evolve(tieout_run.orders[0], type=order_type, stop=11.0)
    adapter = ADAPTERS[engine]
    perform = adapter.by_imitation or adapter.by_package

    refusal = ""
    fills: Sequence[Fill] = ()
    try:
        fills = perform(evolve(tieout_run, orders=[order])).fills
    except ImportError:
        pytest.skip("the package is not installed, and has no imitation")
    except CannotCompare as error:
        refusal = str(error)

    assert (order_type.name.lower().replace("_", "-") in refusal) or (
        not refusal and order_type in OrderType and {fill.order for fill in fills} <= {order.number}
    )


@pytest.mark.parametrize(
    ("engine", "types"),
    [
        ("backtrader", {OrderType.MARKET, OrderType.LIMIT, OrderType.STOP}),
        ("vectorbt", {OrderType.MARKET}),
    ],
)
def test_the_order_types_that_an_engine_takes(engine: str, types: set[OrderType]) -> None:
    tieout_run, allowed = run("0 A +1 limit 9 day", {"A": [10, 10, 10]}), set()
    for order_type in OrderType:
        order = evolve(tieout_run.orders[0], type=order_type, stop=11.0)
        with suppress(CannotCompare):
            imitated(engine, evolve(tieout_run, orders=[order]))
            allowed.add(order_type)

    assert types == allowed


PERCENT, A_SHARE, AN_ORDER = PercentCommission("0.001"), PerShareCommission("0.01"), PerOrderCommission("1")


@pytest.mark.parametrize(
    ("engine", "commission", "answer"),
    [
        ("vectorbt", PERCENT, (0.001, 0.0, 0.0)),
        ("backtrader", PERCENT, (0.001, 0.0, 0.0)),
        ("backtrader", A_SHARE, (0.0, 0.01, 0.0)),
        ("vectorbt", AN_ORDER, (0.0, 0.0, 1.0)),
        ("vectorbt", A_SHARE, "VectorBT has no commission such as PerShareCommission"),
        ("backtrader", AN_ORDER, "Backtrader has no commission such as PerOrderCommission"),
        ("vectorbt", PercentCommission("0.001", "1"), "without a minimum"),
        ("backtrader", PerShareCommission("0.01", "0", "0.1"), "without a minimum"),
    ],
)
def test_a_commission_is_taken_or_refused(engine: str, commission: Any, answer: Any) -> None:
    tieout_run, adapter = run("0 A +1", {"A": [10, 10]}, costs=Costs(commission)), ADAPTERS[engine]

    if isinstance(answer, str):
        with pytest.raises(CannotCompare, match=answer):
            charges(tieout_run, adapter.name, adapter.commissions)
    else:
        costs = charges(tieout_run, adapter.name, adapter.commissions)
        assert answer == (costs.percent, costs.per_share, costs.per_order)


@pytest.mark.parametrize("engine", ["vectorbt", "backtrader"])
def test_a_slippage_that_is_no_share_of_the_price_is_refused(engine: str) -> None:
    class Fixed:
        def fill_in(self, policy: Any) -> None:
            policy.slippage = 0.0

        def spec(self) -> str:
            return "fixed"

    tieout_run = run("0 A +1", {"A": [10, 10]}, costs=Costs(slippage=Fixed()))

    with pytest.raises(CannotCompare, match="it takes a share of the price"):
        charges(tieout_run, ADAPTERS[engine].name, ADAPTERS[engine].commissions)


@pytest.mark.parametrize("engine", ["vectorbt", "backtrader"])
def test_a_share_of_the_volume_is_refused(engine: str) -> None:
    tieout_run = run("0 A +1", {"A": [10, 10]}, costs=Costs(participation="0.1"))

    with pytest.raises(CannotCompare, match="participation"):
        charges(tieout_run, ADAPTERS[engine].name, ADAPTERS[engine].commissions)


# --- differences ---------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["vectorbt", "backtrader"])
@pytest.mark.parametrize("fill", ["next_open", "same_close"])
def test_the_same_rules_lead_to_the_same_books(engine: str, fill: str) -> None:
    tieout_run = run(
        """
        0 A +30
        0 B +20
        1 A -10
        2 B -20
        2 A +35
        """,
        {"A": [10, (10, 11), 12, (13, 12), 12], "B": [20, (21, 20), 19, 20, 20]},
        fill=fill,
        costs=Costs(PERCENT),
    )

    assert 5 == len(tieout_run.outcome.fills)
    assert [] == list(compared(engine, tieout_run).differences)


def test_an_order_that_is_cut_spends_what_there_is_in_vectorbt_too() -> None:
    tieout_run = run(
        """
        0 A +150
        1 A -20
        2 A +300
        3 A -1000
        """,
        {"A": [7, (7, 7.3), 8.1, 9.7, 8, 8]},
        account=CashAccount("1000.37", insufficient="cut"),
        costs=Costs(PercentCommission("0.00123"), slippage="0.0007"),
        instruments=Instruments.fractional(),
    )

    assert 4 == len(tieout_run.outcome.fills)
    assert 3 == len(tieout_run.outcome.refusals)
    assert [] == list(compared("vectorbt", tieout_run).differences)


def test_orders_with_limits_and_stops_fill_alike_in_backtrader() -> None:
    tieout_run = run(
        """
        0 A +10 limit 9
        0 A +10 stop 12
        1 A -5 limit 13
        2 A +1 limit 5 day
        3 A -5 stop 9
        """,
        {"A": [10, (10, 8), (8, 12.5), (14, 13), (9, 8), 8]},
    )

    assert 4 == len(tieout_run.outcome.fills)
    assert [] == list(compared("backtrader", tieout_run).differences)


@pytest.mark.parametrize(
    ("engine", "rule"), sorted(case for case in CASES.keys() - PACKAGE_ONLY if case[0] in IMITATED)
)
def test_a_known_difference_of_rules_is_named(engine: str, rule: str) -> None:
    differences = compared(engine, CASES[engine, rule]()).differences

    assert rule in {difference.rule for difference in differences}


PLANTED: dict[str, Callable[[Outcome], dict[str, Any]]] = {
    "a price": lambda it: {"fills": [evolve(one, price=one.price + 0.5) for one in it.fills]},
    "a size": lambda it: {"fills": [evolve(one, quantity=one.quantity + 1) for one in it.fills]},
    "a commission": lambda it: {"fills": [evolve(one, fee=one.fee + 1) for one in it.fills]},
    "a bar": lambda it: {"fills": [evolve(one, bar=one.bar + 1) for one in it.fills]},
    "no fills": lambda _: {"fills": []},
    "a refusal": lambda _: {"refusals": [Refusal(2, 0, 0, "Rejected")]},
    "cash": lambda it: {"cash": it.cash + 1},
    "value": lambda it: {"value": it.value + 1},
}


@pytest.mark.parametrize("engine", ["vectorbt", "backtrader"])
@pytest.mark.parametrize("planted", PLANTED)
def test_what_follows_from_no_rule_is_put_down_to_none(engine: str, planted: str) -> None:
    orders = "0 A +10\n1 A -3" if engine == "vectorbt" else "0 A +10\n1 A -3 limit 9\n2 A +2 stop 12"
    tieout_run = run(orders, {"A": [10, 10, 10, 12, 12]})
    outcome = imitated(engine, tieout_run)

    differences = Comparison(engine, tieout_run, evolve(outcome, **PLANTED[planted](outcome))).differences

    assert differences
    assert {""} == {difference.rule for difference in differences}


def test_what_is_bought_with_cash_that_is_not_there_is_not_put_down_to_the_submission_check() -> None:
    differences = compared("backtrader", run("0 A +150", {"A": [10, 10, 10]}, account=FREE)).differences

    assert ["an unlimited account", ""] == [difference.rule for difference in differences]


def test_a_limit_that_is_refused_when_it_fills_is_not_put_down_to_the_submission_check() -> None:
    tieout_run = run("0 A +60 limit 9\n1 A +60", {"A": [10, 10, 8, 8]}, account=FREE)
    outcome = imitated("backtrader", tieout_run)
    late = [fill for fill in outcome.fills if fill.order != 0]

    comparison = Comparison(
        "backtrader", tieout_run, evolve(outcome, fills=late, refusals=[Refusal(2, 0, 0, "Margin")])
    )

    assert "the submission check" not in {difference.rule for difference in comparison.differences}


@pytest.mark.parametrize("engine", [name for name in IMITATED if "no bar" in RULES[name]])
def test_an_order_without_a_bar_does_not_affect_the_others(engine: str) -> None:
    tieout_run = run("0 A +1\n1 A +2", {"A": [10, NAN, 10, 10], "B": [5, 5, 5, 5]})

    difference, cash = compared(engine, tieout_run).differences

    assert ("cash", 2) == (cash.what, cash.bar)
    assert (1, "fill", "buys 2 at 10, commission 0.000000", "none", "no bar") == (
        difference.order,
        difference.what,
        difference.value,
        difference.engine_value,
        difference.rule,
    )


@pytest.mark.parametrize("engine", [name for name in IMITATED if "dust" in RULES[name]])
def test_a_fill_of_dust_is_a_difference_although_it_moves_nothing(engine: str) -> None:
    tieout_run = run("0 A +0.00000001", {"A": [10, 10]}, instruments=FINE)

    assert [("fill", "dust")] == [(one.what, one.rule) for one in compared(engine, tieout_run).differences]


def test_at_the_same_close_a_limit_of_backtrader_is_in_the_cash_of_the_bar_that_fills_it() -> None:
    tieout_run = run("0 A +10\n0 A +10 limit 10\n2 A -1 limit 7", {"A": [10, (9, 8), 8]}, fill="same_close")

    outcome = imitated("backtrader", tieout_run)

    assert [(0, 0, 10.0), (1, 1, 9.0)] == [(fill.bar, fill.order, fill.price) for fill in outcome.fills]
    assert [900, 810, 810] == outcome.cash.tolist()
    assert [1000, 970, 970] == outcome.value.tolist()


def test_every_rule_has_a_case_and_every_case_is_of_a_rule_of_its_engine() -> None:
    assert {"backtrader", "vectorbt"} <= {engine for engine, _ in CASES}
    assert all(rule in RULES[engine] for engine, rule in CASES)
    assert frozenset().union(*RULES.values()) == {rule for _, rule in CASES}
    assert CASES.keys() >= PACKAGE_ONLY


def test_fills_of_one_order_at_one_bar_and_price_are_one_execution() -> None:
    fills = [Fill(1, 0, 7, 2.0, 10.0, 0.1), Fill(1, 0, 7, 1e-14, 10.0, 0.0), Fill(2, 0, 7, 1.0, 10.0, 0.1)]
    outcome = Outcome(
        fills, [Refusal(3, 0, 8, "Margin"), Refusal(3, 0, 9, "Expired")], np.zeros(4), np.zeros(4)
    )

    results = order_results(outcome)

    assert [(1, 2.0), (2, 1.0)] == [(fill.bar, round(fill.quantity, 9)) for fill in results[7].fills]
    assert "Margin" == results[8].reason
    assert 9 not in results


@pytest.mark.parametrize(
    ("engine", "reason", "engine_reason", "alike"),
    [
        ("backtrader", "insufficient_cash", "Margin", True),
        ("vectorbt", "insufficient_cash", "NoCashLong", True),
        ("vectorbt", "insufficient_position", "NoOpenPosition", True),
        ("vectorbt", "insufficient_position", "PartialFill", True),
        ("backtrader", "insufficient_position", "Margin", False),
        ("vectorbt", "insufficient_cash", "", False),
        ("vectorbt", "", "", True),
    ],
)
def test_reasons_are_alike_that_mean_the_same(
    engine: str, reason: str, engine_reason: str, *, alike: bool
) -> None:
    assert alike == is_alike(ADAPTERS[engine], reason, engine_reason)


def test_the_largest_difference_of_two_curves_has_its_bar() -> None:
    one, other = np.array([1.0, 2.0, 3.0, NAN]), np.array([1.0, 2.5, 3.25, NAN])

    assert (0.5, 1) == (max_difference(one, other).size, max_difference(one, other).bar)
    assert (0.0, -1) == (max_difference(one, one).size, max_difference(one, one).bar)


# --- output ---------------------------------------------------------------------------------


def test_what_ends_an_order_by_agreement_is_not_counted_as_a_refusal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(compared("backtrader", run("0 A +10 limit 5 day", {"A": [10, 10, 11]})), "a run")

    printed = " ".join(capsys.readouterr().out.split())
    assert "refusals 0 0" in printed
    assert "Expired" not in printed


def test_no_difference_is_printed_with_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    show(compared("vectorbt", run("0 A +10", {"A": [10, 10, 11]})), "a run")

    printed = capsys.readouterr().out
    assert "3 bars of 1 instruments, 1 orders, filled at the next open" in printed
    assert "value at the end 1,010.00 1,010.00" in " ".join(printed.split())
    assert printed.endswith("no difference\n")


def test_the_first_difference_is_explained_from_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    show(compared("backtrader", CASES["backtrader", "the submission check"]()), "a run")

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in (
        "The first difference: fill at 2024-01-02",
        "order 0, placed at 2024-01-01: buy 101 A, market",
        "cash before 1,000.000000 1,000.000000",
        "position before 0 0",
        "fill buys 101 at 9, commission 0.000000 none",
        "reason none Margin",
        "position after 101 0",
        "cash after 91.000000 1,000.000000",
        "refusals 0 1",
        "Margin 1",
        "largest difference in cash 909.000000 at 2024-01-02",
    ):
        assert line in lines
    assert any(line.startswith("the submission check: Backtrader pays for all orders") for line in lines)
    assert "2 differences" == lines[-1]

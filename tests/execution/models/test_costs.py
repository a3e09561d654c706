"""Costs, accounts and instruments: the values that they take, their effects, and refusals."""

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core import config

from tests.support.stage import fills, market, orders, perform_acts
from tieout import (
    CashAccount,
    Costs,
    CustomCommission,
    Instruments,
    InstrumentSpec,
    PercentCommission,
    PercentSlippage,
    PerOrderCommission,
    PerShareCommission,
    Result,
    UnlimitedAccount,
)
from tieout.execution.errors import InvalidSetting
from tieout.ledger.errors import LedgerError

FLAT = """
    ACME
    10
    10
    10
    10
    10
"""


def bought(quantity: float, costs: Costs, **more: Any) -> Result:
    """A purchase at 10 under these costs."""
    result, _ = perform_acts(market(FLAT), {0: lambda _, b: b.buy("ACME", quantity)}, costs=costs, **more)
    return result


def commissions(result: Result) -> list[str]:
    rows = result.journal.sql("select commission from fill order by id").rows()
    return [f"{Decimal(row['commission']).scaleb(-6).normalize():f}" for row in rows]


def tiered(quantity: float, notional: float) -> float:
    """A cent a unit up to 100 units, half a cent above, and a basis point of the notional."""
    return 0.01 * min(quantity, 100.0) + 0.005 * max(quantity - 100.0, 0.0) + 0.0001 * notional


def maker_or_taker(_: float, notional: float, order_type: int) -> float:
    """Ten basis points, and two for a limit order."""
    return notional * (0.0002 if order_type == 1 else 0.001)


# --- commission ---------------------------------------------------------------------------------------------


def test_a_commission_may_depend_on_the_type_of_the_order() -> None:
    acts = {0: lambda _, b: (b.buy("ACME", 100), b.buy("ACME", 100, limit=10))}
    result, _ = perform_acts(market(FLAT), acts, costs=Costs(CustomCommission(maker_or_taker)))

    assert ["1", "0.2"] == commissions(result)


CHARGED: list[tuple[Any, float, list[str]]] = [
    (PercentCommission(), 100, ["0"]),
    (PercentCommission("0.001"), 100, ["1"]),
    (PercentCommission("0.001", minimum=5), 100, ["5"]),
    (PercentCommission("0.001", minimum=5), 600, ["6"]),
    (PerShareCommission("0.005"), 100, ["0.5"]),
    (PerShareCommission("0.005", minimum=1), 100, ["1"]),
    (PerShareCommission("0.5", maximum="0.01"), 100, ["10"]),
    (PerShareCommission("0.0001", minimum=1, maximum="0.01"), 1, ["0.1"]),
    (PerOrderCommission("9.99"), 100, ["9.99"]),
    (CustomCommission(tiered), 100, ["1.1"]),
    (CustomCommission(tiered), 300, ["2.3"]),
]


@pytest.mark.parametrize(("commission", "quantity", "expected"), CHARGED)
def test_a_commission_is_what_its_model_says(commission: Any, quantity: float, expected: list[str]) -> None:
    assert expected == commissions(bought(quantity, Costs(commission)))


# Volume is 1,000 a bar and a tenth of it may be taken: 250 units come in three fills.
IN_PARTS: list[tuple[Any, list[str]]] = [
    (PercentCommission("0.001"), ["1", "1", "0.5"]),
    (PercentCommission("0.001", minimum=2), ["2", "0", "0.5"]),
    (PerOrderCommission(3), ["3", "0", "0"]),
    (PerShareCommission("0.01", minimum=5), ["5", "0", "0"]),
    (CustomCommission(tiered), ["1.1", "0.6", "0.3"]),
]


@pytest.mark.parametrize(("commission", "expected"), IN_PARTS)
def test_an_order_is_charged_as_a_whole_however_many_fills_it_takes(
    commission: Any, expected: list[str]
) -> None:
    bars = market("\n".join(["ACME", *["10*1000"] * 5]))
    result, _ = perform_acts(
        bars, {0: lambda _, b: b.buy("ACME", 250)}, costs=Costs(commission, participation=0.1)
    )

    assert ["1: +100 ACME @ 10", "2: +100 ACME @ 10", "3: +50 ACME @ 10"] == fills(result)
    assert expected == commissions(result)


def test_a_commission_that_cash_does_not_cover_refuses_the_purchase() -> None:
    enough = bought(100, Costs(CustomCommission(tiered)), cash="1001.10")
    short = bought(100, Costs(CustomCommission(tiered)), cash="1001.09")

    assert ["buy 100 ACME -> filled"] == orders(enough)
    assert ["buy 100 ACME -> rejected insufficient_cash"] == orders(short)


def test_a_custom_function_is_part_of_what_determines_the_run() -> None:
    def other(quantity: float, notional: float) -> float:
        return 0.01 * quantity + 0.0001 * notional

    first, same, changed = (
        bought(1, Costs(CustomCommission(function))).head for function in (tiered, tiered, other)
    )

    assert first == same
    assert first != changed


def test_a_function_without_a_source_is_refused() -> None:
    names: dict[str, Callable[[float, float], float]] = {}
    exec("def fee(quantity, notional): return 0.0", names)  # noqa: S102  as a prompt makes one

    with pytest.raises(InvalidSetting, match=r"the source of .* cannot be read"):
        CustomCommission(names["fee"])


def with_an_attribute_of_a_module(quantity: float, notional: float) -> float:
    return quantity * os.getpid() + notional


def with_text(quantity: float, _notional: float) -> float:
    return quantity + "1"  # type: ignore[operator]


def with_a_file(quantity: float, _notional: float) -> float:
    with Path("fees.csv").open() as file:
        return quantity * float(file.read())


def of_units_alone(quantity: float) -> float:
    return quantity


@pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")  # type: ignore[attr-defined]
@pytest.mark.parametrize(
    ("function", "cause"),
    [
        (with_an_attribute_of_a_module, "Unknown attribute 'getpid' of type Module("),
        (with_text, "found for signature: add(float64, Literal[str](1)); it takes"),
        (with_a_file, "construct is not supported; it takes"),
        (
            of_units_alone,
            "Signature mismatch: 2 argument types given, but function takes 1 arguments; it takes",
        ),
    ],
)
def test_a_function_that_cannot_be_compiled_is_refused_with_the_cause(
    function: Callable[..., float], cause: str
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        bought(1, Costs(CustomCommission(function)))

    message = str(caught.value)
    assert message.startswith(f"the commission function {function.__name__} cannot be compiled: ")
    assert cause in message
    assert "nopython" not in message
    assert 1 == len(message.splitlines())


# --- slippage and volume ------------------------------------------------------------------------------------


def test_slippage_may_be_a_model() -> None:
    costs = Costs(slippage=PercentSlippage("0.01"))

    assert Costs(slippage="0.01") == costs
    assert 0.01 == costs.spec()["slippage"]


def test_slippage_is_against_the_trader_and_spares_limits() -> None:
    acts = {
        0: lambda _, b: (b.buy("ACME", 1), b.buy("ACME", 2, limit=10)),
        1: lambda _, b: b.sell("ACME", 1),
    }
    result, _ = perform_acts(market(FLAT), acts, costs=Costs(slippage="0.01"))

    assert ["1: +1 ACME @ 10.1", "1: +2 ACME @ 10", "2: -1 ACME @ 9.9"] == fills(result)


def test_nothing_fills_without_volume_unless_asked() -> None:
    bars = market("""
        ACME
        10
        10*0
        11
    """)
    acts = {0: lambda _, b: b.buy("ACME", 1)}

    waits, _ = perform_acts(bars, acts)
    fills_all, _ = perform_acts(bars, acts, costs=Costs(fill_without_volume=True))

    assert ["2: +1 ACME @ 11"] == fills(waits)
    assert ["1: +1 ACME @ 10"] == fills(fills_all)


def test_all_orders_for_an_instrument_share_what_may_be_taken_of_a_bar() -> None:
    bars = market("\n".join(["ACME", *["10*1000"] * 4]))
    acts = {0: lambda _, b: (b.buy("ACME", 70), b.buy("ACME", 70))}
    result, _ = perform_acts(bars, acts, costs=Costs(participation="0.1"))

    assert ["1: +70 ACME @ 10", "1: +30 ACME @ 10", "2: +40 ACME @ 10"] == fills(result)


SETTINGS: list[tuple[Callable[[], Any], str]] = [
    (lambda: PercentCommission("-0.001"), "a number of zero or more, not '-0.001'"),
    (lambda: PercentCommission(float("nan")), "a number of zero or more, not nan"),
    (lambda: PercentCommission("a tenth"), "not 'a tenth'"),
    (lambda: PerShareCommission("0.01", maximum=-1), "not -1"),
    (lambda: PerOrderCommission(None), "not None"),  # type: ignore[arg-type]
    (lambda: Costs(slippage=1), "slippage 1.0 is the whole price or more"),
    (lambda: Costs(slippage=-0.01), "not -0.01"),
    (lambda: Costs(participation=0), "a participation of 0 fills nothing"),
    (lambda: Costs(slippage=Costs()), "slippage must be a model such as PercentSlippage(...), not Costs("),  # type: ignore[arg-type]
    (lambda: Costs(commission=0.001), "must be a model such as PercentCommission(...), not 0.001"),  # type: ignore[arg-type]
    (lambda: CashAccount(0.5), 'cash 0.5 is a float and not exact; give text, such as "0.5", or a Decimal'),
    (lambda: UnlimitedAccount(float("inf")), "cash inf is a float and not exact"),
    (lambda: CashAccount("1", insufficient="ignore"), "one of reject, cut, cut_to_lots, not 'ignore'"),  # type: ignore[arg-type]
    (lambda: PercentCommission("-0.001"), "rate is a number of zero or more, not '-0.001'"),
    (lambda: PercentCommission(minimum=-1), "minimum is a number of zero or more, not -1"),
    (lambda: PerShareCommission("0.01", maximum="much"), "maximum is a number of zero or more, not 'much'"),
    (lambda: PerOrderCommission(None), "amount is a number of zero or more, not None"),  # type: ignore[arg-type]
    (lambda: Costs(slippage=-1), "slippage is a number of zero or more, not -1"),
    (lambda: Costs(participation=float("inf")), "participation is a number of zero or more, not inf"),
    (lambda: InstrumentSpec(step=0), "step 0 is not a quantity above zero"),
    (lambda: InstrumentSpec(step="NaN"), "step 'NaN' is not a quantity above zero"),
    (lambda: InstrumentSpec(lot="-1"), "lot '-1' is not a quantity above zero"),
    (lambda: InstrumentSpec(step="0.001", scale=2), "step 0.001 has more than 2 decimals"),
    (lambda: InstrumentSpec(step=3, lot=10), "a lot of 10 is not a whole number of steps of 3"),
    (lambda: InstrumentSpec(step="1e300"), "step 1e+300 is larger than any quantity can be"),
    (lambda: InstrumentSpec(lot="1e19"), "lot 1e+19 is larger than any quantity can be"),
]


@pytest.mark.parametrize(("make", "message"), SETTINGS)
def test_a_setting_that_cannot_be_is_refused_when_it_is_made(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        make()

    assert message in str(caught.value)


# --- accounts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("insufficient", "spec", "expected"),
    [
        ("reject", InstrumentSpec(), []),
        ("cut", InstrumentSpec(), ["1: +99 ACME @ 10"]),
        ("cut_to_lots", InstrumentSpec(lot=50), ["1: +50 ACME @ 10"]),
        ("cut", InstrumentSpec(step="0.00000001"), ["1: +99.9000999 ACME @ 10"]),
    ],
)
def test_a_purchase_that_cash_does_not_cover_is_refused_or_cut(
    insufficient: Any, spec: InstrumentSpec, expected: list[str]
) -> None:
    result = bought(
        150,
        Costs(PercentCommission("0.001")),
        account=CashAccount("1000", insufficient=insufficient),
        instruments=Instruments(spec),
    )

    assert expected == fills(result)
    assert ["buy 150 ACME -> rejected insufficient_cash"] == orders(result)


def test_cutting_fractions_spends_cash_to_the_last_unit() -> None:
    result = bought(
        150,
        Costs(PercentCommission("0.001")),
        account=CashAccount("1000", insufficient="cut"),
        instruments=Instruments.fractional(),
    )

    assert Decimal(0) == result.equity["cash"][-1]


def test_more_than_is_held_is_not_sold() -> None:
    acts = {
        0: lambda _, b: b.buy("ACME", 5),
        1: lambda _, b: b.sell("ACME", 6),
        2: lambda _, b: b.sell("ACME", 5),
        3: lambda _, b: b.sell("ACME", 1),
    }
    rejects, _ = perform_acts(market(FLAT), acts)
    cuts, _ = perform_acts(market(FLAT), acts, account=CashAccount("10000", insufficient="cut"))

    assert ["1: +5 ACME @ 10", "3: -5 ACME @ 10"] == fills(rejects)
    assert ["1: +5 ACME @ 10", "2: -5 ACME @ 10"] == fills(cuts)


def test_an_unlimited_account_fills_everything_and_its_journal_says_so() -> None:
    acts = {0: lambda _, b: b.buy("ACME", 5_000), 2: lambda _, b: b.sell("ACME", 5_100)}
    result, _ = perform_acts(market(FLAT), acts, account=UnlimitedAccount("10000"))
    journal = result.journal

    assert ["1: +5000 ACME @ 10", "3: -5100 ACME @ 10"] == fills(result)
    assert [-40_000, 10_000] == [result.equity["cash"][t] for t in (1, 3)]  # a short brings none
    spec = "select spec->>'$.account.kind' as kind, policies->'$.may_be_overdrawn' as paths from run"
    assert [{"kind": "unlimited", "paths": '["Assets:Cash:USD"]'}] == journal.sql(spec).rows()
    floored = "select floored from account where path = 'Assets:Cash:USD'"
    assert [{"floored": False}] == journal.sql(floored).rows()


def test_the_trial_balance_shows_what_an_unlimited_account_owes() -> None:
    result, _ = perform_acts(
        market(FLAT), {0: lambda _, b: b.buy("ACME", 5_000)}, account=UnlimitedAccount("10000")
    )
    cash = "select debit, credit from trial_balance where account = 'Assets:Cash:USD'"

    assert [{"debit": Decimal(0), "credit": Decimal(40_000)}] == result.journal.sql(cash).rows()


def test_fifty_orders_for_twenty_thousand_each_do_not_make_a_debt() -> None:
    symbols = [f"S{n:02d}" for n in range(50)]
    bars = market("\n".join([" ".join(symbols), *[" ".join(["100"] * 50)] * 3]))

    def ask(_: Any, broker: Any) -> None:
        for symbol in symbols:
            broker.order_value(symbol, 20_000)

    result, _ = perform_acts(bars, {0: ask}, cash="350000")

    assert 17 == len(fills(result))
    assert 33 == sum("rejected insufficient_cash" in order for order in orders(result))
    assert [350_000, 10_000, 10_000] == result.equity["cash"].to_list()


@pytest.mark.parametrize("account", [CashAccount, UnlimitedAccount])
def test_cash_may_be_a_float_that_is_a_whole_number(account: Any) -> None:
    assert account(1_000_000) == account(1e6)
    assert "1000000" == account(1e6).spec()["cash"]


def test_an_account_may_begin_with_nothing() -> None:
    result, _ = perform_acts(market(FLAT), {0: lambda _, b: b.buy("ACME", 1)}, cash="0")

    assert ["buy 1 ACME -> rejected insufficient_cash"] == orders(result)
    assert [0] * 5 == result.equity["equity"].to_list()


# --- instruments --------------------------------------------------------------------------------------------


def test_instruments_are_traded_in_whole_units_or_in_fractions() -> None:
    assert Instruments() == Instruments.whole()
    assert [(1, 8), (1, 0)] == [
        (spec.step_units, spec.scale)
        for spec in (kind.of("ACME") for kind in (Instruments.fractional(), Instruments.whole()))
    ]


@pytest.mark.parametrize(
    ("sizes", "scale", "units", "lot"),
    [
        ({"step": "1"}, 0, 1, 1),
        ({"step": "100"}, 0, 100, 100),
        ({"step": "0.5"}, 1, 5, 10),
        ({"step": "0.3"}, 1, 3, 12),
        ({"step": "0.010"}, 2, 1, 100),
        ({"step": "0.25", "lot": "0.75"}, 2, 25, 75),
        ({"step": "1", "lot": "50"}, 0, 1, 50),
        ({"step": "1", "scale": 8}, 8, 10**8, 10**8),
    ],
)
def test_the_scale_and_the_lot_follow_the_step(
    sizes: dict[str, Any], scale: int, units: int, lot: int
) -> None:
    spec = InstrumentSpec(**sizes)

    assert (scale, units, lot) == (spec.scale, spec.step_units, spec.lot_units)


def test_an_instrument_is_traded_in_its_own_steps() -> None:
    bars = market("""
        ACME  BOLT  CORK
        10    20    30
        10    20    30
    """)
    instruments = Instruments(
        by_symbol={"BOLT": InstrumentSpec(step="0.25", lot="0.25"), "CORK": InstrumentSpec(step=100, lot=100)}
    )

    result, _ = perform_acts(
        bars, {0: lambda _, b: b.target_weights(np.full(3, 0.315))}, instruments=instruments
    )

    assert ["1: +315 ACME @ 10", "1: +157.5 BOLT @ 20", "1: +100 CORK @ 30"] == fills(result)


def test_a_multiplier_counts_in_size_notional_and_value() -> None:
    instruments = Instruments(InstrumentSpec(multiplier=50.0))

    result, _ = perform_acts(
        market(FLAT), {0: lambda _, b: b.target_percent("ACME", 1.0)}, instruments=instruments
    )

    assert ["1: +20 ACME @ 10"] == fills(result)
    assert [10_000, 0, 0, 0, 0] == result.equity["cash"].to_list()
    assert [10_000] * 5 == result.equity["equity"].to_list()


def test_a_spec_for_an_instrument_without_bars_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="by_symbol names BOLT, which the bars do not have"):
        bought(1, Costs(), instruments=Instruments(by_symbol={"BOLT": InstrumentSpec()}))


@pytest.mark.parametrize("spec", [InstrumentSpec(multiplier=0.0), InstrumentSpec(multiplier=-1.0)])
def test_a_spec_that_the_ledger_cannot_keep_is_refused_before_the_run(spec: InstrumentSpec) -> None:
    with pytest.raises(LedgerError):
        bought(1, Costs(), instruments=Instruments(spec))

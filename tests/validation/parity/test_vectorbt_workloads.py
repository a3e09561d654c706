"""Results on which VectorBT agrees with engines of other makers, reached by its imitation to the cent."""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pytest

from validation.bench.workloads import Workload, generate
from validation.parity.scenarios.vectorbt import Scenario
from validation.parity.vectorbt import imitate

CENT = Decimal("0.01")
AMPLE, TIGHT, RATE = 10_000_000.0, 1_000_000.0, 0.001

workload = cache(generate)


def a_bar_later(given: Any, nothing: Any) -> Any:
    """What is decided at a close, for the next bar."""
    return np.vstack([np.full_like(given[:1], nothing), given[:-1]])


def flags(cash: float, sequence: str = "default", **given: Any) -> Scenario:
    one = workload("W1")
    asked: dict[str, Any] = {name: one.inputs[name] for name in ("entries", "exits")}
    return Scenario(
        "signals", one.bars["close"], cash, asked | {"size": 100.0, "fees": RATE} | given, call_seq=sequence
    )


def flags_at_the_open(cash: float, **given: Any) -> Scenario:
    one = workload("W1")
    later = {name: a_bar_later(one.inputs[name], nothing=False) for name in ("entries", "exits")}
    return flags(cash, price=one.bars["open"], **later, **given)


def shares(invested: float, **given: Any) -> Scenario:
    one: Workload = workload("W2")
    size = np.where(one.weights > 0, invested / 25, one.weights)
    asked: dict[str, Any] = {
        "size": size,
        "size_type": "targetpercent",
        "direction": "longonly",
        "fees": RATE,
    }
    return Scenario("orders", one.bars["close"], TIGHT, asked | given, call_seq="auto")


def whole_shares_at_the_open() -> Scenario:
    """Sized by the account's value and the price at the close before, in steps of one share."""
    one: Workload = workload("W2")
    return shares(
        0.95,
        size=a_bar_later(one.weights, np.nan),
        price=one.bars["open"],
        val_price=-np.inf,
        size_granularity=1.0,
    )


ROWS: dict[str, tuple[Callable[[], Scenario], int, str]] = {
    "W1 ample, close": (lambda: flags(AMPLE), 10_929, "10008935.10"),
    "W1 ample, next open": (lambda: flags_at_the_open(AMPLE), 10_929, "9999434.74"),
    "W1 tight, close, first come first served, all or nothing": (
        lambda: flags(TIGHT, allow_partial=False),
        4_706,
        "987216.85",
    ),
    "W1 tight, close, sales first": (lambda: flags(TIGHT, "auto"), 5_847, "1000094.83"),
    "W1 tight, next open, first come first served, all or nothing": (
        lambda: flags_at_the_open(TIGHT, allow_partial=False),
        4_656,
        "953799.69",
    ),
    "W2 0.95, close": (lambda: shares(0.95), 9_046, "1263044.75"),
    "W2 0.95, next open, whole shares": (whole_shares_at_the_open, 8_040, "1273638.82"),
    "W2 1.00, close": (lambda: shares(1.0), 9_046, "1278108.63"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_result_that_engines_agree_on(name: str) -> None:
    scenario, fills, value = ROWS[name]

    reached = imitate(scenario())

    assert (fills, Decimal(value)) == (len(reached.fills), Decimal(reached.value[-1]).quantize(CENT))

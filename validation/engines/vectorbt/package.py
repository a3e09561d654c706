"""VectorBT itself, on a scenario: what its records, its log, its cash and its value say, in the common form.

The engine is named in every call: left to itself the package takes Rust where that is installed, and the two
do not agree everywhere (`scenarios.vectorbt.where_engines_differ`).
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import vectorbt as vbt
from numpy.typing import NDArray
from vectorbt.portfolio.enums import OrderSide, OrderStatus, OrderStatusInfo

from tieout.ledger.books.arrays import Records
from tieout.validation.engines.vectorbt.scenario import DEFAULTS, WORDS, Engine, Floats, Scenario
from tieout.validation.foreign.booking import trades_of
from tieout.validation.foreign.outcome import Fill, Outcome, Refusal

SMALL = 4096
"""Bars by columns up to which a scenario is given to the package by cell."""


def versions() -> dict[str, str]:
    """By package."""
    return {name: version(name) for name in ("vectorbt", "vectorbt-rust")}


def run(scenario: Scenario, engine: Engine) -> Outcome:
    """What the package makes of a scenario. Raises what the package raises.

    Where cash is not shared, fills and refusals are told bar by bar, cash and value of all columns together.
    """
    return together(run_accounts(scenario, engine))


def run_accounts(scenario: Scenario, engine: Engine) -> list[Outcome]:
    """What the package makes of a scenario: an outcome an account, a column where cash is not shared."""
    return accounts(scenario, portfolio(scenario, engine))


def portfolio(scenario: Scenario, engine: Engine, *, is_logged: bool = True) -> Any:
    """The package's portfolio. Without the log it does not say why an order was refused."""
    calls = {"orders": vbt.Portfolio.from_orders, "signals": vbt.Portfolio.from_signals}
    sequence = scenario.call_seq
    return calls[scenario.kind](
        scenario.close,
        init_cash=float(scenario.cash),
        cash_sharing=scenario.cash_sharing,
        call_seq=sequence if isinstance(sequence, str) else sequence.copy(),
        log=np.full(scenario.shape, is_logged) if _is_small(scenario) else is_logged,
        freq="1D",
        engine=engine,
        **_given(scenario),
    )


def _is_small(scenario: Scenario) -> bool:
    return scenario.close.size <= SMALL


def _given(scenario: Scenario) -> dict[str, Any]:
    """The scenario in the package's own arguments.

    Its simulation is compiled anew for each choice of what is given as one figure, as a row or by cell, which
    takes seconds. A small scenario is therefore given by cell, all of it, what it leaves out too.
    """
    names = list(DEFAULTS[scenario.kind]) if _is_small(scenario) else list(scenario.given)
    if not {"short_entries", "short_exits"} & scenario.given.keys():
        names = [name for name in names if name not in ("short_entries", "short_exits")]
    elif "direction" in names:
        names.remove("direction")  # it has no effect then, and the package warns
    given: dict[str, Any] = {}
    for name in names:
        value = scenario.codes(name) if name in WORDS else scenario.of(name)
        if name in ("ffill_val_price", "update_value"):
            given[name] = value
        elif _is_small(scenario):
            given[name] = np.broadcast_to(value, scenario.shape).copy()
        else:
            given[name] = np.array(value) if np.ndim(value) else np.asarray(value).item()
    return given


def accounts(scenario: Scenario, made: Any) -> list[Outcome]:
    """What a portfolio of the package says of each account."""
    columns, fills, refusals = scenario.shape[1], made.order_records, refused(made)
    cash, value = (curve.to_numpy().reshape(len(scenario.close), -1) for curve in (made.cash(), made.value()))
    if scenario.cash_sharing:
        return [_outcome(columns, fills, refusals, cash[:, 0], value[:, 0])]
    return [
        _outcome(
            columns,
            fills[fills["col"] == column],
            refusals[refusals["col"] == column],
            cash[:, column],
            value[:, column],
        )
        for column in range(columns)
    ]


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """All accounts, bar by bar."""
    if len(outcomes) == 1:
        return outcomes[0]
    return Outcome(
        sorted((fill for one in outcomes for fill in one.fills), key=lambda fill: fill.bar),
        sorted((refusal for one in outcomes for refusal in one.refusals), key=lambda refusal: refusal.bar),
        np.sum([one.cash for one in outcomes], axis=0),
        np.sum([one.value for one in outcomes], axis=0),
    )


def trades(scenario: Scenario, made: Any) -> Records:
    """The fills of a portfolio as the ledger's bridge takes them, bar by bar; the states are its log's."""
    log: NDArray[np.void] = made.log_records
    fills = log[log["res_status"] == OrderStatus.Filled]
    if not scenario.cash_sharing:
        fills = fills[np.argsort(fills["idx"], kind="stable")]
    booked = trades_of(len(fills))
    for name, field in (
        ("bar", "idx"),
        ("column", "col"),
        ("quantity_before", "position"),
        ("quantity_after", "new_position"),
        ("cash_before", "cash"),
        ("cash_after", "new_cash"),
        ("fee", "res_fees"),
        ("price", "res_price"),
    ):
        booked[name] = fills[field]
    booked["order"] = fills["idx"] * scenario.shape[1] + fills["col"]
    return booked


def refused(made: Any) -> NDArray[np.void]:
    """The rows of a portfolio's log of what was ignored or rejected; a size of NaN is no order."""
    log: NDArray[np.void] = made.log_records
    refusals: NDArray[np.void] = log[
        (log["res_status"] != OrderStatus.Filled) & (log["res_status_info"] != OrderStatusInfo.SizeNaN)
    ]
    return refusals


def _outcome(
    columns: int, fills: NDArray[np.void], refusals: NDArray[np.void], cash: Floats, value: Floats
) -> Outcome:
    sides = np.where(fills["side"] == OrderSide.Sell, -1.0, 1.0)
    names = OrderStatusInfo._fields
    return Outcome(
        [
            Fill(bar, column, bar * columns + column, quantity, price, fee)
            for bar, column, quantity, price, fee in zip(
                fills["idx"].tolist(),
                fills["col"].tolist(),
                (fills["size"] * sides).tolist(),
                fills["price"].tolist(),
                fills["fees"].tolist(),
                strict=True,
            )
        ],
        [
            Refusal(bar, column, bar * columns + column, names[reason])
            for bar, column, reason in zip(
                refusals["idx"].tolist(),
                refusals["col"].tolist(),
                refusals["res_status_info"].tolist(),
                strict=True,
            )
        ],
        cash,
        value,
    )

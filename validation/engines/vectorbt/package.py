"""The package VectorBT on a scenario: its records, log, cash and value in the common form.

Every call names the engine. By default the package uses Rust if it is installed, and its two engines do not
agree everywhere (`scenario.where_engines_differ`).
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import vectorbt as vbt
from numpy.typing import NDArray
from vectorbt.portfolio.enums import OrderSide, OrderStatus, OrderStatusInfo

from tieout.ledger.numeric import Floats, Records
from tieout.validation.engines.vectorbt.scenario import DEFAULTS, WORDS, Engine, Scenario
from tieout.validation.foreign.booking import trades_of
from tieout.validation.foreign.outcome import Fill, Outcome, Refusal

SMALL = 4096
"""The largest number of cells at which a scenario is passed to the package cell by cell."""


def versions() -> dict[str, str]:
    """Return the version of each package."""
    return {name: version(name) for name in ("vectorbt", "vectorbt-rust")}


def run(scenario: Scenario, engine: Engine) -> Outcome:
    """Return the outcome of a scenario in the package. Raises the errors of the package.

    If columns do not share cash, fills and refusals are sorted by bar, and cash and value are sums of all
    columns.
    """
    return together(run_accounts(scenario, engine))


def run_accounts(scenario: Scenario, engine: Engine) -> list[Outcome]:
    """Return an outcome per account. Without shared cash every column is an account."""
    return accounts(scenario, portfolio(scenario, engine))


def portfolio(scenario: Scenario, engine: Engine, *, is_logged: bool = True) -> Any:
    """Return the package's portfolio. Without the log it has no reasons of refusals."""
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
        **_arguments(scenario),
    )


def _is_small(scenario: Scenario) -> bool:
    return scenario.close.size <= SMALL


def _arguments(scenario: Scenario) -> dict[str, Any]:
    """Translate the scenario into the package's own arguments.

    The package compiles its simulation again for each combination of single figures, rows and cells, which
    takes seconds. So a small scenario passes every argument by cell, defaults included.
    """
    names = list(DEFAULTS[scenario.kind]) if _is_small(scenario) else list(scenario.arguments)
    if not {"short_entries", "short_exits"} & scenario.arguments.keys():
        names = [name for name in names if name not in ("short_entries", "short_exits")]
    elif "direction" in names:
        names.remove("direction")  # it has no effect then, and the package warns
    arguments: dict[str, Any] = {}
    for name in names:
        value = scenario.codes(name) if name in WORDS else scenario.of(name)
        if name in ("ffill_val_price", "update_value"):
            arguments[name] = value
        elif _is_small(scenario):
            arguments[name] = np.broadcast_to(value, scenario.shape).copy()
        else:
            arguments[name] = np.array(value) if np.ndim(value) else np.asarray(value).item()
    return arguments


def accounts(scenario: Scenario, result: Any) -> list[Outcome]:
    """Return the outcome of each account of a portfolio of the package."""
    columns, fills, refusals = scenario.shape[1], result.order_records, refused(result)
    cash, value = (
        curve.to_numpy().reshape(len(scenario.close), -1) for curve in (result.cash(), result.value())
    )
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
    """Join the outcomes of all accounts, bar by bar."""
    if len(outcomes) == 1:
        return outcomes[0]
    return Outcome(
        sorted((fill for one in outcomes for fill in one.fills), key=lambda fill: fill.bar),
        sorted((refusal for one in outcomes for refusal in one.refusals), key=lambda refusal: refusal.bar),
        np.sum([one.cash for one in outcomes], axis=0),
        np.sum([one.value for one in outcomes], axis=0),
    )


def trades(scenario: Scenario, result: Any) -> Records:
    """Convert the fills of a portfolio to `TRADE` rows, bar by bar, with the states of its log."""
    log: NDArray[np.void] = result.log_records
    fills = log[log["res_status"] == OrderStatus.Filled]
    if not scenario.cash_sharing:
        fills = fills[np.argsort(fills["idx"], kind="stable")]
    rows = trades_of(len(fills))
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
        rows[name] = fills[field]
    rows["order"] = fills["idx"] * scenario.shape[1] + fills["col"]
    return rows


def refused(result: Any) -> NDArray[np.void]:
    """Select log rows of ignored and rejected orders. A size of NaN is no order."""
    log: NDArray[np.void] = result.log_records
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

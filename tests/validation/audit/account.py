"""A small account whose books are right, as files, and the same files with one planted fault."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from attrs import evolve, frozen

from tieout.validation.audit.audit import Examination, Files, Terms, examine
from tieout.validation.audit.faults import Rules

SYMBOLS = ("ACME", "BULL", "CORP")
DAYS = 20
OPENING = 20_000.0
TRADED = (
    # day, symbol, quantity
    (1, "ACME", 40.0),
    (1, "BULL", 100.0),
    (4, "ACME", -15.0),
    (6, "CORP", 25.5),
    (9, "BULL", -100.0),
    (11, "ACME", 30.0),
    (11, "BULL", 50.0),
    (15, "ACME", -55.0),
    (17, "CORP", -10.0),
)
FEE = 0.02


@frozen(eq=False)
class Account:
    """Prices, fills and claims as frames."""

    prices: pl.DataFrame
    fills: pl.DataFrame
    curve: pl.DataFrame
    positions: pl.DataFrame
    trades: pl.DataFrame

    def examined(self, folder: Path, *claims: str, terms: Terms | None = None, **others: Any) -> Examination:
        """Audit this account with some of its claims."""
        for name in ("prices", "fills", *claims):
            getattr(self, name).write_csv(folder / f"{name}.csv")
        paths = [folder / f"{claim}.csv" for claim in claims]
        return examine(
            Files(folder / "fills.csv", folder / "prices.csv", paths, **others), terms or Terms(OPENING)
        )

    def faults(self, folder: Path, *claims: str, rules: Rules | None = None) -> list[str]:
        """Return the names of the faults that an audit reports."""
        examination = self.examined(folder, *claims, terms=Terms(OPENING, rules=rules or Rules()))
        return [finding.fault.name for finding in examination.findings]


def clean(traded: Sequence[tuple[int, str, float]] = TRADED) -> Account:
    """Everything as it should be, added up in a loop of its own. *traded* are in the order of time."""
    rng = np.random.default_rng(7)
    close = np.round(50 + np.cumsum(rng.normal(0, 1, (DAYS, 3)), axis=0) + 20 * np.arange(3), 2)
    opened = np.round(close + rng.normal(0, 0.3, close.shape), 2)
    high, low = np.maximum(opened, close) + 0.5, np.minimum(opened, close) - 0.5
    days = [date(2024, 3, 1) + timedelta(day) for day in range(DAYS)]
    prices = pl.DataFrame(
        {
            "timestamp": [day for day in days for _ in SYMBOLS],
            "symbol": list(SYMBOLS) * DAYS,
            **{n: p.ravel() for n, p in (("open", opened), ("high", high), ("low", low), ("close", close))},
        }
    )
    fills, curve, positions = [], [], []
    cash, held, equity = OPENING, dict.fromkeys(SYMBOLS, 0.0), OPENING
    paid = dict.fromkeys(SYMBOLS, 0.0)
    trades = []
    for day, when in enumerate(days):
        for order, (on, symbol, quantity) in enumerate(traded):
            if on != day:
                continue
            price = float(opened[day, SYMBOLS.index(symbol)])
            fee = round(abs(quantity) * FEE, 2)
            cash -= quantity * price + fee
            paid[symbol] -= quantity * price + fee
            held[symbol] += quantity
            fills.append((when, symbol, quantity, price, fee, f"order-{order}"))
            if abs(held[symbol]) < 1e-9:
                held[symbol] = 0.0
                trades.append((symbol, when, paid[symbol]))
                paid[symbol] = 0.0
        value = cash + sum(held[s] * float(close[day, n]) for n, s in enumerate(SYMBOLS))
        curve.append((when, cash, value, value - equity, value - OPENING))
        equity = value
        positions += [(when, s, held[s]) for s in SYMBOLS]
    return Account(
        prices,
        _frame(fills, "timestamp", "symbol", "quantity", "price", "fee", "order"),
        _frame(curve, "timestamp", "cash", "equity", "pnl", "total_pnl"),
        _frame(positions, "timestamp", "symbol", "quantity"),
        pl.DataFrame(trades, {"symbol": pl.String, "closed": pl.Date, "pnl": pl.Float64}, orient="row"),
    )


def _frame(rows: Sequence[tuple[object, ...]], *names: str) -> pl.DataFrame:
    return pl.DataFrame({name: [row[n] for row in rows] for n, name in enumerate(names)})


Plant = Callable[[Account], Account]


def of_fills(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Plant:
    """A plant among the fills."""
    return lambda account: evolve(account, fills=change(account.fills))


def of_curve(change: Callable[[pl.DataFrame, Account], pl.DataFrame]) -> Plant:
    """A plant in the claims of cash, equity and P&L."""
    return lambda account: evolve(account, curve=change(account.curve, account))


def changed(frame: pl.DataFrame, row: int, **values: object) -> pl.DataFrame:
    """A frame with other values in one row."""
    is_row = pl.int_range(pl.len()) == row
    return frame.with_columns(
        pl.when(is_row).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


def charged(frame: pl.DataFrame, amounts: dict[int, float]) -> pl.DataFrame:
    """Return the curve with amounts taken from cash on some days, and P&L that goes along."""
    charges = np.zeros(DAYS)
    for day, amount in amounts.items():
        charges[day] += amount
    so_far = charges.cumsum()
    return frame.with_columns(
        cash=frame["cash"] - so_far,
        equity=frame["equity"] - so_far,
        pnl=frame["pnl"] - charges,
        total_pnl=frame["total_pnl"] - so_far,
    )


def fees(account: Account) -> dict[int, float]:
    """Commission by day."""
    first = account.prices["timestamp"][0]
    amounts: dict[int, float] = {}
    for when, fee in account.fills.select("timestamp", "fee").rows():
        day = (when - first).days
        amounts[day] = amounts.get(day, 0.0) + fee
    return amounts

"""Fills in the books: as they would stand if every fill was what its row says, and nothing else moved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from ledger.books import Record
from validation.audit.reading import AuditRefused, Claims, Fills, Prices
from validation.parity.booking import MONEY_SCALE, Booked, book, trades_of
from validation.parity.orders import SCALE

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]

ONE, CENTS = 10.0**SCALE, 10.0**MONEY_SCALE
_NONE = np.zeros(0)
_LARGEST = 2.0**53
"""As many units as a float holds exactly."""


@frozen
class Costs:
    """What fills cost whose file does not say it: a share of the money, and money a unit and a fill."""

    rate: float = 0.0
    per_unit: float = 0.0
    per_fill: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.rate or self.per_unit or self.per_fill)

    def of(self, fills: Fills) -> Floats:
        """The commission of each fill."""
        size = np.abs(fills.quantity)
        found: Floats = size * fills.price * self.rate + size * self.per_unit + self.per_fill
        return found


@frozen(eq=False)
class Placed:
    """Fills at their bars and columns, in the order of time: of one bar as in their file.

    *bar* is where a fill is booked, inside of the prices; *meant* is where it belongs, which may be outside:
    -1 before the first bar, and one after the last.
    """

    fills: Fills
    bar: Int64s
    meant: Int64s
    column: Int64s

    def __len__(self) -> int:
        return self.bar.size


@frozen(eq=False)
class Books:
    """A journal of fills: *flow* is what each did to cash, from its transfers; *valuation* has no gaps."""

    placed: Placed
    prices: Prices
    opening: float
    booked: Booked
    valuation: Floats
    flow: Floats

    @property
    def cash(self) -> Floats:
        """At the end of every bar, the proceeds of short sales included."""
        return self.booked.cash

    @property
    def value(self) -> Floats:
        """Cash and what is held, at the close of every bar."""
        return self.booked.value

    @property
    def held(self) -> Floats:
        """float64[bars, columns]: what is held at the end of every bar."""
        found: Floats = self.booked.units / ONE
        return found

    def between(self, after: int, until: int, column: int = -1) -> Int64s:
        """The fills after one bar and up to another, of one column where it is given."""
        bar = self.placed.bar
        of_column = (self.placed.column == column) | (column < 0)
        return np.flatnonzero((bar > after) & (bar <= until) & of_column)


def placed(fills: Fills, prices: Prices, costs: Costs) -> Placed:
    """The fills at their bars. Raises `AuditRefused` where there are no prices of a symbol at all."""
    columns = {symbol: number for number, symbol in enumerate(prices.symbols)}
    unknown = np.array([symbol not in columns for symbol in fills.symbol], bool)
    if unknown.any():
        first = int(np.flatnonzero(unknown)[0])
        raise AuditRefused(
            f"{fills.name}, row {fills.row[first]}: there is no price of {fills.symbol[first]!r} in"
            f" {prices.name} ({int(unknown.sum())} of {unknown.size} rows); add its bars, or name it"
            " as it is named there"
        )
    if costs and fills.has_fee:
        raise AuditRefused(
            f"{fills.name} has commissions in a column of its own; leave out the options that compute them"
        )
    if costs:
        fills = evolve(fills, fee=costs.of(fills))
    if len(fills.ts) and prices.has_other_times(fills.ts):
        raise AuditRefused(
            f"{fills.name}, row 1: fills are dated without an hour, and {prices.name} has bars within days;"
            " give the times, or bars of days"
        )
    column = np.array([columns[symbol] for symbol in fills.symbol], np.int64)
    meant = prices.place(fills.ts, fills.day)
    order = np.lexsort((fills.ts, meant))  # a day may be of several zones
    picked = {
        name: getattr(fills, name)[order]
        for name in ("ts", "day", "symbol", "quantity", "price", "fee", "row", "content")
    }
    ids = None if fills.order is None else fills.order[order]
    last = prices.ts.size - 1
    at = np.clip(meant, 0, last)[order]
    return Placed(evolve(fills, order=ids, **picked), at, meant[order], column[order])


def opening_of(there: Placed, prices: Prices, claims: Sequence[Claims]) -> tuple[float, str]:
    """Opening cash by the first row of claims, which is thereby taken to be right; and the words for that."""
    for figure in ("cash", "equity"):
        for claim in claims:
            said = np.flatnonzero(np.isfinite(claim.columns.get(figure, np.zeros(0))))
            if claim.kind == "curve" and said.size:
                row = int(said[0])
                so_far = booked(there, prices, 0.0)
                mine = np.append(0.0, so_far.cash if figure == "cash" else so_far.value)
                mine = mine[prices.claimed(claim)[row] + 1]
                # Claims in whole cents are of an opening in whole cents, whatever was rounded since.
                scale = 2 if in_cents(claim.columns[figure][said]) else MONEY_SCALE
                opening = round(float(claim.columns[figure][row] - mine), scale)
                return opening, f"from the first {figure} claimed, in {claim.name}{_gainsaid(claim, opening)}"
    raise AuditRefused(
        f"{there.fills.name}: nothing says the opening cash; give --cash, or claims with cash or equity"
    )


def in_cents(amounts: Floats) -> bool:
    """Whether all of them are whole cents, but for the last digits of floats."""
    return bool(np.all(np.abs(amounts * 100 - np.rint(amounts * 100)) <= 1e-4))


def _gainsaid(claim: Claims, opening: float) -> str:
    """Words for P&L so far that is claimed of another opening."""
    begun = claim.columns.get("equity", _NONE)[:1] - claim.columns.get("total_pnl", _NONE)[:1]
    if begun.size and abs(begun[0] - opening) > 0.01:
        return f"; its P&L so far is of {begun[0]:,.2f}, which --cash may say"
    return ""


def booked(there: Placed, prices: Prices, opening: float, path: Path | None = None) -> Books:
    """The fills in a journal, in memory or in a new file at *path*."""
    fills = there.fills
    trades = trades_of(len(there))
    trades.bar, trades.column, trades.order = there.bar, there.column, np.arange(len(there))
    trades.price = fills.price
    trades.fee = np.rint(fills.fee * CENTS) / CENTS
    # The engine paid for what it had before that was rounded to units; the books take the rest as rounding.
    money = np.rint(fills.quantity * fills.price * CENTS) + np.rint(fills.fee * CENTS)
    cash = np.rint(opening * CENTS) - np.cumsum(money)
    _require_exact(fills, fills.quantity * ONE, cash)
    trades.cash_after = cash / CENTS
    trades.cash_before = np.append(np.rint(opening * CENTS), cash[:-1])[: len(there)] / CENTS
    for column in np.unique(there.column).tolist():
        own = np.flatnonzero(there.column == column)
        # Added up before they are rounded, so that what is bought in parts and sold as one leaves nothing.
        after = np.cumsum(fills.quantity[own])
        trades.quantity_after[own] = after
        trades.quantity_before[own] = np.append(0.0, after[:-1])
    valuation = _without_gaps(there, prices)
    found = book(
        prices.ts,
        prices.symbols,
        opening,
        trades,
        valuation,
        path=path,
        spec={"audited": fills.name, "prices": prices.name},
        is_stated=path is not None,
        stale=np.isnan(prices.close),
    )
    return Books(there, prices, opening, found, valuation, _flows(found, len(there)))


def _require_exact(fills: Fills, units: Floats, cash: Floats) -> None:
    """Refuse amounts that a float does not hold to the last unit."""
    for what, amounts in (("quantity", units), ("the cash it leaves", cash)):
        large = np.flatnonzero(~(np.abs(amounts) < _LARGEST))
        if large.size:
            raise AuditRefused(
                f"{fills.name}, row {fills.row[large[0]]}: {what} is too large to be kept to the last unit;"
                " audit a part of the account, or give amounts in thousands"
            )


def _without_gaps(there: Placed, prices: Prices) -> Floats:
    """The last close at every bar; before the first, the price of a fill that has been."""
    values = prices.close.copy()
    missing = np.isnan(values[there.bar, there.column])
    for bar, column, price in zip(
        there.bar[missing].tolist(),
        there.column[missing].tolist(),
        there.fills.price[missing].tolist(),
        strict=True,
    ):
        if bar == 0 or np.all(np.isnan(values[:bar, column])):
            values[bar, column] = price
    rows = np.where(np.isnan(values), -1, np.arange(values.shape[0])[:, np.newaxis])
    rows = np.maximum.accumulate(rows, axis=0)
    found: Floats = np.where(rows >= 0, np.take_along_axis(values, np.maximum(rows, 0), axis=0), np.nan)
    return found


def _flows(found: Booked, fills: int) -> Floats:
    """What the transfers of each fill did to cash and the proceeds of short sales."""
    journal = found.journal
    state: Record = journal.books.state[0]
    txns, transfers = journal.books.txns[: state.txns], journal.books.transfers[: state.transfers]
    paths = journal.chart.columns(0)["path"]
    is_cash = np.array(
        [path.startswith(("Assets:Cash:", "Assets:Margin:ShortProceeds:")) for path in paths], bool
    )
    amount = transfers["amount"] * (
        is_cash[transfers["debit"]].astype(np.int64) - is_cash[transfers["credit"]]
    )
    order = np.repeat(txns["order_id"], np.diff(np.append(txns["first"], transfers.size)))
    flow = np.zeros(fills, np.int64)
    of_fill: NDArray[Any] = order >= 0
    np.add.at(flow, order[of_fill], amount[of_fill])
    return flow / CENTS

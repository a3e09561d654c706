"""Fills in the books: as they would stand if every fill was what its row says, and nothing else moved."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from tieout.ledger.books.kinds import Kind
from tieout.ledger.moment import DAY
from tieout.validation.audit.reading import AuditRefused, Claims, Fills, Flows, Prices
from tieout.validation.foreign.booking import MONEY, MONEY_SCALE, Booked, book, charges_of, trades_of
from tieout.validation.foreign.orders import SCALE
from tieout.validation.foreign.rows import flows

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

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
class Moves:
    """Money that moved without a fill, in the order of time: *name* of its file, empty where there is none.

    *column* is -1 where it is of no instrument, *before* how many fills come before each, *row* that of the
    file. *is_capital* tells deposits and withdrawals, which are no gain and no loss.
    """

    name: str
    bar: Int64s
    column: Int64s
    before: Int64s
    amount: Floats
    kind: Int64s
    row: Int64s

    @property
    def is_capital(self) -> Flags:
        """Which of them the owner paid in or was paid."""
        found: Flags = np.isin(self.kind, (Kind.DEPOSIT, Kind.WITHDRAWAL))
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
    moves: Moves

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

    @property
    def left(self) -> Floats:
        """What each fill left of cash."""
        moves = self.placed.moves
        so_far = np.append(0.0, moves.amount.cumsum())
        moved = so_far[np.searchsorted(moves.before, np.arange(self.flow.size), "right")]
        found: Floats = self.opening + self.flow.cumsum() + moved
        return found

    @property
    def paid_in(self) -> Floats:
        """What the owner paid in since the opening, less what was paid out, at the end of every bar."""
        moves, found = self.placed.moves, np.zeros(self.prices.timestamp.size)
        np.add.at(found, moves.bar[moves.is_capital], moves.amount[moves.is_capital])
        return found.cumsum()

    def between(self, after: int, until: int, column: int = -1) -> Int64s:
        """The fills after one bar and up to another, of one column where it is given."""
        bar = self.placed.bar
        of_column = (self.placed.column == column) | (column < 0)
        return np.flatnonzero((bar > after) & (bar <= until) & of_column)


def placed(fills: Fills, prices: Prices, costs: Costs, flows: Flows | None = None) -> Placed:
    """The fills at their bars. Raises `AuditRefused` where there are no prices of a symbol at all."""
    column = _columns(fills, prices)
    if costs and fills.has_fee:
        raise AuditRefused(
            f"{fills.name} has commissions in a column of its own; leave out the options that compute them"
        )
    if costs:
        fills = evolve(fills, fee=costs.of(fills))
    _require_hours("fills are", fills, prices)
    meant = prices.place(fills.timestamp, fills.day)
    order = np.lexsort((fills.timestamp, meant))  # a day may be of several zones
    picked = {
        name: getattr(fills, name)[order]
        for name in ("timestamp", "day", "symbol", "quantity", "price", "fee", "row", "content")
    }
    ids = None if fills.order is None else fills.order[order]
    last = prices.timestamp.size - 1
    at, meant = np.clip(meant, 0, last)[order], meant[order]
    fills = evolve(fills, order=ids, **picked)
    return Placed(fills, at, meant, column[order], _moves(flows, prices, fills.timestamp, meant))


def _columns(rows: Fills | Flows, prices: Prices) -> Int64s:
    """The column of each row, -1 where money has no symbol, or its own."""
    columns = {symbol: number for number, symbol in enumerate(prices.symbols)}
    if isinstance(rows, Flows):
        columns |= {"": -1, MONEY: -1}
    unknown = np.array([symbol not in columns for symbol in rows.symbol], bool)
    if unknown.any():
        first = int(np.flatnonzero(unknown)[0])
        raise AuditRefused(
            f"{rows.name}, row {rows.row[first]}: there is no price of {rows.symbol[first]!r} in"
            f" {prices.name} ({int(unknown.sum())} of {unknown.size} rows); add its bars, or name it"
            " as it is named there"
        )
    return np.array([columns[symbol] for symbol in rows.symbol], np.int64)


def _require_hours(what: str, rows: Fills | Flows, prices: Prices) -> None:
    if len(rows.timestamp) and prices.has_other_times(rows.timestamp):
        raise AuditRefused(
            f"{rows.name}, row 1: {what} dated without an hour, and {prices.name} has bars within days;"
            " give the times, or bars of days"
        )


def _moves(flows: Flows | None, prices: Prices, timestamp: Int64s, meant: Int64s) -> Moves:
    """Money at its bars, among the fills of these times and bars; of one time, it is before them.

    Of a day without an hour, what is received is before its fills, and what is paid after them.
    """
    if flows is None:
        none = np.zeros(0, np.int64)
        return Moves("", none, none, none, _NONE, none, none)
    _require_hours("money is", flows, prices)
    bar, column = prices.place(flows.timestamp, flows.day), _columns(flows, prices)
    for wrong, where, remedy in (
        (bar < 0, "before the first bar", "leave it out, as it is in the opening cash, or add the bars"),
        (bar >= prices.timestamp.size, "after the last bar", "add the bars, or leave it out"),
    ):
        rows = np.flatnonzero(wrong)
        if rows.size:
            at = np.datetime64(int(flows.timestamp[rows[0]]), "ns").astype("M8[s]")
            raise AuditRefused(
                f"{flows.name}, row {flows.row[rows[0]]}: money moved at {at}, {where} of {prices.name};"
                f" {remedy}"
            )
    when = flows.timestamp
    if prices.is_daily:
        is_dated = (flows.timestamp % DAY == 0) | (not np.any(timestamp % DAY))
        when = np.where(is_dated, (flows.day + np.where(flows.amount > 0, -1, 2)) * DAY, when)
    order = np.lexsort((when, bar))
    is_fill = np.repeat([False, True], [bar.size, meant.size])
    every = np.lexsort((is_fill, np.append(when[order], timestamp), np.append(bar[order], meant)))
    before = np.cumsum(is_fill[every])[~is_fill[every]]
    amount = np.rint(flows.amount * CENTS) / CENTS
    return Moves(
        flows.name, bar[order], column[order], before, amount[order], flows.kind[order], flows.row[order]
    )


def opening_of(there: Placed, prices: Prices, claims: Sequence[Claims]) -> tuple[float, str]:
    """Opening cash by the first row of claims, which is thereby taken to be right; and the words for that."""
    for figure in ("cash", "equity"):
        for claim in claims:
            said = np.flatnonzero(np.isfinite(claim.columns.get(figure, np.zeros(0))))
            if claim.kind == "curve" and said.size:
                row = int(said[0])
                so_far = booked(there, prices, 0.0)
                at = prices.claimed(claim)
                mine = np.append(0.0, so_far.cash if figure == "cash" else so_far.value)[at[row] + 1]
                paid_in = float(np.append(0.0, so_far.paid_in)[at[0] + 1])
                # Claims in whole cents are of an opening in whole cents, whatever was rounded since.
                scale = 2 if in_cents(claim.columns[figure][said]) else MONEY_SCALE
                opening = round(float(claim.columns[figure][row] - mine), scale)
                gainsaid = _gainsaid(claim, opening + paid_in)
                return opening, f"from the first {figure} claimed, in {claim.name}{gainsaid}"
    raise AuditRefused(
        f"{there.fills.name}: nothing says the opening cash; give --cash, or claims with cash or equity"
    )


def in_cents(amounts: Floats) -> bool:
    """Whether all of them are whole cents, but for the last digits of floats."""
    return bool(np.all(np.abs(amounts * 100 - np.rint(amounts * 100)) <= 1e-4))


def _gainsaid(claim: Claims, opening: float) -> str:
    """Words for P&L so far that is claimed of another opening, with what was paid in since."""
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
    moves = there.moves
    is_fill = np.insert(np.ones(len(there), bool), moves.before, values=False)
    cash = np.rint(opening * CENTS) - np.cumsum(
        np.insert(money, moves.before, -np.rint(moves.amount * CENTS))
    )
    _require_exact(moves, "amount", moves.amount * CENTS)
    _require_exact(fills, "quantity", fills.quantity * ONE)
    _require_exact(fills, "the cash it leaves", cash[is_fill])
    _require_exact(moves, "the cash it leaves", cash[~is_fill])
    had = np.append(np.rint(opening * CENTS), cash[:-1])[: cash.size]
    charges = charges_of(moves.bar.size)
    charges.bar, charges.column = moves.bar, moves.column
    charges.trade, charges.kind = moves.before, moves.kind
    for rows, own in ((trades, is_fill), (charges, ~is_fill)):
        rows.cash_before, rows.cash_after = had[own] / CENTS, cash[own] / CENTS
    for column in np.unique(there.column).tolist():
        own = np.flatnonzero(there.column == column)
        # Added up before they are rounded, so that what is bought in parts and sold as one leaves nothing.
        after = np.cumsum(fills.quantity[own])
        trades.quantity_after[own] = after
        trades.quantity_before[own] = np.append(0.0, after[:-1])
    valuation = _without_gaps(there, prices)
    found = book(
        prices.timestamp,
        prices.symbols,
        opening,
        trades,
        valuation,
        charges,
        path=path,
        spec={"audited": fills.name, "prices": prices.name} | ({"flows": moves.name} if moves.name else {}),
        is_stated=path is not None,
        stale=np.isnan(prices.close),
    )
    flow = flows(found.journal, "order_id", len(there)) / CENTS
    return Books(there, prices, opening, found, valuation, flow)


def _require_exact(rows: Fills | Moves, what: str, amounts: Floats) -> None:
    """Refuse amounts that a float does not hold to the last unit."""
    large = np.flatnonzero(~(np.abs(amounts) < _LARGEST))
    if large.size:
        raise AuditRefused(
            f"{rows.name}, row {rows.row[large[0]]}: {what} is too large to be kept to the last unit;"
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

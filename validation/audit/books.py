"""The books of a file of fills: the account as its fills and flows alone make it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from attrs import evolve, frozen

from tieout.ledger.books.kinds import Kind
from tieout.ledger.moment import DAY
from tieout.ledger.numeric import Flags, Floats, Int64s
from tieout.validation.audit.reading import AuditRefused, Claims, Fills, Flows, Prices
from tieout.validation.foreign.booking import MONEY, MONEY_SCALE, Booked, book, charges_of, trades_of
from tieout.validation.foreign.orders import SCALE
from tieout.validation.foreign.rows import flows

ONE, CENTS = 10.0**SCALE, 10.0**MONEY_SCALE
_NONE = np.zeros(0)
_LARGEST = 2.0**53
"""The largest number of units that a float holds exactly."""


@frozen
class Costs:
    """Commission of fills without a column for it: a share of the money, an amount per unit and per fill."""

    rate: float = 0.0
    per_unit: float = 0.0
    per_fill: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.rate or self.per_unit or self.per_fill)

    def of(self, fills: Fills) -> Floats:
        """Return the commission of each fill."""
        size = np.abs(fills.quantity)
        commission: Floats = size * fills.price * self.rate + size * self.per_unit + self.per_fill
        return commission


@frozen(eq=False)
class Moves:
    """Money that moved without a fill, by time. *name* is that of its file, empty without a file.

    *column* is -1 without an instrument, *before* counts the fills before each move, *row* is the row in the
    file. *is_capital* marks deposits and withdrawals, which are neither gain nor loss.
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
        """True for deposits and withdrawals."""
        is_capital: Flags = np.isin(self.kind, (Kind.DEPOSIT, Kind.WITHDRAWAL))
        return is_capital


@frozen(eq=False)
class Placed:
    """Fills at their bars and columns, by time. Within a bar they keep the sequence of their file.

    *bar* is the bar at which a fill is booked. *true_bar* is the bar to which it belongs, which may be
    outside of the prices: -1 before the first bar, and one after the last.
    """

    fills: Fills
    bar: Int64s
    true_bar: Int64s
    column: Int64s
    moves: Moves

    def __len__(self) -> int:
        return self.bar.size


@frozen(eq=False)
class Books:
    """A journal of fills. *flow* is the change of cash by each fill. *valuation* has no gaps."""

    placed: Placed
    prices: Prices
    opening: float
    booked: Booked
    valuation: Floats
    flow: Floats

    @property
    def cash(self) -> Floats:
        """Cash at the end of every bar, including the proceeds of short sales."""
        return self.booked.cash

    @property
    def value(self) -> Floats:
        """Cash and market value at the close of every bar."""
        return self.booked.value

    @property
    def positions(self) -> Floats:
        """float64[bars, columns]: positions at the end of every bar."""
        positions: Floats = self.booked.units / ONE
        return positions

    @property
    def cash_after_fill(self) -> Floats:
        """Cash after each fill."""
        moves = self.placed.moves
        sums = np.append(0.0, moves.amount.cumsum())
        moved = sums[np.searchsorted(moves.before, np.arange(self.flow.size), "right")]
        cash: Floats = self.opening + self.flow.cumsum() + moved
        return cash

    @property
    def net_flow(self) -> Floats:
        """Deposits less withdrawals since the opening, at the end of every bar."""
        moves, net_flow = self.placed.moves, np.zeros(self.prices.timestamp.size)
        np.add.at(net_flow, moves.bar[moves.is_capital], moves.amount[moves.is_capital])
        return net_flow.cumsum()

    def between(self, after: int, until: int, column: int = -1) -> Int64s:
        """Return the fills after one bar and up to another, of all columns or of one."""
        bar = self.placed.bar
        of_column = (self.placed.column == column) | (column < 0)
        return np.flatnonzero((bar > after) & (bar <= until) & of_column)


def place(fills: Fills, prices: Prices, costs: Costs, flows: Flows | None = None) -> Placed:
    """Place fills at their bars. Raises `AuditRefused` for a symbol without any price."""
    column = _columns(fills, prices)
    if costs and fills.has_fee:
        raise AuditRefused(
            f"{fills.name} has a column of commissions; leave out the options that compute them"
        )
    if costs:
        fills = evolve(fills, fee=costs.of(fills))
    _require_hours("fills are", fills, prices)
    true_bar = prices.place(fills.timestamp, fills.day)
    sequence = np.lexsort((fills.timestamp, true_bar))  # a day may be of several zones
    columns = {
        name: getattr(fills, name)[sequence]
        for name in ("timestamp", "day", "symbol", "quantity", "price", "fee", "row", "content")
    }
    ids = None if fills.order is None else fills.order[sequence]
    last = prices.timestamp.size - 1
    at, true_bar = np.clip(true_bar, 0, last)[sequence], true_bar[sequence]
    fills = evolve(fills, order=ids, **columns)
    return Placed(fills, at, true_bar, column[sequence], _moves(flows, prices, fills.timestamp, true_bar))


def _columns(rows: Fills | Flows, prices: Prices) -> Int64s:
    """Return the column of each row, -1 for money without a symbol or with the symbol of the currency."""
    columns = {symbol: number for number, symbol in enumerate(prices.symbols)}
    if isinstance(rows, Flows):
        columns |= {"": -1, MONEY: -1}
    is_unknown = np.array([symbol not in columns for symbol in rows.symbol], bool)
    if is_unknown.any():
        first = int(np.flatnonzero(is_unknown)[0])
        raise AuditRefused(
            f"{rows.name}, row {rows.row[first]}: there is no price of {rows.symbol[first]!r} in"
            f" {prices.name} ({int(is_unknown.sum())} of {is_unknown.size} rows); add its bars, or use the"
            " same name in both files"
        )
    return np.array([columns[symbol] for symbol in rows.symbol], np.int64)


def _require_hours(what: str, rows: Fills | Flows, prices: Prices) -> None:
    if len(rows.timestamp) and prices.has_other_times(rows.timestamp):
        raise AuditRefused(
            f"{rows.name}, row 1: {what} dated without an hour, and {prices.name} has bars within days;"
            " give the times, or bars of days"
        )


def _moves(flows: Flows | None, prices: Prices, timestamp: Int64s, true_bar: Int64s) -> Moves:
    """Place money at its bars, among fills at these times and bars. At equal times money comes first.

    On a day without an hour, receipts come before the fills of the day and payments after them.
    """
    if flows is None:
        none = np.zeros(0, np.int64)
        return Moves("", none, none, none, _NONE, none, none)
    _require_hours("money is", flows, prices)
    bar, column = prices.place(flows.timestamp, flows.day), _columns(flows, prices)
    for is_outside, where, remedy in (
        (
            bar < 0,
            "before the first bar",
            "leave it out, because the opening cash contains it, or add the bars",
        ),
        (bar >= prices.timestamp.size, "after the last bar", "add the bars, or leave it out"),
    ):
        rows = np.flatnonzero(is_outside)
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
    sequence = np.lexsort((when, bar))
    is_fill = np.repeat([False, True], [bar.size, true_bar.size])
    every = np.lexsort((is_fill, np.append(when[sequence], timestamp), np.append(bar[sequence], true_bar)))
    before = np.cumsum(is_fill[every])[~is_fill[every]]
    amount = np.rint(flows.amount * CENTS) / CENTS
    return Moves(
        flows.name,
        bar[sequence],
        column[sequence],
        before,
        amount[sequence],
        flows.kind[sequence],
        flows.row[sequence],
    )


def opening_cash(placed: Placed, prices: Prices, claims: Sequence[Claims]) -> tuple[float, str]:
    """Infer opening cash from the first row of claims, which counts as right. Return it with its source."""
    for figure in ("cash", "equity"):
        for claim in claims:
            rows = np.flatnonzero(np.isfinite(claim.columns.get(figure, np.zeros(0))))
            if claim.kind == "curve" and rows.size:
                row = int(rows[0])
                from_zero = book_fills(placed, prices, 0.0)
                at = prices.last_bars(claim)
                change = np.append(0.0, from_zero.cash if figure == "cash" else from_zero.value)[at[row] + 1]
                net_flow = float(np.append(0.0, from_zero.net_flow)[at[0] + 1])
                # Claims in whole cents imply an opening in whole cents, even if later figures were rounded.
                scale = 2 if in_cents(claim.columns[figure][rows]) else MONEY_SCALE
                opening = round(float(claim.columns[figure][row] - change), scale)
                contradiction = _contradiction(claim, opening + net_flow)
                return opening, f"from the first {figure} claimed, in {claim.name}{contradiction}"
    raise AuditRefused(
        f"{placed.fills.name}: opening cash is unknown; give --cash, or claims with cash or equity"
    )


def in_cents(amounts: Floats) -> bool:
    """Check whether all amounts are whole cents, but for the last digits of floats."""
    return bool(np.all(np.abs(amounts * 100 - np.rint(amounts * 100)) <= 1e-4))


def _contradiction(claim: Claims, opening: float) -> str:
    """Describe cumulative P&L that starts from another opening (net flow included), empty without any."""
    start = claim.columns.get("equity", _NONE)[:1] - claim.columns.get("total_pnl", _NONE)[:1]
    if start.size and abs(start[0] - opening) > 0.01:
        return f"; its cumulative P&L starts from {start[0]:,.2f}, which --cash can set"
    return ""


def book_fills(placed: Placed, prices: Prices, opening: float, path: Path | None = None) -> Books:
    """Book the fills, in memory or in a new file at *path*."""
    fills = placed.fills
    trades = trades_of(len(placed))
    trades.bar, trades.column, trades.order = placed.bar, placed.column, np.arange(len(placed))
    trades.price = fills.price
    trades.fee = np.rint(fills.fee * CENTS) / CENTS
    # The engine paid for its unrounded quantity. The books post the difference to units as rounding.
    money = np.rint(fills.quantity * fills.price * CENTS) + np.rint(fills.fee * CENTS)
    moves = placed.moves
    is_fill = np.insert(np.ones(len(placed), bool), moves.before, values=False)
    cash = np.rint(opening * CENTS) - np.cumsum(
        np.insert(money, moves.before, -np.rint(moves.amount * CENTS))
    )
    _require_exact(moves, "amount", moves.amount * CENTS)
    _require_exact(fills, "quantity", fills.quantity * ONE)
    _require_exact(fills, "the cash it leaves", cash[is_fill])
    _require_exact(moves, "the cash it leaves", cash[~is_fill])
    before = np.append(np.rint(opening * CENTS), cash[:-1])[: cash.size]
    charges = charges_of(moves.bar.size)
    charges.bar, charges.column = moves.bar, moves.column
    charges.trade, charges.kind = moves.before, moves.kind
    for rows, is_row in ((trades, is_fill), (charges, ~is_fill)):
        rows.cash_before, rows.cash_after = before[is_row] / CENTS, cash[is_row] / CENTS
    for column in np.unique(placed.column).tolist():
        of_column = np.flatnonzero(placed.column == column)
        # Sums before rounding, so that a position bought in parts and sold at once leaves no dust.
        after = np.cumsum(fills.quantity[of_column])
        trades.quantity_after[of_column] = after
        trades.quantity_before[of_column] = np.append(0.0, after[:-1])
    valuation = _without_gaps(placed, prices)
    booked = book(
        prices.timestamp,
        prices.symbols,
        opening,
        trades,
        valuation,
        charges,
        path=path,
        spec={"audited": fills.name, "prices": prices.name} | ({"flows": moves.name} if moves.name else {}),
        has_statements=path is not None,
        stale=np.isnan(prices.close),
    )
    flow = flows(booked.journal, "order_id", len(placed)) / CENTS
    return Books(placed, prices, opening, booked, valuation, flow)


def _require_exact(rows: Fills | Moves, what: str, amounts: Floats) -> None:
    """Refuse amounts that a float does not hold exactly."""
    large = np.flatnonzero(~(np.abs(amounts) < _LARGEST))
    if large.size:
        raise AuditRefused(
            f"{rows.name}, row {rows.row[large[0]]}: {what} is too large to be exact to the last unit;"
            " audit a part of the account, or give amounts in thousands"
        )


def _without_gaps(placed: Placed, prices: Prices) -> Floats:
    """Return the last close at every bar, and before the first the price of an earlier fill."""
    values = prices.close.copy()
    missing = np.isnan(values[placed.bar, placed.column])
    for bar, column, price in zip(
        placed.bar[missing].tolist(),
        placed.column[missing].tolist(),
        placed.fills.price[missing].tolist(),
        strict=True,
    ):
        if bar == 0 or np.all(np.isnan(values[:bar, column])):
            values[bar, column] = price
    rows = np.where(np.isnan(values), -1, np.arange(values.shape[0])[:, np.newaxis])
    rows = np.maximum.accumulate(rows, axis=0)
    last: Floats = np.where(rows >= 0, np.take_along_axis(values, np.maximum(rows, 0), axis=0), np.nan)
    return last

"""Claims beside the books: first difference, its amount, and the fills since the last agreement."""

from collections.abc import Iterator

import numpy as np
from attrs import evolve, frozen

from tieout.ledger.numeric import Flags, Floats, Int64s
from tieout.validation.audit.books import Books, in_cents
from tieout.validation.audit.formats import CURVE, POSITIONS
from tieout.validation.audit.reading import AuditRefused, Claims

UNITS = 1e-6
"""Tolerance for positions, because exports round them."""
DIGITS = 1e-5
"""Rounding allowance for positions in whole units."""


@frozen(eq=False)
class Tie:
    """One claim beside the books: arrays by figure, sorted by time.

    *bar* and *column* place each figure (column -1: the account). *last* is the bar of the figure before it,
    -1 without one. *fills* are those between the last agreement and the first difference.
    """

    what: str
    name: str
    bar: Int64s
    column: Int64s
    claimed: Floats
    booked: Floats
    tolerance: float
    last: Int64s
    fills: Int64s

    @property
    def difference(self) -> Floats:
        """The claims less the books."""
        return self.claimed - self.booked

    @property
    def differs(self) -> Flags:
        """True for figures that do not agree."""
        differs: Flags = ~(np.abs(self.difference) <= self.tolerance + DIGITS)
        return differs

    @property
    def is_rounded(self) -> bool:
        """True if the claims are whole cents and the figures in the books are not."""
        return in_cents(self.claimed) and not in_cents(self.booked)

    @property
    def first(self) -> int:
        """The number of the first figure that differs, or -1."""
        rows = np.flatnonzero(self.differs)
        return int(rows[0]) if rows.size else -1

    @property
    def agrees(self) -> bool:
        """True if all figures agree."""
        return self.first < 0


def compare(books: Books, claim: Claims, tolerance: float) -> Iterator[Tie]:
    """Compare every figure of one file of claims with the books."""
    if claim.kind == CURVE:
        yield from _figures(books, claim, tolerance)
    elif claim.kind == POSITIONS:
        yield _positions(books, claim)
    else:
        yield _trades(books, claim, tolerance)


def _figures(books: Books, claim: Claims, tolerance: float) -> Iterator[Tie]:
    bar = books.prices.last_bars(claim)
    # Before the first bar, number -1, cash is the opening cash.
    cash, value = (np.append(books.opening, figure)[bar + 1] for figure in (books.cash, books.value))
    gained = value - np.append(0.0, books.net_flow)[bar + 1]
    figures = {"cash": cash, "equity": value}
    figures |= {"pnl": np.diff(gained, prepend=books.opening), "total_pnl": gained - books.opening}
    for what, booked in figures.items():
        if what in claim.columns:
            rows = np.flatnonzero(np.isfinite(claim.columns[what]))
            if what == "pnl" and rows.size and rows[0] == 0 and bar[0] > 0:
                rows = rows[1:]  # the start of the first change is unknown
            at = bar[rows], claim.columns[what][rows], booked[rows]
            yield _tie(books, what, claim, at, tolerance)


def _tie(books: Books, what: str, claim: Claims, at: tuple[Int64s, Floats, Floats], tolerance: float) -> Tie:
    """Make the tie of an account figure from bars, claims and booked figures."""
    bar, claimed, booked = at
    last = np.append(-1, bar[:-1])[: bar.size]
    account = np.full(bar.size, -1, np.int64)
    return _with_fills(books, Tie(what, claim.name, bar, account, claimed, booked, tolerance, last, _NONE))


def _with_fills(books: Books, tie: Tie) -> Tie:
    """Add the fills between the last agreement and the first difference."""
    if tie.agrees:
        return tie
    at = tie.first
    return evolve(tie, fills=books.between(int(tie.last[at]), int(tie.bar[at]), int(tie.column[at])))


def _positions(books: Books, claim: Claims) -> Tie:
    """Compare positions. At a time with claims, an instrument without one is claimed to be flat."""
    bar, column = books.prices.last_bars(claim), _columns(books, claim)
    bars = np.unique(bar)
    claimed = np.zeros((bars.size, len(books.prices.symbols)))
    np.add.at(claimed, (np.searchsorted(bars, bar), column), claim.columns["quantity"])
    booked = np.vstack([np.zeros(len(books.prices.symbols)), books.positions])[bars + 1]
    row, of = np.nonzero((claimed != 0) | (booked != 0))
    last = np.append(-1, bars[:-1])[: bars.size]
    tie = Tie(
        "positions", claim.name, bars[row], of, claimed[row, of], booked[row, of], UNITS, last[row], _NONE
    )
    return _with_fills(books, tie)


def _trades(books: Books, claim: Claims, tolerance: float) -> Tie:
    """Compare the P&L of trades, summed up to every bar at which an instrument is flat, or to the end.

    Engines split a position into trades in different ways. Once the position is flat, the sum of its trades
    is the cash flow of its fills.
    """
    bar, column = np.maximum(books.prices.last_bars(claim), 0), _columns(books, claim)
    numbers = np.union1d(column, books.placed.column).tolist()
    gains = [row for number in numbers for row in _gains(books, claim, bar, column == number, number)]
    rows = np.array(sorted(gains), _GAIN)
    at, of, claimed, booked, last = (np.ascontiguousarray(rows[name]) for name in _GAIN.names or ())
    return _with_fills(books, Tie("trades", claim.name, at, of, claimed, booked, tolerance, last, _NONE))


_GAIN = np.dtype([("bar", "i8"), ("column", "i8"), ("claimed", "f8"), ("booked", "f8"), ("last", "i8")])
_NONE = np.zeros(0, np.int64)


def _gains(
    books: Books, claim: Claims, bar: Int64s, is_own: Flags, number: int
) -> Iterator[tuple[int, int, float, float, int]]:
    """Yield rows of `_GAIN` of one instrument, whose trades are the rows *is_own*."""
    there, end, pnl = books.placed, books.prices.timestamp.size - 1, claim.columns["pnl"]
    is_open = np.zeros(is_own.size, bool)
    if "status" in claim.columns:
        is_open = claim.columns["status"] == "open"
    of_fills, closed = there.column == number, is_own & ~is_open
    flow, gain = np.zeros((2, end + 1))
    np.add.at(flow, there.bar[of_fills], books.flow[of_fills])
    np.add.at(gain, bar[closed], pnl[closed])
    traded = np.zeros(end + 1, bool)
    traded[there.bar[of_fills]] = traded[bar[closed]] = True
    flow, gain, position = flow.cumsum(), gain.cumsum(), books.positions[:, number]
    # A rest below the precision of the books is worth nothing.
    worth = np.where(position != 0, np.abs(position * books.valuation[:, number]), 0.0)
    last = -1
    for at in np.flatnonzero(traded & (worth <= DIGITS)).tolist():
        yield at, number, float(gain[at]), float(flow[at]), last
        last = at
    if worth[end] > DIGITS and "status" in claim.columns:
        rest = position[end] * books.valuation[end, number]
        yield end, number, float(gain[end] + pnl[is_own & is_open].sum()), float(flow[end] + rest), last


def _columns(books: Books, claim: Claims) -> Int64s:
    """Return the column of each row. Raises `AuditRefused` for a symbol without prices."""
    columns = {symbol: number for number, symbol in enumerate(books.prices.symbols)}
    column = np.array([columns.get(symbol, -1) for symbol in claim.columns["symbol"]], np.int64)
    unknown = np.flatnonzero(column < 0)
    if unknown.size:
        raise AuditRefused(
            f"{claim.name}, row {unknown[0] + 1}: there is no price of"
            f" {claim.columns['symbol'][unknown[0]]!r} in {books.prices.name}; add its bars"
        )
    return column

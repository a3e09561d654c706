"""Claims beside the books: where each departs first, by how much, and which fills lie between."""

from collections.abc import Iterator

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from tieout.validation.audit.books import Books, in_cents
from tieout.validation.audit.formats import CURVE, POSITIONS
from tieout.validation.audit.reading import AuditRefused, Claims

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

UNITS = 1e-6
"""How far claimed positions may lie from the books, as exports round them."""


DIGITS = 1e-5
"""What it may come to that the books keep positions in whole units, beside a claim that is rounded itself."""


@frozen(eq=False)
class Tie:
    """One claim beside the books: arrays by compared figure, in the order of time.

    *bar* is where each stands, *column* of what instrument (-1: of the account); *last* is the bar compared
    before it, -1 for none. *fills* are those between the last that agreed and the first that departs.
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
        """What is claimed above the books."""
        return self.claimed - self.booked

    @property
    def departs(self) -> Flags:
        """Which of the figures do not agree."""
        found: Flags = ~(np.abs(self.difference) <= self.tolerance + DIGITS)
        return found

    @property
    def is_rounded(self) -> bool:
        """Whether the claims are whole cents, and what they are made of in the books is not."""
        return in_cents(self.claimed) and not in_cents(self.booked)

    @property
    def first(self) -> int:
        """The number of the first figure that departs, or -1."""
        found = np.flatnonzero(self.departs)
        return int(found[0]) if found.size else -1

    @property
    def agrees(self) -> bool:
        """Whether all of them do."""
        return self.first < 0


def tied(books: Books, claim: Claims, tolerance: float) -> Iterator[Tie]:
    """Everything that one file claims, beside the books."""
    if claim.kind == CURVE:
        yield from _figures(books, claim, tolerance)
    elif claim.kind == POSITIONS:
        yield _positions(books, claim)
    else:
        yield _trades(books, claim, tolerance)


def _figures(books: Books, claim: Claims, tolerance: float) -> Iterator[Tie]:
    bar = books.prices.claimed(claim)
    # Before the first bar, number -1, there is the opening cash.
    cash, value = (np.append(books.opening, figure)[bar + 1] for figure in (books.cash, books.value))
    gained = value - np.append(0.0, books.paid_in)[bar + 1]
    own = {"cash": cash, "equity": value}
    own |= {"pnl": np.diff(gained, prepend=books.opening), "total_pnl": gained - books.opening}
    for what, booked in own.items():
        if what in claim.columns:
            said = np.flatnonzero(np.isfinite(claim.columns[what]))
            if what == "pnl" and said.size and said[0] == 0 and bar[0] > 0:
                said = said[1:]  # what the first of a later start is the change of, nobody says
            at = bar[said], claim.columns[what][said], booked[said]
            yield _tie(books, what, claim, at, tolerance)


def _tie(books: Books, what: str, claim: Claims, at: tuple[Int64s, Floats, Floats], tolerance: float) -> Tie:
    """A figure of the account: bars, and what is claimed and booked at each."""
    bar, claimed, booked = at
    last = np.append(-1, bar[:-1])[: bar.size]
    account = np.full(bar.size, -1, np.int64)
    return _with_fills(books, Tie(what, claim.name, bar, account, claimed, booked, tolerance, last, _NONE))


def _with_fills(books: Books, tie: Tie) -> Tie:
    """The same with the fills that its first departure is about."""
    if tie.agrees:
        return tie
    at = tie.first
    return evolve(tie, fills=books.between(int(tie.last[at]), int(tie.bar[at]), int(tie.column[at])))


def _positions(books: Books, claim: Claims) -> Tie:
    """What is claimed to be held; of a time with claims, what none is made of is claimed to be nothing."""
    bar, column = books.prices.claimed(claim), _columns(books, claim)
    told = np.unique(bar)
    claimed = np.zeros((told.size, len(books.prices.symbols)))
    np.add.at(claimed, (np.searchsorted(told, bar), column), claim.columns["quantity"])
    held = np.vstack([np.zeros(len(books.prices.symbols)), books.held])[told + 1]
    row, of = np.nonzero((claimed != 0) | (held != 0))
    last = np.append(-1, told[:-1])[: told.size]
    tie = Tie(
        "positions", claim.name, told[row], of, claimed[row, of], held[row, of], UNITS, last[row], _NONE
    )
    return _with_fills(books, tie)


def _trades(books: Books, claim: Claims, tolerance: float) -> Tie:
    """The P&L of trades, added up to every bar at which an instrument is flat, or else to the end.

    However an engine shares a position among its trades: once all is sold, they have gained what its fills
    brought in.
    """
    bar, column = np.maximum(books.prices.claimed(claim), 0), _columns(books, claim)
    numbers = np.union1d(column, books.placed.column).tolist()
    found = [row for number in numbers for row in _gains(books, claim, bar, column == number, number)]
    rows = np.array(sorted(found), _GAIN)
    at, of, claimed, booked, last = (np.ascontiguousarray(rows[name]) for name in _GAIN.names or ())
    return _with_fills(books, Tie("trades", claim.name, at, of, claimed, booked, tolerance, last, _NONE))


_GAIN = np.dtype([("bar", "i8"), ("column", "i8"), ("claimed", "f8"), ("booked", "f8"), ("last", "i8")])
_NONE = np.zeros(0, np.int64)


def _gains(
    books: Books, claim: Claims, bar: Int64s, own: Flags, number: int
) -> Iterator[tuple[int, int, float, float, int]]:
    """Rows of `_GAIN` of one instrument, whose trades are the rows *own*."""
    there, end, pnl = books.placed, books.prices.timestamp.size - 1, claim.columns["pnl"]
    is_open = np.zeros(own.size, bool)
    if "status" in claim.columns:
        is_open = claim.columns["status"] == "open"
    of_fills, closed = there.column == number, own & ~is_open
    flow, gain = np.zeros((2, end + 1))
    np.add.at(flow, there.bar[of_fills], books.flow[of_fills])
    np.add.at(gain, bar[closed], pnl[closed])
    traded = np.zeros(end + 1, bool)
    traded[there.bar[of_fills]] = traded[bar[closed]] = True
    flow, gain, held = flow.cumsum(), gain.cumsum(), books.held[:, number]
    # What is left of units in other decimals than the books have is worth nothing.
    worth = np.where(held != 0, np.abs(held * books.valuation[:, number]), 0.0)
    last = -1
    for at in np.flatnonzero(traded & (worth <= DIGITS)).tolist():
        yield at, number, float(gain[at]), float(flow[at]), last
        last = at
    if worth[end] > DIGITS and "status" in claim.columns:
        left = held[end] * books.valuation[end, number]
        yield end, number, float(gain[end] + pnl[own & is_open].sum()), float(flow[end] + left), last


def _columns(books: Books, claim: Claims) -> Int64s:
    """The column of each row. Raises `AuditRefused` where its symbol has no prices."""
    columns = {symbol: number for number, symbol in enumerate(books.prices.symbols)}
    found = np.array([columns.get(symbol, -1) for symbol in claim.columns["symbol"]], np.int64)
    wrong = np.flatnonzero(found < 0)
    if wrong.size:
        raise AuditRefused(
            f"{claim.name}, row {wrong[0] + 1}: there is no price of {claim.columns['symbol'][wrong[0]]!r} in"
            f" {books.prices.name}; add its bars"
        )
    return found

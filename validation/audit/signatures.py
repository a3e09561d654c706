"""Why a claim departs from the books: each classic fault leaves a mark of its own, and these are looked for.

A fault of one moment moves the difference between claim and books at that moment, and leaves it there. So
what is looked at is by how much the difference changes from one claim to the next, and which fills lie
between: is the change what they cost in commission, is it what one of them paid or received, or does the
difference of equity then follow the price of one instrument?
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from tieout.validation.audit.books import Books
from tieout.validation.audit.faults import Fault, Finding, moment, money, named_twice, twice
from tieout.validation.audit.ties import UNITS, Tie

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]

FOLLOWED = 5
"""Over how many claims a difference has to follow one price to tell that a fill of it is missing."""
NEARLY = 1e-6
"""How constant, for its size, the quantity is that it follows it with."""
ROUNDED = 4
"""How many tolerances figures that are worked out of claims in whole cents may lie apart."""
BEYOND = 0.05
"""How far from the bar's range the price of a missing fill may come out, commission and slippage in it."""


@frozen(eq=False)
class _Jump:
    """A change of the difference: at which bar and by how much, and the fills since the claim before it."""

    number: int
    bar: int
    amount: float
    fills: Int64s


class Suspicion:
    """What the ties of one account say together."""

    def __init__(self, books: Books, ties: Sequence[Tie], tolerance: float) -> None:
        self.books = books
        # Of several files that claim the same the first that departs, or else the first.
        self.ties: Mapping[str, Tie] = {
            what: min((tie for tie in ties if tie.what == what), key=lambda tie: tie.agrees)
            for what in dict.fromkeys(tie.what for tie in ties)
        }
        # Two claims that are each rounded to a cent make a change of one that is a cent off, and so on.
        self.tolerance = tolerance * (ROUNDED if any(tie.is_rounded for tie in ties) else 1)
        self.alike = named_twice(books)
        self._confirmed: set[int] = set()
        # What the claims hold more than the books by what is found already, by column.
        self._apart = np.zeros(len(books.prices.symbols))

    def findings(self) -> Iterator[Finding]:
        """A finding for every departure that shows a mark, and in general words for those that show none."""
        cash, equity, positions = (self.ties.get(what) for what in ("cash", "equity", "positions"))
        if positions is not None and not positions.agrees:
            yield from self._of_positions(positions)
        money_tie = cash or equity
        untold = self._untold(money_tie) if money_tie is not None else None
        if untold is not None:
            yield untold
        elif cash is not None:
            yield from self._of_jumps(cash, Fault.CASH)
            if equity is not None and cash.agrees and not equity.agrees:
                yield from self._of_equity(equity)
        elif equity is not None and not equity.agrees:
            yield from self._of_jumps(equity, Fault.EQUITY)
        for what in ("pnl", "total_pnl"):
            if what in self.ties:
                yield from self._of_pnl(self.ties[what], equity)
        if "trades" in self.ties and not self.ties["trades"].agrees:
            yield self._of_trades(self.ties["trades"])
        yield from self._left_alike()

    # --- cash ----------------------------------------------------------------------------------------

    def _jumps(self, tie: Tie) -> Iterator[_Jump]:
        change = np.diff(tie.difference, prepend=0.0)
        if tie.agrees:
            return
        for number in np.flatnonzero(~(np.abs(change) <= self.tolerance)).tolist():
            bar = int(tie.bar[number])
            yield _Jump(number, bar, float(change[number]), self.books.between(int(tie.last[number]), bar))

    def _of_jumps(self, tie: Tie, otherwise: Fault) -> Iterator[Finding]:
        """What each change of the difference shows."""
        jumps = list(self._jumps(tie))
        elsewhere = list(self._moved(jumps))
        moved = {number for _, *pair in elsewhere for number in pair}
        yield from (found for found, *_ in elsewhere)
        for jump in jumps:
            if jump.number in moved:
                continue
            found = self._commission(jump) or self._one_fill(jump)
            if found is None and otherwise is Fault.CASH:
                found = self._missing(jump) or self._repriced(jump)
            if found is not None:
                yield found
                continue
            after = f"claimed {money(tie.claimed[jump.number])},"
            after += f" the books have {money(tie.booked[jump.number])}"
            if not tie.departs[jump.number]:
                after = f"claimed {money(tie.claimed[jump.number])}, as in the books again"
            if otherwise is Fault.CASH:
                after += f"; {self._of_flows(tie, jump)}"
            yield Finding(otherwise, jump.bar, -1, after, jump.amount, tuple(jump.fills.tolist()))
            if otherwise is Fault.EQUITY:
                return  # what is held keeps changing such a difference

    def _of_flows(self, tie: Tie, jump: _Jump) -> str:
        """The row of the flows that the claims do not have, or else what to do about one that is missing."""
        moves = self.books.placed.moves
        since = (moves.bar > tie.last[jump.number]) & (moves.bar <= jump.bar)
        own = np.flatnonzero(since & (np.abs(jump.amount + moves.amount) <= self.tolerance))
        if own.size:
            moved = money(float(moves.amount[own[0]]))
            return f"row {moves.row[own[0]]} of {moves.name} moved {moved} in the books alone"
        if moves.name:
            return f"add to {moves.name} what moved {money(jump.amount)}"
        return f"say with --flows FILE what moved {money(jump.amount)}"

    def _untold(self, tie: Tie) -> Finding | None:
        """Commission at one rate in all that the account was charged, where the fills have none."""
        fills, jumps = self.books.placed.fills, list(self._jumps(tie))
        if np.any(fills.fee) or not jumps:
            return None
        size = np.abs(fills.quantity)
        for option, of in (
            ("--commission-rate", size * fills.price),
            ("--per-unit", size),
            ("--per-fill", np.ones(size.size)),
        ):
            sums = np.array([of[jump.fills].sum() for jump in jumps])
            if not np.all(sums > 0):
                return None  # cash moved where there was no fill to be charged for
            rate = -sum(jump.amount for jump in jumps) / float(sums.sum())
            apart = np.abs([jump.amount + rate * total for jump, total in zip(jumps, sums, strict=True)])
            if rate > 0 and np.all(apart <= self.tolerance):
                every = tuple(number for jump in jumps for number in jump.fills.tolist())
                text = f"all that is claimed less is a commission at one rate: say {option} {rate:.6g}"
                return Finding(
                    Fault.COMMISSION_UNTOLD,
                    jumps[0].bar,
                    -1,
                    text,
                    -rate * float(sums.sum()),
                    every,
                    len(jumps),
                )
        return None

    def _commission(self, jump: _Jump) -> Finding | None:
        """Commission of all these fills, or of one of them, once too often or not at all."""
        fee = self.books.placed.fills.fee[jump.fills]
        parts = [(float(fee.sum()), jump.fills)]
        parts += [(float(one), jump.fills[n : n + 1]) for n, one in enumerate(fee.tolist())]
        for paid, fills in parts:
            for fault, times, what in (
                (Fault.COMMISSION_TWICE, -1, "their commission"),
                (Fault.COMMISSION_LEFT_OUT, 1, "their commission"),
                (Fault.COMMISSION_REVERSED, 2, f"{money(paid)} of commission is {money(-paid)} there"),
            ):
                if abs(paid) > self.tolerance and abs(jump.amount - times * paid) <= self.tolerance:
                    word = "less" if jump.amount < 0 else "more"
                    text = f"{money(abs(jump.amount))} {word} than the fills leave: {what}"
                    return Finding(fault, jump.bar, -1, text, jump.amount, tuple(fills.tolist()))
        return None

    def _moved(self, jumps: Sequence[_Jump]) -> Iterator[tuple[Finding, int, int]]:
        """Fills that the claims have at another time: the changes there and here are each other's reverse."""
        there, seen = self.books.placed, set[int]()
        for jump in jumps:
            flows = self.books.flow[jump.fills]
            for number in jump.fills[np.abs(jump.amount + flows) <= self.tolerance].tolist():
                flow = float(self.books.flow[number])
                other = next((o for o in jumps if abs(o.amount - flow) <= self.tolerance), None)
                if other is None or {jump.number, other.number} & seen:
                    continue
                seen |= {jump.number, other.number}
                here, claimed = moment(self.books, jump.bar), moment(self.books, other.bar)
                text = f"row {there.fills.row[number]} is of {here}, in the claims of {claimed}"
                bar, column = min(jump.bar, other.bar), int(there.column[number])
                yield Finding(Fault.MOVED, bar, column, text, abs(flow), (number,)), jump.number, other.number

    def _one_fill(self, jump: _Jump) -> Finding | None:
        """All that one of the fills paid or received."""
        flow = self.books.flow[jump.fills]
        for number in jump.fills[np.abs(jump.amount + flow) <= self.tolerance].tolist():
            if number in self._confirmed:
                continue
            self._confirmed.add(number)
            there = self.books.placed
            self._apart[there.column[number]] -= there.fills.quantity[number]
            if number in self.alike or number in self.alike.values():
                pairs = {again: one for again, one in self.alike.items() if number in (again, one)}
                self._confirmed.update(pairs)
                return twice(self.books, pairs)
            moved = money(float(self.books.flow[number]))
            text = f"row {there.fills.row[number]} moved cash by {moved} in the books alone"
            return Finding(Fault.UNCLAIMED, jump.bar, int(there.column[number]), text, jump.amount, (number,))
        return None

    def _missing(self, jump: _Jump) -> Finding | None:
        """A fill that the claims have: the difference of equity and cash is then a quantity at one price."""
        cash, equity = self.ties["cash"], self.ties.get("equity")
        if equity is None or not np.array_equal(cash.bar, equity.bar):
            return None
        known = np.flatnonzero(self._apart)
        at = np.maximum(cash.bar, 0)
        apart = equity.difference - cash.difference
        apart -= self.books.valuation[np.ix_(at, known)] @ self._apart[known]
        before = float(apart[jump.number - 1]) if jump.number else 0.0
        following = slice(jump.number, jump.number + FOLLOWED)
        if abs(before) > self.tolerance or at[following].size < 2:
            # Another difference is there already, or nothing follows to tell by.
            return self._exchanged(jump, float(apart[jump.number]) - before)
        prices = self.books.valuation[at[following]]
        with np.errstate(invalid="ignore", divide="ignore"):
            quantity = apart[following, np.newaxis] / prices
            paid = -jump.amount / quantity[0]
        spread = np.ptp(quantity, axis=0)
        # Of what follows the price within the tolerance of a claim the nearest counts.
        allowed = 2 * self.tolerance / np.min(prices, axis=0) + NEARLY * np.abs(quantity[0])
        low, high = self.books.prices.low[jump.bar], self.books.prices.high[jump.bar]
        fits = (spread <= allowed) & (paid >= low * (1 - BEYOND)) & (paid <= high * (1 + BEYOND))
        if not fits.any():
            return self._exchanged(jump, float(apart[jump.number]) - before)
        column = int(np.argmin(np.where(fits, spread / np.maximum(allowed, 1e-300), np.inf)))
        more = float(quantity[:, column].mean())
        self._apart[column] += more
        return self._told_missing(jump, column, more)

    def _exchanged(self, jump: _Jump, worth: float) -> Finding | None:
        """Cash that went into holdings of about that *worth*, or came of them, nobody can tell of what."""
        if not self.tolerance < abs(worth + jump.amount) <= BEYOND * abs(jump.amount):
            return None  # of equity that does not change at all nothing was traded at a price of its own
        way = "bought" if jump.amount < 0 else "sold"
        paid, held = money(abs(jump.amount)), money(abs(worth))
        text = f"the claims have something {way} for {paid}, of a worth of {held}, that no fill tells of"
        return Finding(Fault.MISSING, jump.bar, -1, text, jump.amount, tuple(jump.fills.tolist()))

    def _repriced(self, jump: _Jump) -> Finding | None:
        """A fill outside of its bar's range, at the price in the range that the claims have it at."""
        there, prices = self.books.placed, self.books.prices
        for number in jump.fills.tolist():
            column, bar = int(there.column[number]), int(there.bar[number])
            low, high, price = prices.low[bar, column], prices.high[bar, column], there.fills.price[number]
            claimed = price - jump.amount / there.fills.quantity[number]
            if not low <= price <= high and low * (1 - BEYOND) <= claimed <= high * (1 + BEYOND):
                text = (
                    f"row {there.fills.row[number]} is at {price:,.6g}, in the claims at about {claimed:,.6g}"
                )
                return Finding(Fault.ALTERED, bar, column, text, jump.amount, (number,))
        return None

    def _told_missing(self, jump: _Jump, column: int, quantity: float) -> Finding:
        """What the claims have more of an instrument: all of a fill, or a part of one that there is."""
        symbol, way = self.books.prices.symbols[column], "bought" if quantity > 0 else "sold"
        there = self.books.placed
        for number in jump.fills[there.column[jump.fills] == column].tolist():
            size = there.fills.quantity[number]
            claimed = size + quantity
            if abs(claimed) <= UNITS:
                break  # what the fill did is undone by one that is not there
            text = (
                f"row {there.fills.row[number]} is of {size:,.6g} {symbol}, in the claims of {claimed:,.6g};"
                f" or another one, of {quantity:,.6g}, is missing"
            )
            return Finding(Fault.ALTERED, jump.bar, column, text, jump.amount, (number,))
        price = abs(jump.amount / quantity)
        text = (
            f"the claims have {abs(quantity):,.6g} {symbol} {way}, at about {price:,.6g} with its commission"
        )
        return Finding(Fault.MISSING, jump.bar, column, text, jump.amount, ())

    # --- positions, equity, P&L ----------------------------------------------------------------------

    def _of_positions(self, tie: Tie) -> Iterator[Finding]:
        """Each instrument whose claimed position departs, at the first bar at which it does."""
        apart, cash = tie.difference, self.ties.get("cash")
        seen: set[int] = set()
        for number in np.flatnonzero(tie.departs).tolist():
            bar, column = int(tie.bar[number]), int(tie.column[number])
            if column in seen:
                continue
            seen.add(column)
            symbol = self.books.prices.symbols[column]
            text = f"{tie.claimed[number]:,.8g} {symbol} claimed, the fills leave {tie.booked[number]:,.8g}"
            fills = self.books.between(int(tie.last[number]), bar, column)
            amount = float(apart[number] * self.books.valuation[bar, column])
            yield Finding(Fault.POSITION, bar, column, text, amount, tuple(fills.tolist()))
            # With equity beside cash, their differences tell this as well, and of what there is no claim.
            if cash is not None and "equity" not in self.ties:
                for jump in self._jumps(cash):
                    if jump.bar == bar and abs(jump.amount + amount) <= BEYOND * abs(amount):
                        yield self._told_missing(evolve(jump, fills=fills), column, float(apart[number]))

    def _of_equity(self, tie: Tie) -> Iterator[Finding]:
        """Cash agrees and equity does not: holdings are worth something else."""
        number = tie.first
        bar, text = int(tie.bar[number]), ""
        wrong = np.flatnonzero(tie.departs)
        prices = self.books.prices
        before = np.vstack([self.books.valuation[:1], self.books.valuation[:-1]])
        for word, panel in (
            ("the close before", before),
            ("the open", prices.open),
            ("the high", prices.high),
            ("the low", prices.low),
        ):
            held, at = self.books.held[tie.bar[wrong]], panel[tie.bar[wrong]]
            worth = np.where(held != 0, held * at, 0.0).sum(axis=1)
            if np.all(np.abs(self.books.cash[tie.bar[wrong]] + worth - tie.claimed[wrong]) <= self.tolerance):
                text = f", which is what they are at {word}"
                break
        held_at = money(tie.claimed[number] - self.books.cash[bar])
        told = f"holdings at {held_at}{text}; at the close {money(tie.booked[number] - self.books.cash[bar])}"
        if bar < 0:
            told = f"{money(tie.claimed[number])} before the first bar; cash was {money(self.books.opening)}"
        yield Finding(Fault.EQUITY, bar, -1, told, math.nan, tuple(tie.fills.tolist()), wrong.size)

    def _of_pnl(self, tie: Tie, equity: Tie | None) -> Iterator[Finding]:
        """P&L beside the change of the equity that is claimed with it, or else of that in the books."""
        booked = min(
            self._changes(tie, equity),
            key=lambda changes: int((np.abs(tie.claimed - changes) > self.tolerance).sum()),
        )
        wrong = np.flatnonzero(~(np.abs(tie.claimed - booked) <= self.tolerance))
        if not wrong.size:
            return
        number = int(wrong[0])
        bar, fills = int(tie.bar[number]), self.books.between(int(tie.last[number]), int(tie.bar[number]))
        apart = tie.claimed - booked
        fees = np.zeros(self.books.cash.size)
        np.add.at(fees, self.books.placed.bar, self.books.placed.fills.fee)
        paid = np.diff(np.append(0.0, fees.cumsum()[tie.bar]))
        paid = paid.cumsum() if tie.what == "total_pnl" else paid
        is_gross = np.all(np.abs(apart[wrong] - paid[wrong]) <= self.tolerance)
        why = ": it is before commission" if is_gross else ""
        if tie.what == "pnl" and np.all(np.abs(tie.claimed - booked.cumsum()) <= self.tolerance):
            why = ": it is P&L so far; say --columns claims.total_pnl=THEIRS"
        paid_in = np.append(0.0, self.books.paid_in)[tie.bar + 1]
        paid_in = paid_in if tie.what == "total_pnl" else np.diff(paid_in, prepend=0.0)
        if np.any(paid_in) and np.all(np.abs(apart[wrong] - paid_in[wrong]) <= self.tolerance):
            why = ": deposits and withdrawals are in it"
        what, since = ("P&L so far", " since the opening") if tie.what == "total_pnl" else ("P&L", "")
        changed = f"equity changed by {money(float(booked[number]))}{since}"
        changed += " but for deposits and withdrawals" if np.any(paid_in) else ""
        text = f"{what} of {money(tie.claimed[number])}, {changed}{why}"
        yield Finding(Fault.PNL, bar, -1, text, math.nan, tuple(fills.tolist()), wrong.size)

    def _changes(self, tie: Tie, equity: Tie | None) -> list[Floats]:
        """What P&L may be of: the equity that is claimed at the same bars, or else that in the books.

        The opening that claims begin with may be that of the books, or as far from it as their first row.
        """
        if equity is None or not np.all(np.isin(tie.bar, equity.bar)):
            return [tie.booked]
        place = np.searchsorted(equity.bar, tie.bar)
        found = []
        for start in (
            self.books.opening,
            self.books.opening + float((equity.claimed - equity.booked)[:1].sum()),
        ):
            so_far = equity.claimed - start - np.append(0.0, self.books.paid_in)[equity.bar + 1]
            changes = so_far if tie.what == "total_pnl" else np.diff(so_far, prepend=0.0)
            found.append(changes[place])
        return found

    def _of_trades(self, tie: Tie) -> Finding:
        """Trades of an instrument that gained something else than its fills brought in."""
        number = tie.first
        bar, column = int(tie.bar[number]), int(tie.column[number])
        fees = float(self.books.placed.fills.fee[self.books.between(-1, bar, column)].sum())
        apart = float(tie.difference[number])
        why = ""
        for word, paid in (("it is before commission", fees), ("it has commission twice", -fees)):
            if abs(paid) > self.tolerance and abs(apart - paid) <= self.tolerance:
                why = f": {word}"
        symbol = self.books.prices.symbols[column]
        claimed, booked = money(tie.claimed[number]), money(tie.booked[number])
        text = f"{symbol} gained {claimed} by its trades, {booked} by its fills{why}"
        times = np.unique(tie.column[tie.departs]).size
        return Finding(Fault.TRADES, bar, column, text, math.nan, tuple(tie.fills.tolist()), times)

    def _left_alike(self) -> Iterator[Finding]:
        """Fills alike in every column of which claims say nothing; where claims agree, both have been."""
        left = {n: first for n, first in self.alike.items() if n not in self._confirmed}
        compared = [tie for tie in self.ties.values() if tie.bar.size]
        is_told = self.books.placed.fills.order is not None and not all(tie.agrees for tie in compared)
        if left and (is_told or not compared):
            found = twice(self.books, left)
            yield evolve(
                found, text=f"{found.text}; parts of one order may be, and claims of cash would tell"
            )


def named(findings: Sequence[Finding]) -> list[Finding]:
    """Without what another finding says better: a fill that is missing or there twice explains a position."""
    explained = {Fault.MISSING, Fault.ALTERED, Fault.TWICE, Fault.UNCLAIMED, Fault.MOVED}
    better = {(finding.bar, finding.column) for finding in findings if finding.fault in explained}
    return [f for f in findings if f.fault is not Fault.POSITION or (f.bar, f.column) not in better]

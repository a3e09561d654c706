"""Reasons why a claim differs from the books: each classic fault has a signature to look for.

A single fault shifts the difference between claim and books at one time, and the shift stays. So the module
looks at changes of the difference from one claim to the next, and at the fills between. A change may equal
the commission of these fills, or the cash flow of one of them. Or the difference of equity may follow the
price of one instrument from then on.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from attrs import evolve, frozen

from tieout.ledger.numeric import Floats, Int64s
from tieout.validation.audit.books import Books
from tieout.validation.audit.faults import Fault, Finding, duplicate_finding, duplicates, moment, money
from tieout.validation.audit.ties import UNITS, Tie

FOLLOWING = 5
"""Number of claims over which a difference must follow one price, as a sign of a missing fill."""
RELATIVE = 1e-6
"""Relative tolerance of the implied missing quantity."""
ROUNDING = 4
"""Multiple of the tolerance for figures that are computed from claims in whole cents."""
BEYOND = 0.05
"""Allowed distance of a missing fill's implied price from its bar's range, for commission and slippage."""


@frozen(eq=False)
class _Jump:
    """A change of the difference: its bar, its amount, and the fills since the previous claim."""

    number: int
    bar: int
    amount: float
    fills: Int64s


class Suspicion:
    """The faults that explain the ties of one account."""

    def __init__(self, books: Books, ties: Sequence[Tie], tolerance: float) -> None:
        self.books = books
        # If several files claim the same figure, the first that differs counts, or else the first.
        self.ties: Mapping[str, Tie] = {
            what: min((tie for tie in ties if tie.what == what), key=lambda tie: tie.agrees)
            for what in dict.fromkeys(tie.what for tie in ties)
        }
        # Rounding errors add up: a change between two claims in whole cents may be off by one cent.
        self.tolerance = tolerance * (ROUNDING if any(tie.is_rounded for tie in ties) else 1)
        self.repeats = duplicates(books)
        self._confirmed: set[int] = set()
        # Positions of the claims less those of the books, by column, from the findings so far.
        self._apart = np.zeros(len(books.prices.symbols))

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for every difference with a signature, and a general one for every other."""
        cash, equity, positions = (self.ties.get(what) for what in ("cash", "equity", "positions"))
        if positions is not None and not positions.agrees:
            yield from self._of_positions(positions)
        money_tie = cash or equity
        missing = self._missing_commission(money_tie) if money_tie is not None else None
        if missing is not None:
            yield missing
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
        yield from self._duplicates()

    # --- cash ----------------------------------------------------------------------------------------

    def _jumps(self, tie: Tie) -> Iterator[_Jump]:
        change = np.diff(tie.difference, prepend=0.0)
        if tie.agrees:
            return
        for number in np.flatnonzero(~(np.abs(change) <= self.tolerance)).tolist():
            bar = int(tie.bar[number])
            yield _Jump(number, bar, float(change[number]), self.books.between(int(tie.last[number]), bar))

    def _of_jumps(self, tie: Tie, otherwise: Fault) -> Iterator[Finding]:
        """Explain each change of the difference."""
        jumps = list(self._jumps(tie))
        shifts = list(self._shifts(jumps))
        explained = {number for _, *pair in shifts for number in pair}
        yield from (finding for finding, *_ in shifts)
        for jump in jumps:
            if jump.number in explained:
                continue
            finding = self._commission(jump) or self._one_fill(jump)
            if finding is None and otherwise is Fault.CASH:
                finding = self._missing(jump) or self._other_price(jump)
            if finding is not None:
                yield finding
                continue
            text = f"claimed {money(tie.claimed[jump.number])},"
            text += f" the books have {money(tie.booked[jump.number])}"
            if not tie.differs[jump.number]:
                text = f"claimed {money(tie.claimed[jump.number])}, as in the books again"
            if otherwise is Fault.CASH:
                text += f"; {self._of_flows(tie, jump)}"
            yield Finding(otherwise, jump.bar, -1, text, jump.amount, tuple(jump.fills.tolist()))
            if otherwise is Fault.EQUITY:
                return  # positions keep changing such a difference

    def _of_flows(self, tie: Tie, jump: _Jump) -> str:
        """Name the row of flows that the claims lack, or the remedy for a missing row."""
        moves = self.books.placed.moves
        since = (moves.bar > tie.last[jump.number]) & (moves.bar <= jump.bar)
        rows = np.flatnonzero(since & (np.abs(jump.amount + moves.amount) <= self.tolerance))
        if rows.size:
            amount = money(float(moves.amount[rows[0]]))
            return f"row {moves.row[rows[0]]} of {moves.name} moved {amount} in the books alone"
        if moves.name:
            return f"add a row of {money(jump.amount)} to {moves.name}"
        return f"give the payment of {money(jump.amount)} with --flows FILE"

    def _missing_commission(self, tie: Tie) -> Finding | None:
        """Explain every jump by commission at one rate, if the fills have none."""
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
                return None  # cash moved without a fill
            rate = -sum(jump.amount for jump in jumps) / float(sums.sum())
            apart = np.abs([jump.amount + rate * total for jump, total in zip(jumps, sums, strict=True)])
            if rate > 0 and np.all(apart <= self.tolerance):
                every = tuple(number for jump in jumps for number in jump.fills.tolist())
                text = f"every difference is commission at one rate: use {option} {rate:.6g}"
                return Finding(
                    Fault.COMMISSION_MISSING,
                    jumps[0].bar,
                    -1,
                    text,
                    -rate * float(sums.sum()),
                    every,
                    len(jumps),
                )
        return None

    def _commission(self, jump: _Jump) -> Finding | None:
        """Explain a jump by the commission of its fills or of one: counted twice, left out or reversed."""
        fee = self.books.placed.fills.fee[jump.fills]
        parts = [(float(fee.sum()), jump.fills)]
        parts += [(float(one), jump.fills[n : n + 1]) for n, one in enumerate(fee.tolist())]
        for paid, fills in parts:
            for fault, times, what in (
                (Fault.COMMISSION_TWICE, -1, "the amount of their commission"),
                (Fault.COMMISSION_LEFT_OUT, 1, "the amount of their commission"),
                (
                    Fault.COMMISSION_REVERSED,
                    2,
                    f"a commission of {money(paid)} is {money(-paid)} in the claims",
                ),
            ):
                if abs(paid) > self.tolerance and abs(jump.amount - times * paid) <= self.tolerance:
                    word = "less" if jump.amount < 0 else "more"
                    text = f"{money(abs(jump.amount))} {word} than the fills imply: {what}"
                    return Finding(fault, jump.bar, -1, text, jump.amount, tuple(fills.tolist()))
        return None

    def _shifts(self, jumps: Sequence[_Jump]) -> Iterator[tuple[Finding, int, int]]:
        """Find fills that the claims have at another time: two jumps of opposite amounts."""
        placed, numbers = self.books.placed, set[int]()
        for jump in jumps:
            flows = self.books.flow[jump.fills]
            for number in jump.fills[np.abs(jump.amount + flows) <= self.tolerance].tolist():
                flow = float(self.books.flow[number])
                other = next((o for o in jumps if abs(o.amount - flow) <= self.tolerance), None)
                if other is None or {jump.number, other.number} & numbers:
                    continue
                numbers |= {jump.number, other.number}
                here, claimed = moment(self.books, jump.bar), moment(self.books, other.bar)
                text = f"row {placed.fills.row[number]} is at {here}, in the claims at {claimed}"
                bar, column = min(jump.bar, other.bar), int(placed.column[number])
                yield Finding(Fault.MOVED, bar, column, text, abs(flow), (number,)), jump.number, other.number

    def _one_fill(self, jump: _Jump) -> Finding | None:
        """Explain a jump by the cash flow of one of its fills."""
        flow = self.books.flow[jump.fills]
        for number in jump.fills[np.abs(jump.amount + flow) <= self.tolerance].tolist():
            if number in self._confirmed:
                continue
            self._confirmed.add(number)
            placed = self.books.placed
            self._apart[placed.column[number]] -= placed.fills.quantity[number]
            if number in self.repeats or number in self.repeats.values():
                pairs = {again: one for again, one in self.repeats.items() if number in (again, one)}
                self._confirmed.update(pairs)
                return duplicate_finding(self.books, pairs)
            flow_text = money(float(self.books.flow[number]))
            text = f"row {placed.fills.row[number]} moved cash by {flow_text} in the books alone"
            return Finding(
                Fault.UNCLAIMED, jump.bar, int(placed.column[number]), text, jump.amount, (number,)
            )
        return None

    def _missing(self, jump: _Jump) -> Finding | None:
        """Explain a jump by a missing fill: equity less cash then differs by a quantity at one price."""
        cash, equity = self.ties["cash"], self.ties.get("equity")
        if equity is None or not np.array_equal(cash.bar, equity.bar):
            return None
        columns = np.flatnonzero(self._apart)
        at = np.maximum(cash.bar, 0)
        apart = equity.difference - cash.difference
        apart -= self.books.valuation[np.ix_(at, columns)] @ self._apart[columns]
        before = float(apart[jump.number - 1]) if jump.number else 0.0
        following = slice(jump.number, jump.number + FOLLOWING)
        if abs(before) > self.tolerance or at[following].size < 2:
            # There is another difference already, or too few claims follow.
            return self._unknown_fill(jump, float(apart[jump.number]) - before)
        prices = self.books.valuation[at[following]]
        with np.errstate(invalid="ignore", divide="ignore"):
            quantity = apart[following, np.newaxis] / prices
            price = -jump.amount / quantity[0]
        spread = np.ptp(quantity, axis=0)
        # Among instruments that fit within the tolerance, the nearest counts.
        allowed = 2 * self.tolerance / np.min(prices, axis=0) + RELATIVE * np.abs(quantity[0])
        low, high = self.books.prices.low[jump.bar], self.books.prices.high[jump.bar]
        fits = (spread <= allowed) & (price >= low * (1 - BEYOND)) & (price <= high * (1 + BEYOND))
        if not fits.any():
            return self._unknown_fill(jump, float(apart[jump.number]) - before)
        column = int(np.argmin(np.where(fits, spread / np.maximum(allowed, 1e-300), np.inf)))
        extra = float(quantity[:, column].mean())
        self._apart[column] += extra
        return self._missing_finding(jump, column, extra)

    def _unknown_fill(self, jump: _Jump, market_value: float) -> Finding | None:
        """Explain a jump by a missing fill of about *market_value* in an unknown instrument."""
        if not self.tolerance < abs(market_value + jump.amount) <= BEYOND * abs(jump.amount):
            return None  # equity that does not change at all is no trade at a price of its own
        verb = "bought" if jump.amount < 0 else "sold"
        price, value = money(abs(jump.amount)), money(abs(market_value))
        text = f"the claims {verb} for {price} a position worth {value}, without a fill"
        return Finding(Fault.MISSING, jump.bar, -1, text, jump.amount, tuple(jump.fills.tolist()))

    def _other_price(self, jump: _Jump) -> Finding | None:
        """Explain a jump by a fill outside of its bar's range that the claims have at a price inside."""
        placed, prices = self.books.placed, self.books.prices
        for number in jump.fills.tolist():
            column, bar = int(placed.column[number]), int(placed.bar[number])
            low, high, price = prices.low[bar, column], prices.high[bar, column], placed.fills.price[number]
            claimed = price - jump.amount / placed.fills.quantity[number]
            if not low <= price <= high and low * (1 - BEYOND) <= claimed <= high * (1 + BEYOND):
                row = placed.fills.row[number]
                text = f"row {row} is at {price:,.6g}, in the claims at about {claimed:,.6g}"
                return Finding(Fault.ALTERED, bar, column, text, jump.amount, (number,))
        return None

    def _missing_finding(self, jump: _Jump, column: int, quantity: float) -> Finding:
        """Make the finding for a quantity that only the claims have: a fill, or part of one."""
        symbol, verb = self.books.prices.symbols[column], "bought" if quantity > 0 else "sold"
        placed = self.books.placed
        for number in jump.fills[placed.column[jump.fills] == column].tolist():
            size = placed.fills.quantity[number]
            claimed = size + quantity
            if abs(claimed) <= UNITS:
                break  # a missing fill offsets this one
            text = (
                f"row {placed.fills.row[number]} is {size:,.6g} {symbol}, in the claims {claimed:,.6g},"
                f" or another fill of {quantity:,.6g} is missing"
            )
            return Finding(Fault.ALTERED, jump.bar, column, text, jump.amount, (number,))
        price = abs(jump.amount / quantity)
        text = f"the claims {verb} {abs(quantity):,.6g} {symbol} at about {price:,.6g}, commission included"
        return Finding(Fault.MISSING, jump.bar, column, text, jump.amount, ())

    # --- positions, equity, P&L ----------------------------------------------------------------------

    def _of_positions(self, tie: Tie) -> Iterator[Finding]:
        """Yield each instrument whose claimed position differs, at the first such bar."""
        apart, cash = tie.difference, self.ties.get("cash")
        columns: set[int] = set()
        for number in np.flatnonzero(tie.differs).tolist():
            bar, column = int(tie.bar[number]), int(tie.column[number])
            if column in columns:
                continue
            columns.add(column)
            symbol = self.books.prices.symbols[column]
            text = f"{tie.claimed[number]:,.8g} {symbol} claimed, {tie.booked[number]:,.8g} from the fills"
            fills = self.books.between(int(tie.last[number]), bar, column)
            amount = float(apart[number] * self.books.valuation[bar, column])
            yield Finding(Fault.POSITION, bar, column, text, amount, tuple(fills.tolist()))
            # With equity beside cash, their difference shows this too, even for positions without a claim.
            if cash is not None and "equity" not in self.ties:
                for jump in self._jumps(cash):
                    if jump.bar == bar and abs(jump.amount + amount) <= BEYOND * abs(amount):
                        yield self._missing_finding(evolve(jump, fills=fills), column, float(apart[number]))

    def _of_equity(self, tie: Tie) -> Iterator[Finding]:
        """Explain equity that differs while cash agrees: positions are valued at another price."""
        number = tie.first
        bar, valuation = int(tie.bar[number]), ""
        rows = np.flatnonzero(tie.differs)
        prices = self.books.prices
        before = np.vstack([self.books.valuation[:1], self.books.valuation[:-1]])
        for word, panel in (
            ("the close before", before),
            ("the open", prices.open),
            ("the high", prices.high),
            ("the low", prices.low),
        ):
            position, price = self.books.positions[tie.bar[rows]], panel[tie.bar[rows]]
            value = np.where(position != 0, position * price, 0.0).sum(axis=1)
            if np.all(np.abs(self.books.cash[tie.bar[rows]] + value - tie.claimed[rows]) <= self.tolerance):
                valuation = f", their value at {word}"
                break
        claimed = money(tie.claimed[number] - self.books.cash[bar])
        booked = money(tie.booked[number] - self.books.cash[bar])
        text = f"positions valued at {claimed}{valuation}, against {booked} at the close"
        if bar < 0:
            claimed, opening = money(tie.claimed[number]), money(self.books.opening)
            text = f"{claimed} before the first bar, when cash was {opening}"
        yield Finding(Fault.EQUITY, bar, -1, text, math.nan, tuple(tie.fills.tolist()), rows.size)

    def _of_pnl(self, tie: Tie, equity: Tie | None) -> Iterator[Finding]:
        """Compare P&L with the change of the claimed equity, or of the booked equity without a claim."""
        booked = min(
            self._changes(tie, equity),
            key=lambda changes: int((np.abs(tie.claimed - changes) > self.tolerance).sum()),
        )
        rows = np.flatnonzero(~(np.abs(tie.claimed - booked) <= self.tolerance))
        if not rows.size:
            return
        number = int(rows[0])
        bar, fills = int(tie.bar[number]), self.books.between(int(tie.last[number]), int(tie.bar[number]))
        apart = tie.claimed - booked
        fees = np.zeros(self.books.cash.size)
        np.add.at(fees, self.books.placed.bar, self.books.placed.fills.fee)
        commission = np.diff(np.append(0.0, fees.cumsum()[tie.bar]))
        commission = commission.cumsum() if tie.what == "total_pnl" else commission
        is_gross = np.all(np.abs(apart[rows] - commission[rows]) <= self.tolerance)
        why = ": the claim is before commission" if is_gross else ""
        if tie.what == "pnl" and np.all(np.abs(tie.claimed - booked.cumsum()) <= self.tolerance):
            why = ": it is cumulative P&L; use --columns claims.total_pnl=THEIRS"
        net_flow = np.append(0.0, self.books.net_flow)[tie.bar + 1]
        net_flow = net_flow if tie.what == "total_pnl" else np.diff(net_flow, prepend=0.0)
        if np.any(net_flow) and np.all(np.abs(apart[rows] - net_flow[rows]) <= self.tolerance):
            why = ": it includes deposits and withdrawals"
        what, since = ("cumulative P&L", " since the opening") if tie.what == "total_pnl" else ("P&L", "")
        change = f"equity changed by {money(float(booked[number]))}{since}"
        change += " net of deposits and withdrawals" if np.any(net_flow) else ""
        text = f"{what} of {money(tie.claimed[number])}, {change}{why}"
        yield Finding(Fault.PNL, bar, -1, text, math.nan, tuple(fills.tolist()), rows.size)

    def _changes(self, tie: Tie, equity: Tie | None) -> list[Floats]:
        """Return candidate changes of equity: claimed at the same bars, or else booked.

        The opening of the claims may be that of the books, or differ from it by as much as their first row.
        """
        if equity is None or not np.all(np.isin(tie.bar, equity.bar)):
            return [tie.booked]
        place = np.searchsorted(equity.bar, tie.bar)
        candidates = []
        for start in (
            self.books.opening,
            self.books.opening + float((equity.claimed - equity.booked)[:1].sum()),
        ):
            changes_since = equity.claimed - start - np.append(0.0, self.books.net_flow)[equity.bar + 1]
            changes = changes_since if tie.what == "total_pnl" else np.diff(changes_since, prepend=0.0)
            candidates.append(changes[place])
        return candidates

    def _of_trades(self, tie: Tie) -> Finding:
        """Make the finding for trades whose P&L is not the cash flow of the fills."""
        number = tie.first
        bar, column = int(tie.bar[number]), int(tie.column[number])
        fees = float(self.books.placed.fills.fee[self.books.between(-1, bar, column)].sum())
        apart = float(tie.difference[number])
        why = ""
        for word, paid in (("it is before commission", fees), ("it counts commission twice", -fees)):
            if abs(paid) > self.tolerance and abs(apart - paid) <= self.tolerance:
                why = f": {word}"
        symbol = self.books.prices.symbols[column]
        claimed, booked = money(tie.claimed[number]), money(tie.booked[number])
        text = f"P&L of {symbol} is {claimed} from its trades, {booked} from its fills{why}"
        times = np.unique(tie.column[tie.differs]).size
        return Finding(Fault.TRADES, bar, column, text, math.nan, tuple(tie.fills.tolist()), times)

    def _duplicates(self) -> Iterator[Finding]:
        """Report duplicated fills that no claim decides on. Claims that agree confirm both fills."""
        undecided = {n: first for n, first in self.repeats.items() if n not in self._confirmed}
        ties = [tie for tie in self.ties.values() if tie.bar.size]
        has_orders = self.books.placed.fills.order is not None and not all(tie.agrees for tie in ties)
        if undecided and (has_orders or not ties):
            finding = duplicate_finding(self.books, undecided)
            yield evolve(
                finding,
                text=f"{finding.text}. They may be parts of one order, which claims of cash would show",
            )


def without_symptoms(findings: Sequence[Finding]) -> list[Finding]:
    """Drop a finding of a position that another finding explains, such as a missing or duplicated fill."""
    explained = {Fault.MISSING, Fault.ALTERED, Fault.TWICE, Fault.UNCLAIMED, Fault.MOVED}
    better = {(finding.bar, finding.column) for finding in findings if finding.fault in explained}
    return [f for f in findings if f.fault is not Fault.POSITION or (f.bar, f.column) not in better]

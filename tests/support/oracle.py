"""A second set of books, kept another way, to compare the ledger with.

It shares nothing with the ledger: no import, no transfers, no account numbers, no arrays, no 64 bits. A
balance is a plain number in a dictionary, and an event changes one side of its entry at a time. That all
sides balance is therefore a finding here and not a construction. Lots are small objects picked by sorting,
and a transaction is undone by going back to a copy.

Amounts are whole units of a commodity. Debit is above zero.
"""

# ruff: noqa: FBT001, FBT002  the flags of the events themselves

from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from fractions import Fraction

LARGEST = (1 << 63) - 1
Key = tuple[str, str]  # path and commodity


class Refused(Exception):
    """A refusal of an event, with the names of all reasons that hold at once."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(*reasons)
        self.reasons = set(reasons)


@dataclass
class Lot:
    """Units acquired together. Quantity and cost are without sign."""

    number: int
    instrument: str
    side: str
    acquired: tuple[int, int]
    quantity: int = 0
    cost: int = 0
    rank: Fraction = Fraction(0)  # cost per unit as the last transaction left it

    @property
    def sign(self) -> int:
        return 1 if self.side == "long" else -1

    @property
    def signed(self) -> tuple[int, int, int]:
        return (self.number, self.sign * self.quantity, self.sign * self.cost)


@dataclass
class State:
    """Everything that a refused transaction may not change."""

    held: defaultdict[Key, int] = field(default_factory=lambda: defaultdict(int))
    lots: dict[int, Lot] = field(default_factory=dict)
    next_lot: int = 0
    time: int | None = None
    cost_in: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    cost_out: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))


@dataclass
class Posted:
    """The changes of a transaction, for its reversal."""

    held: dict[Key, int]
    lots: dict[int, tuple[int, int]]
    is_split: bool = False
    reverses: int = -1
    reversed_by: int = -1


# Events that move one amount of a currency: what grows and what shrinks, in debits.
PLAIN: dict[str, tuple[str, str]] = {
    "deposit": ("Assets:Cash:{}", "Equity:Contributions"),
    "withdrawal": ("Equity:Contributions", "Assets:Cash:{}"),
    "pay_trades": ("Liabilities:Payable:Trades", "Assets:Cash:{}"),
    "borrow": ("Assets:Cash:{}", "Liabilities:MarginLoan:{}"),
    "repay": ("Liabilities:MarginLoan:{}", "Assets:Cash:{}"),
    "dividend": ("Assets:Receivable:Dividends", "Income:Dividends"),
    "dividend_on_short": ("Expenses:DividendsOnShorts", "Liabilities:Payable:Dividends"),
    "dividend_on_short_payment": ("Liabilities:Payable:Dividends", "Assets:Cash:{}"),
    "borrow_fee": ("Expenses:BorrowFees", "Liabilities:Accrued:BorrowFees"),
    "borrow_fee_payment": ("Liabilities:Accrued:BorrowFees", "Assets:Cash:{}"),
    "margin_interest": ("Expenses:MarginInterest", "Liabilities:Accrued:Interest"),
    "margin_interest_payment": ("Liabilities:Accrued:Interest", "Assets:Cash:{}"),
    "interest": ("Assets:Receivable:Interest", "Income:Interest"),
    "interest_payment": ("Assets:Cash:{}", "Assets:Receivable:Interest"),
}
NEVER_BELOW_ZERO = (
    "Assets:Cash:",
    "Assets:Receivable:Dividends",
    "Assets:Receivable:Interest",
    "Assets:Positions:",
    "Assets:Margin:",
    "Memo:Margin:Required",
)
NEVER_ABOVE_ZERO = ("Liabilities:",)


class Oracle:
    """Books of *instruments* (each with the currency it is priced in), relieved by one method.

    *free* are paths that may be overdrawn, *floors* accounts of the user that may not.
    """

    def __init__(
        self,
        instruments: dict[str, str],
        relief: str,
        free: Iterable[str] = (),
        floors: Iterable[str] = (),
    ) -> None:
        self.currency_of = instruments
        self.relief = relief
        self.free = set(free)
        self.floors = set(floors)
        self.state = State()
        self.journal: list[Posted] = []
        self.every_lot: dict[int, Lot] = {}
        self._moved = False

    # --- queries -------------------------------------------------------------------------------------

    @property
    def balances(self) -> dict[Key, int]:
        """Return the balance of every account that is not at zero."""
        return {key: amount for key, amount in self.state.held.items() if amount}

    def queue(self, instrument: str, side: str) -> list[Lot]:
        """List the lots of one side, the first to be relieved at the front."""
        orders: dict[str, Callable[[Lot], tuple[Fraction | int, ...]]] = {
            "lifo": lambda lot: (-lot.number,),
            "hifo": lambda lot: (-lot.rank, lot.number),
        }
        lots = [x for x in self.state.lots.values() if (x.instrument, x.side) == (instrument, side)]
        return sorted(lots, key=orders.get(self.relief, lambda lot: (lot.number,)))

    # --- transactions --------------------------------------------------------------------------------

    def post(self, time: int, *events: tuple[str, tuple[object, ...]]) -> int:
        """Post events together and return the transaction's number, or raise `Refused` and change nothing."""
        if "split" in [name for name, _ in events[1:]]:
            raise Refused("InvalidEvent")
        this = self._post(time, lambda: [getattr(self, name)(*args) for name, args in events])
        self.journal[this].is_split = events[0][0] == "split"
        return this

    def reverse(self, time: int, number: int) -> int:
        """Put back everything that a transaction changed."""
        if not 0 <= number < len(self.journal):
            raise Refused("UnknownTransaction")
        posted = self.journal[number]
        if posted.reverses >= 0 or posted.reversed_by >= 0:
            raise Refused("AlreadyReversed")
        for later in self.journal[number + 1 :]:
            stands = later.reverses < 0 and later.reversed_by < 0
            if stands and (later.is_split or posted.is_split) and later.lots.keys() & posted.lots.keys():
                raise Refused("LotsDisturbed")

        def put_back() -> None:
            for key, change in posted.held.items():
                self._add(key, -change)
            for lot, (quantity, cost) in posted.lots.items():
                original = self.every_lot[lot]
                others = any(x.quantity for x in self.queue(original.instrument, original.side))
                if self.relief == "average" and lot not in self.state.lots and others:
                    raise Refused("LotsDisturbed")
                empty = Lot(original.number, original.instrument, original.side, original.acquired)
                again = self.state.lots.setdefault(lot, empty)
                again.quantity -= quantity
                again.cost -= cost
                self._count_cost(again, -cost)
            self._moved = True

        this = self._post(time, put_back)
        posted.reversed_by, self.journal[this].reverses = this, number
        return this

    def close_year(self, time: int) -> int:
        """Transfer income and expenses to retained earnings."""

        def close() -> None:
            for (path, commodity), amount in list(self.state.held.items()):
                if path.startswith(("Income:", "Expenses:")) and amount:
                    self._add((path, commodity), -amount)
                    self._add(("Equity:RetainedEarnings", commodity), amount)

        return self._post(time, close)

    def _post(self, time: int, change: Callable[[], object]) -> int:
        before = deepcopy(self.state)
        every_lot = dict(self.every_lot)
        self._moved = False
        try:
            self._require_later(time)
            change()
            self._judge()
        except Refused:
            self.state, self.every_lot = before, every_lot
            raise
        after = self.state
        after.time = time
        touched = before.lots.keys() | after.lots.keys()
        none = Lot(-1, "", "", (0, 0))
        changes = {
            n: (
                after.lots.get(n, none).quantity - before.lots.get(n, none).quantity,
                after.lots.get(n, none).cost - before.lots.get(n, none).cost,
            )
            for n in touched
        }
        moved = {k: after.held[k] - before.held.get(k, 0) for k in list(after.held)}
        self.journal.append(
            Posted(
                {key: amount for key, amount in moved.items() if amount},
                {n: change for n, change in changes.items() if change != (0, 0)},
            )
        )
        after.lots = {n: lot for n, lot in after.lots.items() if lot.quantity}
        for lot in after.lots.values():
            lot.rank = Fraction(lot.cost, lot.quantity)
        return len(self.journal) - 1

    def _require_later(self, time: int) -> None:
        if self.state.time is not None and time < self.state.time:
            raise Refused("BackdatedTransaction")

    def _judge(self) -> None:
        """Refuse what may not stand at the end of a transaction."""
        if not self._moved:
            raise Refused("EmptyTransaction")
        wrong = set()
        for key, amount in self.state.held.items():
            if amount * self._floor(key) < 0:
                wrong.add("Overdraft")
        for lot in self.state.lots.values():
            if lot.quantity < 0 or lot.cost < 0 or (lot.quantity == 0 and lot.cost):
                wrong.add("LotsDisturbed")
        for instrument in self.currency_of:
            owed = -self._of("Liabilities:Short:{}", instrument)
            if self._of("Assets:Margin:ShortProceeds:{}", instrument) > owed:
                wrong.add("LotsDisturbed")
        if wrong:
            raise Refused(*wrong)

    def _floor(self, key: Key) -> int:
        path, commodity = key
        if path in self.free or path.endswith(":Valuation") or commodity in self.currency_of:
            return 0
        if path.startswith(NEVER_BELOW_ZERO) or path in self.floors:
            return 1
        return -1 if path.startswith(NEVER_ABOVE_ZERO) else 0

    def _add(self, key: Key, amount: int) -> None:
        self.state.held[key] += amount
        self._moved = self._moved or amount != 0
        if abs(self.state.held[key]) > LARGEST:
            raise Refused("AmountOutOfRange")

    def _money(self, path: str, currency: str, amount: int) -> None:
        self._add((path.format(currency), currency), amount)

    def _units(self, instrument: str, amount: int) -> None:
        self._add((f"Assets:Positions:{instrument}", instrument), amount)
        self._add((f"Market:{instrument}", instrument), -amount)

    def _have(self, instrument: str) -> int:
        return self.state.held[f"Assets:Positions:{instrument}", instrument]

    def _of(self, path: str, instrument: str) -> int:
        return self.state.held[path.format(instrument), self.currency_of[instrument]]

    # --- plain money ---------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Callable[[str, int], None]:
        if name not in PLAIN:
            raise AttributeError(name)
        grows, shrinks = PLAIN[name]

        def plain(symbol: str, amount: int) -> None:
            currency = self.currency_of.get(symbol, symbol)
            if amount <= 0:
                raise Refused("AmountNotPositive")
            self._money(grows, currency, amount)
            self._money(shrinks, currency, -amount)

        return plain

    def receive_trades(self, currency: str, amount: int) -> None:
        self._money("Assets:Cash:{}", currency, amount)
        self._money("Assets:Receivable:Trades", currency, -amount)

    def dividend_payment(self, currency: str, amount: int, tax: int = 0) -> None:
        if amount <= 0 or tax < 0:
            raise Refused("AmountNotPositive")
        self._money("Assets:Cash:{}", currency, amount - tax)
        self._money("Expenses:WithholdingTax", currency, tax)
        self._money("Assets:Receivable:Dividends", currency, -amount)

    def perpetual_funding(self, currency: str, amount: int) -> None:
        if amount == 0:
            raise Refused("AmountNotPositive")
        self._money("Assets:Cash:{}", currency, amount)
        self._money("Income:Funding" if amount > 0 else "Expenses:Funding", currency, -amount)

    def fx_trade(self, bought: str, amount: int, sold: str, price: int) -> None:
        if bought == sold:
            raise Refused("SameAccount")
        for currency, change, sign in ((bought, amount, 1), (sold, price, -1)):
            if change <= 0:
                raise Refused("AmountNotPositive")
            self._money("Assets:Cash:{}", currency, sign * change)
            self._money("Trading:FX:{}", currency, -sign * change)

    def margin_requirement(self, currency: str, required: int) -> None:
        change = required - self.state.held["Memo:Margin:Required", currency]
        self._money("Memo:Margin:Required", currency, change)
        self._money("Memo:Margin:Contra", currency, -change)

    def transfer(self, debit: str, credit: str, amount: int, commodity: str) -> None:
        """Post an entry between two accounts."""
        if amount <= 0:
            raise Refused("AmountNotPositive")
        if debit == credit:
            raise Refused("SameAccount")
        self._add((debit, commodity), amount)
        self._add((credit, commodity), -amount)

    # --- trades --------------------------------------------------------------------------------------

    def buy(self, instrument: str, quantity: int, gross: int, fee: int = 0, settled: bool = True) -> None:
        side = self._pay_from(settled)
        self._open(instrument, "long", quantity, gross, side)
        self._fee(instrument, fee, side)

    def sell(
        self,
        instrument: str,
        quantity: int,
        proceeds: int,
        fee: int = 0,
        settled: bool = True,
        lot: int = -1,
    ) -> None:
        side = self._receive_in(settled)
        self._close(
            self._lots_to_relieve(instrument, "long", lot), instrument, "long", quantity, proceeds, side
        )
        self._fee(instrument, fee, side)

    def short_sale(
        self,
        instrument: str,
        quantity: int,
        proceeds: int,
        fee: int = 0,
        settled: bool = True,
        restricted: bool = True,
    ) -> None:
        side = self._receive_in(settled)
        self._open(instrument, "short", quantity, proceeds, side)
        if settled and restricted:
            self._set_aside(instrument, proceeds)
        self._fee(instrument, fee, side)

    def cover(
        self,
        instrument: str,
        quantity: int,
        gross: int,
        fee: int = 0,
        settled: bool = True,
        lot: int = -1,
    ) -> None:
        side = self._pay_from(settled)
        self._close(
            self._lots_to_relieve(instrument, "short", lot), instrument, "short", quantity, gross, side
        )
        self._fee(instrument, fee, side)

    def flip(self, instrument: str, quantity: int, gross: int, fee: int = 0, settled: bool = True) -> None:
        if quantity == 0 or gross < 0:
            raise Refused("AmountNotPositive")
        have = self._have(instrument)
        closing = min(abs(have), abs(quantity)) if have * quantity < 0 else 0
        opening = abs(quantity) - closing
        side = self._pay_from(settled) if quantity > 0 else self._receive_in(settled)
        part = gross * closing // abs(quantity)
        if closing:
            was = "long" if have > 0 else "short"
            self._close(self._lots_to_relieve(instrument, was, -1), instrument, was, closing, part, side)
        if opening:
            now = "long" if quantity > 0 else "short"
            self._open(instrument, now, opening, gross - part, side)
            if now == "short" and settled:
                self._set_aside(instrument, gross - part)
        self._fee(instrument, fee, side)

    def restrict_proceeds(self, instrument: str, amount: int) -> None:
        if amount <= 0:
            raise Refused("AmountNotPositive")
        owed = -self._of("Liabilities:Short:{}", instrument)
        self._set_aside(
            instrument, min(amount, owed - self._of("Assets:Margin:ShortProceeds:{}", instrument))
        )

    def delisting(self, instrument: str, amount: int) -> None:
        self.cash_in_lieu(instrument, abs(self._have(instrument)), amount)

    def cash_in_lieu(self, instrument: str, quantity: int, amount: int) -> None:
        side = "long" if self._have(instrument) > 0 else "short"
        self._close(self.queue(instrument, side), instrument, side, quantity, amount, "Assets:Cash:{}")

    def split(self, instrument: str, numerator: int, denominator: int) -> None:
        if numerator <= 0 or denominator <= 0:
            raise Refused("AmountNotPositive")
        for side in ("long", "short"):
            old = new = 0
            for lot in self.queue(instrument, side):
                old += lot.quantity
                # One whole multiple of the numerator is kept in reserve below the limit.
                if old // denominator > LARGEST // numerator - 1:
                    raise Refused("AmountOutOfRange")
                quantity = old * numerator // denominator - new
                new += quantity
                self._units(instrument, lot.sign * (quantity - lot.quantity))
                lot.quantity = quantity
                if quantity == 0:
                    self._write_off(lot)

    def valuation(self, instrument: str, market_value: int) -> None:
        short = self._have(instrument) < 0
        cost = self._of("Assets:Positions:{}", instrument)
        owed = -self._of("Liabilities:Short:{}", instrument)
        targets = {
            "Assets:Positions:{}:Valuation": 0 if short else market_value - cost,
            "Liabilities:Short:{}:Valuation": market_value + owed if short else 0,
        }
        currency = self.currency_of[instrument]
        for path, target in targets.items():
            change = target - self._of(path, instrument)
            if max(abs(target), abs(change)) > LARGEST:
                raise Refused("AmountOutOfRange")
            self._add((path.format(instrument), currency), change)
            self._add((f"Income:Unrealised:{instrument}", currency), -change)

    # --- futures -------------------------------------------------------------------------------------

    def futures_open(self, instrument: str, quantity: int, margin: int, fee: int = 0) -> None:
        if quantity == 0 or margin < 0:
            raise Refused("AmountNotPositive")
        if self._have(instrument) * quantity < 0:
            raise Refused("OppositePosition")
        self._units(instrument, quantity)
        self._fee(instrument, fee, "Assets:Cash:{}")
        self._futures_margin(instrument, margin)

    def variation_margin(self, instrument: str, gain: int) -> None:
        currency = self.currency_of[instrument]
        self._money("Assets:Cash:{}", currency, gain)
        self._money("Income:Futures:VariationMargin", currency, -gain)

    def futures_close(self, instrument: str, quantity: int, gain: int, fee: int = 0) -> None:
        have = self._have(instrument)
        if quantity <= 0:
            raise Refused("AmountNotPositive")
        if quantity > abs(have):
            raise Refused("InsufficientLots")
        self.variation_margin(instrument, gain)
        self._units(instrument, -quantity if have > 0 else quantity)
        self._fee(instrument, fee, "Assets:Cash:{}")
        deposited = self._of("Assets:Margin:Futures:{}", instrument)
        self._futures_margin(instrument, -(deposited * quantity // abs(have)))

    def _futures_margin(self, instrument: str, amount: int) -> None:
        currency = self.currency_of[instrument]
        self._money("Assets:Cash:{}", currency, -amount)
        self._add((f"Assets:Margin:Futures:{instrument}", currency), amount)

    # --- the parts of a trade ------------------------------------------------------------------------

    @staticmethod
    def _pay_from(settled: bool) -> str:
        return "Assets:Cash:{}" if settled else "Liabilities:Payable:Trades"

    @staticmethod
    def _receive_in(settled: bool) -> str:
        return "Assets:Cash:{}" if settled else "Assets:Receivable:Trades"

    def _fee(self, instrument: str, fee: int, side: str) -> None:
        currency = self.currency_of[instrument]
        self._money(side, currency, -fee)
        self._money("Expenses:Commissions" if fee > 0 else "Income:Rebates", currency, fee)

    def _open(self, instrument: str, side: str, quantity: int, price: int, cash: str) -> None:
        if quantity <= 0 or price < 0:
            raise Refused("AmountNotPositive")
        if any(lot.quantity for lot in self.queue(instrument, "short" if side == "long" else "long")):
            raise Refused("OppositePosition")
        pool = self.queue(instrument, side)
        if self.relief == "average" and pool:
            lot = pool[0]
        else:
            lot = Lot(
                self.state.next_lot, instrument, side, (quantity, price), rank=Fraction(price, quantity)
            )
            self.state.lots[lot.number] = self.every_lot[lot.number] = lot
            self.state.next_lot += 1
        currency = self.currency_of[instrument]
        self._units(instrument, lot.sign * quantity)
        self._money(cash, currency, -lot.sign * price)
        self._carry(lot, price)
        lot.quantity += quantity

    def _lots_to_relieve(self, instrument: str, side: str, lot: int) -> list[Lot]:
        lots = self.queue(instrument, side)
        if lot >= 0:
            lots_of_number = [x for x in lots if x.number == lot]
            if not lots_of_number:
                raise Refused("UnknownLot")
            return lots_of_number
        if self.relief == "specific" and lots:
            raise Refused("LotNotNamed")
        return lots

    def _close(
        self, lots: list[Lot], instrument: str, side: str, quantity: int, price: int, cash: str
    ) -> None:
        if quantity <= 0 or price < 0:
            raise Refused("AmountNotPositive")
        left = quantity
        for lot in lots:
            units = min(lot.quantity, left)
            if not units:
                continue
            part = price * units // left
            cost = lot.cost * units // lot.quantity
            if side == "short":
                self._release(instrument, cost)
            self._units(instrument, -lot.sign * units)
            self._money(cash, self.currency_of[instrument], lot.sign * part)
            self._realise(instrument, lot.sign * (part - cost))
            self._carry(lot, -cost)
            lot.quantity -= units
            left -= units
            price -= part
        if left:
            raise Refused("InsufficientLots")

    def _write_off(self, lot: Lot) -> None:
        if lot.side == "short":
            self._release(lot.instrument, lot.cost)
        self._realise(lot.instrument, -lot.sign * lot.cost)
        self._carry(lot, -lot.cost)

    def _carry(self, lot: Lot, cost: int) -> None:
        """Change the cost of a lot, and with it the balance of its side of the instrument."""
        path = "Assets:Positions:{}" if lot.side == "long" else "Liabilities:Short:{}"
        self._add((path.format(lot.instrument), self.currency_of[lot.instrument]), lot.sign * cost)
        self._count_cost(lot, cost)
        lot.cost += cost

    def _count_cost(self, lot: Lot, cost: int) -> None:
        flow = self.state.cost_in if cost > 0 else self.state.cost_out
        flow[lot.instrument] += lot.sign * abs(cost)

    def _realise(self, instrument: str, gain: int) -> None:
        self._add((f"Income:Realised:{instrument}", self.currency_of[instrument]), -gain)

    def _set_aside(self, instrument: str, amount: int) -> None:
        currency = self.currency_of[instrument]
        self._add((f"Assets:Margin:ShortProceeds:{instrument}", currency), amount)
        self._money("Assets:Cash:{}", currency, -amount)

    def _release(self, instrument: str, relieved: int) -> None:
        """Release restricted proceeds beyond the liability that remains."""
        owed = -self._of("Liabilities:Short:{}", instrument) - relieved
        excess = self._of("Assets:Margin:ShortProceeds:{}", instrument) - owed
        if excess > 0:
            self._set_aside(instrument, -excess)

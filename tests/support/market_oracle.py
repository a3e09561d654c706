"""A second market, simulated another way, to compare the engine with.

It shares nothing with the engine: no import, no arrays, no account numbers, no compiled code. Bars are rows
of a dictionary by symbol, an order is a small object in one list that nothing is ever taken out of, a
position is the sum of its lots, and money is one running total of receipts and payments. Money and
quantities are Python's integers, moments within a bar are fractions. float64 is used where the rules are
expressions in float64, evaluated as they are written there: notional, commission, slippage, share of volume,
size of a target.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, NamedTuple

MONEY = 10**6  # units in a dollar
LARGEST_QUANTITY = 2**53


class Bar(NamedTuple):
    """One instrument's prices over an interval. *volume* is None where it is not known."""

    open: float
    high: float
    low: float
    close: float
    volume: float | None


@dataclass(frozen=True)
class Terms:
    """The terms of an instrument, in quantity units."""

    step: int
    lot: int
    scale: int = 10**8

    @property
    def ratio(self) -> float:
        """Money units per quantity unit."""
        return float(MONEY) / float(self.scale)


@dataclass(frozen=True)
class Rules:
    """The settings of a run besides bars and orders. Amounts of money are in dollars, shares are of one."""

    cash: int
    same_close: bool = False
    unlimited: bool = False
    insufficient: Literal["reject", "cut", "cut_to_lots"] = "reject"
    commission: Literal["percent", "per_share", "per_order"] = "percent"
    rate: float = 0.0
    minimum: float = 0.0
    maximum: float | None = None
    slippage: float = 0.0
    participation: float | None = None
    without_volume: bool = False


class Wish(NamedTuple):
    """A request at the close of a bar.

    *amount* is in quantity units for a quantity, in dollars for a value, a share of equity for a percentage.
    *earlier* is the place, among all wishes of the run, of the one that this one replaces or cancels.
    """

    symbol: str
    sizing: str
    amount: float
    kind: str = "market"
    price: float | None = None
    tif: str = "gtc"
    earlier: int | None = None


class Fill(NamedTuple):
    """A fill. *quantity* is below zero for a sale."""

    order: int
    bar: int
    symbol: str
    quantity: int
    price: float
    reference: float
    commission: int
    basis: str


class State(NamedTuple):
    """The account at the end of a bar."""

    cash: int
    positions: dict[str, int]
    market_value: int
    equity: int


@dataclass
class Order:
    """An order, from its submission to its end."""

    number: int
    bar: int
    symbol: str
    kind: str
    tif: str
    price: float | None
    quantity: int
    left: int
    filled: int = 0
    gross: int = 0
    charged: int = 0
    tried: int = -1  # the last bar at which it could have filled
    missed: str = "none"  # why that filled nothing
    day: int | None = None  # the first date on which it could
    end: tuple[int, str, str] | None = None  # bar, status, reason

    def __post_init__(self) -> None:
        self.first_kind, self.first_price = self.kind, self.price

    @property
    def works(self) -> bool:
        return self.end is None

    def satisfied_by(self, price: float) -> bool:
        """Check whether a trade at *price* is within the limit or beyond the stop."""
        if self.price is None:
            return True
        wants_low = (self.kind == "limit") == (self.left > 0)
        return price <= self.price if wants_low else price >= self.price


@dataclass
class Lot:
    quantity: int  # below zero when short
    money: int  # paid, or received for a short position, without sign


@dataclass
class Simulation:
    """A run. *bars* has a dictionary by symbol for each time, *dates* the date of each."""

    symbols: Sequence[str]
    terms: dict[str, Terms]
    bars: Sequence[dict[str, Bar]]
    dates: Sequence[int]
    rules: Rules
    orders: list[Order] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    realized: int = 0
    commission: int = 0
    links: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.money = self.rules.cash * MONEY  # receipts less payments
        self.lots: dict[str, list[Lot]] = {symbol: [] for symbol in self.symbols}
        self.marks: dict[str, float] = {}
        self.order_of_wish: list[Order | None] = []
        self.volume_used: dict[str, int] = {}  # of this bar
        self.now = -1

    def run(self, wishes: Callable[["Simulation"], Iterable[Wish]]) -> None:
        """Perform all bars. *wishes* returns the requests of each."""
        for t in range(len(self.bars)):
            self.now, self.volume_used = t, dict.fromkeys(self.symbols, 0)
            self._close_ended_instruments()
            self._at_one_price(lambda bar: bar.open, inside_later=True)
            self._inside()
            self._expire()
            equity = self._value().equity
            for wish in wishes(self):
                self._submit(wish, equity)
            if self.rules.same_close:
                self._at_one_price(lambda bar: bar.close, inside_later=False)
                self._expire()
            self.states.append(self._value())
        for order in self.working():
            order.end = (len(self.bars) - 1, "open_at_the_end", order.missed)

    # --- the account --------------------------------------------------------------------------------

    def working(self) -> list[Order]:
        return [order for order in self.orders if order.works]

    def position(self, symbol: str) -> int:
        return sum(lot.quantity for lot in self.lots[symbol])

    @property
    def cash(self) -> int:
        """Return money less the proceeds of short sales, which are set aside until they are covered."""
        return self.money - sum(lot.money for lots in self.lots.values() for lot in lots if lot.quantity < 0)

    def worth(self, symbol: str, quantity: int, price: float) -> int:
        """Return rint(float64(quantity) * price * multiplier * money units per quantity unit)."""
        return round(float(quantity) * price * 1.0 * self.terms[symbol].ratio)

    def _value(self) -> State:
        held = {s: p for s in self.symbols if (p := self.position(s))}
        for symbol, bar in self.bars[self.now].items():
            self.marks[symbol] = bar.close
        worth = sum(self.worth(symbol, quantity, self.marks[symbol]) for symbol, quantity in held.items())
        return State(self.cash, held, worth, self.money + worth)

    # --- the steps of a bar -------------------------------------------------------------------------

    def _close_ended_instruments(self) -> None:
        for symbol in self.symbols:
            times = [t for t, row in enumerate(self.bars) if symbol in row]
            if not times or times[-1] != self.now - 1:
                continue
            for order in self.working():
                if order.symbol == symbol:
                    order.end = (self.now, "cancelled", "instrument_ended")
            if have := self.position(symbol):
                price = self.bars[self.now - 1][symbol].close
                order = Order(
                    len(self.orders),
                    self.now,
                    symbol,
                    "market",
                    "gtc",
                    None,
                    -have,
                    0,
                    end=(self.now, "filled", "none"),
                )
                self.orders.append(order)
                fill = Fill(order.number, self.now, symbol, -have, price, price, 0, "quantity")
                self.fills.append(fill)
                self._trade(symbol, -have, self.worth(symbol, abs(have), price))

    def _at_one_price(self, price_of: Callable[[Bar], float], *, inside_later: bool) -> None:
        """Fill orders at the open or at the close: those that reduce a position, then all others."""
        for exits_only in (True, False):
            for order in list(self.working()):
                bar = self.bars[self.now].get(order.symbol)
                if not order.works or bar is None or order.tried == self.now:
                    continue
                if exits_only and not self.position(order.symbol) * order.left < 0:
                    continue
                price = price_of(bar)
                if order.satisfied_by(price):
                    order.tried = self.now
                    self._admit(order, bar, price)
                elif not inside_later:
                    order.tried = self.now

    def _inside(self) -> None:
        """Fill limits and stops that the bar touches, in the order in which its path reaches them."""
        touched: list[tuple[Fraction, int, Order]] = []
        for order in self.working():
            bar = self.bars[self.now].get(order.symbol)
            if bar is None or order.tried == self.now:
                continue
            order.tried = self.now
            if order.price is not None and order.satisfied_by(bar.low if self._is_low(order) else bar.high):
                is_short = self.position(order.symbol) < 0
                path = (bar.open, bar.high, bar.low) if is_short else (bar.open, bar.low, bar.high)
                touched.append((moment(order.price, path), order.number, order))
        for _, _, order in sorted(touched, key=lambda touch: touch[:2]):
            assert order.price is not None
            self._admit(order, self.bars[self.now][order.symbol], order.price)

    @staticmethod
    def _is_low(order: Order) -> bool:
        return (order.kind == "limit") == (order.left > 0)

    def _expire(self) -> None:
        last_of_date = self.now + 1 == len(self.dates) or self.dates[self.now + 1] != self.dates[self.now]
        for order in self.working():
            had_a_chance = order.tried == self.now
            if had_a_chance and order.day is None:
                order.day = self.dates[self.now]
            if had_a_chance and order.tif == "target":
                status = "expired" if order.missed == "none" else "rejected"
                order.end = (self.now, status, order.missed)
            elif order.tif == "day" and order.day is not None and last_of_date:
                order.end = (self.now, "expired", order.missed)

    # --- orders -------------------------------------------------------------------------------------

    def _submit(self, wish: Wish, equity: int) -> None:
        earlier = None if wish.earlier is None else self.order_of_wish[wish.earlier]
        self.order_of_wish.append(None)
        if wish.sizing == "cancel" or earlier is not None:
            if earlier is None or not earlier.works:
                return
            earlier.end = (self.now, "cancelled", "none")
            if wish.sizing == "cancel":
                return
        tif = "target" if wish.sizing.startswith("target") else wish.tif
        size = self._size(wish, equity)
        in_money = wish.sizing not in ("quantity", "target_quantity") and wish.amount != 0
        from_flat = not wish.sizing.startswith("target") or self._coming(wish.symbol) == 0
        end = None
        if size is None or (size != 0 and not any(wish.symbol in row for row in self.bars[self.now :])):
            end = (self.now, "rejected", "no_bar")
        elif abs(size) >= LARGEST_QUANTITY:
            end = (self.now, "rejected", "quantity_out_of_range")
        elif size == 0 and in_money and from_flat:
            end = (self.now, "rejected", "below_one_step")
        elif size == 0:
            return
        if end is not None and earlier is not None:
            earlier.end = None  # a rejected order replaces nothing
        quantity = size if size is not None and abs(size) < 2**63 else 0
        order = Order(
            len(self.orders), self.now, wish.symbol, wish.kind, tif, wish.price, quantity, quantity, end=end
        )
        if earlier is not None:
            self.links.append((order.number, earlier.number))
        self.orders.append(order)
        self.order_of_wish[-1] = order

    def _coming(self, symbol: str) -> int:
        """Return the position with the quantities that working targets and market orders will add."""
        coming = [
            o.left for o in self.working() if o.symbol == symbol and (o.tif == "target" or o.kind == "market")
        ]
        return self.position(symbol) + sum(coming)

    def _size(self, wish: Wish, equity: int) -> int | None:
        """Return target x equity / close, less the position, truncated toward zero to the instrument's step.

        A whole number of steps that ten roundings of float64 hold below it counts, if it costs no more than
        was asked. A target of less than a step is none at all. None where a close is needed and the bar has
        none.
        """
        terms, bar = self.terms[wish.symbol], self.bars[self.now].get(wish.symbol)
        if wish.sizing == "quantity":
            return int(wish.amount)
        if wish.sizing == "target_quantity":
            coming = self._coming(wish.symbol)
            is_flat = toward_zero(int(wish.amount), terms.step) == 0
            return -coming if is_flat else toward_zero(int(wish.amount) - coming, terms.step)
        held = self._coming(wish.symbol) if wish.sizing.startswith("target") else 0
        if wish.amount == 0:
            return -held
        if bar is None:
            return None
        money = wish.amount * (float(MONEY) if wish.sizing.endswith("value") else float(equity))
        target = money / (bar.close * 1.0 * terms.ratio)

        def steps(size: float) -> int:
            exact, slack = Fraction(size), Fraction(10, 2**53) * (abs(Fraction(target)) + abs(held))
            nearest, count = round(Fraction(size / terms.step)), int(size / terms.step)
            if abs(exact) < abs(nearest * terms.step) <= abs(exact) + slack:
                count = nearest
            # What is out of range is shown as float64 has it.
            is_exact = abs(count * terms.step) < LARGEST_QUANTITY
            return count * terms.step if is_exact else int(float(count) * float(terms.step))

        if wish.sizing.startswith("target") and not steps(target):
            return -held
        size = target - float(held)
        quantity = steps(size)
        if abs(quantity) > abs(size) and self._costs(wish.symbol, held + quantity, bar.close) > round(
            abs(money)
        ):
            quantity -= terms.step if quantity > 0 else -terms.step
        return quantity

    def _costs(self, symbol: str, quantity: int, price: float) -> int:
        return self.worth(symbol, abs(quantity), price)

    # --- fills --------------------------------------------------------------------------------------

    def _admit(self, order: Order, bar: Bar, reference: float) -> None:
        quantity = self._within_volume(order, bar)
        order.missed = "no_volume" if quantity == 0 and bar.volume == 0 else "none"
        if quantity == 0:
            if order.kind == "stop" and bar.volume != 0:
                order.kind, order.price = "market", None  # triggered, though others took the volume
            return None
        price = reference
        if order.kind != "limit":
            slippage = self.rules.slippage
            price = reference * (1.0 + slippage) if quantity > 0 else reference * (1.0 - slippage)
        gross = self.worth(order.symbol, abs(quantity), price)
        basis, reason = "quantity", "none"
        if quantity < 0 and not self.rules.unlimited:
            have = max(0, self.position(order.symbol))
            if -quantity > have:
                if self.rules.insufficient == "reject" or have == 0:
                    return self._reject(order, "insufficient_position")
                quantity, reason = -have, "insufficient_position"
                gross = self.worth(order.symbol, have, price)
        if gross == 0:
            return self._reject(order, "dust")
        fee = self._fee(order, abs(quantity), gross)
        if not self.rules.unlimited:
            if quantity < 0 and self.cash + gross < fee:
                return self._reject(order, "insufficient_cash")
            if quantity > 0 and gross + fee > self.cash:
                reason = "insufficient_cash"
                quantity, gross, basis = self._cut(order, quantity, price)
                if quantity == 0:
                    return self._reject(order, reason)
                if gross == 0:
                    return self._reject(order, reason)
                fee = self._fee(order, quantity, gross)
        if abs(self.position(order.symbol) + quantity) >= LARGEST_QUANTITY:
            return self._reject(order, "quantity_out_of_range")  # no one order could close it again
        fill = Fill(order.number, self.now, order.symbol, quantity, price, reference, fee, basis)
        self._fill(order, fill, gross)
        if order.left == 0:
            order.end = (self.now, "filled", "none")
        elif reason != "none":
            return self._reject(order, reason)
        elif order.kind == "stop":
            order.kind, order.price = "market", None  # triggered
        return None

    def _reject(self, order: Order, reason: str) -> None:
        order.end = (self.now, "rejected", reason)

    def _within_volume(self, order: Order, bar: Bar) -> int:
        if bar.volume == 0 and not self.rules.without_volume:
            return 0
        if self.rules.participation is None or bar.volume is None:
            return order.left
        terms = self.terms[order.symbol]
        share = self.rules.participation * bar.volume * terms.scale
        allowed = int(share * (1 + 4 / 2**53)) - self.volume_used[order.symbol]
        if abs(order.left) <= allowed:
            return order.left
        part = max(0, allowed) // terms.step * terms.step
        return part if order.left > 0 else -part

    def _due(self, quantity: int, gross: int, scale: int) -> int:
        """Return the commission of an order that has traded so much in all its fills."""
        rules = self.rules
        minimum = rules.minimum * float(MONEY)
        if rules.commission == "per_order":
            return round(rules.rate * float(MONEY))
        if rules.commission == "percent":
            return round(max(float(gross) * rules.rate, minimum))
        charged = max(float(quantity) / float(scale) * (rules.rate * float(MONEY)), minimum)
        if rules.maximum is not None:
            charged = min(charged, float(gross) * rules.maximum)
        return round(charged)

    def _fee(self, order: Order, quantity: int, gross: int) -> int:
        scale = self.terms[order.symbol].scale
        return self._due(order.filled + quantity, order.gross + gross, scale) - order.charged

    def _cut(self, order: Order, quantity: int, price: float) -> tuple[int, int, str]:
        """Return quantity, money and basis of the part of a purchase that cash pays for."""
        symbol, cash = order.symbol, self.cash
        terms, how = self.terms[symbol], self.rules.insufficient
        if how == "reject":
            return 0, 0, "quantity"
        if how == "cut" and terms.step == 1:

            def bought(gross: int) -> int:
                return round(float(gross) / (price * 1.0 * terms.ratio))

            gross = largest(cash, lambda gross: gross + self._fee(order, bought(gross), gross) <= cash)
            return min(quantity, bought(gross)) if gross else 0, gross, "amount"
        step = terms.lot if how == "cut_to_lots" else terms.step

        def is_affordable(steps: int) -> bool:
            gross = self.worth(symbol, steps * step, price)
            return gross + self._fee(order, steps * step, gross) <= cash

        part = largest(quantity // step, is_affordable) * step
        return part, self.worth(symbol, part, price), "quantity"

    def _fill(self, order: Order, fill: Fill, gross: int) -> None:
        self.fills.append(fill)
        self._trade(order.symbol, fill.quantity, gross)
        self.money -= fill.commission
        self.commission += fill.commission
        order.left -= fill.quantity
        order.filled += abs(fill.quantity)
        order.gross += gross
        order.charged += fill.commission
        self.volume_used[order.symbol] += abs(fill.quantity)

    def _trade(self, symbol: str, quantity: int, gross: int) -> None:
        """Trade first in, first out. Lots share money by units, rounded down, and the last takes the rest."""
        self.money += gross if quantity < 0 else -gross
        lots, left = self.lots[symbol], quantity
        closing = (
            min(abs(quantity), abs(self.position(symbol))) if self.position(symbol) * quantity < 0 else 0
        )
        for_closing = gross * closing // abs(quantity)
        gross -= for_closing
        while closing:
            lot = lots[0]
            units = min(closing, abs(lot.quantity))
            part = for_closing * units // closing
            cost = lot.money * units // abs(lot.quantity)
            self.realized += part - cost if lot.quantity > 0 else cost - part
            lot.money -= cost
            lot.quantity -= units if lot.quantity > 0 else -units
            left += units if left < 0 else -units
            closing -= units
            for_closing -= part
            if lot.quantity == 0:
                lots.pop(0)
        if left:
            lots.append(Lot(left, gross))


def moment(price: float, path: tuple[float, float, float]) -> Fraction:
    """Return the moment at which a path from its start over one extreme to the other reaches *price*.

    Each of the two legs lasts 1.
    """
    start, first, second = map(Fraction, path)
    sought = Fraction(price)
    if start != first and min(start, first) <= sought <= max(start, first):
        return (sought - start) / (first - start)
    return 1 + (sought - first) / (second - first) if second != first else Fraction(1)


def toward_zero(quantity: int, step: int) -> int:
    """Return the nearest multiple of *step* that is not further from zero."""
    return quantity // step * step if quantity >= 0 else -(-quantity // step * step)


def largest(most: int, is_possible: Callable[[int], bool]) -> int:
    """Return the largest number up to *most* that is possible, as all smaller ones are, else 0."""
    low, high = 0, max(0, most)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if is_possible(middle) else (low, middle - 1)
    return low

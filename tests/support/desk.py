"""A desk that trades by hand: it records orders and fills as a simulator does, and posts them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tieout.execution.kernels.orders import Basis, OrderEvent, OrderType, Reason, Relation, TimeInForce
from tieout.execution.records import RECORDS
from tieout.ledger.books import events
from tieout.ledger.books.commodity import Commodity, currency, instrument
from tieout.ledger.books.transaction import Event, Transaction
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal

FIRST_DAY = np.datetime64("2024-01-01", "ns")
NAN = float("nan")

COMMODITIES: Sequence[Commodity] = (
    currency("USD"),
    currency("EUR", 2),
    instrument("ACME"),
    instrument("BOLT", scale=0),
    instrument("CORK", currency="EUR", scale=3),
    instrument("ES", multiplier=50),
)


def day(number: int) -> np.datetime64:
    return FIRST_DAY + np.timedelta64(number, "D")


def moments(*days: int) -> NDArray[np.datetime64]:
    return np.array([day(number) for number in days], "M8[ns]")


class Desk:
    """A journal with the day that its next entries have. A test moves the day."""

    def __init__(self, path: Path | None = None, policies: Policies | None = None) -> None:
        run = Run(spec={"desk": "by hand"}, seed=7, policies=policies or Policies())
        self.journal = Journal.create(path, COMMODITIES, run, [RECORDS])
        self.today = 0
        self._tags: dict[str, int] = {}

    def position(self, symbol: str) -> Decimal:
        return self.journal.balance(f"Assets:Positions:{symbol}", symbol)

    def deposit(self, symbol: str, amount: str) -> None:
        self.journal.post(
            day(self.today), events.deposit, symbol, amount, note=f"paid in by the owner on {self.today}"
        )

    def order(self, symbol: str, quantity: str, tag: str | int = "rebalance", **terms: float) -> int:
        """Record an order alone. *terms* are where its row differs from that of a market order."""
        number = self.journal.count("orders")
        units = self._commodity(symbol).units(quantity)
        row: Mapping[str, object] = {
            "instrument": self.journal.commodities.number(symbol),
            "type": int(OrderType.MARKET),
            "tif": int(TimeInForce.GTC),
            "quantity": units,
            "limit_price": NAN,
            "stop_price": NAN,
            "tag": self._tag(tag) if isinstance(tag, str) else tag,
            "signal": 0.25,
        }
        self._add("orders", {**row, **terms})
        return number

    def link(self, order: int, other: int, relation: int = Relation.REPLACES) -> None:
        """Record the relation of an order to another."""
        row = {"order_id": [order], "relation": [int(relation)], "other": [other]}
        self.journal.add("order_link", row)

    def record_event(self, order: int, event: int, reason: int = Reason.NONE) -> None:
        """Record an event of an order."""
        self._add("order_event", {"order_id": order, "event": int(event), "reason": int(reason)})

    def fill(
        self,
        symbol: str,
        quantity: str,
        price: float,
        commission: str = "0",
        order: int | None = None,
        basis: Basis = Basis.QUANTITY,
    ) -> int:
        """Record a fill alone, with its order unless *order* names one. Nothing is posted."""
        units = self._commodity(symbol).units(quantity)
        number = self.journal.count("fill")
        row: Mapping[str, object] = {
            "order_id": self.order(symbol, quantity) if order is None else order,
            "instrument": self.journal.commodities.number(symbol),
            "side": 1 if units > 0 else -1,
            "quantity": abs(units),
            "price": price,
            "reference_price": price,
            "commission": self._money(symbol).units(commission),
            "basis": int(basis),
        }
        self._add("fill", row)
        return number

    def trade(
        self,
        symbol: str,
        quantity: str,
        price: float,
        fee: str = "0",
        *,
        settled: bool = True,
        order: int | None = None,
    ) -> int:
        """Record a fill and post its transaction: purchase or cover above zero, sale or short sale below."""
        number = self.fill(symbol, quantity, price, fee, order)
        have, size = self.position(symbol), Decimal(quantity)
        gross = self.journal.notional(symbol, abs(size), price)
        with self.booking(number) as transaction:
            if have * size < 0 and abs(size) > abs(have):
                transaction.book(events.flip, symbol, size, gross, fee, settled=settled)
            else:
                transaction.book(event_for(have, size), symbol, abs(size), gross, fee, settled=settled)
        return number

    def booking(self, fill: int) -> AbstractContextManager[Transaction]:
        """Begin a transaction of today that belongs to a fill."""
        return self.journal.transaction(day(self.today), order_id=fill, fill_id=fill)

    def post(self, event: Event, *args: object, note: str = "") -> int:
        """Post any other event, today."""
        return self.journal.post(day(self.today), event, *args, note=note)

    def settle(self, fill: int, symbol: str, amount: str) -> None:
        """Pay the payable of a purchase, or receive that of a sale. Below zero, a sale costs money."""
        with self.booking(fill) as transaction:
            if self.journal.balance("Liabilities:Payable:Trades", symbol):
                transaction.book(events.pay_trades, symbol, amount)
            else:
                transaction.book(events.receive_trades, symbol, amount)

    def mark(self, **prices: float) -> None:
        self.journal.mark(day(self.today), prices)

    def statement(self) -> None:
        self.journal.statement(day(self.today))

    def close(self) -> str:
        """Close the journal and return its head digest."""
        head = self.journal.close()
        assert head is not None
        return head.digest.hex()

    def _commodity(self, symbol: str) -> Commodity:
        return self.journal.commodities[self.journal.commodities.number(symbol)]

    def _tag(self, name: str) -> int:
        """Return the number of a tag, which is recorded at its first use."""
        if name not in self._tags:
            self._tags[name] = self.journal.count("tag")
            self.journal.add("tag", {"name": [name]})
        return self._tags[name]

    def _money(self, symbol: str) -> Commodity:
        return self._commodity(self._commodity(symbol).currency)

    def _add(self, table: str, row: Mapping[str, object]) -> None:
        columns = {name: [value] for name, value in row.items()}
        self.journal.add(table, {"timestamp": moments(self.today), **columns})


def event_for(have: Decimal, size: Decimal) -> Callable[..., None]:
    if size > 0:
        return events.cover if have < 0 else events.buy
    return events.sell if have > 0 else events.short_sale


def first_days(desk: Desk) -> int:
    """Post money, trades on both sides and a replaced order. Return a fill of BOLT yet to be settled."""
    desk.deposit("USD", "100000")
    desk.deposit("EUR", "50000")

    desk.today = 1
    desk.trade("ACME", "10", 100.0, "1")
    desk.trade("CORK", "12.5", 40.0, "2")
    desk.mark(ACME=101.0, CORK=40.5)
    desk.statement()

    desk.today = 2
    bolt = desk.trade("BOLT", "7", 20.0, "0.5", settled=False)
    desk.trade("CORK", "-20", 41.0, "2")  # from long to short
    desk.post(events.margin_requirement, "EUR", "100")
    part = desk.order("ACME", "5")
    desk.trade("ACME", "2", 99.0, order=part)
    desk.record_event(part, OrderEvent.CANCELLED)
    rest = desk.order("ACME", "3", type=OrderType.LIMIT, limit_price=90.0, tif=TimeInForce.DAY)
    desk.link(rest, part)
    desk.record_event(rest, OrderEvent.EXPIRED)
    desk.mark(ACME=99.0, BOLT=21.0, CORK=42.0)
    desk.statement()
    return bolt


def two_weeks(path: Path | None = None, policies: Policies | None = None) -> Desk:
    """Post one of each kind: T+N, both sides, futures, corporate actions, currencies, ends of orders."""
    desk = Desk(path, policies or Policies(others={"leverage_cap": 6.0}))
    bolt = first_days(desk)

    desk.today = 3
    desk.settle(bolt, "USD", "140.5")
    contract = desk.fill("ES", "2", 5_000.25, "4")
    with desk.booking(contract) as transaction:
        transaction.book(events.futures_open, "ES", "2", "20000", "4")
    desk.post(events.dividend, "ACME", "6")
    desk.post(events.split, "ACME", 2, 1)
    spent = desk.fill("ACME", "9.01459126", 55.466, "0.25", basis=Basis.AMOUNT)
    with desk.booking(spent) as transaction:
        transaction.book(events.buy, "ACME", "9.01459126", "500.003319", "0.25")
    desk.mark(ACME=50.0, BOLT=22.0, CORK=43.0, ES=5_010.0)
    desk.post(events.variation_margin, "ES", "975")
    desk.statement()

    desk.today = 4
    triggered = desk.order("ACME", "-15", "stop-loss", type=OrderType.STOP, stop_price=56.0)
    desk.record_event(triggered, OrderEvent.TRIGGERED)
    acme = desk.trade("ACME", "-15", 55.0, "1", settled=False, order=triggered)
    desk.post(events.fx_trade, "EUR", "100", "USD", "108.5")
    wrong = desk.post(events.deposit, "USD", "77")
    desk.journal.reverse(wrong, day(4))
    desk.record_event(desk.order("BOLT", "900"), OrderEvent.REJECTED, Reason.INSUFFICIENT_CASH)
    desk.record_event(desk.order("BOLT", "1"), OrderEvent.EXPIRED)
    desk.mark(ACME=56.0, BOLT=20.0, CORK=44.5, ES=5_000.0)
    desk.statement()

    desk.today = 5
    desk.settle(acme, "USD", "824")
    desk.post(events.dividend_payment, "USD", "6", "0.9")
    desk.post(events.valuation, "ACME", "1600")
    desk.trade("CORK", "7.5", 44.0, "2")
    desk.trade("BOLT", "-7", 23.0, "0.5")
    desk.record_event(desk.order("ACME", "1"), OrderEvent.OPEN_AT_THE_END)
    desk.journal.add("benchmark", {"timestamp": moments(5), "value": [1.25]})
    desk.mark(ACME=57.0, ES=5_020.0)
    desk.statement()
    return desk


def funded() -> Desk:
    """Return a desk on the day after deposits in two currencies."""
    desk = Desk()
    desk.deposit("USD", "10000")
    desk.deposit("EUR", "10000")
    desk.today = 1
    return desk

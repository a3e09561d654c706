"""A desk that trades by hand: orders and fills recorded as a simulator records them, and what they post."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from execution.records import RECORDS, Basis, OrderEvent
from ledger import events
from ledger.commodity import Commodity, currency, instrument
from ledger.journal import Journal
from ledger.run import Policies, Run
from ledger.transaction import Transaction

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
    """Gives each order as it is filled; the day it stands at is moved by hand."""

    def __init__(self, path: Path | None = None, policies: Policies | None = None) -> None:
        run = Run(spec={"desk": "by hand"}, seed=7, policies=policies or Policies())
        self.journal = Journal.create(path, COMMODITIES, run, [RECORDS])
        self.today = 0

    def position(self, symbol: str) -> Decimal:
        return self.journal.balance(f"Assets:Positions:{symbol}", symbol)

    def deposit(self, symbol: str, amount: str) -> None:
        self.journal.post(
            day(self.today), events.deposit, symbol, amount, note=f"paid in by the owner on {self.today}"
        )

    def order(self, symbol: str, quantity: str, tag: str = "rebalance") -> int:
        """An order alone, to be filled or not."""
        number = self.journal.count("orders")
        units = self._commodity(symbol).units(quantity)
        row: Mapping[str, object] = {
            "instrument": self.journal.commodities.number(symbol),
            "type": 0,
            "quantity": units,
            "limit_price": NAN,
            "stop_price": NAN,
            "parent": -1,
            "tag": tag,
            "signal": 0.25,
        }
        self._add("orders", row)
        return number

    def happened(self, order: int, event: OrderEvent, reason: str = "") -> None:
        """What became of an order."""
        self._add("order_event", {"order_id": order, "event": int(event), "reason": reason})

    def fill(
        self,
        symbol: str,
        quantity: str,
        price: float,
        commission: str = "0",
        order: int | None = None,
        basis: Basis = Basis.QUANTITY,
    ) -> int:
        """A fill alone, with its order unless one is given; nothing is posted."""
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
        """A fill and its transaction: bought or covered above zero, sold or sold short below."""
        number = self.fill(symbol, quantity, price, fee, order)
        have, size = self.position(symbol), Decimal(quantity)
        gross = self.journal.notional(symbol, abs(size), price)
        with self.booking(number) as transaction:
            if have * size < 0 and abs(size) > abs(have):
                transaction.book(events.reversal, symbol, size, gross, fee, settled=settled)
            else:
                transaction.book(event_for(have, size), symbol, abs(size), gross, fee, settled=settled)
        return number

    def booking(self, fill: int) -> AbstractContextManager[Transaction]:
        """A transaction of today that belongs to a fill."""
        return self.journal.transaction(day(self.today), order_id=fill, fill_id=fill)

    def settle(self, fill: int, symbol: str, amount: str) -> None:
        """Pay what is due for a purchase, or receive what is due for a sale (below zero: what that costs)."""
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
        """Close the journal; its head digest."""
        head = self.journal.close()
        assert head is not None
        return head.digest.hex()

    def _commodity(self, symbol: str) -> Commodity:
        return self.journal.commodities[self.journal.commodities.number(symbol)]

    def _money(self, symbol: str) -> Commodity:
        return self._commodity(self._commodity(symbol).currency)

    def _add(self, table: str, row: Mapping[str, object]) -> None:
        columns = {name: [value] for name, value in row.items()}
        self.journal.add(table, {"ts": moments(self.today), **columns})


def event_for(have: Decimal, size: Decimal) -> Callable[..., None]:
    if size > 0:
        return events.cover if have < 0 else events.buy
    return events.sell if have > 0 else events.short_sale

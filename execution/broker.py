"""What a strategy may do, and what it may know of its account. Figures are floats, read from the books."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen

from execution.engine import Engine
from execution.errors import MalformedOrder
from execution.instruments import Instruments
from execution.orders import OrderType, Sizing, TimeInForce
from execution.requests import in_steps
from execution.state import REQUEST, Floats
from ledger.books import records

_MARKET, _LIMIT, _STOP = int(OrderType.MARKET), int(OrderType.LIMIT), int(OrderType.STOP)
_TARGET = int(TimeInForce.TARGET)
_NAN = float("nan")


@frozen
class WorkingOrder:
    """An order that is still to be filled. *quantity* is what is left, below zero to sell."""

    number: int
    symbol: str
    type: str
    tif: str
    quantity: float
    limit: float
    stop: float


class Ticket:
    """What asking for an order gave."""

    __slots__ = ("_broker", "_number")

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._number: int | None = None

    @property
    def number(self) -> int:
        """The order's number, -1 where nothing had to be ordered."""
        if self._number is None:
            self._broker.flush()
        assert self._number is not None
        return self._number

    def take(self, number: int) -> None:
        """Be told the number."""
        self._number = number


class Broker:
    """Cash, positions and orders of the account. Orders are named by their symbol."""

    def __init__(self, engine: Engine, terms: Instruments) -> None:
        self._engine = engine
        self._terms = [terms.of(symbol) for symbol in engine.symbols]
        self._numbers = {symbol: column for column, symbol in enumerate(engine.symbols)}
        self._unit = 1.0 / engine.desk.instruments["scale"]
        self._accounts = engine.desk.instruments["units"].copy()
        self._money = float(engine.desk.policy[0].money_scale)
        self._close: Floats | None = None
        self._asked: list[tuple[Any, ...]] = []
        self._tickets: list[Ticket] = []

    # --- the account -------------------------------------------------------------------------------

    @property
    def cash(self) -> float:
        """Cash, with all fills so far."""
        policy = self._engine.desk.policy[0]
        return float(self._engine.journal.books.accounts["balance"][policy.money]) / self._money

    @property
    def equity(self) -> float:
        """Cash and holdings at this bar's close, before the orders of this bar."""
        return float(self._engine.desk.state["equity"][0]) / self._money

    def position(self, symbol: str) -> float:
        """Units held, below zero when short."""
        column = self._column(symbol)
        balance = self._engine.journal.books.accounts["balance"][self._accounts[column]]
        return float(balance * self._unit[column])

    @property
    def quantities(self) -> Floats:
        """Units held of every instrument: float64[instruments]."""
        balances: Floats = self._engine.journal.books.accounts["balance"][self._accounts] * self._unit
        return balances

    @property
    def positions(self) -> dict[str, float]:
        """Units held by symbol, of what is held."""
        desk = self._engine.desk
        columns = np.sort(desk.held[: desk.state[0].held])
        balances = self._engine.journal.books.accounts["balance"][self._accounts[columns]]
        units = (balances * self._unit[columns]).tolist()
        symbols = self._engine.symbols
        return {symbols[c]: quantity for c, quantity in zip(columns.tolist(), units, strict=True)}

    @property
    def open_orders(self) -> list[WorkingOrder]:
        """Orders that are still working, those just asked for included."""
        self.flush()
        desk = self._engine.desk
        return [
            WorkingOrder(
                number=int(order.id),
                symbol=self._engine.symbols[order.column],
                type=OrderType(int(order.type)).name.lower(),
                tif=TimeInForce(int(order.tif)).name.lower(),
                quantity=float(order.left * self._unit[order.column]),
                limit=float(order.limit),
                stop=float(order.stop),
            )
            for order in desk.working[: desk.state[0].working]
            if order.left
        ]

    # --- orders by symbol --------------------------------------------------------------------------

    def buy(self, symbol: str, quantity: float, **terms: Any) -> Ticket:
        """Buy a quantity. *terms*: limit or stop, tif (``"gtc"``, ``"day"``), tag, signal, replaces."""
        return self._by_quantity(symbol, quantity, 1, terms)

    def sell(self, symbol: str, quantity: float, **terms: Any) -> Ticket:
        """Sell a quantity. *terms* as for `buy`."""
        return self._by_quantity(symbol, quantity, -1, terms)

    def order_value(self, symbol: str, value: float, **terms: Any) -> Ticket:
        """Buy for *value* at this close, below zero to sell."""
        return self._ask(symbol, Sizing.VALUE, 0, _number(value) * self._money, terms)

    def order_percent(self, symbol: str, percent: float, **terms: Any) -> Ticket:
        """Buy for a share of equity at this close, 0.1 for a tenth, below zero to sell."""
        return self._ask(symbol, Sizing.PERCENT, 0, _number(percent), terms)

    def target_quantity(self, symbol: str, quantity: float, **terms: Any) -> Ticket:
        """Order what leads to a position of *quantity*."""
        units = in_steps(self._terms[self._column(symbol)], _number(quantity), symbol)
        return self._ask(symbol, Sizing.TARGET_QUANTITY, units, 0.0, terms)

    def target_value(self, symbol: str, value: float, **terms: Any) -> Ticket:
        """Order what leads to a position worth *value* at this close."""
        return self._ask(symbol, Sizing.TARGET_VALUE, 0, _number(value) * self._money, terms)

    def target_percent(self, symbol: str, percent: float, **terms: Any) -> Ticket:
        """Order what leads to a position worth a share of equity at this close."""
        return self._ask(symbol, Sizing.TARGET_PERCENT, 0, _number(percent), terms)

    def cancel(self, order: Ticket | WorkingOrder | int) -> bool:
        """Cancel an order; whether it was still working."""
        number = order if isinstance(order, int) else order.number
        if all(working.number != number for working in self.open_orders):
            return False
        self._queue((0, int(Sizing.CANCEL), 0, 0.0, _MARKET, 0, _NAN, _NAN, 0, _NAN, number))
        self.flush()
        return True

    # --- orders by vector --------------------------------------------------------------------------

    def target_weights(
        self, weights: Mapping[str, float] | Floats, *, tag: str = "rebalance", signal: Floats | None = None
    ) -> None:
        """Make the portfolio that of *weights*, shares of equity by symbol.

        What is not named is sold. As an array float64[instruments], NaN leaves an instrument as it is.
        """
        if isinstance(weights, Mapping):
            vector = np.where(self.quantities != 0, 0.0, np.nan)
            for symbol, weight in weights.items():
                vector[self._column(symbol)] = _number(weight)
        else:
            vector = np.asarray(weights, np.float64)
        self.order_vector(Sizing.TARGET_PERCENT, vector, tag=tag, signal=signal)

    def order_vector(
        self, sizing: Sizing, amounts: Floats, *, tag: str = "", signal: Floats | None = None
    ) -> None:
        """Market orders for many instruments: float64[instruments], NaN for none, in order of symbol.

        *sizing* says what the amounts are: quantities, money, shares of equity, or targets of these.
        """
        if amounts.shape != (len(self._terms),) or np.any(np.isinf(amounts)):
            raise MalformedOrder(f"amounts are finite or NaN, one for each of {len(self._terms)} instruments")
        columns = np.flatnonzero(~np.isnan(amounts))
        number = self._engine.tags.number(tag)
        is_target = sizing in (Sizing.TARGET_QUANTITY, Sizing.TARGET_VALUE, Sizing.TARGET_PERCENT)
        is_quantity = sizing in (Sizing.QUANTITY, Sizing.TARGET_QUANTITY)
        factor = self._money if sizing in (Sizing.VALUE, Sizing.TARGET_VALUE) else 1.0
        for column, amount in zip(columns.tolist(), amounts[columns].tolist(), strict=True):
            symbol = self._engine.symbols[column]
            units = in_steps(self._terms[column], amount, symbol) if is_quantity else 0
            if amount == 0 and not is_target:
                raise MalformedOrder(f"{symbol}: an order of nothing")
            self._asked.append(
                (
                    column,
                    int(sizing),
                    units,
                    amount * factor,
                    _MARKET,
                    _TARGET if is_target else 0,
                    _NAN,
                    _NAN,
                    number,
                    _NAN if signal is None else float(signal[column]),
                    -1,
                )
            )
            self._tickets.append(_NOBODY)

    # --- between strategy and engine ---------------------------------------------------------------

    def open_bar(self, close: Floats | None) -> None:
        """Come to a bar with these closes; None when orders are not taken."""
        self._close = close

    def flush(self) -> None:
        """Submit what was asked for."""
        if not self._asked:
            return
        asked, tickets = self._asked, self._tickets
        self._asked, self._tickets = [], []
        assert self._close is not None
        requests = records(len(asked), REQUEST)
        given = np.array([(0, *row) for row in asked], REQUEST)
        requests[:] = given
        self._engine.submit(requests, self._close)
        for ticket, number in zip(tickets, requests["order"].tolist(), strict=True):
            if ticket is not _NOBODY:
                ticket.take(number)

    def _by_quantity(self, symbol: str, quantity: float, side: int, terms: dict[str, Any]) -> Ticket:
        units = in_steps(self._terms[self._column(symbol)], _number(quantity), symbol)
        if units <= 0:
            raise MalformedOrder(f"{symbol}: a quantity of {quantity} is not above zero")
        return self._ask(symbol, Sizing.QUANTITY, side * units, 0.0, terms)

    def _ask(self, symbol: str, sizing: Sizing, units: int, amount: float, terms: dict[str, Any]) -> Ticket:
        column = self._column(symbol)
        if not units and not amount and sizing in (Sizing.VALUE, Sizing.PERCENT):
            raise MalformedOrder(f"{symbol}: an order of nothing")
        is_target = sizing in (Sizing.TARGET_QUANTITY, Sizing.TARGET_VALUE, Sizing.TARGET_PERCENT)
        kind, limit, stop, tif, tag, signal, replaces = _terms(symbol, terms, is_target=is_target)
        number = self._engine.tags.number(tag)
        return self._queue(
            (column, int(sizing), units, amount, kind, tif, limit, stop, number, signal, replaces)
        )

    def _queue(self, row: tuple[Any, ...]) -> Ticket:
        if self._close is None:
            raise MalformedOrder("orders are taken in on_bar and on_instrument, at the close of a bar")
        ticket = Ticket(self)
        self._asked.append(row)
        self._tickets.append(ticket)
        return ticket

    def _column(self, symbol: str) -> int:
        try:
            return self._numbers[symbol]
        except (KeyError, TypeError):
            raise MalformedOrder(f"there is no instrument {symbol!r}") from None


class _Nobody(Ticket):
    """The ticket of an order that nobody asked a number of."""

    def __init__(self) -> None:
        self._number = -1


_NOBODY = _Nobody()
_KNOWN = frozenset(["limit", "stop", "tif", "tag", "signal", "replaces"])


def _terms(
    symbol: str, given: dict[str, Any], *, is_target: bool
) -> tuple[int, float, float, int, str, float, int]:
    """Type, limit, stop, time in force, tag, signal and what is replaced."""
    if unknown := given.keys() - _KNOWN:
        raise MalformedOrder(f"{symbol}: an order has no {', '.join(sorted(unknown))}")
    limit, stop = given.get("limit"), given.get("stop")
    if limit is not None and stop is not None:
        raise MalformedOrder(f"{symbol}: an order has a limit or a stop, not both")
    for name, price in (("limit", limit), ("stop", stop)):
        if price is not None and not 0 < price < float("inf"):
            raise MalformedOrder(f"{symbol}: {name} {price!r} is not a price above zero")
    kind = _LIMIT if limit is not None else _STOP if stop is not None else _MARKET
    if is_target and (kind != _MARKET or "tif" in given):
        raise MalformedOrder(f"{symbol}: a target is a market order, good for the next bar")
    try:
        tif = TimeInForce.TARGET if is_target else TimeInForce[str(given.get("tif", "gtc")).upper()]
    except KeyError:
        raise MalformedOrder(f"{symbol}: tif {given['tif']!r} is neither gtc nor day") from None
    if tif is TimeInForce.TARGET and not is_target:
        raise MalformedOrder(f"{symbol}: tif 'target' is for targets")
    replaces = given.get("replaces", -1)
    return (
        kind,
        _NAN if limit is None else float(limit),
        _NAN if stop is None else float(stop),
        int(tif),
        given.get("tag", ""),
        float(given.get("signal", _NAN)),
        replaces if isinstance(replaces, int) else replaces.number,
    )


def _number(given: Any) -> float:
    """A float that is one."""
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = _NAN
    if not abs(value) < float("inf"):
        raise MalformedOrder(f"{given!r} is not a number")
    return value

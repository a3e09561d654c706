"""What a strategy may do, and what it may know of its account. Figures are floats, read from the books."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from tieout.execution.data.instruments import Instruments
from tieout.execution.engine import Engine
from tieout.execution.errors import MalformedOrder
from tieout.execution.kernels.orders import OrderType, Sizing, TimeInForce
from tieout.execution.kernels.state import REQUEST, Floats, Int64s
from tieout.execution.strategy.requests import all_in_steps, blanks, in_steps
from tieout.ledger.books.arrays import Records, records
from tieout.ledger.books.chart import CASH

_MARKET, _LIMIT, _STOP = int(OrderType.MARKET), int(OrderType.LIMIT), int(OrderType.STOP)
_TARGET = int(TimeInForce.TARGET)
_NAN = float("nan")
_TARGETS = frozenset([Sizing.TARGET_QUANTITY, Sizing.TARGET_VALUE, Sizing.TARGET_PERCENT])
_IN_MONEY = frozenset([Sizing.VALUE, Sizing.TARGET_VALUE])


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
    """Cash, positions and orders of the account. Orders are named by their symbol.

    *random* is numpy's generator, from the seed of the run: chance that can be performed again.
    """

    def __init__(self, engine: Engine, terms: Instruments, seed: int = 0) -> None:
        self.random = np.random.default_rng(abs(seed))
        self._engine = engine
        self._numbers = {symbol: column for column, symbol in enumerate(engine.symbols)}
        # As plain arrays: the fields of a record array are slow to come by.
        instruments = np.asarray(engine.desk.instruments)
        self._step_units = instruments["step"].copy()
        self._steps = np.empty(len(engine.symbols))
        for term, columns in terms.columns(engine.symbols):
            self._steps[columns] = float(term.step)
        self._unit = 1.0 / instruments["scale"]
        self._accounts = instruments["units"].copy()
        self._targeted = instruments["target_units"]
        self._money = float(engine.desk.policy[0].money_scale)
        self._cash_account = int(engine.desk.policy[0].money) + CASH
        self._close: Floats | None = None
        self._asked: list[tuple[Any, ...]] = []
        self._tickets: list[Ticket] = []
        self._held: list[float] | None = None

    # --- the account -------------------------------------------------------------------------------

    @property
    def cash(self) -> float:
        """Cash, with all fills so far."""
        accounts = np.asarray(self._engine.journal.books.accounts)
        return float(accounts["balance"][self._cash_account]) / self._money

    @property
    def equity(self) -> float:
        """Cash and holdings at this bar's close, before the orders of this bar."""
        return float(np.asarray(self._engine.desk.state)["equity"][0]) / self._money

    def position(self, symbol: str) -> float:
        """Units held, below zero when short."""
        # Nothing fills while a strategy decides, so balances are read once a bar.
        if self._held is None:
            self._held = self.quantities.tolist()
        return self._held[self._column(symbol)]

    @property
    def quantities(self) -> Floats:
        """Units held of every instrument: float64[instruments]."""
        balances: Floats = self._balances() * self._unit
        return balances

    @property
    def positions(self) -> dict[str, float]:
        """Units held by symbol, of what is held."""
        quantities = self.quantities
        columns = np.flatnonzero(quantities)
        symbols = self._engine.symbols
        return {symbols[c]: q for c, q in zip(columns.tolist(), quantities[columns].tolist(), strict=True)}

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
                quantity=float(order.remaining * self._unit[order.column]),
                limit=float(order.limit),
                stop=float(order.stop),
            )
            for order in desk.working[: desk.state[0].working]
            if order.remaining
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
        return self._ask(symbol, Sizing.TARGET_QUANTITY, self._in_steps(symbol, quantity), 0.0, terms)

    def target_value(self, symbol: str, value: float, **terms: Any) -> Ticket:
        """Order what leads to a position worth *value* at this close."""
        return self._ask(symbol, Sizing.TARGET_VALUE, 0, _number(value) * self._money, terms)

    def target_percent(self, symbol: str, percent: float, **terms: Any) -> Ticket:
        """Order what leads to a position worth a share of equity at this close."""
        return self._ask(symbol, Sizing.TARGET_PERCENT, 0, _number(percent), terms)

    def cancel(self, order: Ticket | WorkingOrder | int) -> bool:
        """Cancel an order; whether it was still working."""
        number = order if isinstance(order, int) else order.number
        if not self._working(number).size:
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
            # Targets under way count as held.
            vector = np.where(self._balances() + self._targeted, 0.0, np.nan)
            vector[self._columns(weights)] = _numbers(list(weights.values()))
        else:
            vector = np.asarray(weights, np.float64)
        self.order_vector(Sizing.TARGET_PERCENT, vector, tag=tag, signal=signal)

    def order_vector(
        self, sizing: Sizing, amounts: Floats, *, tag: str = "", signal: Floats | None = None
    ) -> None:
        """Market orders for many instruments: float64[instruments], NaN for none, in order of symbol.

        *sizing* says what the amounts are: quantities, money, shares of equity, or targets of these.
        """
        self._require_bar()
        symbols = self._engine.symbols
        if amounts.shape != (len(symbols),) or np.isinf(amounts).any():
            raise MalformedOrder(f"amounts are finite or NaN, one for each of {len(symbols)} instruments")
        (columns,) = (amounts == amounts).nonzero()  # noqa: PLR0124  NaN is not itself
        requests = blanks(columns.size)
        requests["column"] = columns
        requests["sizing"] = int(sizing)
        requests["tag"] = self._engine.tags.number(tag)
        if signal is not None:
            requests["signal"] = signal[columns]
        given = amounts[columns]
        if sizing in (Sizing.QUANTITY, Sizing.TARGET_QUANTITY):
            names = [symbols[column] for column in columns.tolist()]
            given = all_in_steps(given, self._steps[columns], self._step_units[columns], names)
            requests["units"] = given
        else:
            requests["amount"] = given * self._money if sizing in _IN_MONEY else given
        if sizing in _TARGETS:
            requests["tif"] = _TARGET
        elif np.any(nothing := given == 0):
            raise MalformedOrder(f"{symbols[columns[np.argmax(nothing)]]}: an order of nothing")
        self.flush()  # what was asked for before comes first
        self._submit(requests)

    # --- between strategy and engine ---------------------------------------------------------------

    def open_bar(self, close: Floats | None) -> None:
        """Come to a bar with these closes; None when orders are not taken."""
        self._close = close
        self._held = None

    def flush(self) -> None:
        """Submit what was asked for."""
        if not self._asked:
            return
        asked, tickets = self._asked, self._tickets
        self._asked, self._tickets = [], []
        requests = records(len(asked), REQUEST)
        given = np.array([(0, *row) for row in asked], REQUEST)
        requests[:] = given
        self._submit(requests)
        for ticket, number in zip(tickets, requests["order"].tolist(), strict=True):
            ticket.take(number)

    def _submit(self, requests: Records) -> None:
        assert self._close is not None
        if requests.size:
            self._engine.submit(requests, self._close)

    def _balances(self) -> Int64s:
        accounts = np.asarray(self._engine.journal.books.accounts)
        balances: Int64s = accounts["balance"][self._accounts]
        return balances

    def _in_steps(self, symbol: str, quantity: float) -> int:
        column = self._column(symbol)
        step, units = float(self._steps[column]), int(self._step_units[column])
        return in_steps(_number(quantity), step, units, symbol)

    def _by_quantity(self, symbol: str, quantity: float, side: int, terms: dict[str, Any]) -> Ticket:
        units = self._in_steps(symbol, quantity)
        if units <= 0:
            raise MalformedOrder(f"{symbol}: a quantity of {quantity} is not above zero")
        return self._ask(symbol, Sizing.QUANTITY, side * units, 0.0, terms)

    def _ask(self, symbol: str, sizing: Sizing, units: int, amount: float, terms: dict[str, Any]) -> Ticket:
        column = self._column(symbol)
        if not units and not amount and sizing in (Sizing.VALUE, Sizing.PERCENT):
            raise MalformedOrder(f"{symbol}: an order of nothing")
        kind, limit, stop, tif, tag, signal, replaces = _terms(symbol, terms, is_target=sizing in _TARGETS)
        if replaces >= 0:
            self._require_own(replaces, column)
        number = self._engine.tags.number(tag)
        return self._queue(
            (column, int(sizing), units, amount, kind, tif, limit, stop, number, signal, replaces)
        )

    def _queue(self, row: tuple[Any, ...]) -> Ticket:
        self._require_bar()
        ticket = Ticket(self)
        self._asked.append(row)
        self._tickets.append(ticket)
        return ticket

    def _working(self, number: int) -> Records:
        """The order of that number if it is still working: one row, or none."""
        self.flush()
        desk = self._engine.desk
        working = desk.working[: desk.state[0].working]
        return working[(working["id"] == number) & (working["remaining"] != 0)]

    def _require_own(self, number: int, column: int) -> None:
        if np.any(self._working(number)["column"] != column):
            symbol = self._engine.symbols[column]
            raise MalformedOrder(f"{symbol}: order {number} is of another instrument and is not replaced")

    def _require_bar(self) -> None:
        if self._close is None:
            raise MalformedOrder("orders are taken at the close of a bar: not in on_start, nor in on_end")

    def _columns(self, symbols: Iterable[str]) -> list[int]:
        try:
            return [self._numbers[symbol] for symbol in symbols]
        except KeyError:
            return [self._column(symbol) for symbol in symbols]  # raises, and shows which it is

    def _column(self, symbol: str) -> int:
        try:
            return self._numbers[symbol]
        except (KeyError, TypeError):
            raise MalformedOrder(f"there is no instrument {symbol!r}") from None


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
        if price is not None and not _number(price) > 0:
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
    if not hasattr(replaces, "number") and (type(replaces) is not int or replaces < -1):
        raise MalformedOrder(f"{symbol}: replaces {replaces!r} is not an order, nor its number")
    return (
        kind,
        _NAN if limit is None else float(limit),
        _NAN if stop is None else float(stop),
        int(tif),
        given.get("tag", ""),
        _number(given["signal"]) if "signal" in given else _NAN,
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


def _numbers(given: list[Any]) -> Floats:
    """Floats that are such."""
    try:
        values = np.array(given, np.float64)
    except (TypeError, ValueError):
        values = np.array([_NAN])
    if values.shape != (len(given),) or not np.isfinite(values).all():
        values = np.array([_number(value) for value in given])  # raises, and shows which it is
    return values

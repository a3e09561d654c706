"""The broker of a strategy: its orders, and its view of the account as floats."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tieout.execution.data.instruments import Instruments
from tieout.execution.engine import Engine
from tieout.execution.errors import MalformedOrder
from tieout.execution.kernels.orders import OrderType, Sizing, TimeInForce
from tieout.execution.strategy.queue import OrderQueue, Ticket, WorkingOrder
from tieout.execution.strategy.requests import all_in_steps, blanks, in_steps, order_type
from tieout.ledger.books.chart import CASH
from tieout.ledger.numeric import Floats, Int64s, Records

_MARKET = int(OrderType.MARKET)
_TARGET = int(TimeInForce.TARGET)
_NAN = float("nan")
_TARGETS = frozenset([Sizing.TARGET_QUANTITY, Sizing.TARGET_VALUE, Sizing.TARGET_PERCENT])
_IN_MONEY = frozenset([Sizing.VALUE, Sizing.TARGET_VALUE])


class Broker:
    """Cash, positions and orders of the account. Every method names an instrument by its symbol.

    *random* is a numpy generator with the seed of the run. Draw random numbers from it, so that the run
    repeats exactly.
    """

    def __init__(self, engine: Engine, queue: OrderQueue, instruments: Instruments, seed: int = 0) -> None:
        self.random = np.random.default_rng(abs(seed))
        self._engine = engine
        self._queue = queue
        self._numbers = {symbol: column for column, symbol in enumerate(engine.symbols)}
        # As plain arrays: the fields of a record array are slow to read.
        table = np.asarray(engine.desk.instruments)
        self._step_units = table["step"].copy()
        self._steps = np.empty(len(engine.symbols))
        for spec, columns in instruments.columns(engine.symbols):
            self._steps[columns] = float(spec.step)
        self._unit = 1.0 / table["scale"]
        self._accounts = table["units"].copy()
        self._pending = table["pending"]
        self._money_scale = float(engine.desk.policy[0].money_scale)
        self._cash_account = int(engine.desk.policy[0].money) + CASH
        self._positions: list[float] = []
        self._positions_bar = -1

    # --- the account -------------------------------------------------------------------------------

    @property
    def cash(self) -> float:
        """Cash after all fills so far."""
        accounts = np.asarray(self._engine.journal.books.accounts)
        return float(accounts["balance"][self._cash_account]) / self._money_scale

    @property
    def equity(self) -> float:
        """Cash plus market value at this bar's close, before the orders of this bar."""
        return float(np.asarray(self._engine.desk.state)["equity"][0]) / self._money_scale

    def position(self, symbol: str) -> float:
        """Return the position in units, below zero when short."""
        # Nothing fills while a strategy decides, so balances are read once a bar.
        if self._positions_bar != self._queue.bars:
            self._positions = self.quantities.tolist()
            self._positions_bar = self._queue.bars
        return self._positions[self._column(symbol)]

    @property
    def quantities(self) -> Floats:
        """Positions of all instruments in units: float64[instruments]."""
        balances: Floats = self._balances() * self._unit
        return balances

    @property
    def positions(self) -> dict[str, float]:
        """Positions by symbol in units, without those that are flat."""
        quantities = self.quantities
        columns = np.flatnonzero(quantities)
        symbols = self._engine.symbols
        return {symbols[c]: q for c, q in zip(columns.tolist(), quantities[columns].tolist(), strict=True)}

    @property
    def open_orders(self) -> list[WorkingOrder]:
        """Working orders, those of this bar included."""
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
            for order in self._queue.working()
        ]

    # --- orders by symbol --------------------------------------------------------------------------

    def buy(self, symbol: str, quantity: float, **terms: Any) -> Ticket:
        """Buy *quantity* units. *terms*: limit, stop, tif (``"gtc"``, ``"day"``), tag, signal, replaces."""
        return self._by_quantity(symbol, quantity, 1, terms)

    def sell(self, symbol: str, quantity: float, **terms: Any) -> Ticket:
        """Sell *quantity* units. *terms* as for `buy`."""
        return self._by_quantity(symbol, quantity, -1, terms)

    def order_value(self, symbol: str, value: float, **terms: Any) -> Ticket:
        """Buy units worth *value* at this close, or sell them for a value below zero."""
        return self._ask(symbol, Sizing.VALUE, 0, _number(value) * self._money_scale, terms)

    def order_percent(self, symbol: str, percent: float, **terms: Any) -> Ticket:
        """Buy units worth a share of equity at this close, 0.1 for a tenth. Below zero, sell them."""
        return self._ask(symbol, Sizing.PERCENT, 0, _number(percent), terms)

    def target_quantity(self, symbol: str, quantity: float, **terms: Any) -> Ticket:
        """Order the difference to a position of *quantity* units."""
        return self._ask(symbol, Sizing.TARGET_QUANTITY, self._in_steps(symbol, quantity), 0.0, terms)

    def target_value(self, symbol: str, value: float, **terms: Any) -> Ticket:
        """Order the difference to a position worth *value* at this close."""
        return self._ask(symbol, Sizing.TARGET_VALUE, 0, _number(value) * self._money_scale, terms)

    def target_percent(self, symbol: str, percent: float, **terms: Any) -> Ticket:
        """Order the difference to a position worth a share of equity at this close, 0.1 for a tenth."""
        return self._ask(symbol, Sizing.TARGET_PERCENT, 0, _number(percent), terms)

    def cancel(self, order: Ticket | WorkingOrder | int) -> bool:
        """Cancel an order. Return true if it was still working."""
        number = order if isinstance(order, int) else order.number
        if not self._working(number).size:
            return False
        self._queue.add((0, int(Sizing.CANCEL), 0, 0.0, _MARKET, 0, _NAN, _NAN, 0, _NAN, number))
        self._queue.flush()
        return True

    # --- orders by vector --------------------------------------------------------------------------

    def target_weights(
        self, weights: Mapping[str, float] | Floats, *, tag: str = "rebalance", signal: Floats | None = None
    ) -> None:
        """Rebalance to *weights*, shares of equity by symbol.

        Instruments that a mapping does not name are sold. In an array float64[instruments], NaN leaves a
        position unchanged.
        """
        if isinstance(weights, Mapping):
            # An instrument with a working target or market order counts as a position.
            vector = np.where(self._balances() + self._pending, 0.0, np.nan)
            vector[self._columns(weights)] = _numbers(list(weights.values()))
        else:
            vector = np.asarray(weights, np.float64)
        self.order_vector(Sizing.TARGET_PERCENT, vector, tag=tag, signal=signal)

    def order_vector(
        self, sizing: Sizing, amounts: Floats, *, tag: str = "", signal: Floats | None = None
    ) -> None:
        """Submit market orders for many instruments: float64[instruments] in order of symbol, NaN for none.

        *sizing* says in which unit the amounts are: quantities, money, shares of equity, or targets of these.
        """
        self._queue.require_bar()
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
        sizes = amounts[columns]
        if sizing in (Sizing.QUANTITY, Sizing.TARGET_QUANTITY):
            names = [symbols[column] for column in columns.tolist()]
            sizes = all_in_steps(sizes, self._steps[columns], self._step_units[columns], names)
            requests["units"] = sizes
        else:
            requests["amount"] = sizes * self._money_scale if sizing in _IN_MONEY else sizes
        if sizing in _TARGETS:
            requests["tif"] = _TARGET
        elif np.any(is_zero := sizes == 0):
            raise MalformedOrder(f"{symbols[columns[np.argmax(is_zero)]]}: order size is zero")
        self._queue.submit(requests)

    # --- rows of requests -------------------------------------------------------------------------

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
            raise MalformedOrder(f"{symbol}: order size is zero")
        kind, limit, stop, tif, tag, signal, replaces = _terms(symbol, terms, is_target=sizing in _TARGETS)
        if replaces >= 0:
            self._require_same_instrument(replaces, column)
        number = self._engine.tags.number(tag)
        return self._queue.add(
            (column, int(sizing), units, amount, kind, tif, limit, stop, number, signal, replaces)
        )

    def _working(self, number: int) -> Records:
        """Return one row, the order *number*, or no row where that order is not working."""
        working = self._queue.working()
        return working[working["id"] == number]

    def _require_same_instrument(self, number: int, column: int) -> None:
        if np.any(self._working(number)["column"] != column):
            symbol = self._engine.symbols[column]
            raise MalformedOrder(f"{symbol}: order {number} is of another instrument and is not replaced")

    def _columns(self, symbols: Iterable[str]) -> list[int]:
        try:
            return [self._numbers[symbol] for symbol in symbols]
        except KeyError:
            return [self._column(symbol) for symbol in symbols]  # raises, and names the unknown one

    def _column(self, symbol: str) -> int:
        try:
            return self._numbers[symbol]
        except (KeyError, TypeError):
            raise MalformedOrder(f"there is no instrument {symbol!r}") from None


_TERMS = frozenset(["limit", "stop", "tif", "tag", "signal", "replaces"])


def _terms(
    symbol: str, terms: dict[str, Any], *, is_target: bool
) -> tuple[int, float, float, int, str, float, int]:
    """Return type, limit, stop, time in force, tag, signal and the number of the order to replace."""
    if unknown := terms.keys() - _TERMS:
        raise MalformedOrder(f"{symbol}: an order has no {', '.join(sorted(unknown))}")
    limit, stop = terms.get("limit"), terms.get("stop")
    for name, price in (("limit", limit), ("stop", stop)):
        if price is not None and not _number(price) > 0:
            raise MalformedOrder(f"{symbol}: {name} {price!r} is not a price above zero")
    try:
        kind = order_type(has_limit=limit is not None, has_stop=stop is not None)
    except MalformedOrder as error:
        raise MalformedOrder(f"{symbol}: {error}") from None
    if is_target and (kind != _MARKET or "tif" in terms):
        raise MalformedOrder(f"{symbol}: a target is a market order, good for the next bar")
    try:
        tif = TimeInForce.TARGET if is_target else TimeInForce[str(terms.get("tif", "gtc")).upper()]
    except KeyError:
        raise MalformedOrder(f"{symbol}: tif {terms['tif']!r} is neither gtc nor day") from None
    if tif is TimeInForce.TARGET and not is_target:
        raise MalformedOrder(f"{symbol}: tif 'target' is for targets")
    replaces = terms.get("replaces", -1)
    if not hasattr(replaces, "number") and (type(replaces) is not int or replaces < -1):
        raise MalformedOrder(f"{symbol}: replaces {replaces!r} is not an order, nor its number")
    return (
        kind,
        _NAN if limit is None else float(limit),
        _NAN if stop is None else float(stop),
        int(tif),
        terms.get("tag", ""),
        _number(terms["signal"]) if "signal" in terms else _NAN,
        replaces if isinstance(replaces, int) else replaces.number,
    )


def _number(value: Any) -> float:
    """Return *value* as a float. Raise `MalformedOrder` unless it is a finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = _NAN
    if not abs(number) < float("inf"):
        raise MalformedOrder(f"{value!r} is not a number")
    return number


def _numbers(values: list[Any]) -> Floats:
    """Return *values* as floats. Raise `MalformedOrder` unless each is a finite number."""
    try:
        numbers = np.array(values, np.float64)
    except (TypeError, ValueError):
        numbers = np.array([_NAN])
    if numbers.shape != (len(values),) or not np.isfinite(numbers).all():
        numbers = np.array([_number(value) for value in values])  # raises, and shows the bad one
    return numbers

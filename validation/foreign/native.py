"""A tieout run as plain data: its bars as panels, its orders, and their outcome.

All of it is read from the tables of the journal. Cash and value at every bar are summed up from transfers, so
they do not depend on the statements or on how many there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Self

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout.execution.backtest import Backtest
from tieout.execution.data.bars import Bars
from tieout.execution.figures.tables import Tables
from tieout.execution.kernels.orders import OrderEvent, OrderType, Reason, TimeInForce
from tieout.execution.models.accounts.cash import CashAccount
from tieout.ledger.books.kinds import Kind
from tieout.ledger.errors import DamagedFile, UnknownCommodity
from tieout.ledger.moment import DAY
from tieout.ledger.numeric import Floats, Int64s
from tieout.validation.foreign.orders import BookingRefused
from tieout.validation.foreign.outcome import Fill, Outcome, Refusal

FIELDS = ("open", "high", "low", "close", "volume")
CASH, PROCEEDS, HOLDING = "Assets:Cash:", "Assets:Margin:ShortProceeds:", "Assets:Positions:"


@frozen
class Order:
    """An order as it was placed: at the close of *bar*, for *quantity* units, below zero to sell.

    *limit* and *stop* are NaN without such a price. *reduces* is true if the order goes against the position
    at the time. *until* is the bar at whose close it was cancelled, -1 if it was not.
    """

    number: int
    bar: int
    column: int
    quantity: float
    type: OrderType
    limit: float
    stop: float
    tif: TimeInForce
    reduces: bool
    until: int = -1


@frozen(eq=False)
class Panels:
    """The bars of a run: int64[bars] nanoseconds and dates, symbols, and float64[bars, columns] by field."""

    timestamp: Int64s
    date: Int64s
    symbols: Sequence[str]
    fields: Mapping[str, Floats]

    @classmethod
    def of(cls, bars: Bars) -> Self:
        """Join all windows of the bars."""
        windows = [window.market for window in bars.windows()]
        fields = {name: np.concatenate([getattr(market, name) for market in windows]) for name in FIELDS}
        return cls(bars.timestamp, bars.date, bars.symbols, fields)

    def __getitem__(self, field: str) -> Floats:
        return self.fields[field]

    def when(self, bar: int) -> str:
        """Return the time of a bar as text, or its date if it has no hour."""
        moment = str(np.datetime64(int(self.timestamp[bar]), "ns"))
        return moment[:10] if self.timestamp[bar] % DAY == 0 else moment[:19].replace("T", " ")

    @cached_property
    def is_there(self) -> NDArray[np.bool_]:
        """bool[bars, columns]: true where an instrument has a bar."""
        there: NDArray[np.bool_] = ~np.isnan(self["close"])
        return there

    @cached_property
    def valuation(self) -> Floats:
        """float64[bars, columns]: the last close so far, NaN before the first."""
        last = np.maximum.accumulate(np.where(self.is_there, np.arange(len(self.timestamp))[:, None], -1))
        prices: Floats = np.take_along_axis(self["close"], np.maximum(last, 0), axis=0)
        return np.where(last >= 0, prices, np.nan)

    def following(self, bar: int, column: int) -> int:
        """Return the next bar of an instrument after *bar*, -1 without one."""
        later = np.flatnonzero(self.is_there[bar + 1 :, column])
        return bar + 1 + int(later[0]) if later.size else -1


@frozen(eq=False)
class NativeRun:
    """A tieout run: its bars, its settings, its orders, and their outcome."""

    panels: Panels
    backtest: Backtest
    opening: float
    orders: Sequence[Order]
    outcome: Outcome
    endings: Mapping[int, int]
    """The bar at which a position was closed because its instrument had ended, by column."""

    @property
    def is_same_close(self) -> bool:
        """True if orders fill at the close of the bar that they are decided on."""
        return self.backtest.fill == "same_close"

    @property
    def is_limited(self) -> bool:
        """True if neither cash nor a position may go below zero."""
        return isinstance(self.backtest.account, CashAccount)

    @property
    def cuts(self) -> bool:
        """True if an order that is too large for the account is cut and not refused."""
        return isinstance(self.backtest.account, CashAccount) and (
            self.backtest.account.insufficient != "reject"
        )

    @classmethod
    def of(cls, backtest: Backtest, tables: Tables) -> Self:
        """Read the run of *backtest* from the tables of its journal.

        Raises `UnknownCommodity` for a currency that they do not have, and `DamagedFile` where they do not
        fit together.
        """
        panels = Panels.of(backtest.bars)
        with _tied_together():
            journal = _Journal(tables, panels, backtest.currency)
            fills = journal.fills()
            units = journal.units()
            value = journal.cash + np.nansum(units * np.nan_to_num(panels.valuation), axis=1)
            outcome = Outcome(fills, journal.refusals(), journal.cash, value)
            return cls(panels, backtest, journal.opening, journal.orders(), outcome, journal.endings())


_REFERENCES = {
    ("fill", "instrument"): "commodity",
    ("fill", "order_id"): "orders",
    ("orders", "instrument"): "commodity",
    ("order_event", "order_id"): "orders",
    ("transfer", "txn"): "txn",
    ("transfer", "debit"): "account",
    ("transfer", "credit"): "account",
    ("account", "commodity"): "commodity",
}
"""The columns that name a row of another table. None of them has -1 for none."""
_FIRST = {"commodity": "symbol", "orders": "instrument", "txn": "kind", "account": "path"}
"""A column of each table that is named."""


@contextmanager
def _tied_together() -> Iterator[None]:
    """Raise `DamagedFile` for a number that no enumeration has. Seals hold for that too."""
    try:
        yield
    except (IndexError, ValueError) as error:
        raise DamagedFile(
            f"the tables of the journal do not fit together; verify the journal ({error})"
        ) from error


class _Journal:
    """The tables of a journal, with bars and columns in place of timestamps and commodities."""

    def __init__(self, tables: Tables, panels: Panels, currency: str) -> None:
        self.tables, self.panels = tables, panels
        symbol, scale = tables.columns("commodity", ("symbol", "scale")).values()
        self.scale: Floats = 10.0 ** scale.astype(np.float64)
        names = symbol.tolist()
        columns = {name: column for column, name in enumerate(panels.symbols)}
        self.column = np.array([columns.get(name, -1) for name in names], np.int64)
        if currency not in names:
            raise UnknownCommodity(f"there is no currency {currency!r} in the journal; verify the journal")
        self.money = names.index(currency)

    def bar(self, timestamp: NDArray[Any]) -> Int64s:
        """Return the bar of each time: the first that is not before it."""
        bars: Int64s = np.searchsorted(self.panels.timestamp, timestamp.view(np.int64)).astype(np.int64)
        return bars

    def table(self, name: str, *columns: str) -> dict[str, NDArray[Any]]:
        """Read columns of a table. Raises `DamagedFile` where one names a row that does not exist."""
        rows = self.tables.columns(name, columns)
        for column, values in rows.items():
            other = _REFERENCES.get((name, column))
            if other is None or not values.size:
                continue
            count = self.tables.columns(other, (_FIRST[other],))[_FIRST[other]].size
            if not 0 <= values.min() <= values.max() < count:
                raise DamagedFile(
                    f"a row of the table {name} names no row of {other} by its {column}; verify the journal"
                )
            if name in {"fill", "orders"} and column == "instrument" and np.any(self.column[values] < 0):
                raise DamagedFile(
                    f"a row of the table {name} is in what the bars do not have; verify the journal"
                )
        return rows

    def _market_fills(self, *names: str) -> dict[str, NDArray[Any]]:
        """Read columns of the fills of a market, without those that close an instrument that ended."""
        rows = self.table("fill", *names)
        txns = self.table("txn", "kind", "fill_id")
        is_ending = np.isin(
            np.arange(rows[names[0]].size), txns["fill_id"][txns["kind"] == int(Kind.DELISTING)]
        )
        return {name: values[~is_ending] for name, values in rows.items()}

    def fills(self) -> list[Fill]:
        """Read the fills of the market, in the sequence in which they happened."""
        rows = self._market_fills(
            "timestamp", "instrument", "order_id", "side", "quantity", "price", "commission"
        )
        kinds = rows["instrument"]
        quantity = rows["side"] * rows["quantity"] / self.scale[kinds]
        fee = rows["commission"] / self.scale[self.money]
        return [
            Fill(*row)
            for row in zip(
                self.bar(rows["timestamp"]).tolist(),
                self.column[kinds].tolist(),
                rows["order_id"].tolist(),
                quantity.tolist(),
                rows["price"].tolist(),
                fee.tolist(),
                strict=True,
            )
        ]

    def refusals(self) -> list[Refusal]:
        """Read the orders that were rejected, with the reason."""
        events = self.table("order_event", "timestamp", "order_id", "event", "reason")
        instrument = self.table("orders", "instrument")["instrument"]
        rejections = np.flatnonzero(events["event"] == int(OrderEvent.REJECTED))
        bars = self.bar(events["timestamp"])
        return [
            Refusal(
                int(bars[row]),
                int(self.column[instrument[events["order_id"][row]]]),
                int(events["order_id"][row]),
                Reason(int(events["reason"][row])).name.lower(),
            )
            for row in rejections.tolist()
        ]

    def orders(self) -> list[Order]:
        """Read every order as it was placed."""
        rows = self.table(
            "orders", "timestamp", "instrument", "quantity", "type", "limit_price", "stop_price", "tif"
        )
        bars, columns = self.bar(rows["timestamp"]).tolist(), self.column[rows["instrument"]].tolist()
        until = self._cancellations()
        orders: list[Order] = []
        position = [0] * len(self.panels.symbols)
        fills = self._moves()
        place = 0
        for number, (bar, column, units) in enumerate(
            zip(bars, columns, rows["quantity"].tolist(), strict=True)
        ):
            # Fills at the close of this bar come after all of its orders were placed.
            while place < len(fills) and fills[place][0] <= bar and bars[fills[place][1]] < bar:
                *_, where, change = fills[place]
                position[where] += change
                place += 1
            orders.append(
                Order(
                    number,
                    bar,
                    column,
                    float(units / self.scale[rows["instrument"][number]]),
                    OrderType(int(rows["type"][number])),
                    float(rows["limit_price"][number]),
                    float(rows["stop_price"][number]),
                    TimeInForce(int(rows["tif"][number])),
                    position[column] * units < 0,
                    until.get(number, -1),
                )
            )
        return orders

    def _moves(self) -> list[tuple[int, int, int, int]]:
        """Read bar, order, column and units (below zero for a sale) of every fill."""
        rows = self._market_fills("timestamp", "order_id", "instrument", "side", "quantity")
        return list(
            zip(
                self.bar(rows["timestamp"]).tolist(),
                rows["order_id"].tolist(),
                self.column[rows["instrument"]].tolist(),
                (rows["side"] * rows["quantity"]).tolist(),
                strict=True,
            )
        )

    def _cancellations(self) -> dict[int, int]:
        """Read the bar of every cancellation, by order."""
        events = self.table("order_event", "timestamp", "order_id", "event")
        is_cancellation = events["event"] == int(OrderEvent.CANCELLED)
        bars = self.bar(events["timestamp"][is_cancellation])
        return dict(zip(events["order_id"][is_cancellation].tolist(), bars.tolist(), strict=True))

    def endings(self) -> dict[int, int]:
        """Read the bar at which a position was closed because its instrument ended, by column."""
        txns = self.table("txn", "timestamp", "kind", "instrument")
        is_ending = txns["kind"] == int(Kind.DELISTING)
        columns, bars = self.column[txns["instrument"][is_ending]], self.bar(txns["timestamp"][is_ending])
        return dict(zip(columns.tolist(), bars.tolist(), strict=True))

    # --- sums of transfers ----------------------------------------------------------------------------

    @cached_property
    def _transfers(self) -> tuple[Int64s, Int64s, Int64s, Int64s]:
        """The bar, debit account, credit account and amount of every transfer."""
        rows = self.table("transfer", "txn", "debit", "credit", "amount")
        timestamp = self.table("txn", "timestamp")["timestamp"]
        return self.bar(timestamp)[rows["txn"]], rows["debit"], rows["credit"], rows["amount"]

    def _balances(self, place: Int64s, width: int) -> Int64s:
        """Add up int64[bars, width] balances: *place* is the column of each account, -1 for none."""
        bars, debit, credit, amount = self._transfers
        balances = np.zeros((len(self.panels.timestamp), width), np.int64)
        for account, sign in ((debit, 1), (credit, -1)):
            counts = place[account] >= 0
            np.add.at(balances, (bars[counts], place[account][counts]), sign * amount[counts])
        return np.cumsum(balances, axis=0)

    @cached_property
    def _accounts(self) -> dict[str, NDArray[Any]]:
        return self.table("account", "path", "commodity", "instrument")

    @cached_property
    def cash(self) -> Floats:
        """float64[bars]: cash at every bar, including the proceeds of short sales."""
        paths, commodity = self._accounts["path"].tolist(), self._accounts["commodity"]
        is_cash = np.array([path.startswith((CASH, PROCEEDS)) for path in paths], np.bool_)
        place = np.where(is_cash & (commodity == self.money), 0, -1)
        cash: Floats = self._balances(place, 1)[:, 0] / self.scale[self.money]
        return cash

    @cached_property
    def opening(self) -> float:
        """The sum of all deposits."""
        kind = self.table("txn", "kind")["kind"]
        _, debit, _, amount = self._transfers
        is_deposit = kind[self.table("transfer", "txn")["txn"]] == int(Kind.DEPOSIT)
        if np.any(self._accounts["commodity"][debit[is_deposit]] != self.money):
            raise BookingRefused("the journal has deposits in several currencies; book a run in one")
        return float(amount[is_deposit].sum() / self.scale[self.money])

    def units(self) -> Floats:
        """Return float64[bars, columns] positions at every bar, below zero when short."""
        paths = self._accounts["path"].tolist()
        commodity, instrument = self._accounts["commodity"], self._accounts["instrument"]
        is_position = np.array([path.startswith(HOLDING) for path in paths], np.bool_)
        place = np.where(is_position & (commodity == instrument), self.column[instrument], -1)
        units = self._balances(place, len(self.panels.symbols))
        scale = np.ones(len(self.panels.symbols))
        there = self.column >= 0
        scale[self.column[there]] = self.scale[there]
        return units / scale

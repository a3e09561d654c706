"""A run of ours as plain data: its bars as panels, the orders that it gave, and what came of them.

All of it is read from the journal's own tables. Cash and value at every bar are folded from its transfers, so
that neither the statements nor how often there are any matters.
"""

from collections.abc import Mapping, Sequence
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
from tieout.ledger.moment import DAY
from tieout.validation.foreign.outcome import Fill, Floats, Outcome, Refusal

Int64s = NDArray[np.int64]

FIELDS = ("open", "high", "low", "close", "volume")
CASH, PROCEEDS, HOLDING = "Assets:Cash:", "Assets:Margin:ShortProceeds:", "Assets:Positions:"


@frozen
class Order:
    """An order as it was given: at the close of *bar*, for *quantity* units, below zero to sell.

    *limit* and *stop* are NaN where it has none. *reduces* tells whether it goes against the position that
    there was when it was given. *until* is the bar at whose close it was cancelled, -1 where it was not.
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
    """The bars of a run: int64[bars] nanoseconds, symbols, and float64[bars, columns] by field."""

    timestamp: Int64s
    symbols: Sequence[str]
    fields: Mapping[str, Floats]

    @classmethod
    def of(cls, bars: Bars) -> Self:
        """All windows of the bars together."""
        windows = [window.market for window in bars.windows()]
        fields = {name: np.concatenate([getattr(market, name) for market in windows]) for name in FIELDS}
        return cls(bars.timestamp, bars.symbols, fields)

    def __getitem__(self, field: str) -> Floats:
        return self.fields[field]

    def when(self, bar: int) -> str:
        """The time of a bar; a date where it is one."""
        moment = str(np.datetime64(int(self.timestamp[bar]), "ns"))
        return moment[:10] if self.timestamp[bar] % DAY == 0 else moment[:19].replace("T", " ")

    @cached_property
    def is_there(self) -> NDArray[np.bool_]:
        """bool[bars, columns]: whether an instrument has a bar."""
        there: NDArray[np.bool_] = ~np.isnan(self["close"])
        return there

    @cached_property
    def valuation(self) -> Floats:
        """float64[bars, columns]: the last close so far, NaN before the first."""
        last = np.maximum.accumulate(np.where(self.is_there, np.arange(len(self.timestamp))[:, None], -1))
        prices: Floats = np.take_along_axis(self["close"], np.maximum(last, 0), axis=0)
        return np.where(last >= 0, prices, np.nan)

    def following(self, bar: int, column: int) -> int:
        """The next bar of an instrument after *bar*; -1 where there is none."""
        later = np.flatnonzero(self.is_there[bar + 1 :, column])
        return bar + 1 + int(later[0]) if later.size else -1


@frozen(eq=False)
class Performed:
    """A run of ours: its bars, what it was performed under, its orders, and what came of them."""

    panels: Panels
    backtest: Backtest
    opening: float
    orders: Sequence[Order]
    outcome: Outcome
    endings: Mapping[int, int]
    """The bar at which a position was closed because its instrument had ended, by column."""

    @property
    def is_same_close(self) -> bool:
        """Whether orders fill at the close of the bar that they are decided on."""
        return self.backtest.fill == "same_close"

    @property
    def is_limited(self) -> bool:
        """Whether cash and positions have a floor."""
        return isinstance(self.backtest.account, CashAccount)

    @property
    def cuts(self) -> bool:
        """Whether an order that the account cannot bear is cut to what it can."""
        return isinstance(self.backtest.account, CashAccount) and (
            self.backtest.account.insufficient != "reject"
        )

    @classmethod
    def of(cls, backtest: Backtest, tables: Tables) -> Self:
        """What a journal holds of a run that was performed by *backtest*."""
        panels = Panels.of(backtest.bars)
        journal = _Journal(tables, panels, backtest.currency)
        fills = journal.fills()
        held = journal.units()
        value = journal.cash + np.nansum(held * np.nan_to_num(panels.valuation), axis=1)
        outcome = Outcome(fills, journal.refusals(), journal.cash, value)
        return cls(panels, backtest, journal.opening, journal.orders(), outcome, journal.endings())


class _Journal:
    """The tables of a journal, with bars and columns in the place of times and commodities."""

    def __init__(self, tables: Tables, panels: Panels, currency: str) -> None:
        self.tables, self.panels = tables, panels
        symbol, scale = tables.columns("commodity", ("symbol", "scale")).values()
        self.scale: Floats = 10.0 ** scale.astype(np.float64)
        names = symbol.tolist()
        columns = {name: column for column, name in enumerate(panels.symbols)}
        self.column = np.array([columns.get(name, -1) for name in names], np.int64)
        self.money = names.index(currency)

    def bar(self, timestamp: NDArray[Any]) -> Int64s:
        """The bar of each time: the first that is not before it."""
        found: Int64s = np.searchsorted(self.panels.timestamp, timestamp.view(np.int64)).astype(np.int64)
        return found

    def table(self, name: str, *columns: str) -> dict[str, NDArray[Any]]:
        """Columns of a table."""
        return self.tables.columns(name, columns)

    def fills(self) -> list[Fill]:
        """The fills, in the order in which they happened."""
        rows = self.table(
            "fill", "timestamp", "instrument", "order_id", "side", "quantity", "price", "commission"
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
        """The orders that were rejected, and why."""
        events = self.table("order_event", "timestamp", "order_id", "event", "reason")
        instrument = self.table("orders", "instrument")["instrument"]
        chosen = np.flatnonzero(events["event"] == int(OrderEvent.REJECTED))
        bars = self.bar(events["timestamp"])
        return [
            Refusal(
                int(bars[row]),
                int(self.column[instrument[events["order_id"][row]]]),
                int(events["order_id"][row]),
                Reason(int(events["reason"][row])).name.lower(),
            )
            for row in chosen.tolist()
        ]

    def orders(self) -> list[Order]:
        """Every order, as it was given."""
        rows = self.table(
            "orders", "timestamp", "instrument", "quantity", "type", "limit_price", "stop_price", "tif"
        )
        bars, columns = self.bar(rows["timestamp"]).tolist(), self.column[rows["instrument"]].tolist()
        ended = self._cancelled()
        found: list[Order] = []
        held = [0] * len(self.panels.symbols)
        fills = self._moves()
        done = 0
        for number, (bar, column, units) in enumerate(
            zip(bars, columns, rows["quantity"].tolist(), strict=True)
        ):
            # What an order of this bar fills, at its close, comes after all of them were given.
            while done < len(fills) and fills[done][0] <= bar and bars[fills[done][1]] < bar:
                _, _, where, moved = fills[done]
                held[where] += moved
                done += 1
            found.append(
                Order(
                    number,
                    bar,
                    column,
                    float(units / self.scale[rows["instrument"][number]]),
                    OrderType(int(rows["type"][number])),
                    float(rows["limit_price"][number]),
                    float(rows["stop_price"][number]),
                    TimeInForce(int(rows["tif"][number])),
                    held[column] * units < 0,
                    ended.get(number, -1),
                )
            )
        return found

    def _moves(self) -> list[tuple[int, int, int, int]]:
        """Of every fill: its bar, order, column, and units, below zero for a sale."""
        rows = self.table("fill", "timestamp", "order_id", "instrument", "side", "quantity")
        return list(
            zip(
                self.bar(rows["timestamp"]).tolist(),
                rows["order_id"].tolist(),
                self.column[rows["instrument"]].tolist(),
                (rows["side"] * rows["quantity"]).tolist(),
                strict=True,
            )
        )

    def _cancelled(self) -> dict[int, int]:
        """The bar at which each order was cancelled, of those that were."""
        events = self.table("order_event", "timestamp", "order_id", "event")
        chosen = events["event"] == int(OrderEvent.CANCELLED)
        bars = self.bar(events["timestamp"][chosen])
        return dict(zip(events["order_id"][chosen].tolist(), bars.tolist(), strict=True))

    def endings(self) -> dict[int, int]:
        """Where positions were closed without an order, by column."""
        txns = self.table("txn", "timestamp", "kind", "instrument")
        chosen = txns["kind"] == int(Kind.DELISTING)
        columns, bars = self.column[txns["instrument"][chosen]], self.bar(txns["timestamp"][chosen])
        return dict(zip(columns.tolist(), bars.tolist(), strict=True))

    # --- folds -------------------------------------------------------------------------------------

    @cached_property
    def _moved(self) -> tuple[Int64s, Int64s, Int64s, Int64s]:
        """Of every transfer: its bar, the accounts debited and credited, and the amount."""
        rows = self.table("transfer", "txn", "debit", "credit", "amount")
        timestamp = self.table("txn", "timestamp")["timestamp"]
        return self.bar(timestamp)[rows["txn"]], rows["debit"], rows["credit"], rows["amount"]

    def _folded(self, place: Int64s, width: int) -> Int64s:
        """int64[bars, width]: balances at every bar of what *place* puts accounts in; -1 for nowhere."""
        bars, debit, credit, amount = self._moved
        balances = np.zeros((len(self.panels.timestamp), width), np.int64)
        for account, sign in ((debit, 1), (credit, -1)):
            chosen = place[account] >= 0
            np.add.at(balances, (bars[chosen], place[account][chosen]), sign * amount[chosen])
        return np.cumsum(balances, axis=0)

    @cached_property
    def _accounts(self) -> dict[str, NDArray[Any]]:
        return self.table("account", "path", "commodity", "instrument")

    @cached_property
    def cash(self) -> Floats:
        """float64[bars]: cash at every bar, the proceeds of short sales among it."""
        paths, commodity = self._accounts["path"].tolist(), self._accounts["commodity"]
        is_cash = np.array([path.startswith((CASH, PROCEEDS)) for path in paths], np.bool_)
        place = np.where(is_cash & (commodity == self.money), 0, -1)
        cash: Floats = self._folded(place, 1)[:, 0] / self.scale[self.money]
        return cash

    @cached_property
    def opening(self) -> float:
        """What was put in."""
        rows = self.table("txn", "kind")
        bars, debit, _, amount = self._moved
        del bars
        txn = self.table("transfer", "txn")["txn"]
        put_in = rows["kind"][txn] == int(Kind.DEPOSIT)
        assert np.all(self._accounts["commodity"][debit[put_in]] == self.money)
        return float(amount[put_in].sum() / self.scale[self.money])

    def units(self) -> Floats:
        """float64[bars, columns]: what is held at every bar, below zero when short."""
        paths = self._accounts["path"].tolist()
        commodity, instrument = self._accounts["commodity"], self._accounts["instrument"]
        held = np.array([path.startswith(HOLDING) for path in paths], np.bool_) & (commodity == instrument)
        place = np.where(held, self.column[instrument], -1)
        units = self._folded(place, len(self.panels.symbols))
        scale = np.ones(len(self.panels.symbols))
        there = self.column >= 0
        scale[self.column[there]] = self.scale[there]
        return units / scale

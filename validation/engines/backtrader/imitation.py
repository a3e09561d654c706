"""Backtrader 1.9.78.123 imitated: `imitate` performs a scenario by its rules, `booked` books what came of it.

`Followed` is the outcome with all that the package tells of orders; its own run gives one too.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout.execution.kernels.orders import OrderType
from tieout.ledger.books.arrays import Records, records
from tieout.ledger.books.kinds import Kind
from tieout.validation.engines.backtrader import tables
from tieout.validation.engines.backtrader.rules import perform as perform_all
from tieout.validation.engines.backtrader.scenario import Scenario
from tieout.validation.foreign.booking import Booked, book, charges_of, orders_of, trades_of
from tieout.validation.foreign.outcome import (
    Difference,
    Fill,
    Floats,
    Outcome,
    Refusal,
    describe,
    differences,
)

Int64s = NDArray[np.int64]

STATUSES = (
    "Created",
    "Submitted",
    "Accepted",
    "Partial",
    "Completed",
    "Canceled",
    "Expired",
    "Margin",
    "Rejected",
)
"""What an order is, by Backtrader's number."""
UNFILLED = frozenset({"Canceled", "Expired", "Margin", "Rejected"})
"""How an order ends that did not fill, or not wholly."""


@frozen
class Notice:
    """What the strategy was told of an order, and at which bar."""

    bar: int
    order: int
    status: str


@frozen
class Credit:
    """Interest that was charged on an instrument at a bar."""

    bar: int
    column: int
    amount: float


@frozen(eq=False, kw_only=True)
class Followed(Outcome):
    """An outcome, and what else Backtrader tells. The fee of a fill is what its record says.

    *notices* are all of them, in order. *stamps* are the bars whose time each fill bears, which is the one
    before where an order fills at the close that it was decided at. *credits* is all interest.
    """

    notices: Sequence[Notice]
    stamps: Sequence[int]
    credits: Sequence[Credit]


@frozen(eq=False, slots=False)
class Performance:
    """What the loop has left: the desk, and how many rows of each table count."""

    scenario: Scenario
    desk: tables.Desk

    def rows(self, name: str) -> Records:
        """The rows of a table of the desk."""
        found = getattr(self.desk, name)[: self.desk.account[0][name]]
        return found.view(np.recarray)

    @cached_property
    def followed(self) -> Followed:
        """The tables as an outcome."""
        done, orders = self.rows("executions"), self.rows("orders")
        names = ("bar", "column", "order", "quantity", "price", "fee")
        notices = [
            Notice(bar, order, STATUSES[status])
            for bar, order, status in self.rows("events").tolist()
            if bar < self.scenario.timestamp.size  # what happens after the last bar is heard by nobody
        ]
        return Followed(
            fills=[Fill(*row) for row in zip(*(done[name].tolist() for name in names), strict=True)],
            refusals=refusals_of(notices, orders["column"].tolist()),
            cash=self.desk.cash,
            value=self.desk.value,
            notices=notices,
            stamps=done["stamp"].tolist(),
            credits=[Credit(*row) for row in self.rows("credits").tolist()],
        )


def perform(scenario: Scenario) -> Performance:
    """The loop alone, on tables of its own."""
    desk = _desk(scenario)
    perform_all(desk)
    return Performance(scenario, desk)


def imitate(scenario: Scenario) -> Followed:
    """What Backtrader makes of a scenario, by rules of ours."""
    return perform(scenario).followed


def booked(scenario: Scenario, **options: Any) -> tuple[Followed, Booked]:
    """The same, and its books; *options* are those of `booking.book`."""
    performance = perform(scenario)
    return performance.followed, books(performance, **options)


def refusals_of(notices: Sequence[Notice], columns: Sequence[int]) -> list[Refusal]:
    """The notices that tell the end of an order that did not fill; *columns* by order."""
    return [
        Refusal(notice.bar, columns[notice.order], notice.order, notice.status)
        for notice in notices
        if notice.status in UNFILLED
    ]


def trades_from(performance: Performance) -> Records:
    """The executions as the ledger's bridge takes them: states before and after."""
    done = performance.rows("executions")
    trades = trades_of(done.size)
    for name in (
        "bar",
        "column",
        "order",
        "quantity_before",
        "quantity_after",
        "cash_before",
        "cash_after",
        "price",
    ):
        trades[name] = done[name]
    trades["fee"] = done["commission"]
    return trades


def books(performance: Performance, **options: Any) -> Booked:
    """What the loop did, in a journal; *options* are those of `booking.book`."""
    scenario = performance.scenario
    charged = performance.rows("charges")
    charges = charges_of(charged.size)
    charges["column"] = -1
    charges["trade"] = charged["execution"]
    charges["kind"] = int(Kind.MARGIN_INTEREST if scenario.rules.interest_long else Kind.BORROW_FEE)
    for name in ("bar", "cash_before", "cash_after"):
        charges[name] = charged[name]
    return book(
        scenario.timestamp,
        scenario.symbols,
        scenario.rules.cash,
        trades_from(performance),
        np.where(performance.desk.last >= 0, performance.desk.close, np.nan),
        charges,
        _asked(performance.rows("orders")),
        performance.followed.refusals,
        **options,
    )


def of_records(scenario: Scenario, followed: Followed) -> tuple[Records, Records]:
    """Trades and charges as the records of a run say, without the states behind them.

    They are fills at price and fee, and interest. Interest, which cash has paid, and which Backtrader adds to
    the commission of what closes, is taken out.
    """
    trades, charges = trades_of(len(followed.fills)), charges_of(len(followed.credits))
    held, owed = np.zeros((2, scenario.columns))
    cash, given = scenario.rules.cash, 0

    def charge(until: int) -> None:
        nonlocal cash, given
        while given < len(followed.credits) and followed.credits[given].bar <= until:
            credit = followed.credits[given]
            kind = Kind.BORROW_FEE if held[credit.column] < 0.0 else Kind.MARGIN_INTEREST
            row = credit.bar, credit.column, row_of_trade, int(kind), cash, cash - credit.amount
            np.asarray(charges)[given] = row
            cash -= credit.amount
            owed[credit.column] += credit.amount
            given += 1

    for row_of_trade, fill in enumerate(followed.fills):
        charge(fill.bar)
        had, fee = held[fill.column], fill.fee
        if had * fill.quantity < 0.0 and scenario.rules.int2pnl:
            fee -= owed[fill.column]
            owed[fill.column] = 0.0
        left = cash - fill.quantity * fill.price - fee
        states = had, had + fill.quantity, cash, left
        np.asarray(trades)[row_of_trade] = (fill.bar, fill.column, fill.order, *states, fee, fill.price)
        held[fill.column], cash = had + fill.quantity, left
    row_of_trade = len(followed.fills)
    charge(scenario.timestamp.size)
    return trades, charges


def books_of_records(scenario: Scenario, followed: Followed, **options: Any) -> Booked:
    """What the records of a run say, in a journal; *options* are those of `booking.book`."""
    trades, charges = of_records(scenario, followed)
    prices = np.where(last_bars(scenario) >= 0, carried(scenario)[-1], np.nan)
    return book(scenario.timestamp, scenario.symbols, scenario.rules.cash, trades, prices, charges, **options)


def _asked(orders: Records) -> Records:
    """Orders as the books have them: a limit, a stop, or else the market's price."""
    found = orders_of(orders.size)
    found["number"] = np.arange(orders.size)
    found["bar"], found["column"], found["quantity"] = orders["bar"], orders["column"], orders["quantity"]
    is_limit, is_stop = orders["type"] == tables.LIMIT, orders["type"] >= tables.STOP
    has_limit = is_limit | (orders["type"] == tables.STOP_LIMIT) | (orders["type"] == tables.STOP_TRAIL_LIMIT)
    found["type"] = np.where(is_stop, OrderType.STOP, np.where(is_limit, OrderType.LIMIT, OrderType.MARKET))
    found["limit_price"] = np.where(has_limit, orders["limit"], np.nan)
    found["stop_price"] = np.where(is_stop, orders["price"], np.nan)
    return found


def all_differences(ours: Followed, theirs: Followed) -> list[Difference]:
    """As `outcome.differences`, and the first notice, stamp and charge of interest that differ."""
    found = differences(ours, theirs)
    pairs: tuple[tuple[str, Sequence[Notice | _Stamp | Credit], Sequence[Notice | _Stamp | Credit]], ...] = (
        ("notice", ours.notices, theirs.notices),
        ("stamp", _stamped(ours), _stamped(theirs)),
        ("interest", ours.credits, theirs.credits),
    )
    for what, here, there in pairs:
        for one, other in zip(here, there, strict=False):
            if one != other:
                found.append(Difference(min(one.bar, other.bar), -1, what, str(one), str(other)))
                break
        else:
            found += [Difference(one.bar, -1, what, str(one), "none") for one in here[len(there) :][:1]]
            found += [Difference(one.bar, -1, what, "none", str(one)) for one in there[len(here) :][:1]]
    return sorted(found, key=lambda difference: difference.bar)


@frozen
class _Stamp:
    bar: int
    fill: str

    def __str__(self) -> str:
        return f"bar {self.bar} for {self.fill}"


def _stamped(followed: Followed) -> list[_Stamp]:
    return [_Stamp(bar, describe(fill)) for bar, fill in zip(followed.stamps, followed.fills, strict=True)]


# --- the desk ----------------------------------------------------------------------------------------


def _desk(scenario: Scenario) -> tables.Desk:
    """Tables with room for whatever may happen; memory is taken only where something does."""
    bars, columns = scenario.close.shape
    most = scenario.actions.size
    last = last_bars(scenario)
    given = records(1, tables.RULES)
    _set(given[0], scenario)
    account = records(1, tables.ACCOUNT)
    account[0].cash = account[0].value = scenario.rules.cash
    instruments = records(columns, tables.INSTRUMENT)
    instruments["checked_at"] = -1
    interest = bars if scenario.rules.interest else 0
    opened, high, low, close = carried(scenario)
    return tables.Desk(
        scenario.timestamp,
        opened,
        high,
        low,
        close,
        last,
        scenario.actions,
        given,
        account,
        instruments,
        np.zeros(columns, np.int64),
        records(most, tables.ORDER),
        np.zeros(most, np.int64),
        np.zeros(most, np.int64),
        np.zeros(most, np.int64),
        records(2 * most + 16, tables.EXECUTION),
        records(6 * most + 16, tables.EVENT),
        records(interest, tables.CHARGED),
        records(interest * columns, tables.CREDIT),
        np.zeros(bars),
        np.zeros(bars),
    )


def last_bars(scenario: Scenario) -> Int64s:
    """int64[bars, columns]: the last bar with prices that an instrument has by then, -1 where none."""
    number = np.arange(scenario.timestamp.size)[:, None]
    found: Int64s = np.maximum.accumulate(np.where(scenario.is_priced, number, -1), axis=0)
    return found


def carried(scenario: Scenario) -> list[Floats]:
    """Open, high, low and close, each carried over where an instrument has no bar."""
    if scenario.is_priced.all():
        return list(scenario.bars.values())
    last = np.maximum(last_bars(scenario), 0)
    return [np.take_along_axis(prices, last, axis=0) for prices in scenario.bars.values()]


def _set(row: Any, scenario: Scenario) -> None:
    given = scenario.rules
    row.commission, row.is_per_unit = given.commission, given.is_per_unit
    row.credit_rate, row.charges_long = given.interest / 365.0, given.interest_long
    row.repeats_interest, row.checks_submission = given.int2pnl, given.checksubmit
    row.timing = given.timing
    row.slip_percent, row.slip_fixed = given.slip_perc, given.slip_fixed
    row.slip_open, row.slip_match = given.slip_open, given.slip_match
    row.slip_limit, row.slip_out = given.slip_limit, given.slip_out

"""The imitation of Backtrader 1.9.78.123: `imitate` performs a scenario, `booked` books the result too.

`FullOutcome` is an outcome with all notices of orders. A run of the package has the same form.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from attrs import frozen

from tieout.execution.kernels.orders import OrderType
from tieout.ledger.books.arrays import records
from tieout.ledger.books.kinds import Kind
from tieout.ledger.numeric import Floats, Int64s, Records
from tieout.validation.engines.backtrader import tables
from tieout.validation.engines.backtrader.rules import perform as perform_all
from tieout.validation.engines.backtrader.scenario import Scenario
from tieout.validation.foreign.booking import Booked, book, charges_of, orders_of, trades_of
from tieout.validation.foreign.outcome import Difference, Fill, Outcome, Refusal, describe, differences

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
"""Statuses of orders, by Backtrader's number."""
UNFILLED = frozenset({"Canceled", "Expired", "Margin", "Rejected"})
"""Final statuses of orders that did not fill, or not completely."""


@frozen
class Notice:
    """A notice of an order to the strategy, and its bar."""

    bar: int
    order: int
    status: str


@frozen
class Credit:
    """Interest on an instrument, charged at a bar."""

    bar: int
    column: int
    amount: float


@frozen(eq=False, kw_only=True)
class FullOutcome(Outcome):
    """An outcome with the other records of Backtrader. The fee of a fill is that of its record.

    *notices* are all notices in sequence. *stamps* are the bars whose time each fill has, which is the bar
    before if an order fills at the close of its decision. *credits* are all charges of interest.
    """

    notices: Sequence[Notice]
    stamps: Sequence[int]
    credits: Sequence[Credit]


@frozen(eq=False, slots=False)
class Performance:
    """The result of the loop: the desk, whose account counts the rows of each table."""

    scenario: Scenario
    desk: tables.Desk

    def rows(self, name: str) -> Records:
        """Return the rows of a table of the desk."""
        table = getattr(self.desk, name)[: self.desk.account[0][name]]
        return table.view(np.recarray)

    @cached_property
    def followed(self) -> FullOutcome:
        """The tables as an outcome."""
        executions, orders = self.rows("executions"), self.rows("orders")
        names = ("bar", "column", "order", "quantity", "price", "fee")
        notices = [
            Notice(bar, order, STATUSES[status])
            for bar, order, status in self.rows("events").tolist()
            if bar < self.scenario.timestamp.size  # the strategy gets no notice after the last bar
        ]
        return FullOutcome(
            fills=[Fill(*row) for row in zip(*(executions[name].tolist() for name in names), strict=True)],
            refusals=refusals_of(notices, orders["column"].tolist()),
            cash=self.desk.cash,
            value=self.desk.value,
            notices=notices,
            stamps=executions["stamp"].tolist(),
            credits=[Credit(*row) for row in self.rows("credits").tolist()],
        )


def perform(scenario: Scenario) -> Performance:
    """Run the loop alone, on tables of its own."""
    desk = _desk(scenario)
    perform_all(desk)
    return Performance(scenario, desk)


def imitate(scenario: Scenario) -> FullOutcome:
    """Return the outcome of a scenario in the imitation."""
    return perform(scenario).followed


def imitate_and_book(scenario: Scenario, **options: Any) -> tuple[FullOutcome, Booked]:
    """Perform a scenario and book the result. *options* are those of `booking.book`."""
    performance = perform(scenario)
    return performance.followed, books(performance, **options)


def refusals_of(notices: Sequence[Notice], columns: Sequence[int]) -> list[Refusal]:
    """Collect the notices that end an order without a complete fill. *columns* are by order."""
    return [
        Refusal(notice.bar, columns[notice.order], notice.order, notice.status)
        for notice in notices
        if notice.status in UNFILLED
    ]


def trades_from(performance: Performance) -> Records:
    """Convert the executions to `TRADE` rows: states before and after."""
    executions = performance.rows("executions")
    trades = trades_of(executions.size)
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
        trades[name] = executions[name]
    trades["fee"] = executions["commission"]
    return trades


def books(performance: Performance, **options: Any) -> Booked:
    """Book the result of the loop. *options* are those of `booking.book`."""
    scenario = performance.scenario
    charge_rows = performance.rows("charges")
    charges = charges_of(charge_rows.size)
    charges["column"] = -1
    charges["trade"] = charge_rows["execution"]
    charges["kind"] = int(Kind.MARGIN_INTEREST if scenario.rules.interest_long else Kind.BORROW_FEE)
    for name in ("bar", "cash_before", "cash_after"):
        charges[name] = charge_rows[name]
    return book(
        scenario.timestamp,
        scenario.symbols,
        scenario.rules.cash,
        trades_from(performance),
        np.where(performance.desk.last >= 0, performance.desk.close, np.nan),
        charges,
        _requests(performance.rows("orders")),
        performance.followed.refusals,
        **options,
    )


def of_records(scenario: Scenario, followed: FullOutcome) -> tuple[Records, Records]:
    """Derive trades and charges from the records of a run, without the states behind them.

    They are fills at price and fee, and interest. Backtrader adds interest, which cash has paid already, to
    the commission of a closing fill. That part is removed.
    """
    trades, charges = trades_of(len(followed.fills)), charges_of(len(followed.credits))
    position, interest = np.zeros((2, scenario.columns))
    cash, next_credit = scenario.rules.cash, 0

    def charge(until: int) -> None:
        nonlocal cash, next_credit
        while next_credit < len(followed.credits) and followed.credits[next_credit].bar <= until:
            credit = followed.credits[next_credit]
            kind = Kind.BORROW_FEE if position[credit.column] < 0.0 else Kind.MARGIN_INTEREST
            row = credit.bar, credit.column, row_of_trade, int(kind), cash, cash - credit.amount
            np.asarray(charges)[next_credit] = row
            cash -= credit.amount
            interest[credit.column] += credit.amount
            next_credit += 1

    for row_of_trade, fill in enumerate(followed.fills):
        charge(fill.bar)
        before, fee = position[fill.column], fill.fee
        if before * fill.quantity < 0.0 and scenario.rules.int2pnl:
            fee -= interest[fill.column]
            interest[fill.column] = 0.0
        after_cash = cash - fill.quantity * fill.price - fee
        states = before, before + fill.quantity, cash, after_cash
        np.asarray(trades)[row_of_trade] = (fill.bar, fill.column, fill.order, *states, fee, fill.price)
        position[fill.column], cash = before + fill.quantity, after_cash
    row_of_trade = len(followed.fills)
    charge(scenario.timestamp.size)
    return trades, charges


def books_of_records(scenario: Scenario, followed: FullOutcome, **options: Any) -> Booked:
    """Book the records of a run. *options* are those of `booking.book`."""
    trades, charges = of_records(scenario, followed)
    prices = np.where(last_bars(scenario) >= 0, carried(scenario)[-1], np.nan)
    return book(scenario.timestamp, scenario.symbols, scenario.rules.cash, trades, prices, charges, **options)


def _requests(orders: Records) -> Records:
    """Convert orders for the books: a limit, a stop, or a market order."""
    requests = orders_of(orders.size)
    requests["number"] = np.arange(orders.size)
    requests["bar"], requests["column"], requests["quantity"] = (
        orders["bar"],
        orders["column"],
        orders["quantity"],
    )
    is_limit, is_stop = orders["type"] == tables.LIMIT, orders["type"] >= tables.STOP
    has_limit = is_limit | (orders["type"] == tables.STOP_LIMIT) | (orders["type"] == tables.STOP_TRAIL_LIMIT)
    requests["type"] = np.where(
        is_stop, OrderType.STOP, np.where(is_limit, OrderType.LIMIT, OrderType.MARKET)
    )
    requests["limit_price"] = np.where(has_limit, orders["limit"], np.nan)
    requests["stop_price"] = np.where(is_stop, orders["price"], np.nan)
    return requests


def all_differences(outcome: FullOutcome, expected: FullOutcome) -> list[Difference]:
    """List the differences of outcomes, and the first of notices, stamps and charges of interest."""
    every = differences(outcome, expected)
    pairs: tuple[tuple[str, Sequence[Notice | _Stamp | Credit], Sequence[Notice | _Stamp | Credit]], ...] = (
        ("notice", outcome.notices, expected.notices),
        ("stamp", _stamps(outcome), _stamps(expected)),
        ("interest", outcome.credits, expected.credits),
    )
    for what, here, there in pairs:
        for one, other in zip(here, there, strict=False):
            if one != other:
                every.append(Difference(min(one.bar, other.bar), -1, what, str(one), str(other)))
                break
        else:
            every += [Difference(one.bar, -1, what, str(one), "none") for one in here[len(there) :][:1]]
            every += [Difference(one.bar, -1, what, "none", str(one)) for one in there[len(here) :][:1]]
    return sorted(every, key=lambda difference: difference.bar)


@frozen
class _Stamp:
    bar: int
    fill: str

    def __str__(self) -> str:
        return f"bar {self.bar} for {self.fill}"


def _stamps(followed: FullOutcome) -> list[_Stamp]:
    return [_Stamp(bar, describe(fill)) for bar, fill in zip(followed.stamps, followed.fills, strict=True)]


# --- the desk ----------------------------------------------------------------------------------------


def _desk(scenario: Scenario) -> tables.Desk:
    """Make tables for the largest possible run. Untouched pages take no memory."""
    bars, columns = scenario.close.shape
    most = scenario.actions.size
    last = last_bars(scenario)
    rules = records(1, tables.RULES)
    _set(rules[0], scenario)
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
        rules,
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
    """Return int64[bars, columns]: the last bar with prices of an instrument so far, -1 without one."""
    number = np.arange(scenario.timestamp.size)[:, None]
    last: Int64s = np.maximum.accumulate(np.where(scenario.is_priced, number, -1), axis=0)
    return last


def carried(scenario: Scenario) -> list[Floats]:
    """Return open, high, low and close, carried over where an instrument has no bar."""
    if scenario.is_priced.all():
        return list(scenario.bars.values())
    last = np.maximum(last_bars(scenario), 0)
    return [np.take_along_axis(prices, last, axis=0) for prices in scenario.bars.values()]


def _set(row: Any, scenario: Scenario) -> None:
    rules = scenario.rules
    row.commission, row.is_per_unit = rules.commission, rules.is_per_unit
    row.credit_rate, row.charges_long = rules.interest / 365.0, rules.interest_long
    row.repeats_interest, row.checks_submission = rules.int2pnl, rules.checksubmit
    row.timing = rules.timing
    row.slip_percent, row.slip_fixed = rules.slip_perc, rules.slip_fixed
    row.slip_open, row.slip_match = rules.slip_open, rules.slip_match
    row.slip_limit, row.slip_out = rules.slip_limit, rules.slip_out

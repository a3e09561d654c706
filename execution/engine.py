"""The engine: the bar step over one journal. It makes room, hands rows to the journal and closes blocks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tieout.execution.errors import MalformedOrder
from tieout.execution.kernels.room import ARRAYS, first_full_array, max_requests
from tieout.execution.kernels.state import (
    EMPTY_PROGRAM,
    NO_MARKET,
    ROWS,
    Desk,
    Market,
    Program,
    empty_desk,
    enlarged,
    read_only,
)
from tieout.execution.kernels.step import AFTER, BEFORE, DECIDE, END, WHOLE, perform
from tieout.execution.kernels.submission import REQUESTS
from tieout.execution.models.accounts.account import Account
from tieout.execution.models.costs import Costs
from tieout.ledger.books.arrays import Status, copied
from tieout.ledger.books.chart import CASH
from tieout.ledger.books.commodity import text
from tieout.ledger.books.compiled import specialised
from tieout.ledger.books.refusal import refusal
from tieout.ledger.errors import AmountOutOfRange
from tieout.ledger.journal import Journal
from tieout.ledger.moment import iso
from tieout.ledger.numeric import Floats, Records, next_size

_TABLES = {
    "orders": "orders",
    "fills": "fill",
    "events": "order_event",
    "links": "order_link",
    "marks": "mark",
    "statements": "statement",
}
"""The table in which each of a desk's arrays is stored."""
ENDED = "instrument_ended"
"""The tag of the order that closes a position whose instrument has no later bar."""
_TIMES = frozenset(["timestamp", "session"])
_UNSTORED = frozenset(["column"])
# Interpreted: they are called too seldom to be worth compiled entries.
_first_full_array = getattr(first_full_array, "py_func", first_full_array)
_max_requests = getattr(max_requests, "py_func", max_requests)


class Tags:
    """The tags of orders, numbered in the order of their first use."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """Return the number of a tag. Raise `MalformedOrder` if it is not text."""
        if not isinstance(name, str):
            raise MalformedOrder(f"tag {name!r} is not text")
        number = self._numbers.get(name)
        if number is None:
            text(name, MalformedOrder)
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
        return number


class Engine:
    """The performer of bars. `journal.books` holds cash and positions, `desk` holds orders and policies.

    *instruments* are the rows of the run's `Listing`, whose layout the books have. They are copied. The bars
    have *has_endings* where an instrument has no bar at the last of them.
    """

    def __init__(
        self,
        journal: Journal,
        symbols: Sequence[str],
        account: Account,
        costs: Costs,
        instruments: Records,
        currency: str,
        tags: Tags,
        *,
        same_close: bool,
        every_bar: bool,
        block_bars: int,
        has_endings: bool = False,
    ) -> None:
        self.journal = journal
        self.symbols = symbols
        self.tags = tags
        self.desk: Desk = empty_desk(len(symbols))
        self._block_bars = block_bars
        self._bars = 0  # performed since the last block was closed
        self._kernel = perform
        # As plain arrays: the fields of a record array are slow to access.
        self._status = np.asarray(self.desk.state)["status"]
        self._transfers = np.asarray(journal.books.state)["transfers"]
        self._block_transfers = journal.run.policies.block_transfers
        money = journal.commodities.currency(currency)
        scale = journal.commodities[money].scale
        policy = self.desk.policy[0]
        policy.same_close = same_close
        policy.every_bar = every_bar
        policy.currency = money
        policy.money = journal.chart.first[money]
        policy.money_scale = 10.0**scale
        policy.ended_tag = tags.number(ENDED) if has_endings else -1
        account.fill_in(policy)
        costs.fill_in(policy, journal.commodities[money])
        self.desk = self.desk._replace(instruments=copied(instruments))
        journal.attach_source(self)

    # --- the step ----------------------------------------------------------------------------------

    def open_account(self) -> None:
        """Value the account before the first bar: all of it is cash."""
        state, policy = self.desk.state[0], self.desk.policy[0]
        state.cash = state.equity = self.journal.books.accounts[policy.money + CASH].balance

    def enter(self, first: int) -> None:
        """Enter a window whose first bar is number *first*."""
        self.desk.state[0].offset = first
        self._kernel = perform

    def before(self, market: Market, t: int) -> None:
        """Perform steps 1 to 5 of a bar of the window."""
        if self._kernel is perform:
            books = self.journal.books
            self._kernel = specialised(perform, market, books, self.desk, EMPTY_PROGRAM, BEFORE, t, t, 0)
        self._perform(BEFORE, market, EMPTY_PROGRAM, t)

    def submit(self, requests: Records, close: Floats) -> None:
        """Submit requests at the close of the bar under way. Each then has its order's number."""
        bar = NO_MARKET._replace(close=read_only(np.array(close[np.newaxis])))
        self._perform(DECIDE, bar, EMPTY_PROGRAM._replace(kind=REQUESTS, requests=requests), 0)

    def after(self, market: Market, t: int) -> None:
        """Perform steps 7 and 8 of a bar, after which its block may close."""
        self._perform(AFTER, market, EMPTY_PROGRAM, t)
        self._bars += 1

    def finish(self, reason: int) -> None:
        """End the run for *reason*: the data ended, or the run was stopped."""
        self.desk.state[0].end_reason = reason
        self._perform(END, NO_MARKET, EMPTY_PROGRAM, 0)

    def run(self, market: Market, program: Program, start: int, stop: int) -> None:
        """Perform the bars from *start* to *stop* of the window with a program."""
        while start < stop:
            until = min(stop, start + self._block_bars - self._bars) if self._block_bars else stop
            bar = perform(
                market, self.journal.books, self.desk, program, WHOLE, start, until, self._block_transfers
            )
            self._require_sound()
            self._bars += bar - start
            start = bar
            if not self.close_full_block() and start < until:
                self._make_room(_max_requests(market, self.desk, program, start))

    def _perform(self, part: int, market: Market, program: Program, t: int) -> None:
        """Perform one part of a bar. Make room until it fits."""
        while self._kernel(market, self.journal.books, self.desk, program, part, t, t + 1, 0) == t:
            self._make_room(program.requests.size)
        self._require_sound()

    # --- blocks ------------------------------------------------------------------------------------

    def close_full_block(self) -> bool:
        """Close the open block if it is full or has enough bars. Return true if it was closed."""
        if self._transfers[0] >= self._block_transfers or (
            self._block_bars and self._bars >= self._block_bars
        ):
            self.journal.close_block()
            self._bars = 0
            return True
        return False

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return the rows of the open block by table."""
        state = self.desk.state[0]
        tables: dict[str, dict[str, Any]] = {}
        if fresh := self.tags.names[self.journal.count("tag") :]:
            tables["tag"] = {"name": fresh}
        for name, table in _TABLES.items():
            if state[name]:
                tables[table] = _columns(getattr(self.desk, name)[: state[name]])
        return tables

    def restart(self) -> None:
        """Begin the next block."""
        state = self.desk.state[0]
        state.first_order += state.orders
        state.first_fill += state.fills
        for name in ROWS:
            state[name] = 0

    # --- room --------------------------------------------------------------------------------------

    def _make_room(self, requests: int) -> None:
        """Enlarge every array that lacks room for a bar with *requests*, until it fits."""
        while (place := _first_full_array(self.journal.books, self.desk, requests)) >= 0:
            name = ARRAYS[place]
            if hasattr(self.desk, name):
                self.desk = enlarged(self.desk, name)
            else:
                self.journal.ensure_capacity(**{name: next_size(getattr(self.journal.books, name).size)})

    def _require_sound(self) -> None:
        """Raise the error of a valuation, or the refusal of a posting.

        Admission rules a refusal out, so that is a fault in the rules.
        """
        if status := int(self._status[0]):
            when = int(self.desk.state[0].timestamp)
            is_posted = int(self.journal.books.state[0].status) == Status.POSTED
            if is_posted or status == Status.OUT_OF_RANGE:
                raise AmountOutOfRange(
                    f"the value of the account at {iso(when)} does not fit into 64 bits"
                    f"{self._largest_holding()}; correct that price, or give the account less cash"
                )
            raise refusal(Status(status), self.journal.books, self.journal.chart, when)

    def _largest_holding(self) -> str:
        """Return the holding of the highest market value, with its quantity and price, for an error."""
        state, accounts = self.desk.state[0], self.journal.books.accounts
        columns = self.desk.holdings[: state.holdings]
        if not columns.size:
            return ""
        rows = self.desk.instruments[columns]
        quantities = accounts["balance"][rows["units"]] / rows["scale"]
        values = np.abs(quantities * rows["price"] * rows["multiplier"])
        largest = int(np.nanargmax(values))
        symbol, price = self.symbols[columns[largest]], rows["price"][largest]
        return f": {quantities[largest]:g} {symbol} at a price of {price:g}"


def _columns(rows: Records) -> dict[str, Any]:
    """Return rows as columns, with times as datetime64."""
    return {
        name: rows[name].view("M8[ns]") if name in _TIMES else rows[name]
        for name in rows.dtype.names
        if name not in _UNSTORED
    }

"""The journal: the Python face of the books.

    with Journal.create("books.duckdb", [currency("USD"), instrument("ACME")]) as journal:
        journal.post("2024-01-02", deposit, "USD", "10000")
        journal.post("2024-01-03", buy, "ACME", quantity="10", gross="1000", fee="1")
        journal.sql("from trial_balance").pl()

What is posted is in the books at once, and durable with the block that holds it: when the block is full, at
`commit()`, and when the journal is closed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tieout.ledger import errors
from tieout.ledger.books import valuation as worth
from tieout.ledger.books.arrays import (
    Books,
    Relief,
    Status,
    copied,
    empty_books,
    grown,
    with_more_lots,
    with_room,
)
from tieout.ledger.books.chart import Chart
from tieout.ledger.books.commodity import Amount, Commodities, Commodity
from tieout.ledger.books.correction import REVERSAL, require_reversible, transfer_back
from tieout.ledger.books.kinds import Kind
from tieout.ledger.books.posting import begin, commit, move, restore_lot, undo
from tieout.ledger.books.refusal import refusal
from tieout.ledger.books.transaction import Event, Transaction
from tieout.ledger.closing import Closing
from tieout.ledger.file import block, restore
from tieout.ledger.file.columns import columns_of, queried
from tieout.ledger.file.creation import begun
from tieout.ledger.file.database import holds_nothing
from tieout.ledger.file.layout import layout_of
from tieout.ledger.file.query import Query, execute
from tieout.ledger.file.run import Run, own, run_row, stored_policies
from tieout.ledger.file.schema import Schema, installed, ledger_schema
from tieout.ledger.file.seal import Columns, genesis
from tieout.ledger.file.store import Block, Head, Opened, Store
from tieout.ledger.moment import Moment, end_of, iso, nanoseconds

_OWN = ("commodity", "account", "txn", "transfer", "note")
"""Tables that only posting fills."""


class Journal(Closing):
    """Double-entry books in memory or in a file. Make one with `create`, `open` or `replay`."""

    def __init__(
        self,
        store: Store,
        commodities: Commodities,
        chart: Chart,
        run: Run,
        schemas: Sequence[Schema],
    ) -> None:
        self.commodities = commodities
        self.chart = chart
        self.run = run
        self.schemas = schemas
        self.books: Books = empty_books(run.policies.block_transfers)
        self._store = store
        self._closed = False
        self._opening: NDArray[np.int64] = np.zeros(0, np.int64)
        self._stored: Counter[str] = Counter()  # rows of each table in closed blocks
        self._staged: dict[str, list[Columns]] = {}
        self._source: block.Source | None = None
        self._notes: list[tuple[int, str]] = []
        self._marks: dict[int, tuple[int, float]] = {}  # time and price
        self._stated: int | None = None  # time of the last statement
        self._block = 0

    # --- making and opening ------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: str | Path | None = None,
        commodities: Iterable[Commodity] | Commodities = (),
        run: Run | None = None,
        schemas: Sequence[Schema] = (),
    ) -> Self:
        """New books in a new file, or in memory where *path* is None.

        *commodities* declared once serve many journals, and are found out about once. *schemas* are tables,
        views and checks of other rooms to keep in the same file.
        """
        target = Path(path) if path is not None else None
        declared = Commodities.of(commodities)  # whatever is wrong with them shows before a file is made
        run = own(run or Run())

        everything = [ledger_schema(), *schemas]

        def opened() -> Opened:
            return begun(target, everything, run_row(run, schemas, layout_of(everything)))

        store = Store(target, lambda: layout_of(everything), opened)
        return cls._around(store, run, schemas, declared)

    @classmethod
    def replay(
        cls,
        path: str | Path,
        commodities: Iterable[Commodity] | Commodities,
        run: Run,
        schemas: Sequence[Schema] = (),
    ) -> Self:
        """Books to be posted again from the start, compared with the seals that *path* already holds.

        A block that is sealed there must come out the same; the first one past them is written, and so on:
        this is how a killed run is resumed, wherever it was killed. Where *path* holds nothing yet this is
        `create`. Raises `ReplayDiverged` where the result differs.
        """
        target = Path(path)
        if holds_nothing(target):
            for leftover in (target, target.with_name(target.name + ".wal")):
                leftover.unlink(missing_ok=True)
            return cls.create(target, commodities, run, schemas)
        with restore.checked(target) as held:
            sealed, layout = held.digests, held.layout
            row = run_row(run, schemas, layout)
            if genesis(row) != held.genesis:
                raise errors.ReplayDiverged(
                    f"{target} was made from another spec, input, strategy, seed or policy"
                )
        start, declared = genesis(row), Commodities.of(commodities)
        database = restore.reconnect(target, held)
        store = Store(target, lambda: layout, lambda: Opened(database, start, Head(0, start)), sealed)
        return cls._around(store, run, schemas, declared)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The books in *path*, to go on posting. Every seal is checked first."""
        target = Path(path)
        with restore.checked(target) as held:
            state = restore.state(held)
        run = Run(
            spec=json.loads(held.run["spec"]),
            fingerprints=json.loads(held.run["fingerprints"]),
            strategy=held.run["strategy"],
            seed=int(held.run["seed"]),
            policies=stored_policies(json.loads(held.run["policies"])),
        )
        schemas = installed(restore.records_of(held))
        head = Head(len(held.digests), bytes.fromhex(held.digests[-1]) if held.digests else held.genesis)
        database = restore.reconnect(target, held)
        store = Store(target, lambda: held.layout, lambda: Opened(database, held.genesis, head))
        journal = cls._around(store, run, schemas, Commodities())
        journal._restore(state)  # noqa: SLF001  its own
        return journal

    @classmethod
    def _around(cls, store: Store, run: Run, schemas: Sequence[Schema], commodities: Commodities) -> Self:
        chart = Chart(commodities, run.policies.may_be_overdrawn)
        journal = cls(store, commodities, chart, run, schemas)
        journal._open_accounts()
        return journal

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except errors.JournalClosed as closed:
            # The error that ended the block is on its way already and says more.
            if error is None or closed.__cause__ not in (error, error.__cause__):
                raise

    # --- posting -----------------------------------------------------------------------------------

    def post(self, when: Moment, event: Event, *args: Any, note: str = "", **kwargs: Any) -> int:
        """Post one event at *when*; the number of its transaction.

        The arguments are the event's own, without the books: symbols for commodities; text, whole numbers
        or Decimals for amounts. Raises a `LedgerError` and changes nothing where a rule refuses it.
        """
        with self.transaction(when, note=note) as transaction:
            transaction.book(event, *args, **kwargs)
        return transaction.number

    @contextmanager
    def transaction(
        self,
        when: Moment,
        kind: Kind | None = None,
        *,
        note: str = "",
        order_id: int = -1,
        fill_id: int = -1,
    ) -> Iterator[Transaction]:
        """Several events as one transaction, posted at the end of the block unless it raises.

        *kind* is that of the first event where it is not given, and never `Kind.CLOSE`. *order_id* and
        *fill_id* tie it to rows of a simulator's tables.
        """
        transaction = Transaction(
            nanoseconds(when), kind, note=note, order_id=order_id, fill_id=fill_id, chart=self.chart
        )
        if transaction.kind is Kind.CLOSE:
            raise errors.InvalidEvent("the income statement leaves out what is of kind close; use close_year")
        yield transaction
        self._post(transaction)

    def reverse(self, number: int, when: Moment, note: str = "") -> int:
        """Undo a transaction by its full reversal, lots included; the number of the reversal.

        Nothing is ever updated: a correction is the reversal and then the right transaction.
        """
        if isinstance(number, bool) or not isinstance(number, int):
            raise errors.UnknownTransaction(f"{number!r} is not the number of a transaction")
        rows = self.sql(REVERSAL, [number]).rows()
        require_reversible(number, rows)
        transaction = Transaction(
            nanoseconds(when),
            Kind.CORRECTION,
            instrument=rows[0]["instrument"],
            order_id=rows[0]["order_id"],
            fill_id=rows[0]["fill_id"],
            reverses=number,
            note=note or f"reverses {number}",
            chart=self.chart,
        )
        transaction.add(transfer_back, rows)
        self._post(transaction)
        return transaction.number

    def close_year(self, when: Moment, note: str = "year-end close") -> int:
        """Close every income and expense account to `Equity:RetainedEarnings` of its currency."""
        transaction = Transaction(nanoseconds(when), Kind.CLOSE, note=note, chart=self.chart)
        for number, account in enumerate(self.chart.accounts):
            if account.type in ("income", "expense"):
                earnings = self.chart.number("Equity:RetainedEarnings", account.commodity)
                transaction.add(move, earnings, number, int(self.books.accounts[number].balance))
        self._post(transaction)
        return transaction.number

    def _post(self, transaction: Transaction) -> None:
        """Post what a transaction collected, making room until it fits."""
        self._require_open()
        kind = Kind.GENERAL if transaction.kind is None else transaction.kind
        while True:
            begin(
                self.books,
                transaction.timestamp,
                int(kind),
                transaction.instrument,
                transaction.order_id,
                transaction.fill_id,
                transaction.reverses,
            )
            try:
                for event, args in transaction:
                    event(self.books, *args)
            except BaseException:
                undo(self.books)  # an event that breaks off leaves nothing behind
                raise
            status = Status(commit(self.books))
            if not self._made_room(status):
                break
        if status is not Status.POSTED:
            raise refusal(status, self.books, self.chart, transaction.timestamp)
        state = self.books.state[0]
        transaction.number = int(state.base_txn + state.txns - 1)
        if transaction.note:
            self._notes.append((transaction.number, transaction.note))
        if state.transfers >= self.run.policies.block_transfers:
            self.close_block()

    def reserve(self, *, transfers: int = 0, txns: int = 0, lots: int = 0) -> None:
        """Make room for so many transfers and transactions in a block and so many open lots.

        For loops of one's own over `books`, which cannot make room themselves. Replaces `books`.
        """
        books = self.books
        if transfers > books.transfers.size:
            books = books._replace(transfers=with_room(books.transfers, transfers))
        if txns > books.txns.size:
            books = books._replace(txns=with_room(books.txns, txns))
        if lots > books.lots.size:
            books = with_more_lots(books, lots)
        self.books = books

    def _made_room(self, status: Status) -> bool:
        """Double the array that a transaction found full; false where none was."""
        books = self.books
        match status:
            case Status.TRANSFERS_FULL:
                self.reserve(transfers=2 * books.transfers.size)
            case Status.TXNS_FULL:
                self.reserve(txns=2 * books.txns.size)
            case Status.LOTS_FULL:
                self.reserve(lots=2 * books.lots.size)
            case _:
                return False
        return True

    # --- the chart ---------------------------------------------------------------------------------

    def declare(self, *commodities: Commodity) -> None:
        """Add commodities and their accounts."""
        self._require_open()
        try:
            self.commodities.declare(*commodities)
        finally:
            self._open_accounts()

    def _open_accounts(self) -> None:
        """Open the accounts of what was declared since the last time."""
        self.chart.open_commodities()
        self._extend_books()

    def open_account(self, path: str, commodity: str = "USD", *, floored: bool = False) -> int:
        """Open an account of one's own, ``Expenses:Fees:Data`` say; its number."""
        self._require_open()
        number = self.chart.open(path, self.commodities.number(commodity), floored=floored)
        self._extend_books()
        return number

    def _extend_books(self) -> None:
        """Give the books a place for every account and commodity of the chart."""
        books, chart = self.books, self.chart
        have = books.accounts.size
        same = self.commodities.found
        key = "books", chart.may_be_overdrawn, self.run.policies.relief
        is_plain = not have and chart.is_plain
        if is_plain and key in same:
            self.books = books._replace(**{name: copied(table) for name, table in same[key].items()})
            self._opening = np.zeros(len(chart), np.int64)
            return
        accounts = grown(books.accounts, len(chart))
        accounts["commodity"][have:], accounts["floor"][have:] = chart.laid_out(have)
        known = books.commodities.size
        commodities = grown(books.commodities, len(self.commodities))
        first = np.array(chart.first, np.int32)
        money = np.array(self.commodities.moneys[known:], np.int32)
        commodities["first"][known:], commodities["money"][known:] = first[known:], first[money]
        commodities["currency"][known:] = money
        commodities["relief"][known:] = Relief[self.run.policies.relief.upper()]
        queues = grown(books.queues, 2 * len(self.commodities))
        queues["head"][2 * known :] = -1
        queues["tail"][2 * known :] = -1
        tables = {"accounts": accounts, "commodities": commodities, "queues": queues}
        self.books = books._replace(**tables)
        if is_plain:
            same[key] = {name: copied(table) for name, table in tables.items()}
        self._opening = np.concatenate((self._opening, np.zeros(len(chart) - have, np.int64)))

    # --- amounts at the door -----------------------------------------------------------------------

    def notional(self, symbol: str, quantity: Amount, price: float) -> Decimal:
        """What *quantity* costs at *price*, rounded once as the books round it."""
        return worth.cost(self.chart, symbol, quantity, price)

    def balance(self, path: str, commodity: str = "USD") -> Decimal:
        """The running balance of an account, debit positive."""
        number = self.commodities.number(commodity)
        account = self.chart.number(path, number)
        return self.commodities[number].decimal(int(self.books.accounts[account].balance))

    # --- rows of other tables ----------------------------------------------------------------------

    def add(self, table: str, columns: Mapping[str, Any]) -> None:
        """Store rows of another table with the open block.

        *columns* has every column of the table but the first, whose dense numbers are given here; arrays or
        lists of equal length. Times are datetime64[ns].
        """
        self._require_open()
        if table not in self._store.layout or table in _OWN:
            raise errors.InvalidRows(f"there is no table {table!r} to add to")
        rows = block.added(table, columns, self._store.layout, self.count(table))
        if block.length(rows):
            self._staged.setdefault(table, []).append(rows)

    def draw_from(self, source: block.Source) -> None:
        """Take the rows of *source* along whenever the open block is read or closed."""
        self._source = source

    def count(self, table: str) -> int:
        """How many rows a table has, those of the open block included: the next one's number."""
        staged = sum(map(block.length, self._staged.get(table, [])))
        return self._stored[table] + staged

    def mark(self, when: Moment, prices: Mapping[str, float], *, stale: bool = False) -> None:
        """Record prices at which instruments are valued; *stale* if they are carried from earlier."""
        marks = {self.commodities.instrument(symbol): _price(price) for symbol, price in prices.items()}
        timestamp = nanoseconds(when)
        latest = max((marked for marked, _ in self._marks.values()), default=timestamp)
        if timestamp < latest or (self._stated is not None and timestamp <= self._stated):
            raise errors.BackdatedTransaction(
                f"a mark at {iso(timestamp)} is before one at {iso(latest)}, or not after the last statement"
            )
        self._mark(timestamp, marks, stale=stale)

    def _mark(self, timestamp: int, prices: Mapping[int, float], *, stale: bool) -> None:
        count = len(prices)
        self.add(
            "mark",
            {
                "timestamp": np.full(count, timestamp, np.int64).view("M8[ns]"),
                "instrument": list(prices),
                "price": list(prices.values()),
                "stale": [stale] * count,
            },
        )
        self._marks |= {number: (timestamp, price) for number, price in prices.items()}

    def statement(self, when: Moment) -> None:
        """Record what the books say at *when*: cash, market value and equity, for each currency.

        Holdings not marked at that time are marked with their last price, as stale.
        """
        self._require_open()
        timestamp = nanoseconds(when)
        newest = max([int(self.books.state[0].timestamp), *(marked for marked, _ in self._marks.values())])
        if timestamp < newest or (self._stated is not None and timestamp < self._stated):
            raise errors.BackdatedTransaction(
                f"a statement at {iso(timestamp)} is before what is recorded already"
            )
        rows = worth.statement(self.books, self.chart, {n: price for n, (_, price) in self._marks.items()})
        stale = {
            number: self._marks[number][1]
            for number in worth.held(self.books)
            if self._marks[number][0] != timestamp
        }
        self._mark(timestamp, stale, stale=True)
        state = self.books.state[0]
        count = len(rows)
        self.add(
            "statement",
            {
                "timestamp": np.full(count, timestamp, np.int64).view("M8[ns]"),
                "txn": [int(state.base_txn + state.txns - 1)] * count,
                "currency": list(rows),
                "cash": [cash for cash, _, _ in rows.values()],
                "market_value": [value for _, value, _ in rows.values()],
                "equity": [equity for _, _, equity in rows.values()],
            },
        )
        self._stated = timestamp

    def close(self) -> Head | None:
        """Seal and store the open block and let go of the file; where the chain ends. Again: nothing."""
        if self._closed:
            return None
        self._closed = True
        try:
            self._close_block(is_last=True)
            return self._store.sync()
        finally:
            self._source = None
            self._store.close()

    def abandon(self) -> None:
        """Let go of the file without the open block, as if the process had ended. Again: nothing."""
        if not self._closed:
            self._closed = True
            self._source = None
            self._store.close()

    def commit(self) -> Head:
        """Close the open block and wait until everything posted is durable; where the chain ends."""
        self.close_block()
        return self._store.sync()

    def close_block(self) -> None:
        """Hand the open block to the store, unless it is empty."""
        self._require_open()
        self._close_block()

    def _close_block(self, *, is_last: bool = False) -> None:
        tables = self._open_rows()
        if not tables:
            return
        state = self.books.state[0]
        first, count = int(state.base_txn), int(state.txns)
        self._store.put(Block(self._block, first, first + count - 1, tables), is_last=is_last)
        self._block += 1
        for table, columns in tables.items():
            self._stored[table] += block.length(columns)
        self._opening = self.books.accounts["balance"].copy()
        state.base_txn += count
        state.txns = state.transfers = 0
        self._staged.clear()
        self._notes.clear()
        if self._source is not None:
            self._source.restart()

    def _open_rows(self) -> dict[str, Columns]:
        """The rows of the open block by table, checked against the running balances."""
        stored, layout = self._stored, self._store.layout
        tables = block.charted(self.chart, layout, stored["commodity"], stored["account"])
        tables |= block.posted(self.books, self._opening, stored["transfer"])
        tables |= block.noted(self._notes, stored["note"])
        staged = {table: list(parts) for table, parts in self._staged.items()}
        for table, columns in self._source.rows().items() if self._source is not None else ():
            staged.setdefault(table, []).append(block.added(table, columns, layout, self.count(table)))
        for table, parts in staged.items():
            tables[table] = {
                name: np.concatenate([p[name] for p in parts]) if len(parts) > 1 else parts[0][name]
                for name in parts[0]
            }
        return tables

    # --- reading -----------------------------------------------------------------------------------

    def sql(self, query: str, parameters: Sequence[Any] = (), at: Moment | None = None) -> Query:
        """Run SQL over the whole journal, the open block included, *at* a moment or to the end of a date.

        One statement that reads, and nothing else.
        """
        self._require_open()
        with self._store.snapshot(self._stored, self._open_rows()) as cursor:
            return execute(cursor, query, parameters, None if at is None else end_of(at))

    def columns(self, table: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The columns *names* of *table*, as `Reader.columns`, the open block included.

        In memory, after a block was closed and before anybody asks with SQL, it takes no tables.
        """
        self._require_open()
        if self._store.holds_blocks and not self._open_rows():
            return self._store.columns(table, names)
        return queried(lambda query: columns_of(self.sql(query)), table, names)

    @property
    def head(self) -> Head:
        """Where the chain ends: number of sealed blocks and the digest of the last."""
        return self._store.sync()

    @property
    def genesis(self) -> bytes:
        """The digest that the chain starts from."""
        return self._store.genesis

    @property
    def path(self) -> Path | None:
        """The journal's file, None in memory."""
        return self._store.path

    def _require_open(self) -> None:
        if self._closed:
            raise errors.JournalClosed(f"{self._store.path or 'the journal'} is closed")
        self._store.require_sound()

    def _restore(self, state: restore.State) -> None:
        """Take up the books where a file left them."""
        self.commodities.declare(*state.commodities)
        for account in state.accounts:
            self.chart.restore(account)
        self.chart.first = state.first
        self._extend_books()
        self.books.accounts["balance"] = state.balances
        self._opening = self.books.accounts["balance"].copy()
        for lot in state.lots:
            if self.books.state[0].free == 0:
                self.books = with_more_lots(self.books, 2 * self.books.lots.size)
            rank = abs(lot.quantity), abs(lot.cost)
            slot = restore_lot(self.books, lot.instrument, lot.side, lot.id, *rank)
            self.books.lots[slot].quantity, self.books.lots[slot].cost = lot.quantity, lot.cost
        row = self.books.state[0]
        row.timestamp, row.base_txn, row.next_lot = state.timestamp, state.stored["txn"], state.next_lot
        self._stored = Counter(state.stored)
        self._marks = state.marks
        self._stated = state.stated
        self._block = state.blocks


def _price(given: object) -> float:
    """A price at which something is valued: zero or more."""
    try:
        price = float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        price = float("nan")
    if not 0 <= price < float("inf"):
        raise errors.NotAnAmount(f"a mark is a price of zero or more, not {given!r}")
    return price

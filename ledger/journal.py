"""The journal: the Python face of the books.

    with Journal.create("books.duckdb", [currency("USD"), instrument("ACME")]) as journal:
        journal.post("2024-01-02", deposit, "USD", "10000")
        journal.post("2024-01-03", buy, "ACME", quantity="10", gross="1000", fee="1")
        journal.sql("from trial_balance").pl()

A posted transaction is in the books at once. It becomes durable with its block: when the block is full, at
`commit()`, and when the journal is closed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tieout.ledger import errors
from tieout.ledger.books import valuation
from tieout.ledger.books.arrays import Books, Status, empty_books, with_more_lots, with_room
from tieout.ledger.books.commodity import Amount, Commodity
from tieout.ledger.books.correction import REVERSAL, require_reversible, transfer_back
from tieout.ledger.books.kinds import Kind
from tieout.ledger.books.layout import Layout, extended
from tieout.ledger.books.posting import begin, commit, move, restore_lot, undo
from tieout.ledger.books.refusal import refusal
from tieout.ledger.books.transaction import Event, Transaction
from tieout.ledger.closing import Closing
from tieout.ledger.exclusion import Exclusive, exclusive
from tieout.ledger.file import block, restore
from tieout.ledger.file.claim import Claim, claimed
from tieout.ledger.file.columns import columns_of, read_columns
from tieout.ledger.file.creation import Consent, create_storage, discard_blank, make_way
from tieout.ledger.file.database import holds_nothing
from tieout.ledger.file.layout import layout_of
from tieout.ledger.file.place import is_there, place_of, real_path
from tieout.ledger.file.query import Query, execute
from tieout.ledger.file.run import Run, copy_run, layout_for, run_row, stored_run
from tieout.ledger.file.schema import Schema, ledger_schema
from tieout.ledger.file.seal import Columns, genesis
from tieout.ledger.file.store import Block, Head, Storage, Store
from tieout.ledger.interruption import uninterrupted
from tieout.ledger.moment import Moment, end_of, iso, nanoseconds

_TABLES_OF_POSTING = ("commodity", "account", "txn", "transfer", "note")
"""Tables that only posting writes."""


class Journal(Closing, Exclusive):
    """Double-entry books in memory or in a file. Make one with `create`, `open` or `replay`.

    Threads may share a journal: each of its methods waits for the others. A forked process may not use it.
    """

    def __init__(self, store: Store, layout: Layout, run: Run, schemas: Sequence[Schema]) -> None:
        super().__init__(store.path)
        self.chart = layout.chart()
        self.commodities = self.chart.commodities
        self.run = run
        self.schemas = schemas
        self.books: Books = layout.begin(empty_books(run.policies.block_transfers))
        self._store = store
        self._is_closed = False
        self._opening: NDArray[np.int64] = np.zeros(len(self.chart), np.int64)
        self._row_counts: Counter[str] = Counter()  # rows of each table in closed blocks
        self._open_parts: dict[str, list[Columns]] = {}
        self._source: block.Source | None = None
        self._notes: list[tuple[int, str]] = []
        self._marks: dict[int, tuple[int, float]] = {}  # timestamp and price by instrument
        self._last_statement: int | None = None
        self._block = 0

    # --- creation and opening ----------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: str | Path | Claim | None = None,
        commodities: Iterable[Commodity] | Layout = (),
        run: Run | None = None,
        schemas: Sequence[Schema] = (),
        *,
        overwrite: Consent | None = None,
    ) -> Self:
        """Create books in a new file, or in memory where *path* is None.

        A `Layout` in place of *commodities* saves time where many journals have the same. *schemas* are
        tables, views and checks of other rooms to keep in the same file. Raises `InvalidPolicy` where the
        layout was made for other policies than those of *run*. A journal to which *overwrite* consents is
        replaced once the first block of this one is sealed.
        """
        run = copy_run(run or Run())
        layout = layout_for(commodities, run.policies)  # before a file is made, because it may raise
        everything = [ledger_schema(), *schemas]

        with nullcontext() if path is None else claimed(path) as claim:
            target = None if claim is None else claim.path
            earlier = None if target is None or overwrite is None else make_way(target, overwrite)

            def storage() -> Storage:
                row = run_row(run, schemas, layout_of(everything))
                return create_storage(claim, everything, row, earlier)

            return cls._begin(
                lambda: Store(target, lambda: layout_of(everything), storage), layout, run, schemas
            )

    @classmethod
    def replay(
        cls,
        path: str | Path | Claim,
        commodities: Iterable[Commodity] | Layout,
        run: Run,
        schemas: Sequence[Schema] = (),
    ) -> Self:
        """Create books to be posted again from the start, and compared with the seals in *path*.

        A block that is sealed there must be the same again. The blocks after the last seal are written. This
        resumes a killed run, at any point where it was killed. Where *path* holds nothing yet this is
        `create`. Raises `ReplayDiverged` where the result differs.
        """
        with claimed(path) as claim:
            target = claim.path
            if holds_nothing(target):
                discard_blank(target)
                return cls.create(claim, commodities, run, schemas)
            with restore.open_sealed(target) as contents:
                sealed, columns = contents.digests, contents.layout
                row = run_row(run, schemas, columns)
                if genesis(row) != contents.genesis:
                    raise errors.ReplayDiverged(
                        f"{target} was made from another spec, input, strategy, seed or policy"
                    )
                start, layout = genesis(row), layout_for(commodities, run.policies)

                def storage() -> Storage:
                    return restore.storage(contents, Head(0, start), claim)

                return cls._begin(
                    lambda: Store(target, lambda: columns, storage, sealed), layout, run, schemas
                )

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open the books in *path* for further posting. Every seal is checked first."""
        with claimed(real_path(place_of(path))) as claim:
            target = claim.path
            is_there(target)  # opening a pipe would wait for its other end
            with restore.open_sealed(target) as contents:
                state = restore.state(contents)
                run = stored_run(contents.run)
                digests, start = contents.digests, contents.genesis
                head = Head(len(digests), bytes.fromhex(digests[-1]) if digests else start)

                def storage() -> Storage:
                    return restore.storage(contents, head, claim)

                layout, schemas = layout_for((), run.policies), contents.reader.schemas[1:]
                return cls._begin(
                    lambda: Store(target, lambda: contents.layout, storage), layout, run, schemas, state
                )

    @classmethod
    def _begin(
        cls,
        store: Callable[[], Store],
        layout: Layout,
        run: Run,
        schemas: Sequence[Schema],
        state: restore.State | None = None,
    ) -> Self:
        """Return a journal with a new *store*. After an error or Ctrl-C the store is closed."""
        begun: list[Store] = []
        try:
            with uninterrupted():
                begun.append(store())
                journal = cls(begun[0], layout, run, schemas)
                if state is not None:
                    journal._restore(state)
                return journal
        except BaseException:
            for store_begun in begun:
                store_begun.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except (errors.JournalClosed, errors.OpenedBeforeFork) as closed:
            # The error that ended the block is on its way already and says more.
            if error is None or closed.__cause__ not in (error, error.__cause__):
                raise

    # --- posting -----------------------------------------------------------------------------------

    def post(self, when: Moment, event: Event, *args: Any, note: str = "", **kwargs: Any) -> int:
        """Post one event at *when* and return the number of its transaction.

        The arguments are those of the event, without the books. A commodity is given by its symbol, an amount
        as text, whole number or Decimal. Raises a `LedgerError` and changes nothing where a rule refuses it.
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
        """Collect several events in one transaction, posted at the end of the block unless it raises.

        *kind* is by default that of the first event, and never `Kind.CLOSE`. *order_id* and *fill_id* tie
        the transaction to rows of a simulator's tables.
        """
        self._home.require(self._subject)
        transaction = Transaction(
            nanoseconds(when), kind, note=note, order_id=order_id, fill_id=fill_id, chart=self.chart
        )
        if transaction.kind is Kind.CLOSE:
            raise errors.InvalidEvent("the kind close is that of the end of a year; use close_year")
        yield transaction
        self._post(transaction)

    @exclusive
    def reverse(self, number: int, when: Moment, note: str = "") -> int:
        """Undo a transaction by its full reversal, lots included, and return the number of the reversal.

        No row is ever updated. A correction is the reversal, and then the right transaction.
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

    @exclusive
    def close_year(self, when: Moment, note: str = "year-end close") -> int:
        """Close every income and expense account to `Equity:RetainedEarnings` of its currency."""
        transaction = Transaction(nanoseconds(when), Kind.CLOSE, note=note, chart=self.chart)
        for number, account in enumerate(self.chart.accounts):
            if account.type in ("income", "expense"):
                earnings = self.chart.number("Equity:RetainedEarnings", account.commodity)
                transaction.add(move, earnings, number, int(self.books.accounts[number].balance))
        self._post(transaction)
        return transaction.number

    @exclusive
    def _post(self, transaction: Transaction) -> None:
        """Post the events of a transaction. Makes room until they fit."""
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
            if not self._make_room(status):
                break
        if status is not Status.POSTED:
            raise refusal(status, self.books, self.chart, transaction.timestamp)
        state = self.books.state[0]
        transaction.number = int(state.base_txn + state.txns - 1)
        if transaction.note:
            self._notes.append((transaction.number, transaction.note))
        if state.transfers >= self.run.policies.block_transfers:
            self.close_block()

    @exclusive
    def ensure_capacity(self, *, transfers: int = 0, txns: int = 0, lots: int = 0) -> None:
        """Make room for at least *transfers* and *txns* in a block, and for *lots* that are open.

        A compiled loop that posts to `books` cannot make room itself. Replaces `books`.
        """
        books = self.books
        if transfers > books.transfers.size:
            books = books._replace(transfers=with_room(books.transfers, transfers))
        if txns > books.txns.size:
            books = books._replace(txns=with_room(books.txns, txns))
        if lots > books.lots.size:
            books = with_more_lots(books, lots)
        self.books = books

    def _make_room(self, status: Status) -> bool:
        """Double the array that was full according to *status*, and return false if none was."""
        books = self.books
        match status:
            case Status.TRANSFERS_FULL:
                self.ensure_capacity(transfers=2 * books.transfers.size)
            case Status.TXNS_FULL:
                self.ensure_capacity(txns=2 * books.txns.size)
            case Status.LOTS_FULL:
                self.ensure_capacity(lots=2 * books.lots.size)
            case _:
                return False
        return True

    # --- the chart ---------------------------------------------------------------------------------

    @exclusive
    def declare(self, *commodities: Commodity) -> None:
        """Add commodities and their accounts."""
        self._require_open()
        try:
            self.commodities.declare(*commodities)
        finally:
            self._open_accounts()

    def _open_accounts(self) -> None:
        """Open the accounts of the commodities that have none yet."""
        self.chart.open_commodities()
        self._extend_books()

    @exclusive
    def open_account(self, path: str, commodity: str = "USD", *, floored: bool = False) -> int:
        """Open an account such as ``Expenses:Fees:Data`` and return its number."""
        self._require_open()
        number = self.chart.open(path, self.commodities.number(commodity), floored=floored)
        self._extend_books()
        return number

    def _extend_books(self) -> None:
        """Give the books a place for every account and commodity of the chart."""
        self.books = extended(self.books, self.chart, self.run.policies.relief)
        new = len(self.chart) - self._opening.size
        self._opening = np.concatenate((self._opening, np.zeros(new, np.int64)))

    # --- amounts at the door -----------------------------------------------------------------------

    @exclusive
    def notional(self, symbol: str, quantity: Amount, price: float) -> Decimal:
        """Return the cost of *quantity* at *price*, rounded once, as the books round it."""
        return valuation.cost(self.chart, symbol, quantity, price)

    @exclusive
    def balance(self, path: str, commodity: str = "USD") -> Decimal:
        """Return the running balance of an account, debit positive."""
        number = self.commodities.number(commodity)
        account = self.chart.number(path, number)
        return self.commodities[number].decimal(int(self.books.accounts[account].balance))

    # --- rows of other tables ----------------------------------------------------------------------

    @exclusive
    def add(self, table: str, columns: Mapping[str, Any]) -> None:
        """Store rows of another table with the open block.

        *columns* has every column of the table but the first, which is numbered here without gaps. They are
        arrays or lists of equal length. Times are datetime64[ns].
        """
        self._require_open()
        if table not in self._store.layout or table in _TABLES_OF_POSTING:
            raise errors.InvalidRows(f"there is no table {table!r} to add to")
        rows = block.table_columns(table, columns, self._store.layout, self.count(table))
        if block.length(rows):
            self._open_parts.setdefault(table, []).append(rows)

    @exclusive
    def attach_source(self, source: block.Source) -> None:
        """Add the rows of *source* to the open block whenever that is read or closed."""
        self._source = source

    @exclusive
    def count(self, table: str) -> int:
        """Count the rows of a table, those of the open block included. The next row has this number."""
        return self._row_counts[table] + sum(map(block.length, self._open_parts.get(table, [])))

    @exclusive
    def mark(self, when: Moment, prices: Mapping[str, float], *, stale: bool = False) -> None:
        """Record prices at which instruments are valued, *stale* if they are carried from earlier."""
        marks = {
            self.commodities.instrument(symbol): valuation.price(price) for symbol, price in prices.items()
        }
        timestamp = nanoseconds(when)
        latest = max((time for time, _ in self._marks.values()), default=timestamp)
        if timestamp < latest or (self._last_statement is not None and timestamp <= self._last_statement):
            raise errors.BackdatedTransaction(
                f"a mark at {iso(timestamp)} is before one at {iso(latest)}, or not after the last statement"
            )
        self._mark(timestamp, marks, stale=stale)

    def _mark(self, timestamp: int, prices: Mapping[int, float], *, stale: bool) -> None:
        self.add("mark", block.mark_rows(timestamp, prices, stale=stale))
        self._marks |= {number: (timestamp, price) for number, price in prices.items()}

    @exclusive
    def statement(self, when: Moment) -> None:
        """Record cash, market value and equity at *when*, for each currency.

        Holdings without a mark at that time are marked with their last price, as stale.
        """
        self._require_open()
        timestamp = nanoseconds(when)
        newest = max([int(self.books.state[0].timestamp), *(time for time, _ in self._marks.values())])
        if timestamp < newest or (self._last_statement is not None and timestamp < self._last_statement):
            raise errors.BackdatedTransaction(
                f"a statement at {iso(timestamp)} is before the latest transaction, mark or statement"
            )
        prices = {number: price for number, (_, price) in self._marks.items()}
        rows = valuation.statement(self.books, self.chart, prices)
        stale = {
            number: self._marks[number][1]
            for number in valuation.positions(self.books)
            if self._marks[number][0] != timestamp
        }
        self._mark(timestamp, stale, stale=True)
        state = self.books.state[0]
        self.add("statement", block.statement_rows(timestamp, int(state.base_txn + state.txns - 1), rows))
        self._last_statement = timestamp

    @exclusive
    def close(self) -> Head | None:
        """Seal and store the open block, close the file and return the head. Safe to call twice.

        Ctrl-C acts after the file is closed.
        """
        with uninterrupted():
            if self._is_closed:
                self._store.close()
                return None
            self._is_closed = True
            try:
                self._close_block(is_last=True)
                return self._store.sync()
            finally:
                self._source = None
                self._store.close()

    @exclusive
    def discard(self) -> None:
        """Close the file and discard the open block, as a crash would. Safe to call twice."""
        with uninterrupted():
            self._is_closed = True
            self._source = None
            self._store.close()

    @exclusive
    def commit(self) -> Head:
        """Close the open block, wait until every transaction is durable, and return the head."""
        self.close_block()
        return self._store.sync()

    @exclusive
    def close_block(self) -> None:
        """Pass the open block to the store, unless it is empty."""
        self._require_open()
        with uninterrupted():  # a block that was passed must not be passed again
            self._close_block()

    def _close_block(self, *, is_last: bool = False) -> None:
        tables = self._open_rows()
        if not tables:
            return
        state = self.books.state[0]
        first, count = int(state.base_txn), int(state.txns)
        self._store.enqueue(Block(self._block, first, first + count - 1, tables), is_last=is_last)
        self._block += 1
        for table, columns in tables.items():
            self._row_counts[table] += block.length(columns)
        self._opening = self.books.accounts["balance"].copy()
        state.base_txn += count
        state.txns = state.transfers = 0
        self._open_parts.clear()
        self._notes.clear()
        if self._source is not None:
            self._source.restart()

    def _open_rows(self) -> dict[str, Columns]:
        """Return the rows of the open block by table, checked against the running balances."""
        counts, layout = self._row_counts, self._store.layout
        tables = block.chart_tables(self.chart, layout, counts["commodity"], counts["account"])
        tables |= block.transaction_tables(self.books, self._opening, counts["transfer"])
        tables |= block.note_table(self._notes, counts["note"])
        parts = {table: list(rows) for table, rows in self._open_parts.items()}
        for table, columns in self._source.rows().items() if self._source is not None else ():
            parts.setdefault(table, []).append(block.table_columns(table, columns, layout, self.count(table)))
        tables |= {table: block.joined(rows) for table, rows in parts.items()}
        return tables

    # --- reading -----------------------------------------------------------------------------------

    @exclusive
    def sql(self, query: str, parameters: Sequence[Any] = (), at: Moment | None = None) -> Query:
        """Run one SQL query over the whole journal, the open block included.

        With *at*, views show the books as of that moment, or as of the end of a date. A statement that does
        not read is refused.
        """
        self._require_open()
        moment = None if at is None else end_of(at)
        return self._store.answer(
            self._row_counts,
            self._open_rows(),
            query,
            lambda cursor: execute(cursor, query, parameters, moment),
        )

    @exclusive
    def columns(self, table: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return the columns *names* of *table*, as `Reader.columns`, the open block included.

        In memory this is fast between the close of a block and the next SQL query: no tables are filled.
        """
        self._require_open()
        if self._store.holds_blocks and not self._open_rows():
            return self._store.columns(table, names)
        return read_columns(lambda query: columns_of(self.sql(query)), table, names)

    @property
    @exclusive
    def head(self) -> Head:
        """The end of the chain: the number of sealed blocks and the digest of the last."""
        return self._store.sync()

    @property
    @exclusive
    def genesis(self) -> bytes:
        """The digest that the chain starts from."""
        return self._store.genesis

    @property
    def store(self) -> Store:
        """The store of the blocks, for code that records runs."""
        return self._store

    @property
    def path(self) -> Path | None:
        """The journal's file, None in memory."""
        return self._store.path

    def _require_open(self) -> None:
        if self._is_closed:
            raise errors.JournalClosed(f"{self._store.path or 'the journal'} is closed")
        self._store.require_sound()

    def _restore(self, state: restore.State) -> None:
        """Bring new books to the state of a file."""
        self.commodities.declare(*state.commodities)
        for account in state.accounts:
            self.chart.restore(account)
        self.chart.first = state.first_accounts
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
        row.timestamp, row.base_txn, row.next_lot = state.timestamp, state.row_counts["txn"], state.next_lot
        self._row_counts = Counter(state.row_counts)
        self._marks = state.marks
        self._last_statement = state.last_statement
        self._block = state.blocks

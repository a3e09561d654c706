"""The journal: the Python face of the books.

    with Journal.create("books.duckdb", [currency("USD"), instrument("ACME")]) as journal:
        journal.post("2024-01-02", deposit, "USD", "10000")
        journal.post("2024-01-03", buy, "ACME", quantity="10", gross="1000", fee="1")
        journal.sql("from trial_balance").pl()

What is posted is in the books at once, and durable with the block that holds it: when the block is full, at
`commit()`, and when the journal is closed.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_type_hints

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from ledger import errors, provenance, restore
from ledger.arithmetic import NO_AMOUNT, notional
from ledger.books import (
    ACCOUNT,
    COMMODITY,
    QUEUE,
    Books,
    Relief,
    Status,
    empty_books,
    grown,
    with_more_lots,
)
from ledger.chart import CARRYING, CASH, Chart
from ledger.commodity import Amount, Commodities, Commodity
from ledger.events import KINDS, CurrencyNo, InstrumentNo, Kind, LotNo, Money, Units
from ledger.files import connect, explained
from ledger.moment import Moment, iso, nanoseconds
from ledger.posting import begin, commit, find_lot, move, restore_lot, transfer, unload
from ledger.query import Query, execute
from ledger.schema import Schema, installed, ledger_schema
from ledger.seal import DTYPES, Columns, genesis
from ledger.store import Block, Head, Layout, Store, canonical, create_tables, write_genesis

Event = Callable[..., None]
"""A compiled function of `ledger.events`, or one made like it: books first, then integers."""

SEMANTICS = {"posting": 1, "lots": 1, "rounding": "half-even/1", "seal": 1}
"""Versions of the rules that the result depends on; part of every genesis."""


@frozen
class Policies:
    """Choices that determine the result and the seals.

    *relief* names the lot that a sale gives up first: ``fifo``, ``lifo``, ``hifo``, ``average`` or
    ``specific``. *may_be_overdrawn* are paths of accounts without a floor, for studies with unlimited cash.
    A block closes once it holds *block_transfers*. *others* are a simulator's own, by name.
    """

    relief: str = field(default="fifo")
    may_be_overdrawn: frozenset[str] = field(default=frozenset(), converter=frozenset)
    block_transfers: int = 1_000_000
    others: Mapping[str, Any] = field(factory=dict)

    @relief.validator
    def _known(self, _: object, relief: str) -> None:
        if relief.upper() not in Relief.__members__:
            known = ", ".join(name.lower() for name in Relief.__members__)
            raise errors.InvalidEvent(f"relief {relief!r} is none of {known}")


@frozen
class Run:
    """What determines the result beside the policies: the genesis of the chain.

    *spec* and *fingerprints* are anything that JSON can hold; *strategy* is a digest of source text.
    """

    spec: Mapping[str, Any] = field(factory=dict)
    fingerprints: Mapping[str, Any] = field(factory=dict)
    strategy: str = ""
    seed: int = 0
    policies: Policies = field(factory=Policies)


@define
class Transaction:
    """Events that are posted together, whole or not at all. Made by `Journal.transaction`."""

    ts: int
    kind: Kind | None = None
    instrument: int = -1
    order_id: int = -1
    fill_id: int = -1
    reverses: int = -1
    note: str = ""
    number: int = -1
    """Its number in the journal, once it is posted."""
    _journal: "Journal" = field(default=None, repr=False)
    _calls: list[tuple[Event, tuple[Any, ...]]] = field(factory=list, repr=False)

    def book(self, event: Event, *args: Any, **kwargs: Any) -> None:
        """Add an event of `ledger.events`: symbols, decimals and lots as a person writes them."""
        numbers, instrument = self._journal.arguments(event, args, kwargs)
        self.add(event, *numbers)
        if self.kind is None:
            self.kind = KINDS.get(event, Kind.GENERAL)
        if self.instrument < 0:
            self.instrument = instrument

    def transfer(self, debit: str, credit: str, amount: Amount, commodity: str = "USD") -> None:
        """Add a transfer of one's own between two accounts of one commodity."""
        journal = self._journal
        number = journal.commodities.number(commodity)
        units = journal.commodities[number].units(amount)
        accounts = [journal.account_for(path, number) for path in (debit, credit)]
        self.add(transfer, accounts[0], accounts[1], units, -1)

    def add(self, event: Event, *args: Any) -> None:
        """Add an event whose arguments are integers already."""
        self._calls.append((event, args))

    def __iter__(self) -> Iterator[tuple[Event, tuple[Any, ...]]]:
        return iter(self._calls)


class Journal:
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
        self.genesis = b""
        self.books: Books = empty_books(run.policies.block_transfers + 4096)
        self._store = store
        self._closed = False
        self._opening: NDArray[np.int64] = np.zeros(0, np.int64)
        self._stored = dict.fromkeys(store.layout, 0)  # rows of each table in closed blocks
        self._staged: dict[str, list[Columns]] = {}
        self._notes: list[tuple[int, str]] = []
        self._last_marks: dict[int, float] = {}
        self._block = 0

    # --- making and opening ------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: str | Path | None = None,
        commodities: Iterable[Commodity] = (),
        run: Run | None = None,
        schemas: Sequence[Schema] = (),
    ) -> Self:
        """New books in a new file, or in memory where *path* is None.

        *schemas* are tables, views and checks of other rooms to keep in the same file.
        """
        target = Path(path) if path is not None else None
        if target is not None and target.exists():
            raise errors.JournalExists(f"{target} exists; open it, or choose another name")
        run = run or Run()
        connection = connect(target)
        with explained(target):
            layout = create_tables(connection, [ledger_schema(), *schemas])
            row = _run_row(run, schemas, layout)
            write_genesis(connection, row, provenance.here())
        start = genesis(row)
        journal = cls._around(Store(target, connection, layout, Head(0, start)), run, schemas, start)
        journal._declare(commodities)
        return journal

    @classmethod
    def replay(
        cls,
        path: str | Path,
        commodities: Iterable[Commodity],
        run: Run,
        schemas: Sequence[Schema] = (),
    ) -> Self:
        """Books to be posted again from the start, compared with the seals that *path* already holds.

        A block that is sealed there must come out the same; the first one past them is written, and so on:
        this is how a killed run is resumed. Raises `ReplayDiverged` where the result differs.
        """
        target = Path(path)
        with restore.checked(target) as held:
            sealed, layout = held.digests, held.layout
            row = _run_row(run, schemas, layout)
            if genesis(row) != held.genesis:
                raise errors.ReplayDiverged(
                    f"{target} was made from another spec, input, strategy, seed or policy"
                )
        start = genesis(row)
        store = Store(target, connect(target), layout, Head(0, start), sealed)
        journal = cls._around(store, run, schemas, start)
        journal._declare(commodities)
        return journal

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
            policies=_policies(json.loads(held.run["policies"])),
        )
        schemas = installed(restore.records_of(held))
        head = Head(len(held.digests), bytes.fromhex(held.digests[-1]) if held.digests else held.genesis)
        store = Store(target, connect(target), held.layout, head)
        journal = cls._around(store, run, schemas, held.genesis)
        journal._restore(state)
        return journal

    @classmethod
    def _around(cls, store: Store, run: Run, schemas: Sequence[Schema], start: bytes) -> Self:
        commodities = Commodities()
        journal = cls(
            store, commodities, Chart(commodities, run.policies.may_be_overdrawn), run, schemas
        )
        journal.genesis = start
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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

        *kind* is that of the first event where it is not given. *order_id* and *fill_id* tie it to rows of
        a simulator's tables.
        """
        transaction = Transaction(
            nanoseconds(when), kind, note=note, order_id=order_id, fill_id=fill_id, journal=self
        )
        yield transaction
        self._post(transaction)

    def reverse(self, number: int, when: Moment, note: str = "") -> int:
        """Undo a transaction by its full reversal, lots included; the number of the reversal.

        Nothing is ever updated: a correction is the reversal and then the right transaction.
        """
        rows = self.sql(restore.REVERSAL, [number]).rows()
        if not rows:
            raise errors.UnknownTransaction(f"transaction {number} was not posted")
        if rows[0]["reversed_by"] >= 0 or rows[0]["reverses"] >= 0:
            raise errors.AlreadyReversed(
                f"transaction {number} "
                + (
                    f"was reversed by {rows[0]['reversed_by']}"
                    if rows[0]["reversed_by"] >= 0
                    else f"is itself the reversal of {rows[0]['reverses']}"
                )
            )
        transaction = Transaction(
            nanoseconds(when),
            Kind.CORRECTION,
            instrument=rows[0]["instrument"],
            order_id=rows[0]["order_id"],
            fill_id=rows[0]["fill_id"],
            reverses=number,
            note=note or f"reverses {number}",
            journal=self,
        )
        transaction.add(_transfer_back, rows)
        self._post(transaction)
        return transaction.number

    def close_year(self, when: Moment, note: str = "year-end close") -> int:
        """Close every income and expense account to `Equity:RetainedEarnings` of its currency."""
        transaction = Transaction(nanoseconds(when), Kind.CLOSE, note=note, journal=self)
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
                transaction.ts,
                int(kind),
                transaction.instrument,
                transaction.order_id,
                transaction.fill_id,
                transaction.reverses,
            )
            for event, args in transaction:
                event(self.books, *args)
            status = Status(commit(self.books))
            if not self._made_room(status):
                break
        if status is not Status.POSTED:
            raise self._refusal(status, transaction)
        state = self.books.state[0]
        transaction.number = int(state.base_txn + state.txns - 1)
        if transaction.note:
            self._notes.append((transaction.number, transaction.note))
        if state.transfers >= self.run.policies.block_transfers:
            self.close_block()

    def _made_room(self, status: Status) -> bool:
        """Double the array that a transaction found full; false where none was."""
        books = self.books
        match status:
            case Status.TRANSFERS_FULL:
                self.books = books._replace(transfers=grown(books.transfers, 2 * books.transfers.size))
            case Status.TXNS_FULL:
                self.books = books._replace(txns=grown(books.txns, 2 * books.txns.size))
            case Status.LOTS_FULL:
                self.books = with_more_lots(books, 2 * books.lots.size)
            case _:
                return False
        return True

    def _refusal(self, status: Status, transaction: Transaction) -> errors.LedgerError:
        state = self.books.state[0]
        number, amount = int(state.account), int(state.amount)
        account = self.chart.name(number)
        shown = f"{amount} units"
        if 0 <= number < len(self.chart):
            shown = str(self.commodities[self.chart.accounts[number].commodity].decimal(amount))
        match status:
            case Status.BACKDATED:
                return errors.BackdatedTransaction(
                    f"{iso(number)} is before {iso(amount)}, the time of the last transaction"
                )
            case Status.EMPTY:
                return errors.EmptyTransaction(f"nothing is moved at {iso(transaction.ts)}")
            case Status.UNKNOWN_ACCOUNT:
                return errors.UnknownAccount(f"there is no account number {number}")
            case Status.NOT_POSITIVE:
                return errors.AmountNotPositive(f"{shown} on {account}: give more than zero")
            case Status.SAME_ACCOUNT:
                return errors.SameAccount(f"{account} is both debited and credited {shown}")
            case Status.COMMODITY_MISMATCH:
                return errors.CommodityMismatch(
                    f"{account} and {self.chart.name(amount)}: post each commodity against its own"
                    " counter-account, money through Trading:FX, units through Market"
                )
            case Status.OUT_OF_RANGE:
                return errors.AmountOutOfRange(f"{shown} takes {account} past 64 bits")
            case Status.OVERDRAFT:
                return errors.Overdraft(f"{account} would be left at {shown}")
            case Status.INSUFFICIENT_LOTS:
                return errors.InsufficientLots(f"{account}: only {shown} can be given up")
            case Status.UNKNOWN_LOT:
                return errors.UnknownLot(f"lot {number} is not open on that side")
            case Status.LOT_NOT_NAMED:
                return errors.LotNotNamed(f"{account}: relief is specific, name the lot")
            case Status.OPPOSITE_POSITION:
                return errors.OppositePosition(
                    f"{account} stands at {shown}; close it first, or post a reversal"
                )
            case _:
                return errors.LotsDisturbed(
                    f"lot {number} would keep cost without units or fall below zero;"
                    " reverse what it was used for first"
                )

    # --- the chart ---------------------------------------------------------------------------------

    def declare(self, commodity: Commodity) -> int:
        """Add a commodity and its accounts; its number."""
        self._require_open()
        return self._declare([commodity])

    def _declare(self, commodities: Iterable[Commodity]) -> int:
        number = -1
        for commodity in commodities:
            number = self.commodities.declare(commodity)
            self.chart.open_commodity(number)
        self._extend_books()
        return number

    def open_account(self, path: str, commodity: str = "USD", *, floored: bool = False) -> int:
        """Open an account of one's own, ``Expenses:Fees:Data`` say; its number."""
        self._require_open()
        number = self.chart.open(path, self.commodities.number(commodity), floored=floored)
        self._extend_books()
        return number

    def account_for(self, path: str, commodity: int) -> int:
        """The number of an account; where *path* exists in another commodity only, that one's number.

        So that a transfer between commodities is refused for what it is, by posting.
        """
        try:
            return self.chart.number(path, commodity)
        except errors.UnknownAccount:
            for other in range(len(self.commodities)):
                if (path, other) in self.chart:
                    return self.chart.number(path, other)
            raise

    def _extend_books(self) -> None:
        """Give the books a place for every account and commodity of the chart."""
        books, chart = self.books, self.chart
        have = books.accounts.size
        accounts = grown(books.accounts, len(chart))
        for number, account in enumerate(chart.accounts[have:], start=have):
            accounts[number] = (0, account.commodity, account.floor)
        commodities = grown(books.commodities, len(self.commodities))
        known = books.commodities.size
        for number, commodity in self.commodities.since(known):
            money = self.commodities.number(commodity.currency)
            relief = Relief[self.run.policies.relief.upper()]
            commodities[number] = (chart.first[number], chart.first[money], money, relief)
        queues = grown(books.queues, 2 * len(self.commodities))
        queues["head"][2 * known :] = -1
        queues["tail"][2 * known :] = -1
        self.books = books._replace(
            accounts=accounts,
            commodities=commodities,
            queues=queues,
        )
        self._opening = np.concatenate((self._opening, np.zeros(len(chart) - have, np.int64)))

    # --- amounts at the door -----------------------------------------------------------------------

    def arguments(
        self, event: Event, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Any], int]:
        """What an event is called with, as integers, and the number of the instrument it concerns."""
        function = getattr(event, "py_func", event)
        hints = get_type_hints(function)
        signature = inspect.signature(function)
        try:
            bound = signature.bind(None, *args, **kwargs)
        except TypeError as error:
            wanted = ", ".join(str(p) for p in list(signature.parameters)[1:])
            raise errors.InvalidEvent(f"{function.__name__}({wanted}): {error}") from None
        bound.apply_defaults()
        units = money = instrument = -1
        numbers: list[Any] = []
        for name, value in list(bound.arguments.items())[1:]:
            given = name in bound.kwargs or value is not signature.parameters[name].default
            hint = hints[name]
            if hint is CurrencyNo:
                money = self.commodities.currency(value)
                numbers.append(money)
            elif hint is InstrumentNo:
                instrument = units = self.commodities.instrument(value)
                money = self.commodities.number(self.commodities[units].currency)
                numbers.append(units)
            elif hint is Units:
                numbers.append(self.commodities[units].units(value))
            elif hint is Money:
                numbers.append(self.commodities[money].units(value) if given else int(value))
            elif hint is LotNo or hint is int:
                if isinstance(value, bool) or not isinstance(value, int | np.integer):
                    raise errors.InvalidEvent(f"{function.__name__}: {name} {value!r} is not a number")
                numbers.append(int(value))
            else:
                numbers.append(bool(value))
        return numbers, instrument

    def notional(self, symbol: str, quantity: Amount, price: float) -> Decimal:
        """What *quantity* costs at *price*, rounded once as the books round it."""
        instrument = self.commodities[self.commodities.instrument(symbol)]
        money = self.commodities[self.commodities.number(instrument.currency)]
        units = notional(
            instrument.units(quantity),
            float(price),
            instrument.multiplier,
            10.0**money.scale / 10.0**instrument.scale,
        )
        if units == NO_AMOUNT:
            raise errors.AmountOutOfRange(f"{quantity} {symbol} at {price} does not fit into 64 bits")
        return money.decimal(units)

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
        layout = self._store.layout.get(table)
        if layout is None or table in _OWN:
            raise errors.InvalidRows(f"there is no table {table!r} to add to")
        dense, *names = layout
        if set(columns) != set(names):
            raise errors.InvalidRows(f"{table} has the columns {', '.join(names)}, not {', '.join(columns)}")
        arrays = {name: _column(table, name, layout[name], columns[name]) for name in names}
        count = len(arrays[names[0]])
        if any(len(array) != count for array in arrays.values()):
            raise errors.InvalidRows(f"{table}: the columns differ in length")
        if count:
            first = self.count(table)
            ids = np.arange(first, first + count, dtype=DTYPES[layout[dense]])
            self._staged.setdefault(table, []).append({dense: ids} | arrays)

    def count(self, table: str) -> int:
        """How many rows a table has, those of the open block included: the next one's number."""
        staged = sum(len(next(iter(c.values()))) for c in self._staged.get(table, []))
        return self._stored[table] + staged

    def mark(self, when: Moment, prices: Mapping[str, float], *, stale: bool = False) -> None:
        """Record prices at which instruments are valued; *stale* if they are carried from earlier."""
        numbers = [self.commodities.instrument(symbol) for symbol in prices]
        values = [float(price) for price in prices.values()]
        if not all(0 <= value < float("inf") for value in values):
            raise errors.NotAnAmount(f"a mark is a price of zero or more, not {prices}")
        self._mark(nanoseconds(when), dict(zip(numbers, values, strict=True)), stale=stale)

    def _mark(self, ts: int, prices: Mapping[int, float], *, stale: bool) -> None:
        count = len(prices)
        self.add(
            "mark",
            {
                "ts": np.full(count, ts, np.int64).view("M8[ns]"),
                "instrument": list(prices),
                "price": list(prices.values()),
                "stale": [stale] * count,
            },
        )
        self._last_marks |= prices

    def statement(self, when: Moment) -> None:
        """Record what the books say at *when*: cash, market value and equity, for each currency in use.

        Holdings not marked at that time are marked with their last price, as stale.
        """
        ts = nanoseconds(when)
        held = self._held()
        if unpriced := [n for n in held if n not in self._last_marks]:
            raise errors.MissingMark(
                f"{self.commodities[unpriced[0]].symbol} is held and was never marked; mark it first"
            )
        marked_now = {
            int(n)
            for part in self._staged.get("mark", [])
            for n, t in zip(part["instrument"], part["ts"].astype(np.int64), strict=True)
            if t == ts
        }
        self._mark(
            ts, {n: self._last_marks[n] for n in held if n not in marked_now}, stale=True
        )
        worth = dict.fromkeys(range(len(self.commodities)), 0)
        for number, quantity in held.items():
            instrument = self.commodities[number]
            money = self.commodities.number(instrument.currency)
            worth[money] += notional(
                quantity,
                self._last_marks[number],
                instrument.multiplier,
                10.0 ** self.commodities[money].scale / 10.0**instrument.scale,
            )
        rows = [
            (ts, int(self.books.state[0].base_txn + self.books.state[0].txns - 1), money, cash, worth[money], net + worth[money])
            for money, (cash, net) in self._money().items()
        ]
        names = ("ts", "txn", "currency", "cash", "market_value", "equity")
        columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        self.add("statement", columns | {"ts": np.array(columns["ts"]).view("M8[ns]")})

    def _held(self) -> dict[int, int]:
        """Units in lots by instrument, below zero when short."""
        held: dict[int, int] = {}
        for lot in self.books.lots[self.books.lots["id"] >= 0]:
            number = int(lot.queue) // 2
            held[number] = held.get(number, 0) + int(lot.quantity)
        return held

    def _money(self) -> dict[int, tuple[int, int]]:
        """Cash, and assets less liabilities without what positions are carried at, by currency in use."""
        totals: dict[int, tuple[int, int]] = {}
        for number, account in enumerate(self.chart.accounts):
            if account.type not in ("asset", "liability") or not self.commodities[account.commodity].is_currency:
                continue
            balance = int(self.books.accounts[number].balance)
            cash, net = totals.get(account.commodity, (0, 0))
            if number == self.chart.first[account.commodity] + CASH:
                cash = balance
            if account.instrument < 0 or number - self.chart.first[account.instrument] not in CARRYING:
                net += balance
            totals[account.commodity] = (cash, net)
        return totals

    def close(self) -> Head | None:
        """Seal and store the open block and let go of the file; where the chain ends. Again: nothing."""
        if self._closed:
            return None
        self._closed = True
        try:
            self._close_block()
            return self._store.sync()
        finally:
            self._store.close()

    def commit(self) -> Head:
        """Close the open block and wait until everything posted is durable; where the chain ends."""
        self.close_block()
        return self._store.sync()

    def close_block(self) -> None:
        """Hand the open block to the store, unless it is empty."""
        self._require_open()
        self._close_block()

    def _close_block(self) -> None:
        tables, last = self._open_rows()
        if not tables:
            return
        state = self.books.state[0]
        first = int(state.base_txn)
        self._store.put(Block(self._block, first, last, tables))
        self._block += 1
        for table, columns in tables.items():
            self._stored[table] += len(next(iter(columns.values())))
        self._opening = self.books.accounts["balance"].copy()
        state.base_txn += state.txns
        state.txns = state.transfers = 0
        self._staged.clear()
        self._notes.clear()

    def _open_rows(self) -> tuple[dict[str, Columns], int]:
        """The rows of the open block by table, checked against the running balances."""
        books, state = self.books, self.books.state[0]
        count = int(state.transfers)
        tables: dict[str, Columns] = {}
        tables |= self._new_chart_rows()
        if state.txns:
            first, posted = int(state.base_txn), int(state.txns)
            txns = books.txns[:posted]
            tables["txn"] = {
                "id": np.arange(first, first + posted),
                "ts": txns["ts"].astype("M8[ns]"),
                "kind": txns["kind"].astype(np.uint8),
            } | {
                name: np.ascontiguousarray(txns[name])
                for name in ("instrument", "order_id", "fill_id", "reverses")
            }
            start = self._stored["transfer"]
            moved: dict[str, NDArray[Any]] = {"seq": np.arange(start, start + count)}
            for name in ("txn", "debit", "credit", "amount", "lot"):
                moved[name] = np.empty(count, books.transfers.dtype[name])
            if not unload(books, self._opening.copy(), *list(moved.values())[1:]):
                raise errors.SealBroken("the open block does not refold to the running balances")
            tables["transfer"] = moved
        if self._notes:
            start = self._stored["note"]
            tables["note"] = {
                "id": np.arange(start, start + len(self._notes)),
                "txn": np.array([number for number, _ in self._notes]),
                "text": np.array([text for _, text in self._notes], object),
            }
        for table, parts in self._staged.items():
            tables[table] = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        return tables, int(state.base_txn + state.txns - 1)

    def _new_chart_rows(self) -> dict[str, Columns]:
        tables: dict[str, Columns] = {}
        start = self._stored["commodity"]
        if fresh := list(self.commodities.since(start)):
            tables["commodity"] = _columns(
                self._store.layout["commodity"],
                [
                    (n, c.symbol, c.kind, c.scale, self.commodities.number(c.currency), c.multiplier)
                    for n, c in fresh
                ],
            )
        start = self._stored["account"]
        if accounts := self.chart.accounts[start:]:
            tables["account"] = _columns(
                self._store.layout["account"], [(n, *a) for n, a in enumerate(accounts, start=start)]
            )
        return tables

    # --- reading -----------------------------------------------------------------------------------

    def sql(self, query: str, parameters: Sequence[Any] = (), at: Moment | None = None) -> Query:
        """Run SQL over the whole journal, the open block included; *at* shows the books as of a moment.

        Changes that the query makes are forgotten.
        """
        self._require_open()
        rows, _ = self._open_rows()
        with self._store.snapshot(rows) as cursor:
            return execute(cursor, query, parameters, None if at is None else nanoseconds(at))

    @property
    def head(self) -> Head:
        """Where the chain ends: number of sealed blocks and the digest of the last."""
        return self._store.sync()

    @property
    def path(self) -> Path | None:
        """The journal's file, None in memory."""
        return self._store.path

    def _require_open(self) -> None:
        if self._closed:
            raise errors.JournalClosed(f"{self._store.path or 'the journal'} is closed")

    def _restore(self, state: restore.State) -> None:
        """Take up the books where a file left them."""
        for commodity in state.commodities:
            self.commodities.declare(commodity)
        for account in state.accounts:
            self.chart.restore(account)
        self.chart.first = state.first
        self._extend_books()
        self.books.accounts["balance"] = state.balances
        self._opening = self.books.accounts["balance"].copy()
        for lot in state.lots:
            if self.books.state[0].free == 0:
                self.books = with_more_lots(self.books, 2 * self.books.lots.size)
            slot = restore_lot(self.books, lot.instrument, lot.side, lot.id, *lot.acquired)
            self.books.lots[slot].quantity, self.books.lots[slot].cost = lot.quantity, lot.cost
        row = self.books.state[0]
        row.ts, row.base_txn, row.next_lot = state.ts, state.stored["txn"], state.next_lot
        self._stored = state.stored
        self._last_marks = state.marks
        self._block = state.blocks


_OWN = ("commodity", "account", "txn", "transfer", "note")


def _transfer_back(books: Books, rows: Sequence[Mapping[str, Any]]) -> None:
    """Post the transfers of a transaction the other way round, last first, into the lots they came from."""
    for row in reversed(rows):
        slot = -1
        if row["lot"] >= 0:
            lot = (row["instrument_of_lot"], row["side"], row["lot"])
            slot = find_lot(books, *lot)
            if slot < 0:
                slot = restore_lot(books, *lot, row["acquired_quantity"], row["acquired_cost"])
        transfer(books, row["credit"], row["debit"], row["amount"], slot)


def _run_row(run: Run, schemas: Sequence[Schema], layout: Layout) -> dict[str, str | int]:
    policies = {
        "block_transfers": run.policies.block_transfers,
        "may_be_overdrawn": sorted(run.policies.may_be_overdrawn),
        "others": run.policies.others,
        "records": [[s.name, s.version] for s in schemas],
        "relief": run.policies.relief,
        "semantics": SEMANTICS,
    }
    row: dict[str, str | int] = {
        "id": "",
        "spec": canonical(run.spec),
        "fingerprints": canonical(run.fingerprints),
        "strategy": run.strategy,
        "seed": run.seed,
        "policies": canonical(policies),
        "layout": canonical([[t, list(map(list, c.items()))] for t, c in layout.items()]),
    }
    row["id"] = genesis(row).hex()[:16]
    return row


def _policies(stored: Mapping[str, Any]) -> Policies:
    return Policies(
        relief=stored["relief"],
        may_be_overdrawn=stored["may_be_overdrawn"],
        block_transfers=stored["block_transfers"],
        others=stored["others"],
    )


def _columns(layout: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> Columns:
    return {
        name: np.array(values, DTYPES[kind])
        for (name, kind), values in zip(layout.items(), zip(*rows, strict=True), strict=True)
    }


def _column(table: str, name: str, kind: str, values: Any) -> NDArray[Any]:
    """*values* as the column's type, refusing what would change them."""
    try:
        array = np.asarray(values)
        if kind == "VARCHAR":
            wrong = [value for value in array.tolist() if not isinstance(value, str)]
            array = array.astype(object)
        else:
            cast = array.astype(DTYPES[kind])
            wrong = array[(cast != array) & (array == array)].tolist()  # noqa: PLR0124  NaN differs
            array = cast
    except (ValueError, TypeError, OverflowError) as error:
        raise errors.InvalidRows(f"{table}.{name}: {error}") from None
    if wrong:
        raise errors.InvalidRows(f"{table}.{name} is {kind} and cannot hold {wrong[0]!r}")
    return array

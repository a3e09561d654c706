"""The journal as entries of other tools: one for each transaction, in order, read in batches.

There are two layers, because no tool holds both. The *exact* layer has every transfer as two postings, units
and money alike. In the *lots* layer units are held at cost, in the sense of those tools. There the postings
of a lot to its units and to its cost are one posting of units at a total cost. The street (`Market`), which
stands against units without a cost, is left out.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import duckdb
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout.ledger.books.chart import TYPES, Account
from tieout.ledger.books.commodity import Commodity
from tieout.ledger.errors import ExportFailed
from tieout.ledger.file import chain
from tieout.ledger.file.reader import Reader

Layer = Literal["exact", "lots"]
Progress = Callable[[int, int], None]
"""A function that is called with the count so far and the total."""

COLUMNS = {
    "accounts": "INTEGER VARCHAR VARCHAR INTEGER VARCHAR INTEGER BOOLEAN BOOLEAN",
    "commodities": "INTEGER INTEGER VARCHAR VARCHAR TINYINT VARCHAR DOUBLE",
    "extent": "VARCHAR BIGINT BIGINT",
    "lots": "BIGINT DATE INTEGER INTEGER",
    "prices": "VARCHAR INTEGER DOUBLE",
    "transactions": "BIGINT VARCHAR VARCHAR BIGINT BIGINT BIGINT VARCHAR",
    "transfers": "BIGINT INTEGER INTEGER BIGINT BIGINT",
}
"""The types of the columns of each query, as a sound journal has them."""
BATCH = 20_000  # transactions, which are some megabytes of Python objects

REMEDY = "verify the journal"
# Other programs read years of four digits.
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\Z", re.ASCII)

_OTHER, _UNITS, _COST = range(3)
"""The roles of an account for the lots of an instrument."""


class Posting(NamedTuple):
    """A signed amount on an account. With *lot*, units of that lot at the total *cost*.

    With *is_new_total* they are all that the lot holds from here on.
    """

    path: str
    commodity: int
    units: int
    lot: int = -1
    cost: int = 0
    is_new_total: bool = False


class Entry(NamedTuple):
    """One transaction."""

    txn: int
    moment: str
    kind: str
    order_id: int
    fill_id: int
    reverses: int
    note: str
    postings: list[Posting]

    @property
    def day(self) -> str:
        """The date of the transaction."""
        return self.moment[:10]

    @property
    def time(self) -> str:
        """The exact time, as ISO text."""
        return self.moment.replace(" ", "T")

    def references(self) -> Iterator[tuple[str, int]]:
        """List the order, the fill and the transaction that it refers to, by name."""
        for name in ("order_id", "fill_id", "reverses"):
            if (number := getattr(self, name)) >= 0:
                yield name.removesuffix("_id"), number


@frozen
class Lot:
    """The facts of a lot that never change: its day, its instrument, +1 for long or -1 for short."""

    day: str
    instrument: int
    side: int


@frozen
class Lots:
    """The lots in arrays, because there may be millions. *numbers* ascend, and may be as large as int64."""

    numbers: NDArray[np.int64]
    days: NDArray[np.datetime64]
    instruments: NDArray[np.int32]
    sides: NDArray[np.int8]

    @classmethod
    def of(cls, reader: Reader) -> "Lots":
        """Read the lots of a journal."""
        answer = reader.execute(query("lots"))
        _require_columns(answer, "lots")
        columns = answer.fetchnumpy().values()
        if any(np.ma.is_masked(values) for values in columns):
            raise ExportFailed(f"a lot has no day or no instrument; {REMEDY}")
        dtypes = map(np.dtype, ("i8", "M8[D]", "i4", "i1"))
        return cls(*(np.ma.getdata(v).astype(d) for v, d in zip(columns, dtypes, strict=True)))

    def __getitem__(self, number: int) -> Lot:
        place = int(np.searchsorted(self.numbers, number))
        if place == self.numbers.size or self.numbers[place] != number:
            raise ExportFailed(f"a transfer names lot {number}, which was never opened; {REMEDY}")
        return Lot(str(self.days[place]), int(self.instruments[place]), int(self.sides[place]))

    def sides_of_instruments(self) -> set[tuple[int, int]]:
        """Return each instrument and side that ever had a lot."""
        pairs = np.unique(np.stack((self.instruments, self.sides)), axis=1)
        return {(int(instrument), int(side)) for instrument, side in pairs.T}


@frozen
class Register:
    """The commodities, accounts and lots that entries refer to by number, and the identity of the journal.

    Raises `ExportFailed` where the journal is damaged so far that it has no register.
    """

    run: str
    head: str
    first_day: str
    kinds: list[str]
    commodities: list[Commodity]
    currencies: list[int]
    """The number of the currency in which each commodity is priced."""
    accounts: list[Account]
    is_used: list[bool]
    lots: Lots
    transactions: int
    transfers: int

    @classmethod
    def of(cls, reader: Reader) -> "Register":
        """Read the register of a journal."""
        reader.execute("reset variable as_of")
        accounts, commodities = _rows(reader, "accounts"), _rows(reader, "commodities")
        seals = chain.seals(reader)
        ((first_day, transactions, transfers),) = _rows(reader, "extent")
        register = cls(
            run=reader.run["id"],
            head=seals[-1].digest if seals else chain.genesis(reader).hex(),
            first_day=first_day,
            kinds=[name for (name,) in reader.execute("select name from kind order by id").fetchall()],
            commodities=[Commodity(*row) for _, _, *row in commodities],
            currencies=[currency for _, currency, *_ in commodities],
            accounts=[Account(*row) for _, *row, _ in accounts],
            is_used=[is_used for *_, is_used in accounts],
            lots=Lots.of(reader),
            transactions=transactions,
            transfers=transfers,
        )
        for name, rows in (("account", accounts), ("commodity", commodities)):
            if [number for number, *_ in rows] != [*range(len(rows))]:
                raise ExportFailed(f"the numbers of the table {name} are not 0, 1, 2, ...; {REMEDY}")
        register._require_accounts()
        return register

    def _require_accounts(self) -> None:
        """Raise `ExportFailed` where an account or a lot is none of the chart or names no commodity."""
        count = len(self.commodities)
        for account in self.accounts:
            root, *parts = account.path.split(":")
            if root not in TYPES or not parts or not all(parts):
                raise ExportFailed(f"{account.path!r} is no path of an account; {REMEDY}")
            if not 0 <= account.commodity < count or account.instrument >= count:
                raise ExportFailed(
                    f"the account {account.path!r} is of a commodity or an instrument that is not there;"
                    f" {REMEDY}"
                )

    def account_commodities(self, layer: Layer) -> dict[str, list[int]]:
        """Return the commodities of each account that the entries of *layer* post to, by path."""
        commodities: dict[str, set[int]] = {}
        for account, is_used in zip(self.accounts, self.is_used, strict=True):
            if is_used:
                commodities.setdefault(account.path, set()).add(account.commodity)
        if layer == "lots":
            for instrument, side in self.lots.sides_of_instruments():
                path = lot_account(self.commodities[instrument].symbol, side)
                commodities.setdefault(path, set()).add(instrument)
        return {path: sorted(numbers) for path, numbers in sorted(commodities.items())}


def lot_account(symbol: str, side: int) -> str:
    """Return the path of the account that holds the lots of an instrument at cost."""
    return f"Assets:Positions:{symbol}" if side > 0 else f"Liabilities:Short:{symbol}"


@cache
def query(name: str) -> str:
    """Read one of the queries beside this module."""
    return (files("tieout.ledger.export") / f"{name}.sql").read_text(encoding="utf-8")


def entries(
    reader: Reader, register: Register, layer: Layer, progress: Progress | None = None
) -> Iterator[Entry]:
    """Read every transaction of the journal in order."""
    holdings = Holdings(register)
    transactions = count = 0  # count is of transfers
    for first in range(0, register.transactions, BATCH):
        last = min(first + BATCH, register.transactions) - 1
        rows = _rows(reader, "transfers", first, last)
        _require_account_numbers(rows, len(register.accounts))
        at = 0
        for txn in _rows(reader, "transactions", first, last):
            if not _MOMENT.match(txn[1]):
                raise ExportFailed(f"transaction {txn[0]} has the time {txn[1]!r}; {REMEDY}")
            start = at
            while at < len(rows) and rows[at][0] == txn[0]:
                at += 1
            batch, is_exact = rows[start:at], layer == "exact"
            postings = _exact(register.accounts, batch) if is_exact else holdings.move(batch)
            yield Entry._make((*txn, postings))
            transactions += 1
        count += at
        if progress is not None:
            progress(last + 1, register.transactions)
    if transactions != register.transactions:
        raise ExportFailed(f"the numbers of the table txn are not 0, 1, 2, ...; {REMEDY}")
    if count != register.transfers:
        raise ExportFailed(
            f"{register.transfers - count} transfers belong to no transaction or are out of order; {REMEDY}"
        )


class Price(NamedTuple):
    """The worth of one unit of a commodity at the end of a day, as its currency counts it."""

    day: str
    commodity: int
    price: Decimal


def prices(reader: Reader, register: Register) -> Iterator[Price]:
    """Yield the last mark of each instrument on each day. Raises `ExportFailed` for one that is no price."""
    for day, instrument, mark in _rows(reader, "prices"):
        is_known = 0 <= instrument < len(register.commodities)
        if not is_known or not 0 <= mark < float("inf") or not _DAY.match(day):
            raise ExportFailed(f"a mark of {day} is no price of an instrument: {mark!r}; {REMEDY}")
        multiplier = Decimal(repr(float(register.commodities[instrument].multiplier)))
        yield Price(day, instrument, (Decimal(repr(mark)) * multiplier).normalize())


def _rows(reader: Reader, name: str, *parameters: int) -> list[tuple[Any, ...]]:
    """Return the rows of a query. Raises `ExportFailed` where a type or a NULL is none of a sound journal."""
    answer = reader.execute(query(name), parameters)
    _require_columns(answer, name)
    rows = answer.fetchall()
    for row in rows:
        if None in row:
            column = answer.description[row.index(None)][0]
            raise ExportFailed(f"a row of {name} has NULL as its {column}; {REMEDY}")
    return rows


def _require_columns(answer: duckdb.DuckDBPyConnection, name: str) -> None:
    for (column, kind, *_), expected in zip(answer.description, COLUMNS[name].split(), strict=True):
        if str(kind) != expected:
            raise ExportFailed(f"{column} in {name} is {kind}, not {expected}; {REMEDY}")


def _require_account_numbers(transfers: Sequence[tuple[Any, ...]], count: int) -> None:
    for _, debit, credit, *_ in transfers:
        if not (0 <= debit < count and 0 <= credit < count):
            number = credit if 0 <= debit < count else debit
            raise ExportFailed(f"a transfer names account {number}, which is not there; {REMEDY}")


def _exact(accounts: list[Account], transfers: list[Any]) -> list[Posting]:
    postings = []
    for _, debit, credit, amount, _ in transfers:
        to, of = accounts[debit], accounts[credit]
        postings.append(Posting(to.path, to.commodity, amount))
        postings.append(Posting(of.path, of.commodity, -amount))
    return postings


class Holdings:
    """The units and the cost of each open lot, as transactions move them."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._roles = [self._role(account) for account in register.accounts]
        self._totals: dict[int, tuple[int, int]] = {}

    def _role(self, account: Account) -> int:
        if account.instrument >= 0:
            symbol = self._register.commodities[account.instrument].symbol
            if account.path in (lot_account(symbol, +1), lot_account(symbol, -1)):
                return _UNITS if account.commodity == account.instrument else _COST
        return _OTHER

    def move(self, transfers: list[Any]) -> list[Posting]:
        """Return the postings of one transaction: those of each lot that it moves, then all others."""
        accounts, roles = self._register.accounts, self._roles
        moves: dict[int, list[int]] = {}
        others: list[Posting] = []
        for _, debit, credit, amount, lot in transfers:
            in_units = lot >= 0 and _UNITS in (roles[debit], roles[credit])
            for number, signed in ((debit, amount), (credit, -amount)):
                role, account = roles[number], accounts[number]
                if lot >= 0 and role != _OTHER:
                    moves.setdefault(lot, [0, 0])[role - _UNITS] += signed
                elif not in_units:
                    others.append(Posting(account.path, account.commodity, signed))
        of_lots = [p for lot, (units, cost) in moves.items() for p in self._of_lot(lot, units, cost)]
        return of_lots + others

    def _of_lot(self, lot: int, units_change: int, cost_change: int) -> Iterator[Posting]:
        """Return the postings of one lot: the move itself, or the whole lot out and the rest back in.

        Other tools keep a cost per unit, tieout a total. They agree after a move that does not change the
        cost per unit. The others are a split, a purchase at average cost, and a part with a share of the
        cost that is not a whole number. After these the lot comes back in at its new total. Both then agree
        to the last digit, and no rounding remains to be posted.
        """
        units, cost = self._totals.pop(lot, (0, 0))
        units_left, cost_left = units + units_change, cost + cost_change
        facts = self._register.lots[lot]
        path = lot_account(self._register.commodities[facts.instrument].symbol, facts.side)
        if units_left:
            self._totals[lot] = units_left, cost_left
        elif cost_left:
            raise ExportFailed(f"lot {lot} has cost without units; {REMEDY}")
        if (units, cost) == (units_left, cost_left):
            return
        if 0 < abs(units_left) < abs(units) and units_left * cost == units * cost_left:
            yield Posting(path, facts.instrument, units_change, lot, cost_change)
            return
        if units:
            yield Posting(path, facts.instrument, -units, lot, -cost)
        if units_left:
            yield Posting(path, facts.instrument, units_left, lot, cost_left, is_new_total=True)

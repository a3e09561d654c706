"""The journal as entries of other tools: one a transaction, in order, a batch at a time.

Two layers, because no tool holds both. The *exact* layer has every transfer as two postings, units and money
alike. In the *lot* layer units are held at cost, as those tools understand it: the postings of a lot to its
units and to its cost become one posting of units at a total cost, and the street (`Market`), which stands
against units without a cost, falls away.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout.ledger.books.chart import Account
from tieout.ledger.books.commodity import Commodity
from tieout.ledger.errors import ExportFailed
from tieout.ledger.file import chain
from tieout.ledger.file.reader import Reader

Layer = Literal["exact", "lots"]
Progress = Callable[[int, int], None]
"""Told how much is done, and of how much."""

LOT_COLUMNS = ("lot", "opened", "instrument", "side")
BATCH = 20_000  # transactions; some megabytes of Python objects

_APART, _UNITS, _COST = range(3)


class Posting(NamedTuple):
    """A signed amount on an account. With *lot*, units at the total *cost*, taken up or given up."""

    path: str
    commodity: int
    units: int
    lot: int = -1
    cost: int = 0
    taken_up: bool = False


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
        """The order, the fill and the transaction that it refers to, by name, where it does."""
        for name in ("order_id", "fill_id", "reverses"):
            if (number := getattr(self, name)) >= 0:
                yield name.removesuffix("_id"), number


@frozen
class Lot:
    """What does not change about a lot: its day, its instrument, +1 for long or -1 for short."""

    day: str
    instrument: int
    side: int


@frozen
class Lots:
    """All lots by number, in arrays, because there may be millions."""

    days: NDArray[np.datetime64]
    instruments: NDArray[np.int32]
    sides: NDArray[np.int8]

    @classmethod
    def of(cls, columns: Mapping[str, NDArray[Any]]) -> "Lots":
        """From the columns of `lots.sql`."""
        numbers, *others = (np.ma.getdata(columns[name]) for name in LOT_COLUMNS)
        size = int(numbers[-1]) + 1 if numbers.size else 0
        # A number without a lot, which a sound journal does not have, keeps side 0.
        arrays = [np.zeros(size, dtype) for dtype in ("M8[D]", np.int32, np.int8)]
        for array, values in zip(arrays, others, strict=True):
            array[numbers] = values.astype(array.dtype)
        return cls(*arrays)

    def __getitem__(self, number: int) -> Lot:
        day, instrument, side = self.days[number], self.instruments[number], self.sides[number]
        return Lot(str(day), int(instrument), int(side))

    def held(self) -> set[tuple[int, int]]:
        """Each instrument and side of which there ever was a lot."""
        pairs = np.unique(np.stack((self.instruments, self.sides)), axis=1)
        return {(int(instrument), int(side)) for instrument, side in pairs.T if side}


@frozen
class Register:
    """What the entries refer to: commodities, accounts and lots by number; and which journal it is."""

    run: str
    head: str
    first_day: str
    kinds: list[str]
    commodities: list[Commodity]
    accounts: list[Account]
    used: list[bool]
    lots: Lots
    transactions: int
    transfers: int

    @classmethod
    def of(cls, reader: Reader) -> "Register":
        """Read it."""
        ask = reader.connection.execute
        ask("reset variable as_of")
        accounts = ask(query("accounts")).fetchall()
        seals = chain.seals(reader)
        ((first_day, transactions, transfers),) = ask(query("extent")).fetchall()
        return cls(
            run=reader.run["id"],
            head=seals[-1].digest if seals else chain.genesis(reader).hex(),
            first_day=first_day,
            kinds=[name for (name,) in ask("select name from kind order by id").fetchall()],
            commodities=[Commodity(*row) for row in ask(query("commodities")).fetchall()],
            accounts=[Account(*row[:-1]) for row in accounts],
            used=[row[-1] for row in accounts],
            lots=Lots.of(ask(query("lots")).fetchnumpy()),
            transactions=transactions,
            transfers=transfers,
        )

    def currency(self, instrument: int) -> int:
        """The number of the currency that an instrument is priced in."""
        symbol = self.commodities[instrument].currency
        return next(n for n, c in enumerate(self.commodities) if c.symbol == symbol)

    def opened(self, layer: Layer) -> dict[str, list[int]]:
        """The commodities of each account that the entries of *layer* post to."""
        found: dict[str, set[int]] = {}
        for account, used in zip(self.accounts, self.used, strict=True):
            if used:
                found.setdefault(account.path, set()).add(account.commodity)
        if layer == "lots":
            for instrument, side in self.lots.held():
                path = held_on(self.commodities[instrument].symbol, side)
                found.setdefault(path, set()).add(instrument)
        return {path: sorted(numbers) for path, numbers in sorted(found.items())}


def held_on(symbol: str, side: int) -> str:
    """The account on which the lots of an instrument are held at cost."""
    return f"Assets:Positions:{symbol}" if side > 0 else f"Liabilities:Short:{symbol}"


@cache
def query(name: str) -> str:
    """One of the queries beside this module."""
    return (files("tieout.ledger.export") / f"{name}.sql").read_text(encoding="utf-8")


def entries(
    reader: Reader, register: Register, layer: Layer, progress: Progress | None = None
) -> Iterator[Entry]:
    """Every transaction of the journal in order."""
    holdings = Holdings(register)
    told = 0
    for first in range(0, register.transactions, BATCH):
        last = min(first + BATCH, register.transactions) - 1
        rows = reader.connection.execute(query("transfers"), [first, last]).fetchall()
        at = 0
        for txn in reader.connection.execute(query("transactions"), [first, last]).fetchall():
            start = at
            while at < len(rows) and rows[at][0] == txn[0]:
                at += 1
            moved = rows[start:at]
            exact = layer == "exact"
            postings = _exact(register.accounts, moved) if exact else holdings.move(moved)
            yield Entry._make((*txn, postings))
        told += at
        if progress is not None:
            progress(last + 1, register.transactions)
    if told != register.transfers:
        raise ExportFailed(
            f"{register.transfers - told} transfers belong to no transaction or are out of order;"
            " verify the journal"
        )


def _exact(accounts: list[Account], transfers: list[Any]) -> list[Posting]:
    postings = []
    for _, debit, credit, amount, _ in transfers:
        to, of = accounts[debit], accounts[credit]
        postings.append(Posting(to.path, to.commodity, amount))
        postings.append(Posting(of.path, of.commodity, -amount))
    return postings


class Holdings:
    """What each open lot holds, as transactions move it."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._roles = [self._role(account) for account in register.accounts]
        self._held: dict[int, tuple[int, int]] = {}

    def _role(self, account: Account) -> int:
        if account.instrument >= 0:
            symbol = self._register.commodities[account.instrument].symbol
            if account.path in (held_on(symbol, +1), held_on(symbol, -1)):
                return _UNITS if account.commodity == account.instrument else _COST
        return _APART

    def move(self, transfers: list[Any]) -> list[Posting]:
        """The postings of one transaction: of each lot that it moves, then of everything else."""
        accounts, roles = self._register.accounts, self._roles
        moved: dict[int, list[int]] = {}
        apart: list[Posting] = []
        for _, debit, credit, amount, lot in transfers:
            in_units = lot >= 0 and _UNITS in (roles[debit], roles[credit])
            for number, signed in ((debit, amount), (credit, -amount)):
                role, account = roles[number], accounts[number]
                if lot >= 0 and role != _APART:
                    moved.setdefault(lot, [0, 0])[role - _UNITS] += signed
                elif not in_units:
                    apart.append(Posting(account.path, account.commodity, signed))
        of_lots = [p for lot, (units, cost) in moved.items() for p in self._of_lot(lot, units, cost)]
        return of_lots + apart

    def _of_lot(self, lot: int, units_moved: int, cost_moved: int) -> Iterator[Posting]:
        """One lot's postings: the move itself, or the whole lot given up and what is left taken back.

        Other tools keep a cost per unit, ours a total. They agree after a move that leaves the cost
        per unit alone. After any other (a split, a purchase at average cost, a part whose share of
        the cost is no whole number) the lot is taken back at its new total, so that it agrees to
        the last digit and no rounding remains to be posted.
        """
        units, cost = self._held.pop(lot, (0, 0))
        units_left, cost_left = units + units_moved, cost + cost_moved
        known = self._register.lots[lot]
        path = held_on(self._register.commodities[known.instrument].symbol, known.side)
        if units_left:
            self._held[lot] = units_left, cost_left
        elif cost_left:
            raise ExportFailed(f"lot {lot} has cost without units; verify the journal")
        if (units, cost) == (units_left, cost_left):
            return
        if 0 < abs(units_left) < abs(units) and units_left * cost == units * cost_left:
            yield Posting(path, known.instrument, units_moved, lot, cost_moved)
            return
        if units:
            yield Posting(path, known.instrument, -units, lot, -cost)
        if units_left:
            yield Posting(path, known.instrument, units_left, lot, cost_left, taken_up=True)

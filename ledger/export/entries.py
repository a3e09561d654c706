"""The journal as entries of other tools: one for each transaction, in order, read in batches.

There are two layers, because no tool holds both. The *exact* layer has every transfer as two postings, units
and money alike. In the *lots* layer units are held at cost, in the sense of those tools. There the postings
of a lot to its units and to its cost are one posting of units at a total cost. The street (`Market`), which
stands against units without a cost, is left out.
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
"""A function that is called with the count so far and the total."""

LOT_COLUMNS = ("lot", "opened", "instrument", "side")
BATCH = 20_000  # transactions, which are some megabytes of Python objects

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
    """The lots by number, in arrays, because there may be millions."""

    days: NDArray[np.datetime64]
    instruments: NDArray[np.int32]
    sides: NDArray[np.int8]

    @classmethod
    def of(cls, columns: Mapping[str, NDArray[Any]]) -> "Lots":
        """Read the columns of `lots.sql`."""
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

    def sides_of_instruments(self) -> set[tuple[int, int]]:
        """Return each instrument and side that ever had a lot."""
        pairs = np.unique(np.stack((self.instruments, self.sides)), axis=1)
        return {(int(instrument), int(side)) for instrument, side in pairs.T if side}


@frozen
class Register:
    """The commodities, accounts and lots that entries refer to by number, and the identity of the journal."""

    run: str
    head: str
    first_day: str
    kinds: list[str]
    commodities: list[Commodity]
    accounts: list[Account]
    is_used: list[bool]
    lots: Lots
    transactions: int
    transfers: int

    @classmethod
    def of(cls, reader: Reader) -> "Register":
        """Read the register of a journal."""
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
            is_used=[row[-1] for row in accounts],
            lots=Lots.of(ask(query("lots")).fetchnumpy()),
            transactions=transactions,
            transfers=transfers,
        )

    def currency(self, instrument: int) -> int:
        """Return the number of the currency that an instrument is priced in."""
        symbol = self.commodities[instrument].currency
        return next(n for n, c in enumerate(self.commodities) if c.symbol == symbol)

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
    count = 0  # of transfers
    for first in range(0, register.transactions, BATCH):
        last = min(first + BATCH, register.transactions) - 1
        rows = reader.connection.execute(query("transfers"), [first, last]).fetchall()
        at = 0
        for txn in reader.connection.execute(query("transactions"), [first, last]).fetchall():
            start = at
            while at < len(rows) and rows[at][0] == txn[0]:
                at += 1
            batch, is_exact = rows[start:at], layer == "exact"
            postings = _exact(register.accounts, batch) if is_exact else holdings.move(batch)
            yield Entry._make((*txn, postings))
        count += at
        if progress is not None:
            progress(last + 1, register.transactions)
    if count != register.transfers:
        raise ExportFailed(
            f"{register.transfers - count} transfers belong to no transaction or are out of order;"
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
            raise ExportFailed(f"lot {lot} has cost without units; verify the journal")
        if (units, cost) == (units_left, cost_left):
            return
        if 0 < abs(units_left) < abs(units) and units_left * cost == units * cost_left:
            yield Posting(path, facts.instrument, units_change, lot, cost_change)
            return
        if units:
            yield Posting(path, facts.instrument, -units, lot, -cost)
        if units_left:
            yield Posting(path, facts.instrument, units_left, lot, cost_left, is_new_total=True)

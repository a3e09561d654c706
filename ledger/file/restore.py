"""Taking up closed books where their file left them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from tieout.ledger.books.chart import Account
from tieout.ledger.books.commodity import Commodity
from tieout.ledger.errors import DamagedFile, SealBroken
from tieout.ledger.file import chain
from tieout.ledger.file.database import Database, explained
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.schema import in_order
from tieout.ledger.file.store import Layout


@frozen
class Held:
    """What a file holds, all of its seals having been checked."""

    reader: Reader
    run: dict[str, Any]
    layout: Layout
    genesis: bytes
    digests: list[str]


@frozen
class OpenLot:
    """A lot with units left, below zero when short."""

    id: int
    instrument: int
    side: int
    quantity: int
    cost: int


@frozen
class State:
    """The books at the end of a file."""

    commodities: list[Commodity]
    accounts: list[Account]
    first: list[int]
    balances: list[int]
    lots: list[OpenLot]
    next_lot: int
    timestamp: int
    marks: dict[int, tuple[int, float]]
    stated: int | None
    stored: dict[str, int]
    blocks: int


@contextmanager
def checked(path: Path) -> Iterator[Held]:
    """A file whose seals all hold, open for reading. Raises `SealBroken` where one does not."""
    with Reader(path) as reader, explained(path, DamagedFile):
        for departure in chain.broken(reader):
            raise SealBroken(f"{path}: {departure}; nothing may be added to it")
        digests = [sealed.digest for sealed in chain.seals(reader)]
        yield Held(reader, reader.run, reader.layout, chain.genesis(reader), digests)


def reconnect(path: Path, held: Held) -> Database:
    """The same file for writing. Raises `SealBroken` if another process wrote to it since it was checked."""
    database = Database(path)
    connection = database.connection
    with explained(path, DamagedFile):
        digests = connection.execute("select digest from seal order by block").fetchall()
    if [digest for (digest,) in digests] != held.digests:
        database.close()
        raise SealBroken(f"{path} was written to by another process meanwhile; open it again")
    with explained(path, DamagedFile):
        for statement in in_order(held.reader.schemas).values():
            connection.execute(statement)  # its views are no more believed than by a reader
    return database


def records_of(held: Held) -> list[tuple[str, int]]:
    """Name and version of the records of other rooms in the file."""
    return [(name, version) for name, version in held.reader.policies["records"]]


def state(held: Held) -> State:
    """The books as the file's last block left them."""
    run = held.reader.connection.execute
    symbols = dict(run("select id, symbol from commodity").fetchall())
    commodities = [
        Commodity(symbol, kind, scale, symbols[money], multiplier)
        for symbol, kind, scale, money, multiplier in run(
            "select symbol, kind, scale, currency, multiplier from commodity order by id"
        ).fetchall()
    ]
    accounts = [
        Account(*row)
        for row in run(
            "select path, type, commodity, normal_side, instrument, floored from account order by id"
        ).fetchall()
    ]
    balances = [0] * len(accounts)
    for account, amount in run("select account, sum(amount)::bigint from leg group by account").fetchall():
        balances[account] = amount
    lots = [
        OpenLot(*row)
        for row in run(
            "select lot, instrument, side, quantity, cost from lot_units where quantity != 0 order by lot"
        ).fetchall()
    ]
    (next_lot,) = run("select coalesce(max(lot) + 1, 0) from transfer").fetchall()[0]
    (timestamp,) = run("select coalesce(max(epoch_ns(timestamp)), -9223372036854775808) from txn").fetchall()[
        0
    ]
    stored = {
        table: run(f'select count(*) from "{table}"').fetchall()[0][0]  # noqa: S608  from the layout
        for table in held.layout
    }
    return State(
        commodities=commodities,
        accounts=accounts,
        first=[_first_account(accounts, number) for number in range(len(commodities))],
        balances=balances,
        lots=lots,
        next_lot=next_lot,
        timestamp=timestamp,
        marks={
            instrument: (marked, price)
            for instrument, marked, price in run(
                "select instrument, epoch_ns(arg_max(timestamp, id)), arg_max(price, id)"
                " from mark group by instrument"
            ).fetchall()
        },
        stated=run("select epoch_ns(max(timestamp)) from statement").fetchall()[0][0],
        stored=stored,
        blocks=len(held.digests),
    )


def _first_account(accounts: list[Account], commodity: int) -> int:
    """Where the run of accounts of a commodity starts: at its cash, or at its units."""
    for number, account in enumerate(accounts):
        own = account.path.startswith("Assets:Cash:") if account.instrument < 0 else True
        if account.commodity == commodity and own and account.instrument in (-1, commodity):
            return number
    raise SealBroken(f"commodity {commodity} has no accounts")

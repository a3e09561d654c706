"""Closed books, read from their file so that posting can continue."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from tieout.ledger.books.chart import Account
from tieout.ledger.books.commodity import Commodity
from tieout.ledger.errors import DamagedFile, SealBroken
from tieout.ledger.file import chain
from tieout.ledger.file.catalogue import Catalogue, catalogue, macros
from tieout.ledger.file.claim import Claim
from tieout.ledger.file.database import Database, explain_errors
from tieout.ledger.file.layout import SealLayout
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.store import Head, Storage


@frozen
class SealedFile:
    """A file whose seals all hold, and a copy of its rows in *reader*."""

    reader: Reader
    run: dict[str, Any]
    layout: SealLayout
    genesis: bytes
    digests: list[str]


@frozen
class OpenLot:
    """A lot with units left. *quantity* and *cost* are below zero for a short lot."""

    id: int
    instrument: int
    side: int
    quantity: int
    cost: int


@frozen
class State:
    """The books at the end of a file.

    *first_accounts* has the first account of each commodity. *marks* has the time and price of each
    instrument's last mark, and *last_statement* is the time of the last statement, all times in
    nanoseconds since 1970. *row_counts* has the number of rows of each table.
    """

    commodities: list[Commodity]
    accounts: list[Account]
    first_accounts: list[int]
    balances: list[int]
    lots: list[OpenLot]
    next_lot: int
    timestamp: int
    marks: dict[int, tuple[int, float]]
    last_statement: int | None
    row_counts: dict[str, int]
    blocks: int


@contextmanager
def open_sealed(path: Path) -> Iterator[SealedFile]:
    """Open a file for reading after a check of all its seals. Raises `SealBroken` where one does not hold."""
    with Reader(path, with_catalogue=True) as reader:
        chain.require_sealed(reader)
        digests = [seal.digest for seal in chain.seals(reader)]
        yield SealedFile(reader, reader.run, reader.layout, chain.genesis(reader), digests)


def storage(file: SealedFile, head: Head, claim: Claim) -> Storage:
    """Open the same file for writing, and take over the copy of its rows for queries.

    *head* is the end of the chain for blocks to come, and *claim* that on the file's path. Raises
    `SealBroken` where another process has changed the file meanwhile.
    """
    path = claim.path
    database = Database(path)
    try:
        with explain_errors(path, DamagedFile):
            connection = database.connection
            objects = catalogue(connection) | macros(connection)
            digests = connection.execute("select digest from seal order by block").fetchall()
        _require_same(path, file, objects, [digest for (digest,) in digests])
    except BaseException:
        database.close()
        raise
    return Storage.of(database, file.genesis, head, claim, file.reader.detach())


def _require_same(path: Path, file: SealedFile, objects: Catalogue, digests: list[str]) -> None:
    if digests != file.digests or objects != file.reader.catalogue:
        raise SealBroken(f"{path} was written to by another process meanwhile; open it again")


def state(file: SealedFile) -> State:
    """Return the books after the file's last block."""
    run = file.reader.execute
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
    row_counts = {
        table: run(f'select count(*) from "{table}"').fetchall()[0][0]  # noqa: S608  from the layout
        for table in file.layout
    }
    return State(
        commodities=commodities,
        accounts=accounts,
        first_accounts=[_first_account(accounts, number) for number in range(len(commodities))],
        balances=balances,
        lots=lots,
        next_lot=next_lot,
        timestamp=timestamp,
        marks={
            instrument: (timestamp, price)
            for instrument, timestamp, price in run(
                "select instrument, epoch_ns(arg_max(timestamp, id)), arg_max(price, id)"
                " from mark group by instrument"
            ).fetchall()
        },
        last_statement=run("select epoch_ns(max(timestamp)) from statement").fetchall()[0][0],
        row_counts=row_counts,
        blocks=len(file.digests),
    )


def _first_account(accounts: list[Account], commodity: int) -> int:
    """Return the number of a commodity's first account: its cash, or its units.

    The accounts of a commodity have consecutive numbers.
    """
    for number, account in enumerate(accounts):
        is_first = account.instrument >= 0 or account.path.startswith("Assets:Cash:")
        if account.commodity == commodity and is_first and account.instrument in (-1, commodity):
            return number
    raise SealBroken(f"commodity {commodity} has no accounts")

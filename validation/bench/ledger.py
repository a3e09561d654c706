"""Speed of the books: posting, storing, verifying, reading.

The load is that of a busy simulation: 500 instruments bought in lots. One trade in four is a sale that
relieves three lots first in, first out. Each trade pays a commission.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from attrs import frozen

from tieout.ledger.books.arrays import Books
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.compiled import compiler
from tieout.ledger.books.events import buy, deposit, sell
from tieout.ledger.books.posting import begin, commit
from tieout.ledger.file.database import Database
from tieout.ledger.file.layout import create_tables_and_views, layout_of
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.file.schema import Schema, ledger_schema
from tieout.ledger.file.seal import NOTHING, Columns
from tieout.ledger.file.store import Block, Head, Storage, Store
from tieout.ledger.file.verify import verify
from tieout.ledger.journal import Journal
from tieout.validation.workloads.task import Clock

INSTRUMENTS = 500
BLOCK = 2_000_000
LOTS = 30
"""Lots of every instrument where relief alone is timed. Three make a sale."""
SETTLED = True

entry = compiler("tieout.ledger", "tieout.validation.bench")


@entry
def trade(books: Books, first: int, start: int, limit: int) -> int:
    """Post trades from number *start* on until the block holds *limit* transfers. Return the next number."""
    i = start
    while books.state[0].transfers < limit:
        symbol = first + i % INSTRUMENTS
        if (i // INSTRUMENTS) % 4 != 3:
            begin(books, i, 3, symbol, i, i, -1)
            buy(books, symbol, 1000 + i % 7, 100_000 + i % 11, 100, SETTLED)
        else:
            begin(books, i, 4, symbol, i, i, -1)
            sell(books, symbol, 3000, 300_000 + i % 13, 100, SETTLED, -1)
        if commit(books) != 0:
            return -1
        i += 1
    return i


@entry
def stock(books: Books, first: int, lots: int) -> int:
    """Buy *lots* of every instrument. Return the number of transactions."""
    for i in range(INSTRUMENTS * lots):
        symbol = first + i % INSTRUMENTS
        begin(books, i, 3, symbol, i, i, -1)
        buy(books, symbol, 1000, 100_000 + i % 11, 100, SETTLED)
        if commit(books) != 0:
            return -1
    return INSTRUMENTS * lots


@entry
def sell_off(books: Books, first: int, lots: int) -> int:
    """Sell every instrument, three of its lots at a time. Return the number of transactions."""
    bought, sales = INSTRUMENTS * lots, INSTRUMENTS * lots // 3
    for i in range(bought, bought + sales):
        symbol = first + i % INSTRUMENTS
        begin(books, i, 4, symbol, i, i, -1)
        sell(books, symbol, 3000, 300_000 + i % 13, 100, SETTLED, -1)
        if commit(books) != 0:
            return -1
    return sales


def fresh(path: Path | None, block: int = BLOCK) -> Journal:
    """Create an empty journal with a large deposit and room for the load."""
    journal = Journal.create(
        path,
        [currency("USD"), *(instrument(f"A{i:03d}") for i in range(INSTRUMENTS))],
        Run(policies=Policies(block_transfers=block)),
    )
    journal.post(0, deposit, "USD", "1000000000")
    journal.ensure_capacity(transfers=block + 16, txns=block, lots=1 << 18)
    journal.close_block()
    return journal


def post(journal: Journal, transfers: int, start: int = 0) -> int:
    """Post the load block by block up to *transfers* transfers. Return the number of the next trade."""
    block = journal.run.policies.block_transfers
    while (missing := transfers - journal.count("transfer")) > 0:
        start = trade(journal.books, 1, start, min(block, missing))
        if start < 0:
            raise RuntimeError("the load was refused")
        journal.close_block()
    return start


def audited(path: Path, transfers: int, statements: int = 250) -> None:
    """Write a file with the load, and with marks and a statement at *statements* times."""
    journal = fresh(path)
    prices = {f"A{i:03d}": 10.0 + i / 100 for i in range(INSTRUMENTS)}
    start = 0
    for _ in range(statements):
        limit = int(journal.books.state[0].transfers) + transfers // statements
        start = trade(journal.books, 1, start, limit)
        journal.mark(start, prices)
        journal.statement(start)
        if limit + transfers // statements > BLOCK:
            journal.close_block()
    journal.close()


def posting(transfers: int = 1_000_000) -> float:
    """Time posting *transfers* transfers in one block, its arrays warm."""
    journal = fresh(None, transfers)
    start = trade(journal.books, 1, 0, transfers)
    journal.close_block()
    with Clock() as clock:
        trade(journal.books, 1, start, transfers)
    return clock.seconds


@frozen
class Load:
    """Transactions and transfers as Arrow tables, and the same as columns of blocks."""

    txn: pa.Table
    transfer: pa.Table

    @classmethod
    def of(cls, transfers: int) -> "Load":
        """Return the load with *transfers* transfers."""
        journal = fresh(None)
        post(journal, transfers)
        return cls(
            journal.sql("from txn order by id").arrow(),
            journal.sql("from transfer order by seq").arrow(),
        )

    def blocks(self, size: int) -> list[dict[str, pa.Table]]:
        """Cut both tables into blocks of *size* transfers, each of whole transactions."""
        owner = self.transfer["txn"].to_numpy()
        cuts = [0, *range(size, len(owner), size), len(owner)]
        cuts = [int(np.searchsorted(owner, owner[c])) if c < len(owner) else c for c in cuts]
        blocks = []
        for low, high in itertools.pairwise(cuts):
            first, last = int(owner[low]), int(owner[high - 1])
            blocks.append(
                {
                    "txn": self.txn.slice(first, last - first + 1),
                    "transfer": self.transfer.slice(low, high - low),
                }
            )
        return blocks


def storing(load: Load, size: int, folder: Path) -> float:
    """Time sealing and storing the load in blocks of *size*, to the closing of the file."""
    blocks = [{name: _columns(table) for name, table in tables.items()} for tables in load.blocks(size)]
    return stored(folder / "tieout.duckdb", [ledger_schema()], blocks)


def stored(path: Path, schemas: Sequence[Schema], blocks: Sequence[dict[str, Columns]]) -> float:
    """Time sealing and storing *blocks* in a new file with the tables of *schemas*, to its closing."""
    path.unlink(missing_ok=True)
    database = Database(path)
    create_tables_and_views(database.connection, schemas)
    layout = layout_of(schemas)
    store = Store(path, lambda: layout, lambda: Storage(database, NOTHING, Head(0, NOTHING)))
    with Clock() as clock:
        for number, tables in enumerate(blocks):
            ids = tables["txn"]["id"]
            block = Block(number, int(ids[0]), int(ids[-1]), tables)
            store.enqueue(block, is_last=number == len(blocks) - 1)
        store.close()
    return clock.seconds


def bare(load: Load, size: int, folder: Path) -> float:
    """Time the same columns into bare tables from Arrow, to the closing of the file."""
    path = folder / "bare.duckdb"
    path.unlink(missing_ok=True)
    connection = duckdb.connect(str(path))
    blocks = load.blocks(size)
    for name, table in blocks[0].items():
        connection.register("rows", table)
        connection.execute(f"create table {name} as from rows limit 0")
        connection.unregister("rows")
    with Clock() as clock:
        for tables in blocks:
            connection.execute("begin")
            for name, table in tables.items():
                connection.register("rows", table)
                connection.execute(f"insert into {name} from rows")
                connection.unregister("rows")
            connection.execute("commit")
        connection.close()
    return clock.seconds


def durable(transfers: int, folder: Path, size: int = BLOCK) -> float:
    """Time posting, sealing and storing *transfers* transfers, to the closing of the file."""
    path = folder / "durable.duckdb"
    path.unlink(missing_ok=True)
    journal = fresh(path, size)
    with Clock() as clock:
        post(journal, transfers)
        journal.close()
    return clock.seconds


def verifying(path: Path) -> float:
    """Time every check over a file."""
    with Reader(path) as reader, Clock() as clock:
        report = verify(reader)
    if not report.ok:
        raise RuntimeError(str([r for r in report.results if r.findings]))
    return clock.seconds


def trial_balance(path: Path) -> float:
    """Time the trial balance of a file just opened."""
    with Reader(path) as reader, Clock() as clock:
        reader.view("trial-balance")
    return clock.seconds


def _columns(table: pa.Table) -> Columns:
    return {name: table[name].to_numpy() for name in table.column_names}

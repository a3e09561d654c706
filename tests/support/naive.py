"""The kernels of the ledger written once more, the obvious way, and its arrays read as plain Python.

For tests alone: slow, unbounded integers, exact fractions.
"""

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb

from tieout.ledger.journal import Journal

Key = tuple[str, str]
Balances = dict[Key, int]
Lots = dict[tuple[str, str], list[tuple[int, int, int]]]
SIDES = ("long", "short")


def share(total: int, part: int, whole: int) -> int:
    """Return the part's share of a total, rounded down."""
    return int(Fraction(total * part, whole) // 1)


def higher_per_unit(cost: int, quantity: int, other_cost: int, other_quantity: int) -> bool:
    """Check whether one lot cost more per unit than another."""
    return Fraction(cost, quantity) > Fraction(other_cost, other_quantity)


def balances(journal: Journal) -> Balances:
    """Return every running balance that is not zero, by path and commodity."""
    names = [(a.path, journal.commodities[a.commodity].symbol) for a in journal.chart.accounts]
    amounts = journal.books.accounts["balance"].tolist()
    return {name: amount for name, amount in zip(names, amounts, strict=True) if amount}


def balances_of_transfers(journal: Journal) -> Balances:
    """Return the same from the stored transfers, in SQL."""
    rows = journal.sql("select path, commodity, units from balance where units != 0").rows()
    return {(row["path"], row["commodity"]): row["units"] for row in rows}


def open_lots(journal: Journal) -> Lots:
    """Return number, quantity and cost of the lots in the arrays, by instrument and side, as relieved."""
    books = journal.books
    by_side: Lots = {}
    for number in range(len(journal.commodities)):
        for place, side in enumerate(SIDES):
            slot, lots = books.queues[2 * number + place].head, []
            while slot >= 0:
                lot = books.lots[slot]
                lots.append((int(lot.id), int(lot.quantity), int(lot.cost)))
                slot = lot.next
            if lots:
                by_side[journal.commodities[number].symbol, side] = lots
    return by_side


def stored_lots(journal: Journal) -> Lots:
    """Return the same from the stored transfers, in SQL, by number."""
    rows = journal.sql(
        "select lot, symbol, side, quantity, cost from lot_units"
        " join commodity on commodity.id = instrument where quantity != 0 or cost != 0 order by lot"
    ).rows()
    by_side: Lots = {}
    for row in rows:
        key = (row["symbol"], "long" if row["side"] > 0 else "short")
        by_side.setdefault(key, []).append((row["lot"], row["quantity"], row["cost"]))
    return by_side


def by_number(lots: Lots) -> Lots:
    """Sort the lots of each side by number, which is the order in which they were opened."""
    return {key: sorted(side) for key, side in lots.items()}


def contents(journal: Journal) -> tuple[object, ...]:
    """Return all that a refusal may not change."""
    books, state = journal.books, journal.books.state[0]
    counts = (state.timestamp, state.base_txn, state.txns, state.transfers, state.next_lot, state.free)
    return (
        books.accounts["balance"].tolist(),
        open_lots(journal),
        [int(count) for count in counts],
        books.txns[: state.txns].tolist(),
        books.transfers[: state.transfers].tolist(),
        list(journal._notes),
        len(journal.chart),
        len(journal.commodities),
        {table: journal.count(table) for table in ("mark", "statement")},
    )


def seals(path: Path) -> tuple[list[str], list[str]]:
    """Return the digests stored in a file and those computed from its rows: the run's, then each block's."""
    connection = duckdb.connect(str(path), read_only=True)
    run: dict[str, Any] = connection.sql("from run").to_arrow_table().to_pylist()[0]
    stored = connection.execute("select digest, rows from seal order by block").fetchall()

    def text(value: str) -> bytes:
        return len(value.encode()).to_bytes(8, "little") + value.encode()

    sha = hashlib.sha256(bytes(32) + text("run") + (1).to_bytes(8, "little"))
    for name in ("spec", "fingerprints", "strategy", "seed", "policies", "layout"):
        value = run[name]
        sha.update(value.to_bytes(8, "little", signed=True) if name == "seed" else text(value))
    computed = [sha.digest()]
    first_rows: dict[str, int] = {}
    for _, rows in stored:
        sha = hashlib.sha256(computed[-1])
        counts = json.loads(rows)
        for table, columns in json.loads(run["layout"]):
            if table not in counts:
                continue
            first, count = first_rows.get(table, 0), counts[table]
            first_rows[table] = first + count
            sha.update(text(table) + count.to_bytes(8, "little"))
            dense = columns[0][0]
            values = connection.execute(
                f'from "{table}" where "{dense}" between ? and ? order by "{dense}"',
                [first, first + count - 1],
            ).fetchnumpy()
            for name, kind in columns:
                if kind == "VARCHAR":
                    sha.update(b"".join(map(text, values[name])))
                else:
                    sha.update(values[name].tobytes())
        computed.append(sha.digest())
    connection.close()
    return [run["id"], *(digest for digest, _ in stored)], [
        computed[0].hex()[:16],
        *(digest.hex() for digest in computed[1:]),
    ]

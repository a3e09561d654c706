"""The base of the inputs: an honest study, its journal, and seals as an author can make them."""

import json
from collections.abc import Iterable
from pathlib import Path
from shutil import copy
from typing import Any

import duckdb
import numpy as np
import polars as pl

from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.reading import read
from tieout.ledger.file import seal
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.ledger.sign import keys

SPEC = """\
[bars]
path = "prices.csv"

[strategy]
name = "swing.py:Swing"
parameters = { count = 2 }

[account]
cash = "10000"

[run]
block_bars = 4
"""
STRATEGY = """\
from attrs import define

from tieout import Strategy


@define
class Swing(Strategy):
    count: int = 1

    def on_bar(self, bar, broker):
        best = bar.top("close", self.count)
        broker.target_weights({symbol: 0.8 / self.count for symbol in best}, tag="rebalance")
"""
BARS = 10
KEY = "auditor.key"
"""Name of the file of a private key."""
RUN = ("id", "spec", "fingerprints", "strategy", "seed", "policies", "layout")


def study(folder: Path) -> Path:
    """Write a study and its journal to *folder*, and fills and claims beside them. Return the journal."""
    folder.mkdir(parents=True)
    bars = _bars()
    bars.write_csv(folder / "prices.csv")
    (folder / "swing.py").write_text(STRATEGY)
    (folder / "swing.toml").write_text(SPEC)
    keys.create(folder / KEY, "example.com/auditor")
    first = bars.filter(pl.col("symbol") == "A")
    first.select("timestamp", "symbol", quantity=pl.lit(1.0), price="close", fee=pl.lit(0.1)).write_csv(
        folder / "fills.csv"
    )
    first.select("timestamp", cash=pl.lit(1_000.0)).write_csv(folder / "claims.csv")
    path = folder / "swing.duckdb"
    assemble(read(folder / "swing.toml")).run(path).close()
    with Reader(path) as reader:
        if not verify(reader).ok:
            raise ValueError(f"{path}: the journal of the study is not sound")
    return path


def _bars() -> pl.DataFrame:
    random = np.random.default_rng(5)
    days = np.busday_offset("2024-03-01", np.arange(BARS), roll="forward").astype("M8[ms]")
    close = np.round(30 + random.normal(0, 1, (BARS, 3)).cumsum(axis=0), 2)
    return pl.DataFrame(
        {"timestamp": np.repeat(days, 3), "symbol": ["A", "B", "C"] * BARS, "close": close.ravel()}
    ).with_columns(
        open=pl.col("close"), high=pl.col("close") + 1, low=pl.col("close") - 1, volume=pl.lit(1e6)
    )


def edited(
    base: Path, path: Path, statements: Iterable[tuple[str, list[Any]] | str], *, is_endless: bool = False
) -> Path:
    """Copy a journal, perform *statements* on the copy, and make its seals hold again.

    The seals of an *is_endless* one stay: they cannot be computed.
    """
    copy(base, path)
    with duckdb.connect(str(path), config={"autoinstall_known_extensions": "false"}) as connection:
        for statement in statements:
            connection.execute(*(statement if isinstance(statement, tuple) else (statement,)))
        if not is_endless:
            reseal(connection)
    return path


def reseal(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a journal the seals that its rows have now, as its author can."""
    try:
        values = connection.execute(f"select {', '.join(RUN)} from run").fetchone()
        assert values is not None
        row = dict(zip(RUN, values, strict=True))
        previous = seal.genesis(row)
        connection.execute("update run set id = ?", [previous.hex()[:16]])
        layout = [(str(table), dict(columns)) for table, columns in json.loads(row["layout"])]
        seals = connection.execute("select block, rows from seal order by block").fetchall()
        first: dict[str, int] = {}
        for block, rows in seals:
            tables = []
            for table, columns in layout:
                if count := json.loads(rows).get(table, 0):
                    tables.append(
                        (table, _rows(connection, table, list(columns), first.get(table, 0), count))
                    )
                    first[table] = first.get(table, 0) + count
            digest = seal.digest(previous, tables)
            connection.execute(
                "update seal set previous = ?, digest = ? where block = ?",
                [previous.hex(), digest.hex(), block],
            )
            previous = digest
    except (duckdb.Error, ValueError, TypeError, KeyError, RecursionError, AttributeError):
        return  # the input is a file of which no reader can check the seals


def _rows(
    connection: duckdb.DuckDBPyConnection, table: str, columns: list[str], first: int, count: int
) -> dict[str, Any]:
    names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
    quoted = '"' + table.replace('"', '""') + '"'
    query = f"select {names} from {quoted} where {names.split(', ')[0]} between ? and ? order by 1"
    rows = connection.execute(query, [first, first + count - 1]).fetchnumpy()
    return {name: np.ma.getdata(rows[name]) for name in columns}

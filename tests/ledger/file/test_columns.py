"""The columns of a journal's tables: of closed blocks, with the open one, and from a file."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from tieout import Journal, currency, deposit, instrument
from tieout.ledger.errors import DamagedFile, UnknownInstrument
from tieout.ledger.file.reader import Reader

NAMES = ("txn", "amount")


def journal(path: Path | None = None) -> Journal:
    return Journal.create(path, [currency("USD"), instrument("ACME")])


def deposits(books: Journal, *amounts: int) -> None:
    for amount in amounts:
        books.post("2024-01-02", deposit, "USD", amount)


def values(columns: Mapping[str, Any]) -> list[list[int]]:
    return [(column // 10**6 if name == "amount" else column).tolist() for name, column in columns.items()]


def test_columns_of_closed_blocks_are_read_without_tables() -> None:
    with journal() as books:
        deposits(books, 1, 2)
        books.close_block()
        assert [[0, 1], [1, 2]] == values(books.columns("transfer", NAMES))
        deposits(books, 3)
        books.close_block()

        assert [[0, 1, 2], [1, 2, 3]] == values(books.columns("transfer", NAMES))
        assert [(0, "datetime64[ns]"), (0, "float64")] == [
            (column.size, str(column.dtype))
            for column in books.columns("mark", ("timestamp", "price")).values()
        ]
        assert books._store.holds_blocks


def test_columns_are_read_only() -> None:
    with journal() as books:
        deposits(books, 1, 2)
        books.close_block()
        columns = books.columns("transfer", NAMES)

        with pytest.raises(ValueError, match="read-only"):
            columns["amount"][0] = 0


def test_queries_at_the_same_time_have_the_same_answer() -> None:
    with journal() as books:
        for amount in range(1, 9):
            deposits(books, amount)
            books.close_block()
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(books.sql, "select count(*) as n from txn") for _ in range(8)]

        assert {8} == {row["n"] for answer in answers for row in answer.result().rows()}
        assert 8 == books.head.blocks


def test_the_open_block_is_read_with_the_closed_ones() -> None:
    with journal() as books:
        deposits(books, 1)
        books.close_block()
        deposits(books, 2)

        assert [[0, 1], [1, 2]] == values(books.columns("transfer", NAMES))
        books.close_block()
        assert [[0, 1], [1, 2]] == values(books.columns("transfer", NAMES))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "books.duckdb"
    with journal(path) as books:
        deposits(books, 1, 2, 3)
        assert [[0, 1, 2], [1, 2, 3]] == values(books.columns("transfer", NAMES))
    return path


def altered(path: Path, statement: str) -> Reader:
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    return Reader(path)


def test_rows_of_a_file_come_in_the_order_of_their_numbers(path: Path) -> None:
    with Reader(path) as reader:
        before = values(reader.columns("transfer", NAMES))
        kinds = reader.columns("commodity", ("kind",))["kind"].tolist()
    with altered(path, "create or replace table transfer as from transfer order by seq desc") as reader:
        after = values(reader.columns("transfer", NAMES))

    assert ["currency", "instrument"] == kinds
    assert [[0, 1, 2], [1, 2, 3]] == before == after


@pytest.mark.parametrize(
    "statement", ["delete from transfer where seq = 1", "insert into transfer from transfer where seq = 1"]
)
def test_rows_that_are_missing_or_doubled_are_refused(path: Path, statement: str) -> None:
    with altered(path, statement) as reader, pytest.raises(DamagedFile, match="missing or doubled"):
        reader.columns("transfer", NAMES)


@pytest.mark.parametrize("few", [0, 1_000_000])
def test_a_null_is_damage_in_a_short_and_a_long_table(
    path: Path, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tieout.ledger.file.reader.FEW_ROWS", few)
    statement = "create or replace table transfer as select * replace (nullif(txn, 1) as txn) from transfer"
    with altered(path, statement) as reader, pytest.raises(DamagedFile, match="transfer has NULL in txn"):
        reader.columns("transfer", NAMES)


@pytest.mark.parametrize("few", [0, 1_000_000])
def test_a_long_table_is_read_as_a_short_one(path: Path, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tieout.ledger.file.reader.FEW_ROWS", few)
    names = {
        "transfer": NAMES,
        "txn": ("timestamp", "kind", "instrument"),
        "account": ("path",),
        "mark": ("timestamp", "price", "stale"),
    }
    with Reader(path) as reader:
        tables = {table: reader.columns(table, columns) for table, columns in names.items()}

    assert [[0, 1, 2], [1, 2, 3]] == values(tables["transfer"])
    assert ["datetime64[ns]", "uint8", "int32"] == [str(c.dtype) for c in tables["txn"].values()]
    assert "Assets:Cash:USD" in tables["account"]["path"].tolist()
    assert ["datetime64[ns]", "float64", "bool"] == [str(c.dtype) for c in tables["mark"].values()]
    assert not any(c.flags.writeable for columns in tables.values() for c in columns.values())


class Notebook:
    """A source of rows that collect elsewhere until a block closes."""

    def __init__(self) -> None:
        self.prices = [10.0]

    def rows(self) -> dict[str, dict[str, Any]]:
        count = len(self.prices)
        times = np.full(count, np.datetime64("2024-01-02", "ns"))
        marks = {
            "timestamp": times,
            "instrument": [1] * count,
            "price": self.prices,
            "stale": [False] * count,
        }
        return {"mark": marks} if count else {}

    def restart(self) -> None:
        self.prices = []


def test_rows_of_a_source_are_read_with_the_block_and_dropped_when_it_closes() -> None:
    with journal() as books:
        notebook = Notebook()
        books.attach_source(notebook)
        books.mark("2024-01-01", {"ACME": 9.0})
        deposits(books, 1)

        read = books.sql("select id, price from mark order by id").rows()
        books.close_block()
        notebook.prices = [11.0, 12.0]
        again = books.sql("select id, price from mark order by id").rows()

        assert [{"id": 0, "price": 9.0}, {"id": 1, "price": 10.0}] == read
        assert [*read, {"id": 2, "price": 11.0}, {"id": 3, "price": 12.0}] == again


def test_several_commodities_have_their_numbers_or_the_first_unknown_one_is_named() -> None:
    with journal() as books:
        assert [1, 1] == books.commodities.numbers(["ACME", "ACME"])
        with pytest.raises(UnknownInstrument, match="'BETA' is not declared"):
            books.commodities.numbers(["ACME", "BETA", "CORE"])

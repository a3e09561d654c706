"""The columns of a journal's tables, as SQL gives them."""

from pathlib import Path

import duckdb
import pytest

from ledger.errors import DamagedFile
from ledger.reader import Reader
from tests.desk import Desk, two_weeks


def test_columns_are_those_that_are_stored() -> None:
    columns = two_weeks().journal.columns("mark", ("ts", "instrument", "price", "stale"))

    assert ["datetime64[ns]", "int32", "float64", "bool"] == [str(c.dtype) for c in columns.values()]


def test_text_comes_as_objects() -> None:
    columns = two_weeks().journal.columns("commodity", ("symbol", "kind"))

    assert ["USD", "EUR", "ACME", "BOLT", "CORK", "ES"] == columns["symbol"].tolist()
    assert object == columns["kind"].dtype


def test_a_table_without_rows_has_empty_columns() -> None:
    columns = Desk().journal.columns("order_event", ("ts", "event"))

    assert [(0, "datetime64[ns]"), (0, "uint8")] == [(c.size, str(c.dtype)) for c in columns.values()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "books.duckdb"
    two_weeks(path).close()
    return path


def altered(path: Path, statement: str) -> Reader:
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    return Reader(path)


def test_rows_come_in_the_order_of_their_numbers(path: Path) -> None:
    with Reader(path) as reader:
        before = reader.columns("transfer", ("txn", "amount"))
    with altered(path, "create or replace table transfer as from transfer order by hash(seq)") as reader:
        after = reader.columns("transfer", ("txn", "amount"))

        assert before["amount"].tolist() == after["amount"].tolist()
        assert before["txn"].tolist() == after["txn"].tolist()


@pytest.mark.parametrize(
    "statement", ["delete from transfer where seq = 3", "insert into transfer from transfer where seq = 3"]
)
def test_rows_that_are_missing_or_there_twice_are_refused(path: Path, statement: str) -> None:
    with (
        altered(path, statement) as reader,
        pytest.raises(DamagedFile, match="the table transfer are missing"),
    ):
        reader.columns("transfer", ("txn",))

"""New files: they appear whole, under a name that one process gets, and never over data of other programs."""

from pathlib import Path

import duckdb
import pytest

from tests.support.disk import files_of_at_most
from tieout.ledger.books.commodity import currency
from tieout.ledger.books.events import deposit
from tieout.ledger.errors import DiskFull, JournalExists, NotAJournal, SealBroken, StoreError
from tieout.ledger.file.creation import create_file
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Run
from tieout.ledger.file.schema import ledger_schema
from tieout.ledger.file.verify import verify
from tieout.ledger.journal import Journal

COMMODITIES = [currency("USD")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    folder.mkdir()
    return folder / "books.duckdb"


def test_the_wal_of_a_removed_journal_is_not_replayed_into_the_next_one(path: Path, tmp_path: Path) -> None:
    removed = tmp_path / "removed.duckdb"
    with Journal.create(removed, COMMODITIES) as journal:
        journal.post("2024-01-01", deposit, "USD", 5)
        journal.commit()
        wal = removed.with_name(removed.name + ".wal")
        path.with_name(path.name + ".wal").write_bytes(wal.read_bytes())

    with Journal.create(path, COMMODITIES) as journal:
        journal.post("2024-01-02", deposit, "USD", 1)

    with Reader(path) as reader:
        assert verify(reader).ok
        assert [{"n": 1}] == reader.sql("select count(*) as n from txn").rows()


def test_a_disk_that_is_full_at_the_beginning_leaves_no_file(path: Path) -> None:
    with files_of_at_most(10_000), pytest.raises(DiskFull):
        Journal.create(path, COMMODITIES)

    assert [] == list(path.parent.iterdir())
    with Journal.create(path, COMMODITIES) as journal:
        assert 0 == journal.head.blocks


def test_of_two_processes_that_want_a_name_one_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(_: object, __: object) -> None:
        raise FileExistsError

    monkeypatch.setattr("os.link", link)

    with pytest.raises(JournalExists, match="choose another name"):
        Journal.create(path, COMMODITIES)
    assert [] == list(path.parent.iterdir())


def test_an_empty_file_is_a_journal_that_was_never_begun(path: Path) -> None:
    path.touch()

    with pytest.raises(NotAJournal, match="never begun"):
        Reader(path)
    with pytest.raises(JournalExists):
        Journal.create(path, COMMODITIES)
    with Journal.replay(path, COMMODITIES, Run()) as journal:
        assert 0 == journal.head.blocks


def test_a_file_with_tables_and_not_a_row_is_begun_again(path: Path) -> None:
    create_file(path, [ledger_schema()])

    with pytest.raises(NotAJournal, match="never begun"):
        Reader(path)
    with Journal.replay(path, COMMODITIES, Run()) as journal:
        assert 0 == journal.head.blocks


def test_a_function_in_the_file_does_not_make_a_journal_look_empty(path: Path) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        journal.post("2024-01-02", deposit, "USD", 1)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create macro duckdb_tables() as table select 'x' as table_name where false")

    with pytest.raises(SealBroken, match="the macro duckdb_tables is not part of a journal"):
        Journal.replay(path, COMMODITIES, Run())

    with Reader(path) as reader:
        assert [{"n": 1}] == reader.sql("select count(*) as n from txn").rows()


def test_a_file_with_rows_in_other_tables_belongs_to_another_program(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        for table in ("run", "provenance", "txn"):
            connection.execute(f"create table {table} (id integer)")
        connection.execute("create table precious as select 1 as id")

    with pytest.raises(StoreError):
        Journal.replay(path, COMMODITIES, Run())
    assert path.exists()

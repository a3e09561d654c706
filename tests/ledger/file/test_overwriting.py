"""A journal that is overwritten: it lies there until the new one has sealed its first block, or for good."""

import subprocess
import sys
import textwrap
from pathlib import Path

import duckdb
import pytest

from tieout.ledger.books.commodity import currency
from tieout.ledger.books.events import deposit
from tieout.ledger.errors import DamagedFile, FileReplaced, JournalExists, LockedByWriter, NotAJournal
from tieout.ledger.file.place import wal_of
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.ledger.journal import Journal

COMMODITIES = [currency("USD")]
KILLED = """
    import os, signal, sys
    from tieout.ledger.books.commodity import currency
    from tieout.ledger.books.events import deposit
    from tieout.ledger.journal import Journal

    journal = Journal.create(sys.argv[1], [currency("USD")], overwrite=lambda _: True)
    journal.post("2024-01-02", deposit, "USD", "2")
    for _ in range(int(sys.argv[2])):
        journal.commit()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "books.duckdb"
    with Journal.create(path, COMMODITIES) as journal:
        journal.post("2024-01-02", deposit, "USD", "1")
    return path


def over(path: Path) -> Journal:
    return Journal.create(path, COMMODITIES, overwrite=lambda _: True)


def cash(path: Path) -> int:
    """The deposit in a file that verifies."""
    with Reader(path) as reader:
        assert verify(reader).ok
        ((amount,),) = (tuple(row.values()) for row in reader.sql("select sum(amount) from transfer").rows())
        return int(amount) // 1_000_000


def test_the_earlier_journal_lies_there_until_the_first_block_is_sealed(path: Path) -> None:
    with over(path) as journal:
        journal.post("2024-01-02", deposit, "USD", "2")
        assert [{"n": 1}] == journal.sql("select count(*) as n from txn").rows()
        assert 1 == cash(path)
        journal.commit()
        with pytest.raises(LockedByWriter):
            Reader(path)
        journal.post("2024-01-03", deposit, "USD", "3")
        journal.commit()

    assert 5 == cash(path)
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("posts", [0, 1])
def test_a_journal_that_is_discarded_leaves_the_earlier_one(path: Path, posts: int) -> None:
    content = path.read_bytes()

    journal = over(path)
    for _ in range(posts):
        journal.post("2024-01-02", deposit, "USD", "2")
    journal.discard()

    assert [path] == list(path.parent.iterdir())
    assert content == path.read_bytes()


@pytest.mark.parametrize(("blocks", "amount"), [(0, 1), (1, 2)])
def test_a_kill_leaves_one_of_the_two(path: Path, blocks: int, amount: int) -> None:
    subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(path), str(blocks)], check=False)

    assert amount == cash(path)
    over(path).discard()
    assert [path] == list(path.parent.iterdir())


def test_commits_in_the_wal_of_the_earlier_journal_are_kept(path: Path) -> None:
    subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(path), "1"], check=False)
    with Journal.open(path) as journal:
        journal.post("2024-01-03", deposit, "USD", "3")
        journal.commit()
        wal, content = wal_of(path).read_bytes(), path.read_bytes()
    path.write_bytes(content)
    wal_of(path).write_bytes(wal)

    over(path).discard()

    assert 5 == cash(path)


def test_a_journal_is_not_overwritten_without_consent(path: Path) -> None:
    specs = []

    def refuse(spec: object) -> bool:
        specs.append(spec)
        return False

    with pytest.raises(JournalExists, match="holds another run; choose another name"):
        Journal.create(path, COMMODITIES, overwrite=refuse)

    assert [{}] == specs
    assert 1 == cash(path)


def test_a_journal_that_is_read_in_place_is_not_overwritten(path: Path) -> None:
    with (
        Reader.in_place(path, isolated=True),
        pytest.raises(LockedByWriter, match="close that result"),
    ):
        over(path)

    over(path).discard()


def test_a_reader_in_place_that_comes_meanwhile_keeps_its_journal(path: Path) -> None:
    journal = over(path)
    journal.post("2024-01-02", deposit, "USD", "2")
    with (
        Reader.in_place(path, isolated=True),
        pytest.raises(LockedByWriter, match="close it first"),
    ):
        journal.commit()
    journal.discard()

    assert 1 == cash(path)


def test_a_reader_with_a_copy_does_not_keep_a_journal_from_being_overwritten(path: Path) -> None:
    with Reader(path) as reader:
        with over(path) as journal:
            journal.post("2024-01-02", deposit, "USD", "2")
        (row,) = reader.sql("select sum(amount) as units from transfer").rows()

    assert 1_000_000 == row["units"]
    assert 2 == cash(path)


def test_a_journal_is_overwritten_after_it_was_kept(path: Path) -> None:
    over(path).discard()
    with over(path) as journal:
        journal.post("2024-01-02", deposit, "USD", "2")
    assert 2 == cash(path)


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_file_that_another_program_has_changed_is_not_overwritten(path: Path, is_removed: bool) -> None:  # noqa: FBT001
    journal = over(path)
    journal.post("2024-01-02", deposit, "USD", "2")
    path.unlink()
    if not is_removed:
        path.write_text("a letter")
    with pytest.raises(FileReplaced, match="was changed or removed while it was to be overwritten"):
        journal.commit()
    journal.discard()

    assert [] == [other for other in path.parent.iterdir() if other != path]
    if not is_removed:
        assert "a letter" == path.read_text()
        path.unlink()
    over(path).close()


def test_a_file_of_another_program_is_not_overwritten(tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    with duckdb.connect(other) as connection:
        connection.execute("create table precious as select 1 as id")
    content = other.read_bytes()

    with pytest.raises(NotAJournal, match=r"no table provenance, run, .*; choose another name"):
        over(other)

    assert content == other.read_bytes()


def test_a_view_in_the_place_of_the_run_makes_no_journal(tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    with duckdb.connect(other) as connection:
        for table in ("seal", "provenance", "txn", "transfer"):
            connection.execute(f"create table {table} (id integer)")
        connection.execute("create view run as select '{}' as spec from read_text('/etc/hostname')")

    with pytest.raises(NotAJournal, match="no table run;"):
        over(other)


def test_a_run_row_that_cannot_be_read_is_not_overwritten(path: Path) -> None:
    with duckdb.connect(path) as connection:
        connection.execute("update run set spec = '{'")

    with pytest.raises(DamagedFile, match="the table run cannot be read; choose another name"):
        over(path)


def replaces(journal: Journal) -> bool:
    return journal.store.has_yet_to_replace


def test_a_store_says_whether_it_has_yet_to_replace_a_journal(path: Path) -> None:
    with Journal.create(None, COMMODITIES) as journal:
        assert (False, None, 0) == (replaces(journal), journal.store.identity, journal.store.blocks_before)
    with over(path) as journal:
        assert (True, True) == (journal.store.is_new, replaces(journal))
        journal.post("2024-01-02", deposit, "USD", "2")
        journal.close_block()
        assert not replaces(journal)
        assert journal.store.identity is not None
    with Journal.open(path) as journal:
        assert not journal.store.is_new

"""Database files: who may open one at the same time, and what is left of it for the next."""

import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import duckdb
import pytest

from tieout.ledger.books.commodity import currency
from tieout.ledger.errors import JournalClosed, JournalExists, LockedByWriter
from tieout.ledger.file import database as files
from tieout.ledger.file import store
from tieout.ledger.file.database import Database
from tieout.ledger.file.reader import Reader
from tieout.ledger.journal import Journal

FORKS = """
    import os, sys
    from tieout.ledger.books.commodity import currency
    from tieout.ledger.books.events import deposit
    from tieout.ledger.journal import Journal
    from tieout.ledger.file.reader import Reader

    def books(name):
        with Journal.create(f"{sys.argv[1]}/{name}.duckdb", [currency("USD")]) as journal:
            journal.post(0, deposit, "USD", "1")
        with Reader(f"{sys.argv[1]}/{name}.duckdb") as reader:
            print(name, len(reader.sql("from txn").rows()), flush=True)

    books("parent")
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        books("after")
        sys.exit(os.waitstatus_to_exitcode(status))
    books("child")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "books.duckdb"
    Journal.create(path, [currency("USD")]).close()
    return path


def tables(database: Database) -> set[str]:
    """What a database has, views among them."""
    found = database.connection.execute(
        "select table_name from information_schema.tables where table_schema != 'pg_catalog'"
    ).fetchall()
    return {name for (name,) in found}


def test_a_database_in_memory_begins_empty_whatever_was_open_before(path: Path) -> None:
    with Reader(path) as reader:
        reader.sql("from trial_balance")
    with Database(None) as first:
        first.connection.execute("create table mine (a integer)")
        first.connection.execute("create temp table ours (a integer)")

    with Database(None) as second:
        assert set() == tables(second)
        with Database(None) as third:
            assert set() == tables(third)


def test_what_one_writer_sets_is_not_set_for_the_next(path: Path) -> None:
    asked = "select current_setting('checkpoint_threshold')"
    with Database(path) as database:
        before = database.connection.execute(asked).fetchall()
        database.checkpoint_next_commit()
        assert before != database.connection.execute(asked).fetchall()

    with Database(path) as database:
        assert before == database.connection.execute(asked).fetchall()


@pytest.mark.parametrize(
    "setting", ["default_order = 'desc'", "integer_division = true", "TimeZone = 'Asia/Tokyo'"]
)
def test_what_somebody_sets_on_a_connection_that_he_was_lent_is_not_set_for_the_next(
    path: Path, setting: str
) -> None:
    ordered = "(select list(a) from (select unnest([2, 1]) as a order by a))"
    asked = f"select {ordered} as o, 7 / 2 as d, now()::varchar as z"
    with Reader(path) as reader:
        before = reader.sql(asked).rows()[0]
    for read_only in (False, True):
        with Database(path, read_only=read_only) as database:
            database.lend().execute(f"set global {setting}")
        with Database(path) as database:
            database.cursor().execute(f"set global {setting}")

    with Journal.create() as journal, Reader(path) as reader:
        for after in (journal.sql(asked).rows()[0], reader.sql(asked).rows()[0]):
            assert [before["o"], before["d"], before["z"][-3:]] == [after["o"], after["d"], after["z"][-3:]]


def test_a_file_that_somebody_else_began_meanwhile_is_not_begun_again(path: Path) -> None:
    with Database(path) as database, pytest.raises(JournalExists, match="choose another name"):
        store._require_no_run(path, database.connection)


def test_a_file_is_written_by_one_in_a_process_and_read_by_none_meanwhile(path: Path) -> None:
    with Database(path):
        for read_only in (False, True):
            with pytest.raises(LockedByWriter, match="somebody else has the file open"):
                Database(path, read_only=read_only)

    with Database(path, read_only=True), pytest.raises(LockedByWriter, match="somebody else"):
        Database(path)


def test_the_last_of_several_readers_lets_go_of_the_file(path: Path) -> None:
    first, second = Database(path, read_only=True), Database(path, read_only=True)
    first.close()
    first.close()
    assert tables(second) >= {"run", "txn", "transfer"}
    second.close()

    with Database(path) as writer:
        assert tables(writer) >= {"run", "txn", "transfer"}


def test_a_reader_that_is_forgotten_keeps_nobody_out(path: Path) -> None:
    first, second = Database(path, read_only=True), Database(path, read_only=True)
    del first
    second.close()
    del second

    with Database(path) as writer:
        assert tables(writer) >= {"run", "txn", "transfer"}


def test_a_cursor_sees_the_same_file_and_ends_with_it(path: Path) -> None:
    database = Database(path)
    cursor = database.cursor()
    assert [(1,)] == cursor.execute("select count(*) from run").fetchall()
    database.close()

    with pytest.raises(duckdb.Error):
        cursor.execute("select count(*) from run")
    with pytest.raises(JournalClosed, match=r"books.duckdb is closed"):
        database.cursor()


def test_no_more_than_a_few_instances_wait_for_the_next_and_none_for_a_fork() -> None:
    several = [Database(None) for _ in range(4)]
    for database in several:
        database.close()
    assert 0 < len(files._SPARES) < len(several)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other threads, which the child does not need
        child = os.fork()
    if not child:
        os._exit(len(files._SPARES))

    assert (child, 0) == os.waitpid(child, 0)
    assert [] == files._SPARES
    with Database(None) as database:
        assert set() == tables(database)


def test_a_process_that_is_forked_off_keeps_books_of_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORKS), str(tmp_path)],
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
    )

    assert (0, ["parent 1", "child 1", "after 1"]) == (done.returncode, done.stdout.split("\n")[:-1])

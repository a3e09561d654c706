"""Database files: which of them may be open at the same time, and what the next user of an instance finds."""

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
from tieout.ledger.file import creation, instances
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
    """The names of the tables and views of a database."""
    rows = database.connection.execute(
        "select table_name from information_schema.tables where table_schema != 'pg_catalog'"
    ).fetchall()
    return {name for (name,) in rows}


def test_a_database_in_memory_begins_empty_after_any_other(path: Path) -> None:
    with Reader(path) as reader:
        reader.sql("from trial_balance")
    with Database(None) as first:
        first.connection.execute("create table stray (a integer)")
        first.connection.execute("create temp table scratch (a integer)")

    with Database(None) as second:
        assert set() == tables(second)
        with Database(None) as third:
            assert set() == tables(third)


def test_a_setting_of_one_writer_does_not_reach_the_next(path: Path) -> None:
    query = "select current_setting('checkpoint_threshold')"
    with Database(path) as database:
        before = database.connection.execute(query).fetchall()
        database.checkpoint_next_commit()
        assert before != database.connection.execute(query).fetchall()

    with Database(path) as database:
        assert before == database.connection.execute(query).fetchall()


@pytest.mark.parametrize(
    "setting", ["default_order = 'desc'", "integer_division = true", "TimeZone = 'Asia/Tokyo'"]
)
def test_a_setting_on_a_connection_that_was_lent_does_not_reach_the_next_user(
    path: Path, setting: str
) -> None:
    ordered = "(select list(a) from (select unnest([2, 1]) as a order by a))"
    query = f"select {ordered} as o, 7 / 2 as d, now()::varchar as z"
    with Reader(path) as reader:
        before = reader.sql(query).rows()[0]
    for read_only in (False, True):
        with Database(path, read_only=read_only) as database:
            database.lend().execute(f"set global {setting}")
        with Database(path) as database:
            database.cursor().execute(f"set global {setting}")

    with Journal.create() as journal, Reader(path) as reader:
        for after in (journal.sql(query).rows()[0], reader.sql(query).rows()[0]):
            assert [before["o"], before["d"], before["z"][-3:]] == [after["o"], after["d"], after["z"][-3:]]


def test_a_file_that_another_process_began_meanwhile_is_not_begun_again(path: Path) -> None:
    with Database(path) as database, pytest.raises(JournalExists, match="choose another name"):
        creation._require_no_run(path, database.connection)


def test_a_process_opens_a_file_for_one_writer_and_no_reader_at_a_time(path: Path) -> None:
    with Database(path):
        for read_only in (False, True):
            with pytest.raises(LockedByWriter, match="this process has the file open already"):
                Database(path, read_only=read_only)

    with Database(path, read_only=True), pytest.raises(LockedByWriter, match="open already"):
        Database(path)


def test_the_last_of_several_readers_releases_the_file(path: Path) -> None:
    first, second = Database(path, read_only=True), Database(path, read_only=True)
    first.close()
    first.close()
    assert tables(second) >= {"run", "txn", "transfer"}
    second.close()

    with Database(path) as writer:
        assert tables(writer) >= {"run", "txn", "transfer"}


def test_a_reader_that_is_never_closed_keeps_no_writer_out(path: Path) -> None:
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


def test_few_instances_stay_idle_and_none_in_a_fork() -> None:
    several = [Database(None) for _ in range(4)]
    for database in several:
        database.close()
    assert 0 < len(instances._IDLE) < len(several)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other threads, which the child does not need
        child = os.fork()
    if not child:
        os._exit(len(instances._IDLE))

    assert (child, 0) == os.waitpid(child, 0)
    assert [] == instances._IDLE
    with Database(None) as database:
        assert set() == tables(database)


def test_a_forked_process_keeps_books_of_its_own(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORKS), str(tmp_path)],
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
    )

    assert (0, ["parent 1", "child 1", "after 1"]) == (process.returncode, process.stdout.split("\n")[:-1])

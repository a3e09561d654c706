"""Posting that continues after a file: after all of it, or as far as a replay has come, or a refusal."""

from pathlib import Path

import duckdb
import pytest

from tests.support import naive
from tieout.ledger.books.arrays import empty_books
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import buy, deposit
from tieout.ledger.errors import DamagedFile, SealBroken
from tieout.ledger.file import restore
from tieout.ledger.file.claim import Claim
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Run
from tieout.ledger.file.store import Head
from tieout.ledger.journal import Journal

COMMODITIES = [currency("USD"), instrument("ACME")]
DAYS = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.duckdb"


def perform(journal: Journal) -> Head:
    """Post a deposit and a block a day, and return the end of the chain."""
    for day in range(1, DAYS + 1):
        journal.post(day, deposit, "USD", day, note=f"day {day}")
        journal.commit()
    return journal.head


def rows(journal: Journal) -> tuple[int, ...]:
    """Count commodities, transactions and notes in the tables, and add up the deposits."""
    (row,) = journal.sql(
        "select (select count(*) from commodity) as commodities, (select count(*) from txn) as txns,"
        " (select count(*) from note) as notes, (select sum(amount) // 1000000 from transfer)::bigint as paid"
    ).rows()
    return tuple(row.values())


def is_free(path: Path) -> bool:
    """Check that the file is not open in this process: DuckDB would refuse to open it with other options."""
    duckdb.connect(path).close()
    return True


# --- performed again -----------------------------------------------------------------------------------


def test_a_replay_shows_the_books_as_far_as_it_has_come_and_takes_nothing_out_of_the_file(path: Path) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        head = perform(journal)

    with Journal.replay(path, COMMODITIES, Run()) as journal:
        steps = [rows(journal)]
        for day in range(1, DAYS + 1):
            journal.post(day, deposit, "USD", day, note=f"day {day}")
            steps.append(rows(journal))
            assert day == journal.commit().blocks
            assert steps[-1] == rows(journal)
        assert head == journal.head

    assert [(2, 0, 0, None), (2, 1, 1, 1), (2, 2, 2, 3), (2, 3, 3, 6), (2, 4, 4, 10)] == steps
    with Journal.open(path) as journal:
        assert (head, steps[-1]) == (journal.head, rows(journal))


def test_a_replay_begins_the_journal_where_there_is_no_file(path: Path) -> None:
    with Journal.create(None, COMMODITIES) as undisturbed:
        head = perform(undisturbed)

    with Journal.replay(path, COMMODITIES, Run()) as journal:
        assert head == perform(journal)

    with Journal.open(path) as journal:
        assert head == journal.head


# --- opened --------------------------------------------------------------------------------------------


def test_more_open_lots_than_new_books_have_room_for_are_restored(path: Path) -> None:
    lots = empty_books(1).lots.size + 1
    with Journal.create(path, COMMODITIES) as journal:
        journal.post(1, deposit, "USD", lots**2)
        with journal.transaction(2) as transaction:
            for number in range(lots):
                transaction.book(buy, "ACME", 1, 1 + number)
        before = naive.open_lots(journal)

    with Journal.open(path) as journal:
        assert lots == len(before["ACME", "long"])
        assert before == naive.open_lots(journal)
        journal.post(3, buy, "ACME", 1, 1)

        assert naive.open_lots(journal) == naive.stored_lots(journal)


def test_a_commodity_that_was_sealed_without_accounts_is_refused(path: Path) -> None:
    journal = Journal.create(path, COMMODITIES)
    journal.commodities.declare(currency("EUR"))  # past the chart
    journal.close()

    with pytest.raises(SealBroken, match="commodity 2 has no accounts"):
        Journal.open(path)
    assert is_free(path)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("delete from run", "0 rows in the table run, not one"),
        ("insert into run from run", "2 rows in the table run, not one"),
        (
            "update run set layout = 'not JSON'",
            "the row of the table run .*JSONDecodeError",
        ),
        ("update run set layout = '[1]'", "the row of the table run .*TypeError"),
        (
            "update run set policies = '{}'",
            r"the row of the table run .*KeyError: 'records'",
        ),
    ],
)
def test_a_run_that_cannot_be_read_is_damage_and_the_file_is_released(
    path: Path, statement: str, message: str
) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        perform(journal)
    with duckdb.connect(path) as connection:
        connection.execute(statement)

    with pytest.raises(DamagedFile, match=rf"books\.duckdb: {message}"):
        Reader(path)
    assert is_free(path)


def reconnect(path: Path, checked: restore.SealedFile) -> None:
    with Claim(path) as claim:
        restore.storage(checked, Head(0, checked.genesis), claim).close()


def test_a_file_that_another_writer_changed_while_it_was_checked_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with Journal.create(path, [currency("USD")]) as journal:
        journal.post(0, deposit, "USD", "1")
    with restore.open_sealed(path) as checked:
        with Journal.open(path) as other:
            other.post(1, deposit, "USD", "2")

        with pytest.raises(SealBroken, match="another process"):
            reconnect(path, checked)


def test_a_file_that_got_a_macro_while_it_was_checked_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with Journal.create(path, [currency("USD")]) as journal:
        journal.post(0, deposit, "USD", "1")
    with restore.open_sealed(path) as checked:
        with duckdb.connect(str(path)) as connection:
            connection.execute("create macro greatest(a, b) as 0")

        with pytest.raises(SealBroken, match="another process"):
            reconnect(path, checked)

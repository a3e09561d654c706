"""Storage of blocks: whole or not at all, the same in memory and in a file, and none after an error."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from tests.support.disk import files_of_at_most
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import buy, deposit, sell
from tieout.ledger.errors import (
    DamagedFile,
    DiskFull,
    JournalClosed,
    JournalExists,
    LockedByWriter,
    NewerSchema,
    NoSuchFile,
    NotAJournal,
    ReadOnly,
    ReplayDiverged,
    SealBroken,
    StoreError,
    WriteFailed,
)
from tieout.ledger.file import chain
from tieout.ledger.file.claim import Claim
from tieout.ledger.file.creation import create_file
from tieout.ledger.file.database import Database, explain_errors
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.file.schema import ledger_schema
from tieout.ledger.file.seal import Columns
from tieout.ledger.file.verify import Outcome, verify
from tieout.ledger.journal import Journal

COMMODITIES = [currency("USD"), instrument("ACME")]
DAYS = 8
STEPS: tuple[Callable[[Journal, int], object], ...] = (
    lambda journal, day: journal.post(f"2024-01-{day:02}", deposit, "USD", 100 * day, note=f"day {day}"),
    lambda journal, day: journal.post(f"2024-01-{day:02}", buy, "ACME", day + 1, 10 * day, "0.5"),
    lambda journal, day: journal.post(f"2024-01-{day:02}", sell, "ACME", 1, 12, "0.5"),
    lambda journal, day: journal.mark(f"2024-01-{day:02}", {"ACME": 1.5 * day}),
)


def perform(journal: Journal, first: int = 1, last: int = DAYS) -> str:
    """Post a block a day, and return the head digest."""
    for day in range(first, last + 1):
        for step in STEPS:
            step(journal, day)
        journal.commit()
    return journal.head.digest.hex()


def stored(path: Path) -> tuple[int, str]:
    """Return blocks and head digest of a file whose seals all hold."""
    with Reader(path) as reader:
        assert [] == list(chain.departures(reader))
        seals = chain.seals(reader)
        return len(seals), seals[-1].digest if seals else chain.genesis(reader).hex()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.duckdb"


# --- the same everywhere -----------------------------------------------------------------------------


def test_the_same_run_has_the_same_head_in_memory_and_in_a_file(path: Path) -> None:
    with Journal.create(None, COMMODITIES) as memory, Journal.create(path, COMMODITIES) as file:
        heads = perform(memory), perform(file)
        views = [journal.sql("from trial_balance").rows() for journal in (memory, file)]

    assert heads[0] == heads[1]
    assert views[0] == views[1]
    assert (DAYS, heads[1]) == stored(path)


def test_no_block_is_stored_in_memory_before_the_first_query() -> None:
    journal = Journal.create(None, COMMODITIES)
    STEPS[0](journal, 1)
    journal.close_block()
    STEPS[0](journal, 2)

    rows = journal.sql("select count(*) as n from txn").rows()

    assert [{"n": 2}] == rows
    assert 1 == journal.head.blocks


@pytest.mark.parametrize("days", range(1, DAYS + 1))
def test_a_journal_opened_again_goes_on_to_the_same_head(path: Path, days: int) -> None:
    with Journal.create(None, COMMODITIES) as undisturbed:
        head = perform(undisturbed)
    with Journal.create(path, COMMODITIES) as journal:
        perform(journal, last=days)

    with Journal.open(path) as journal:
        assert days == journal.count("txn") // 3

        assert head == perform(journal, first=days + 1)


def test_a_block_closes_when_it_is_full(path: Path) -> None:
    run = Run(policies=Policies(block_transfers=4))
    with Journal.create(path, COMMODITIES, run) as journal:
        for day in range(1, 10):
            STEPS[0](journal, day)

    with Reader(path) as reader:
        seals = chain.seals(reader)

    assert [(0, 3), (4, 7), (8, 8)] == [(seal.first_txn, seal.last_txn) for seal in seals]


# --- replay ------------------------------------------------------------------------------------------


def test_a_replay_compares_sealed_blocks_and_writes_the_others(path: Path) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        perform(journal, last=3)
    with Journal.create(None, COMMODITIES) as undisturbed:
        head = perform(undisturbed)

    with Journal.replay(path, COMMODITIES, Run()) as journal:
        assert head == perform(journal)

    assert (DAYS, head) == stored(path)
    with Journal.replay(path, COMMODITIES, Run()) as journal:
        assert head == perform(journal)
    assert (DAYS, head) == stored(path)


def test_a_replay_begins_the_journal_where_a_kill_left_a_file_without_a_row(path: Path) -> None:
    with Journal.create(None, COMMODITIES) as undisturbed:
        head = perform(undisturbed)
    with Claim(path) as claim:
        create_file(claim, [ledger_schema()])
    path.with_name(path.name + ".wal").write_bytes(b"torn")

    with Journal.replay(path, COMMODITIES, Run()) as journal:
        assert head == perform(journal)

    assert (DAYS, head) == stored(path)


def test_a_replay_that_differs_is_refused_at_the_block_and_changes_nothing(path: Path) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        head = perform(journal)

    journal = Journal.replay(path, COMMODITIES, Run())
    perform(journal, last=2)
    journal.post("2024-01-03", deposit, "USD", "300.000001")
    with pytest.raises(ReplayDiverged, match=r"block 2 \(transactions 6 to 6\)"):
        journal.commit()
    with pytest.raises(JournalClosed, match="block 2"):
        journal.post("2024-01-03", deposit, "USD", "1")
    with pytest.raises(JournalClosed, match="block 2"):
        journal.close()

    assert (DAYS, head) == stored(path)


@pytest.mark.parametrize("run", [Run(seed=1), Run(spec={"a": 1}), Run(policies=Policies("lifo"))])
def test_another_run_is_not_replayed_into_a_file(path: Path, run: Run) -> None:
    Journal.create(path, COMMODITIES).close()

    with pytest.raises(ReplayDiverged, match="another spec, input, strategy, seed or policy"):
        Journal.replay(path, COMMODITIES, run)


# --- after an error ----------------------------------------------------------------------------------


def room(path: Path) -> int:
    """Return a size that the WAL reaches after some blocks."""
    return path.with_name(path.name + ".wal").stat().st_size + 20_000


def deposits(journal: Journal, durable: list[int]) -> None:
    """Post a block a day until an error. *durable* collects the numbers of blocks acknowledged."""
    for day in range(1, 1000):
        journal.post(day, deposit, "USD", day)
        durable.append(journal.commit().blocks)


def test_a_full_disk_ends_the_journal_and_loses_nothing_acknowledged(path: Path) -> None:
    journal = Journal.create(path, COMMODITIES)
    journal.commit()
    durable: list[int] = []
    with files_of_at_most(room(path)):
        with pytest.raises(DiskFull, match="the disk is full"):
            deposits(journal, durable)
        refusals: list[Callable[[], object]] = [
            lambda: journal.post(10**6, deposit, "USD", 1),
            lambda: journal.sql("from txn"),
            lambda: journal.open_account("Expenses:Data"),
            lambda: journal.mark(10**6, {"ACME": 1.0}),
            journal.commit,
            journal.close,
        ]
        for use in refusals:
            with pytest.raises(JournalClosed, match=r"closed by a write that failed.*disk is full"):
                use()

    assert len(durable) > 1
    with Journal.open(path) as again:
        assert durable[-1] == again.head.blocks
        again.post(10**6, deposit, "USD", 1)
    assert durable[-1] + 1 == stored(path)[0]


def test_a_commit_that_raises_may_be_durable_and_opening_again_tells(path: Path) -> None:
    with Journal.create(None, COMMODITIES) as undisturbed:
        head = perform(undisturbed)
    journal = Journal.create(path, COMMODITIES)
    # The WAL fits, the file that it is moved into after the commit does not.
    journal._store._database.connection.execute("set checkpoint_threshold = '1KB'")

    with (
        files_of_at_most(path.stat().st_size),
        pytest.raises(DiskFull, match="COMMIT succeeded and is durable"),
    ):
        perform(journal)
    posted = journal.books.state[0].base_txn // 3
    with pytest.raises(JournalClosed):
        journal.close()

    assert posted == stored(path)[0]
    with Journal.open(path) as again:
        assert head == perform(again, first=posted + 1)


def test_an_error_in_a_with_block_is_not_hidden_by_closing(path: Path) -> None:
    journal = Journal.create(path, COMMODITIES)
    journal.commit()

    def use() -> None:
        with journal:
            deposits(journal, [])

    with files_of_at_most(room(path)), pytest.raises(DiskFull):
        use()


def test_a_file_that_cannot_take_its_wal_in_when_it_is_closed_says_so(path: Path) -> None:
    journal = Journal.create(path, COMMODITIES)
    head = perform(journal)
    with files_of_at_most(200_000), pytest.raises(DiskFull):
        journal.close()

    assert (DAYS, head) == stored(path)


def test_a_last_block_that_the_disk_has_no_room_for_takes_nothing_along(path: Path) -> None:
    journal = Journal.create(path, COMMODITIES)
    head = perform(journal)
    journal.post("2025-01-01", deposit, "USD", 1)
    with files_of_at_most(200_000), pytest.raises(DiskFull):
        journal.close()

    with Reader(path) as reader:
        assert [] == list(chain.departures(reader))
        assert head == chain.seals(reader)[DAYS - 1].digest


def plant_rows(journal: Journal) -> None:
    """Plant an account that the table refuses: the check on its type fails in the writer."""
    nonsense: Any = "nonsense"
    journal.chart.accounts[-1] = journal.chart.accounts[-1]._replace(type=nonsense)


@pytest.mark.parametrize("name", ["books.duckdb", None])
def test_a_block_that_cannot_be_stored_ends_the_journal(tmp_path: Path, name: str | None) -> None:
    path = tmp_path / name if name else None
    journal = Journal.create(path, COMMODITIES)
    plant_rows(journal)
    STEPS[0](journal, 1)
    journal.close_block()  # the next block is being filled while the writer fails

    with pytest.raises(WriteFailed, match="CHECK constraint") as failed:
        journal.commit()
    with pytest.raises(JournalClosed, match="CHECK constraint") as closed:
        STEPS[0](journal, 2)

    assert failed.value is closed.value.__cause__
    if path:
        with pytest.raises(JournalClosed):
            journal.close()
        assert 0 == stored(path)[0]


def test_an_unexpected_error_is_raised_where_transactions_are_posted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(previous: bytes, tables: list[tuple[str, Columns]]) -> bytes:
        raise ZeroDivisionError(len(previous), len(tables))

    journal = Journal.create(path, COMMODITIES)
    monkeypatch.setattr("tieout.ledger.file.seal.digest", fail)
    STEPS[0](journal, 1)

    with pytest.raises(WriteFailed, match="ZeroDivisionError") as failed:
        journal.commit()
    with pytest.raises(JournalClosed, match="ZeroDivisionError"):
        journal.close()

    assert isinstance(failed.value.__cause__, ZeroDivisionError)


def test_another_error_in_a_with_block_does_not_hide_that_the_block_was_not_stored(path: Path) -> None:
    def use() -> None:
        with Journal.create(path, COMMODITIES) as journal:
            plant_rows(journal)
            STEPS[0](journal, 1)
            raise KeyError("of the caller")

    with pytest.raises(WriteFailed, match="CHECK"):
        use()


@pytest.mark.parametrize("later", [None, KeyError("of the caller")])
def test_leaving_a_with_block_says_that_a_failed_block_was_not_stored(
    path: Path, later: Exception | None
) -> None:
    def use() -> None:
        with Journal.create(path, COMMODITIES) as journal:
            plant_rows(journal)
            STEPS[0](journal, 1)
            with pytest.raises(WriteFailed, match="CHECK constraint"):
                journal.commit()
            if later is not None:
                raise later

    with pytest.raises(JournalClosed, match=r"a write that failed; .*CHECK constraint") as closed:
        use()

    assert later is closed.value.__context__ or later is None
    assert 0 == stored(path)[0]


def test_of_two_blocks_that_wait_the_error_of_the_first_is_raised_and_the_second_is_not_tried() -> None:
    journal = Journal.create(None, COMMODITIES)
    plant_rows(journal)
    for day in (1, 2):
        STEPS[0](journal, day)
        journal.close_block()

    with pytest.raises(WriteFailed, match="CHECK constraint"):
        journal.commit()
    with pytest.raises(JournalClosed, match="CHECK constraint"):
        journal.sql("from txn")


def test_a_closed_journal_refuses_transactions_and_closes_once(path: Path) -> None:
    journal = Journal.create(path, COMMODITIES)
    STEPS[0](journal, 1)
    head = journal.close()

    assert head is not None
    assert (1, head.digest.hex()) == stored(path)
    assert journal.close() is None
    with pytest.raises(JournalClosed, match="is closed"):
        STEPS[0](journal, 2)


# --- files that cannot be used -----------------------------------------------------------------------


def write_as_another_process(path: Path) -> str:
    script = "import sys; from tieout.ledger.journal import Journal; Journal.open(sys.argv[1]).close()"
    command = [sys.executable, "-c", script, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_a_second_writer_is_refused_with_the_reason(path: Path) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        STEPS[0](journal, 1)
        journal.commit()
        for name in (path, path.parent / ".." / path.parent.name / path.name):
            with pytest.raises(LockedByWriter, match="the file is open elsewhere"):
                Journal.open(name)
            with pytest.raises(LockedByWriter, match="this process has the file open already"):
                Reader(name)
        other = write_as_another_process(path)
        STEPS[0](journal, 2)

    assert "LockedByWriter" in other
    assert "PID" in other
    assert 2 == stored(path)[0]


def test_a_reader_in_place_keeps_writers_out_and_lets_readers_in(path: Path) -> None:
    Journal.create(path, COMMODITIES).close()
    with Reader.in_place(path) as first:
        with Reader.in_place(path) as second, Reader(path) as third:
            assert first.run == second.run == third.run
        # A file that is opened and closed again gives up the locks of its whole process.
        assert "LockedByWriter" in write_as_another_process(path)

    assert "" == write_as_another_process(path)


def test_a_copy_lets_writers_in(path: Path) -> None:
    Journal.create(path, COMMODITIES).close()
    with Reader(path) as reader:
        assert "" == write_as_another_process(path)

        assert [{"n": 0}] == reader.sql("select count(*) as n from txn").rows()


def test_an_existing_file_is_not_overwritten(path: Path) -> None:
    path.write_text("a letter")

    with pytest.raises(JournalExists, match="choose another name"):
        Journal.create(path, COMMODITIES)

    assert "a letter" == path.read_text()


@pytest.mark.parametrize(
    ("content", "refusal", "message"),
    [
        (b"", NotAJournal, "never begun"),
        (b"PAR1" + bytes(9_000) + b"PAR1", NotAJournal, "not a DuckDB file"),
        (b"SQLite format 3\0" + bytes(9_000), NotAJournal, "not a DuckDB file"),
        (bytes(8) + b"DUCK" + bytes(9_000), DamagedFile, "tieout doctor"),
        (bytes(8) + b"DUCK", DamagedFile, "tieout doctor"),
    ],
)
def test_a_file_that_is_something_else_is_refused_and_left_alone(
    path: Path, content: bytes, refusal: type[Exception], message: str
) -> None:
    path.write_bytes(content)

    for use in (Reader, Journal.open):
        with pytest.raises(refusal, match=message):
            use(path)

    assert content == path.read_bytes()


def test_a_duckdb_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    other, empty = tmp_path / "other.duckdb", tmp_path / "empty.duckdb"
    duckdb.connect(empty).close()
    with duckdb.connect(other) as connection:
        connection.execute("create table txn (a integer)")

    with pytest.raises(NotAJournal, match="no table provenance, run, seal, transfer"):
        Reader(other)
    with pytest.raises(NotAJournal, match=r"empty\.duckdb is empty: a journal that was never begun"):
        Reader(empty)
    with pytest.raises(NotAJournal, match="not a DuckDB file"):
        Reader(tmp_path)
    with pytest.raises(NoSuchFile):
        Journal.open(tmp_path / "none.duckdb")
    with pytest.raises(NoSuchFile):
        Journal.create(tmp_path / "none" / "new.duckdb")


def checksum(header: bytearray) -> int:
    """DuckDB's, of whole words."""
    result = 5381
    for word in np.frombuffer(header, "<u8").tolist():
        result ^= word * 0xBF58476D1CE4E5B9 % 2**64
    return result


def test_a_file_of_a_later_duckdb_asks_for_a_later_tieout(path: Path) -> None:
    Journal.create(path, COMMODITIES).close()
    content = bytearray(path.read_bytes())
    assert checksum(content[8:4096]).to_bytes(8, "little") == content[:8]
    content[12:20] = (1000).to_bytes(8, "little")
    for version in (70, 1000):
        content[12:20] = version.to_bytes(8, "little")
        content[:8] = checksum(content[8:4096]).to_bytes(8, "little")
        path.write_bytes(content)

        with pytest.raises(NewerSchema, match="update tieout"):
            Reader(path)


def test_a_truncated_file_is_refused_or_found(path: Path) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        perform(journal)
    whole = path.read_bytes()
    for size in range(12, len(whole), 100_001):
        path.write_bytes(whole[:size])

        with pytest.raises(DamagedFile, match="tieout doctor"):
            stored(path)


def test_a_tampered_file_refuses_further_transactions(path: Path) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        perform(journal)
    with duckdb.connect(path) as connection:
        connection.execute("update transfer set amount = amount + 1 where seq = 9")

    for use in (Journal.open, lambda path: Journal.replay(path, COMMODITIES, Run())):
        with pytest.raises(SealBroken, match="block 1: "):
            use(path)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        (
            "alter table transfer alter lot drop not null; update transfer set lot = null where lot = 0",
            "NULL",
        ),
        (
            "alter table note alter text drop not null; update note set text = null where id = 1",
            "NULL in text",
        ),
        (
            "alter table note alter id drop not null; insert into note values (null, 1, 'added')",
            "note has 1 rows that no seal covers",
        ),
        ("update seal set previous = 'no digest' where block = 1", "follows no digest"),
        ("update seal set digest = 'no digest' where block = 1", "sealed is no digest"),
        ("update seal set rows = '{\"elsewhere\":1}' where block = 1", "rows of elsewhere"),
        ("update seal set rows = 'not JSON' where block = 1", "block 1: "),
    ],
)
def test_edits_that_leave_unusual_values_are_found_too(path: Path, statement: str, finding: str) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        perform(journal)
    with duckdb.connect(path) as connection:
        connection.execute(statement)

    with Reader(path) as reader:
        departures = "; ".join(map(str, chain.departures(reader)))

    assert finding in departures


def test_a_check_that_cannot_be_answered_has_failed(path: Path) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        perform(journal)
        journal.statement(f"2024-01-{DAYS:02}")
    with duckdb.connect(path) as connection:
        connection.execute("update transfer set amount = ?", [2**63 - 1])

    with Reader(path) as reader:
        results = {result.name: result for result in verify(reader).results}

    assert (Outcome.FAILED, 0) == (results["balanced"].outcome, results["balanced"].examined)
    assert [True] == [text.startswith(f"{path}: ") for text in results["balanced"].findings]
    assert Outcome.OK is results["dense"].outcome


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ("IO Error: Could not write file: No space left on device", DiskFull),
        ("Could not write file: Disk quota exceeded", DiskFull),
        ('IO Error: Cannot open file "a": Permission denied', ReadOnly),
        ('IO Error: Cannot open file "a": Read-only file system', ReadOnly),
        ('Failure while replaying WAL file "a": Failed to read WAL of version 99', DamagedFile),
        ("Corrupted bitpacking segment: offset is outside the segment", DamagedFile),
        ("an unknown message", WriteFailed),
        ("", WriteFailed),
    ],
)
def test_messages_of_duckdb_are_explained(message: str, meaning: type[StoreError]) -> None:
    with pytest.raises(meaning, match="books: ") as raised, explain_errors(Path("books")):
        raise duckdb.Error(message)

    assert message in str(raised.value)


def test_a_file_that_may_not_be_opened_is_read_only(path: Path) -> None:
    Journal.create(path, COMMODITIES).close()
    error = PermissionError(13, "Permission denied", str(path))

    with pytest.raises(ReadOnly, match="see its permissions"), explain_errors(path):
        raise error


def test_a_connection_in_memory_needs_no_file() -> None:
    with Database(None) as database:
        assert [(1,)] == database.connection.execute("select 1").fetchall()

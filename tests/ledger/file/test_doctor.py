"""Damaged files: the reports on them, the blocks that a repair saves, and the copies that it keeps."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from attrs import frozen

from tieout.ledger.books.commodity import currency
from tieout.ledger.books.events import deposit
from tieout.ledger.errors import (
    DamagedFile,
    LockedByWriter,
    NoSuchFile,
    NotAJournal,
    OlderSchema,
    WriteFailed,
)
from tieout.ledger.file import chain, doctor
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Run
from tieout.ledger.journal import Journal

BLOCKS = 6
# Bytes of the headers of a journal's DuckDB file, and of each block after them.
HEADERS, BLOCK = 3 * 4096, 64 * 1024
IN_FILE = 2
USD = [currency("USD")]


@frozen
class Killed:
    """A file and WAL as a killed writer leaves them, with head and size of the WAL after each block."""

    path: Path
    heads: list[str]
    sizes: list[int]

    @property
    def wal(self) -> Path:
        return self.path.with_name(self.path.name + ".wal")

    def damage(self, offset: int) -> None:
        flip(self.wal, offset)


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def post(journal: Journal, block: int) -> str:
    journal.post(f"2024-01-{block + 1:02}", deposit, "USD", block + 1)
    return journal.commit().digest.hex()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """A file and WAL that no test may change."""
    folder = tmp_path_factory.mktemp("killed")
    path, copy = folder / "running.duckdb", folder / "books.duckdb"
    wal = path.with_name(path.name + ".wal")
    heads, sizes = [], [0] * IN_FILE
    with Journal.create(path, USD) as journal:
        heads += [post(journal, block) for block in range(IN_FILE)]
    with Journal.open(path) as journal:
        for block in range(IN_FILE, BLOCKS):
            heads.append(post(journal, block))
            sizes.append(wal.stat().st_size)
        # A commit is on the disk, so a copy made now equals the files after a kill.
        shutil.copyfile(path, copy)
        shutil.copyfile(wal, copy.with_name(copy.name + ".wal"))
    return Killed(copy, heads, sizes)


@pytest.fixture
def killed(original: Killed, tmp_path: Path) -> Killed:
    for file in (original.path, original.wal):
        shutil.copyfile(file, tmp_path / file.name)
    return Killed(tmp_path / original.path.name, original.heads, original.sizes)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_killed_writers_file_is_sound(killed: Killed) -> None:
    report = doctor.examine(killed.path, killed.heads[-1])

    assert report.sound
    assert (BLOCKS, BLOCKS - 1, killed.heads[-1]) == (report.blocks, report.last_txn, report.head)
    assert (0, {}) == (report.torn_bytes, report.tables)


def test_a_sound_file_is_left_alone(killed: Killed, tmp_path: Path) -> None:
    before = files(tmp_path)

    repair = doctor.repair(killed.path)

    assert not repair.is_repaired
    assert f"{killed.path} is sound" in str(repair)
    assert before == files(tmp_path)


@pytest.mark.parametrize("block", range(IN_FILE, BLOCKS))
def test_a_damaged_wal_is_cut_before_the_damage_and_copied_first(
    killed: Killed, tmp_path: Path, block: int
) -> None:
    killed.damage(killed.sizes[block] - 100)
    damaged = files(tmp_path)

    with pytest.raises(DamagedFile, match="tieout doctor"):
        Journal.open(killed.path)
    repair = doctor.repair(killed.path)

    assert repair.before.refusal.startswith(f"{killed.path}: the last commits are damaged (")
    assert repair.is_repaired
    assert (block, killed.heads[block - 1]) == (repair.after.blocks, repair.after.head)
    assert f"head digest {killed.heads[block - 1]}" in str(repair)
    assert repair.backup == tmp_path / "books.duckdb.damaged-1"
    after = files(tmp_path)
    assert damaged["books.duckdb"] == after["books.duckdb"] == after["books.duckdb.damaged-1"]
    assert damaged["books.duckdb.wal"] == after["books.duckdb.damaged-1.wal"]


@pytest.mark.parametrize("resume", ["replay", "open"])
def test_a_run_is_resumed_after_the_repair(killed: Killed, resume: str) -> None:
    killed.damage(killed.sizes[3] - 20)
    doctor.repair(killed.path)

    with (
        Journal.open(killed.path) if resume == "open" else Journal.replay(killed.path, USD, Run())
    ) as journal:
        for block in range(journal.count("txn"), BLOCKS):
            post(journal, block)

    assert killed.heads[-1] == doctor.examine(killed.path).head


def test_where_duckdb_names_no_place_the_longest_start_that_opens_is_kept(
    killed: Killed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This takes a dozen examinations, so they run in this process, in which this damage only raises.
    monkeypatch.setattr(doctor, "examine", lambda path: doctor.look(str(path)))
    flip(killed.wal, 5)  # in its version: no part of it can be read
    with pytest.raises(DamagedFile) as refusal:
        Journal.open(killed.path)
    assert "byte position" not in str(refusal.value)

    repair = doctor.repair(killed.path)

    assert repair.is_repaired
    assert (IN_FILE, killed.heads[IN_FILE - 1]) == (repair.after.blocks, repair.after.head)
    assert (tmp_path / "books.duckdb.damaged-1.wal").stat().st_size == repair.length


def test_an_earlier_copy_is_not_overwritten(killed: Killed, tmp_path: Path) -> None:
    whole = killed.wal.read_bytes()
    for number in (1, 2):
        killed.wal.write_bytes(whole)
        killed.damage(killed.sizes[3] - 20 - number)

        assert doctor.repair(killed.path).backup == tmp_path / f"books.duckdb.damaged-{number}"

    copies = files(tmp_path)
    assert copies["books.duckdb.damaged-1.wal"] != copies["books.duckdb.damaged-2.wal"]


def test_commits_that_duckdb_ignores_are_reported(killed: Killed) -> None:
    start = killed.sizes[3]
    content = bytearray(killed.wal.read_bytes())
    content[start + 6] ^= 1  # in the length of the first entry of block 4
    killed.wal.write_bytes(content)

    repair = doctor.repair(killed.path)

    assert repair.before.sound
    assert (4, len(content) - start) == (repair.before.blocks, repair.before.torn_bytes)
    assert f"the last {len(content) - start} bytes of its WAL are not a whole commit" in str(repair)
    assert not doctor.examine(killed.path, killed.heads[-1]).sound


@pytest.mark.parametrize(("length", "torn"), [(0, 0), (4, 4), (8, 0), (20, 12), (40, 32)])
def test_torn_bytes_are_counted_from_the_last_whole_entry(killed: Killed, length: int, torn: int) -> None:
    killed.wal.write_bytes(killed.wal.read_bytes()[:length])

    assert torn == doctor.examine(killed.path).torn_bytes


def test_a_damaged_table_is_named_and_the_others_are_counted(killed: Killed) -> None:
    Journal.open(killed.path).close()
    whole = killed.path.read_bytes()
    outcomes: dict[str, set[int | str]] = {}
    for place in range(HEADERS, len(whole), BLOCK):
        killed.path.write_bytes(whole)
        flip(killed.path, place + 20)
        for name, rows in doctor.look(str(killed.path)).tables.items():
            outcomes.setdefault(name, set()).add("unreadable" if isinstance(rows, str) else rows)

    assert {"unreadable", BLOCKS} == outcomes["transfer"]


def test_a_damaged_file_without_a_wal_is_left_alone(killed: Killed, tmp_path: Path) -> None:
    Journal.open(killed.path).close()
    flip(killed.path, HEADERS + 100)
    before = files(tmp_path)

    repair = doctor.repair(killed.path)

    assert not repair.is_repaired
    assert "cannot be repaired" in str(repair)
    assert before == files(tmp_path)


def test_a_file_that_does_not_open_without_its_wal_either_is_left_as_it_was(
    killed: Killed, tmp_path: Path
) -> None:
    for place in range(HEADERS, killed.path.stat().st_size, BLOCK):
        flip(killed.path, place + 100)
    before = files(tmp_path)

    repair = doctor.repair(killed.path)

    assert not repair.is_repaired
    assert f"a copy of it is {repair.backup}" in str(repair)
    assert str(repair).endswith("restore the file from a backup, or run again into a new file")
    assert "tieout doctor" not in str(repair) + repair.before.json()
    assert before.items() <= files(tmp_path).items()


def test_the_readable_tables_of_a_journal_without_a_run_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with Journal.create(path, USD) as journal:
        post(journal, 0)
    with duckdb.connect(path) as connection:
        connection.execute("delete from run")

    report = doctor.examine(path)

    assert "0 rows in the table run" in report.refusal
    assert 1 == report.tables["transfer"]


def test_a_departure_from_the_seals_is_reported_with_the_blocks_before_it(killed: Killed) -> None:
    Journal.open(killed.path).close()
    with duckdb.connect(killed.path) as connection:
        connection.execute("update transfer set amount = amount + 1 where txn = 3")

    report = doctor.examine(killed.path)

    assert not report.sound
    assert [True] == [text.startswith("block 3: ") for text in report.departures]
    assert (3, killed.heads[2]) == (report.blocks, report.head)
    assert BLOCKS == report.tables["transfer"]
    assert report == doctor.look(str(killed.path))


def test_reasons_other_than_damage_are_raised(killed: Killed, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no journal")
    shutil.copy(killed.path, tmp_path / "older.duckdb")
    with duckdb.connect(tmp_path / "older.duckdb") as connection:
        connection.execute("update run set policies = replace(policies, ?, ?)", ['["ledger",', '["ledger",-'])

    with pytest.raises(NoSuchFile):
        doctor.repair(tmp_path / "none.duckdb")
    with pytest.raises(NotAJournal, match="not a DuckDB file"):
        doctor.repair(tmp_path / "text")
    with pytest.raises(OlderSchema, match="version -"):
        doctor.repair(tmp_path / "older.duckdb")
    with Journal.open(killed.path), pytest.raises(LockedByWriter, match="open elsewhere"):
        doctor.repair(killed.path)


def test_a_process_that_damage_ends_is_a_finding(killed: Killed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_LOOK", "import os; os.kill(os.getpid(), 11)")

    assert "reading it ends the process with signal 11" == doctor.examine(killed.path).refusal

    monkeypatch.setattr(doctor, "_LOOK", "raise MemoryError('too much')")

    assert "reading it fails: MemoryError: too much" == doctor.examine(killed.path).refusal


def test_reading_in_this_process_finds_the_same(killed: Killed) -> None:
    """`examine` runs the same function in a process of its own."""
    report = doctor.look(str(killed.path))

    assert doctor.examine(killed.path) == report == doctor.Report(**json.loads(report.json()))

    killed.damage(killed.sizes[3] - 20)

    assert doctor.examine(killed.path).refusal == doctor.look(str(killed.path)).refusal

    Journal.create(killed.path.with_name("new.duckdb"), USD).close()
    report = doctor.look(str(killed.path.with_name("new.duckdb")))

    assert (True, 1, -1) == (report.sound, report.blocks, report.last_txn)


def test_the_file_is_not_touched_before_its_copy_is_complete(
    killed: Killed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed.damage(killed.sizes[3] - 20)
    before = files(tmp_path)
    monkeypatch.setattr("filecmp.cmp", lambda *_, **__: False)

    with pytest.raises(WriteFailed, match="nothing was changed"):
        doctor.repair(killed.path)

    assert before.items() <= files(tmp_path).items()


def test_a_reader_of_a_damaged_table_says_so(killed: Killed) -> None:
    Journal.open(killed.path).close()
    size, outcomes = killed.path.stat().st_size, set()
    whole = killed.path.read_bytes()
    for place in range(HEADERS, size, BLOCK):
        killed.path.write_bytes(whole)
        flip(killed.path, place + 20)
        try:
            with Reader(killed.path) as reader:
                reader.sql("select sum(amount) from transfer")
        except DamagedFile as error:
            outcomes.add("doctor" in str(error))

    assert {True} == outcomes


# --- merging -----------------------------------------------------------------------------------------


def test_a_wal_is_merged_into_its_file_once_both_are_verified(killed: Killed, tmp_path: Path) -> None:
    length = killed.wal.stat().st_size

    merger = doctor.merge(killed.path)

    assert f"{length} bytes of its WAL were verified and merged" in str(merger)
    assert f"it holds {BLOCKS} blocks, head digest {killed.heads[-1]}" in str(merger)
    assert ["books.duckdb"] == list(files(tmp_path))
    assert doctor.examine(killed.path, killed.heads[-1]).sound
    assert "has no WAL; there is nothing to merge" in str(doctor.merge(killed.path))


def test_a_wal_is_not_merged_where_a_seal_is_broken(killed: Killed, tmp_path: Path) -> None:
    """The file alone is as it was sealed. The WAL changes an amount."""
    with duckdb.connect(killed.path, config={"checkpoint_threshold": "1TB"}) as connection:
        connection.execute("pragma disable_checkpoint_on_shutdown")
        connection.execute("update transfer set amount = amount + 1 where seq = 0")
    before = files(tmp_path)

    merger = doctor.merge(killed.path)

    assert not merger.before.sound
    assert "its WAL is not merged, and nothing was changed" in str(merger)
    assert before == files(tmp_path)


def test_a_damaged_wal_is_not_merged_until_it_is_repaired(killed: Killed, tmp_path: Path) -> None:
    killed.damage(killed.sizes[-1] - 100)
    before = files(tmp_path)

    merger = doctor.merge(killed.path)

    assert str(merger).endswith("run `tieout doctor` on it without --merge")
    assert before == files(tmp_path)
    assert doctor.repair(killed.path).is_repaired
    assert doctor.merge(killed.path).is_merged


def test_bytes_that_are_no_commit_are_kept_by_a_merger(killed: Killed) -> None:
    with killed.wal.open("ab") as wal:
        wal.write(bytes(7))
    whole = killed.wal.read_bytes()

    merger = doctor.merge(killed.path)

    assert "7 bytes of the WAL were no whole commit" in str(merger)
    assert merger.backup is not None
    assert whole == merger.backup.with_name(merger.backup.name + ".wal").read_bytes()
    assert doctor.examine(killed.path, killed.heads[-1]).sound


def test_a_file_that_is_written_is_not_merged(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "books.duckdb", USD), pytest.raises(LockedByWriter):
        doctor.merge(tmp_path / "books.duckdb")


def test_damage_that_only_the_seals_meet_is_a_fault(killed: Killed, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Iterator[object]:
        yield from ()
        raise DamagedFile("planted")

    monkeypatch.setattr(chain, "departures", fail)

    report = doctor.look(str(killed.path))

    assert not report.sound
    assert ["planted"] == [fault[-7:] for fault in report.departures]


def test_a_wal_that_stays_is_an_error(killed: Killed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "wals_of", lambda path: [path])

    with pytest.raises(WriteFailed, match="its WAL could not be merged; run `tieout doctor` on it"):
        doctor.merge(killed.path)

"""New files: they appear whole, under a name that one process gets, and never over data of other programs."""

import contextlib
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.support.disk import files_of_at_most
from tieout.ledger.books.commodity import currency
from tieout.ledger.books.events import deposit
from tieout.ledger.errors import DiskFull, JournalExists, NotAJournal, SealBroken, StoreError
from tieout.ledger.file.claim import Claim
from tieout.ledger.file.creation import create_file
from tieout.ledger.file.place import wal_of
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Run
from tieout.ledger.file.schema import ledger_schema
from tieout.ledger.file.verify import verify
from tieout.ledger.journal import Journal

COMMODITIES = [currency("USD")]
WAYS_TO_BEGIN: tuple[Callable[[Path], Journal], ...] = (
    lambda path: Journal.create(path, COMMODITIES),
    lambda path: Journal.create(path, COMMODITIES, overwrite=lambda _: True),
    lambda path: Journal.replay(path, COMMODITIES, Run()),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    folder.mkdir()
    return folder / "books.duckdb"


def test_a_wal_without_its_file_is_left_alone_and_named(path: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.duckdb"
    with Journal.create(moved, COMMODITIES) as journal:
        journal.post("2024-01-01", deposit, "USD", 5)
        journal.commit()
        content = wal_of(moved).read_bytes()
    wal_of(path).write_bytes(content)

    for begin in WAYS_TO_BEGIN:
        with pytest.raises(JournalExists, match=r"its WAL books.duckdb.wal is.*move the WAL away"):
            begin(path)
    assert content == wal_of(path).read_bytes()
    wal_of(path).rename(tmp_path / "kept.wal")
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


def test_an_empty_file_is_no_journal(path: Path) -> None:
    path.touch()

    for begin in WAYS_TO_BEGIN:
        with pytest.raises(NotAJournal, match="is an empty file, not a journal; delete it"):
            begin(path)
    assert path.is_file()
    path.unlink()
    Journal.replay(path, COMMODITIES, Run()).close()


def test_a_database_without_a_table_belongs_to_another_program(path: Path) -> None:
    duckdb.connect(path).close()
    content = path.read_bytes()

    for begin in WAYS_TO_BEGIN:
        with pytest.raises(StoreError):
            begin(path)
    assert content == path.read_bytes()


def test_a_file_with_tables_and_not_a_row_is_begun_again(path: Path) -> None:
    with Claim(path) as claim:
        create_file(claim, [ledger_schema()])

    with pytest.raises(NotAJournal, match="never begun"):
        Reader(path)
    with Journal.replay(path, COMMODITIES, Run()) as journal:
        assert 0 == journal.head.blocks


def pipe(path: Path) -> None:
    os.mkfifo(path)


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(path.parent):
        listener.bind(path.name)


def link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere.duckdb"))


def link_to_books(path: Path) -> None:
    Journal.create(path.with_name("elsewhere.duckdb"), COMMODITIES).close()
    link(path)


@pytest.mark.parametrize(
    ("make", "refusal"),
    [
        (Path.mkdir, "is a folder, not a journal; choose another name"),
        (pipe, "is a named pipe, not a journal; choose another name"),
        (socket_at, "is a socket, not a journal; choose another name"),
        (link, "is a link, not a journal; give the path that it leads to, .*elsewhere.duckdb"),
        (link_to_books, "is a link, not a journal; give the path that it leads to, .*elsewhere.duckdb"),
    ],
)
def test_a_name_of_anything_but_a_file_is_refused(
    path: Path, make: Callable[[Path], None], refusal: str
) -> None:
    make(path)
    before = _identity(path)

    for begin in WAYS_TO_BEGIN:
        with pytest.raises(NotAJournal, match=refusal):
            begin(path)

    assert before == _identity(path)
    for name in ("elsewhere.duckdb", "another.duckdb"):
        Journal.replay(path.with_name(name), COMMODITIES, Run()).close()


def _identity(path: Path) -> tuple[int, ...]:
    """Return what a change of a file changes. Following a link changes the time of its last access."""
    status = path.lstat()
    return status.st_mode, status.st_ino, status.st_dev, status.st_nlink, status.st_size, status.st_mtime_ns


def test_a_device_is_refused() -> None:
    device = Path(os.devnull)

    for begin in (*WAYS_TO_BEGIN, Journal.open):
        with pytest.raises(NotAJournal, match="is a device, not a journal; choose another name"):
            begin(device)
    assert stat.S_ISCHR(device.stat().st_mode)


def test_a_pipe_is_not_waited_for_when_it_is_opened(path: Path) -> None:
    os.mkfifo(path)

    with pytest.raises(NotAJournal, match="is a named pipe"):
        Journal.open(path)


def test_a_journal_is_continued_through_a_link(path: Path) -> None:
    link_to_books(path)

    with Journal.open(path) as journal:
        journal.post("2024-01-02", deposit, "USD", 1)

    assert path.is_symlink()
    with Reader(path) as reader:
        assert [{"n": 1}] == reader.sql("select count(*) as n from txn").rows()


def test_a_path_with_a_nul_is_refused() -> None:
    for begin in (*WAYS_TO_BEGIN, Journal.open):
        with pytest.raises(NotAJournal, match="has a NUL character; choose another name"):
            begin(Path("books\0.duckdb"))


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

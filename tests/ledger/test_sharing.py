"""A journal among threads, which take turns, and in a forked process, which may not use it."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import buy, deposit
from tieout.ledger.errors import JournalClosed, OpenedBeforeFork
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.ledger.journal import Journal

COMMODITIES = [currency("USD"), instrument("ACME")]
THREADS = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.duckdb"


def at_once(*tasks: Callable[[], object]) -> None:
    """Run tasks in threads that begin together."""
    barrier = threading.Barrier(len(tasks))

    def run(task: Callable[[], object]) -> None:
        barrier.wait()
        task()

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- threads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["books.duckdb", None])
def test_threads_post_one_after_the_other(tmp_path: Path, name: str | None) -> None:
    posted: list[int] = []
    with Journal.create(tmp_path / name if name else None, COMMODITIES) as journal:

        def post() -> None:
            for number in range(50):
                posted.append(journal.post(0, deposit, "USD", 1, note=f"note {number}"))
                if number % 20 == 0:
                    journal.commit()

        at_once(*[post] * THREADS)
        rows = journal.sql("select id from txn order by id").rows()
        notes = journal.sql("select count(distinct txn) as n from note").rows()

    assert list(range(50 * THREADS)) == sorted(posted)
    assert sorted(posted) == [row["id"] for row in rows]
    assert [{"n": len(posted)}] == notes


def test_threads_add_rows_without_a_gap(path: Path) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        at_once(*[lambda: [journal.mark(0, {"ACME": 1.5}) for _ in range(25)]] * THREADS)
        rows = journal.sql("select id from mark order by id").rows()

    assert list(range(25 * THREADS)) == [row["id"] for row in rows]


def test_what_is_posted_while_the_journal_closes_is_in_the_file_or_refused(path: Path) -> None:
    for trial in range(10):
        file = path.with_name(f"{trial}.duckdb")
        journal = Journal.create(file, COMMODITIES)
        accepted: list[int] = []
        refused: list[JournalClosed] = []

        def post(
            journal: Journal = journal, accepted: list[int] = accepted, refused: list[JournalClosed] = refused
        ) -> None:
            try:
                while True:
                    accepted.append(journal.post(0, deposit, "USD", 1))
            except JournalClosed as error:
                refused.append(error)

        def close(journal: Journal = journal, accepted: list[int] = accepted) -> None:
            while len(accepted) < 10 * THREADS:
                time.sleep(0)
            journal.close()

        at_once(*[post] * THREADS, close)

        assert THREADS == len(refused)
        with Reader(file) as reader:
            assert sorted(accepted) == [row["id"] for row in reader.sql("from txn order by id").rows()]
            assert verify(reader).ok


def test_only_one_of_two_threads_reverses_a_transaction(path: Path) -> None:
    outcomes: list[str] = []
    with Journal.create(path, COMMODITIES) as journal:
        number = journal.post(0, deposit, "USD", 100)

        def reverse() -> None:
            try:
                journal.reverse(number, 0)
                outcomes.append("reversed")
            except Exception as error:  # noqa: BLE001  compared below
                outcomes.append(type(error).__name__)

        at_once(reverse, reverse)

    assert ["AlreadyReversed", "reversed"] == sorted(outcomes)


# --- forks -------------------------------------------------------------------------------------------


def in_child(task: Callable[[], object]) -> int:
    """Run a task in a forked process. Return its status: 0 if it was refused, 1 if not, 9 if it hangs."""
    child = os.fork()
    if not child:
        status = 1
        try:
            task()
        except OpenedBeforeFork as error:
            status = 0 if "cannot be used in it; open it in this process, or start" in str(error) else 2
        finally:
            os._exit(status)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 9


METHODS: dict[str, Callable[[Journal], object]] = {
    "post": lambda j: j.post(0, deposit, "USD", 1),
    "transaction": lambda j: j.transaction(0).__enter__(),
    "reverse": lambda j: j.reverse(0, 0),
    "close_year": lambda j: j.close_year(0),
    "ensure_capacity": lambda j: j.ensure_capacity(lots=1),
    "declare": lambda j: j.declare(instrument("NEW")),
    "open_account": lambda j: j.open_account("Expenses:Data"),
    "notional": lambda j: j.notional("ACME", 1, 1.0),
    "balance": lambda j: j.balance("Assets:Cash:USD"),
    "add": lambda j: j.add("mark", {}),
    "attach_source": lambda j: j.attach_source(None),  # type: ignore[arg-type]
    "count": lambda j: j.count("txn"),
    "mark": lambda j: j.mark(0, {"ACME": 1.0}),
    "statement": lambda j: j.statement(0),
    "close": lambda j: j.close(),
    "discard": lambda j: j.discard(),
    "commit": lambda j: j.commit(),
    "close_block": lambda j: j.close_block(),
    "sql": lambda j: j.sql("from txn"),
    "columns": lambda j: j.columns("txn", ["id"]),
    "head": lambda j: j.head,
    "genesis": lambda j: j.genesis,
    "with": lambda j: j.__exit__(None, None, None),
}
WITHOUT_USE = {"create", "open", "replay", "path", "store"}
"""Members that make a journal, or read what does not change."""


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("is_in_memory", [False, True])
def test_a_forked_process_is_refused(path: Path, name: str, is_in_memory: bool) -> None:  # noqa: FBT001
    with Journal.create(None if is_in_memory else path, COMMODITIES) as journal:
        journal.post(0, deposit, "USD", 1)
        journal.commit()
        journal.post(0, deposit, "USD", 2)

        assert 0 == in_child(lambda: METHODS[name](journal))

        journal.post(0, buy, "ACME", 1, 1, 0)
        assert [{"n": 3}] == journal.sql("select count(*) as n from txn").rows()


def test_every_public_method_is_refused() -> None:
    public = {name for name in vars(Journal) if not name.startswith("_")}

    assert public - WITHOUT_USE == METHODS.keys() - {"with"}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_an_error_in_a_forked_process_is_not_hidden_by_the_refusal(path: Path) -> None:
    def fail() -> None:
        journal.__exit__(ValueError, ValueError("the error"), None)
        os._exit(3)

    with Journal.create(path, COMMODITIES) as journal:
        assert 3 == in_child(fail)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_reader_in_a_forked_process_is_refused_and_a_new_one_reads(path: Path) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        journal.post(0, deposit, "USD", 1)

    def read_again() -> None:
        with Reader(path) as another:
            if [{"id": 0}] == another.sql("select id from txn").rows():
                os._exit(7)

    with Reader(path) as reader:
        for use in (lambda: reader.sql("from txn"), lambda: reader.head, reader.close):
            assert 0 == in_child(use)
        assert 7 == in_child(read_again)
        assert [{"id": 0}] == reader.sql("select id from txn").rows()


def end_with_open_books(path: Path) -> None:
    """Leave a forked process in the usual way, with the parent's journal in a variable."""
    del path


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_that_ends_neither_hangs_nor_writes(path: Path) -> None:
    with Journal.create(path, COMMODITIES) as journal:
        journal.post(0, deposit, "USD", 1)
        journal.commit()
        process = multiprocessing.get_context("fork").Process(target=end_with_open_books, args=(path,))
        process.start()
        process.join(60)
        assert 0 == process.exitcode
        journal.post(0, deposit, "USD", 1)

    with Reader(path) as reader:
        assert [{"n": 2}] == reader.sql("select count(*) as n from txn").rows()

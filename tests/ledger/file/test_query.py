"""Queries that fail while they run, and queries that Ctrl-C ends."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from tieout import Journal, currency, deposit
from tieout.ledger.application import application
from tieout.ledger.errors import InvalidQuery
from tieout.ledger.file.query import interruptible
from tieout.ledger.file.reader import Reader

pytestmark = pytest.mark.usefixtures("ctrl_c")

ENDLESS = "select count(*) from range(1000000000000) a, range(1000000) b where random() > 2"


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "books.duckdb"
    with Journal.create(path, [currency("USD")]) as journal:
        journal.post("2024-01-02", deposit, "USD", "12.50")
    return path


@contextmanager
def interrupted() -> Iterator[None]:
    """Press Ctrl-C once the query has a thread of its own."""

    def press() -> None:
        while not any(thread.name.startswith("tieout-query") for thread in threading.enumerate()):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    try:
        yield
    finally:
        finger.join()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select path::integer from account", "Could not convert string"),
        ("select error('no luck') from txn", "no luck"),
        ("select 9223372036854775807::bigint + id from txn", "Overflow in addition"),
        ("select (select id from account) from txn", "More than one row"),
    ],
)
@pytest.mark.parametrize("at", [None, "2024-01-02"])
def test_a_query_that_fails_while_it_runs_says_why(query: str, words: str, at: str | None) -> None:
    with Journal.create(None, [currency("USD")]) as journal:
        for _ in range(2):
            journal.post("2024-01-02", deposit, "USD", "1")

        with pytest.raises(InvalidQuery, match=words):
            journal.sql(query, at=at)

        assert 2 == len(journal.sql("from txn").rows())


def test_a_failed_query_leaves_no_moment_behind(books: Path) -> None:
    with Reader(books) as reader:
        with pytest.raises(InvalidQuery, match="no luck"):
            reader.sql("select error('no luck')", at="2023-12-31")

        assert [12.5] * 2 == [abs(float(row["amount"])) for row in reader.sql("from posting").rows()]


@pytest.mark.parametrize("open_books", [Journal.open, Reader])
def test_an_interrupted_query_is_an_interruption(books: Path, open_books: Callable[[Path], Any]) -> None:
    with open_books(books) as journal:
        with interrupted(), pytest.raises(KeyboardInterrupt):
            journal.sql(ENDLESS, at="2023-12-31")

        assert [{"n": 1}] == journal.sql("select count(*) as n from txn").rows()
        assert 2 == len(journal.sql("from posting").rows())


def test_an_interrupted_journal_takes_more(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "more.duckdb", [currency("USD")]) as journal:
        journal.post("2024-01-02", deposit, "USD", "1")
        with interrupted(), pytest.raises(KeyboardInterrupt):
            journal.sql(ENDLESS)
        journal.post("2024-01-03", deposit, "USD", "2")

        assert 2 == journal.sql("select count(*) as n from txn").rows()[0]["n"]


@pytest.mark.parametrize("command", [("sql", ENDLESS), ("show", "trial-balance")])
def test_an_interrupted_command_ends_with_a_sentence(
    books: Path, command: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if command[0] == "show":  # where the interruption comes while no query runs
        monkeypatch.setattr(Reader, "view", _interrupt)
    name, argument = command
    with interrupted() if name == "sql" else contextmanager(lambda: iter([None]))():
        result = CliRunner().invoke(application(), [name, str(books), argument])

    assert (2, "", "tieout: interrupted\n") == (result.exit_code, result.stdout, result.stderr)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_another_thread_queries_by_itself() -> None:
    names: list[str] = []
    with duckdb.connect() as connection:
        thread = threading.Thread(
            target=lambda: interruptible(connection, lambda: names.append(threading.current_thread().name)),
            name="of the user",
        )
        thread.start()
        thread.join()

    assert ["of the user"] == names

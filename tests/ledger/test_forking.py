"""The process in which something was opened. The tests of sharing fork for it."""

import pytest

from tieout.ledger import forking
from tieout.ledger.errors import OpenedBeforeFork
from tieout.ledger.forking import Home


def test_only_the_process_that_opened_something_may_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home()
    home.require("books.duckdb")
    answers = [home.is_here]
    monkeypatch.setattr(forking, "_forks", forking._forks + 1)
    answers.append(home.is_here)

    assert [True, False] == answers
    with pytest.raises(OpenedBeforeFork, match=r"^books\.duckdb was opened before this process was forked"):
        home.require("books.duckdb")

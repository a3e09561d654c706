"""Opening a file and querying it, broken off in the middle: nothing stays open."""

from pathlib import Path

import duckdb
import pytest

from tieout.ledger.books.commodity import currency
from tieout.ledger.errors import DamagedFile
from tieout.ledger.file import database
from tieout.ledger.journal import Journal

COMMODITIES = [currency("USD")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.duckdb"


def test_a_query_that_ctrl_c_has_ended_is_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt), database.explain_errors(None):
        raise RuntimeError(database._INTERRUPTED)
    with pytest.raises(RuntimeError, match="planted"), database.explain_errors(None):
        raise RuntimeError("planted")


def test_a_file_without_a_connection_is_released(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise duckdb.Error("planted")

    with monkeypatch.context() as patch:
        patch.setattr(database.Database, "_connect", fail)
        with pytest.raises(DamagedFile, match="planted"):
            Journal.create(path, COMMODITIES)

    path.unlink(missing_ok=True)
    Journal.create(path, COMMODITIES).close()


def test_a_journal_that_cannot_be_restored_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Journal.create(path, COMMODITIES).close()

    def fail(*_: object) -> None:
        raise ValueError("planted")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_restore", fail)
        with pytest.raises(ValueError, match="planted"):
            Journal.open(path)

    Journal.open(path).close()

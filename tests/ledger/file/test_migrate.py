"""Files of an earlier version: brought up to date in one transaction, or refused and left alone."""

from pathlib import Path

import duckdb
import pytest

from tieout.ledger.books.commodity import currency
from tieout.ledger.books.events import deposit
from tieout.ledger.errors import DamagedFile, NewerSchema, NotAJournal, OlderSchema, SealBroken, WriteFailed
from tieout.ledger.file import chain
from tieout.ledger.file.migrate import migrate, scripts
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.schema import SCHEMA_VERSION
from tieout.ledger.journal import Journal

RENAMES_A_COLUMN = "-- The host is written out.\nalter table provenance rename column node to host;"
ADDS_A_TABLE = "-- Remarks.\ncreate table remark (id bigint not null, text varchar not null);"


def of_version(path: Path, version: int) -> Path:
    """A journal as an earlier version might have written it: other provenance, an older view."""
    with Journal.create(path, [currency("USD")]) as journal:
        journal.post("2024-01-02", deposit, "USD", "100")
    with duckdb.connect(path) as connection:
        connection.execute("update provenance set schema_version = ?", [version])
        connection.execute("alter table provenance rename column host to node")
        connection.execute("create or replace view trial_balance as select 'as it was' as account")
    return path


def contents(path: Path) -> list[object]:
    with duckdb.connect(path, read_only=True) as connection:
        tables = connection.execute("select sql from duckdb_tables() order by all").fetchall()
        views = connection.execute("select sql from duckdb_views() order by all").fetchall()
        rows = connection.execute("from provenance").fetchall()
        return [tables, views, rows, *connection.execute("from transfer").fetchall()]


def test_a_file_of_an_earlier_version_is_brought_up_to_date_and_its_seals_hold(tmp_path: Path) -> None:
    path = of_version(tmp_path / "books.duckdb", SCHEMA_VERSION - 2)
    steps = {SCHEMA_VERSION - 2: RENAMES_A_COLUMN, SCHEMA_VERSION - 1: ADDS_A_TABLE}

    before = migrate(path, steps)

    assert SCHEMA_VERSION - 2 == before
    with Reader(path) as reader:
        assert [] == list(chain.broken(reader))
    with Journal.open(path) as journal:
        journal.post("2024-01-03", deposit, "USD", "1")
        assert 101 == journal.balance("Assets:Cash:USD")


def test_views_stored_in_the_file_are_brought_up_to_date_too(tmp_path: Path) -> None:
    path = of_version(tmp_path / "books.duckdb", SCHEMA_VERSION - 1)

    migrate(path, {SCHEMA_VERSION - 1: RENAMES_A_COLUMN})

    with duckdb.connect(path, read_only=True) as connection:
        assert ("Assets:Cash:USD",) in connection.execute("select account from trial_balance").fetchall()


def test_a_file_of_the_present_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    Journal.create(path, [currency("USD")]).close()
    before = path.read_bytes()

    assert SCHEMA_VERSION == migrate(path)
    assert before == path.read_bytes()


@pytest.mark.parametrize(
    ("script", "refusal"),
    [
        ("-- Fails half way.\ncreate table remark (id bigint);\ncreate table txn (id bigint);", WriteFailed),
        (RENAMES_A_COLUMN + "\nupdate transfer set amount = amount + 1;", SealBroken),
        (RENAMES_A_COLUMN + "\nalter table transfer drop column lot;", DamagedFile),
        (RENAMES_A_COLUMN + "\ndelete from provenance;", DamagedFile),
    ],
)
def test_a_script_that_fails_or_breaks_a_seal_leaves_the_file_as_it_was(
    tmp_path: Path, script: str, refusal: type[Exception]
) -> None:
    path = of_version(tmp_path / "books.duckdb", SCHEMA_VERSION - 1)
    before = contents(path)

    with pytest.raises(refusal):
        migrate(path, {SCHEMA_VERSION - 1: script})

    assert before == contents(path)


def test_an_earlier_version_that_nothing_leads_from_is_refused(tmp_path: Path) -> None:
    path = of_version(tmp_path / "books.duckdb", SCHEMA_VERSION - 2)
    before = contents(path)

    with pytest.raises(OlderSchema, match=f"leads from {SCHEMA_VERSION - 1}"):
        migrate(path, {SCHEMA_VERSION - 2: RENAMES_A_COLUMN})
    with pytest.raises(OlderSchema, match="tieout doctor --migrate"):
        Journal.open(path)

    assert before == contents(path)


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    path = of_version(tmp_path / "books.duckdb", SCHEMA_VERSION + 1)

    with pytest.raises(NewerSchema, match=f"version {SCHEMA_VERSION + 1}"):
        migrate(path)
    with pytest.raises(NewerSchema, match=f"version {SCHEMA_VERSION + 1}"):
        Journal.open(path)


def test_what_is_not_a_journal_is_not_migrated(tmp_path: Path) -> None:
    other, empty = tmp_path / "other.duckdb", of_version(tmp_path / "empty.duckdb", 0)
    with duckdb.connect(other) as connection:
        connection.execute("create table a (b integer)")
    with duckdb.connect(empty) as connection:
        connection.execute("delete from provenance")

    with pytest.raises(NotAJournal, match="no table provenance"):
        migrate(other)
    with pytest.raises(DamagedFile, match="0 rows in the table provenance"):
        migrate(empty)


def test_there_is_a_script_for_every_earlier_version() -> None:
    assert list(range(1, SCHEMA_VERSION)) == sorted(scripts())

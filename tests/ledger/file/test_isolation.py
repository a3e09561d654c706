"""The private copy of a file: its rows are those of whole tables, and the file has no other way in."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from tieout.ledger.application import CHECK_FAILED, COULD_NOT_RUN, application
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import buy, deposit, sell
from tieout.ledger.errors import (
    DamagedFile,
    InvalidQuery,
    NotAJournal,
    SealBroken,
    TimeLimitReached,
    UnknownRecords,
)
from tieout.ledger.file import chain, isolation, limits
from tieout.ledger.file.database import Database
from tieout.ledger.file.limits import time_limit
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.schema import Schema, ledger_schema
from tieout.ledger.file.verify import Opinion, Outcome, verify
from tieout.ledger.journal import Journal

COMMODITIES = [currency("USD"), instrument("FISH"), instrument("CHIPS")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return books of two blocks, with a gain of 30."""
    path = tmp_path / "books.duckdb"
    with Journal.create(path, COMMODITIES) as journal:
        journal.post("2023-05-01", deposit, "USD", "700")
        journal.post("2023-05-02", buy, "FISH", quantity="7", gross="210")
        journal.commit()
        journal.post("2023-05-03", sell, "FISH", quantity="3", proceeds="120", note="friday")
    return path


def edit(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def command(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(application(), [*map(str, words)])
    return result.exit_code, result.stdout + result.stderr


# --- what is read ----------------------------------------------------------------------------------


def test_a_copy_has_the_rows_of_every_table(path: Path) -> None:
    with Reader(path) as copy, Reader.in_place(path) as original:
        assert (True, False) == (copy.is_copy, original.is_copy)
        for table in ("run", "seal", "provenance", *copy.layout):
            query = f'from "{table}" order by all'
            assert original.sql(query).rows() == copy.sql(query).rows()
        for view in copy.views:
            query = f"from {view} order by all"
            assert original.sql(query).rows() == copy.sql(query).rows()


@pytest.mark.parametrize(
    "column",
    [
        "amount bigint as (case when current_query() like '%FROM%' then 1 else stored end)",
        "amount bigint as (stored + 1000000)",
    ],
)
def test_a_table_with_a_computed_column_is_not_read(path: Path, column: str) -> None:
    edit(
        path,
        "create table other as select seq, txn, debit, credit, amount as stored, lot from transfer",
        "drop table transfer",
        "create table transfer (seq bigint, txn bigint, debit integer, credit integer, stored bigint,"
        f" {column}, lot bigint)",
        "insert into transfer (seq, txn, debit, credit, stored, lot) select * from other",
        "drop table other",
    )

    with Reader(path, with_catalogue=True) as reader:
        report = verify(reader)

    assert Opinion.ADVERSE is report.opinion
    assert "the table transfer is defined otherwise than in a journal" in reader.faults
    assert "the table transfer has computed columns, which no journal has, and is not read" in reader.faults


def test_functions_and_views_of_the_file_answer_nothing(path: Path) -> None:
    with Reader(path) as reader:
        truth = reader.view("trial-balance").rows()
    edit(
        path,
        "create macro greatest(a, b) as 7",
        "create macro sum(a) as 7",
        "create or replace view trial_balance as select 'a lie' as account",
    )

    with Reader(path, with_catalogue=True) as reader:
        assert truth == reader.view("trial-balance").rows()
        assert [
            "the macro greatest is not part of a journal",
            "the macro sum is not part of a journal",
            "the view trial_balance is defined otherwise than in a journal",
        ] == reader.faults


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("create table extra (id integer)", "the table extra is not part of a journal"),
        ("create schema other", "the schema other is not part of a journal"),
        ("create sequence numbers", "the sequence numbers is not part of a journal"),
        ("create type colour as enum ('red')", "the type colour is not part of a journal"),
        ("create index one on note (id)", "the index one is not part of a journal"),
        ("create view extra as select 1 as one", "the view extra is not part of a journal"),
        ("create macro one() as 1", "the macro one is not part of a journal"),
        ("create macro rows_of() as table select 1", "the macro rows_of is not part of a journal"),
        ("drop view proof", "the view proof is missing"),
        (
            "alter table note alter text set default 'x'",
            "the table note is defined otherwise than in a journal",
        ),
        (
            "alter table note alter text drop not null",
            "the table note is defined otherwise than in a journal",
        ),
        ("comment on table note is 'see also'", "the table note is defined otherwise than in a journal"),
    ],
)
def test_everything_in_the_catalogue_is_compared(path: Path, statement: str, fault: str) -> None:
    with Reader(path) as reader:
        truth = reader.view("trial-balance").rows()
    edit(path, statement)

    with Reader(path, with_catalogue=True) as reader:
        assert [fault] == reader.faults
    assert CHECK_FAILED == command("verify", path)[0]
    with pytest.raises(SealBroken, match="nothing of it is used"):
        Journal.open(path)
    with chain.open_verified(path) as reader:
        assert truth == reader.view("trial-balance").rows()


@pytest.mark.parametrize("table", ["run", "provenance", "seal", "transfer"])
def test_a_name_in_another_case_is_a_fault_and_no_column_is_lost(path: Path, table: str) -> None:
    with Reader(path) as reader:
        truth = reader.view("trial-balance").rows()
    edit(
        path,
        *(
            statement
            for column in (ledger_schema().columns or {})[table]
            for statement in (
                f'alter table "{table}" rename "{column}" to aside',
                f'alter table "{table}" rename aside to "{column.upper()}"',
            )
        ),
    )

    with Reader(path, with_catalogue=True) as reader:
        assert [f"the table {table} is defined otherwise than in a journal"] == reader.faults[:1]
        assert Opinion.ADVERSE is verify(reader).opinion
        assert truth == reader.view("trial-balance").rows()
    with Reader.in_place(path) as reader:
        assert truth == reader.view("trial-balance").rows()
        assert not [*chain.departures(reader)]


def test_null_is_found_by_the_seals(path: Path) -> None:
    edit(path, "alter table note alter text drop not null", "update note set text = null")

    with Reader(path) as reader:
        assert ["block 1: note has NULL in text"] == [str(fault) for fault in chain.departures(reader)]


def test_rows_without_end_are_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_ROWS_A_BYTE", 2 / path.stat().st_size)

    with Reader(path) as reader:
        assert any("has more rows than the file has room for" in fault for fault in reader.faults)


# --- what is out of reach --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_text('/etc/hostname')",
        "select * from read_csv('{folder}/canary.csv')",
        "select * from '{folder}/canary.csv'",
        "select * from glob('{folder}/*')",
        "select * from read_blob('{folder}/books.duckdb')",
    ],
)
def test_a_query_over_a_copy_reads_no_file(path: Path, tmp_path: Path, query: str) -> None:
    (tmp_path / "canary.csv").write_text("a,b\n1,2\n")

    with Reader(path) as reader, pytest.raises(InvalidQuery, match="disabled"):
        reader.sql(query.format(folder=tmp_path))


@pytest.mark.parametrize("setting", ["enable_external_access = true", "memory_limit = '1GB'", "threads = 1"])
def test_settings_of_an_isolated_database_are_fixed(path: Path, setting: str) -> None:
    for database in (Database(path, read_only=True, isolated=True), Database(None, isolated=True)):
        with database, pytest.raises(duckdb.Error, match="locked"):
            database.connection.execute(f"set {setting}")


def test_a_view_of_the_file_that_reads_a_file_is_not_performed(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("text\nsecret\n")
    edit(
        path,
        "drop table note",
        f"create view note as select 0 as id, 0 as txn, text from read_csv('{secret}')",  # noqa: S608  quoted
    )

    status, output = command("verify", path)
    assert CHECK_FAILED == status
    assert "secret" not in output.replace("secret.csv", "")
    status, output = command("show", path, "posting")
    assert (CHECK_FAILED, True) == (status, "adverse" in output)


# --- what could not be examined ----------------------------------------------------------------------


def test_records_that_are_not_installed_are_a_disclaimer(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    rain = Schema("rain", 1, "create table rain (id integer not null, millimetres double not null);", {}, {})
    with Journal.create(path, COMMODITIES, schemas=[rain]) as journal:
        journal.add("rain", {"millimetres": [1.5]})
        journal.post("2023-05-01", deposit, "USD", "700")

    with pytest.raises(UnknownRecords, match="'rain', which is not installed"):
        Reader(path)
    with Reader(path, allow_gaps=True, with_catalogue=True) as reader:
        report = verify(reader)
    assert Opinion.DISCLAIMER is report.opinion
    assert "'rain'" in report.gaps[0]
    assert all(result.outcome is not Outcome.FAILED for result in report.results)
    status, output = command("verify", path)
    assert (COULD_NOT_RUN, True) == (status, "disclaimer: the file could not be examined in full" in output)


@pytest.mark.parametrize("version", [1, 99])
def test_a_file_of_another_version_has_seals(path: Path, version: int) -> None:
    def rename(text: str) -> str:
        return json.dumps(json.loads(text) | {"records": [["ledger", version]]})

    with duckdb.connect(str(path)) as connection:
        ((policies,),) = connection.execute("select policies from run").fetchall()
        connection.execute("update run set policies = ?", [rename(policies)])

    with Reader(path, allow_gaps=True) as reader:
        departures = [*chain.departures(reader)]
        assert [-1, 0] == [departure.block for departure in departures]  # the row of the run was edited
        assert [] == reader.schemas
        assert f"its tables have version {version}" in reader.gaps[0]


def test_a_check_without_end_is_a_disclaimer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def expire(*_: Any) -> None:
        raise TimeLimitReached("books: one step takes more than 0 s; --time-limit allows more")

    with Reader(path) as reader:
        monkeypatch.setattr("tieout.ledger.file.verify._check", expire)
        report = verify(reader)

    assert Opinion.DISCLAIMER is report.opinion
    assert {Outcome.NOT_EXAMINED} == {result.outcome for result in report.results[1:]}
    assert 1 + len(report.gaps) == len(report.results)


def test_a_query_is_interrupted_at_its_limit(path: Path) -> None:
    endless = "select count(*) from range(1000000000000) as t(i) where hash(i) % 3 = 1"
    with (
        Database(None) as database,
        pytest.raises(TimeLimitReached, match="--time-limit allows more"),
        time_limit(path, 0.05, database.connection),
    ):
        database.connection.execute(endless).fetchall()
    with Database(None) as database, time_limit(path, 60, database.connection):
        assert [(1,)] == database.connection.execute("select 1").fetchall()


def test_an_error_within_the_limit_is_the_error_itself(path: Path) -> None:
    with (
        Database(None) as database,
        pytest.raises(duckdb.CatalogException),
        time_limit(path, 60, database.connection),
    ):
        database.connection.execute("from nothing")


def test_the_limit_grows_with_the_file(path: Path) -> None:
    seconds = limits.default_limit(path)
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + 5_000_000)

    assert 60 < seconds < 120
    assert 50 == round(limits.default_limit(path) - seconds, 6)


# --- the opinion -------------------------------------------------------------------------------------


def test_the_opinion_is_the_exit_status(path: Path) -> None:
    status, output = command("verify", path)
    assert (0, True) == (status, "unqualified: no check failed" in output)
    edit(path, "update note set text = 'saturday'")
    status, output = command("verify", path)
    assert (CHECK_FAILED, True) == (status, "adverse: 1 of 11 checks FAILED" in output)
    path.write_bytes(path.read_bytes()[:20_000])
    status, output = command("verify", path)
    assert (COULD_NOT_RUN, True) == (status, "the opinion is a disclaimer" in output)


def test_an_altered_file_is_shown_by_no_command_unless_unverified(path: Path) -> None:
    edit(path, "update note set text = 'saturday'")

    for words in (
        ["show", path, "posting"],
        ["sql", path, "from note"],
        ["trace", path, "--transaction", "2"],
    ):
        status, output = command(*words)
        assert CHECK_FAILED == status
        assert output.startswith("tieout: adverse: ")
        assert "saturday" not in output
    status, output = command("sql", path, "from note", "--unverified")
    assert (0, True) == (status, "books.duckdb: the seals were not checked" in output)
    assert "saturday" in output
    status, output = command("trace", path, "--transaction", "2", "--unverified")
    assert (0, True) == (status, "sealed according to the file, which was not checked, in block 1" in output)


def test_a_wal_beside_the_file_is_named(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("pragma disable_checkpoint_on_shutdown")
        connection.execute("update note set text = 'saturday'")
        connection.execute("update note set text = 'friday'")

    status, output = command("verify", path)
    assert (0, True) == (status, "verified with books.duckdb.wal beside it" in output)


def test_a_database_of_another_program_is_no_journal(tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    edit(other, "create table t as select 1 as one")

    with pytest.raises(NotAJournal, match="no table provenance, run, seal, transfer, txn"):
        Reader(other)
    status, output = command("verify", other)
    assert (COULD_NOT_RUN, True) == (status, "disclaimer" in output)


# --- books that go on ----------------------------------------------------------------------------------


def test_books_that_go_on_answer_from_the_copy(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.post("2023-05-04", sell, "FISH", quantity="1", proceeds="40")
        journal.commit()
        journal.post("2023-05-05", sell, "FISH", quantity="1", proceeds="41")
        balances = journal.sql("from trial_balance").rows()
        seals = journal.sql("select block from seal order by block").rows()
        journal.commit()

    assert [{"block": 0}, {"block": 1}, {"block": 2}] == seals
    with chain.open_verified(path) as reader:
        assert balances == reader.view("trial-balance").rows()


# --- errors on the way -----------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["_create", "_Copy._insert"])
def test_a_copy_that_is_broken_off_is_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    closed: list[Database] = []
    close = Database.close

    def fail(*_: object) -> None:
        raise TimeLimitReached("planted")

    def record(database: Database) -> None:
        closed.append(database)
        close(database)

    monkeypatch.setattr(f"tieout.ledger.file.isolation.{function}", fail)
    monkeypatch.setattr(Database, "close", record)

    with pytest.raises(TimeLimitReached, match="planted"):
        Reader(path)
    assert 2 == len({id(database) for database in closed})


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("alter table run alter seed type varchar", "the table run has values of other types"),
        ("alter table provenance alter schema_version type varchar", "the table provenance has no version"),
        ("drop view leg; drop table transfer cascade", "no table transfer"),
        ("alter table note rename to aside", "has lost the table note"),
    ],
)
@pytest.mark.parametrize("is_in_place", [False, True])
def test_a_file_that_cannot_be_described_is_one_sentence(
    path: Path, statement: str, sentence: str, *, is_in_place: bool
) -> None:
    edit(path, *statement.split("; "))

    if is_in_place or "note" not in statement:
        with pytest.raises((DamagedFile, NotAJournal), match=sentence):
            Reader.in_place(path) if is_in_place else Reader(path)


def test_views_over_a_table_in_place_that_lacks_a_column_are_one_sentence(path: Path) -> None:
    edit(path, "alter table transfer drop column lot")

    with Reader.in_place(path) as reader, pytest.raises(DamagedFile, match=r"books\.duckdb"):
        reader.sql("from leg")


def test_a_damaged_file_in_place_says_so_in_a_query(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise InvalidQuery("planted") from duckdb.Error("Serialization Error: planted")

    monkeypatch.setattr("tieout.ledger.file.reader.execute", fail)

    with Reader(path) as reader, pytest.raises(DamagedFile, match="planted"):
        reader.sql("from leg")


def test_more_rows_than_a_file_has_room_for_are_not_copied(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "_ROWS_A_BYTE", 0)

    with Reader(path) as reader:
        assert "transfer has more rows than the file has room for" in "; ".join(reader.faults)

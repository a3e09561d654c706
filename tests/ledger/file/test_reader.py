"""A reader: it shows its own views for any view of that name in the file, and refuses other versions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tieout import Journal, currency, deposit
from tieout.ledger import errors
from tieout.ledger.file import chain, doctor, provenance
from tieout.ledger.file import query as query_module
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Run
from tieout.ledger.file.schema import SCHEMA_VERSION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "books.duckdb"
    with Journal.create(path, [currency("USD")]) as books:
        books.post("2024-01-02", deposit, "USD", "100")
    with duckdb.connect(str(path)) as connection:
        for view in ("equity", "posting", "leg", "proof"):
            connection.execute(f"create or replace view {view} as select 'a lie' as account")
        connection.execute("create macro posting_of() as table select 'a lie' as account")
    return path


@pytest.mark.parametrize(
    "query",
    [
        "select account from posting",
        'select account from "posting"',
        "SELECT ACCOUNT FROM POSTING",
        "select account from/**/posting",
        "with p as (from posting) select account from p",
        "select account from query_table('posting')",
        "select account from query('from post' || 'ing')",
        "select account from query_table(['post' || 'ing'])",
        "select p.account from (select 1) cross join lateral (from posting) as p",
        "select (select min(account) from posting) as account",
    ],
)
def test_a_view_in_the_file_is_never_read_in_place_of_the_installed_one(path: Path, query: str) -> None:
    with Reader(path) as reader:
        accounts = {row["account"] for row in reader.sql(query).rows()}

    assert "a lie" not in accounts
    assert accounts <= {"Assets:Cash:USD", "Equity:Contributions"}
    assert accounts


def test_views_are_listed_before_any_of_them_is_queried(path: Path) -> None:
    with Reader(path) as reader:
        assert {"posting", "trial_balance", "proof", "check_balanced"} <= {*reader.views}
        rows = reader.sql("select view_name from duckdb_views() where not internal").rows()

        assert {*reader.views} <= {row["view_name"] for row in rows}


def test_a_function_in_the_file_is_never_called_in_place_of_duckdbs_own(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create macro sum(a) as 7")
    with Reader(path) as reader:
        expected = reader.view("trial_balance").rows()
    with Reader.in_place(path) as reader:
        assert expected == reader.view("trial_balance").rows()


def names_of_views(reader: Reader) -> set[str]:
    """Return the views that are installed now."""
    rows = reader.tables.execute("select view_name from duckdb_views() where not internal").fetchall()
    return {name for (name,) in rows}


def test_a_reader_begins_without_views_and_each_brings_those_that_it_reads(path: Path) -> None:
    with Reader(path) as reader:
        views = reader.views
    for view in views:
        with Reader(path) as reader:
            assert set() == names_of_views(reader)
            reader.view(view)
            assert view in names_of_views(reader)


def test_only_views_that_a_query_names_are_installed(path: Path) -> None:
    with Reader(path) as reader:
        reader.sql("select count(*) from transfer")
        assert set() == names_of_views(reader)
        reader.sql("from examined_balanced")
        assert {"check_balanced", "examined_balanced"} <= names_of_views(reader)
        assert "trial_balance" not in names_of_views(reader)


@pytest.mark.parametrize(
    "query", ["show tables", "describe", "from information_schema.tables", "from pg_views"]
)
def test_a_query_of_the_catalogue_sees_every_view(path: Path, query: str) -> None:
    with Reader(path) as reader:
        reader.sql(f"from ({query})")
        assert {*reader.views} <= names_of_views(reader)


def test_a_name_that_is_not_there_is_answered_with_the_nearest_of_all_views(path: Path) -> None:
    with Reader(path) as reader, pytest.raises(errors.InvalidQuery, match="trial_balance"):
        reader.sql("from trial_balanc")


def test_a_query_that_fails_in_its_rows_is_asked_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queries: list[str] = []
    right = query_module.execute

    def counted(connection: Any, query: str, *rest: Any) -> Any:
        queries.append(query)
        return right(connection, query, *rest)

    monkeypatch.setattr("tieout.ledger.file.reader.execute", counted)
    with Reader(path) as reader:
        for query in ("select 'x'::integer from transfer", "from transfe"):
            with pytest.raises(errors.InvalidQuery):
                reader.sql(query)

    assert ["select 'x'::integer from transfer", "from transfe", "from transfe"] == queries


@pytest.mark.parametrize("size", [1, 3, 4, 1_000])
def test_the_block_that_departs_is_the_same_however_many_rows_are_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(chain, "ROWS_OF_WINDOW", size)
    path = tmp_path / "books.duckdb"
    with Journal.create(path, [currency("USD")]) as books:
        for count in (2, 5, 1, 3):
            for day in range(count):
                books.post(f"2024-01-{10 + 2 * books.head.blocks + day // 5}", deposit, "USD", "100")
            books.commit()
    with Reader(path) as reader:
        assert [] == [*chain.departures(reader)]

    with duckdb.connect(str(path)) as connection:
        connection.execute("update transfer set amount = amount + 1 where seq in (6, 7)")
    with Reader(path) as reader:
        assert [1, 2] == [departure.block for departure in chain.departures(reader)]


@pytest.mark.parametrize(
    ("statement", "faults"),
    [
        (
            (
                "create table t as from transfer order by seq desc; delete from transfer;"
                " insert into transfer from t"
            ),
            [],
        ),
        ("delete from seal where block = 1", ["block 1: its seal is missing; the next is that of block 2"]),
    ],
)
def test_rows_may_lie_in_any_order_and_no_seal_may_be_missing(
    tmp_path: Path, statement: str, faults: list[str]
) -> None:
    path = tmp_path / "books.duckdb"
    with Journal.create(path, [currency("USD")]) as books:
        for day in range(3):
            books.post(f"2024-01-0{day + 1}", deposit, "USD", "100")
            books.commit()
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    with Reader(path) as reader:
        assert faults == [*map(str, chain.departures(reader))]


def test_a_file_is_closed_where_the_row_of_its_run_cannot_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "books.duckdb"

    def fail() -> dict[str, str]:
        raise OSError("planted")

    with monkeypatch.context() as patch:
        patch.setattr(provenance, "here", fail)
        with pytest.raises(errors.WriteFailed, match="planted"):
            Journal.create(path)
    with duckdb.connect(str(path)) as connection:
        assert [] == connection.execute("from run").fetchall()


def test_the_head_of_a_file_is_the_digest_of_its_last_block(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    books = Journal.create(path, [currency("USD")])
    books.post("2024-01-02", deposit, "USD", "100")
    books.commit()
    books.post("2024-01-03", deposit, "USD", "1")
    head = books.close()
    assert head is not None
    Journal.create(tmp_path / "blank.duckdb").close()

    with Reader(path) as reader, Reader(tmp_path / "blank.duckdb") as blank:
        assert 2 == head.blocks
        assert (head.digest.hex(), "") == (reader.head, blank.head)


@pytest.mark.parametrize(
    ("version", "refusal", "remedy"),
    [
        (SCHEMA_VERSION - 1, errors.OlderSchema, "open it with the tieout that wrote it"),
        (SCHEMA_VERSION + 1, errors.NewerSchema, "update tieout"),
    ],
)
def test_a_file_of_another_version_is_refused_and_left_alone(
    path: Path, version: int, refusal: type[errors.StoreError], remedy: str
) -> None:
    with duckdb.connect(str(path)) as connection:
        versions = f'["ledger",{SCHEMA_VERSION}]', f'["ledger",{version}]'
        connection.execute("update run set policies = replace(policies, ?, ?)", versions)
    before = path.read_bytes()
    message = f"its tables have version {version}, this tieout reads version {SCHEMA_VERSION}; {remedy}"

    uses: list[Callable[[Path], object]] = [
        Reader,
        Journal.open,
        lambda path: Journal.replay(path, [currency("USD")], Run()),
        doctor.repair,
    ]
    for use in uses:
        with pytest.raises(refusal, match=message):
            use(path)
    assert before == path.read_bytes()


@pytest.mark.parametrize("rows", [0, 2])
def test_a_file_without_exactly_one_version_is_damaged(path: Path, rows: int) -> None:
    statement = "delete from provenance" if rows == 0 else "insert into provenance from provenance"
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)

    with pytest.raises(errors.DamagedFile, match=f"{rows} rows in the table provenance, not one"):
        Reader(path)


READS: dict[str, Callable[[Reader], object]] = {
    "sql": lambda reader: reader.sql("from posting").rows(),
    "view": lambda reader: reader.view("posting").rows(),
    "columns": lambda reader: reader.columns("txn", ("id", "timestamp")),
    "head": lambda reader: reader.head,
}


@pytest.mark.parametrize("name", READS)
def test_a_closed_reader_says_that_it_is_closed(path: Path, name: str) -> None:
    with Reader(path) as reader:
        assert READS[name](reader) is not None

    with pytest.raises(errors.JournalClosed, match="closed; open it again"):
        READS[name](reader)

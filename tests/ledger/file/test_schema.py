"""Tables, views and checks of a package that the ledger does not know are kept like its own."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from attrs import evolve

from tests.support import naive
from tieout.execution.records import RECORDS
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import deposit
from tieout.ledger.errors import InvalidRows, ReplayDiverged, UnknownRecords, WriteFailed
from tieout.ledger.file import layout
from tieout.ledger.file import schema as schema_module
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.file.schema import Schema, installed_schema, ledger_schema, statements_of
from tieout.ledger.file.verify import Outcome, verify
from tieout.ledger.journal import Journal

WEATHER = Schema(
    name="weather",
    version=3,
    tables="""
        -- The sky on the days on which money moved.
        create table sky (
            id    bigint       not null,
            timestamp timestamp_ns not null,
            rain  double       not null,
            wind  smallint     not null,
            cloud tinyint      not null,
            place integer      not null,
            clear boolean      not null,
            words varchar      not null
        );
    """,
    views={
        "wet_days": "create or replace view wet_days as select timestamp, rain from rainy where rain > 1",
        "rainy": "create or replace view rainy as select * from sky where rain > 0",
    },
    checks={
        "rain": """-- Rain: none falls below zero.
            create or replace view check_rain as
            select 'day ' || id as subject, 'rain ' || rain as actual, 'not below 0' as expected
            from sky where rain < 0;
            create or replace view examined_rain as select count(*) as rows from sky;"""
    },
)
DAYS: dict[str, Any] = {
    "timestamp": np.array([1, 2], "M8[ns]"),
    "rain": [0.5, 2.5],
    "wind": [10, -10],
    "cloud": [8, 0],
    "place": [1, 2],
    "clear": [False, True],
    "words": ["drizzle", "Schauer, böig"],
}


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invented package, installed beside the real one."""
    points = [
        EntryPoint("execution", "tieout.execution.records:RECORDS", "tieout.records"),
        EntryPoint("weather", f"{__name__}:WEATHER", "tieout.records"),
    ]
    packages = {"execution": RECORDS, "weather": WEATHER}
    monkeypatch.setattr(EntryPoint, "load", lambda point: packages[point.name])
    monkeypatch.setattr(schema_module, "entry_points", lambda group: points if "tieout" in group else [])
    monkeypatch.setattr(schema_module, "_ENTRY_POINTS", {})


def books(path: Path | None = None, *packages: Schema) -> Journal:
    policies = Policies(block_transfers=1)
    return Journal.create(path, [currency("USD"), instrument("ACME")], Run(policies=policies), packages)


def filed(path: Path) -> Path:
    with books(path, WEATHER, RECORDS) as journal:
        journal.add("sky", DAYS)
        journal.post(1, deposit, "USD", "10")
        journal.add("sky", {name: values[:1] for name, values in DAYS.items()})
        journal.post(2, deposit, "USD", "10")
    return path


@pytest.mark.usefixtures("weather")
def test_rows_of_another_package_are_stored_sealed_and_verified(tmp_path: Path) -> None:
    path = filed(tmp_path / "books.duckdb")
    stored, computed = naive.seals(path)
    with Reader(path) as reader:
        report = verify(reader)
        days = reader.sql("select id, rain, wind, cloud, place, clear, words from sky order by id").rows()
        wet = reader.view("wet-days").rows()
        counted = reader.sql("select rows from seal order by block").rows()

    assert stored == computed
    assert report.ok
    assert [3] == [result.examined for result in report.results if result.name == "rain"]
    assert ["none falls below zero"] == [result.title for result in report.results if result.name == "rain"]
    assert [
        {"id": 0, "rain": 0.5, "wind": 10, "cloud": 8, "place": 1, "clear": False, "words": "drizzle"},
        {"id": 1, "rain": 2.5, "wind": -10, "cloud": 0, "place": 2, "clear": True, "words": "Schauer, böig"},
        {"id": 2, "rain": 0.5, "wind": 10, "cloud": 8, "place": 1, "clear": False, "words": "drizzle"},
    ] == days
    assert [2.5] == [day["rain"] for day in wet]
    assert [2, 1] == [json.loads(row["rows"])["sky"] for row in counted]


@pytest.mark.usefixtures("weather")
@pytest.mark.parametrize(
    ("change", "block"),
    [
        ("update sky set rain = rain + 1e-12 where id = 1", 0),
        ("update sky set clear = not clear where id = 2", 1),
        ("update sky set words = 'Schauer, böiG' where id = 1", 0),
        ("delete from sky where id = 0", 0),
        ("insert into sky select * replace (3 as id) from sky where id = 2", 2),
    ],
)
def test_a_row_of_another_package_that_is_tampered_with_is_found_in_its_block(
    tmp_path: Path, change: str, block: int
) -> None:
    path = filed(tmp_path / "books.duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute(change)
    with Reader(path) as reader:
        (failed,) = [result for result in verify(reader).results if result.outcome is Outcome.FAILED]

    assert "seals" == failed.name
    assert [f"block {block}"] == [finding.split(":")[0] for finding in failed.findings]


@pytest.mark.usefixtures("weather")
def test_the_check_of_another_package_fails_on_what_it_forbids(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with books(path, WEATHER) as journal:
        journal.add("sky", DAYS | {"rain": [0.0, -0.25]})
    with Reader(path) as reader:
        report = verify(reader)

    assert not report.ok
    assert [["day 1: rain -0.25; expected: not below 0"]] == [
        result.findings for result in report.results if result.outcome is Outcome.FAILED
    ]


@pytest.mark.usefixtures("weather")
def test_a_journal_opened_again_goes_on_numbering_the_rows_of_another_room(tmp_path: Path) -> None:
    path = filed(tmp_path / "books.duckdb")
    with Journal.open(path) as journal:
        assert [WEATHER, RECORDS] == list(journal.schemas)
        assert 3 == journal.count("sky")
        journal.add("sky", DAYS)
        rows = journal.sql("select id from sky order by id").rows()

    assert [0, 1, 2, 3, 4] == [row["id"] for row in rows]
    with Reader(path) as reader:
        assert verify(reader).ok


def test_a_file_whose_records_are_not_installed_is_refused(tmp_path: Path) -> None:
    path = filed(tmp_path / "books.duckdb")

    for opened in (Reader, Journal.open):
        with pytest.raises(UnknownRecords, match="records of 'weather', which is not installed"):
            opened(path)


@pytest.mark.usefixtures("weather")
def test_records_of_another_version_are_refused() -> None:
    assert WEATHER == installed_schema("weather", 3)
    with pytest.raises(UnknownRecords, match="holds version 2 of the records of 'weather'; version 3 is"):
        installed_schema("weather", 2)


@pytest.mark.usefixtures("weather")
def test_the_records_are_part_of_the_genesis(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    policies = Policies(block_transfers=1)
    books(path, WEATHER).close()

    assert books().genesis != books(None, WEATHER).genesis != books(None, RECORDS).genesis
    with pytest.raises(ReplayDiverged, match="made from another"):
        Journal.replay(path, [], Run(policies=policies), [WEATHER, RECORDS])


def test_a_view_comes_after_those_it_reads() -> None:
    order = list(statements_of([WEATHER]).in_order)

    assert order.index("rainy") < order.index("wet_days")
    assert {"rainy", "wet_days", "check_rain"} == set(order)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"rain": [1.0]}, "differ in length"),
        (
            {"humidity": [1.0, 2.0]},
            "has the columns timestamp, rain, wind, cloud, place, clear, words, not timestamp",
        ),
        ({"id": [0, 1]}, "has the columns"),
        ({"wind": [1, 40_000]}, "sky.wind is SMALLINT and cannot hold 40000"),
        ({"wind": [1, 1.5]}, "sky.wind is SMALLINT and cannot hold 1.5"),
        ({"wind": [1, float("nan")]}, "sky.wind"),
        ({"wind": ["calm", "storm"]}, "sky.wind"),
        ({"wind": [1, None]}, "sky.wind"),
        ({"cloud": [1, 200]}, "sky.cloud is TINYINT and cannot hold 200"),
        ({"place": [1, 2**31]}, "sky.place is INTEGER and cannot hold 2147483648"),
        ({"rain": ["much", "little"]}, "sky.rain"),
        ({"rain": [1.0, None]}, "sky.rain"),
        ({"clear": [True, 2]}, "sky.clear is BOOLEAN and cannot hold 2"),
        ({"words": ["dry", 5]}, "sky.words is VARCHAR and cannot hold"),
        ({"words": ["dry", None]}, "sky.words is VARCHAR and cannot hold None"),
        ({"timestamp": ["yesterday", "today"]}, "sky.timestamp"),
        ({"timestamp": np.array([1, "NaT"], "M8[ns]")}, "sky.timestamp"),
        ({"timestamp": [1.5, 2.5]}, "sky.timestamp"),
        ({"rain": [[1.0], [2.0]]}, "sky.rain"),
        ({"rain": 1.0}, "sky.rain"),
        ({"words": ["dry", "\ud800"]}, "sky.words"),
    ],
)
def test_rows_that_do_not_fit_their_table_are_refused_and_none_is_kept(
    columns: dict[str, Any], reason: str
) -> None:
    with books(None, WEATHER) as journal:
        with pytest.raises(InvalidRows, match=reason):
            journal.add("sky", DAYS | columns)

        assert 0 == journal.count("sky")
        journal.add("sky", DAYS)
        assert 2 == journal.count("sky")


def test_rows_that_miss_a_column_or_a_table_are_refused() -> None:
    with books(None, WEATHER) as journal:
        with pytest.raises(InvalidRows, match="sky has the columns"):
            journal.add("sky", {"timestamp": DAYS["timestamp"]})
        for table in ("transfer", "txn", "account", "commodity", "note", "seal", "run", "fill", "tide"):
            with pytest.raises(InvalidRows, match=f"there is no table '{table}' to add to"):
                journal.add(table, {})


def test_no_rows_are_no_rows() -> None:
    with books(None, WEATHER) as journal:
        journal.add("sky", {name: [] for name in DAYS})

        assert 0 == journal.count("sky")
        assert [] == journal.sql("from sky").rows()


def test_numbers_that_fit_exactly_are_taken_in_any_type() -> None:
    with books(None, WEATHER) as journal:
        journal.add("sky", DAYS | {"wind": np.array([1.0, 2.0]), "rain": [1, float("nan")], "clear": [0, 1]})
        rows = journal.sql("select wind, rain, clear from sky order by id").rows()

    assert [1, 2] == [row["wind"] for row in rows]
    assert 1.0 == rows[0]["rain"]
    assert rows[1]["rain"] != rows[1]["rain"]
    assert [False, True] == [row["clear"] for row in rows]


def test_the_layout_in_the_text_is_that_of_the_tables_in_a_database() -> None:
    schemas = [ledger_schema(), RECORDS]

    in_text, in_database = layout._layout_in_text(schemas) or {}, layout._layout_in_database(schemas)

    assert list(in_database.items()) == list(in_text.items())
    assert [list(columns) for columns in in_database.values()] == [list(c) for c in in_text.values()]


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param("create table a (id bigint, b decimal(9, 2) not null);", id="a type that is not sealed"),
        pytest.param("create table a (id bigint primary key);", id="an unknown word"),
        pytest.param("create table a as select 1 as id;", id="no columns"),
        pytest.param("create table a (id bigint); create table a (b bigint);", id="twice"),
        pytest.param("create table a (id bigint, id bigint);", id="a column twice"),
        pytest.param("create or replace table a (id bigint);", id="replaced"),
        pytest.param("create temp table a (id bigint);", id="temporary"),
        pytest.param("/* create table a (id bigint); */", id="a comment"),
        pytest.param("create table a (id bigint); alter table a add column b bigint;", id="altered"),
        pytest.param("create table a (id bigint, constraint bigint check (id > 0));", id="a constraint"),
    ],
)
def test_a_table_with_any_other_clause_has_its_layout_read_from_a_database(tables: str) -> None:
    assert layout._layout_in_text([Schema("package", 1, tables, {}, {})]) is None


def test_a_view_that_cannot_be_created_is_reported_with_a_file_or_with_its_query(tmp_path: Path) -> None:
    package = evolve(WEATHER, views={"sunny": "create or replace view sunny as from nowhere"}, checks={})
    with pytest.raises(WriteFailed, match="nowhere"):
        books(tmp_path / "books.duckdb", package)

    journal = Journal.create(None, schemas=[package])
    with pytest.raises(WriteFailed, match="nowhere"):
        journal.sql("from sunny")
    journal.discard()

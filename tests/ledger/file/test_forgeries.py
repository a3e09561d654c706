"""Files that were forged to deceive an auditor, or to have his machine do the author's work.

Each stands for a kind. The forger in validation/evidence/forger tries many of every kind.
"""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from tieout.execution.records import RECORDS
from tieout.ledger.application import CHECK_FAILED, COULD_NOT_RUN, application
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import buy, deposit, sell
from tieout.ledger.errors import SealBroken
from tieout.ledger.file import chain
from tieout.ledger.file.identifier import quoted
from tieout.ledger.journal import Journal
from tieout.validation.evidence.forger.base import Base
from tieout.validation.evidence.forger.description import edit_layout, leave_out
from tieout.validation.evidence.forger.file import File
from tieout.validation.evidence.forger.lies import generate
from tieout.validation.evidence.forger.rows import reseal
from tieout.validation.evidence.forger.storage import lying

FORGED = "update transfer set amount = amount + 5000000000000 where seq >= 2"
"""Five million more of proceeds, and of gain."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """Return books with a gain of 90 and a tag."""
    path = tmp_path_factory.mktemp("forgeries") / "books.duckdb"
    with Journal.create(path, [currency("USD"), instrument("RYE")], schemas=[RECORDS]) as journal:
        journal.post("2022-09-01", deposit, "USD", "6500", note="from the owner")
        journal.post("2022-09-05", buy, "RYE", quantity="40", gross="800")
        journal.add("tag", {"name": ["harvest"]})
        journal.post("2022-09-19", sell, "RYE", quantity="30", proceeds="690")
    return Base.of(path)


@pytest.fixture
def file(base: Base, tmp_path: Path) -> File:
    return File(base, tmp_path / "received.duckdb")


def command(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(application(), [*map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout + result.stderr


def digest(file: File) -> str:
    """Return the head digest that the file has now, as its author would hand it over."""
    ((head,),) = file.run("select digest from seal order by block desc limit 1")
    return str(head)


def test_a_column_that_tells_queries_apart_deceives_no_command(base: Base, file: File) -> None:
    generate(base, "transfer", "amount", "current_query() not like '%between%'")(file)
    file.close()

    status, output = command("verify", file.path, "--anchor", base.anchor)
    assert (CHECK_FAILED, True) == (status, "adverse" in output)
    for words in (["show", file.path, "income-statement"], ["sql", file.path, "from transfer"]):
        status, output = command(*words)
        assert (CHECK_FAILED, True) == (status, output.startswith("tieout: adverse: "))


def test_a_range_that_lies_hides_no_row(base: Base, file: File) -> None:
    amounts = [row["amount"] for row in base.rows["transfer"]]
    least, greatest = min(amounts), max(amounts)
    lying("BIGINT", (least, greatest), (least, greatest - 1_000_000))(file)
    query = f"select max(amount) as most from transfer where amount > {greatest - 1}"  # noqa: S608  a number
    with duckdb.connect(str(file.path), read_only=True) as connection:
        assert [(None,)] == connection.execute(query).fetchall()  # the lie arrives

    assert 0 == command("verify", file.path, "--anchor", base.anchor)[0]
    assert (0, f"most\n{greatest}\n") == command("sql", file.path, query, "--format", "csv")


def test_a_name_that_closes_its_quotation_mark_performs_nothing(
    file: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "tag\"; copy (select 'planted') to 'planted.csv'; select 1 from \"tag"
    file.run(f"create table {quoted(name)} (id bigint)")
    edit_layout(lambda layout: layout.append((name, [["id", "BIGINT"]])))(file)
    reseal(file)
    head = digest(file)
    file.close()

    status, output = command("verify", file.path, "--anchor", head)
    assert (CHECK_FAILED, True) == (status, "which no package can register" in output)
    for words in (["show", file.path, "trial-balance"], ["trace", file.path, "--transaction", "1"]):
        assert CHECK_FAILED == command(*words)[0]
    for form in ("csv", "parquet", "beancount"):
        words = ["export", file.path, "--format", form, "--output", tmp_path / "out"]
        assert CHECK_FAILED == command(*words)[0]
    assert not (tmp_path / "planted.csv").exists()


def a_file_is_read(tmp_path: Path) -> str:
    return f"select id, content as name from aside, read_text('{tmp_path / 'secret.txt'}')"  # noqa: S608


def rows_never_end(_: Path) -> str:
    endless = "select count(*) from range(100000000000) a, range(100000) b where random() > 2"
    return f"select id, name from aside where ({endless}) = 0"  # noqa: S608


@pytest.mark.parametrize("view", [a_file_is_read, rows_never_end])
def test_a_view_in_the_place_of_a_table_is_not_performed(
    file: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: Callable[[Path], str]
) -> None:
    interruptions: list[float] = []

    class Timer(threading.Timer):
        def __init__(self, seconds: float, function: Callable[[], None]) -> None:
            def interrupt() -> None:
                interruptions.append(seconds)
                function()

            super().__init__(seconds, interrupt)

    monkeypatch.setattr("threading.Timer", Timer)
    (tmp_path / "secret.txt").write_text("the auditor's own")
    file.run("alter table tag rename to aside")
    file.run(f"create view tag as {view(tmp_path)}")
    file.close()

    commands: list[list[object]] = [
        ["verify", file.path],
        ["show", file.path, "order-history"],
        ["sql", file.path, "from tag"],
        ["trace", file.path, "--transaction", "2"],
        ["export", file.path, "--format", "csv", "--output", tmp_path / "out"],
    ]
    for words in commands:
        status, output = command(*words)
        assert CHECK_FAILED == status
        assert "the auditor's own" not in output
    assert "it has no table tag" in command("verify", file.path)[1]
    assert [] == interruptions
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("table", "column"), [("tag", "name"), ("run", "spec")])
def test_a_computed_column_is_not_computed(base: Base, file: File, table: str, column: str) -> None:
    """DuckDB would compute this one for hours, and not notice that it is interrupted."""
    endless = f"levenshtein(repeat({column}, 1000000), repeat('b', 1000000))::varchar"
    endless = f"case when current_query() like 'insert%' then '' else {endless} end"
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in base.columns[table].items())
    file.run(f"alter table {table} rename to aside")
    file.run(f"create table {table} ({columns}, computed varchar as ({endless}))")
    file.run(f"insert into {table} ({', '.join(map(quoted, base.columns[table]))}) from aside")
    file.close()

    status, output = command("verify", file.path)
    assert (CHECK_FAILED if table == "tag" else COULD_NOT_RUN) == status
    assert f"the table {table} has computed columns" in output


def test_a_row_without_a_number_is_an_adverse_opinion(file: File) -> None:
    file.run("create table forged as from transfer")  # a copy has no constraints
    file.run("drop table transfer")
    file.run("alter table forged rename to transfer")
    file.run("update transfer set seq = null, amount = -5 where seq = 2")
    file.close()

    status, output = command("verify", file.path)
    assert (CHECK_FAILED, True) == (status, "NULL: amount -5" in output)


@pytest.mark.parametrize("macro", ["greatest(a, b) as (a + 5000000)", "sum(a) as 7", "coalesce(a, b) as b"])
def test_books_with_a_function_of_their_own_do_not_go_on(
    base: Base, file: File, tmp_path: Path, macro: str
) -> None:
    file.run(f"create macro {macro}")
    file.close()

    with pytest.raises(SealBroken, match="is not part of a journal"):
        Journal.open(file.path)
    assert CHECK_FAILED == command("verify", file.path, "--anchor", base.anchor)[0]
    with chain.open_verified(file.path) as reader, File(base, tmp_path / "sound.duckdb") as sound:
        balances = reader.view("trial-balance").rows()
        with chain.open_verified(sound.path) as reader_of_sound:
            assert reader_of_sound.view("trial-balance").rows() == balances


def test_an_edited_transaction_is_not_said_to_be_sealed(file: File) -> None:
    file.run(FORGED)
    file.close()

    for words in (["trace", file.path, "--transaction", "2"], ["show", file.path, "income-statement"]):
        status, output = command(*words)
        assert CHECK_FAILED == status
        assert "sealed in block" not in output
        assert "5,000,0" not in output


@pytest.mark.parametrize("table", ["transfer", "note", "tag"])
def test_a_digest_that_covers_no_row_of_a_table_is_not_given(file: File, table: str) -> None:
    leave_out(table)(file)
    reseal(file)
    anchor = digest(file)
    file.close()

    status, output = command("verify", file.path, "--anchor", anchor)
    assert (CHECK_FAILED, True) == (
        status,
        "its layout is not that of a journal with these records" in output,
    )
    file.run(FORGED)
    file.close()
    assert CHECK_FAILED == command("verify", file.path, "--anchor", anchor)[0]
    assert CHECK_FAILED == command("show", file.path, "income-statement")[0]


@pytest.mark.parametrize("pair", [("policies", "layout"), ("strategy", "fingerprints"), ("spec", "policies")])
def test_columns_of_the_run_that_change_names_are_found(
    base: Base, file: File, pair: tuple[str, str]
) -> None:
    for before, after in ((pair[0], "aside"), (pair[1], pair[0]), ("aside", pair[1])):
        file.run(f"alter table run rename {before} to {after}")
    file.close()

    assert 0 != command("verify", file.path, "--anchor", base.anchor)[0]
    status, output = command("sql", file.path, "select policies from run", "--format", "csv")
    assert (False, True) == (status == 0, "policies\n" not in output)


# --- what the forger has shown -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        "replace(rows, ',', ', ')",
        "replace(rows, '{', '{\"benchmark\":0,')",
        "replace(rows, '{', '{\"txn\":1,')",
        "regexp_replace(rows, ':([0-9]+)', ':\"\\1\"', 'g')",
        "regexp_replace(rows, ':([0-9]+)', ':\\1.5', 'g')",
    ],
)
def test_a_seal_has_its_numbers_of_rows_in_one_form(base: Base, file: File, form: str) -> None:
    """The digest covers the numbers alone, and the text is shown."""
    file.run(f"update seal set rows = {form}")  # noqa: S608  from the table above
    file.close()

    status, output = command("verify", file.path, "--anchor", base.anchor)
    assert (CHECK_FAILED, True) == (status, "its seal has the numbers of rows in another form" in output)


@pytest.mark.parametrize("count", ["1e999", json.dumps(10**25), json.dumps(10**60), "[" * 20_000])
def test_numbers_of_rows_beyond_reason_are_an_adverse_opinion(file: File, count: str) -> None:
    file.run("update seal set rows = replace(rows, '{', ?)", f'{{"benchmark":{count},')
    file.close()

    assert CHECK_FAILED == command("verify", file.path)[0]

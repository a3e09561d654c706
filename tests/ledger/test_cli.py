"""The command `tieout` and the commands of the ledger, as used from a terminal."""

import csv
import io
import json
import re
import runpy
import subprocess
import sys
from datetime import date
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import get_type_hints

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from tieout import Journal, buy, currency, deposit, instrument, sell
from tieout.ledger import application as application_module
from tieout.ledger import cli
from tieout.ledger.application import application
from tieout.ledger.file.query import Query
from tieout.ledger.show import tables as present

COMMANDS = ("verify", "sign", "show", "sql", "trace", "export", "doctor")


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "books.duckdb"
    with Journal.create(path, [currency("USD"), instrument("ACME")]) as journal:
        journal.post("2024-01-02", deposit, "USD", "10000")
        journal.post("2024-01-03", buy, "ACME", quantity="10", gross="1000", fee="1")
        journal.post("2024-01-04T15:30", buy, "ACME", quantity="5", gross="600", fee="1")
        with journal.transaction("2024-01-05", order_id=7, note="take profit") as transaction:
            transaction.book(sell, "ACME", quantity="12", proceeds="1440", fee="1")
    return path


def tieout(*arguments: str | Path) -> Result:
    return CliRunner().invoke(application(), [str(argument) for argument in arguments])


def printed(*arguments: str | Path) -> str:
    result = tieout(*arguments)

    assert (0, "") == (result.exit_code, result.stderr)
    return result.stdout


def refusal(*arguments: str | Path) -> str:
    result = tieout(*arguments)

    assert (2, "") == (result.exit_code, result.stdout)
    return result.stderr


def changed(books: Path, folder: Path, statement: str) -> Path:
    """Copy the books and tamper with the copy."""
    path = folder / "changed.duckdb"
    path.write_bytes(books.read_bytes())
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    return path


# --- help and usage ----------------------------------------------------------------------------------


def test_help_names_every_command() -> None:
    assert set(COMMANDS) <= set(printed("--help").split())


def test_help_names_no_part_of_the_package() -> None:
    words = re.findall(r"\w+", printed("--help").lower())

    assert {"tieout", "run", "verify"} <= {*words}
    assert {"ledger", "execution", "strategies", "validation", "room", "rooms"}.isdisjoint(words)


def test_the_version_is_that_of_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"tieout {version('tieout')}\n" == printed("--version")

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(application_module, "version", missing)
    assert "tieout (not installed)\n" == printed("--version")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_help_text(command: str) -> None:
    hints = get_type_hints(getattr(cli, command), include_extras=True)
    hints.pop("return")

    assert [] == [name for name, hint in hints.items() if not hint.__metadata__[0].help]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(command: str) -> None:
    assert f"Example: tieout {command} run.duckdb" in printed(command, "--help")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["balance"],
        ["show"],
        ["show", "a", "b", "c"],
        ["show", "a", "b", "--format", "xml"],
        ["trace", "a"],
        ["trace", "a", "--order", "1", "--fill", "1"],
        ["trace", "a", "--order", "-1"],
        ["trace", "a", "--order", "one"],
        ["export", "a"],
        ["export", "a", "--format", "quicken"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_ends_with_2(arguments: list[str]) -> None:
    result = tieout(*arguments)

    assert 2 == result.exit_code
    assert "Usage: " in result.output


# --- show --------------------------------------------------------------------------------------------


def test_a_trial_balance_is_printed_as_bookkeepers_print_it(books: Path) -> None:
    assert """\
Trial balance, books.duckdb
account                commodity      debit     credit
──────────────────────────────────────────────────────
Assets:Positions:ACME  ACME               3          -
Market:ACME            ACME               -          3
Assets:Cash:USD        USD         9,837.00          -
Assets:Positions:ACME  USD           360.00          -
Equity:Contributions   USD                -  10,000.00
Expenses:Commissions   USD             3.00          -
Income:Realised:ACME   USD                -     200.00

Total                  ACME               3          3
Total                  USD        10,200.00  10,200.00
""" == printed("show", books, "trial-balance")


def test_a_statement_is_shown_as_of_a_moment(books: Path) -> None:
    moments = ("2024-01-03", "2024-01-04T00:00", "2024-01-04T15:30", "2024-01-04")
    tables = [printed("show", books, "positions", "--at", at, "--format", "csv") for at in moments]

    assert ["10", "10", "15", "15"] == [
        next(csv.DictReader(io.StringIO(text)))["quantity"] for text in tables
    ]


def test_without_a_view_the_views_are_listed(books: Path) -> None:
    listed = printed("show", books)

    assert re.search(
        r"^trial-balance +Every account's balance, on its debit or credit side$", listed, re.MULTILINE
    )
    assert not re.search(r"^(check|examined)-", listed, re.MULTILINE)


def test_csv_and_json_are_exact(books: Path) -> None:
    as_csv = printed("show", books, "lot", "--format", "csv")
    as_json = printed("show", books, "lot", "--format", "json")

    (_, row) = csv.DictReader(io.StringIO(as_csv))
    (_, other) = json.loads(as_json)
    assert ("1", "2024-01-04T15:30:00", "600", "3", "360", "") == (
        row["lot"],
        row["opened"],
        row["acquired_cost"],
        row["quantity"],
        row["cost"],
        row["closed"],
    )
    assert {name: value or None for name, value in row.items()} == {
        name: None if value is None else str(value) for name, value in other.items()
    }


def test_nothing_is_lost_where_no_terminal_is(books: Path) -> None:
    header = printed("show", books, "general-ledger").splitlines()[1]

    assert header.split() == [
        *("account", "commodity", "seq", "txn", "timestamp", "kind", "against"),
        *("debit", "credit", "balance", "note"),
    ]


# --- sql ---------------------------------------------------------------------------------------------


def test_sql_answers_over_views_as_of_a_moment(books: Path) -> None:
    query = "select count(*) as n, sum(abs(amount)) as moved from posting where commodity = 'USD'"
    csv_of = ("--format", "csv")

    assert "n,moved\n18,26486\n" == printed("sql", books, query, *csv_of)
    assert "n,moved\n2,20000\n" == printed("sql", books, query, "--at", "2024-01-02", *csv_of)
    assert "[]\n" == printed("sql", books, "from mark", "--format", "json")
    assert "no rows" in printed("sql", books, "from mark")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("from nothing", "Table with name nothing does not exist"),
        ("select", "SELECT clause without selection list"),
        ("delete from transfer", "is not one query"),
        ("create table t (a int)", "use a single select"),
    ],
)
def test_sql_that_cannot_be_answered_is_refused_in_one_line(books: Path, query: str, reason: str) -> None:
    message = refusal("sql", books, query)

    assert message.startswith("tieout: ")
    assert reason.lower() in message.lower()
    assert 1 == message.count("\n")


# --- presenting --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        ("1234567.5", 2, "1,234,567.50"),
        ("-1234.5", 2, "-1,234.50"),
        ("0.000001", 2, "0.000001"),
        ("0", 2, "-"),
        ("-3", 0, "-3"),
        ("9223372036854775807.123456789012", 2, "9,223,372,036,854,775,807.123456789012"),
    ],
)
def test_amounts_are_printed_exactly(value: str, decimals: int, text: str) -> None:
    assert text == present.amount(Decimal(value), decimals)


def test_values_are_written_exactly() -> None:
    values = present.exact(
        [Decimal("1.500000"), Decimal(100), Decimal("0E-12"), float("nan"), 0.1, None, True, b"\x01"]
    )

    assert ["1.5", "100", "0", "nan", 0.1, None, True, "01"] == values


def test_a_table_of_many_rows_has_them_all(books: Path) -> None:
    lines = printed("sql", books, "select range as n from range(1001)").splitlines()

    assert [str(n) for n in range(1001)] == [line.strip() for line in lines[2:]]


def test_only_amounts_are_footed(books: Path) -> None:
    query = "select 'A' as account, 'USD' as commodity, 1.5::double as debit, 2::double as credit"

    assert "Total" not in printed("sql", books, query)
    assert "Total" in printed("sql", books, query.replace("double", "decimal(18, 2)"))


def test_a_table_shows_missing_values_and_nan(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = pa.table(
        {
            "debit": ["a", None],
            "price": [1234.5, float("nan")],
            "stale": [True, False],
            "quantity": pa.array([None, Decimal(2)], pa.decimal128(20, 6)),
        }
    )

    present.write(Query(answer), "table", {})

    rows = capsys.readouterr().out.splitlines()[2:]
    assert ["a      1,234.5  yes", "           nan  no            2"] == rows


def test_a_float_is_printed_in_the_digits_that_are_exact(capsys: pytest.CaptureFixture[str]) -> None:
    prices = [101.58999999999999, 0.1 + 0.2, 123456789.012345, 1e-8, -5.0, 1e300]
    answer = pa.table({"price": prices})

    present.write(Query(answer), "table", {})
    present.write(Query(answer), "csv", {})

    table, exact = capsys.readouterr().out.split("\nprice\n")
    expected = ["101.59", "0.3", "123,456,789.012345", "1e-08", "-5.0", "1e+300"]
    assert expected == [line.strip() for line in table.splitlines()[2:]]
    assert prices == [float(line) for line in exact.splitlines()]


def test_nested_answers_are_exact_too() -> None:
    inner = {"a": (Decimal("1.10"), np.datetime64("2024-01-01", "s"), date(2024, 1, 1))}

    assert {"a": ["1.1", "2024-01-01T00:00:00", "2024-01-01"]} == present.exact(inner)


def test_a_time_keeps_its_nanoseconds(capsys: pytest.CaptureFixture[str]) -> None:
    times = pa.array([0, 1, 1_500_000_000], pa.timestamp("ns"))

    present.write(Query(pa.table({"timestamp": times})), "csv", {})

    assert [
        "timestamp",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00:00.000000001",
        "1970-01-01T00:00:01.5",
    ] == capsys.readouterr().out.split()


def test_a_long_table_looks_like_a_short_one(capsys: pytest.CaptureFixture[str]) -> None:
    answer = pa.table(
        {
            "account": ["A", "Total", "[b]", ":cash:"],
            "commodity": ["USD"] * 4,
            "amount": pa.array([Decimal(n) for n in (1, 1000, 0, -5)], pa.decimal128(20, 6)),
        }
    )
    grid = present.grid(answer, {"USD": 2}, "A title that is longer than its table is wide")

    present.show(grid)

    assert list(grid.lines()) == capsys.readouterr().out.splitlines()


# --- verify ------------------------------------------------------------------------------------------


def test_sound_books_verify_and_end_with_their_digests(books: Path) -> None:
    lines = printed("verify", books).splitlines()
    again = printed("verify", books).splitlines()

    assert lines == again
    assert re.fullmatch(r"head digest [0-9a-f]{64}  file digest [0-9a-f]{64}", lines[-1])
    assert re.fullmatch(r"seals +1  ok", lines[0])
    assert any(re.fullmatch(r"statements +0  not applicable", line) for line in lines)


def test_the_head_digest_is_an_anchor(books: Path) -> None:
    head = printed("verify", books).splitlines()[-1].split()[2]

    assert "the anchor is the head digest" in printed("verify", books, "--anchor", head)
    wrong = tieout("verify", books, "--anchor", f"{int(head, 16) ^ 1:064x}")
    assert 1 == wrong.exit_code
    assert "the tail was cut off" in wrong.stdout
    assert "the anchor is the head digest" not in wrong.stdout


def test_the_file_digest_is_an_anchor_of_head_and_provenance(books: Path) -> None:
    digest = printed("verify", books).splitlines()[-1].split()[-1]

    assert "the anchor is the file digest" in printed("verify", books, "--anchor", digest)


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        ("{0:.16}", "16 hex digits and not 64: two files that share so few can be searched for"),
        ("{0:.63}", "63 hex digits and not 64"),
        ("{0}0", "65 hex digits and not 64; give the whole digest"),
        ("{0:.63}g", "is not hexadecimal"),
        ("0x{0:.62}", "is not hexadecimal"),
        ("", "'' is not hexadecimal"),
    ],
)
def test_less_or_more_than_a_digest_is_refused_and_the_printed_one_is_an_anchor(
    books: Path, shape: str, problem: str
) -> None:
    head = printed("verify", books).splitlines()[-1].split()[2]

    assert problem in refusal("verify", books, "--anchor", shape.format(head))
    assert 0 == tieout("verify", books, "--anchor", f" {head}\n").exit_code


def test_a_changed_file_is_found_wrong_and_the_block_is_named(books: Path, tmp_path: Path) -> None:
    path = changed(books, tmp_path, "update transfer set amount = amount + 1 where txn = 1")

    result = tieout("verify", path)

    assert (1, "") == (result.exit_code, result.stderr)
    assert re.search(r"^seals +1  FAILED$", result.stdout, re.MULTILINE)
    assert "    block 0: transactions 0 to 3: its digest is" in result.stdout


def test_of_many_findings_the_first_are_printed_and_the_rest_counted(tmp_path: Path) -> None:
    path = tmp_path / "many.duckdb"
    with Journal.create(path, [currency("USD")]) as journal:
        for day in range(1, 10):
            journal.post(f"2024-01-0{day}", deposit, "USD", day)
            journal.commit()

    result = tieout("verify", changed(path, tmp_path, "update transfer set amount = amount + 1"))

    lines = result.stdout.splitlines()
    assert [f"    block {n}" for n in range(6)] == [line.partition(":")[0] for line in lines[2:8]]
    assert "    and 3 more" == lines[8]


# --- trace, export, doctor ---------------------------------------------------------------------------


def test_a_trace_tells_transfers_lots_and_the_seal(books: Path) -> None:
    text = printed("trace", books, "--order", "7")

    assert text == printed("trace", books, "--transaction", "3")
    assert "transaction 3  2024-01-05  sell  ACME  order 7\n  take profit\n" in text
    assert re.search(r"^Assets:Cash:USD +<- Assets:Positions:ACME +1,200\.00  USD +0$", text, re.MULTILINE)
    assert re.search(r"^ +1  ACME +long  relieved +-2 +-240\.00 +3 +360\.00  USD$", text, re.MULTILINE)
    assert re.search(r"^  sealed in block 0, digest [0-9a-f]{64}$", text, re.MULTILINE)


@pytest.mark.parametrize("form", ["beancount", "hledger", "parquet", "csv"])
def test_an_export_names_the_files_it_wrote(books: Path, tmp_path: Path, form: str) -> None:
    names = printed("export", books, "--format", form, "--output", tmp_path / "out").split()

    assert names
    assert all(Path(name).is_file() for name in names)


def test_an_export_goes_beside_the_run_by_default(books: Path) -> None:
    names = printed("export", books, "--format", "hledger").split()

    assert {books.with_name("books-hledger")} == {Path(name).parent for name in names}


def test_a_sound_file_needs_no_doctor(books: Path) -> None:
    assert f"{books} is sound\n" in printed("doctor", books)


def test_a_damaged_file_ends_with_1_and_its_block_is_named(books: Path, tmp_path: Path) -> None:
    path = changed(books, tmp_path, "update account set path = 'Assets:Mine' where id = 0")

    result = tieout("doctor", path)

    assert 1 == result.exit_code
    assert "block 0" in result.stdout


# --- what cannot be done -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["verify", "show", "doctor"])
def test_a_file_that_is_no_journal_is_refused_in_one_line(tmp_path: Path, command: str) -> None:
    text = tmp_path / "text.duckdb"
    text.write_text("dear diary" * 1000)

    for path in (text, tmp_path / "missing.duckdb", tmp_path):
        message = refusal(command, path)
        assert message.startswith(f"tieout: {path}: ")
        assert 1 == message.count("\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["show", "xyzzy"], "there is no view 'xyzzy'; there are "),
        (["show", "positon"], "there is no view 'positon' (did you mean 'position'?)"),
        (["show", "lot", "--at", "yesterday"], "'yesterday' is not a moment"),
        (["trace", "--order", "8"], "nothing about order 8"),
        (["trace", "--transaction", "4"], "nothing about transaction 4"),
    ],
)
def test_an_unknown_view_moment_or_number_is_refused(books: Path, arguments: list[str], reason: str) -> None:
    command, *rest = arguments

    assert reason in refusal(command, books, *rest)


# --- the process -------------------------------------------------------------------------------------


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tieout", *arguments], capture_output=True, check=False, text=True
    )


def test_the_module_runs_as_a_command(books: Path) -> None:
    good, bad = run("show", books, "trial-balance"), run("show", books, "nothing")

    assert (0, "") == (good.returncode, good.stderr)
    assert good.stdout == printed("show", books, "trial-balance")
    assert (2, "") == (bad.returncode, bad.stdout)
    assert re.fullmatch(r"tieout: there is no view 'nothing'.*\n", bad.stderr)


def test_books_that_are_being_written_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "open.duckdb"
    with Journal.create(path, [currency("USD")]):
        process = run("show", path, "trial-balance")

    assert (2, "") == (process.returncode, process.stdout)
    assert re.fullmatch(rf"tieout: {path}: the file is open elsewhere.*\n", process.stderr)


def test_a_reader_who_leaves_early_causes_no_noise(books: Path) -> None:
    query = "select range from range(200000)"
    with subprocess.Popen(
        [sys.executable, "-m", "tieout", "sql", books, query, "--format", "csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"range\n" == process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()

    assert (2, b"") == (process.returncode, complaints)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["show", "BOOKS", "lot"], ["sql", "BOOKS", "from lot"]], ids=" ".join
)
def test_small_questions_load_neither_numba_nor_polars(books: Path, arguments: list[str]) -> None:
    names = [str(books) if argument == "BOOKS" else argument for argument in arguments]
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tieout", *names],
        capture_output=True,
        check=True,
        text=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}

    assert {"typer"} == imported & {"typer", "numba", "polars", "pandas"}


# Another room, as it would be installed: a package and its entry point.
ROOM = """
def greet():
    print("hello")

def fail(how: str):
    if how == "keys":
        raise KeyboardInterrupt
    raise {"disk": OSError(28, "No space left on device", "out"), "pipe": BrokenPipeError()}[how]

def register(app):
    app.command()(greet)
    app.command()(fail)
"""


@pytest.fixture
def _room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "greeting_room.py").write_text(ROOM)
    (tmp_path / "rooms-1.dist-info").mkdir()
    (tmp_path / "rooms-1.dist-info" / "METADATA").write_text("Name: rooms\nVersion: 1\n")
    (tmp_path / "rooms-1.dist-info" / "entry_points.txt").write_text(
        "[tieout.commands]\ngreeting = greeting_room:register\nbroken = no_such_room:register\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("_room")
def test_another_room_brings_its_commands_and_a_broken_one_does_no_harm(books: Path) -> None:
    greeted, verified = tieout("greet"), tieout("verify", books)

    assert (0, "hello\n") == (greeted.exit_code, greeted.stdout)
    assert 0 == verified.exit_code


@pytest.mark.usefixtures("_room")
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("keys", "tieout: interrupted"),
        ("disk", "tieout: out: No space left on device"),
        ("pipe", ""),
        ("bug", "KeyError: 'bug'"),
    ],
)
def test_an_error_of_the_system_or_of_the_code_ends_a_command_with_2(
    how: str, message: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tieout", "fail", how])

    with pytest.raises(SystemExit) as end:
        runpy.run_module("tieout", run_name="__main__")

    last = [line for line in capfd.readouterr().err.splitlines() if "missing" not in line][-1:]
    assert (2, [message] if message else []) == (end.value.code, last)

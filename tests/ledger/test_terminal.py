"""Lines on the terminal: one each, with any text in them."""

import io
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from tests.support.text import HOSTILE
from tieout import Journal, buy, currency, deposit, instrument
from tieout.ledger import application as application_module
from tieout.ledger.application import application
from tieout.ledger.errors import LedgerError
from tieout.ledger.file.query import Query
from tieout.ledger.show import tables
from tieout.ledger.show.progress import progress
from tieout.ledger.terminal import Styled, say

CONTROLS = {
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2069",
}
ALLOWED = {"\n"}


def controls(text: str) -> set[str]:
    return (CONTROLS & {*text}) - ALLOWED


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("error", [False, True])
def test_a_text_is_one_line(capsys: pytest.CaptureFixture[str], text: str, error: bool) -> None:  # noqa: FBT001
    say(text, Styled(text, "", lead=text), error=error)

    out, err = capsys.readouterr()
    lines = (err if error else out).splitlines()
    assert "" == (out if error else err)
    assert 2 == len(lines)
    assert lines[0] * 2 == lines[1]
    assert set() == controls(out + err)


def test_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    say("[red]a[/red] :smile:", Styled("[bold]b[/bold]", "", lead="[/]"))
    tables.show(tables.grid(pa.table({"[i]c": ["[green]d[/green]"]}), {}, "[u]title"))

    words = capsys.readouterr().out.split()
    assert [
        "[red]a[/red]",
        ":smile:",
        "[/][bold]b[/bold]",
        "[u]title",
        "[i]c",
        "─" * 16,
        "[green]d[/green]",
    ] == words


def test_a_terminal_without_the_character_gets_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="")
    monkeypatch.setattr(sys, "stdout", stream)

    say("5 \N{EURO SIGN}")
    tables.show(tables.grid(pa.table({"a": ["\N{EURO SIGN}"]}), {}))
    stream.flush()

    assert b"5 \\u20ac\n" == stream.buffer.getvalue()[:9]


@pytest.mark.parametrize("rows", [1, tables.MANY + 1])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_has_a_line_a_row(capsys: pytest.CaptureFixture[str], rows: int, text: str) -> None:
    answer = pa.table({text: [text] * rows, "n": [1] * rows})

    tables.write(Query(answer), "table", {}, text)

    out = capsys.readouterr().out
    assert rows + 3 == len(out.splitlines())
    assert set() == controls(out)


@pytest.mark.parametrize("text", HOSTILE)
def test_csv_and_json_have_no_controls(capsys: pytest.CaptureFixture[str], text: str) -> None:
    answer = pa.table({text: [text], "list": [[text]]})

    for form in ("csv", "json"):
        tables.write(Query(answer), form, {})
        out = capsys.readouterr().out
        assert set() == controls(out) - {"\t"}
        assert not out.startswith(("=", "@", "\t"))


def test_a_cell_of_csv_is_one_line_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Query(pa.table({"a": ["two\nlines"]}))

    tables.write(answer, "csv", {})
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    tables.write(answer, "csv", {})

    assert 'a\n"two\nlines"\na\ntwo\\x0alines\n' == capsys.readouterr().out


def test_the_name_of_a_step_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")

    with progress("[red]\x1b]0;title\x07") as step:
        step("[red]\x1b]0;title\x07", 1, 2)

    assert "\x1b]0;" not in stream.getvalue()
    assert "[red]\\x1b]0;title\\x07" in stream.getvalue()


def test_an_error_that_quotes_a_file_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        application(), ["show", str(tmp_path / HOSTILE[0].replace("/", "") / "run.duckdb")]
    )

    assert 2 == result.exit_code
    assert 1 == len(result.stderr.splitlines())
    assert set() == controls(result.stderr)


def test_an_error_that_is_no_refusal_is_printed_without_controls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeError(HOSTILE[0])

    monkeypatch.setattr(application_module, "application", lambda: fail)

    with pytest.raises(SystemExit) as end:
        application_module.main()

    err = capsys.readouterr().err
    assert 2 == end.value.code
    assert err.startswith("Traceback")
    assert "RuntimeError: \\x1b[2J" in err
    assert set() == controls(err)


# --- every command -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Books in which each text that a row can hold is hostile, in turn."""
    path = tmp_path_factory.mktemp("forged") / "books.duckdb"
    with Journal.create(path, [currency("USD"), instrument("ACME")]) as journal:
        journal.post("2024-01-02", deposit, "USD", "10000", note="start")
        journal.post("2024-01-03", buy, "ACME", quantity="10", gross="1000", fee="1")
    with duckdb.connect(str(path)) as connection:
        connection.execute("update run set id = ?, strategy = ?", [HOSTILE[0], HOSTILE[1]])
        connection.execute("update note set text = ?", ["".join(HOSTILE)])
        connection.execute("update account set path = path || ?", [HOSTILE[2]])
        connection.execute("update provenance set host = ?, revision = ?", [HOSTILE[0], HOSTILE[4]])
        connection.execute("update seal set previous = ?", [HOSTILE[3]])
        connection.execute("update transfer set amount = amount + 1 where seq = 0")
    return path


COMMANDS = [
    ["verify"],
    ["show"],
    ["show", "trial-balance"],
    ["show", "general-ledger", "--format", "csv"],
    ["show", "posting", "--format", "json"],
    ["trace", "--transaction", "0"],
    ["sql", "from note"],
    ["sql", "from run"],
    ["sql", "select error(text) from note"],
    ["doctor"],
    ["export", "--format", "beancount"],
    ["export", "--format", "hledger"],
    ["export", "--format", "csv"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_sends_what_a_forged_file_holds(forged: Path, command: list[str]) -> None:
    name, *others = command
    result = CliRunner().invoke(application(), [name, str(forged), *others])

    assert result.exit_code in {0, 1, 2}
    assert isinstance(result.exception, SystemExit | LedgerError | None)
    assert result.output
    # In CSV that is no terminal a quoted cell keeps its tabs and its line breaks.
    assert set() == controls(result.output) - ({"\t"} if "csv" in others else set())
    if "csv" not in others:
        rows = result.output.splitlines()
        assert not [row for row in rows if row.startswith(("no check failed", "plugin", "="))]

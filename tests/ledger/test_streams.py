"""The command `tieout` with standard streams that are closed."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tieout import Journal, currency, deposit
from tieout.ledger import application as streams
from tieout.ledger.application import COULD_NOT_RUN, application
from tieout.ledger.errors import TieoutWarning


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "books.duckdb"
    with Journal.create(path, [currency("USD")]) as journal:
        journal.post("2024-01-02", deposit, "USD", "10")
    return path


def run_with_closed(streams: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a shell that closes *streams* first, such as ``1>&- 2>&-``."""
    line = f'exec "$0" -m tieout "$@" {streams}'
    return subprocess.run(
        ["/bin/sh", "-c", line, sys.executable, *arguments], capture_output=True, check=False, text=True
    )


@pytest.mark.parametrize("arguments", [["show", "BOOKS"], ["verify", "BOOKS"], ["--version"]], ids=" ".join)
def test_a_closed_standard_output_is_one_sentence(books: Path, arguments: list[str]) -> None:
    names = [str(books) if argument == "BOOKS" else argument for argument in arguments]

    closed, mended = run_with_closed("1>&-", *names), run_with_closed(">/dev/null", *names)

    assert (2, "tieout: the standard output is closed; send it to a file, or to /dev/null\n") == (
        closed.returncode,
        closed.stderr,
    )
    assert (0, "") == (mended.returncode, mended.stderr)


def test_no_file_takes_the_number_of_a_closed_stream(books: Path) -> None:
    before = books.read_bytes()

    loud, silent = (run_with_closed(streams, "show", books, "nothing") for streams in ("0<&-", "0<&- 2>&-"))
    drawn = run_with_closed("0<&- 2>&-", "show", books, "trial-balance")

    assert (2, 2, 0) == (loud.returncode, silent.returncode, drawn.returncode)
    assert loud.stderr.startswith("tieout: there is no view 'nothing'")
    assert drawn.stdout == CliRunner().invoke(application(), ["show", str(books), "trial-balance"]).stdout
    assert before == books.read_bytes()


def test_closed_streams_are_open_before_a_command_runs() -> None:
    code = (
        "import os, sys; from tieout.ledger.application import main; sys.argv[1:] = ['--version']\n"
        "try: main()\n"
        "except SystemExit: print(os.open(os.devnull, os.O_RDONLY) > 2)"
    )
    line = 'exec "$0" -c "$1" 0<&- 2>&-'

    process = subprocess.run(
        ["/bin/sh", "-c", line, sys.executable, code], capture_output=True, check=True, text=True
    )

    assert f"tieout {version('tieout')}\nTrue\n" == process.stdout


def test_the_numbers_of_closed_streams_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    monkeypatch.setattr(streams, "_LAST_STREAM", free)

    streams._occupy_closed_streams()

    assert os.get_inheritable(free)
    os.close(free)


def test_a_command_without_a_standard_output_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        with pytest.raises(SystemExit) as end:
            streams.main()

    assert COULD_NOT_RUN == end.value.code
    assert (
        "tieout: the standard output is closed; send it to a file, or to /dev/null\n"
        == capsys.readouterr().err
    )


def test_ctrl_c_before_a_command_begins_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(streams, "application", lambda: interrupt)

    with pytest.raises(SystemExit) as end:
        streams.main()
    assert (COULD_NOT_RUN, "tieout: interrupted\n") == (end.value.code, capsys.readouterr().err)


def test_a_command_without_a_standard_error_ends_as_it_would_with_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "argv", ["tieout", "show", "none.duckdb", "position"])

    with pytest.raises(SystemExit) as end:
        streams.main()

    assert COULD_NOT_RUN == end.value.code
    sys.stderr.close()


def test_a_warning_of_tieout_is_one_line_and_another_is_as_usual(capsys: pytest.CaptureFixture[str]) -> None:
    streams._show_warning(TieoutWarning("2 rows\nare left out"), TieoutWarning, "a.py", 7)
    tieout = capsys.readouterr().err
    streams._show_warning(DeprecationWarning("old"), DeprecationWarning, "b.py", 9, line="f()")
    other = capsys.readouterr().err

    assert 1 == tieout.count("\n")
    assert tieout.startswith("warning: 2 rows")
    assert "b.py:9: DeprecationWarning: old\n  f()\n" == other

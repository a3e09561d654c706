"""The page for the auditor: its program recomputes the seals, and its commands and its note are real."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from tests.ledger.sign import vectors
from tests.support.desk import Desk
from tieout.execution.kernels.orders import OrderEvent, Reason
from tieout.ledger.application import application
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Policies
from tieout.ledger.file.verify import Report, verify
from tieout.ledger.sign import keys, note

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/auditor.md").read_text(encoding="utf-8")
FIRST_SIGNATURE = re.compile(r"^— \S+ (\S+)$", re.MULTILINE)


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A journal of several blocks, with rows of the ledger and of the execution."""
    path = tmp_path / "run.duckdb"
    desk = Desk(path, Policies(block_transfers=4))
    desk.deposit("USD", "100000")
    for desk.today in range(1, 5):
        desk.trade("ACME", "3", 100.0, "1")
        order = desk.order("ACME", "900", tag="zu groß")
        desk.record_event(order, OrderEvent.REJECTED, Reason.INSUFFICIENT_CASH)
        desk.mark(ACME=101.5)
        desk.statement()
    desk.close()
    return path


def recomputed(path: Path) -> tuple[int, list[str]]:
    """Run the program of the page, where it cannot import tieout."""
    (program,) = blocks("python")
    script = path.with_name("seals.py")
    script.write_text(program, encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-I", str(script), str(path)], capture_output=True, text=True, check=False
    )

    assert "" == finished.stderr
    return finished.returncode, finished.stdout.splitlines()


def report_of(path: Path) -> Report:
    with Reader(path) as reader:
        return verify(reader)


def test_the_program_needs_nothing_of_tieout() -> None:
    (program,) = blocks("python")

    assert {"duckdb", "hashlib", "json", "sys"} == set(re.findall(r"^import (\w+)$", program, re.MULTILINE))
    assert not re.search(r"^\s*from \w+ import", program, re.MULTILINE)


def test_the_program_computes_the_digests_that_verify_prints(run: Path) -> None:
    report = report_of(run)
    status, lines = recomputed(run)

    assert 0 == status
    assert report.blocks == sum(line.startswith("block ") for line in lines) > 2
    assert lines[-2:] == [f"head digest {report.head}", f"file digest {report.file_digest}"]
    assert any(re.fullmatch(r"orders: (\d+) of \1 rows are sealed", line) for line in lines)


@pytest.mark.parametrize(
    ("change", "sign"),
    [
        ("update transfer set amount = amount + 1 where seq = 0", "block 0: .*, sealed is "),
        ("update tag set name = 'too much'", "block 0: .*, sealed is "),
        ("update run set seed = seed + 1", "block 0: .*, sealed is "),
        ("insert into note values (0, 0, 'late')", r"note: (\d+) of (?!\1 )\d+ rows are sealed"),
    ],
)
def test_the_program_finds_a_change(run: Path, change: str, sign: str) -> None:
    with duckdb.connect(str(run)) as connection:
        connection.execute(change)
    status, lines = recomputed(run)

    assert 1 == status
    assert any(re.match(sign, line) for line in lines)


def test_the_program_shows_a_change_of_the_provenance_in_the_file_digest(run: Path) -> None:
    before = report_of(run)
    with duckdb.connect(str(run)) as connection:
        connection.execute("update provenance set host = 'elsewhere'")
    status, lines = recomputed(run)

    assert (0, f"head digest {before.head}") == (status, lines[-2])
    assert lines[-1] == f"file digest {report_of(run).file_digest}" != f"file digest {before.file_digest}"


def test_the_commands_of_the_page_sign_and_verify(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "another.duckdb").write_bytes(run.read_bytes())
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    for command in commands:
        program, *arguments = shlex.split(command, comments=True)
        result = CliRunner().invoke(application(), arguments)
        assert ("tieout", 0) == (program, result.exit_code), result.output

    assert "signed by example.com/jane" in result.stdout
    assert {"sign", "verify"} == {command.split()[1] for command in commands}


def test_the_note_of_the_page_has_the_form_of_a_note(tmp_path: Path) -> None:
    (example,) = blocks("text")
    key = keys.create(tmp_path / "key", "example.com/jane")
    whole = note.sign(example.partition("\n\n")[0] + "\n", key)

    assert FIRST_SIGNATURE.sub("", example) == FIRST_SIGNATURE.sub("", whole)
    assert len(FIRST_SIGNATURE.findall(example)[0]) == len(FIRST_SIGNATURE.findall(vectors.GO_NOTE)[0])

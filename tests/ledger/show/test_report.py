"""The printed report of a verification, and truth values among the rows of a query."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tieout import Journal, currency, deposit
from tieout.ledger.application import application
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.ledger.show.report import show_report


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "books.duckdb"
    with Journal.create(path, [currency("USD")]) as journal:
        journal.post("2024-01-02", deposit, "USD", "10")
    return path


def test_a_truth_value_is_a_word_in_csv(books: Path) -> None:
    query = "select true as x, false as y"
    result = CliRunner().invoke(application(), ["sql", str(books), query, "--format", "csv"])

    assert "x,y\ntrue,false\n" == result.stdout


def test_a_report_is_printed_as_verify_prints_it(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Reader(books) as reader:
        show_report(verify(reader))

    printed = capsys.readouterr().out
    assert [True] * 3 == [word in printed for word in ("seals ", "balanced ", "\nunqualified: ")]

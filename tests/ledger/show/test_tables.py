"""Tables as they are printed: totals of debit and credit."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tieout import Journal
from tieout.ledger.application import application


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "books.duckdb"
    Journal.create(path).close()
    return path


def printed(books: Path, query: str) -> str:
    result = CliRunner().invoke(application(), ["sql", str(books), query])
    assert (0, "") == (result.exit_code, result.stderr)
    return result.stdout


def test_totals_are_exact_in_all_37_digits_and_skip_what_is_missing(books: Path) -> None:
    large = "1234567890123456789012345.000000000001"
    rows = (
        f"('a', 'USD', {large}, 1), ('b', 'USD', {large}, null), ('c', 'EUR', null, null), ('d', null, 2, 3)"
    )
    columns = "account, commodity, debit::decimal(37, 12) as debit, credit::decimal(37, 12) as credit"
    query = f"select {columns} from (values {rows}) as t (account, commodity, debit, credit)"  # noqa: S608

    lines = [line.split() for line in printed(books, query).splitlines() if line.startswith("Total")]

    assert ["Total", "USD", "2,469,135,780,246,913,578,024,690.000000000002", "1.000000000000"] in lines
    assert ["Total", "EUR"] in lines
    assert 3 == len(lines)


def test_a_commodity_may_be_a_list(books: Path) -> None:
    query = "select 'a' as account, [1] as commodity, 1.5 as debit, 0.5 as credit from range(2)"

    assert ["Total", "[1]", "3", "1"] == printed(books, query).splitlines()[-1].split()

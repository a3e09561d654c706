"""What a reader shows is made here, whatever a file has by that name, and however a query names it."""

from pathlib import Path

import duckdb
import pytest

from tieout import Journal, currency, deposit
from tieout.ledger.file.reader import Reader


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
        "select account from temp.posting",
    ],
)
def test_a_view_in_the_file_is_never_read_in_the_place_of_ours(path: Path, query: str) -> None:
    with Reader(path) as reader:
        found = {row["account"] for row in reader.sql(query).rows()}

    assert "a lie" not in found
    assert found <= {"Assets:Cash:USD", "Equity:Contributions"}
    assert found


def test_views_are_listed_before_any_of_them_is_asked_for(path: Path) -> None:
    with Reader(path) as reader:
        assert {"posting", "trial_balance", "proof", "check_transactions_balance"} & {*reader.views}
        found = reader.sql("select view_name from duckdb_views() where temporary").rows()

        assert {*reader.views} <= {row["view_name"] for row in found}


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

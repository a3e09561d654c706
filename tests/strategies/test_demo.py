"""The demonstration: the same bytes in, the same journal out, and every order with an end."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tieout.ledger.application import application
from tieout.ledger.file.reader import Reader
from tieout.strategies.universe import generate

HEAD = re.compile(r"head digest ([0-9a-f]{64})")


def tieout(*arguments: str | Path) -> Result:
    return CliRunner().invoke(application(), [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "demo.duckdb"

    assert 0 == tieout("demo", path).exit_code
    return path


def query(journal: Path, sql: str) -> list[tuple[Any, ...]]:
    with Reader(journal) as reader:
        return [tuple(row.values()) for row in reader.sql(sql).rows()]


def test_the_generated_universe_has_the_same_bytes_everywhere() -> None:
    bars, scores = generate()
    (window,) = bars.windows()
    sha = hashlib.sha256(window.market.timestamp.tobytes())
    for name in ("open", "high", "low", "close", "volume"):
        sha.update(getattr(window.market, name).tobytes())
    sha.update(scores["score"].to_numpy().tobytes())

    assert "37b57966f727ec0b43e1c959a70a7091cb0a268da4b0c19c29103b13aedbd245" == sha.hexdigest()


def test_two_demonstrations_have_one_head_digest_and_the_books_are_in_order(journal: Path) -> None:
    first = tieout("verify", journal)
    again = tieout("demo", journal)

    assert (0, 0) == (first.exit_code, again.exit_code)
    assert HEAD.findall(first.stdout) == HEAD.findall(again.stdout)


def test_it_rebalances_239_times_and_holds_25(journal: Path) -> None:
    assert [(239,)] == query(journal, "select count(distinct timestamp) from orders")
    assert [(25,)] == query(journal, "select count(*) from position where quantity > 0")


def test_every_order_has_one_named_end(journal: Path) -> None:
    orders = query(journal, "select count(*), count(distinct id) from orders")[0]
    ends = dict(query(journal, "select status, count(*) from order_history group by status"))
    last = query(
        journal, "select count(*) from orders where timestamp = (select max(timestamp) from statement)"
    )[0][0]

    assert orders[0] == orders[1] == sum(ends.values())
    assert {"filled", "open_at_the_end"} == ends.keys()
    assert last == ends["open_at_the_end"]


def test_it_can_be_performed_again_from_its_journal(journal: Path) -> None:
    result = tieout("reperform", journal)

    assert 0 == result.exit_code
    assert 1 == len(set(HEAD.findall(result.stdout)))

"""Journals of earlier versions: their seals can be checked, and nothing else of them is believed."""

import lzma
from pathlib import Path

import duckdb
import pytest

from tieout.ledger.errors import OlderSchema
from tieout.ledger.file import anchor, chain
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import Opinion, verify
from tieout.ledger.journal import Journal

FOLDER = Path(__file__).parent / "journals"
# A run of eight bars of two instruments. The first calls the column `timestamp` `ts`.
HEADS = {
    "version-1-first-names": "deb4508efcc8b21e44ccb3fbd69b77ee00b73e9a7500a8c29d1f25ef66112026",
    "version-1": "def3bbcef9ea31275c5a1de390afd6b7217ad851a1440f99131e7a09328dcde0",
    "version-2": "713a8735d52e3d1784f49ec44ddf7f8699b7d94b7f162e0becf862ccbecfc307",
}


@pytest.fixture(params=HEADS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """Return an earlier journal, and its head digest as it was printed then."""
    path = tmp_path / "earlier.duckdb"
    path.write_bytes(lzma.decompress((FOLDER / f"{request.param}.duckdb.xz").read_bytes()))
    return path, HEADS[request.param]


def test_every_earlier_version_has_a_journal() -> None:
    assert {path.name.removesuffix(".duckdb.xz") for path in FOLDER.iterdir()} == HEADS.keys()


def test_the_seals_of_an_earlier_journal_hold_and_the_opinion_is_a_disclaimer(
    journal: tuple[Path, str],
) -> None:
    path, head = journal
    with Reader(path, allow_gaps=True, with_catalogue=True) as reader:
        report = verify(reader, anchor.parse(head))

    assert Opinion.DISCLAIMER is report.opinion
    assert head == report.head
    assert ["seals"] == [result.name for result in report.results]
    assert "open it with the tieout that wrote it" in report.gaps[0]


def test_an_edited_earlier_journal_is_adverse(journal: tuple[Path, str]) -> None:
    path, head = journal
    with duckdb.connect(str(path)) as connection:
        connection.execute("update transfer set amount = amount + 1 where seq = 2")

    with Reader(path, allow_gaps=True) as reader:
        assert [0] == [departure.block for departure in chain.departures(reader)]
        assert Opinion.ADVERSE is verify(reader, anchor.parse(head)).opinion


def test_no_figure_of_an_earlier_journal_is_shown_and_nothing_is_added(journal: tuple[Path, str]) -> None:
    path, _ = journal

    for use in (Reader, Journal.open):
        with pytest.raises(OlderSchema, match=r"its tables have version [12], this tieout reads version 3"):
            use(path)

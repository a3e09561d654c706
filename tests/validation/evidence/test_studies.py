"""Whole workloads by the imitations and, where they are installed, by the packages. The page of results."""

from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve

from tieout.ledger.numeric import Floats
from tieout.validation.evidence import page
from tieout.validation.evidence import real_bars as real
from tieout.validation.evidence.__main__ import _LONGEST, main
from tieout.validation.evidence.real_bars import BARS, EACH_WAY, HISTORY, SHARE, Market, book
from tieout.validation.evidence.studies import (
    BACKTRADER,
    ROWS,
    Pair,
    Row,
    cents,
    imitation,
    own_study,
    row_results,
    study,
)
from tieout.validation.evidence.tally import Tally
from tieout.validation.workloads import markdown as report
from tieout.validation.workloads.markdown import Table
from tieout.validation.workloads.workloads import generate

workload = cache(generate)
needs_packages = pytest.mark.skipif(
    not all(find_spec(name) for name in ("vectorbt", "vectorbt_rust", "backtrader")),
    reason="VectorBT or Backtrader is not installed",
)
YEAR = [
    (row, engine)
    for row in ROWS
    if row.workload in {"W1", "W2"}
    for engine in row.ways
    if engine != "VectorBT, Rust"
]


def name(value: object) -> str:
    return f"{value.workload} {value.rules}" if isinstance(value, Row) else str(value)


@pytest.mark.parametrize(("row", "engine"), YEAR, ids=name)
def test_an_imitation_reaches_the_result_on_which_engines_agree(row: Row, engine: str) -> None:
    outcome = imitation(row.ways[engine](workload(row.workload)))

    assert (row.fills, row.value) == (len(outcome.fills), cents(outcome.value[-1]))


@pytest.mark.reference
@needs_packages
@pytest.mark.parametrize("workload_name", ["W1", "W2", "W4"])
def test_so_does_every_package(workload_name: str) -> None:
    for one in row_results([workload_name]):
        assert [] == one.faults


@pytest.mark.reference
@needs_packages
def test_in_the_study_every_fill_is_equal() -> None:
    for one in study():
        assert ([], 0) == (list(one.pair.differences), one.pair.differing_fills)
        assert 10_000 < one.orders < 12_000
        assert one.pair.package.refusals
    for _, _, comparison in own_study():
        assert [] == list(comparison.differences)
        assert comparison.run.outcome.refusals


def test_a_fill_at_another_price_is_a_difference() -> None:
    row = next(row for row in ROWS if BACKTRADER in row.ways)
    here = imitation(row.ways[BACKTRADER](workload("W1")))
    (first, *others) = here.fills
    there = evolve(here, fills=[evolve(first, price=first.price + 0.01), *others])
    pair = Pair("", BACKTRADER, there, here)

    assert 1 == pair.differing_fills
    assert 1 == len(pair.differences)
    assert 0 == Pair("", BACKTRADER, here, here).differing_fills


# --- real bars -------------------------------------------------------------------------------------


def market(columns: int = 60, bars: int = HISTORY + 30) -> Market:
    """Symbols whose prices grow the faster the higher their number."""
    growth = 1.0 + (np.arange(columns) - columns / 2) * 1e-5
    close: Floats = np.asarray(100.0 * growth ** np.arange(bars)[:, None], np.float64)
    timestamp = (
        np.busday_offset("2015-01-01", np.arange(bars), roll="forward").astype("M8[ns]").astype(np.int64)
    )
    fields = {field: close.copy() for field in ("open", "high", "low", "close")}
    fields["volume"] = np.ones(close.shape)
    return Market(timestamp, [f"S{n:02d}" for n in range(columns)], fields)


def test_the_book_is_long_the_best_and_short_the_worst() -> None:
    shares = book(market())

    assert np.isnan(shares[: HISTORY - 1]).all()
    assert [-SHARE] * EACH_WAY == shares[-1, :EACH_WAY].tolist()
    assert [SHARE] * EACH_WAY == shares[-1, -EACH_WAY:].tolist()
    assert np.isnan(shares[-1, EACH_WAY:-EACH_WAY]).all()


@pytest.mark.parametrize(
    ("field", "bar", "value"), [("close", -1, 4.99), ("volume", -20, 0.0), ("close", -1, np.nan)]
)
def test_a_symbol_that_is_not_fit_leaves_the_book_or_has_no_bar(field: str, bar: int, value: float) -> None:
    bars = market()
    for prices in ("open", "high", "low", "close") if field == "close" else ("volume",):
        bars.fields[prices][bar, 59] = value

    share = book(bars)[-1, 59]

    assert np.isnan(share) if np.isnan(value) else 0.0 == share


def test_volume_older_than_twenty_bars_does_not_count() -> None:
    bars = market()
    bars.fields["volume"][-21, 59] = 0.0

    assert SHARE == book(bars)[-1, 59]


def test_a_gap_of_a_symbol_is_no_bar_of_its_history() -> None:
    bars = market(bars=HISTORY)
    for prices in bars.fields.values():
        prices[10, 59] = np.nan

    assert np.isnan(book(bars)[-1, 59])
    assert SHARE == book(market(bars=HISTORY))[-1, 59]


@pytest.mark.reference
@needs_packages
@pytest.mark.skipif(not BARS.is_file(), reason="the file of real bars is not beside the project")
def test_on_real_bars_every_fill_is_equal() -> None:
    for one in real.real(Market.read().until(HISTORY + 60)):
        assert ([], 0) == (list(one.differences), one.differing_fills)
        assert len(one.package.fills) > 1_000


# --- the page --------------------------------------------------------------------------------------


def test_every_part_has_a_heading_and_a_place_in_the_queue() -> None:
    assert set(page.PARTS) | {"rules"} == set(page.TITLES)
    assert set(page.PARTS) == set(_LONGEST)


def test_a_difference_in_a_random_run_is_a_fault_in_words() -> None:
    same, other = Tally(scenarios=2), Tally(scenarios=2)
    other.differ("seed 7", ["bar 1: cash"])

    section = page._tallied({"one": same, "other": other}, "a note")

    assert ["other: seed 7: bar 1: cash (1 in all)"] == section.faults
    assert ["scenarios that differ", "0", "1"] == list(section.tables[0].rows[-1])
    assert [] == page._tallied({"one": same}, "a note").faults


def test_the_table_goes_between_the_marks_and_nowhere_else(tmp_path: Path) -> None:
    marked, unmarked = tmp_path / "marked.md", tmp_path / "unmarked.md"
    marked.write_text(f"before\n{page.BEGIN}\nold\n{report.END}\nafter\n")
    unmarked.write_text("nothing\n")
    table = Table("", ("a", "b"), [["1", "2"]])

    for path in (marked, unmarked):
        report.insert(path, table, page.BEGIN)

    assert (
        f"before\n{page.BEGIN}\n| a | b |\n|---|---|\n| 1 | 2 |\n{report.END}\nafter\n" == marked.read_text()
    )
    assert "nothing\n" == unmarked.read_text()


@pytest.mark.reference
@needs_packages
def test_the_section_written_by_hand_stays_on_the_page(tmp_path: Path) -> None:
    path = tmp_path / "validation.md"
    path.write_text(f"# {page.TITLES['rules']}\n\nBy hand.\n")

    assert 0 == main(["--only", "named", "--only", "defects", "--write", str(path)])

    text = path.read_text()
    assert "By hand." in text
    assert text.index("By hand.") < text.index(page.TITLES["named"]) < text.index(page.TITLES["defects"])


@pytest.mark.reference
@needs_packages
def test_missing_real_bars_are_skipped_with_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["--only", "real", "--data", str(tmp_path / "none.parquet")])

    assert "skipped, there is no file" in capsys.readouterr().err


def test_an_amount_is_rounded_to_the_cent() -> None:
    assert Decimal("2.68") == cents(2.675000001)

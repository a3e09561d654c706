"""A run taken apart is the run, and every stage of it is in the table. No time itself is tested."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from tieout import Result
from tieout.execution.kernels.state import ROWS
from tieout.ledger.books.arrays import TRANSFER, TXN
from tieout.ledger.file.reader import Reader
from tieout.validation.bench import parts, profile
from tieout.validation.bench.clocked import RUNS, Case
from tieout.validation.bench.contest import Engines, Failed
from tieout.validation.bench.profile import Bench, Stage
from tieout.validation.bench.rowless import Apart
from tieout.validation.workloads.references import REFERENCES, outcome
from tieout.validation.workloads.rounds import Timing

APART = ("with", "without")
"""Timed in processes of their own."""


@pytest.fixture(scope="module", params=("W2", "W2 on_bar"))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(Case.of(request.param), tmp_path_factory.mktemp("profile"))


def held(bench: Bench) -> dict[str, int]:
    """Rows of each table of the block."""
    return {name: next(iter(columns.values())).size for name, columns in bench.block.items()}


def stored(path: Path, bench: Bench) -> dict[str, int]:
    """Rows of the same tables in a file."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return {name: len(connection.table(name)) for name in bench.block}


# --- a run in its parts --------------------------------------------------------------------------------


def test_a_run_in_its_parts_keeps_the_rows_that_the_run_stores(bench: Bench) -> None:
    with Reader(bench.stored) as reader:
        for table, (_, *names) in bench.block.items():
            for name, values in reader.columns(table, names).items():
                np.testing.assert_array_equal(bench.block[table][name], values, f"{table}.{name}")


def test_and_ends_with_the_value_of_the_reference(bench: Bench) -> None:
    reference = next(r for r in REFERENCES if (r.workload, r.settings.fill) == ("W2", "same_close"))
    bench.whole()

    with Result.open(bench.folder / "whole.duckdb") as result:
        assert (reference.fills, reference.value) == outcome(result)


def test_a_strategy_makes_requests_and_a_program_none(bench: Bench) -> None:
    assert bench.case.is_program == (bench.requests == 0)


def test_the_step_apart_tells_the_balances_that_it_ends_with(tmp_path: Path) -> None:
    ends: set[str] = set()
    with Apart("W2", tmp_path, ends) as one, Apart("W2 on_bar", tmp_path, ends) as other:
        seconds = one.seconds(), one.seconds(), other.seconds()

    assert all(taken > 0 for taken in seconds)
    assert 1 == len(ends), "program and strategy trade the same"


def test_a_step_that_fails_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Apart("W9", tmp_path, set()) as step, pytest.raises(Failed, match="the bar step of W9"):
        step.seconds()

    assert "StopIteration" in capfd.readouterr().err


# --- bytes ---------------------------------------------------------------------------------------------


def test_the_rows_that_are_posted_are_counted_in_bytes(bench: Bench) -> None:
    rows = held(bench)
    widths = {name: dtype.itemsize for name, dtype in ROWS.items()}
    expected = rows["txn"] * TXN.itemsize + rows["transfer"] * TRANSFER.itemsize
    expected += rows["orders"] * widths["orders"] + rows["fill"] * widths["fills"]
    expected += rows["mark"] * widths["marks"] + rows["statement"] * widths["statements"]

    assert expected == bench.rows


def test_text_is_as_many_bytes_as_it_has_characters() -> None:
    assert 4 + 24 == profile.size({"text": np.array(["a", "bcd"], object), "id": np.arange(3)})


def test_what_is_read_back_is_counted_as_it_is_asked_for(bench: Bench) -> None:
    with Reader(bench.stored) as reader:
        counted = profile.Counted(reader)
        transfers = counted.columns("transfer", ("amount", "debit"))

    assert held(bench)["transfer"] == transfers["amount"].size
    assert (8 + 4) * held(bench)["transfer"] == counted.bytes


# --- the files -----------------------------------------------------------------------------------------


def test_writing_and_its_floor_store_the_same_rows(bench: Bench) -> None:
    bench.store()
    bench.bare()

    found = [stored(bench.folder / name, bench) for name in ("block.duckdb", "bare.duckdb")]

    assert [held(bench)] * 2 == found


# --- tables --------------------------------------------------------------------------------------------


def test_every_stage_that_is_timed_is_in_the_table(bench: Bench) -> None:
    names = [*bench.contestants(), *APART]
    timings = {name: Timing((float(2**place),)) for place, name in enumerate(names)}
    stages = {stage.name: stage for stage in bench.stages(timings)}
    posting = next(stage for stage in stages.values() if stage.name == "posting")
    told = {stage.timing.median for stage in stages.values()} | {timings["with"].median}
    told |= {stage.floor.median for stage in stages.values() if stage.floor}

    assert timings["with"].median - timings["without"].median == posting.timing.median
    assert {timings[name].median for name in names if name not in {"copy", "whole"}} <= told
    assert all(stage.bytes > 0 for stage in stages.values())
    assert {"bars from Parquet", "sealing"} == {n for n, stage in stages.items() if not stage.counts}


def test_a_floor_is_the_bytes_over_the_pace_of_memory() -> None:
    stage = Stage("sealing", Timing((3e-3, 2e-3, 4e-3)), 5_000_000, counts=False)

    cells = profile.cells(stage, pace=5e9)

    assert ["sealing", "3 ms (2 ms to 4 ms)", "5", "1 ms", "3 (2 to 4)", ""] == cells


def test_writing_has_a_floor_of_its_own() -> None:
    stage = Stage("writing", Timing((3e-3, 2e-3)), 5_000_000, floor=Timing((1e-3, 2e-3)))

    assert ["1.5 ms", "2 (1 to 3)", "yes"] == profile.cells(stage, pace=5e9)[3:]


@pytest.mark.parametrize(
    ("whole", "rest"),
    [
        ((8.0, 6.0), ["2 s (1 s to 3 s)", "29%"]),
        ((4.0, 4.0), ["-1 s", "-25%"]),
    ],
)
def test_what_the_stages_do_not_explain_is_shown(whole: tuple[float, ...], rest: list[str]) -> None:
    stages = [
        Stage("one", Timing((2.0, 2.0)), 1),
        Stage("beside it", Timing((9.0, 9.0)), 1, counts=False),
        Stage("two", Timing((3.0, 3.0)), 1),
    ]

    assert rest == profile.totals(stages, Timing(whole))[2:]


def test_of_other_workloads_there_is_no_profile(tmp_path: Path) -> None:
    session = parts.Session(Engines([]), tmp_path, is_quick=True, workloads=("W1",))

    assert [] == next(part for _, part in parts.measure(session, ["profile"])).tables
    assert {"W2", "W3", "W4"} == {name.partition(" ")[0] for name in RUNS}

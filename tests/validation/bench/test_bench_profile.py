"""The stages of a run add up to the run, and each is in the table. The times are not tested."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from tieout import Result
from tieout.execution.kernels.state import ROWS
from tieout.ledger.books.arrays import TRANSFER, TXN
from tieout.ledger.file.reader import Reader
from tieout.validation.bench import parts, profile
from tieout.validation.bench.contest import Engines
from tieout.validation.bench.profile import Bench, Stage
from tieout.validation.bench.runs import RUNS, Case, perform
from tieout.validation.workloads.references import REFERENCES, outcome
from tieout.validation.workloads.rounds import Timing


@pytest.fixture(scope="module", params=("W2", "W2 on_bar"))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(Case.of(request.param), tmp_path_factory.mktemp("profile"))


def rows_of(bench: Bench) -> dict[str, int]:
    """Count the rows of each table of the block."""
    return {name: next(iter(columns.values())).size for name, columns in bench.block.items()}


def stored(path: Path, bench: Bench) -> dict[str, int]:
    """Count the rows of the same tables in a file."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return {name: len(connection.table(name)) for name in bench.block}


# --- a run in its parts --------------------------------------------------------------------------------


def test_a_run_in_its_parts_has_the_rows_that_the_run_stores(bench: Bench) -> None:
    with Reader(bench.file) as reader:
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


def test_program_and_strategy_end_with_the_same_balances() -> None:
    one, other = (perform(Case.of(name).fresh()).engine.journal for name in ("W2", "W2 on_bar"))
    balances = [journal.books.accounts["balance"].tolist() for journal in (one, other)]

    assert balances[0] == balances[1]


def test_the_step_is_timed(bench: Bench) -> None:
    assert bench.step() > 0


# --- bytes ---------------------------------------------------------------------------------------------


def test_the_rows_that_are_posted_are_counted_in_bytes(bench: Bench) -> None:
    rows = rows_of(bench)
    widths = {name: dtype.itemsize for name, dtype in ROWS.items()}
    expected = rows["txn"] * TXN.itemsize + rows["transfer"] * TRANSFER.itemsize
    expected += rows["orders"] * widths["orders"] + rows["fill"] * widths["fills"]
    expected += rows["mark"] * widths["marks"] + rows["statement"] * widths["statements"]

    assert expected == bench.rows


def test_text_is_as_many_bytes_as_it_has_characters() -> None:
    assert 4 + 24 == profile.size({"text": np.array(["a", "bcd"], object), "id": np.arange(3)})


def test_the_columns_that_are_read_back_are_counted(bench: Bench) -> None:
    with Reader(bench.file) as reader:
        counted = profile.Counted(reader)
        transfers = counted.columns("transfer", ("amount", "debit"))

    assert rows_of(bench)["transfer"] == transfers["amount"].size
    assert (8 + 4) * rows_of(bench)["transfer"] == counted.bytes


# --- the files -----------------------------------------------------------------------------------------


def test_writing_and_its_floor_store_the_same_rows(bench: Bench) -> None:
    bench.store()
    bench.bare()

    rows = [stored(bench.folder / name, bench) for name in ("block.duckdb", "bare.duckdb")]

    assert [rows_of(bench)] * 2 == rows


# --- tables --------------------------------------------------------------------------------------------


def test_every_stage_that_is_timed_is_in_the_table(bench: Bench) -> None:
    names = list(bench.contestants())
    timings = {name: Timing((float(2**place),)) for place, name in enumerate(names)}
    stages = {stage.name: stage for stage in bench.stages(timings)}
    times = {stage.timing.median for stage in stages.values()}
    times |= {stage.floor.median for stage in stages.values() if stage.floor}

    assert {timings[name].median for name in names if name not in {"copy", "whole"}} == times
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
        ((8.0, 6.0), "2 s (1 s to 3 s), 29% of the whole"),
        ((4.0, 4.0), "-1 s, -25% of the whole"),
    ],
)
def test_the_time_that_the_stages_do_not_explain_is_in_the_table(whole: tuple[float, ...], rest: str) -> None:
    stages = [
        Stage("one", Timing((2.0, 2.0)), 1),
        Stage("in parallel", Timing((9.0, 9.0)), 1, counts=False),
        Stage("two", Timing((3.0, 3.0)), 1),
    ]

    total, _, difference = profile.totals(stages, Timing(whole))

    assert ("sum of the stages", "5 s") == total
    assert ("not explained", rest) == difference


def test_of_other_workloads_there_is_no_profile(tmp_path: Path) -> None:
    session = parts.Session(Engines([]), tmp_path, is_quick=True, workloads=("W1",))

    assert [] == next(part for _, part in parts.measure(session, ["profile"])).tables
    assert {"W2", "W3", "W4"} == {name.partition(" ")[0] for name in RUNS}

"""Measurements: equal results first, then times, then tables. The times are not tested."""

import ast
import sys
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from tieout.validation.bench import floors, growth, market, parts, streaming
from tieout.validation.bench.contest import Child, Contest, Disagreement, Engines, Failed, hold
from tieout.validation.cli import audit, bench, compare, register
from tieout.validation.workloads import grid
from tieout.validation.workloads import markdown as report
from tieout.validation.workloads.arrays import write
from tieout.validation.workloads.markdown import Part, Table
from tieout.validation.workloads.rounds import Timing, in_turn
from tieout.validation.workloads.task import BEST, WARMUP, Rules
from tieout.validation.workloads.workloads import Workload, generate, walk

VALIDATION = Path(market.__file__).resolve().parents[1]
CONTESTANTS = sorted(VALIDATION.glob("engines/*/contestant.py"))
BESIDE = [
    VALIDATION / name
    for name in ("bench/child.py", *(f"workloads/{n}.py" for n in ("task", "grid", "memory")))
]
TIEOUT, RUST = ("tieout", "program", "sim"), ("vectorbt", "rust", "sim")


@pytest.fixture(scope="module")
def w2() -> Workload:
    return generate("W2")


@pytest.fixture(scope="module")
def arrays(w2: Workload, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("W2")
    write(w2, folder)
    return folder


# --- contests ------------------------------------------------------------------------------------------


def test_a_contestant_that_reaches_the_reference_is_timed(arrays: Path, tmp_path: Path) -> None:
    contest = market.contest("W2", "close", {"tieout": ["program"]})

    timings = hold(contest, Engines([]), arrays, tmp_path, rounds=2)

    assert {("tieout", "program", what) for what in ("sim", "sealed", "total")} == timings.keys()
    assert {2} == {len(timing.seconds) for timing in timings.values()}


def test_a_contestant_that_misses_it_by_a_cent_is_not(arrays: Path, tmp_path: Path) -> None:
    right = market.contest("W2", "close", {"tieout": ["program"]})
    contest = Contest("W2", right.rules, right.value + Decimal("0.01"), right.entries)

    with pytest.raises(Disagreement, match=r"program ends with 1,263,044\.75 after 9,046 fills"):
        hold(contest, Engines([]), arrays, tmp_path, rounds=1)


def test_an_engine_that_is_not_installed_takes_no_part_and_is_named(arrays: Path, tmp_path: Path) -> None:
    engines = Engines([])
    contest = Contest("W2", Rules("close", 1e6, 0.001), Decimal(0), {"absent": ["strategy"]})

    assert {} == hold(contest, engines, arrays, tmp_path, rounds=1)
    assert ["absent"] == list(engines.absent)


def test_the_error_output_of_an_engine_that_ends_is_quoted(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no memory >&2\n", "utf-8")
    python.chmod(0o755)

    with pytest.raises(Failed, match="vectorbt: its process ended: no memory"):
        Child("vectorbt", str(python), [])


def test_an_error_of_an_engine_is_quoted() -> None:
    with Child("tieout", sys.executable, []) as child, pytest.raises(Failed, match="KeyError: 'nothing'"):
        child.ask("run", name="nothing", check=False)


@pytest.mark.parametrize("path", [*CONTESTANTS, *BESIDE], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_modules_beside_another_engine_import_nothing_of_tieout(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {f"{n.module}.{a.name}" for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}
    names |= {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
    beside = tuple(f"tieout.validation.workloads.{name}" for name in ("task", "grid", "memory"))
    needs = {name for name in names if name.startswith(("tieout", "attrs")) and not name.startswith(beside)}

    assert (path.parent.name == "tieout") == bool(needs)


# --- workloads -----------------------------------------------------------------------------------------


def test_weights_are_shares_of_the_best_on_the_bars_that_decide(w2: Workload) -> None:
    weights = w2.weights

    assert np.all(np.isnan(weights[:WARMUP]))
    assert np.allclose(0.95, weights[WARMUP:].sum(axis=1))
    assert {BEST} == set(np.count_nonzero(weights[WARMUP:], axis=1).tolist())


def test_symbols_of_thousands_of_instruments_are_in_alphabetical_order() -> None:
    symbols = walk(1, (2, 1_001)).symbols

    assert sorted(symbols) == list(symbols)


def test_the_grid_has_a_thousand_different_sets(w2: Workload) -> None:
    sets = {weights.tobytes() for weights in grid.weights(w2.inputs)}

    assert 1_000 == len(sets)


# --- rounds and ratios ---------------------------------------------------------------------------------


def test_contestants_take_turns() -> None:
    order: list[str] = []

    def enter(name: str) -> float:
        order.append(name)
        return float(len(order))

    timings = in_turn({"a": lambda: enter("a"), "b": lambda: enter("b")}, 2)

    assert ["a", "b"] * 3 == order
    assert {"a": Timing((3.0, 5.0)), "b": Timing((4.0, 6.0))} == timings


@pytest.mark.parametrize(("seconds", "met"), [(1.0, "yes"), (2.0, "NO")])
def test_a_target_is_met_by_the_median(seconds: float, met: str) -> None:
    measured = {("in memory", "W2"): {TIEOUT: Timing((seconds,) * 3), RUST: Timing((5.0, 6.0, 4.0))}}

    (row,) = floors.rows(measured)

    assert [f"{5 / seconds:g} ({4 / seconds:g} to {6 / seconds:g})", "5", met] == row[-3:]


def test_a_target_against_an_absent_engine_is_left_out() -> None:
    assert [] == floors.rows({("in memory", "W2"): {TIEOUT: Timing((1.0,))}})


@pytest.mark.parametrize(("power", "values"), [(1.0, [3, 6, 12, 24]), (2.0, [1, 4, 16, 64]), (0.0, [5] * 4)])
def test_an_exponent_is_the_power_of_the_size(power: float, values: list[float]) -> None:
    assert round(growth.exponent([1, 2, 4, 8], values), 9) == power


# --- tables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.5e-7, "150 ns"), (2.5e-5, "25 us"), (0.0123, "12.3 ms"), (1.234, "1.23 s"), (1234.5, "1,234 s")],
)
def test_three_digits_of_a_time_are_shown(seconds: float, text: str) -> None:
    assert text == report.duration(seconds)


def part(title: str, cell: str) -> Part:
    return Part(title, [Table("Times", ("", "took"), [["ours", cell]], "In turn.")])


def test_a_part_that_is_measured_replaces_its_own_and_leaves_the_others(tmp_path: Path) -> None:
    path, titles = tmp_path / "benchmarks.md", {"a": "First", "b": "Second"}
    report.write(path, {"a": part("First", "1 s"), "b": part("Second", "2 s")}, titles)
    report.write(path, {"b": part("Second", "3 s")}, titles)

    expected = "# {}\n\n## Times\n\nIn turn.\n\n|  | took |\n|---|---|\n| ours | {} |\n"
    assert f"{expected.format('First', '1 s')}\n{expected.format('Second', '3 s')}" == path.read_text("utf-8")


def test_a_short_table_stands_between_the_marks_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", "utf-8")

    report.insert(path, Table("", ("a", "b"), [["1", "2"]]))

    table = "| a | b |\n|---|---|\n| 1 | 2 |"
    assert f"before\n{report.BEGIN}\n{table}\n{report.END}\nafter\n" == path.read_text("utf-8")


def test_the_machine_is_described_with_the_absent_engines() -> None:
    engines = Engines([])
    engines.absent["zipline"] = "No module named 'zipline'"
    session = parts.Session(engines, Path(), is_quick=True)

    rows = parts.machine(session).rows

    assert ["zipline", "absent: No module named 'zipline'"] in rows


# --- the command ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--workload", "W9"]])
def test_an_unknown_part_or_workload_is_refused(arguments: list[str]) -> None:
    app = typer.Typer()
    app.command()(bench)

    result = CliRunner().invoke(app, arguments)

    assert 2 == result.exit_code
    assert "there is no" in result.output


def test_the_room_brings_its_commands() -> None:
    app = typer.Typer()

    register(app)

    assert [bench, compare, audit] == [command.callback for command in app.registered_commands]


# --- streaming -----------------------------------------------------------------------------------------


def test_a_streamed_history_gives_the_same_head_in_every_window(tmp_path: Path) -> None:
    source, orders = tmp_path / "minutes.parquet", tmp_path / "orders.parquet"
    streaming.write(source, orders, days=3, instruments=30)

    reports = [
        SimpleNamespace(**streaming.perform(source, orders, tmp_path / f"{window}.duckdb", window))
        for window in (0, 100)
    ]

    assert 30 * 3 * streaming.MINUTES == reports[0].bars == reports[1].bars
    assert reports[0].head == reports[1].head
    assert 0 < reports[0].fills

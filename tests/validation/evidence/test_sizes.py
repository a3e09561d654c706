"""Every slow proof reads its size from one table, and at the size of CI it still finds a planted fault.

The campaign of faults has its planted errors in tests/ledger/file/test_faults.py, where one to three trials
find them.
"""

import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.execution import test_runs
from tests.execution.figures import test_history
from tests.ledger.books import test_books
from tests.support import generators, ties
from tests.support.generators import Setting
from tests.support.generators_market import cases
from tests.support.oracle import Oracle
from tieout.execution.figures import schedules
from tieout.ledger.export import export
from tieout.ledger.file import chain
from tieout.validation.engines.backtrader import imitation as backtrader_imitation
from tieout.validation.engines.vectorbt import adapter as vectorbt_adapter
from tieout.validation.evidence import backtrader, native, outsiders, vectorbt
from tieout.validation.evidence.author.campaign import Campaign
from tieout.validation.evidence.author.inputs import chosen
from tieout.validation.evidence.faults import campaign, pairs, signals, tasks, trials
from tieout.validation.evidence.faults.campaign import Fault
from tieout.validation.evidence.faults.program import SMALL, Program
from tieout.validation.evidence.faults.tasks import Report, Start
from tieout.validation.evidence.forger import base as forged_bases
from tieout.validation.evidence.forger import trials as forgeries
from tieout.validation.evidence.sample import sample
from tieout.validation.evidence.sizes import SIZES, size
from tieout.validation.foreign.outcome import Difference, Fill, Outcome, differences

CI = {name: one.ci for name, one in SIZES.items()}


# --- the table -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "column"), [("ci", "ci"), ("long", "long"), (None, "long")])
def test_the_environment_chooses_the_column(
    monkeypatch: pytest.MonkeyPatch, value: str | None, column: str
) -> None:
    monkeypatch.delenv("TIEOUT_SIZE", raising=False)
    if value is not None:
        monkeypatch.setenv("TIEOUT_SIZE", value)

    assert size("WAL cut") == getattr(SIZES["WAL cut"], column)


def test_another_column_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_SIZE", "short")

    with pytest.raises(ValueError, match="TIEOUT_SIZE must be ci or long, not 'short'"):
        size("WAL cut")


@pytest.mark.parametrize("name", SIZES)
def test_the_full_size_is_the_larger_one(name: str) -> None:
    assert 0 < SIZES[name].ci < SIZES[name].long


@pytest.mark.parametrize(
    ("name", "trials"),
    [
        ("kill -9, small blocks", 8),  # one in eight may hit the making of the file, one in five is twice
        ("kill -9, large blocks", 8),
        ("kill -9, a run from its spec", 3),  # one in three is twice
        ("bit flipped in the file", 10),  # one in ten is among the headers
        ("signal in any command", len(signals.COMMANDS) * len(signals.SIGNALS)),
        ("pairs of runs by workers", pairs.SAME_RUN),  # and both delays
        ("pairs of runs by commands", pairs.SAME_RUN),
        ("WAL cut", 2),  # the two ways to resume
        ("bit flipped in the WAL", 2),
        ("full disk, small blocks", 2),
        ("full disk, large blocks", 2),
    ],
)
def test_ci_performs_every_kind_of_trial(name: str, trials: int) -> None:
    assert trials <= CI[name]


# --- properties ----------------------------------------------------------------------------------------


def falsify(test: Any, *arguments: SearchStrategy[Any], share: int = 1) -> None:
    """Run a property with the examples of CI, without shrinking its counterexample."""
    chosen = settings(
        max_examples=CI["property examples"] // share,
        phases=[Phase.generate],
        derandomize=True,
        report_multiple_bugs=False,
        database=None,
        deadline=None,
    )
    with pytest.raises(AssertionError):
        chosen(given(*arguments)(test.hypothesis.inner_test))()


@pytest.mark.crash
def test_books_that_relieve_lots_in_another_order_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"fifo": "lifo", "lifo": "fifo", "hifo": "fifo"}
    right = test_books.oracle_for

    def wrong(setting: Setting) -> Oracle:
        return right(setting._replace(relief=other.get(setting.relief, setting.relief)))

    monkeypatch.setattr(test_books, "oracle_for", wrong)

    falsify(
        test_books.test_books_in_arrays_in_sql_and_kept_another_way_agree,
        generators.SETTINGS,
        generators.SEQUENCES,
    )


def test_runs_that_cut_orders_in_place_of_refusing_them_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = test_runs.simulated

    def wrong(case: Any) -> Any:
        cuts = case.rules.insufficient == "reject"
        rules = replace(case.rules, insufficient="cut") if cuts else case.rules
        return right(replace(case, rules=rules))

    monkeypatch.setattr(test_runs, "simulated", wrong)

    falsify(test_runs.test_the_engine_and_the_oracle_agree_on_every_fill_end_and_bar, cases())


def test_figures_that_lack_a_trade_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = schedules.trades
    planted = SimpleNamespace(trades=lambda history: right(history).head(3), equity=schedules.equity)
    monkeypatch.setattr(ties, "schedules", planted)

    falsify(
        test_history.test_figures_of_random_books_are_those_of_the_views,
        st.lists(test_history.DEEDS_WITH_TERMS, max_size=40),
        st.none(),
        share=5,
    )


# --- random runs ---------------------------------------------------------------------------------------


def with_fees_of_flips_doubled(outcome: Outcome) -> Outcome:
    """Plant a fault: a fill from long to short or back pays its commission twice."""
    positions: defaultdict[int, float] = defaultdict(float)
    fills: list[Fill] = []
    for fill in outcome.fills:
        before = positions[fill.column]
        positions[fill.column] += fill.quantity
        is_flip = before * positions[fill.column] < 0
        fills.append(evolve(fill, fee=2 * fill.fee) if is_flip else fill)
    return evolve(outcome, fills=fills)


def test_a_fault_of_the_native_engine_is_found_by_its_random_runs() -> None:
    def faulty_outcome(run: Any) -> Outcome:
        return with_fees_of_flips_doubled(vectorbt_adapter.by_imitation(run))

    count = 20
    (tally,) = native.compare_random(count, packages={"planted": ("vectorbt", faulty_outcome)}).values()

    assert count <= CI["random runs of the native engine"]
    assert 0 < tally.differing < count


def test_a_fault_of_the_imitation_of_backtrader_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The imitation stands in for the package, so that the test needs no package."""

    def run(scenario: Any) -> Any:
        return with_fees_of_flips_doubled(backtrader_imitation.perform(scenario).followed)

    from tieout.validation.engines import backtrader as folder

    stub = SimpleNamespace(run=run)
    monkeypatch.setitem(sys.modules, f"{folder.__name__}.package", stub)
    monkeypatch.setattr(folder, "package", stub, raising=False)
    count = 20
    tally = backtrader.compare_random(count)

    assert count <= CI["random runs of an imitation"]
    assert 0 < tally.differing < count


@pytest.mark.reference
@pytest.mark.skipif(find_spec("vectorbt") is None, reason="VectorBT is not installed")
@pytest.mark.parametrize(
    ("engine", "name"),
    [("numba", "random runs of an imitation"), ("rust", "random runs in VectorBT's Rust")],
)
def test_a_fault_of_the_imitation_of_vectorbt_is_found(
    monkeypatch: pytest.MonkeyPatch, engine: Any, name: str
) -> None:
    def wrong(outcome: Outcome, expected: Outcome) -> list[Difference]:
        return differences(with_fees_of_flips_doubled(outcome), expected)

    monkeypatch.setattr(vectorbt, "differences", wrong)
    count = 40
    tally = vectorbt.compare_random(count, 0, engine)

    assert count <= CI[name]
    assert 0 < tally.differing < count


# --- second opinions -----------------------------------------------------------------------------------


def test_a_cent_is_found_by_beancount_in_the_smallest_journal_of_ci(tmp_path: Path) -> None:
    share = min(share for _, share in outsiders.JOURNALS)
    journal = tmp_path / "books.duckdb"
    sample(journal, int(CI["transactions for outsiders"] * share))

    def wrong(*arguments: Any) -> Iterator[Path]:
        for path in export(*arguments):
            text = path.read_text("utf-8")
            place = text.index("Assets:Cash:USD  ")
            path.write_text(text[:place] + text[place:].replace(".", ".1", 1), "utf-8")
            yield path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outsiders, "export", wrong)
        comparisons = outsiders.compare(journal, tmp_path / "out", ["beancount"])

    assert any(comparison.differences for comparison in comparisons)


# --- kills ---------------------------------------------------------------------------------------------


def write_and_report_too_early(report: Report, path: Path, program: Program, start: Start) -> str:
    """Plant a fault: acknowledge each block before it is durable."""
    return _write(lambda block: report(block + 1 if isinstance(block, int) else block), path, program, start)


_write = tasks.write


@pytest.mark.crash
def test_blocks_acknowledged_before_they_are_durable_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = trials.undisturbed(tmp_path, SMALL)
    monkeypatch.setattr(tasks, "write", write_and_report_too_early)
    count = 6
    (row,) = campaign.perform([Fault("planted", trials.kill, small, count)], 7)

    assert count <= CI["kill -9, small blocks"]
    assert any(trial.lost for trial in row.trials)


# --- pairs of runs -------------------------------------------------------------------------------------


def delete_and_compete(report: Report, orders: Connection) -> None:
    """Plant a fault: each run deletes what lies there, as if it held nothing."""
    while True:
        path, cash, start = orders.recv()
        while time.monotonic() < start:
            pass
        path.unlink(missing_ok=True)
        report(tasks.attempt(path, cash))


def compete_with_figures_of_another(report: Report, orders: Connection) -> None:
    """Plant a fault: a run shows the figures of another one."""
    while True:
        path, cash, _ = orders.recv()
        report(evolve(tasks.attempt(path, cash), shown_cash=cash + 5))


def compete_and_refuse_both(report: Report, orders: Connection) -> None:
    """Plant a fault: each run is refused because of the other."""
    while True:
        _, cash, _ = orders.recv()
        report(tasks.Attempt(cash, refusal="LockedByWriter"))


@pytest.mark.crash
@pytest.mark.parametrize(
    ("planted", "words"),
    [
        (
            delete_and_compete,
            "both were stored, with different contents|refused without a sentence|not acknowledged",
        ),
        (compete_with_figures_of_another, "shows the figures of"),
        (compete_and_refuse_both, "neither was stored"),
    ],
)
def test_a_fault_of_two_runs_on_one_path_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: Any, words: str
) -> None:
    monkeypatch.setattr(tasks, "compete", planted)
    tally = pairs.Tally("planted")
    count = 24
    for pair in pairs.compete(tmp_path, count, 7):
        tally.add(pair)

    assert count <= CI["pairs of runs by workers"]
    assert any(re.search(words, fault) for fault in tally.faults)


# --- signals in commands -------------------------------------------------------------------------------


def lose_a_block(report: Report, arguments: list[str], output: Path) -> int:
    """Plant a fault: a command loses the commits that are not in the file itself."""
    output.with_name("run.duckdb.wal").unlink(missing_ok=True)
    return _command(report, arguments, output)


_command = tasks.command


@pytest.mark.crash
def test_a_command_that_loses_blocks_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "samples").mkdir()
    samples = signals.files(tmp_path / "samples")
    monkeypatch.setattr(tasks, "command", lose_a_block)
    number = next(n for n, command in enumerate(signals.COMMANDS) if command.name == "verify")
    trial = signals.interrupt(tmp_path, samples, number, random.Random(1))

    assert number < CI["signal in any command"]
    assert trial.kind == "verify, SIGINT"
    assert trial.lost or trial.wrong


# --- a forger ------------------------------------------------------------------------------------------


def test_a_chain_that_compares_no_digest_is_found_by_the_forger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged_bases.books(tmp_path / "books.duckdb")
    base = forged_bases.Base.of(tmp_path / "books.duckdb")
    monkeypatch.setattr(chain, "_departures_of_block", lambda *_: iter(()))
    count = 5
    performed = [*forgeries.perform_all([base], count, tmp_path, kinds=["value changed"])]

    assert count <= CI["alterations by a forger"]
    assert any(trial.outcome is forgeries.Outcome.WRONG for trial in performed)


# --- a hostile author ----------------------------------------------------------------------------------


@pytest.mark.crash
def test_a_file_that_reaches_other_files_is_found(tmp_path: Path) -> None:
    """Nothing is written even then, because `sql` takes one select alone."""
    plant = "tests.validation.evidence.author.plants:open_every_door"
    author = Campaign(tmp_path / "campaign", plant=plant)
    inputs = chosen(author.kinds(), CI["inputs of a hostile author"], 1)
    queries = [item for item in inputs if item.kind == "query"]
    trials = [trial for trial in author.trials(queries) if trial.call.command == "sql"]
    violations = {v.kind for outcome in author.perform(trials) for v in outcome.violations}

    assert {"read", "leak"} <= violations

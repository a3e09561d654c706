"""Each fault a few times. `python -m tieout.validation.evidence.faults` plants hundreds of each."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from tieout.validation.evidence.faults import campaign, tasks, trials
from tieout.validation.evidence.faults.campaign import Fault, Row
from tieout.validation.evidence.faults.children import ChildFailed, Crashed, outcome
from tieout.validation.evidence.faults.program import SMALL, Program, replay
from tieout.validation.evidence.faults.trials import Fate, Fixture, Spec, Trial, Undisturbed

SEED = 20_240_102


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return trials.undisturbed(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Fixture:
    return trials.with_wal(tmp_path_factory.mktemp("killed"))


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Fixture:
    return trials.closed(tmp_path_factory.mktemp("closed"))


def several(trial: Callable[..., Trial], subject: Undisturbed | Fixture | Spec, times: int = 2) -> Row:
    (row,) = campaign.perform([Fault(trial.__name__, trial, subject, times)], SEED)
    return row


def test_no_acknowledged_block_is_lost_to_a_kill(small: Undisturbed) -> None:
    row = several(trials.kill, small, 3)

    assert [] == list(row.complaints())
    assert {True} == {trial.same_head for trial in row.trials}


@pytest.mark.crash
def test_a_run_killed_at_a_random_bar_is_resumed_to_the_same_head(tmp_path: Path) -> None:
    spec = trials.spec_run(tmp_path)

    row = several(trials.kill_spec, spec, 3)

    assert [] == list(row.complaints())
    assert {True} == {trial.same_head for trial in row.trials}


@pytest.mark.parametrize("trial", [trials.cut_wal, pytest.param(trials.flip_wal, marks=pytest.mark.crash)])
def test_commits_before_the_damage_in_the_wal_survive(trial: Callable[..., Trial], killed: Fixture) -> None:
    row = several(trial, killed)

    assert [] == list(row.complaints())
    assert {True} == {trial.same_head for trial in row.trials}


@pytest.mark.parametrize("trial", [trials.flip_file, trials.swap_blocks])
def test_damage_in_the_file_is_found_or_harmless(trial: Callable[..., Trial], closed: Fixture) -> None:
    row = several(trial, closed)

    assert [] == list(row.complaints())
    assert {Fate.CLEAN} != {trial.fate for trial in row.trials}


@pytest.mark.crash
@pytest.mark.parametrize("can_mount", [trials.can_mount, lambda: False])
def test_no_acknowledged_block_is_lost_to_a_full_disk(
    small: Undisturbed, can_mount: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "can_mount", can_mount)

    row = several(trials.fill_disk, small)

    assert [] == list(row.complaints())
    assert {True} == {trial.same_head for trial in row.trials}


# --- the harness finds planted faults ------------------------------------------------------


def test_a_lost_block_and_another_head_are_complained_of(small: Undisturbed, tmp_path: Path) -> None:
    other = evolve(small, head="another head")
    path = tmp_path / "run.duckdb"
    outcome(tasks.begin_and_write, path, Program(blocks=2, posts=SMALL.posts))

    contents = outcome(tasks.inspect, path)
    trial = trials._resumed(path, other, 3, contents, replay)

    assert (1, False) == (trial.lost, trial.same_head)
    row = Row(Fault("planted", trials.kill, other, 1), [trial])
    assert ["planted, trial 0: another head digest, 1 lost, "] == list(row.complaints())
    assert ["planted", "1", "1", "0", "0", "0", "0", "1", "1", "0", "0 of 1"] == row.cells()


@pytest.mark.crash
def test_a_spec_whose_run_ends_with_another_head_is_complained_of(tmp_path: Path) -> None:
    planted = evolve(trials.spec_run(tmp_path), head="another head")

    row = several(trials.kill_spec, planted, 1)

    assert ["kill_spec, trial 0: another head digest, 0 lost, "] == list(row.complaints())


def test_rows_that_differ_without_a_broken_seal_are_a_silent_error(closed: Fixture) -> None:
    contents = tasks.Contents(closed.contents.blocks, rows=closed.contents.rows | {"txn": (0, 0)})
    planted = Fixture(closed.path, closed.whole, contents)

    trial, _ = trials._judged(closed.path, planted)

    assert "other rows, and no seal is broken" == trial.wrong


def crash(_: object) -> None:
    os.kill(os.getpid(), 11)


def fail(_: object) -> None:
    raise ZeroDivisionError


def test_a_crash_and_an_unexpected_error_of_a_child_are_told_apart() -> None:
    assert Crashed(11) == outcome(crash)
    with pytest.raises(ChildFailed, match="ZeroDivisionError"):
        outcome(fail)


def test_a_trial_that_fails_unexpectedly_is_complained_of(small: Undisturbed) -> None:
    def fail(*_: object) -> Trial:
        raise ChildFailed("an unexpected error")

    row = several(fail, small, 1)

    assert ["fail, trial 0: 0 lost, an unexpected error"] == list(row.complaints())

"""The campaign under strace: an honest journal passes, and a planted violation of each kind is reported."""

from pathlib import Path
from shutil import copy

import pytest

from tieout.validation.evidence.author import drivers
from tieout.validation.evidence.author.campaign import Campaign
from tieout.validation.evidence.author.inputs import Input

PLANTS = "tests.validation.evidence.author.plants"


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("author") / "campaign")


def honest(campaign: Campaign) -> Input:
    def write(folder: Path) -> Path:
        return Path(copy(campaign.study.journal, folder / "books.duckdb"))

    return Input("honest", "the base", write)


def reported(campaign: Campaign, plant: str, *commands: str) -> list[list[str]]:
    """Return the kinds of violations of each call of *commands* with an honest journal."""
    campaign.plant = f"{PLANTS}:{plant}" if plant else ""
    trials = [t for t in campaign.trials([honest(campaign)]) if t.call.command in commands]
    return [[v.kind for v in outcome.violations] for outcome in campaign.perform(trials)]


@pytest.mark.crash
def test_no_command_goes_beyond_an_honest_journal(campaign: Campaign) -> None:
    commands = [name for name in drivers.DRIVERS if name not in {"demo", "bench"}]

    assert [[]] * len(commands) == reported(campaign, "", *commands)


@pytest.mark.crash
@pytest.mark.parametrize(
    ("kind", "plant"),
    [
        ("write", "write"),
        ("read", "read"),
        ("execve", "start"),
        ("connect", "connect"),
        ("import", "load"),
        ("crash", "end"),
        ("traceback", "raise_other_errors"),
    ],
)
def test_a_planted_violation_is_reported_for_its_call_alone(
    campaign: Campaign, kind: str, plant: str
) -> None:
    before, planted, after = reported(campaign, plant, "sql", "trace", "export")

    assert ([], []) == (before, after)
    assert kind in planted


@pytest.mark.crash
def test_a_call_without_an_end_is_reported_and_the_next_is_performed(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "limit", 20.0)

    assert [[], ["hang"], []] == reported(campaign, "hang", "sql", "trace", "export")


@pytest.mark.crash
def test_a_process_is_traced_from_its_start(campaign: Campaign) -> None:
    # The third of a kind is verified without options.
    trial = [t for t in campaign.trials([honest(campaign)] * 3) if t.call.command == "verify"][2]
    outcome = campaign.perform_alone(trial)

    assert (0, []) == (outcome.status, outcome.violations)

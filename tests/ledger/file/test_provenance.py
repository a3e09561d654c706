"""The provenance that a journal records."""

import json
import platform
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tieout.ledger.file import provenance

COMMIT = "5065d6c0" * 5


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `.git` folder of a checkout of this source."""
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "ledger" / "file" / "provenance.py"))
    return tmp_path / ".git"


@pytest.mark.parametrize(
    ("files", "revision"),
    [
        ({}, ""),
        ({"HEAD": f"{COMMIT}\n"}, COMMIT),
        ({"HEAD": "ref: refs/heads/main\n", "refs/heads/main": f"{COMMIT}\n"}, COMMIT),
        ({"HEAD": "ref: refs/heads/main\n"}, ""),
    ],
    ids=["no checkout", "detached", "on a branch", "before the first commit"],
)
def test_the_revision_is_the_commit_of_the_checkout(git: Path, files: dict[str, str], revision: str) -> None:
    for name, content in files.items():
        (git / name).parent.mkdir(parents=True, exist_ok=True)
        (git / name).write_text(content)

    assert revision == provenance.here()["revision"]


def test_time_host_and_versions_are_those_of_this_process() -> None:
    before = datetime.now(UTC).replace(microsecond=0)

    here = provenance.here()

    assert before <= datetime.fromisoformat(here["created"]) <= datetime.now(UTC)
    assert platform.node() in here["host"]
    versions = json.loads(here["versions"])
    assert {"python", "tieout", "duckdb", "numba", "numpy", "polars", "pyarrow"} == set(versions)
    assert platform.python_version() == versions["python"]


def test_a_missing_library_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_LIBRARIES", ("duckdb", "no such distribution"))

    versions = json.loads(provenance.here()["versions"])

    assert "" == versions["no such distribution"]
    assert "" < versions["duckdb"]

"""The check for files that were imported under two names finds a planted one, in a session or a worker."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.doubles import ROOT, doubles
from tieout.ledger import closing

PLANTED = f"""
import sys

def test_that_imports_a_module_by_its_bare_name():
    import tieout.ledger.errors
    sys.path.insert(0, {str(ROOT)!r})
    import ledger.errors
"""


def test_a_file_under_two_names_is_listed_once_with_both() -> None:
    bare = ModuleType("ledger.closing")
    bare.__file__ = str(ROOT / "ledger" / "closing.py")
    modules = {"tieout.ledger.closing": closing, "ledger.closing": bare, "sys": sys, "pytest": pytest}

    assert [f"{ROOT / 'ledger' / 'closing.py'}: ledger.closing, tieout.ledger.closing"] == doubles(modules)
    assert [] == doubles({"tieout.ledger.closing": closing, "sys": sys})


@pytest.mark.parametrize(
    "options", [["-p", "no:xdist"], ["-p", "xdist", "-n", "1"]], ids=["session", "worker"]
)
def test_a_session_that_imports_a_file_under_two_names_fails(options: list[str], tmp_path: Path) -> None:
    file = tmp_path / "test_planted.py"
    file.write_text(PLANTED, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.support.doubles",
        "-p",
        "no:cacheprovider",
        *options,
    ]

    process = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(file)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )

    assert pytest.ExitCode.TESTS_FAILED == process.returncode, process.stdout + process.stderr
    assert "1 passed" in process.stdout
    assert "ledger.errors, tieout.ledger.errors" in process.stdout

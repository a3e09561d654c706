"""A check at the end of a session: no file of the repository was imported under two names.

A folder that is imported both as `tieout.ledger` and as `ledger` gives two modules, with two sets of classes
and kernels. Each worker of pytest-xdist hands its findings to the session that started it.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
FINDINGS = pytest.StashKey[list[str]]()
WORKER_KEY = "modules_under_two_names"


def doubles(modules: Mapping[str, ModuleType]) -> list[str]:
    """List each file below the repository that several of *modules* were loaded from, with their names."""
    names: dict[str, list[str]] = {}
    for name, module in modules.items():
        path = os.path.realpath(getattr(module, "__file__", None) or "")
        is_installed = "site-packages" in Path(path).parts
        if path.endswith(".py") and Path(path).is_relative_to(ROOT) and not is_installed:
            names.setdefault(path, []).append(name)
    return [f"{path}: {', '.join(sorted(pair))}" for path, pair in sorted(names.items()) if len(pair) > 1]


def _add(config: pytest.Config, findings: Iterable[str]) -> None:
    config.stash[FINDINGS] = sorted({*config.stash.get(FINDINGS, []), *findings})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over the findings of a worker of pytest-xdist."""
    _add(node.config, getattr(node, "workeroutput", {}).get(WORKER_KEY, []))  # type: ignore[attr-defined]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session where a file was imported under two names."""
    findings = doubles(sys.modules.copy())
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[WORKER_KEY] = findings
    _add(session.config, findings)
    if session.config.stash[FINDINGS] and session.exitstatus in (
        pytest.ExitCode.OK,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the findings."""
    findings = config.stash.get(FINDINGS, [])
    if findings:
        terminalreporter.section("files imported under two names", red=True)
        for finding in findings:
            terminalreporter.line(finding)

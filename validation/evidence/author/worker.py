"""The long-lived process: it calls commands as functions, with a marker in the log before each.

    python -P -m tieout.validation.evidence.author.worker PLAN FIRST REPORTS PLANT

performs the calls of the file PLAN from number FIRST on. It writes its process id to the file descriptor
REPORTS, then a line of JSON for each call. PLANT is empty, or names a function that is called before. Nothing
here opens a file after the first marker.
"""

import json
import os
import resource
import sys
import time
from importlib import import_module
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import Any, TextIO

from typer.testing import CliRunner

from tieout.execution.warmup import compile_once
from tieout.ledger.application import application

MARKER = "/tieout-author/"
END = "end"
OTHER_ENGINES = ("vectorbt", "backtrader")
"""Packages that open and start much by themselves. Without them imitations take their place."""
LARGEST_OUTPUT = 100_000
_MEMORY = 12 << 30
"""Address space of the worker, so that an input cannot take the machine's memory."""


def perform(calls: list[list[str]], first: int, reports: TextIO) -> None:
    """Perform the calls from number *first* on, and report each."""
    app, runner = application(), CliRunner()
    for number in range(first, len(calls)):
        mark(str(number))
        start = time.perf_counter()
        result = runner.invoke(app, calls[number])
        report: dict[str, Any] = {
            "number": number,
            "status": result.exit_code,
            "seconds": time.perf_counter() - start,
            "error": "" if isinstance(result.exception, SystemExit | None) else repr(result.exception)[:500],
            "output": result.output[:LARGEST_OUTPUT],
        }
        reports.write(json.dumps(report) + "\n")
        reports.flush()
    mark(END)


def mark(name: str) -> None:
    """Ask for a path that does not exist, which leaves a line in the log."""
    os.access(MARKER + name, os.F_OK)


def without_other_engines() -> None:
    """Make the packages of other engines unavailable."""
    sys.modules.update(dict.fromkeys(OTHER_ENGINES))  # type: ignore[arg-type]  # None: there is no such module
    installed = Distribution.from_name

    def from_name(name: str) -> Distribution:
        if name in OTHER_ENGINES:
            raise PackageNotFoundError(name)
        return installed(name)

    Distribution.from_name = from_name  # type: ignore[method-assign]


def main() -> None:
    """Perform the plan that the arguments name."""
    plan, first, reports, plant = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    without_other_engines()
    compile_once()
    if plant:
        module, _, name = plant.partition(":")
        getattr(import_module(module), name)()
    with os.fdopen(int(reports), "w", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
        file.flush()
        perform(json.loads(Path(plan).read_text("utf-8")), int(first), file)


if __name__ == "__main__":
    main()

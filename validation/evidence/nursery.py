"""A process that has imported the libraries of the tests, and forks a child for each run of them.

    python -P nursery.py

reads a line of JSON for each run: the folder *tree*, the *variables* of its environment, the *arguments* of
pytest, and the file *output* for what it prints. It answers with a line: the exit *status*, and the *places*
of the modules of tieout that were imported. Importing the libraries is half the time of a short test. This
file is run by its path and imports nothing of tieout, because each child imports it from another tree.
"""

import json
import os
import sys
from importlib import import_module
from typing import Any

LIBRARIES = (
    "attrs",
    "cattrs",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "duckdb",
    "hypothesis.strategies",
    "numba",
    "numpy",
    "platformdirs",
    "polars",
    "pyarrow",
    "pytest",
    "rich.console",
    "rich.table",
    "typer.testing",
)


def main() -> None:
    """Import the libraries, and serve until the end of the input."""
    for name in LIBRARIES:
        import_module(name)
    if loaded := [name for name in sys.modules if name.partition(".")[0] == "tieout"]:
        raise RuntimeError(f"{loaded[0]} is imported already, and a child would not read its own")
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _perform(json.loads(line), writing)
        os.close(writing)
        with os.fdopen(reading) as reports:
            report = reports.read()
        _, status = os.waitpid(child, 0)
        print(report or json.dumps({"status": os.waitstatus_to_exitcode(status), "places": []}), flush=True)


def _perform(request: dict[str, Any], report: int) -> None:
    """Run the tests in this process, which was forked for them, and end it."""
    import pytest

    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ |= request["variables"]
    os.chdir(request["tree"])
    sys.path.insert(0, request["tree"])
    status = -1
    try:
        status = int(pytest.main(request["arguments"]))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "tieout"]
        places = sorted({file for module in modules if (file := getattr(module, "__file__", None))})
        with os.fdopen(report, "w") as answer:
            json.dump({"status": status, "places": places}, answer)
        os._exit(0)


if __name__ == "__main__":
    main()

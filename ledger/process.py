"""Python processes that import nothing from the current folder."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

from tieout.ledger.imports import SAFE_PATH, import_path, named_folders


def start(
    *arguments: str,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> Popen[str]:
    """Start Python. The child imports from where this process does, without the current folder.

    Another interpreter than this one has its own folders of imports. *environment* has variables that the
    child gets besides those of this process. *options* are those of `subprocess.Popen`.
    """
    folders = import_path() if python == sys.executable else named_folders()
    # A folder with the separator in its name would be read as two others.
    path = os.pathsep.join(folder for folder in folders if os.pathsep not in folder)
    variables = os.environ | {"PYTHONPATH": path, SAFE_PATH: "1"} | dict(environment or {})
    return Popen([python, "-P", *arguments], env=variables, text=True, **options)  # noqa: S603


@contextmanager
def safe_children() -> Iterator[None]:
    """Keep the processes that `multiprocessing` starts meanwhile from importing from the current folder."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before

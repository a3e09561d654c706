"""Faults that a worker plants into itself before its calls."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tieout.ledger.file import instances
from tieout.ledger.show import trace


def open_every_door() -> None:
    """Leave a stranger's file in an instance that reaches other files."""
    instances._ISOLATED = ()  # type: ignore[assignment]  # fewer settings


def write() -> None:
    _in_trace(lambda: Path("planted.txt").write_text("planted"))


def read() -> None:
    _in_trace(lambda: Path("secret.csv").read_text())


def start() -> None:
    _in_trace(lambda: subprocess.run(["true"], check=True))


def connect() -> None:
    def attempt() -> None:
        with socket.socket() as place, suppress(OSError):
            place.connect(("127.0.0.1", 9))

    _in_trace(attempt)


def load() -> None:
    def attempt() -> None:
        sys.path.insert(0, str(Path.cwd()))
        try:
            with suppress(SystemError):
                __import__("strategy")
        finally:
            del sys.path[0]

    _in_trace(attempt)


def hang() -> None:
    _in_trace(lambda: time.sleep(3_600))


def end() -> None:
    _in_trace(lambda: os._exit(9))


def raise_other_errors() -> None:
    def attempt() -> None:
        raise ZeroDivisionError("planted")

    _in_trace(attempt)


def _in_trace(deed: Callable[[], object]) -> None:
    """Do something in every call of the command trace."""
    right = trace.trace

    def wrong(*arguments: object) -> object:
        deed()
        return right(*arguments)  # type: ignore[arg-type]  # passed on as they are

    trace.trace = wrong  # type: ignore[assignment]  # planted

"""Contests: every engine in a process of its own, on the same arrays, under the same rules, in turn.

A contestant has to reach the reference's final value to the cent before it is timed. `Disagreement` names
one that does not. The processes of a contest in memory are pinned to one core. Those of a durable contest may
use all cores.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from subprocess import PIPE
from typing import Any, Self

from attrs import frozen

import tieout
from tieout.ledger.process import start
from tieout.validation.workloads.rounds import Timing
from tieout.validation.workloads.task import Rules

CENT = Decimal("0.01")
TIEOUT = "tieout"
_LAST_WORDS = 2_000
"""Characters of the error output that an error message quotes."""
# An interpreter without tieout can import its modules, but no other package of the same site-packages.
_START = """
import os, sys, types
root, engine, cores = sys.argv[1:]
if cores and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, map(int, cores.split(",")))
if engine != "tieout":
    sys.modules["tieout"] = types.ModuleType("tieout")
    sys.modules["tieout"].__path__ = [root]
from tieout.validation.bench.child import main
main(engine)
"""


class Disagreement(Exception):
    """An engine did not reach the result on which the others agree."""


class Absent(Exception):
    """An engine is not installed in any of the interpreters."""


class Failed(Exception):
    """An engine raised, or its process ended."""


class Child:
    """The process of one engine."""

    def __init__(self, engine: str, python: str, cores: Sequence[int]) -> None:
        self.engine = engine
        root = str(Path(tieout.__file__).parent)
        command = ("-c", _START, root, engine, ",".join(map(str, cores)))
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the process
        self._process = start(*command, python=python, stdin=PIPE, stdout=PIPE, stderr=self._stderr)
        try:
            self.versions: dict[str, str] = self._answer()["versions"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, do: str, **more: Any) -> Any:
        """Send a request. Return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._stderr.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._stderr.seek(0)
            raise Failed(f"{self.engine}: its process ended: {self._stderr.read()[-_LAST_WORDS:]}")
        answer = json.loads(line)
        if "absent" in answer:
            raise Absent(answer["absent"])
        if "error" in answer:
            raise Failed(f"{self.engine}: {answer['error']}")
        return answer


class Engines:
    """The interpreter of each engine: the first one that has it."""

    def __init__(self, interpreters: Sequence[str]) -> None:
        self.interpreters = [sys.executable, *interpreters]
        self.absent: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}
        self._pythons: dict[str, str] = {}

    def find(self, engine: str) -> str | None:
        """Return the interpreter that has an engine."""
        child = self.start(engine, ())
        if child is not None:
            child.close()
        return self._pythons.get(engine)

    def start(self, engine: str, cores: Sequence[int]) -> Child | None:
        """Start a process of an engine. Return None where no interpreter has it, and note it in `absent`."""
        if engine in self.absent:
            return None
        candidates = [self._pythons[engine]] if engine in self._pythons else self.interpreters
        reason = ""
        for python in [sys.executable] if engine == TIEOUT else candidates:
            try:
                child = Child(engine, python, cores)
            except Absent as error:
                if engine == TIEOUT:
                    raise
                reason = reason or str(error)
                continue
            self._pythons[engine] = python
            self.versions[engine] = child.versions
            return child
        self.absent[engine] = reason
        return None


@frozen
class Contest:
    """A workload, its rules, and the names of its contestants by engine.

    *value* is the final value that they have to reach. *is_pinned* puts all processes on one core.
    """

    workload: str
    rules: Rules
    value: Decimal
    entries: Mapping[str, Sequence[str]]
    is_pinned: bool = True


Key = tuple[str, str, str]
"""Engine, contestant, and the name of the timed section."""


def hold(contest: Contest, engines: Engines, arrays: Path, folder: Path, rounds: int) -> dict[Key, Timing]:
    """Check the result of every contestant, then time them in turn."""
    available = cores()
    seconds: dict[Key, list[float]] = {}
    with ExitStack() as stack:
        entered: list[tuple[Child, str]] = []
        for engine, names in contest.entries.items():
            child = engines.start(engine, available[-1:] if contest.is_pinned else available)
            if child is not None:
                stack.enter_context(child)
                loaded = child.ask(
                    "load",
                    workload=contest.workload,
                    arrays=str(arrays),
                    rules=list(contest.rules),
                    folder=str(folder),
                )
                entered += [(child, name) for name in names if name in loaded["names"]]
        for child, name in entered:
            _require_equal(contest, f"{child.engine}, {name}", child.ask("run", name=name, check=True))
        for _ in range(rounds):
            for child, name in entered:
                sections = child.ask("run", name=name, check=False)["seconds"]
                for section, elapsed in sections.items():
                    seconds.setdefault((child.engine, name, section), []).append(elapsed)
    return {key: Timing(tuple(values)) for key, values in seconds.items()}


def _require_equal(contest: Contest, contestant: str, answer: Mapping[str, Any]) -> None:
    value = Decimal(str(answer["value"])).quantize(CENT)
    if value != contest.value:
        raise Disagreement(
            f"{contest.workload} at the {contest.rules.fill}: {contestant} ends with {value:,} after"
            f" {answer['fills']:,} fills, the others with {contest.value:,}"
        )


def cores() -> list[int]:
    """Return the cores that this process may use, by number."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return []

"""Pairs of runs that are begun at once on one path: one of the two is stored, and the other is refused.

The two runs of a pair have cash of their own, so that a run that shows the figures of the other is noticed.
In every fourth pair they are the same run. Then both may succeed, one after the other.
"""

import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Self

from attrs import field, frozen
from rich.table import Table

from tieout.ledger.closing import Closing
from tieout.validation.evidence.faults import tasks
from tieout.validation.evidence.faults.children import child, outcome
from tieout.validation.evidence.faults.program import rival_spec
from tieout.validation.evidence.faults.tasks import Attempt, Contents

CASH = 1_000_000
SAME_RUN = 4
"""One pair in this many is of the same run."""
LEAD = 0.02
"""Seconds between an order and the moment at which both begin."""
LONGEST_DELAY = 0.05
_HEAD = re.compile(r"head digest ([0-9a-f]{64})")
_START = re.compile(r"start equity +([0-9,.]+)")


@frozen
class Pair:
    """The attempts of a pair, the contents of the file afterwards, and the other files beside it."""

    attempts: tuple[Attempt, Attempt]
    contents: Contents
    others: list[str]
    is_delayed: bool
    is_same: bool

    @property
    def kind(self) -> str:
        """The outcome in words."""
        return " + ".join(sorted(attempt.refusal or "stored" for attempt in self.attempts))

    def faults(self) -> Iterator[str]:
        """Yield everything that may not happen."""
        stored = [attempt for attempt in self.attempts if not attempt.refusal]
        if not stored:
            yield "neither was stored"
        if len({attempt.head for attempt in stored}) > 1:
            yield "both were stored, with different contents"
        for attempt in self.attempts:
            if attempt.refusal and attempt.refusal not in tasks.REFUSALS:
                yield f"refused without a sentence: {attempt.refusal}"
            if not attempt.refusal and attempt.shown_cash != attempt.cash:
                yield f"the run of {attempt.cash} shows the figures of {attempt.shown_cash}"
        yield from self.contents.broken
        if self.contents.refused:
            yield self.contents.refused
        if stored and self.contents.head not in {attempt.head for attempt in stored}:
            yield "the file holds a run that was not acknowledged"
        if self.others:
            yield f"files are left behind: {', '.join(self.others)}"


class Workers(Closing):
    """Two processes that stay alive and make an attempt whenever they are asked."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._ends: list[tuple[Connection, Connection]] = []

    def __enter__(self) -> Self:
        for _ in range(2):
            orders, received = Pipe()
            _, reports = self._stack.enter_context(child(tasks.compete, received))
            received.close()
            self._ends.append((orders, reports))
        return self

    def close(self) -> None:
        """End the processes."""
        self._stack.close()

    def attempt(
        self, path: Path, cash: tuple[int, int], delays: tuple[float, float]
    ) -> tuple[Attempt, Attempt]:
        """Let both begin a run at *path*, each after its delay."""
        start = time.monotonic() + LEAD
        for (orders, _), money, delay in zip(self._ends, cash, delays, strict=True):
            orders.send((path, money, start + delay))
        one, other = (reports.recv() for _, reports in self._ends)
        return one, other


def compete(folder: Path, count: int, seed: int) -> Iterator[Pair]:
    """Let two processes that stay alive make *count* pairs of runs, every other pair with random delays."""
    choice = random.Random(seed)
    with Workers() as workers:
        for number in range(count):
            place = folder / f"pair-{number}"
            place.mkdir()
            cash, delays = _terms(number, choice, LONGEST_DELAY)
            attempts = workers.attempt(place / "run.duckdb", cash, delays)
            yield _pair(place, attempts, cash, delays)


def compete_as_commands(folder: Path, count: int, seed: int) -> Iterator[Pair]:
    """Let *count* pairs of fresh processes perform `tieout run` on one path."""
    choice = random.Random(seed)
    for number in range(count):
        place = folder / f"command-{number}"
        place.mkdir()
        cash, delays = _terms(number, choice, 1.0)
        specs = [folder / f"command-{number}-{side}.toml" for side in range(2)]
        commands = []
        for spec, money, delay in zip(specs, cash, delays, strict=True):
            spec.write_text(rival_spec(money), "utf-8")
            time.sleep(delay)
            commands.append(_command(spec, place / "run.duckdb"))
        one, other = (_attempt(command, money) for command, money in zip(commands, cash, strict=True))
        yield _pair(place, (one, other), cash, delays)


def _terms(number: int, choice: random.Random, longest: float) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return the cash and the delays of a pair."""
    first = CASH + 2 * number
    cash = (first, first if number % SAME_RUN == SAME_RUN - 1 else first + 1)
    return cash, (0.0, choice.uniform(0, longest) if number % 2 else 0.0)


def _pair(
    place: Path, attempts: tuple[Attempt, Attempt], cash: tuple[int, int], delays: tuple[float, float]
) -> Pair:
    path = place / "run.duckdb"
    contents = outcome(tasks.inspect, path) if path.exists() else Contents(refused="there is no file")
    others = [file.name for file in place.iterdir() if file != path]
    return Pair(attempts, contents, others, any(delays), len({*cash}) == 1)


def _command(spec: Path, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tieout", "run", str(spec), "--journal", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _attempt(command: "subprocess.Popen[str]", cash: int) -> Attempt:
    """Return the outcome of a command in the form of an attempt."""
    output, errors = command.communicate()
    if command.returncode:
        refusal = next((name for name, words in tasks.REFUSALS.items() if words in errors), errors[-200:])
        return Attempt(cash, refusal=refusal or f"exit status {command.returncode}")
    head, start = _HEAD.search(output), _START.search(output)
    printed_cash = int(float(start[1].replace(",", ""))) if start else 0
    return Attempt(cash, head[1] if head else "", printed_cash)


@frozen
class Tally:
    """All pairs of one sort, counted by outcome, and the faults."""

    name: str
    kinds: Counter[str] = field(factory=Counter)
    faults: list[str] = field(factory=list)

    def add(self, pair: Pair) -> None:
        """Count a pair."""
        same, late = "the same run" if pair.is_same else "two runs", ", delayed" if pair.is_delayed else ""
        self.kinds[f"{same}{late}: {pair.kind}"] += 1
        self.faults.extend(f"{self.name}, pair {self.kinds.total() - 1}: {fault}" for fault in pair.faults())


def table(tallies: Iterable[Tally]) -> Table:
    """Return the counts as a table for the terminal."""
    grid = Table("pairs of runs begun at once", "outcome", "pairs", title="Two runs on one path")
    grid.columns[-1].justify = "right"
    for tally in tallies:
        for kind, number in sorted(tally.kinds.items()):
            grid.add_row(tally.name, kind, str(number))
        grid.add_row(tally.name, "faults", str(len(tally.faults)))
    return grid

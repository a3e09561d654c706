"""The campaign: the inputs, the calls, the traced processes, and what the judge says of each call."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from shutil import copy
from typing import Any

import duckdb
from attrs import define, evolve, field, frozen

from tieout.execution.kernels.compiled import FOLDER
from tieout.execution.records import RECORDS
from tieout.ledger.file.schema import Schema, ledger_schema
from tieout.validation.evidence.author import base, drivers, journals, judge, others, strace, worker
from tieout.validation.evidence.author.drivers import Invocation, Place
from tieout.validation.evidence.author.inputs import Input, Study
from tieout.validation.evidence.author.judge import Allowed, Violation
from tieout.validation.evidence.author.strace import Event
from tieout.validation.evidence.author.texts import CANARY

LIMIT = 60.0
"""Seconds that a call may take. On a quiet core each takes less than two."""
PROCESSES = 20
WORKERS = 2
"""Long-lived processes that share the calls."""
_STARTING = 10
"""Limits of a call that a worker may take to start: it may have to compile."""
_MODULES = (
    "duckdb",
    "polars",
    "ledger",
    "strategy",
    "numpy",
    "tieout",
    "typer",
    "sitecustomize",
    "usercustomize",
)
_PLANTED = "class Canary:\n    pass\nraise SystemError('{word}')\n"
_ENTRY = """\
import sys
sys.modules.update(dict.fromkeys({others!r}))
from importlib.metadata import entry_points
(command,) = entry_points(group="console_scripts", name="tieout")
command.load()()
"""


class WorkerFailed(Exception):
    """The long-lived process did not start."""


@frozen
class Trial:
    """A call of a command with an input, in the long-lived process or in one of its own."""

    item: Input
    call: Invocation
    output: Path
    is_process: bool = False


@define
class Outcome:
    """The end of a trial, and its violations. *status* is None if it did not end."""

    trial: Trial
    status: int | None = None
    seconds: float = 0.0
    violations: list[Violation] = field(factory=list)


@define
class Campaign:
    """A campaign in a *folder* of its own.

    *plant* names a function, as ``module:name``, that the worker calls before the first call. The tests plant
    faults with it.
    """

    folder: Path
    limit: float = LIMIT
    plant: str = ""
    schemas: list[Schema] = field(factory=lambda: [ledger_schema(), RECORDS])
    study: Study = field(init=False)
    allowed: Allowed = field(init=False)
    environment: Mapping[str, str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make the study, the bait, the canary home and the canary folder."""
        root = self.folder = self.folder.resolve()
        journal = base.study(root / "study")
        bait, home, temporary = root / "bait", root / "home", root / "temporary"
        for folder in (bait, home, root / "current"):
            folder.mkdir()
            decoys(folder)
        copy(bait / "secret.csv", root)
        temporary.mkdir()
        self.study = Study(journal.parent, journal, bait)
        self.allowed = Allowed.here(temporary)
        self.environment = _environment(home, temporary)

    def kinds(self) -> dict[str, list[Input]]:
        """List all inputs by kind."""
        return journals.kinds(self.study, self.schemas) | others.kinds(self.study)

    def trials(self, inputs: Iterable[Input]) -> list[Trial]:
        """Write inputs, and list the calls of every command with each."""
        trials: list[Trial] = []
        for turn, item in enumerate(inputs):
            place = self._place(item, turn)
            trials += [Trial(item, call, place.output) for call in drivers.invocations(item, place, turn)]
        return trials

    def _place(self, item: Input, turn: int) -> Place:
        folder = Path(tempfile.mkdtemp(prefix=f"{turn:04d}-", dir=self.folder))
        inbox, output = folder / "inbox", folder / "output"
        inbox.mkdir(parents=True)
        output.mkdir()
        decoys(inbox)
        copy(inbox / "secret.csv", folder)
        here = Path.cwd()
        os.chdir(self.study.bait)  # an author binds views to files by the names that they have for him
        try:
            path = item.write(inbox)
        except duckdb.Error as error:
            raise ValueError(f"{item.kind}: {item.name}: {error}") from error
        finally:
            os.chdir(here)
        views = tuple(name for schema in self.schemas for name in schema.views)
        return Place(path, output, self.study.folder, views, tuple(journals.tables_of(self.schemas)))

    def perform(self, trials: list[Trial], progress: Callable[[], None] = lambda: None) -> list[Outcome]:
        """Perform the trials in long-lived processes. Another takes over where one hangs or dies."""
        outcomes = [Outcome(trial) for trial in trials]
        with ThreadPoolExecutor(WORKERS) as pool:
            shares = [outcomes[share::WORKERS] for share in range(WORKERS)]
            for future in [pool.submit(self._perform_share, *part, progress) for part in enumerate(shares)]:
                future.result()
        return outcomes

    def _perform_share(self, share: int, outcomes: list[Outcome], progress: Callable[[], None]) -> None:
        plan = self.folder / f"plan-{share}.json"
        calls = [outcome.trial.call for outcome in outcomes]
        plan.write_text(json.dumps([[call.command, *call.arguments] for call in calls]), "utf-8")
        events: dict[int, list[Event]] = {}
        first = part = 0
        while first < len(outcomes):
            log = self.folder / f"strace-{share}-{part}.log"
            first = self._perform_from(first, outcomes, plan, log, progress)
            for event in strace.events(log):
                events.setdefault(event.section, []).append(event)
            part += 1
        for number, outcome in enumerate(outcomes):
            self._judge(outcome, events.get(number, []))

    def _perform_from(
        self, first: int, outcomes: list[Outcome], plan: Path, log: Path, progress: Callable[[], None]
    ) -> int:
        """Perform trials until one does not end. Return the number of the next one."""
        reading, writing = os.pipe()
        arguments = [str(plan), str(first), str(writing), self.plant]
        module = [sys.executable, "-P", "-m", worker.__name__, *arguments]
        with self._traced(module, log, pass_fds=(writing,)) as process:
            os.close(writing)
            reports = Reports(reading)
            number, pid = first, reports.following(_STARTING * self.limit)
            if pid is None:
                raise WorkerFailed(f"the worker ended with status {process.wait()} before its first call")
            try:
                while (report := reports.following(self.limit)) is not None:
                    outcome = outcomes[report["number"]]
                    outcome.status, outcome.seconds = report["status"], report["seconds"]
                    _take_output(outcome, report["output"], report["error"])
                    number = report["number"] + 1
                    progress()
                status = process.wait(self.limit)
                if number < len(outcomes):
                    outcomes[number].violations.append(Violation("crash", f"the process ended with {status}"))
            except TimeoutError:
                outcomes[number].violations.append(Violation("hang", f"no end after {self.limit:.0f} s"))
                # strace writes the rest of its log once the process is gone.
                os.kill(pid, signal.SIGKILL)
                process.wait(self.limit)
            finally:
                _end(process)
        return number + 1

    def perform_alone(self, trial: Trial) -> Outcome:
        """Perform one trial as a process, as a user starts the command."""
        outcome = Outcome(trial)
        script, log = self.folder / "tieout-command", self.folder / "strace-process.log"
        script.write_text(_ENTRY.format(others=worker.OTHER_ENGINES))
        command = [sys.executable, str(script), trial.call.command, *trial.call.arguments]
        with self._traced(command, log, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            try:
                output, _ = process.communicate(timeout=5 * self.limit)
            except subprocess.TimeoutExpired:
                outcome.violations.append(Violation("hang", f"no end after {5 * self.limit:.0f} s"))
                _end(process)
                output = b""
        outcome.status = process.returncode
        text = output.decode("utf-8", "replace")
        is_traceback = "Traceback (most recent call last)" in text
        _take_output(outcome, text, text[-300:] if is_traceback else "")
        call = evolve(trial.call, reads=(*trial.call.reads, str(script)))
        # The first event is the start of the command itself.
        events = list(strace.events(log))[1:]
        outcome.violations += judge.judged(events, call, self.allowed)
        outcome.violations += judge.of_files(trial.output)
        return outcome

    def _traced(self, command: list[str], log: Path, **options: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*strace.command(log), *command],
            cwd=self.folder / "current",
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **options,
        )

    def _judge(self, outcome: Outcome, events: list[Event]) -> None:
        outcome.violations += judge.judged(events, outcome.trial.call, self.allowed)
        if outcome.trial.call.command == "export":
            outcome.violations += judge.of_files(outcome.trial.output)


def decoys(folder: Path) -> None:
    """Put files into a folder that no command may read: modules, settings and secrets."""
    for name in _MODULES:
        (folder / f"{name}.py").write_text(_PLANTED.format(word=CANARY))
    (folder / "secret.csv").write_text(f"timestamp,symbol\n{CANARY},{CANARY}\n")
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select '{CANARY}' as secret) to '{folder}/secret.parquet' (format parquet)"
        )
    (folder / ".duckdbrc").write_text(f".shell echo {CANARY}\n")


def _environment(home: Path, temporary: Path) -> dict[str, str]:
    """Return the variables of a process with a canary home. The compiled kernels stay where they are."""
    names = ("CONFIG", "DATA", "CACHE", "STATE")
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "PYTHON", "DUCKDB")) and name != "HOME"
    }
    here = str(Path(worker.__file__).resolve().parents[3])
    return variables | {
        "HOME": str(home),
        **{f"XDG_{name}_HOME": str(home / name.lower()) for name in names},
        "XDG_RUNTIME_DIR": str(home / "runtime"),
        "TMPDIR": str(temporary),
        "NUMBA_CACHE_DIR": str(FOLDER.parent),
        "PYTHONPATH": here,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
    }


def _take_output(outcome: Outcome, output: str, error: str) -> None:
    if error:
        outcome.violations.append(Violation("traceback", error))
    # What a spec names is read on purpose, and an error may quote it.
    outcome.violations += judge.of_output(output, may_leak=bool(outcome.trial.item.names))


class Reports:
    """The lines that a worker writes to the file descriptor *descriptor*."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: Queue[str | None] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with os.fdopen(self._descriptor, encoding="utf-8") as file:
            for line in file:
                self._lines.put(line)
        self._lines.put(None)

    def following(self, limit: float) -> Any:
        """Return the next report, or None after the last. Raises `TimeoutError` after *limit* seconds."""
        try:
            line = self._lines.get(timeout=limit)
        except Empty:
            raise TimeoutError from None
        return None if line is None else json.loads(line)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a traced process and its children, which are a session of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

"""Ctrl-C and kill -9 at a random moment of any command: nothing that was acknowledged before is lost.

A block is acknowledged once its seal is in the file, or once a command has printed the head digest.
"""

import os
import random
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from tieout.ledger.file.database import holds_nothing
from tieout.validation.evidence.faults import tasks
from tieout.validation.evidence.faults.children import Crashed, child, outcome, received
from tieout.validation.evidence.faults.program import RIVAL_BARS, rival_spec
from tieout.validation.evidence.faults.tasks import Contents
from tieout.validation.evidence.faults.trials import Fate, Trial

LONGEST = 120
"""Seconds after which a command that was interrupted counts as hanging."""
_HEAD = re.compile(r"head digest ([0-9a-f]{64})")


@frozen
class Files:
    """Files that commands work on: a whole run, one whose writer was killed, and one of another spec."""

    folder: Path
    digests: list[str]
    other_digests: list[str]
    killed_blocks: int

    @property
    def spec(self) -> Path:
        """The spec of the run."""
        return self.folder / "run.toml"


@frozen
class Command:
    """A command: its arguments, the file that it begins with, and whether it writes the run of the spec."""

    name: str
    arguments: Callable[[Files, Path], list[str]]
    begins_with: str
    is_run: bool = False


COMMANDS = (
    Command("run, a new file", lambda f, p: ["run", str(f.spec), "--journal", str(p)], "", is_run=True),
    Command("run, resumed", lambda f, p: ["run", str(f.spec), "--journal", str(p)], "killed", is_run=True),
    Command("run, compared", lambda f, p: ["run", str(f.spec), "--journal", str(p)], "whole", is_run=True),
    Command(
        "run --overwrite",
        lambda f, p: ["run", str(f.spec), "--journal", str(p), "--overwrite"],
        "other",
        is_run=True,
    ),
    Command("verify", lambda _, p: ["verify", str(p)], "killed"),
    Command("show", lambda _, p: ["show", str(p), "trial-balance"], "killed"),
    Command("export", lambda _, p: ["export", str(p), "--format", "csv"], "whole"),
    Command("reperform", lambda _, p: ["reperform", str(p)], "whole"),
    Command("doctor", lambda _, p: ["doctor", str(p)], "killed"),
    Command("doctor --merge", lambda _, p: ["doctor", str(p), "--merge"], "killed"),
)
SIGNALS = (signal.SIGINT, signal.SIGKILL)


def files(folder: Path) -> Files:
    """Make the files."""
    for name, cash in (("run", 1_000_000), ("other", 2_000_000)):
        (folder / f"{name}.toml").write_text(rival_spec(cash), "utf-8")
    outcome(tasks.run_spec, folder / "run.toml", folder / "whole.duckdb")
    outcome(tasks.run_spec, folder / "other.toml", folder / "other.duckdb")
    blocks = 0
    while not blocks:  # on a slow disk no block may be stored in time
        for left in folder.glob("killed.duckdb*"):
            left.unlink()
        outcome(tasks.run_spec_and_die, folder / "run.toml", folder / "killed.duckdb", RIVAL_BARS - 2)
        blocks = outcome(tasks.inspect, folder / "killed.duckdb").blocks
    digests = [outcome(tasks.inspect, folder / f"{name}.duckdb").digests for name in ("whole", "other")]
    return Files(folder, digests[0], digests[1], blocks)


def interrupt(folder: Path, samples: Files, number: int, choice: random.Random) -> Trial:
    """Send a signal to a command at a random moment, judge its file, and perform the run to its end.

    The number chooses the command and the signal. Most signals come within the time that the command takes.
    """
    command = COMMANDS[number % len(COMMANDS)]
    chosen = SIGNALS[number // len(COMMANDS) % len(SIGNALS)]
    path, output = folder / "run.duckdb", folder / "output.txt"
    moment = choice.uniform(0, seconds(command, samples))
    _copy(command, samples, path)
    with child(tasks.command, command.arguments(samples, path), output) as (process, reports):
        reports.recv()
        time.sleep(moment)
        is_running = process.is_alive() and not reports.poll()
        assert process.pid is not None
        if is_running:
            os.kill(process.pid, chosen)
        process.join(LONGEST)
        hangs = process.is_alive()
    kind = f"{command.name}, {chosen.name if is_running else 'ended before the signal'}"
    if hangs:
        return Trial(Fate.CRASHED, wrong=f"{command.name} goes on {LONGEST} s after {chosen.name}", kind=kind)
    trial = _judged(path, output, command, samples)
    trial.kind = kind
    return _resumed(trial, path, command, samples) if command.is_run else trial


def _copy(command: Command, samples: Files, path: Path) -> None:
    """Copy the file that a command begins with, and its WAL."""
    for part in ("", ".wal"):
        source = samples.folder / f"{command.begins_with}.duckdb{part}"
        if source.exists():
            shutil.copyfile(source, path.with_name(path.name + part))


def seconds(command: Command, samples: Files) -> float:
    """Return how long a command takes undisturbed, once it has begun. Measured once for all trials."""
    if command.name not in _SECONDS:
        with tempfile.TemporaryDirectory(prefix="tieout-faults-") as name:
            path = Path(name) / "run.duckdb"
            _copy(command, samples, path)
            arguments = command.arguments(samples, path)
            with child(tasks.command, arguments, path.with_name("output.txt")) as (_, reports):
                reports.recv()
                start = time.perf_counter()
                list(received(reports))
                _SECONDS[command.name] = time.perf_counter() - start
    return _SECONDS[command.name]


_SECONDS: dict[str, float] = {}


def _judged(path: Path, output: Path, command: Command, samples: Files) -> Trial:
    """Compare the file with what was acknowledged."""
    sealed = {
        "": [],
        "killed": samples.digests[: samples.killed_blocks],
        "whole": samples.digests,
        "other": samples.other_digests,
    }[command.begins_with]
    printed = _HEAD.search(output.read_text("utf-8")) if output.exists() else None
    if printed and command.is_run:
        sealed = samples.digests
    if not sealed and holds_nothing(path):
        return Trial(Fate.CLEAN)
    contents: Contents | Crashed = outcome(tasks.inspect, path)
    if isinstance(contents, Crashed):
        return Trial(Fate.CRASHED, lost=len(sealed))
    if contents.refused:
        return Trial(Fate.REFUSED, lost=len(sealed), wrong=contents.refused)
    wrong = "; ".join(contents.broken)
    if command.begins_with == "other" and contents.digests != samples.other_digests:
        # Overwritten: by a run that has sealed a block.
        is_whole = contents.digests and contents.digests == samples.digests[: contents.blocks]
        return Trial(Fate.CLEAN, lost=0 if is_whole else len(sealed), wrong=wrong)
    if contents.digests != samples.digests[: contents.blocks] and command.begins_with != "other":
        wrong = f"{wrong}; the file holds blocks of another run"
    return Trial(Fate.CLEAN, lost=max(0, len(sealed) - contents.blocks), wrong=wrong)


def _resumed(trial: Trial, path: Path, command: Command, samples: Files) -> Trial:
    """Perform the run again, to its end. Nothing else may be left in the folder."""
    is_other = command.begins_with == "other"
    head = outcome(tasks.overwrite_by_spec if is_other else tasks.run_spec, samples.spec, path)
    trial.recovered = isinstance(head, str)
    trial.same_head = head == samples.digests[-1]
    if left := [file.name for file in path.parent.iterdir() if file.name.startswith((".", "run.duckdb."))]:
        trial.wrong = f"{trial.wrong}; files are left behind: {', '.join(left)}"
    return trial

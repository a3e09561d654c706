"""One function for each fault: it does the damage once and returns the result of the trial."""

import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import cache
from pathlib import Path

from attrs import define, frozen

from tieout.ledger.errors import StoreError
from tieout.ledger.file import doctor
from tieout.ledger.file.database import holds_nothing
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.validation.evidence.faults import program, tasks
from tieout.validation.evidence.faults.children import Crashed, child, outcome, received
from tieout.validation.evidence.faults.program import RESUME, SMALL, Program, create, replay
from tieout.validation.evidence.faults.tasks import Contents, Start

HEADERS = 3 * 4096
"""Bytes of a DuckDB file before its first block."""
BLOCK = 64 * 1024
# Enough marks for some dozen blocks of the file.
MIDDLE = Program(blocks=20, posts=10, marks=12_000)


class Fate(Enum):
    """State of a file when it is first opened after the fault."""

    CLEAN = "opened clean"
    SEALS = "found by seals"
    ANCHOR = "found by anchor"
    REFUSED = "refused"
    CRASHED = "crashed"


@define
class Trial:
    """Result of one fault, of a *kind* where a fault has several.

    *recovered* and *same_head* are None where no run can be resumed.
    """

    fate: Fate
    recovered: bool | None = None
    lost: int = 0
    wrong: str = ""
    same_head: bool | None = None
    kind: str = ""


@frozen
class Undisturbed:
    """A program that ran without a fault."""

    program: Program
    head: str
    seconds: float
    size: int
    """Bytes of its file."""


@frozen
class Spec:
    """A backtest's spec, and the head digest of its run without a fault."""

    path: Path
    head: str


@frozen
class Fixture:
    """A file to damage, and its contents before. *wal* is the size of its WAL after each block."""

    path: Path
    whole: Undisturbed
    contents: Contents
    wal: tuple[int, ...] = ()


def undisturbed(folder: Path, program: Program) -> Undisturbed:
    """Perform a program without a fault."""
    path = folder / "undisturbed.duckdb"
    with child(tasks.write, path, program, create) as (_, reports):
        begun = reports.recv()
        assert begun == "begun", begun
        start = time.perf_counter()
        *_, head = received(reports)
        return Undisturbed(program, head, time.perf_counter() - start, path.stat().st_size)


def closed(folder: Path) -> Fixture:
    """Make a file whose writer closed it."""
    whole = undisturbed(folder, MIDDLE)
    path = folder / "undisturbed.duckdb"
    return Fixture(path, whole, outcome(tasks.inspect, path))


def with_wal(folder: Path) -> Fixture:
    """Make a file whose writer was killed, with two fifths of the blocks in its WAL."""
    whole, path = undisturbed(folder, SMALL), folder / "killed.duckdb"
    before = SMALL.blocks * 3 // 5
    with child(tasks.leave_wal, path, SMALL, before) as (_, reports):
        sizes = tuple(received(reports))
    return Fixture(path, whole, outcome(tasks.inspect, path), (0,) * before + sizes)


def spec_run(folder: Path) -> Spec:
    """Write the spec, and run it without a fault."""
    path = folder / "spec.toml"
    path.write_text(program.SPEC, "utf-8")
    return Spec(path, outcome(tasks.run_spec, path, folder / "undisturbed.duckdb"))


def kill(folder: Path, whole: Undisturbed, number: int, choice: random.Random) -> Trial:
    """Kill a writer at a random moment, some twice, and resume by replay or by opening.

    One in eight may be killed while it makes its file, the others only after that.
    """
    path, resume = folder / "run.duckdb", RESUME[number // 2 % 2]
    if number % 8:
        acknowledged = _killed(whole, choice, tasks.write, path, whole.program, create)
    else:
        acknowledged = _killed(whole, choice, tasks.begin_and_write, path, whole.program)
    if acknowledged and number % 5 == 0:
        again = _killed(whole, choice, tasks.write, path, whole.program, resume)
        acknowledged = max(acknowledged, again)
    return _resumed(path, whole, acknowledged, outcome(tasks.inspect, path), resume)


def kill_spec(folder: Path, spec: Spec, number: int, choice: random.Random) -> Trial:
    """Kill the run of a spec at a random bar, one time in three again while it resumes, and resume it.

    A reported bar acknowledges no block, because blocks are stored in parallel with the run.
    """
    path = folder / "run.duckdb"
    for _ in range(2 if number % 3 == 2 else 1):
        _killed_at(spec.path, path, choice.randint(1, program.SPEC_BARS - 1))
    contents = Contents() if holds_nothing(path) else outcome(tasks.inspect, path)
    if isinstance(contents, Crashed):
        return Trial(Fate.CRASHED)
    fate = Fate.REFUSED if contents.refused else Fate.CLEAN
    trial = Trial(fate, wrong="; ".join(contents.broken))
    head = outcome(tasks.run_spec, spec.path, path)
    trial.recovered = isinstance(head, str)
    trial.same_head = head == spec.head
    if trial.recovered and not is_sound(path):
        trial.wrong = "a check fails after the resume"
    return trial


def is_sound(path: Path) -> bool:
    """Check whether a journal passes every check."""
    with Reader(path) as reader:
        return verify(reader).ok


def cut_wal(folder: Path, fixture: Fixture, number: int, choice: random.Random) -> Trial:
    """Cut the WAL anywhere."""
    path, content = _copy(fixture, folder)
    offset = choice.randrange(len(content))
    _wal(path).write_bytes(content[:offset])
    return _with_damaged_wal(path, fixture, offset, RESUME[number % 2])


def flip_wal(folder: Path, fixture: Fixture, number: int, choice: random.Random) -> Trial:
    """Flip a bit of the WAL."""
    path, content = _copy(fixture, folder)
    offset = choice.randrange(len(content))
    content[offset] ^= 1 << choice.randrange(8)
    _wal(path).write_bytes(content)
    return _with_damaged_wal(path, fixture, offset, RESUME[number % 2])


def flip_file(folder: Path, fixture: Fixture, number: int, choice: random.Random) -> Trial:
    """Flip a bit of the file, one time in ten among its headers."""
    path = folder / "run.duckdb"
    content = bytearray(fixture.path.read_bytes())
    offset = choice.randrange(len(content) if number % 10 else HEADERS)
    content[offset] ^= 1 << choice.randrange(8)
    path.write_bytes(content)
    return _with_damaged_file(path, fixture)


def swap_blocks(folder: Path, fixture: Fixture, _: int, choice: random.Random) -> Trial:
    """Let two blocks of the file change places."""
    path = folder / "run.duckdb"
    content = bytearray(fixture.path.read_bytes())
    places = range(HEADERS, len(content) - BLOCK + 1, BLOCK)
    one, other = (slice(place, place + BLOCK) for place in choice.sample(places, 2))
    content[one], content[other] = content[other], content[one]
    path.write_bytes(content)
    return _with_damaged_file(path, fixture)


def fill_disk(folder: Path, whole: Undisturbed, number: int, choice: random.Random) -> Trial:
    """Let a small disk run full, make room, and resume."""
    kilobytes, limit = 0, choice.randrange(whole.size // 100, whole.size // 2)
    if can_mount():
        kilobytes, limit = choice.randrange(whole.size // 20, whole.size * 9 // 10) // 1024, 0
    with _disk(folder / "disk", kilobytes) as (disk, make_room):
        path = disk / "run.duckdb"
        with child(tasks.write_until_full, path, whole.program, limit) as (_, reports):
            *durable, last = received(reports)
        contents = outcome(tasks.inspect, path)
        make_room()
        trial = _resumed(path, whole, durable[-1] if durable else 0, contents, RESUME[number % 2])
    if last != "full":
        trial.wrong = last
    return trial


@cache
def can_mount() -> bool:
    """Check whether a small disk can be mounted: as root, and where the container allows it."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
            return False
        subprocess.run(["umount", folder], check=True)
        return True


def _killed_at(spec: Path, path: Path, bar: int) -> None:
    """Run *spec* in a process and kill it once it reports *bar*."""
    with child(tasks.run_spec_and_report, spec, path) as (process, reports):
        next(report for report in received(reports) if report >= bar)
        process.kill()
        process.join()


def _killed(whole: Undisturbed, choice: random.Random, task: Callable[..., str], *args: object) -> int:
    """Run *task*, kill it at a random moment, and return the number of blocks acknowledged."""
    with child(task, *args) as (process, reports):
        first = reports.recv()
        assert first == "begun", first
        time.sleep(choice.uniform(0, whole.seconds))
        process.kill()
        process.join()
        return max((report for report in received(reports) if isinstance(report, int)), default=0)


def _resumed(
    path: Path, whole: Undisturbed, acknowledged: int, contents: Contents | Crashed, resume: Start
) -> Trial:
    """Judge the file of an interrupted writer, and resume the run."""
    if isinstance(contents, Crashed):
        return Trial(Fate.CRASHED, lost=acknowledged)
    if contents.refused:
        trial = Trial(Fate.REFUSED, lost=acknowledged)
        if not acknowledged:  # the run has not begun, and a replay begins it
            resume = replay
    else:
        lost = max(0, acknowledged - contents.blocks)
        trial = Trial(Fate.CLEAN, lost=lost, wrong="; ".join(contents.broken))
    return _finish(trial, path, whole, resume)


def _finish(trial: Trial, path: Path, whole: Undisturbed, resume: Start) -> Trial:
    head = outcome(tasks.write, path, whole.program, resume)
    trial.recovered = isinstance(head, str)
    trial.same_head = head == whole.head
    return trial


def _with_damaged_wal(path: Path, fixture: Fixture, offset: int, resume: Start) -> Trial:
    """Judge a file whose WAL is sound up to *offset*: blocks committed before it have to survive."""
    trial, contents = _judged(path, fixture)
    if trial.fate in (Fate.REFUSED, Fate.CRASHED):
        repair = doctor.repair(path)
        if not repair.is_repaired:
            trial.wrong = f"not repaired: {repair}"
            return trial
        contents = outcome(tasks.inspect, path)
    blocks = contents.blocks if isinstance(contents, Contents) else 0
    trial.lost = max(0, sum(size <= offset for size in fixture.wal) - blocks)
    return _finish(trial, path, fixture.whole, resume)


def _with_damaged_file(path: Path, fixture: Fixture) -> Trial:
    """Judge a damaged file. The doctor has to find it damaged too, unless its contents are unchanged."""
    trial, _ = _judged(path, fixture)
    try:
        sound = doctor.examine(path, fixture.whole.head).sound
    except StoreError:
        sound = False
    if sound != (trial.fate is Fate.CLEAN):
        trial.wrong = f"{trial.fate.value}, but to the doctor it is {'sound' if sound else 'damaged'}"
    return trial


def _judged(path: Path, fixture: Fixture) -> tuple[Trial, Contents | Crashed]:
    """Judge a file as an auditor who has the head digest."""
    contents: Contents | Crashed = outcome(tasks.inspect, path, fixture.whole.head)
    if isinstance(contents, Crashed):
        return Trial(Fate.CRASHED), contents
    if contents.refused:
        return Trial(Fate.REFUSED), contents
    if contents.broken:
        only_tail = len(contents.broken) == 1 and "the anchor is" in contents.broken[0]
        return Trial(Fate.ANCHOR if only_tail else Fate.SEALS), contents
    same = contents.rows == fixture.contents.rows
    return Trial(Fate.CLEAN, wrong="" if same else "other rows, and no seal is broken"), contents


def _copy(fixture: Fixture, folder: Path) -> tuple[Path, bytearray]:
    """Copy a file whose WAL is to be damaged. Return the copy and the WAL."""
    path = folder / "run.duckdb"
    shutil.copyfile(fixture.path, path)
    return path, bytearray(_wal(fixture.path).read_bytes())


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


@contextmanager
def _disk(folder: Path, kilobytes: int) -> Iterator[tuple[Path, Callable[[], None]]]:
    """Mount a disk of a size. Yield it and a function that makes room on it. Size 0 is just a folder."""
    folder.mkdir()
    if not kilobytes:
        yield folder, lambda: None
        return
    _mount(folder, f"size={kilobytes}k")
    try:
        yield folder, lambda: _mount(folder, "remount,size=1g")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)

"""One function a fault: it does the damage once and says what came of it."""

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
from tieout.validation.evidence.faults import tasks
from tieout.validation.evidence.faults.children import Crashed, child, outcome, received
from tieout.validation.evidence.faults.program import RESUME, SMALL, Program, create, replay
from tieout.validation.evidence.faults.tasks import Held, Start

HEADERS = 3 * 4096
"""Bytes of a DuckDB file before its first block."""
BLOCK = 64 * 1024
# Enough marks for some dozen blocks of the file.
MIDDLE = Program(blocks=20, posts=10, marks=12_000)


class Fate(Enum):
    """What a file looked like to the first who opened it afterwards."""

    CLEAN = "opened clean"
    SEALS = "found by seals"
    ANCHOR = "found by anchor"
    REFUSED = "refused"
    CRASHED = "crashed"


@define
class Trial:
    """What came of one fault. *recovered* and *same_head* are None where there is nothing to go on with."""

    fate: Fate
    recovered: bool | None = None
    lost: int = 0
    wrong: str = ""
    same_head: bool | None = None


@frozen
class Undisturbed:
    """A program as it runs when left alone."""

    program: Program
    head: str
    seconds: float
    size: int
    """Bytes of its file."""


@frozen
class Fixture:
    """A file to be damaged, and what can be read of it before. *wal* is its size after each block in it."""

    path: Path
    whole: Undisturbed
    held: Held
    wal: tuple[int, ...] = ()


def undisturbed(folder: Path, program: Program) -> Undisturbed:
    """Perform a program alone."""
    path = folder / "undisturbed.duckdb"
    with child(tasks.write, path, program, create) as (_, reports):
        begun = reports.recv()
        assert begun == "begun", begun
        start = time.perf_counter()
        *_, head = received(reports)
        return Undisturbed(program, head, time.perf_counter() - start, path.stat().st_size)


def closed(folder: Path) -> Fixture:
    """A file whose writer closed it."""
    whole = undisturbed(folder, MIDDLE)
    path = folder / "undisturbed.duckdb"
    return Fixture(path, whole, outcome(tasks.inspect, path))


def with_wal(folder: Path) -> Fixture:
    """A file whose writer was killed, with two fifths of the blocks in its WAL."""
    whole, path = undisturbed(folder, SMALL), folder / "killed.duckdb"
    before = SMALL.blocks * 3 // 5
    with child(tasks.leave_wal, path, SMALL, before) as (_, reports):
        sizes = tuple(received(reports))
    return Fixture(path, whole, outcome(tasks.inspect, path), (0,) * before + sizes)


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
        held = outcome(tasks.inspect, path)
        make_room()
        trial = _resumed(path, whole, durable[-1] if durable else 0, held, RESUME[number % 2])
    if last != "full":
        trial.wrong = last
    return trial


@cache
def can_mount() -> bool:
    """Whether a small disk can be had, as root and where containers allow it; else files are limited."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
            return False
        subprocess.run(["umount", folder], check=True)
        return True


def _killed(whole: Undisturbed, choice: random.Random, task: Callable[..., str], *args: object) -> int:
    """Run *task* and kill it at some moment of the time that the whole takes; the blocks acknowledged."""
    with child(task, *args) as (process, reports):
        first = reports.recv()
        assert first == "begun", first
        time.sleep(choice.uniform(0, whole.seconds))
        process.kill()
        process.join()
        return max((report for report in received(reports) if isinstance(report, int)), default=0)


def _resumed(path: Path, whole: Undisturbed, acknowledged: int, held: Held | Crashed, resume: Start) -> Trial:
    """Judge what an interrupted writer left, and go on from there."""
    if isinstance(held, Crashed):
        return Trial(Fate.CRASHED, lost=acknowledged)
    if held.refused:
        trial = Trial(Fate.REFUSED, lost=acknowledged)
        if not acknowledged:  # nothing was begun, and a replay begins it
            resume = replay
    else:
        lost = max(0, acknowledged - held.blocks)
        trial = Trial(Fate.CLEAN, lost=lost, wrong="; ".join(held.broken))
    return _performed(trial, path, whole, resume)


def _performed(trial: Trial, path: Path, whole: Undisturbed, resume: Start) -> Trial:
    head = outcome(tasks.write, path, whole.program, resume)
    trial.recovered = isinstance(head, str)
    trial.same_head = head == whole.head
    return trial


def _with_damaged_wal(path: Path, fixture: Fixture, offset: int, resume: Start) -> Trial:
    """Judge a file whose WAL is sound up to *offset*: what was committed before it has to survive."""
    trial, held = _judged(path, fixture)
    if trial.fate in (Fate.REFUSED, Fate.CRASHED):
        repair = doctor.repair(path)
        if not repair.repaired:
            trial.wrong = f"not repaired: {repair}"
            return trial
        held = outcome(tasks.inspect, path)
    blocks = held.blocks if isinstance(held, Held) else 0
    trial.lost = max(0, sum(size <= offset for size in fixture.wal) - blocks)
    return _performed(trial, path, fixture.whole, resume)


def _with_damaged_file(path: Path, fixture: Fixture) -> Trial:
    """Judge a damaged file, which the doctor has to find damaged too, unless it holds what it held."""
    trial, _ = _judged(path, fixture)
    try:
        sound = doctor.examine(path, fixture.whole.head).sound
    except StoreError:
        sound = False
    if sound != (trial.fate is Fate.CLEAN):
        trial.wrong = f"{trial.fate.value}, but to the doctor it is {'sound' if sound else 'damaged'}"
    return trial


def _judged(path: Path, fixture: Fixture) -> tuple[Trial, Held | Crashed]:
    """What an auditor who knows the head digest makes of a file."""
    held: Held | Crashed = outcome(tasks.inspect, path, fixture.whole.head)
    if isinstance(held, Crashed):
        return Trial(Fate.CRASHED), held
    if held.refused:
        return Trial(Fate.REFUSED), held
    if held.broken:
        only_tail = len(held.broken) == 1 and "the anchor is" in held.broken[0]
        return Trial(Fate.ANCHOR if only_tail else Fate.SEALS), held
    same = held.contents == fixture.held.contents
    return Trial(Fate.CLEAN, wrong="" if same else "other rows, and nothing tells"), held


def _copy(fixture: Fixture, folder: Path) -> tuple[Path, bytearray]:
    """A copy of a file to damage the WAL of, and that WAL."""
    path = folder / "run.duckdb"
    shutil.copyfile(fixture.path, path)
    return path, bytearray(_wal(fixture.path).read_bytes())


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


@contextmanager
def _disk(folder: Path, kilobytes: int) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A disk of a size and a function that makes room on it; where the size is 0, just a folder."""
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

"""Claims: one writer of a path at a time. A dead process blocks none, and other programs lose no file."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest

from tieout.ledger.errors import JournalExists, LockedByWriter, NoSuchFile, OpenedBeforeFork, StoreError
from tieout.ledger.file import claim as claims
from tieout.ledger.file.claim import Claim, claimed

HOLDS = """
import sys, time
from pathlib import Path
from tieout.ledger.file.claim import Claim
claim = Claim(Path(sys.argv[1])).hold()
claim.staging.touch()
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.duckdb"


@pytest.fixture
def lock(path: Path) -> Path:
    return path.with_name(".books.duckdb.lock")


def is_free(path: Path) -> bool:
    try:
        with Claim(path):
            return True
    except LockedByWriter:
        return False


def test_a_claim_excludes_others_and_leaves_nothing(path: Path) -> None:
    with Claim(path) as claim:
        claim.staging.touch()
        with pytest.raises(LockedByWriter, match=r"close it there first \(this process is writing it\)"):
            Claim(path)

    assert [] == list(path.parent.iterdir())
    assert is_free(path)


def test_a_claim_ends_with_its_last_use(path: Path) -> None:
    with Claim(path) as claim:
        assert claim is claimed(claim)
        claim.hold()
    assert not is_free(path)
    claim.close()

    assert is_free(path)


def test_a_claim_that_is_not_referred_to_ends(path: Path) -> None:
    claim = Claim(path)
    claim.hold()
    del claim

    assert is_free(path)
    assert [] == list(path.parent.iterdir())


def test_threads_exclude_each_other(path: Path) -> None:
    answers = []
    with Claim(path):
        thread = threading.Thread(target=lambda: answers.append(is_free(path)))
        thread.start()
        thread.join()

    assert [False] == answers


def test_a_killed_process_blocks_none_and_what_it_staged_is_removed(path: Path, lock: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"held\n" == process.stdout.readline()
        with pytest.raises(LockedByWriter, match=f"PID {process.pid} is writing it"):
            Claim(path)
        process.send_signal(signal.SIGKILL)
    assert lock.exists()
    assert 2 == len(list(path.parent.iterdir()))

    assert is_free(path)
    assert [] == list(path.parent.iterdir())


@pytest.mark.parametrize("record", ["", "tie", "tieout 12", "tieout 1 " + "0" * 32 + "\n"])
def test_a_lock_file_that_was_left_behind_is_taken_over(path: Path, lock: Path, record: str) -> None:
    lock.write_text(record)

    assert is_free(path)
    assert not lock.exists()


def text(lock: Path) -> None:
    lock.write_text("precious")


def link(lock: Path) -> None:
    lock.with_name("precious").write_text("tieout")
    lock.symlink_to("precious")


@pytest.mark.parametrize("make", [text, os.mkfifo, link, Path.mkdir])
def test_a_file_of_another_program_is_not_taken_for_a_lock(
    path: Path, lock: Path, make: Callable[[Path], None]
) -> None:
    make(lock)
    before = lock.lstat()

    with pytest.raises(JournalExists, match=r"\.books\.duckdb\.lock, is taken by another file; move that"):
        Claim(path)

    assert (before.st_ino, before.st_mode) == (lock.lstat().st_ino, lock.lstat().st_mode)
    lock.rename(path.with_name("moved"))
    assert is_free(path)


def test_a_lock_file_that_is_removed_while_it_is_locked_is_made_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim before this one ends between the opening of the lock file and its locking."""
    right = claims._is_at
    times: list[Path] = []

    def is_at(file: FileIO, place: Path) -> bool:
        if not times:
            place.unlink()
        times.append(place)
        return right(file, place)

    monkeypatch.setattr(claims, "_is_at", is_at)
    with Claim(path):
        assert 2 == len(times)
        assert not is_free(path)


def test_a_folder_that_is_not_there_is_one_sentence(path: Path) -> None:
    with pytest.raises(NoSuchFile, match="there is no such file or folder"):
        Claim(path / "books.duckdb")


def test_a_forked_process_leaves_the_claim_to_its_parent(path: Path, lock: Path) -> None:
    with Claim(path) as claim:
        child = os.fork()
        if not child:
            try:
                claim.hold()
            except OpenedBeforeFork:
                claim.close()
                os._exit(0)
            os._exit(1)
        assert (child, 0) == os.waitpid(child, 0)
        assert lock.exists()
        assert not is_free(path)

    assert is_free(path)


def test_a_child_that_lives_on_does_not_keep_the_claim(path: Path) -> None:
    read, write = os.pipe()
    with Claim(path):
        child = os.fork()
        if not child:
            os.read(read, 1)
            os._exit(0)

    assert is_free(path)
    os.write(write, b"x")
    assert (child, 0) == os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOLCK, "its file system cannot lock files"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_lock_that_cannot_be_taken_is_one_sentence(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", fail)

    with pytest.raises(StoreError, match=sentence):
        Claim(path)

"""The files of compiled kernels: what is read is what was written, by this user."""

import os
import pickle
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core import config

from tieout.ledger.books import kernel_cache
from tieout.ledger.books.compiled import compiler
from tieout.ledger.books.kernel_cache import SUFFIX, KernelFiles, can_keep

COMPILES = not config.DISABLE_JIT  # type: ignore[attr-defined]  # set from the environment
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
KEY, DATA = ("int64", "this processor"), {"code": b"machine code" * 1_000}


@pytest.fixture(autouse=True)
def _nothing_was_written() -> Iterator[None]:
    before = set(kernel_cache._sentences)
    kernel_cache._sentences.clear()
    yield
    kernel_cache._sentences.clear()
    kernel_cache._sentences.update(before)


@pytest.fixture
def files(tmp_path: Path) -> KernelFiles:
    return KernelFiles(tmp_path / "kernels", "post-17.py311", "stamp")


def only(folder: Path) -> Path:
    (path,) = folder.rglob(f"*{SUFFIX}")
    return path


# --- one file ------------------------------------------------------------------------------------------


def test_what_was_saved_is_loaded(
    files: KernelFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert files.load(KEY) is None
    files.save(KEY, DATA)
    files.save(("float64", "this processor"), "other")

    assert DATA == files.load(KEY)
    assert 2 == len(list(tmp_path.rglob(f"*{SUFFIX}")))
    assert 0o700 == stat.S_IMODE((tmp_path / "kernels").stat().st_mode)
    assert "" == capsys.readouterr().err

    files.flush()

    assert [] == [*(tmp_path / "kernels").iterdir()]


class Run:
    """A pickle that runs a function when it is read."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, ("was-run",)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def foreign(path: Path) -> None:
    path.write_bytes(pickle.dumps(Run()))


def foreign_after_the_digest(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:32] + pickle.dumps(Run()))


def of_another_function(path: Path) -> None:
    other = KernelFiles(path.parent, "sell-20.py311", "another stamp")
    other.save(KEY, "another kernel")
    shutil.move(next(path.parent.glob("sell*")), path)


def of_other_types(path: Path) -> None:
    other = KernelFiles(path.parent, "other", "stamp")
    other.save(("float64", "this processor"), "another kernel")
    shutil.move(next(path.parent.glob("other*")), path)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def open_to_all(path: Path) -> None:
    path.chmod(0o666)


@pytest.mark.parametrize(
    "damage",
    [
        cut, halved, emptied, zeroed, flipped, lengthened, foreign, foreign_after_the_digest,
        of_another_function, of_other_types, a_pipe, open_to_all,
    ],
)  # fmt: skip
def test_a_damaged_file_is_replaced_and_named_once(
    files: KernelFiles,
    tmp_path: Path,
    damage: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    files.save(KEY, DATA)
    path = only(tmp_path)
    damage(path)

    assert files.load(KEY) is None
    assert files.load(KEY) is None
    assert not (tmp_path / "was-run").exists()
    files.save(KEY, DATA)
    assert DATA == files.load(KEY)

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"tieout: the compiled kernel {path} is damaged (")
    assert line.endswith(f"if this is said again, delete {path.parent}")


def test_a_folder_in_the_place_of_a_file_is_named_and_the_remedy_helps(
    files: KernelFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files.save(KEY, DATA)
    path = only(tmp_path)
    path.unlink()
    (path / "of the user").mkdir(parents=True)

    assert files.load(KEY) is None
    files.save(KEY, DATA)

    damaged, not_kept = capsys.readouterr().err.splitlines()
    assert f"{path} is damaged (Is a directory)" in damaged
    assert "cannot be kept" in not_kept
    assert [path] == [*path.parent.iterdir()]  # no part of a file is left

    shutil.rmtree(path.parent)  # as the first sentence says
    files.save(KEY, DATA)
    assert DATA == files.load(KEY)


@pytest.mark.skipif(IS_ROOT, reason="root reads every file")
def test_a_file_that_cannot_be_read_is_replaced(files: KernelFiles, tmp_path: Path) -> None:
    files.save(KEY, DATA)
    only(tmp_path).chmod(0)

    assert files.load(KEY) is None
    files.save(KEY, DATA)
    assert DATA == files.load(KEY)


# --- the folder ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o702])
def test_a_folder_that_others_can_write_is_not_used(
    files: KernelFiles, tmp_path: Path, mode: int, capsys: pytest.CaptureFixture[str]
) -> None:
    files.save(KEY, DATA)
    folder = tmp_path / "kernels"
    folder.chmod(mode)

    assert files.load(KEY) is None
    files.save(("float64", "this processor"), DATA)

    assert 1 == len([*folder.iterdir()])
    (line,) = capsys.readouterr().err.splitlines()
    assert f"not kept in {folder}, because another user can write there" in line

    files = KernelFiles(tmp_path / "mine", "post-17.py311", "stamp")  # as the sentence says
    files.save(KEY, DATA)
    assert DATA == files.load(KEY)


@pytest.mark.skipif(not IS_ROOT, reason="only root gives files away")
def test_what_belongs_to_another_user_is_not_used(files: KernelFiles, tmp_path: Path) -> None:
    files.save(KEY, DATA)
    os.chown(only(tmp_path), 65534, -1)

    assert files.load(KEY) is None

    files.save(KEY, DATA)
    os.chown(tmp_path / "kernels", 65534, -1)

    assert files.load(KEY) is None


@pytest.mark.parametrize("place", ["below a file", "a file", "no home"])
def test_a_folder_that_cannot_be_made_is_named_once(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("a file")
    folder = {
        "below a file": tmp_path / "file" / "kernels",
        "a file": tmp_path / "file",
        "no home": Path("~", ".cache", "tieout"),
    }[place]
    files = KernelFiles(folder, "post-17.py311", "stamp")

    files.save(KEY, DATA)
    assert files.load(KEY) is None
    assert not can_keep(folder)

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"tieout: compiled kernels cannot be kept in {folder} (")
    assert line.endswith("set NUMBA_CACHE_DIR to a folder that can be written")
    assert ["file"] == [path.name for path in tmp_path.iterdir()]


def test_nothing_is_sentences_without_a_standard_error(
    files: KernelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files.save(KEY, DATA)
    emptied(only(tmp_path))
    monkeypatch.setattr(sys, "stderr", None)

    assert files.load(KEY) is None
    assert "" == capsys.readouterr().out


# --- a kernel ------------------------------------------------------------------------------------------


def add(first: int, second: int) -> int:
    return first + second


@pytest.mark.skipif(not COMPILES, reason="nothing is compiled")
def test_a_kernel_is_compiled_again_where_its_file_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    hits = []
    for damage in (None, None, flipped, None):
        if damage is not None:
            damage(only(tmp_path))
        kernel: Any = compiler("tieout.ledger")(add)
        assert 5 == kernel(2, 3)
        hits.append(sum(kernel.stats.cache_hits.values()))

    assert [0, 1, 0, 1] == hits
    assert 1 == capsys.readouterr().err.count("is damaged (its digest is wrong)")


@pytest.mark.skipif(not COMPILES, reason="nothing is compiled")
def test_a_kernel_runs_where_nothing_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("a file")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("NUMBA_CACHE_LOCATOR_CLASSES", "InTreeCacheLocator")

    kernel: Any = compiler("tieout.ledger")(add)

    assert 5 == kernel(np.int64(2), 3)
    assert "set NUMBA_CACHE_DIR to a folder" in capsys.readouterr().err
    assert ["file"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.skipif(not COMPILES, reason="nothing is compiled")
@pytest.mark.crash
def test_a_run_works_where_nothing_can_be_kept_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    code = (
        "from tieout import Backtest, CashAccount\n"
        "from tieout.strategies.buy_and_hold import BuyAndHold\n"
        "from tieout.strategies.universe import generate\n"
        "bars, _ = generate(3, 5)\n"
        "with Backtest(bars=bars, strategy=BuyAndHold(), account=CashAccount('100000')).run() as result:\n"
        "    print(result.metrics.fills)\n"
    )
    there = {"NUMBA_CACHE_DIR": str(tmp_path / "file" / "cache"), "TMPDIR": str(temporary)}

    process = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | there, capture_output=True, check=True, text=True
    )

    assert "3\n" == process.stdout
    assert 1 == process.stderr.count("NUMBA_CACHE_DIR")
    assert 1 == len(process.stderr.splitlines())
    assert [] == [*temporary.iterdir()]


def test_rights_are_those_of_posix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o777)
    assert kernel_cache._belongs_to_others(tmp_path.stat())
    monkeypatch.setattr(kernel_cache, "_IS_POSIX", False)

    assert not kernel_cache._belongs_to_others(tmp_path.stat())

"""The current folder is no place to import from, neither for a command nor for a process that it starts."""

import multiprocessing
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from subprocess import PIPE

import pytest

import tieout
from tieout import Journal, currency
from tieout.ledger.file import doctor
from tieout.ledger.imports import import_path, leave_current_folder
from tieout.ledger.process import safe_children, start

HOME = str(Path(tieout.__file__).parent.parent)
# Python itself imports these for `python -m`, before any module of the product.
OF_PYTHON = {
    *("collections", "contextlib", "functools", "importlib", "keyword", "operator", "reprlib", "types"),
    *("encodings", "warnings"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a module `planted` that leaves a mark."""
    (tmp_path / "planted.py").write_text("with open('mark', 'w') as mark:\n    mark.write('ran')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", ["", ".", "{folder}", "../{name}", "{link}"])
def test_the_current_folder_is_left_out_by_all_of_its_names(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "link").symlink_to(folder)
    text = name.format(folder=folder, name=folder.name, link=folder / "link")
    monkeypatch.setattr(sys, "path", [text, HOME, "/lib"])

    assert [HOME, "/lib"] == import_path()


@pytest.mark.parametrize(("variable", "times"), [("{folder}", 1), (".", 1), (":", 0), ("", 0)])
def test_it_stays_where_pythonpath_names_it(
    folder: Path, variable: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", variable.format(folder=folder))
    monkeypatch.setattr(sys, "path", ["", HOME])

    assert [str(folder)] * times + [HOME] == import_path()


def test_it_stays_where_the_running_product_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HOME)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", ["", "/lib"])

    assert [HOME, "/lib"] == import_path()


def test_a_folder_that_was_deleted_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    place.rmdir()
    monkeypatch.setattr(sys, "path", ["", "relative", HOME])

    assert [HOME] == import_path()


def test_a_command_leaves_it_for_itself_and_for_its_children(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", ["", str(folder), HOME])
    monkeypatch.setenv("PYTHONSAFEPATH", "")

    leave_current_folder()

    assert ([HOME], "1") == (sys.path, os.environ["PYTHONSAFEPATH"])


@pytest.mark.parametrize(
    "arguments", [("-c", "import planted"), ("-m", "planted"), ("-c", "import sys; sys.exit('' in sys.path)")]
)
def test_a_child_imports_nothing_from_it(
    folder: Path, arguments: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    with start(*arguments, stderr=PIPE) as child:
        _, errors = child.communicate()

    assert (child.returncode == 0) == (errors == "")
    assert ("No module named" in errors) == ("planted" in arguments[1])
    assert not (folder / "mark").exists()


def test_a_child_imports_what_this_process_can(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere, odd = folder / "elsewhere", folder / "odd:name"
    for place in (elsewhere, odd):
        place.mkdir()
    (folder / "planted.py").rename(elsewhere / "planted.py")
    monkeypatch.setattr(sys, "path", [str(odd), "elsewhere", *sys.path])
    code = "import planted, sys, tieout; print(tieout.__file__, *sys.path, sep='\\n')"
    with start("-c", code, stdout=PIPE) as child:
        product, *path = child.communicate()[0].splitlines()

    assert tieout.__file__ == product
    assert str(elsewhere) == path[0]
    assert (folder / "mark").exists()


def test_another_interpreter_has_its_own_modules(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "path", ["/elsewhere", *sys.path])
    monkeypatch.setenv("PYTHONPATH", ":/named")
    code = "import sys; print(*sys.path)"
    with start("-c", code, python=str(folder / "python"), stdout=PIPE) as child:
        path = child.communicate()[0].split()

    assert "/named" == path[0]
    assert {"/elsewhere", str(folder)}.isdisjoint(path)


@pytest.mark.parametrize("before", [None, ""])
def test_so_does_a_process_of_multiprocessing(
    folder: Path, before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before is None:
        monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONSAFEPATH", before)
    (folder / "multiprocessing.py").write_text("import planted\n")
    process = multiprocessing.get_context("spawn").Process(target=os.getpid)
    with safe_children():
        process.start()
    process.join()

    assert (0, before) == (process.exitcode, os.environ.get("PYTHONSAFEPATH"))
    assert not (folder / "mark").exists()


def plant_everything(folder: Path) -> None:
    """Plant a module for each one that a command could import: installed, or of the standard library."""
    names = {file.parts[0] for one in metadata.distributions() for file in one.files or []}
    modules = {name.removesuffix(".py") for name in names} | set(sys.stdlib_module_names)
    for name in modules - OF_PYTHON - {"tieout"}:
        if name.isidentifier():
            (folder / f"{name}.py").write_text("with open('mark', 'a') as m:\n    m.write(__name__ + ' ')\n")


@pytest.mark.parametrize("command", [["verify"], ["doctor"], ["show", "equity"], ["reperform"]])
def test_no_command_runs_a_module_that_lies_beside_the_journal(
    folder: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal.create(folder / "books.duckdb", [currency("USD")]):
        pass
    plant_everything(folder)
    monkeypatch.setenv("PYTHONPATH", HOME)
    name, *more = command
    finished = subprocess.run(
        [sys.executable, "-m", "tieout", name, "books.duckdb", *more],
        capture_output=True,
        text=True,
        check=False,
    )

    assert not (folder / "mark").exists(), (folder / "mark").read_text()
    assert "Traceback" not in finished.stderr
    assert (2 if name == "reperform" else 0) == finished.returncode, finished.stderr


def test_doctor_examines_a_file_beside_modules_that_have_our_names(folder: Path) -> None:
    with Journal.create(folder / "books.duckdb", [currency("USD")]):
        pass
    for name in ("duckdb", "tieout", "ledger", "json"):
        (folder / f"{name}.py").write_text("import planted\n")

    assert doctor.examine("books.duckdb").sound
    assert not (folder / "mark").exists()

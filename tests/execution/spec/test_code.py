"""Code that a journal names: what is listed, what is run, and what is refused before anything is imported."""

import hashlib
import json
import os
import py_compile
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner, Result

from tieout.execution.spec.code import JournalCode, SpecCode
from tieout.execution.spec.folders import DataFolder, SpecFolder, Unavailable
from tieout.ledger.application import application

DAYS = [f"2024-03-{day:02}" for day in range(1, 22)]
STEADY = """\
from tieout import Bars, Strategy

class Steady(Strategy):
    def on_bar(self, bar, broker):
        if bar.number == 2:
            broker.buy("KELP", 3)
"""
GENERATOR = """\
import numpy as np

def bars(days: int = 9) -> Bars:
    close = np.full((days, 1), 4.0)
    times = (np.datetime64("2024-03-01") + np.arange(days)).astype("M8[ns]")
    return Bars.from_arrays(times, ["KELP"], open=close, high=close, low=close, close=close, volume=close)
"""
SPEC = '[bars]\npath = "kelp.csv"\n[strategy]\nname = "{}"\n'
COMMANDS = ("reperform", "compare")


class Place:
    """A folder that the user trusts, and one beside it into which strangers put files."""

    def __init__(self, root: Path) -> None:
        self.trusted, self.inbox, self.site = (root / name for name in ("trusted", "inbox", "site"))
        self.mark = root / "ran.txt"
        self.journal = self.inbox / "run.duckdb"
        for folder in (self.trusted, self.inbox, self.site):
            folder.mkdir()
        rows = (f"{day},KELP,4,5,3,4,900" for day in DAYS)
        (self.trusted / "kelp.csv").write_text(
            "timestamp,symbol,open,high,low,close,volume\n" + "\n".join(rows)
        )

    @property
    def marking(self) -> str:
        """A line of code that leaves a mark when it is run."""
        return f"with open({str(self.mark)!r}, 'a') as mark:\n    mark.write('ran')\n"

    def write(self, path: Path, text: str = STEADY) -> Path:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(self.marking + text)
        return path

    def record(self, name: str, spec: str = SPEC) -> None:
        """Run a spec in the trusted folder into a journal in the other. Its seals hold."""
        path = self.trusted / "steady.toml"
        path.write_text(spec.format(name))
        result = tieout("run", path, "--journal", self.journal)
        assert (0, "") == (result.exit_code, result.stderr)
        self.mark.unlink()
        for module in [module for module in sys.modules if module.startswith("plans")]:
            del sys.modules[module]

    def ask(self, command: str, *options: object) -> Result:
        """Perform the journal again, or compare it."""
        against = ("--against", "backtrader") if command == "compare" else ()
        return tieout(command, self.journal, *against, *options)

    def install(self, declaration: str, *, lists_its_files: bool = True) -> None:
        """Install a distribution with a package `plans` and a strategy in it."""
        for name in ("plans/__init__.py", "plans/coast.py"):
            self.write(self.site / name)
        metadata = self.site / "plans-2.1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plans\nVersion: 2.1\n")
        (metadata / "RECORD").write_text("plans/__init__.py,,\nplans/coast.py,,\n" if lists_its_files else "")
        (metadata / "entry_points.txt").write_text(declaration)


DECLARED = "[tieout.strategies]\nplans = plans.coast\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield Place(tmp_path)
    for module in [module for module in sys.modules if module.startswith("plans")]:
        del sys.modules[module]


def tieout(*arguments: object) -> Result:
    return CliRunner().invoke(application(), [str(argument) for argument in arguments])


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(place: Place, result: Result, *parts: str) -> None:
    """Check that a command ended with one sentence and status 2, and has run nothing."""
    assert (2, 1) == (result.exit_code, result.stderr.count("\n")), result.output
    assert [] == [part for part in parts if part not in result.stderr], result.stderr
    assert not place.mark.exists()


# --- files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_strategy_in_the_folder_that_was_named_is_listed_and_run(place: Place, command: str) -> None:
    file = place.write(place.trusted / "steady.py")
    place.record("steady.py:Steady")

    result = place.ask(command, "--data-dir", place.trusted)

    assert 0 == result.exit_code, result.output
    assert result.stdout.startswith(
        f"code      steady.py:Steady\n  file      {file}\n"
        f"  recorded  {digest(file)}\n  on disk   {digest(file)}\n"
    )
    assert place.mark.exists()


def above(place: Place) -> str:
    place.write(place.inbox / "steady.py")
    return "../inbox/steady.py:Steady"


def absolute(place: Place) -> str:
    return f"{place.write(place.inbox / 'steady.py')}:Steady"


def linked(place: Place) -> str:
    (place.trusted / "link.py").symlink_to(place.write(place.inbox / "steady.py"))
    return "link.py:Steady"


def in_a_linked_folder(place: Place) -> str:
    place.write(place.inbox / "steady.py")
    (place.trusted / "sub").symlink_to(place.inbox)
    return "sub/steady.py:Steady"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("outside", [above, absolute, linked, in_a_linked_folder])
def test_a_file_outside_of_the_folder_is_neither_read_nor_run(
    place: Place, outside: object, command: str
) -> None:
    assert callable(outside)
    place.record(outside(place))
    file = place.inbox / "steady.py"
    recorded = digest(file)

    refusal = place.ask(command, "--data-dir", place.trusted)
    allowed = place.ask(command, "--data-dir", place.trusted, "--run-other-code")

    refused_parts = (str(file), str(place.trusted), recorded, "it was not read", "--run-other-code runs it")
    assert all(part in refusal.stderr for part in refused_parts), refusal.stderr
    assert (2, 0) == (refusal.exit_code, allowed.exit_code), allowed.output
    assert "  on disk   not read, NOT the recorded one\n" in refusal.stdout
    assert "ran" == place.mark.read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_with_another_digest_is_not_run(place: Place, command: str) -> None:
    file = place.write(place.trusted / "steady.py")
    recorded = digest(file)
    place.record("steady.py:Steady")
    place.write(file, STEADY + "# edited\n")

    refused(
        place,
        place.ask(command, "--data-dir", place.trusted),
        str(file),
        recorded,
        digest(file),
        "--run-other-code runs it",
    )
    allowed = place.ask(command, "--data-dir", place.trusted, "--run-other-code")

    assert "the source of the strategy has changed" in allowed.output
    assert place.mark.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_folder_no_file_is_run_be_it_beside_the_journal_or_in_the_current_folder(
    place: Place, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(place.trusted / "steady.py")
    place.record("steady.py:Steady")
    for folder in (place.inbox, place.trusted):
        place.write(folder / "steady.py")
        monkeypatch.chdir(folder)

        refused(place, place.ask(command), "it names the file steady.py", "with --data-dir")
        refused(place, place.ask(command, "--run-other-code"), "it names the file steady.py", "--data-dir")


@pytest.mark.parametrize("command", COMMANDS)
def test_broken_seals_end_a_command_before_anything_is_imported(place: Place, command: str) -> None:
    file = place.write(place.trusted / "steady.py")
    place.record("steady.py:Steady")
    with duckdb.connect(str(place.journal)) as connection:
        connection.execute("update transfer set amount = amount + 1 where txn = 1")

    result = place.ask(command, "--data-dir", place.trusted, "--run-other-code")

    assert (1, "") == (result.exit_code, result.stderr)
    assert "the file does not match its seals: block 0" in result.stdout
    assert f"adverse: {place.journal} was changed after it was sealed" in result.stdout
    assert str(file) not in result.stdout
    assert not place.mark.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_another_strategy_in_the_description_is_a_broken_seal(place: Place, command: str) -> None:
    place.write(place.trusted / "steady.py")
    place.record("steady.py:Steady")
    with duckdb.connect(str(place.journal)) as connection:
        ((text,),) = connection.execute("select spec from run").fetchall()
        spec = json.loads(text)
        spec["strategy"]["class"] = above(place)
        connection.execute("update run set spec = ?", [json.dumps(spec)])

    result = place.ask(command, "--data-dir", place.trusted, "--run-other-code")

    assert 1 == result.exit_code
    assert "adverse: " in result.stdout
    assert not place.mark.exists()


# --- data ------------------------------------------------------------------------------------------------


def test_data_outside_of_the_folder_are_refused_and_the_remedy_helps(place: Place) -> None:
    place.write(place.trusted / "steady.py")
    lone = place.inbox / "kelp.csv"
    (place.trusted / "kelp.csv").rename(lone)
    place.record("steady.py:Steady", SPEC.replace("kelp.csv", str(lone)))
    (place.inbox / "steady.py").write_bytes((place.trusted / "steady.py").read_bytes())

    refused(
        place,
        place.ask("reperform", "--data-dir", place.trusted),
        f"the file {lone} lies outside of {place.trusted}; name the folder that holds it with --data-dir",
    )
    assert 0 == place.ask("reperform", "--data-dir", place.inbox).exit_code


def test_data_above_the_folder_or_behind_a_link_are_refused(place: Place) -> None:
    place.write(place.trusted / "steady.py")
    (place.trusted / "kelp.csv").rename(place.inbox / "kelp.csv")
    (place.trusted / "kelp.csv").symlink_to(place.inbox / "kelp.csv")
    place.record("steady.py:Steady")
    refused(place, place.ask("reperform", "--data-dir", place.trusted), "kelp.csv lies outside of")
    place.journal.unlink()
    place.record("steady.py:Steady", SPEC.replace("kelp.csv", "../inbox/kelp.csv"))
    refused(
        place,
        place.ask("reperform", "--data-dir", place.trusted),
        "../inbox/kelp.csv lies outside of",
        "build the same Backtest in Python and call its reperform(PATH)",
    )


def test_a_name_that_is_too_long_for_a_file_is_missing(place: Place) -> None:
    for folder in (DataFolder(place.trusted), SpecFolder(place.trusted)):
        with pytest.raises(Unavailable, match=r"^there is no file nnn"):
            folder.find("n" * 300)


# --- installed packages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_package_that_declares_its_strategies_is_trusted(
    place: Place, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.install(DECLARED)
    monkeypatch.syspath_prepend(place.site)
    place.record("plans.coast:Steady")

    result = place.ask(command, "--data-dir", place.trusted)

    assert 0 == result.exit_code, result.output
    assert f"  file      {place.site / 'plans/coast.py'}\n" in result.stdout
    assert "ranran" == place.mark.read_text()


def test_so_is_one_that_is_a_link_to_a_project(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.install(DECLARED, lists_its_files=False)
    origin = {"dir_info": {"editable": True}, "url": place.site.as_uri()}
    (place.site / "plans-2.1.dist-info/direct_url.json").write_text(json.dumps(origin))
    monkeypatch.syspath_prepend(place.site)
    place.record("plans.coast:Steady")

    assert 0 == place.ask("reperform", "--data-dir", place.trusted).exit_code


@pytest.mark.parametrize(
    "declaration",
    [
        "",
        "[other.group]\nplans = plans.coast\n",
        "[tieout.strategies]\nplans = plans.coa\n",
        "[tieout.strategies]\nplans = plan\n",
        "[tieout.strategies]\nplans =\n",
    ],
)
def test_a_package_that_declares_no_such_module_is_not(
    place: Place, declaration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.install(declaration)
    monkeypatch.syspath_prepend(place.site)
    place.record("plans.coast:Steady")

    refused(
        place,
        place.ask("reperform", "--data-dir", place.trusted),
        str(place.site / "plans/coast.py"),
        "nor in a package that declares tieout.strategies",
        "--run-other-code runs it",
    )
    assert "plans" not in sys.modules
    assert 0 == place.ask("reperform", "--data-dir", place.trusted, "--run-other-code").exit_code


def test_a_package_that_lies_before_the_installed_one_is_not_trusted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.install(DECLARED)
    monkeypatch.syspath_prepend(place.site)
    place.record("plans.coast:Steady")
    for name in ("plans/__init__.py", "plans/coast.py"):
        (place.write(place.inbox / name)).write_bytes((place.site / name).read_bytes())
    monkeypatch.syspath_prepend(place.inbox)

    refused(
        place,
        place.ask("reperform", "--data-dir", place.trusted),
        str(place.inbox / "plans/coast.py"),
    )


def test_neither_is_a_module_whose_package_is_another_file(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is run before its module, so its file has to be installed as well."""
    place.install(DECLARED)
    (place.site / "plans-2.1.dist-info/RECORD").write_text("plans/coast.py,,\n")
    monkeypatch.syspath_prepend(place.site)
    place.record("plans.coast:Steady")

    refused(place, place.ask("reperform", "--data-dir", place.trusted), "plans/coast.py")


def test_an_edited_module_of_a_trusted_package_is_not_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.install(DECLARED)
    monkeypatch.syspath_prepend(place.site)
    place.record("plans.coast:Steady")
    place.write(place.site / "plans/coast.py", STEADY + "# version 2.2\n")

    refused(place, place.ask("reperform", "--data-dir", place.trusted), "the recorded digest is")
    assert "plans" not in sys.modules


# --- bars that a function generates ---------------------------------------------------------------------


@pytest.mark.parametrize("where", ["file of the strategy", "another file", "package"])
def test_a_function_that_generates_bars_passes_the_same_gate(
    place: Place, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.install(DECLARED)
    place.write(place.site / "plans/coast.py", STEADY + GENERATOR)
    monkeypatch.syspath_prepend(place.site)
    place.write(place.trusted / "steady.py", STEADY + GENERATOR)
    place.write(place.trusted / "other.py", STEADY + GENERATOR)
    module = {"file of the strategy": "steady.py", "another file": "other.py"}.get(where, "plans.coast")
    place.record("steady.py:Steady", SPEC.replace('path = "kelp.csv"', f'generated = "{module}:bars"'))

    result = place.ask("reperform", "--data-dir", place.trusted)

    if where == "another file":
        refused(place, result, "other.py", "the recorded digest is missing", "--run-other-code runs it")
        result = place.ask("reperform", "--data-dir", place.trusted, "--run-other-code")
    assert 0 == result.exit_code, result.output


def journal_code(place: Place, *names: str, digests: dict[str, str]) -> JournalCode:
    return JournalCode.of(names, digests, DataFolder(place.trusted))


def test_one_part_that_is_refused_keeps_all_others_from_being_imported(place: Place) -> None:
    file = place.write(place.trusted / "steady.py")
    place.write(place.trusted / "other.py")
    code = journal_code(
        place, "steady.py:Steady", "other.py:bars", digests={"steady.py": digest(file), "other.py": "0"}
    )

    with pytest.raises(Unavailable, match=r"^other\.py:bars is not run"):
        code.load("steady.py:Steady")
    assert not place.mark.exists()


def test_only_what_a_module_defines_is_taken_from_it(place: Place) -> None:
    file = place.write(place.trusted / "steady.py", "from tieout.execution.data.bars import as_bars\n")
    code = journal_code(place, "steady.py:as_bars", digests={"steady.py": digest(file)})

    with pytest.raises(Unavailable, match=r"is defined in another module than steady\.py"):
        code.load("steady.py:as_bars")


def test_the_source_that_was_digested_is_the_one_that_is_run(place: Place) -> None:
    file = place.write(place.trusted / "steady.py")
    code = journal_code(place, "steady.py:Steady", digests={"steady.py": digest(file)})
    file.write_text("raise SystemExit")

    assert "Steady" == code.load("steady.py:Steady").__name__


def test_a_module_that_is_replaced_after_it_was_digested_is_not_used(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.install(DECLARED)
    monkeypatch.syspath_prepend(place.site)
    code = journal_code(
        place, "plans.coast:Steady", digests={"plans.coast": digest(place.site / "plans/coast.py")}
    )
    for name in ("plans/__init__.py", "plans/coast.py"):
        place.write(place.inbox / name)
    monkeypatch.syspath_prepend(place.inbox)

    with pytest.raises(Unavailable, match=r"^plans\.coast was imported from another file than"):
        code.load("plans.coast:Steady")


def test_an_empty_digest_is_none_that_was_recorded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.install(DECLARED)
    monkeypatch.syspath_prepend(place.site)
    code = journal_code(place, "plans.coast:Steady", digests={"plans.coast": ""})

    with pytest.raises(Unavailable, match="the recorded digest is missing"):
        code.require("plans.coast:Steady")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x\x1b[2J.py:Steady", "'x\\x1b[2J.py:Steady' is not written as"),
        ("x\u202e.py:Steady", "'x\\u202e.py:Steady' is not written as"),
        ("steady:", "'steady:' is not written as package.module:Name or file.py:Name"),
        (":Steady", "':Steady' is not written as"),
        ("../steady:Steady", "'../steady:Steady' is not written as"),
        ("plans..coast:Steady", "'plans..coast:Steady' is not written as"),
        ("none.py:Steady", "there is no file none.py in "),
        ("n" * 300 + ".py:Steady", "there is no file nnn"),
        ("no.such.module:Steady", "there is no module no.such.module; a file is written file.py:Name"),
        ("sys:Steady", "sys is no file of Python source; build the same Backtest in Python"),
        ("json.nothing:Steady", "there is no module json.nothing"),
        ("csv.nothing:Steady", "there is no module csv.nothing"),
    ],
)
def test_what_is_no_file_and_no_module_is_named(place: Place, name: str, message: str) -> None:
    with pytest.raises(Unavailable) as error:
        journal_code(place, name, digests={})
    assert str(error.value).startswith(message)


# --- specs -----------------------------------------------------------------------------------------------


def test_a_spec_may_name_a_module_in_its_folder_which_stays_off_the_path(place: Place) -> None:
    place.write(place.trusted / "plans/__init__.py")
    place.write(place.trusted / "plans/coast.py")
    before = list(sys.path)

    assert "Steady" == SpecCode(SpecFolder(place.trusted)).load("plans.coast:Steady").__name__
    assert before == sys.path


@pytest.mark.parametrize("name", ["plans", "plans.coast"])
def test_a_module_in_the_folder_of_a_spec_is_compiled_from_its_source(place: Place, name: str) -> None:
    """A compiled file with the time and the size of the source would otherwise run in its place."""
    path = place.trusted / ("plans.py" if name == "plans" else "plans/coast.py")
    text = STEADY.replace("Steady", "Planted")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.replace("KELP", "EELS"))
    py_compile.compile(str(path))
    status = path.stat()
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert status.st_size == path.stat().st_size

    planted = SpecCode(SpecFolder(place.trusted)).load(f"{name}:Planted")

    assert "KELP" in planted.on_bar.__code__.co_consts


def test_an_installed_module_comes_before_one_in_the_folder_of_a_spec(place: Place) -> None:
    place.write(place.trusted / "json.py")

    with pytest.raises(Unavailable, match="json has no 'Steady'"):
        SpecCode(SpecFolder(place.trusted)).load("json:Steady")
    assert not place.mark.exists()


def test_a_module_that_fails_is_not_kept(place: Place) -> None:
    (place.trusted / "plans.py").write_text("1 / 0")

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            SpecCode(SpecFolder(place.trusted)).load("plans:Steady")


def test_a_module_that_lacks_another_one_says_which(place: Place) -> None:
    (place.trusted / "plans").mkdir()
    (place.trusted / "plans/coast.py").write_text("import no_such_module")

    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        SpecCode(SpecFolder(place.trusted)).load("plans.coast:Steady")

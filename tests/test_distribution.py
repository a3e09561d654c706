"""The wheel and the sdist: what they hold, and that the wheel works away from the checkout.

hatchling comes from the package index that pip uses; nothing else is downloaded. The environment that the
wheel is installed into reads its dependencies from the running interpreter.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path, PurePosixPath

import polars as pl
import pytest

from tests.test_readme import repeat
from tieout.ledger.product import product_files

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("ledger", "execution", "strategies", "validation")
LIST_PRODUCT = "from tieout.ledger.product import product_files; print(*product_files())"
SPEC = """
[bars]
path = "bars.parquet"

[strategy]
name = "tieout.strategies.momentum:Momentum"
parameters = { count = 2, year = 42, liquid = 5 }

[account]
kind = "cash"
cash = "100000"
"""


@pytest.fixture(scope="module")
def hatchling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the build backend."""
    folder = tmp_path_factory.mktemp("hatchling")
    pip("install", "--target", str(folder), "hatchling", "editables")
    return folder


@pytest.fixture(scope="module")
def wheel(hatchling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build(hatchling, ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(hatchling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of this checkout."""
    return build(hatchling, ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, env=clean_environment())


def clean_environment(python: str = "") -> dict[str, str]:
    """Return the variables of this process without those that lead to the checkout.

    Kernels are kept beside the interpreter *python*, and not where other environments keep theirs.
    """
    variables = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    return variables | ({"NUMBA_CACHE_DIR": str(Path(python).parent / "kernels")} if python else {})


def build(hatchling: Path, source: Path, target: str, folder: Path) -> Path:
    """Build one distribution of *source* and return its file."""
    process = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)],
        cwd=source,
        env=clean_environment() | {"PYTHONPATH": str(hatchling)},
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    if process.returncode != 0:
        raise RuntimeError(process.stderr)
    (path,) = folder.iterdir()
    return path


def run(folder: Path, *command: str) -> str:
    """Run *command* away from the checkout and return its output; raise `RuntimeError` if it fails."""
    process = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(command[0]),
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{process.stderr}")
    return process.stdout


def environment_with(folder: Path, *distributions: Path) -> Path:
    """Create an environment in *folder* that holds *distributions* alone, and return its interpreter.

    Dependencies are read from the running interpreter: a folder that a .pth file names is searched last, and
    the .pth files in it are not followed.
    """
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip("--python", str(python), "install", "--no-deps", "--no-index", *map(str, distributions))
    packages = run(folder, str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    dependencies = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(packages.strip(), "dependencies.pth").write_text("\n".join(sorted(dependencies)), encoding="utf-8")
    return python


def stranger(name: str, folder: Path) -> Path:
    """Write the wheel of a public distribution *name* whose import package has that name too."""
    path = folder / f"{name}-9.9-py3-none-any.whl"
    info = f"{name}-9.9.dist-info"
    files = {
        f"{name}/__init__.py": f"raise ImportError('the distribution {name} was imported')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path


def names_in_wheel(path: Path) -> list[str]:
    """List the files of a wheel without those about it."""
    with zipfile.ZipFile(path) as archive:
        return sorted(name for name in archive.namelist() if ".dist-info/" not in name)


def names_in_sdist(path: Path) -> list[str]:
    """List the files of a source distribution by their path below its folder."""
    with tarfile.open(path) as archive:
        return ["/".join(PurePosixPath(member.name).parts[1:]) for member in archive if member.isfile()]


def product(*suffixes: str) -> set[str]:
    """Return the files of the product by their path in a wheel."""
    files = {path for suffix in suffixes for path in product_files(suffix=suffix).values()}
    rooms = {f"tieout/{path.relative_to(ROOT).as_posix()}" for path in files}
    return rooms | {f"tieout/{path.name}" for path in (ROOT / "tieout").iterdir() if path.is_file()}


def repeated(names: Iterable[str]) -> set[str]:
    every = [*names]
    return {name for name in every if every.count(name) > 1}


# --- what is built ------------------------------------------------------------------------------------------


def test_the_wheel_holds_the_package_with_its_rooms_as_folders_and_nothing_else(wheel: Path) -> None:
    names = names_in_wheel(wheel)

    assert {"tieout"} == {name.split("/")[0] for name in names}
    assert product(".py", ".sql", ".toml", ".md") == {*names}
    assert set() == repeated(names)
    with zipfile.ZipFile(wheel) as archive:
        assert not any(info.external_attr >> 16 & 0o170000 == 0o120000 for info in archive.infolist())


def test_the_sdist_holds_each_file_once_and_gives_the_same_wheel(
    sdist: Path, wheel: Path, hatchling: Path, tmp_path: Path
) -> None:
    names = names_in_sdist(sdist)
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()

    again = build(hatchling, source, "wheel", tmp_path / "wheel")

    assert set() == repeated(names)
    assert set() == {name for name in names if name.split("/")[0] in ROOMS}
    assert names_in_wheel(wheel) == names_in_wheel(again)


def test_a_checkout_without_symbolic_links_is_not_built(hatchling: Path, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", ".ci/links.py", "tieout/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for room in ROOMS:  # as git checks links out where it has none
        (tmp_path / "tieout" / room).write_text(f"../{room}", encoding="utf-8")

    for target in ("wheel", "sdist"):
        with pytest.raises(RuntimeError, match=r"git config core\.symlinks true && git checkout -- tieout"):
            build(hatchling, tmp_path, target, tmp_path / target)


def test_the_product_has_the_same_modules_in_checkout_editable_install_and_wheel(
    wheel: Path, hatchling: Path, tmp_path: Path
) -> None:
    editable = build(hatchling, ROOT, "wheel:editable", tmp_path / "editable")
    checkout = [*product_files()]

    for place, distribution in (("a", editable), ("b", wheel)):
        python = environment_with(tmp_path / place, distribution)
        modules = run(tmp_path, str(python), "-c", LIST_PRODUCT).split()

        assert checkout == modules


# --- what is installed --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment with the wheel, and with distributions named like its rooms."""
    folder = tmp_path_factory.mktemp("installed")
    strangers = [stranger(room, folder) for room in ROOMS]
    return str(environment_with(folder / "environment", *strangers, wheel))


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A user's folder with packages of the same names as the rooms."""
    for room in ROOMS:
        package = tmp_path / room
        package.mkdir()
        (package / "__init__.py").write_text(f"raise ImportError('the folder {room} was imported')\n")
    return tmp_path


def test_the_strangers_and_the_folders_are_in_the_way_of_a_bare_name(installed: str, beside: Path) -> None:
    for folder, owner in ((beside, "folder"), (beside / "..", "distribution")):
        with pytest.raises(RuntimeError, match=f"the {owner} execution was imported"):
            run(folder, installed, "-c", "import execution")


def test_the_wheel_is_what_runs(installed: str, beside: Path) -> None:
    file = run(beside, installed, "-c", "import tieout.ledger as room; print(room.__file__)")

    assert Path(installed).parents[1] in Path(file.strip()).parents
    assert "Commands" in run(beside, installed, "-m", "tieout", "--help")


def test_the_wheel_runs_a_spec_with_a_strategy_of_the_package(installed: str, beside: Path) -> None:
    (beside / "momentum.toml").write_text(SPEC, encoding="utf-8")
    days = pl.date_range(date(2024, 1, 1), date(2024, 6, 28), "1d", eager=True).alias("timestamp")
    closes = pl.DataFrame(
        {"symbol": ["ACME", "BOLT", "CORK"], "close": [20.0, 30.0, 40.0], "volume": [1e6] * 3}
    )
    bars = closes.join(days.to_frame(), how="cross").with_columns(
        pl.col("close").alias(name) for name in ("open", "high", "low")
    )
    bars.write_parquet(beside / "bars.parquet")

    run(beside, installed, "-m", "tieout", "run", "momentum.toml")

    fills = run(beside, installed, "-m", "tieout", "sql", "momentum.duckdb", "select count(*) as n from fill")
    assert 0 < int(fills.split()[-1])


def test_the_wheel_repeats_the_readme(installed: str, beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {*os.environ}:
        monkeypatch.delenv(name)
    for name, text in clean_environment(installed).items():
        monkeypatch.setenv(name, text)

    repeat((ROOT / "README.md").read_text(encoding="utf-8"), beside, installed)

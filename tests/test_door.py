"""The public names of `tieout`, and the packages that importing them loads."""

import ast
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import tieout
from tieout import Journal, currency, deposit

HEAVY = {"numba", "polars", "pandas", "pyarrow", "duckdb", "numpy"}
SOURCE = Path(tieout.__file__).read_text(encoding="utf-8")


def loaded(code: str) -> set[str]:
    """Return the heavy packages that a fresh process has loaded after *code*."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    return HEAVY & set(process.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", tieout.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(tieout, name) is getattr(tieout, name)
    assert name in dir(tieout)


def test_a_name_that_is_not_public_is_refused() -> None:
    with pytest.raises(AttributeError, match="'tieout' has no attribute 'sold'"):
        _ = tieout.sold  # type: ignore[attr-defined]


def test_the_type_checker_sees_the_same_names_from_the_same_modules() -> None:
    (block,) = (node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    checked = {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert {name: f"tieout.{home}" for name, home in tieout._HOMES.items()} == checked


def test_importing_the_door_loads_nothing_heavy() -> None:
    assert set() == loaded("import tieout")
    assert set() == loaded("from tieout import Commodity, LedgerError, currency, instrument")


def test_reading_a_journal_compiles_nothing() -> None:
    light = loaded(
        "from tieout import Reader\n"
        "import tieout.ledger.file.verify, tieout.ledger.show.trace, tieout.ledger.show.tables"
    )

    assert {"numba", "polars", "pandas"}.isdisjoint(light)


@pytest.mark.parametrize("command", ["verify BOOKS", "show BOOKS trial-balance", "sql BOOKS 'from proof'"])
def test_a_command_that_shows_books_loads_no_data_frames(tmp_path: Path, command: str) -> None:
    path = tmp_path / "books.duckdb"
    with Journal.create(path, [currency("USD")]) as journal:
        journal.post("2024-01-02", deposit, "USD", "100")
    arguments = [str(path) if part == "BOOKS" else part for part in shlex.split(command)]
    light = loaded(
        "from tieout.ledger.application import application\n"
        f"application()({arguments!r}, standalone_mode=False)"
    )

    assert {"numba", "polars", "pandas"}.isdisjoint(light)

"""What `import ledger` offers, and what it costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ledger

HEAVY = {"numba", "polars", "pandas", "pyarrow", "duckdb", "numpy"}
SOURCE = Path(ledger.__file__).read_text(encoding="utf-8")


def loaded(code: str) -> set[str]:
    """The heavy packages that a fresh process has loaded after *code*."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    return HEAVY & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", ledger.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(ledger, name) is getattr(ledger, name)
    assert name in dir(ledger)


def test_a_name_that_is_not_public_is_refused() -> None:
    with pytest.raises(AttributeError, match="'ledger' has no attribute 'sold'"):
        _ = ledger.sold  # type: ignore[attr-defined]


def test_the_errors_are_there_though_nobody_has_imported_them(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ledger.errors
    monkeypatch.delattr(ledger, "errors")
    assert "errors" not in vars(ledger)

    assert module is ledger.errors


def test_the_type_checker_sees_the_same_names_from_the_same_modules() -> None:
    (block,) = (node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    seen = {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert sorted(ledger.__all__) == sorted(seen)
    for name in set(seen) - {"errors"}:
        assert seen[name] == f"ledger.{ledger._HOMES.get(name, 'events')}"


def test_importing_the_ledger_loads_nothing_heavy() -> None:
    assert set() == loaded("import ledger")
    assert set() == loaded("from ledger import Commodity, LedgerError, currency, instrument")


def test_reading_a_journal_compiles_nothing() -> None:
    light = loaded("from ledger import Reader; import ledger.verify, ledger.trace, ledger.present")

    assert {"numba", "polars", "pandas"}.isdisjoint(light)

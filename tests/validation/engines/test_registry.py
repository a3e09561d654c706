"""The registry of engines: folders alone decide which engines there are."""

from pathlib import Path

import pytest

from tieout.validation import engines
from tieout.validation.audit.formats import FORMATS
from tieout.validation.engines import registry
from tieout.validation.foreign.outcome import Outcome

STUB = """\
from tieout.validation.engines.interface import Adapter
from tieout.validation.foreign.outcome import Outcome

ADAPTER = Adapter("Stub", lambda: "0.0", by_package=lambda run: Outcome([], [], run, run))
"""


def test_engines_are_listed_by_the_files_of_their_folders() -> None:
    for module in ("adapter", "export"):
        files = Path(engines.__path__[0]).glob(f"*/{module}.py")
        assert tuple(sorted(file.parent.name for file in files)) == registry.names(module)
        assert {"backtrader", "vectorbt"} <= set(registry.names(module))
    assert () == registry.names("nothing")


def test_each_adapter_names_its_engine_and_its_rules_once() -> None:
    for adapter in registry.adapters().values():
        names = [rule.name for rule in adapter.rules]

        assert sorted(set(names)) == sorted(names)
        assert adapter.name
        assert (adapter.by_imitation is None) == (adapter.imitation_version is None)


def test_the_formats_of_an_audit_are_the_exports_of_the_engines() -> None:
    assert registry.names("export") == tuple(FORMATS)


def test_a_third_engine_is_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "stub_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "adapter.py").write_text(STUB)
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(tmp_path)])

    assert "stub_of_a_test" in registry.names("adapter")
    adapter = registry.adapter("stub_of_a_test")
    assert isinstance(adapter.by_package([]), Outcome)  # type: ignore[arg-type]
    assert adapter.by_imitation is None

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

ADAPTER = Adapter("Stub", str, "0.0", by_package=None, by_imitation=lambda run: Outcome([], [], run, run))
"""


def test_engines_are_listed_by_the_files_of_their_folders() -> None:
    assert ("backtrader", "vectorbt") == registry.names("adapter")
    assert ("backtrader", "ml4t", "vectorbt", "zipline") == registry.names("export")
    assert () == registry.names("nothing")


def test_each_adapter_names_its_engine_and_its_rules_once() -> None:
    for adapter in registry.adapters().values():
        names = [rule.name for rule in adapter.rules]

        assert sorted(set(names)) == sorted(names)
        assert adapter.name


def test_the_formats_of_an_audit_are_the_exports_of_the_engines() -> None:
    assert registry.names("export") == tuple(FORMATS)


def test_a_third_engine_is_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "stub_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "adapter.py").write_text(STUB)
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(tmp_path)])

    assert "stub_of_a_test" in registry.names("adapter")
    assert isinstance(registry.adapter("stub_of_a_test").by_imitation([]), Outcome)  # type: ignore[arg-type]

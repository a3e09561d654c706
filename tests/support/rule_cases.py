"""The runs for known differences of rules: the `rule_cases.py` in the folder of each engine's tests."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.validation import engines
from tieout.validation.engines import registry
from tieout.validation.foreign.native import NativeRun

CASES: dict[tuple[str, str], Callable[[], NativeRun]] = {}
"""Runs by engine and name of the rule."""
PACKAGE_ONLY: set[tuple[str, str]] = set()
"""Rules that the imitation of an engine does not show, but its package does."""

for _file in sorted(Path(engines.__path__[0]).glob("*/rule_cases.py")):
    _engine = _file.parent.name
    _module: Any = import_module(f"{engines.__name__}.{_engine}.rule_cases")
    CASES |= {(_engine, name): case for name, case in _module.CASES.items()}
    PACKAGE_ONLY |= {(_engine, name) for name in getattr(_module, "PACKAGE_ONLY", ())}

RULES: Mapping[str, frozenset[str]] = {
    name: frozenset(rule.name for rule in adapter.rules) for name, adapter in registry.adapters().items()
}
"""Names of the known differences of rules, by engine."""

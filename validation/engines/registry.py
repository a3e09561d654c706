"""Registry of the engines: each subfolder is one, and its files say what it can be used for.

A new engine is a new folder. Nothing here or elsewhere names it.
"""

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from tieout.validation import engines

# The command line lists engines at every start, and must not wait for what an adapter imports.
if TYPE_CHECKING:
    from tieout.validation.engines.interface import Adapter, Export


def names(module: str) -> tuple[str, ...]:
    """List the engines whose folder has a file *module*.py, in alphabetical order. Imports none of them."""
    folders = (entry.name for entry in iter_modules(engines.__path__) if entry.ispkg)
    return tuple(sorted(name for name in folders if find_spec(_path(name, module))))


def adapter(engine: str) -> "Adapter":
    """Return the adapter of an engine: the `ADAPTER` of its `adapter.py`."""
    engine_adapter: Adapter = import_module(_path(engine, "adapter")).ADAPTER
    return engine_adapter


def adapters() -> "dict[str, Adapter]":
    """Return the adapters of all engines that have one, by folder name."""
    return {name: adapter(name) for name in names("adapter")}


def exports() -> "dict[str, Export]":
    """Return the export columns of all engines that have an `export.py`, by folder name."""
    return {name: import_module(_path(name, "export")).EXPORT for name in names("export")}


def _path(engine: str, module: str) -> str:
    return f"{engines.__name__}.{engine}.{module}"

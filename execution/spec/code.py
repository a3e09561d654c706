"""The code that a spec or a journal names: a strategy, and a function that generates bars.

To run a spec is to run its code. A journal may be a stranger's. Its code is located and digested before any
of it is imported. It is imported only if it has the recorded digest, and lies inside the folder that the user
named or in an installed package that declares its strategies:

    [project.entry-points."tieout.strategies"]
    anything = "package.strategies"

declares the module or package `package.strategies`. Any other code needs ``--run-other-code``.
"""

import hashlib
import importlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from importlib.metadata import Distribution, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from tieout.execution.spec.folders import DataFolder, SpecFolder, Unavailable, is_file
from tieout.ledger.errors import nearest
from tieout.ledger.product import product_files

GROUP = "tieout.strategies"
"""The entry point group, and the package in which our strategies are. A checkout declares it uninstalled."""
OPTION = "--run-other-code"


class Code(Protocol):
    """The code of a spec or of a journal, by the names that it is written with there."""

    @property
    def parts(self) -> Mapping[str, "RecordedCode"]:
        """The code that a journal names. A spec records none."""

    def require(self, name: str) -> None:
        """Raise `Unavailable` with a sentence if the code may not be imported."""

    def load(self, name: str) -> Any:
        """Import an object. Raises `Unavailable` if there is none. Errors of the module pass through."""


@frozen
class SpecCode:
    """The code that a spec names: ``package.module:Name``, or ``file.py:Name`` in the folder of the spec."""

    folder: SpecFolder
    parts: Mapping[str, "RecordedCode"] = field(factory=dict, init=False)

    def require(self, name: str) -> None:
        """Accept every name: to run a spec is to run its code."""

    def load(self, name: str) -> Any:
        """Import an object. A module that is not installed is looked up in the folder of the spec."""
        module, attribute = split(name)
        if module.endswith(".py"):
            path = self.folder.find(module)
            return _attribute(_from_source(path, path.read_bytes()), module, attribute)
        return _attribute(self._module(module), module, attribute)

    def _module(self, name: str) -> ModuleType:
        top, place = name.partition(".")[0], self.folder.place.resolve()
        if _spec(top, None) is None:
            hook = partial(_source_finder, place)
            sys.path_hooks.insert(0, hook)
            sys.path_importer_cache.pop(str(place), None)
            try:
                if spec := PathFinder.find_spec(top, [str(place)]):
                    _execute(top, spec)
                return _module(name)
            finally:
                sys.path_hooks.remove(hook)
        return _module(name)


@frozen
class RecordedCode:
    """One object that a journal names: where its module lies, and the digests of its source.

    *recorded* is None where a journal has no digest: of a function that generates bars, unless the strategy
    is in the same file. *digest* is empty for a file that was not read, because it lies outside. *is_inside*
    for a file in the folder that the user named, and for an installed module that its package declares.
    """

    name: str
    path: Path
    recorded: str | None
    digest: str
    is_inside: bool
    source: bytes = field(default=b"", repr=False)

    @property
    def lines(self) -> list[str]:
        """The lines that describe it on the terminal."""
        recorded = "none" if self.recorded is None else self.recorded
        difference = "" if self.recorded in {None, self.digest} else ", NOT the recorded one"
        return [
            f"code      {self.name}",
            f"  file      {self.path}",
            f"  recorded  {recorded}",
            f"  on disk   {self.digest or 'not read'}{difference}",
        ]

    @property
    def is_trusted(self) -> bool:
        """True if the code may be imported without being asked for.

        The bars that a function generates are digested themselves. So one that is installed needs no digest.
        """
        is_installed = not self.name.partition(":")[0].endswith(".py")
        is_recorded = is_installed if self.recorded is None else self.digest == self.recorded
        return self.is_inside and is_recorded

    def refusal(self, folder: DataFolder) -> str:
        """Return the sentence that refuses the code."""
        inside = f"inside {folder.place.resolve()}" if folder.place else "in no folder named with --data-dir"
        place = inside if self.is_inside else f"neither {inside} nor in a package that declares {GROUP}"
        return (
            f"{self.name} is not run: its file {self.path} lies {place}, the recorded digest is"
            f" {self.recorded or 'missing'}, that of the file is {self.digest or 'unknown, it was not read'};"
            f" {OPTION} runs it"
        )


@frozen
class JournalCode:
    """All code that a journal names. Nothing is imported before every part may be."""

    folder: DataFolder
    parts: Mapping[str, RecordedCode]
    may_run_other: bool

    @classmethod
    def of(
        cls,
        names: Iterable[str],
        digests: Mapping[str, str],
        folder: DataFolder,
        *,
        may_run_other: bool = False,
    ) -> "JournalCode":
        """Locate the code of *names*. *digests* are recorded, by module or file as written in a name.

        Raises `Unavailable` with a sentence where there is no such file or module.
        """
        parts = {
            name: _locate(name, digests.get(split(name)[0]), folder, may_read_other=may_run_other)
            for name in names
        }
        return cls(folder, parts, may_run_other)

    def require(self, name: str) -> None:
        """Raise `Unavailable` with a sentence if the code may not be imported."""
        if not (self.may_run_other or self.parts[name].is_trusted):
            raise Unavailable(self.parts[name].refusal(self.folder))

    def load(self, name: str) -> Any:
        """Import an object, from the source that was digested."""
        for other in self.parts:
            self.require(other)
        part = self.parts[name]
        location, attribute = split(name)
        is_located = location.endswith(".py")
        module = _from_source(part.path, part.source) if is_located else _module(location)
        if _file_of(module.__spec__) != part.path:
            raise Unavailable(f"{location} was imported from another file than {part.path}")
        value = _attribute(module, location, attribute)
        if not self.may_run_other and getattr(value, "__module__", None) != module.__name__:
            raise Unavailable(f"{name} is defined in another module than {location}; {OPTION} runs it")
        return value


def split(name: str) -> tuple[str, str]:
    """Split the name of an object into that of its module or file, and its own."""
    module, _, attribute = name.partition(":")
    is_name = module.endswith(".py") or all(part.isidentifier() for part in module.split("."))
    # A name is printed. One with control characters could change what a terminal shows.
    if not (module and attribute and is_name and name.isprintable()):
        raise Unavailable(f"{name!r} is not written as package.module:Name or file.py:Name")
    return module, attribute


# --- locating ----------------------------------------------------------------------------------------------


def _locate(name: str, recorded: str | None, folder: DataFolder, *, may_read_other: bool) -> RecordedCode:
    """Locate the module of an object, and digest its source. Nothing is imported."""
    module, _ = split(name)
    if module.endswith(".py"):
        if not Path(module).is_absolute():
            folder.require(module)
        path = folder.resolve(module)
        is_inside = folder.holds(path)
        if not (is_inside or may_read_other):
            return RecordedCode(name, path, recorded, "", is_inside)
        if not is_file(path):
            raise Unavailable(f"there is no file {module} in {folder.require(module)}")
        source = path.read_bytes()
        return RecordedCode(name, path, recorded, _digest(source), is_inside, source)
    files = dict(_files(module))
    origin = files[module]
    if origin is None:
        raise Unavailable(f"{module} is no file of Python source; {folder.remedy}")
    # A package that is imported already is not run again.
    run = [file for part, file in files.items() if part == module or part not in sys.modules]
    is_inside = all(file is None or _is_declared(module, file) for file in run)
    return RecordedCode(name, origin, recorded, _digest(origin.read_bytes()), is_inside)


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


def _files(name: str) -> Iterator[tuple[str, Path | None]]:
    """Yield the file of each package around a module, and of the module. Nothing is imported."""
    places: Any = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        part = ".".join(parts[:end])
        spec = _spec(part, places) if end == 1 or places is not None else None
        if spec is None:
            raise Unavailable(_missing(name))
        yield part, _file_of(spec)
        places = spec.submodule_search_locations


def _missing(name: str) -> str:
    return f"there is no module {name}; a file is written file.py:Name, and PYTHONPATH names other folders"


def _spec(name: str, places: Any) -> ModuleSpec | None:
    """Return the spec of a module, as its import would use it. *places* are those of its package."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__spec__", None)
    for finder in sys.meta_path:
        if (spec := finder.find_spec(name, places)) is not None:
            return spec
    return None


def _file_of(spec: ModuleSpec | None) -> Path | None:
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    return Path(os.path.realpath(spec.origin))


def _is_declared(module: str, file: Path) -> bool:
    """Check whether a package declares *module*, and *file* is one of the files that it installed."""
    if _is_below(module, GROUP) and file in product_files("tieout.strategies").values():
        return True
    return any(
        point.dist is not None
        and _is_below(module, point.value.partition(":")[0].strip())
        and _installed(point.dist, file)
        for point in entry_points(group=GROUP)
    )


def _is_below(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def _installed(distribution: Distribution, file: Path) -> bool:
    """Check whether *file* is one of a distribution's, or lies in the project that it is a link to."""
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        project = unquote(urlsplit(origin["url"]).path)
        return file.is_relative_to(os.path.realpath(project))
    return any(
        entry.name == file.name and os.path.realpath(str(distribution.locate_file(entry))) == str(file)
        for entry in distribution.files or ()
    )


# --- importing ---------------------------------------------------------------------------------------------


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise Unavailable(_missing(name)) from None


def _from_source(path: Path, source: bytes) -> ModuleType:
    """Import the module in a file. It is imported at each call: the file may have changed."""
    # No module has this name. A user's momentum.py must not replace a module called momentum.
    title = f"<{path.resolve()}>"
    spec = spec_from_file_location(title, path, loader=_SourceLoader(title, path, source))
    assert spec is not None
    return _execute(title, spec)


def _execute(name: str, spec: ModuleSpec) -> ModuleType:
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        if spec.loader is not None:  # a folder without an __init__.py has none
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


class _UncachedLoader(SourceFileLoader):
    """A loader that compiles the source. A compiled file beside it may be that of another source."""

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        """Raise `OSError`, so that Python neither reads nor writes its cache."""
        raise OSError(path)


class _SourceLoader(_UncachedLoader):
    """A loader that compiles a text which was read already."""

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        super().__init__(name, str(path))
        self._source = source

    def get_data(self, path: Any) -> bytes:  # noqa: ARG002  there is one file
        """Return the source."""
        return self._source


def _source_finder(folder: Path, place: str) -> FileFinder:
    """Return the finder of modules at *place*. Raises `ImportError` where that is not below *folder*."""
    if not Path(place).resolve().is_relative_to(folder):
        raise ImportError(place)
    return FileFinder(place, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_UncachedLoader, SOURCE_SUFFIXES))


def _attribute(module: ModuleType, location: str, attribute: str) -> Any:
    try:
        return attrgetter(attribute)(module)
    except AttributeError:
        names = [n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__]
        raise Unavailable(f"{location} has no {attribute!r}{nearest(attribute, names)}") from None

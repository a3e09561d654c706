"""The sources of a spec: the lines of its keys, the files that it names, and the objects that it imports."""

import importlib
import importlib.util
import re
import sys
import tomllib
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from operator import attrgetter
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tieout.execution.errors import ExecutionError, InvalidSpec
from tieout.ledger.errors import nearest

Place = tuple[str | int, ...]
"""The path of a key in a spec: ``("bars", "path")``, ``("features", 0, "path")``."""

_PART = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY})\s*\]")
_ENTRY = re.compile(rf"\s*({_KEY})\s*=")


@frozen
class Document:
    """The document of a spec: its name in messages, the lines of its keys, and the class of its errors."""

    name: str
    lines: Mapping[Place, int] = field(factory=dict)
    error: type[ExecutionError] = InvalidSpec

    def line(self, place: Place) -> int:
        """Return the line of a key, or of the nearest key around it, 0 if there is none."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 0)

    def wrong(self, place: Place, text: str) -> ExecutionError:
        """Return an error that names the document and the line of a key."""
        line = self.line(place)
        return self.error(f"{self.name}, line {line}: {text}" if line else f"{self.name}: {text}")


@frozen
class Folders:
    """The folders of the paths of a spec. The first of *places* that has the file counts."""

    places: tuple[Path, ...]

    def find(self, path: str) -> Path | None:
        """Return the file that *path* names, or None."""
        candidates = (place / path for place in self.places)
        return next((candidate for candidate in candidates if candidate.is_file()), None)

    def __str__(self) -> str:
        return " or ".join(dict.fromkeys(str(place.resolve()) for place in self.places))


def parse(path: Path) -> tuple[dict[str, Any], Document]:
    """Read a TOML file and the lines of its keys. Raises `InvalidSpec` if it is not TOML."""
    try:
        text = path.read_text("utf-8")
        data = tomllib.loads(text)
    except FileNotFoundError:
        raise InvalidSpec(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSpec(f"{path}: this is not TOML: {error}") from None
    return data, Document(str(path), _lines(text, data))


def load(name: str, folders: Folders) -> Any:
    """Import the object that *name* names.

    That is ``package.module:Name``, or ``file.py:Name`` in a file of *folders*. Raises `LookupError` with a
    sentence if there is no such object. Errors of the module itself pass through.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise LookupError(f"{name!r} is not written as package.module:Name or file.py:Name")
    module = _file(module_name, folders) if module_name.endswith(".py") else _module(module_name)
    try:
        return attrgetter(attribute)(module)
    except AttributeError:
        names = [n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__]
        raise LookupError(f"{module_name} has no {attribute!r}{nearest(attribute, names)}") from None


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise LookupError(f"there is no module {name}; a file is written file.py:Name") from None


def _file(name: str, folders: Folders) -> Any:
    """Import the module in a file. It is read at each call: the file may have changed."""
    path = folders.find(name)
    if path is None:
        raise LookupError(f"there is no file {name} in {folders}")
    # No module has this name. A user's momentum.py must not replace a module called momentum.
    title = f"<{path.resolve()}>"
    loader = _UncachedLoader(title, str(path))
    module_spec = importlib.util.spec_from_file_location(title, path, loader=loader)
    assert module_spec is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[title] = module
    loader.exec_module(module)
    return module


class _UncachedLoader(SourceFileLoader):
    """A loader that compiles the current text of a file, and never a cached earlier one."""

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        """Raise `OSError`, so that Python neither reads nor writes its cache."""
        raise OSError(path)


def _lines(text: str, data: Mapping[str, Any]) -> dict[Place, int]:
    """Find the line of every key outside of braces. Text inside a value that looks like a key is ignored."""
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            brackets, key = header.groups()
            place = _through(_parts(key), counts)
            if brackets == "[[":
                counts[place] = counts.get(place, -1) + 1
                place = (*place, counts[place])
            if _holds(data, place):
                table = place
                lines.setdefault(table, number)
        elif entry := _ENTRY.match(line):
            parts = _parts(entry[1])
            for end in range(1, len(parts) + 1):
                if _holds(data, (*table, *parts[:end])):
                    lines.setdefault((*table, *parts[:end]), number)
    return lines


def _parts(key: str) -> Place:
    """Return the names in a dotted key."""
    table: Any = tomllib.loads(f"{key} = 0")
    parts = []
    while isinstance(table, dict):
        ((name, table),) = table.items()
        parts.append(name)
    return tuple(parts)


def _through(parts: Place, counts: Mapping[Place, int]) -> Place:
    """Return the path of a header, through the last element of each array of tables on it."""
    place: Place = ()
    for n, part in enumerate(parts):
        place = (*place, part)
        if place in counts and n < len(parts) - 1:
            place = (*place, counts[place])
    return place


def _holds(data: Any, place: Place) -> bool:
    for part in place:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True

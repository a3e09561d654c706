"""Where a spec is written and where it points: the line of every key, files, and things to import."""

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
"""The way to a key of a spec: ``("bars", "path")``, ``("features", 0, "path")``."""

_PART = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEY})\s*\]")
_ENTRY = re.compile(rf"\s*({_KEY})\s*=")


@frozen
class Document:
    """What a spec is read from: its name in messages, what is wrong with it raises *error*."""

    name: str
    lines: Mapping[Place, int] = field(factory=dict)
    error: type[ExecutionError] = InvalidSpec

    def line(self, place: Place) -> int:
        """The line of a key, or of the nearest one around it; 0 where there is none."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 0)

    def wrong(self, place: Place, text: str) -> ExecutionError:
        """The error that says *text* of a key."""
        line = self.line(place)
        return self.error(f"{self.name}, line {line}: {text}" if line else f"{self.name}: {text}")


@frozen
class Folders:
    """Where the paths of a spec lead: to the first of *places* that has the file."""

    places: tuple[Path, ...]

    def find(self, path: str) -> Path | None:
        """The file that *path* names."""
        candidates = (place / path for place in self.places)
        return next((candidate for candidate in candidates if candidate.is_file()), None)

    def __str__(self) -> str:
        return " or ".join(dict.fromkeys(str(place.resolve()) for place in self.places))


def parse(path: Path) -> tuple[dict[str, Any], Document]:
    """A TOML file and where its keys are. Raises `InvalidSpec` where it cannot be read as one."""
    try:
        text = path.read_text("utf-8")
        data = tomllib.loads(text)
    except FileNotFoundError:
        raise InvalidSpec(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSpec(f"{path}: this is not TOML: {error}") from None
    return data, Document(str(path), _lines(text, data))


def load(name: str, folders: Folders) -> Any:
    """What *name* names: ``package.module:Name``, or ``file.py:Name`` in a file of *folders*.

    Raises `LookupError` with a sentence where there is no such thing, and whatever the module itself raises.
    """
    where, _, inside = name.partition(":")
    if not where or not inside:
        raise LookupError(f"{name!r} is not written as package.module:Name or file.py:Name")
    module = _file(where, folders) if where.endswith(".py") else _module(where)
    try:
        return attrgetter(inside)(module)
    except AttributeError:
        own = [n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__]
        raise LookupError(f"{where} has no {inside!r}{nearest(inside, own)}") from None


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise LookupError(f"there is no module {name}; a file is written file.py:Name") from None


def _file(name: str, folders: Folders) -> Any:
    """The module in a file, read at each call: the file may have changed."""
    path = folders.find(name)
    if path is None:
        raise LookupError(f"there is no file {name} in {folders}")
    # A name that no module has, or a user's momentum.py would stand in for another of that name.
    title = f"<{path.resolve()}>"
    loader = _Fresh(title, str(path))
    found = importlib.util.spec_from_file_location(title, path, loader=loader)
    assert found is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[title] = module
    loader.exec_module(module)
    return module


class _Fresh(SourceFileLoader):
    """Compiles what the file holds now: what Python keeps of it may be that of a moment before."""

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        """Nothing, which leaves what is kept alone."""
        raise OSError(path)


def _lines(text: str, data: Mapping[str, Any]) -> dict[Place, int]:
    """The line of every key outside of braces; what looks like one in the middle of a value is none."""
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
    """The names in a dotted key."""
    found: Any = tomllib.loads(f"{key} = 0")
    parts = []
    while isinstance(found, dict):
        ((name, found),) = found.items()
        parts.append(name)
    return tuple(parts)


def _through(parts: Place, counts: Mapping[Place, int]) -> Place:
    """The way of a header, through the last of each array of tables on it."""
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

"""What is recorded of a run: all that determines its result, in a form that is the same in every process."""

import hashlib
import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tieout.execution.errors import InvalidSetting
from tieout.execution.kernels.state import Program
from tieout.execution.strategy.strategy import Strategy

_PIECE = 1 << 14
_SAID_OTHERWISE = (("strategy", "class"), ("strategy", "parameters"))
"""What a spec may say in other words: where a strategy is found, and how it is made."""


def merged(found: Mapping[str, Any], given: Mapping[str, Any], place: tuple[str, ...] = ()) -> dict[str, Any]:
    """*found* with what is *given* beside it. Raises `InvalidSetting` where it says something else."""
    both = dict(found)
    for name, value in given.items():
        have, here = both.get(name), (*place, name)
        if isinstance(have, Mapping) and isinstance(value, Mapping):
            both[name] = merged(have, value, here)
        elif here[:2] in _SAID_OTHERWISE or name not in both:
            both[name] = value
        elif have != value:
            raise InvalidSetting(f"describe says that {'.'.join(here)} is {value!r}; it is {have!r}")
    return both


def fingerprint(program: Program, tags: Sequence[str]) -> dict[str, str]:
    """The digest of every array of a program, and of the reasons that its orders name."""
    requests = {
        name: program.requests[name] for name in program.requests.dtype.names or () if name != "order"
    }
    arrays = {"weights": program.weights, "entries": program.entries, "exits": program.exits} | requests
    found = {name: _digest(values) for name, values in arrays.items() if values.size}
    return found | {"tags": hashlib.sha256(json.dumps(list(tags)).encode()).hexdigest()}


def _digest(values: np.ndarray[Any, Any]) -> str:
    """Of type, shape and values; with one NaN and one zero for all that there are."""
    sha = hashlib.sha256(f"{values.dtype.str}{values.shape}".encode())
    flat = np.ascontiguousarray(values).reshape(-1)
    if values.dtype.kind != "f":
        sha.update(flat.view(np.uint8).data)
        return sha.hexdigest()
    # Piece by piece, while it is near: a copy of the whole would go to memory and back three times.
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE] + 0.0
        piece[np.isnan(piece)] = np.nan
        sha.update(piece.view(np.uint8).data)
    return sha.hexdigest()


def described(strategy: Strategy) -> dict[str, Any]:
    """The class of a strategy and its public attributes."""
    kind = type(strategy)
    return {
        "class": f"{kind.__module__ if kind.__module__ != '__main__' else ''}:{kind.__qualname__}",
        "parameters": {name: _plain(name, getattr(strategy, name)) for name in _attributes(strategy)},
        "lookback": strategy.lookback,
    }


def _attributes(strategy: Strategy) -> list[str]:
    names = set(vars(strategy))
    for kind in type(strategy).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        names |= {slots} if isinstance(slots, str) else set(slots)
    return sorted(name for name in names if not name.startswith("_") and hasattr(strategy, name))


def _plain(name: str, value: Any) -> Any:
    """*value* as JSON can hold it, the same in every process."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() if abs(value) < float("inf"):
            return value
        case list() | tuple():
            return [_plain(name, v) for v in value]
        case set() | frozenset():
            return sorted((_plain(name, v) for v in value), key=json.dumps)
        case dict():
            return {str(k): _plain(name, v) for k, v in value.items()}
        case np.ndarray() if value.dtype.kind != "O":
            return _digest(value)
        case np.generic() if value.dtype.kind in "iufb":
            return _plain(name, value.item())
        case np.generic():
            return str(value)
        case _ if type(value).__module__ in _WRITTEN:
            return str(value)
    raise InvalidSetting(
        f"the strategy's {name} is {value!r}, which cannot be recorded; give it as numbers or text, or name"
        " it with _ if nothing depends on it"
    )


_WRITTEN = frozenset(["datetime", "decimal", "fractions", "pathlib", "zoneinfo"])
"""Modules whose values say in their text all that they are."""


def source_of(kind: type) -> str:
    """The digest of the source of a strategy: of its module where that is a file, else of its class."""
    module = sys.modules.get(kind.__module__)
    try:
        path = inspect.getsourcefile(module) if module is not None else None
        if path is not None and Path(path).is_file():
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()
        return hashlib.sha256(_of_class(kind).encode()).hexdigest()
    except (OSError, TypeError) as error:
        raise InvalidSetting(f"the source of {kind.__qualname__} cannot be read: {error}") from None


def _of_class(kind: type) -> str:
    """The source of a class, or of its functions where only these know it, as in a notebook."""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        functions = [value for _, value in sorted(vars(kind).items()) if inspect.isfunction(value)]
        if not functions:
            raise
        return "".join(map(inspect.getsource, functions))

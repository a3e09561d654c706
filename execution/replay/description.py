"""The description of a run in its journal: all that determines its result, the same in every process."""

import hashlib
import inspect
import json
import linecache
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from tieout.execution.errors import InvalidSetting
from tieout.execution.kernels.state import Program
from tieout.execution.strategy.strategy import Strategy

_PIECE = 1 << 14
_REPLACEABLE = (("strategy", "class"), ("strategy", "parameters"))
"""Entries that a user may replace: the place of a strategy and its parameters."""


def merge_specs(
    spec: Mapping[str, Any], others: Mapping[str, Any], place: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Add the entries of *others* to a spec. Raises `InvalidSetting` if one contradicts the spec."""
    both = dict(spec)
    for name, value in others.items():
        actual, path = both.get(name), (*place, name)
        if isinstance(actual, Mapping) and isinstance(value, Mapping):
            both[name] = merge_specs(actual, value, path)
        elif path[:2] in _REPLACEABLE or name not in both:
            both[name] = value
        elif actual != value:
            raise InvalidSetting(f"describe says that {'.'.join(path)} is {value!r}; it is {actual!r}")
    return both


def fingerprint(program: Program, tags: Sequence[str]) -> dict[str, str]:
    """Digest every array of a program, and the tags of its orders."""
    requests = {
        name: program.requests[name] for name in program.requests.dtype.names or () if name != "order"
    }
    arrays = {"weights": program.weights, "entries": program.entries, "exits": program.exits} | requests
    digests = {name: _digest(values) for name, values in arrays.items() if values.size}
    return digests | {"tags": hashlib.sha256(json.dumps(list(tags)).encode()).hexdigest()}


def _digest(values: np.ndarray[Any, Any]) -> str:
    """Digest type, shape and values. Every NaN counts as the same NaN, and both zeros as one."""
    sha = hashlib.sha256(f"{values.dtype.str}{values.shape}".encode())
    flat = np.ascontiguousarray(values).reshape(-1)
    if values.dtype.kind != "f":
        sha.update(flat.view(np.uint8).data)
        return sha.hexdigest()
    # Piece by piece, in the cache: a copy of the whole would go to memory and back three times.
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE] + 0.0
        piece[np.isnan(piece)] = np.nan
        sha.update(piece.view(np.uint8).data)
    return sha.hexdigest()


def describe_strategy(strategy: Strategy) -> dict[str, Any]:
    """Describe a strategy by its class and its public attributes."""
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
    """Convert *value* to JSON that is the same in every process."""
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
        case _ if type(value).__module__ in _TEXT_MODULES:
            return str(value)
    raise InvalidSetting(
        f"the strategy's {name} is {value!r}, which cannot be recorded; give it as numbers or text, or name"
        " it with _ if nothing depends on it"
    )


_TEXT_MODULES = frozenset(["datetime", "decimal", "fractions", "pathlib", "zoneinfo"])
"""Modules whose values are complete as text."""


def source_of(kind: type) -> str:
    """Digest the source of a strategy: its module if that is a file, else its cell, or its compiled code.

    All of a cell counts. Compiled code stands for a class that was typed at a prompt, whose text is not kept.
    """
    module = sys.modules.get(kind.__module__)
    path = getattr(module, "__file__", None)
    if module is not None and path is not None and Path(path).is_file():
        return hashlib.sha256(Path(inspect.getsourcefile(module) or path).read_bytes()).hexdigest()
    return hashlib.sha256((_cell_of(kind) or _code_of(kind)).encode()).hexdigest()


def _cell_of(kind: type) -> str:
    """Return the text that a class was defined in: a cell of a notebook, or the text after ``python -c``."""
    for function in _functions(kind):
        name = function.__code__.co_filename
        if lines := linecache.getlines(name):
            return "".join(lines)
        if name == "<string>" and "-c" in sys.orig_argv:
            return sys.orig_argv[sys.orig_argv.index("-c") + 1]
    return ""


def _functions(kind: type) -> list[Any]:
    """Return the functions of a class and of its bases outside any file, in the order of their names."""
    functions = []
    for base in kind.__mro__:
        for _, value in sorted(vars(base).items()):
            function = inspect.unwrap(getattr(value, "fget", None) or getattr(value, "__func__", value))
            if inspect.isfunction(function) and base.__module__ == kind.__module__:
                functions.append(function)
    return functions


def _code_of(kind: type) -> str:
    """Return the compiled code of a class as text, without its place."""
    parts = [_text_of(function.__code__) for function in _functions(kind)]
    fixed = {
        name: value
        for name, value in vars(kind).items()
        if isinstance(value, bool | int | float | str | None)
    }
    return json.dumps([kind.__qualname__, sorted(fixed.items(), key=str), parts], default=str)


def _text_of(code: CodeType) -> list[Any]:
    """Return what determines the work of compiled code."""
    constants = [_text_of(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return [code.co_name, code.co_code.hex(), constants, code.co_names, code.co_varnames]

"""How kernels are compiled, and where the result is kept between processes.

numba notices a change in the file of a function, but not in the file of a function that it calls. The
folder of the cache is therefore named after the sources of every room that the kernels can come from.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
from numba.core import config
from platformdirs import user_cache_path

P = ParamSpec("P")
R = TypeVar("R")

# A kernel allocates nothing, so numba need not count references to the arrays that it is given: without
# counting, and with calls inlined where they stand, posting is six to eight times as fast.
_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    "forceinline": True,
    "nogil": True,  # the writer works while a loop posts
    "_nrt": False,
}


def compiler(*rooms: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that compiles a function once for this machine, for kernels that call into *rooms*.

    The folder is ``NUMBA_CACHE_DIR`` where that is set, else the user's own cache.
    """
    folder = _writable(_base()) / _digest(rooms)

    def kernel(function: Callable[P, R]) -> Callable[P, R]:
        # numba reads the setting while it decorates; restored, so that a user's kernels stay where they are.
        before = config.CACHE_DIR  # type: ignore[attr-defined]  # set from the environment
        config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
        try:
            # A private kernel is called by kernels alone and is compiled without a door to Python.
            options = _OPTIONS | {"no_cpython_wrapper": function.__name__.startswith("_")}
            compiled: Callable[P, R] = numba.njit(cache=True, **options)(function)
        finally:
            config.CACHE_DIR = before  # type: ignore[attr-defined]
        return compiled

    return kernel


def _base() -> Path:
    given = os.environ.get("NUMBA_CACHE_DIR")
    return Path(given) if given else user_cache_path("tieout")


def _writable(folder: Path) -> Path:
    """*folder*, or a new one in the temporary folder where a home is read-only."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="tieout-"))


def _digest(rooms: tuple[str, ...]) -> str:
    sources = hashlib.sha256()
    for room in rooms:
        spec = find_spec(room)
        for place in (spec.submodule_search_locations or []) if spec else []:
            for path in sorted(Path(place).glob("*.py")):
                sources.update(path.read_bytes())
    return sources.hexdigest()[:16]


kernel = compiler("ledger")

"""How kernels are compiled, and where the result is kept between processes.

numba notices a change in the file of a function, but not in the file of a function that it calls, nor of
a constant. The folder of the cache is therefore named after the sources of all modules that have kernels,
and of all that these import, in the rooms that kernels can come from.
"""

import gc
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
from numba.core import config
from platformdirs import user_cache_path

P = ParamSpec("P")
R = TypeVar("R")

_DECORATES = re.compile(rb"^from \w+(?:\.\w+)*\.compiled import", re.MULTILINE)
_IMPORTS = re.compile(rb"^ *from ([\w.]+) import \(?([\w, \n]+)", re.MULTILINE)

# A kernel allocates nothing, so numba need not count references to the arrays that it is given: without
# counting, and with calls inlined where they stand, posting is six to eight times as fast.
_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    "nogil": True,  # the writer works while a loop posts
    "_nrt": False,
}


def compiler(*rooms: str, **options: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that compiles a function once for this machine, for kernels that call into *rooms*.

    *options* are numba's own. The folder of the cache is ``NUMBA_CACHE_DIR`` where that is set, else the
    user's own.
    """
    folder = cache_folder(*rooms)

    def kernel(function: Callable[P, R]) -> Callable[P, R]:
        # numba reads the setting while it decorates; restored, so that a user's kernels stay where they are.
        before = config.CACHE_DIR  # type: ignore[attr-defined]  # set from the environment
        config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
        try:
            # A private kernel is called by kernels alone and is compiled without a door to Python.
            private = {"no_cpython_wrapper": function.__name__.startswith("_")}
            dispatcher = numba.njit(cache=True, **(_OPTIONS | private | options))(function)
            compiled: Callable[P, R] = _in_plain_types(dispatcher)
        finally:
            config.CACHE_DIR = before  # type: ignore[attr-defined]
        return compiled

    return kernel


def direct(kernel: Callable[P, R], *given: P.args, **_: P.kwargs) -> Callable[P, R]:
    """What *kernel* is compiled to for arguments of the types of *given*.

    It does not ask what it is called with, which takes longer than what is done at one bar: whoever calls it
    answers for their being of these types.
    """
    if config.DISABLE_JIT:  # type: ignore[attr-defined]  # set from the environment
        return kernel
    dispatcher: Any = kernel
    types = tuple(_plain(numba.typeof(value)) for value in given)  # type: ignore[no-untyped-call]
    dispatcher.compile(types)
    found: Callable[P, R] = dispatcher.get_overload(types)
    return found


def cache_folder(*rooms: str) -> Path:
    """Where the kernels of *rooms* are kept."""
    return _writable(_base()) / _digest(rooms)


def _in_plain_types(dispatcher: Any) -> Any:
    """Have a kernel compiled once for every integer: numba would do it again for each literal and width."""
    if not config.DISABLE_JIT:  # type: ignore[attr-defined]  # set from the environment
        compile_for = dispatcher.compile

        def compile_in_plain_types(given: Iterable[Any]) -> Any:
            with _without_collecting():
                return compile_for(tuple(map(_plain, given)))

        dispatcher.compile = compile_in_plain_types
    return dispatcher


@contextmanager
def _without_collecting() -> Iterator[None]:
    """What compiling makes is kept, so collecting garbage meanwhile only costs time: a tenth of it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _plain(given: Any) -> Any:
    plain: Any = numba.types.unliteral(given)  # type: ignore[no-untyped-call]
    return numba.types.int64 if plain in numba.types.signed_domain else plain


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
    for _, source in sorted(kernel_sources(rooms).items()):
        sources.update(source)
    return sources.hexdigest()[:16]


def kernel_sources(rooms: tuple[str, ...]) -> dict[str, bytes]:
    """The modules of *rooms* that define kernels and all that these import, with their sources."""
    modules = {
        f"{room}.{path.stem}": path.read_bytes()
        for room in rooms
        if (spec := find_spec(room)) is not None
        for place in spec.submodule_search_locations or []
        for path in Path(place).glob("*.py")
    }
    waiting = [name for name, source in modules.items() if _DECORATES.search(source)]
    found: dict[str, bytes] = {}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = modules[name]
            waiting.extend(module for module in _imported(modules[name]) if module in modules)
    return found


def _imported(source: bytes) -> Iterator[str]:
    """The modules that a source names: those it imports from, and those that it imports from their room."""
    for module, names in _IMPORTS.findall(source):
        yield module.decode()
        for name in re.findall(rb"\w+", names):
            yield f"{module.decode()}.{name.decode()}"


kernel = compiler("ledger", forceinline=True)
"""Copied to where it is called."""

leaf = compiler("ledger", forceinline=True, no_cpython_wrapper=True)
"""As a kernel, and called by kernels alone, which spares it a door to Python."""

"""How kernels are compiled, and where the result is kept between processes.

numba notices a change in the file of a function, but not in the file of a function that it calls, nor of
a constant. The folder of the cache is therefore named after the sources of all modules that have kernels,
and of all that these import, in the rooms that kernels can come from.
"""

import ctypes
import gc
import hashlib
import inspect
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core import config
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic
from platformdirs import user_cache_path

from tieout.ledger.numeric import CHECKED
from tieout.ledger.product import product_files

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


_NOT_LOADED = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: -1)
"""What is called in the place of a kernel that was not loaded: a failure, and no jump to nowhere."""


class Apart:
    """A kernel that its callers reach through an address, and of whose code they hold nothing.

    numba copies whatever a kernel calls into that kernel and works it over once more, so that what is below
    everything is compiled again at every level above it; and no caller can be compiled before what it calls.
    Through an address two processes compile the two at a time.
    """

    def __init__(self, kernel: Any, example: Callable[[], tuple[Any, ...]]) -> None:
        """*kernel* is called with the types of what *example* gives, and returns an integer or nothing."""
        self.kernel = kernel
        self._example = example
        function = kernel.py_func
        self._returns = numba.types.none if function.__annotations__["return"] is None else numba.types.int64
        self._is_loaded = False
        # Callers find the address by the name of this place, before there is anything but a failure to call.
        self._place = np.full(1, ctypes.cast(_NOT_LOADED, ctypes.c_void_p).value, np.uintp)
        self._name = f"tieout.{function.__module__}.{function.__qualname__}"
        llvmlite.binding.add_symbol(self._name, self._place.ctypes.data)

    def load(self) -> None:
        """Compile the kernel, or find it in the cache, unless it is here already."""
        if not self._is_loaded:
            types = self._types()
            self.kernel.compile(types)
            found = self.kernel.overloads[types]
            self._place[0] = found.library.get_pointer_to_function(found.fndesc.llvm_func_name)
            self._is_loaded = True

    def call(self) -> Any:
        """What callers compile: a call of whatever is at the address. Raises where the types are others."""

        def typed(_context: Any, *given: Any) -> Any:
            types = self._types()
            if tuple(map(_plain, given)) != types:
                raise numba.TypingError(f"{self._name} is called with {given}, not {types}")
            if not _is_elsewhere:
                self.load()  # for whoever calls it from a kernel of his own
            return self._returns(*types), self._generate

        own = inspect.signature(self.kernel.py_func)
        context = inspect.Parameter("_context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        names = [context, *own.parameters.values()]
        typed.__signature__ = own.replace(parameters=names)  # type: ignore[attr-defined]  # read by numba
        typed.__name__ = self._name
        found: Any = intrinsic(typed)
        found.apart = self
        return found

    def _types(self) -> tuple[Any, ...]:
        given = self._example()
        return tuple(_plain(numba.typeof(value)) for value in given)  # type: ignore[no-untyped-call]

    def _generate(self, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        returns, given, convention = signature.return_type, signature.args, context.call_conv
        place = builder.module.globals.get(self._name)
        if place is None:
            kind = ir.PointerType(convention.get_function_type(returns, given))
            place = ir.GlobalVariable(builder.module, kind, self._name)
        status, value = convention.call_function(builder, builder.load(place), returns, given, arguments)
        with builder.if_then(status.is_error, likely=False):
            convention.return_status_propagate(builder, status)
        return value


def apart(
    compiling: Callable[[Callable[P, R]], Callable[P, R]], example: Callable[[], tuple[Any, ...]]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator for what is compiled by *compiling*, and `Apart` from what calls it."""

    def kernel(function: Callable[P, R]) -> Callable[P, R]:
        if config.DISABLE_JIT:  # type: ignore[attr-defined]  # set from the environment
            return function
        found: Callable[P, R] = Apart(compiling(function), example).call()
        return found

    return kernel


def called(kernel: Any) -> Iterator[Any]:
    """The kernels that *kernel* names, those apart as what stands for them."""
    function = kernel.py_func
    for name in function.__code__.co_names:
        found = function.__globals__.get(name)
        if isinstance(found, Dispatcher) or hasattr(found, "apart"):
            yield found


def reached(kernel: Any) -> list[Apart]:
    """What *kernel* and all that it calls reach through addresses."""
    found: dict[Apart, None] = {}
    seen: set[Any] = set()
    waiting = [kernel]
    while waiting:
        for one in called(waiting.pop()):
            if isinstance(one, Dispatcher) and one not in seen:
                seen.add(one)
                waiting.append(one)
            elif not isinstance(one, Dispatcher) and one.apart not in found:
                found[one.apart] = None
                waiting.append(one.apart.kernel)
    return list(found)


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
        has_door = not dispatcher.targetoptions.get("no_cpython_wrapper")

        def compile_in_plain_types(given: Iterable[Any]) -> Any:
            with _without_collecting():
                for one in reached(dispatcher) if has_door and not _is_elsewhere else ():
                    one.load()
                return compile_for(tuple(map(_plain, given)))

        dispatcher.compile = compile_in_plain_types
    return dispatcher


_is_elsewhere = False


@contextmanager
def uncalled() -> Iterator[None]:
    """Compile without what is apart: for a process that compiles and never calls."""
    global _is_elsewhere  # noqa: PLW0603  a setting of this process
    _is_elsewhere = True
    try:
        yield
    finally:
        _is_elsewhere = False


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


@cache
def _digest(rooms: tuple[str, ...]) -> str:
    """Return the name of the cache folder: a digest of all sources that kernels of *rooms* depend on."""
    sources = hashlib.sha256(b"checked" if CHECKED else b"")
    for _, source in sorted(kernel_sources(rooms).items()):
        sources.update(source)
    return sources.hexdigest()[:16]


def kernel_sources(rooms: tuple[str, ...]) -> dict[str, bytes]:
    """The modules of *rooms* that define kernels and all that these import, with their sources."""
    modules = {name: path.read_bytes() for name, path in product_files(*rooms).items()}
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


kernel = compiler("tieout.ledger", forceinline=True)
"""Copied to where it is called."""

leaf = compiler("tieout.ledger", forceinline=True, no_cpython_wrapper=True)
"""As a kernel, and called by kernels alone, which spares it a door to Python."""

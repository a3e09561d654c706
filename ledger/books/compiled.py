"""The compilation of kernels, and the cache that keeps the result between processes.

numba notices a change in the file of a function, but not in the file of a function that it calls, nor of
a constant. The folder of the cache is therefore named after the sources of all modules that have kernels,
and of all modules that these import, in the rooms that kernels can come from.
"""

import ctypes
import gc
import hashlib
import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core import config
from numba.extending import intrinsic
from platformdirs import user_cache_path

from tieout.ledger.books.kernel_cache import KernelCache
from tieout.ledger.numeric import CHECKED
from tieout.ledger.product import product_files

P = ParamSpec("P")
R = TypeVar("R")

_DECORATES = re.compile(rb"^from \w+(?:\.\w+)*\.compiled import", re.MULTILINE)
_IMPORTS = re.compile(rb"^ *from ([\w.]+) import \(?([\w, \n]+)", re.MULTILINE)

# A kernel allocates nothing, so numba need not count references to its arrays. Without counting, and with
# calls inlined, posting is six to eight times as fast.
_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    "nogil": True,  # the writer works while a loop posts
    "_nrt": False,
}


def compiler(*rooms: str, **options: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that compiles a function once for this machine, for kernels that call into *rooms*.

    *options* are numba's. The folder of the cache is ``NUMBA_CACHE_DIR`` where that is set, else the user's.
    Where nothing can be kept, each process compiles.
    """
    folder = cache_folder(*rooms)

    def kernel(function: Callable[P, R]) -> Callable[P, R]:
        # A private kernel is called by kernels only and is compiled without an entry for Python.
        private = {"no_cpython_wrapper": function.__name__.startswith("_")}
        dispatcher = numba.njit(**(_OPTIONS | private | options))(function)
        if not config.DISABLE_JIT:  # type: ignore[attr-defined]  # set from the environment
            dispatcher._cache = _cache_in(folder, function)  # noqa: SLF001  numba offers its own class only
        compiled: Callable[P, R] = _in_plain_types(dispatcher)
        return compiled

    return kernel


def _cache_in(folder: Path, function: Callable[..., Any]) -> KernelCache:
    """Return a cache of *function* in *folder*. The environment's settings are for numba's own cache."""
    # The settings are restored, so that a user's kernels stay in place.
    before = config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES  # type: ignore[attr-defined]  # as above
    config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = str(folder), ""  # type: ignore[attr-defined]
    try:
        return KernelCache(function)
    finally:
        config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = before  # type: ignore[attr-defined]


_NOT_LOADED = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: -1)
"""A stub that reports failure until the kernel is loaded."""
_separate: "list[SeparateKernel]" = []
"""The separate kernels of this process, in the order of their definition."""


class SeparateKernel:
    """A kernel called through a function pointer.

    numba copies everything that a kernel calls into that kernel and optimises it again, so the lowest code is
    compiled again at every level above it. No caller can be compiled before what it calls. Through a
    pointer two processes compile the two at a time.
    """

    def __init__(self, kernel: Any, example: Callable[[], tuple[Any, ...]]) -> None:
        """*kernel* is called with the types of the values of *example*, and returns an integer or nothing."""
        self.kernel = kernel
        self._example = example
        function = kernel.py_func
        self._returns = numba.types.none if function.__annotations__["return"] is None else numba.types.int64
        self._is_loaded = False
        # Callers find the pointer by its name, before it points to anything but the stub.
        self._pointer = np.full(1, ctypes.cast(_NOT_LOADED, ctypes.c_void_p).value, np.uintp)
        self._name = f"tieout.{function.__module__}.{function.__qualname__}"
        llvmlite.binding.add_symbol(self._name, self._pointer.ctypes.data)
        _separate.append(self)

    def load(self) -> None:
        """Compile the kernel, or read it from the cache, unless it is loaded already."""
        if not self._is_loaded:
            types = self._types()
            self.kernel.compile(types)
            overload = self.kernel.overloads[types]
            self._pointer[0] = overload.library.get_pointer_to_function(overload.fndesc.llvm_func_name)
            self._is_loaded = True

    def call(self) -> Any:
        """Return what callers compile: a call of the function at the pointer, for its types only."""

        def typed(_context: Any, *arguments: Any) -> Any:
            types = self._types()
            if tuple(map(_plain, arguments)) != types:
                raise numba.TypingError(f"{self._name} is called with {arguments}, not {types}")
            if not _is_deferred:
                self.load()  # for a caller outside of the product
            return self._returns(*types), self._generate

        signature = inspect.signature(self.kernel.py_func)
        context = inspect.Parameter("_context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        names = [context, *signature.parameters.values()]
        typed.__signature__ = signature.replace(parameters=names)  # type: ignore[attr-defined]  # read by numba
        typed.__name__ = self._name
        return intrinsic(typed)

    def _types(self) -> tuple[Any, ...]:
        return tuple(_plain(numba.typeof(value)) for value in self._example())  # type: ignore[no-untyped-call]

    def _generate(self, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        returns, types, convention = signature.return_type, signature.args, context.call_conv
        pointer = builder.module.globals.get(self._name)
        if pointer is None:
            kind = ir.PointerType(convention.get_function_type(returns, types))
            pointer = ir.GlobalVariable(builder.module, kind, self._name)
        status, value = convention.call_function(builder, builder.load(pointer), returns, types, arguments)
        with builder.if_then(status.is_error, likely=False):
            convention.return_status_propagate(builder, status)
        return value


def separate(
    compiling: Callable[[Callable[P, R]], Callable[P, R]], example: Callable[[], tuple[Any, ...]]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for a `SeparateKernel` that is compiled by the decorator *compiling*."""

    def kernel(function: Callable[P, R]) -> Callable[P, R]:
        if config.DISABLE_JIT:  # type: ignore[attr-defined]  # set from the environment
            return function
        call: Callable[P, R] = SeparateKernel(compiling(function), example).call()
        return call

    return kernel


def load_separate() -> None:
    """Compile every separate kernel, or read it from the cache."""
    with without_separate():  # one may be an entry, whose compilation would begin here again
        for kernel in _separate:
            kernel.load()


def specialised(kernel: Callable[P, R], *arguments: P.args, **_: P.kwargs) -> Callable[P, R]:
    """Return the compiled code of *kernel* for the types of *arguments*.

    It does not look at the types of its arguments, which would take longer than a bar of a small run. The
    caller answers for them.
    """
    if config.DISABLE_JIT:  # type: ignore[attr-defined]  # set from the environment
        return kernel
    dispatcher: Any = kernel
    types = tuple(_plain(numba.typeof(value)) for value in arguments)  # type: ignore[no-untyped-call]
    dispatcher.compile(types)
    code: Callable[P, R] = dispatcher.get_overload(types)
    return code


def cache_folder(*rooms: str) -> Path:
    """Return the folder of the compiled kernels of *rooms*."""
    return _base() / _digest(rooms)


def _in_plain_types(dispatcher: Any) -> Any:
    """Have a kernel compiled once for every integer: numba would do it again for each literal and width."""
    if not config.DISABLE_JIT:  # type: ignore[attr-defined]  # set from the environment
        compile_for = dispatcher.compile
        is_entry = not dispatcher.targetoptions.get("no_cpython_wrapper")

        def compile_in_plain_types(types: Iterable[Any]) -> Any:
            with _without_collecting():
                if is_entry and not _is_deferred:
                    load_separate()
                return compile_for(tuple(map(_plain, types)))

        dispatcher.compile = compile_in_plain_types
    return dispatcher


_is_deferred = False


@contextmanager
def without_separate() -> Iterator[None]:
    """Compile without the separate kernels, in a process that compiles and never calls."""
    global _is_deferred  # noqa: PLW0603  a setting of this process
    _is_deferred = True
    try:
        yield
    finally:
        _is_deferred = False


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Compile without collecting garbage, which takes a tenth of the time and finds none."""
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_collecting:
            gc.enable()


def _plain(numba_type: Any) -> Any:
    plain: Any = numba.types.unliteral(numba_type)  # type: ignore[no-untyped-call]
    return numba.types.int64 if plain in numba.types.signed_domain else plain


def _base() -> Path:
    folder = os.environ.get("NUMBA_CACHE_DIR")
    return Path(folder).absolute() if folder else user_cache_path("tieout")


@cache
def _digest(rooms: tuple[str, ...]) -> str:
    """Return the name of the cache folder: a digest of all sources that kernels of *rooms* depend on."""
    sources = hashlib.sha256(b"checked" if CHECKED else b"")
    for _, source in sorted(kernel_sources(rooms).items()):
        sources.update(source)
    return sources.hexdigest()[:16]


def kernel_sources(rooms: tuple[str, ...]) -> dict[str, bytes]:
    """Return the sources of the modules of *rooms* that define kernels, and of all that these import."""
    modules = {name: path.read_bytes() for name, path in product_files(*rooms).items()}
    waiting = [name for name, source in modules.items() if _DECORATES.search(source)]
    sources: dict[str, bytes] = {}
    while waiting:
        name = waiting.pop()
        if name not in sources:
            sources[name] = modules[name]
            waiting.extend(module for module in _imports(modules[name]) if module in modules)
    return sources


def _imports(source: bytes) -> Iterator[str]:
    """Yield the modules that a source imports from, and the names it imports, which may be modules."""
    for module, names in _IMPORTS.findall(source):
        yield module.decode()
        for name in re.findall(rb"\w+", names):
            yield f"{module.decode()}.{name.decode()}"


entry = compiler("tieout.ledger", forceinline=True)
"""For a kernel that kernels and Python call: it is copied into kernels that call it."""

inlined = compiler("tieout.ledger", forceinline=True, no_cpython_wrapper=True)
"""For a kernel that is copied into its callers and not called from Python."""

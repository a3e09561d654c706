"""The decorators of this room's kernels, which call the ledger's.

A function that takes the books or the desk takes some hundred values, which makes a call costly to compile.
Most kernels are therefore copied into their callers. A kernel with several callers that calls much itself is
compiled once, and `separate` from its callers where half of the room is behind it.
"""

from tieout.ledger.books.compiled import cache_folder, compiler, separate

__all__ = ["FOLDER", "entry", "inlined", "separate", "shared"]

_ROOMS = ("tieout.ledger", "tieout.execution")

FOLDER = cache_folder(*_ROOMS)
"""The folder of the compiled kernels."""

inlined = compiler(*_ROOMS, forceinline=True, no_cpython_wrapper=True)
"""For a kernel that is copied into its callers."""

shared = compiler(*_ROOMS, no_cpython_wrapper=True)
"""For a kernel with several callers."""

entry = compiler(*_ROOMS)
"""For a kernel that Python calls."""

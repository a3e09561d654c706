"""The decorators of this room's kernels, which call the ledger's.

A function that takes the books or the desk takes some hundred values, which makes a call costly to compile.
Most kernels are therefore copied into their callers. A kernel with several callers that calls much itself is
compiled once, and `separate` from its callers where half of the room is behind it.
"""

from tieout.ledger.books.compiled import cache_folder, compiler, separate

__all__ = ["FOLDER", "entry", "inlined", "merged", "separate", "shared"]

_ROOMS = ("tieout.ledger", "tieout.execution")

FOLDER = cache_folder(*_ROOMS)
"""The folder of the compiled kernels."""

inlined = compiler(*_ROOMS, forceinline=True, no_cpython_wrapper=True)
"""For a kernel that is copied into its callers."""

merged = compiler(*_ROOMS, inline="always", no_cpython_wrapper=True)
"""For a large kernel with one caller: numba merges the two before it compiles them.

The optimiser works on a copied kernel once by itself and again in its caller. The three kernels of a fill,
merged, shorten the first run by a tenth (19.6 against 21.7 seconds, medians of three).
"""

shared = compiler(*_ROOMS, no_cpython_wrapper=True)
"""For a kernel with several callers."""

entry = compiler(*_ROOMS)
"""For a kernel that Python calls."""

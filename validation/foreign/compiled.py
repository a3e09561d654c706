"""Decorators that compile the loops of this folder and of the engines, as the ledger compiles its kernels."""

from tieout.ledger.books.compiled import compiler

__all__ = ["entry", "inlined", "shared"]

_ROOMS = ("tieout.ledger", "tieout.execution", "tieout.validation.foreign", "tieout.validation.engines")

inlined = compiler(*_ROOMS, forceinline=True, no_cpython_wrapper=True)
"""Inlined into its callers."""

shared = compiler(*_ROOMS, no_cpython_wrapper=True)
"""A function with several callers."""

entry = compiler(*_ROOMS)
"""A function that Python calls."""

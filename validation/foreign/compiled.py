"""How the loops of this folder are compiled: as the ledger's kernels are, which some of them call."""

from tieout.ledger.books.compiled import compiler

__all__ = ["entry", "leaf", "routine"]

_ROOMS = ("tieout.ledger", "tieout.execution", "tieout.validation.foreign", "tieout.validation.engines")

leaf = compiler(*_ROOMS, forceinline=True, no_cpython_wrapper=True)
"""Copied to where it is called."""

routine = compiler(*_ROOMS, no_cpython_wrapper=True)
"""For what is called from several places."""

entry = compiler(*_ROOMS)
"""For what Python calls."""

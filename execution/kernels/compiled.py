"""How this room's kernels are compiled: as the ledger's are, which they call.

A function that is given the books or the desk is given some hundred values, which makes a call costly to
compile. What is called from one place is therefore made part of its caller; what is called from several and
calls much itself is compiled once, and `apart` from its callers where half of the room is behind it.
"""

from tieout.ledger.books.compiled import apart, cache_folder, compiler

__all__ = ["FOLDER", "apart", "entry", "leaf", "part", "routine"]

FOLDER = cache_folder("tieout.ledger", "tieout.execution")
"""Where what is compiled is kept."""

leaf = compiler("tieout.ledger", "tieout.execution", forceinline=True, no_cpython_wrapper=True)
"""For arithmetic on records and numbers: copied to where it is called."""

part = compiler("tieout.ledger", "tieout.execution", inline="always", no_cpython_wrapper=True)
"""For what is called from one place: becomes part of its caller before that is compiled."""

routine = compiler("tieout.ledger", "tieout.execution", no_cpython_wrapper=True)
"""For what is called from several places."""

entry = compiler("tieout.ledger", "tieout.execution")
"""For what Python calls."""

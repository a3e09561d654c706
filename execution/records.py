"""The tables that execution keeps in a journal: orders, what became of them, fills, and a benchmark.

Registered with the store under the entry point group ``tieout.records``; the ledger stores, seals and
verifies them like its own.
"""

from tieout.ledger.file.schema import Schema

RECORDS = Schema.load("tieout.execution", 1)
"""Tables, views and checks of this room."""

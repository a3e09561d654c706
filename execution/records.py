"""The tables of execution in a journal: orders, their events and links, fills, tags, and a benchmark.

They are registered under the entry point group ``tieout.records``. The ledger stores, seals and verifies them
like its own tables.
"""

from tieout.ledger.file.schema import Schema

RECORDS = Schema.load("tieout.execution", 1)
"""Tables, views and checks of execution."""

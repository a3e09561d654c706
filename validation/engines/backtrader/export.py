"""Columns of Backtrader's exports: rows of its analyzer Transactions, one per date and instrument.

They have no commission.
"""

from tieout.validation.engines.interface import Export

EXPORT = Export(
    fills={"timestamp": "date", "symbol": "symbol", "quantity": "amount", "price": "price"},
    marks=frozenset({"sid", "value"}),
)

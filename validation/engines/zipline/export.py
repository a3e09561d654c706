"""Columns of zipline's exports: the dictionaries of the column `transactions`, and the frame of results.

Its transactions have no commission.
"""

from tieout.validation.engines.interface import Export

EXPORT = Export(
    fills={
        "timestamp": "dt",
        "symbol": "sid",
        "quantity": "amount",
        "price": "price",
        "order": "order_id",
    },
    curve={
        "timestamp": "period_close",
        "cash": "ending_cash",
        "equity": "portfolio_value",
        "pnl": "pnl",
    },
    marks=frozenset({"commission"}),
)

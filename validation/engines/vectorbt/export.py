"""Columns of VectorBT's exports: `portfolio.orders.records_readable`, `portfolio.trades.records_readable`."""

from tieout.validation.engines.interface import Export

EXPORT = Export(
    fills={
        "timestamp": "Timestamp",
        "symbol": "Column",
        "side": "Side",
        "quantity": "Size",
        "price": "Price",
        "fee": "Fees",
        "order": "Order Id",
    },
    trades={
        "symbol": "Column",
        "opened": "Entry Timestamp",
        "closed": "Exit Timestamp",
        "pnl": "PnL",
        "status": "Status",
    },
)

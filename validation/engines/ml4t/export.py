"""Columns of ml4t's exports: the fields of `result.fills`, `trades.parquet` and `equity.parquet`."""

from tieout.validation.engines.interface import Export

EXPORT = Export(
    fills={
        "timestamp": "timestamp",
        "symbol": "asset",
        "side": "side",
        "quantity": "quantity",
        "price": "price",
        "fee": "commission",
        "order": "order_id",
    },
    trades={
        "symbol": "symbol",
        "opened": "entry_time",
        "closed": "exit_time",
        "pnl": "pnl",
        "status": "status",
    },
    curve={"timestamp": "timestamp", "equity": "equity"},
)

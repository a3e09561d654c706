"""A history from a Parquet file in windows: the 25 instruments with the best return of each day."""

import json
import resource
import sys
import time
from pathlib import Path

import polars as pl

from tieout import Backtest, Bars, CashAccount, Costs, Orders, PercentCommission

source, orders, journal, window = sys.argv[1:]
start = time.perf_counter()
bars = Bars.read(Path(source), window=int(window) or None)
read = time.perf_counter()
result = Backtest(
    bars=bars,
    strategy=Orders(pl.read_parquet(orders)),
    account=CashAccount("1000000"),
    costs=Costs(PercentCommission("0.00001")),
).run(Path(journal))
end = time.perf_counter()
fills = result.journal.sql("select count(*) as n from fill").rows()[0]["n"]
print(
    json.dumps(
        {
            "read": read - start,
            "seconds": end - start,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "head": result.head,
            "fills": int(fills),
            "bars": len(bars) * len(bars.symbols),
            "window": bars.window,
        }
    )
)

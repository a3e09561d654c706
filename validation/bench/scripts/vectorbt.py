"""The best of a workload's file by weights, from the start of a process to a printed summary."""

import resource
import sys

import numpy as np
import vectorbt as vbt

with np.load(sys.argv[1]) as arrays:
    close, weights = arrays["close"], arrays["weights"]
portfolio = vbt.Portfolio.from_orders(
    close,
    size=weights,
    size_type="targetpercent",
    direction="longonly",
    fees=0.001,
    init_cash=1e6,
    cash_sharing=True,
    group_by=True,
    call_seq="auto",
    freq="1D",
    engine=sys.argv[2],
)
equity, trades = portfolio.value(), portfolio.trades.records
print(portfolio.total_return(), portfolio.sharpe_ratio(), portfolio.sortino_ratio(), portfolio.max_drawdown())
print(float(equity.iloc[-1]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

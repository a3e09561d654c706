"""The best of a workload's file by weights, from the start of a process to a printed summary."""

import resource
import sys

import numpy as np

from tieout import (
    Backtest,
    Bars,
    CashAccount,
    Costs,
    Instruments,
    PercentCommission,
    TargetWeights,
)

with np.load(sys.argv[1]) as arrays:
    fields = {name: arrays[name] for name in ("open", "high", "low", "close", "volume")}
    timestamp, weights = arrays["timestamp"], arrays["weights"]
symbols = [f"A{number:03d}" for number in range(weights.shape[1])]
bars, program = Bars.from_arrays(timestamp, symbols, **fields), TargetWeights(weights)
# Both have copied their inputs.
del fields, weights
result = Backtest(
    bars=bars,
    strategy=program,
    account=CashAccount("1000000"),
    costs=Costs(PercentCommission("0.001")),
    instruments=Instruments.fractional(),
    fill="same_close",
).run()
equity, trades = result.equity, result.trades
print(result.metrics)
print(float(equity["equity"][-1]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

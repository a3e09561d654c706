"""What a run takes of memory a symbol: of so many, in MB."""

import sys

from execution import Backtest, Strategy
from validation.bench.engines import memory
from validation.bench.workloads import walk
from validation.references import bars_of

symbols = int(sys.argv[1])
Backtest(bars=bars_of(walk(1, (252, 2))), strategy=Strategy()).run().close()
before = memory.resident()
memory.forget_peak()
with Backtest(bars=bars_of(walk(1, (252, symbols))), strategy=Strategy()).run():
    print((memory.peak() - before) / symbols)

"""What a run takes of memory a symbol: of so many, in MB."""

import sys

from tieout import Backtest, Strategy
from tieout.validation.workloads import memory
from tieout.validation.workloads.references import bars_of
from tieout.validation.workloads.workloads import walk

symbols = int(sys.argv[1])
Backtest(bars=bars_of(walk(1, (252, 2))), strategy=Strategy()).run().close()
before = memory.resident()
memory.forget_peak()
with Backtest(bars=bars_of(walk(1, (252, symbols))), strategy=Strategy()).run():
    print((memory.peak() - before) / symbols)

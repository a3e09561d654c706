"""One size of one axis: seconds of a run in memory and in a file, and the MB of the first run."""

import json
import statistics
import sys
from pathlib import Path

from tieout.validation.bench.growth import AXES, read, tiny
from tieout.validation.workloads import memory
from tieout.validation.workloads.task import Clock

axis, size, rounds, journal = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
make = AXES[axis].make
warm = tiny()
read(warm().run())
read(warm().run(journal))
prepared = make(size)
runs: dict[str, list[float]] = {"memory": [], "file": []}
before = memory.resident()
memory.forget_peak()
with prepared().run() as result:
    read(result)
megabytes = memory.peak() - before
for _ in range(rounds):
    with Clock() as clock:
        result = prepared().run()
        read(result)
    result.close()
    runs["memory"].append(clock.seconds)
    journal.unlink()
    with Clock() as clock:
        result = prepared().run(journal)
        read(result)
        result.close()
    runs["file"].append(clock.seconds)
print(
    json.dumps({name: statistics.median(values) for name, values in runs.items()} | {"megabytes": megabytes})
)

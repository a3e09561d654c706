"""What keeping the books costs: the bar step, and the same step that keeps no rows.

The second is compiled from a copy of the sources in which orders, fills, events, marks and statements are
not written, and the transfers of a transaction lie where those of the last one lay, because the transaction
is tested and undone by them. Balances and lots move as ever, and both end with the same balances.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from validation.bench.report import Table, spread, times
from validation.bench.rounds import in_turn

WORKLOADS = ("W2", "W3")
MOST = 1.5
"""How much longer the step that keeps the books may take."""
_ROOMS = ("ledger", "execution")

_SCRIPT = """
import gc, json, statistics, sys
from hashlib import sha256
from time import perf_counter
from validation.bench import step
from validation.bench.workloads import generate
from validation.references import REFERENCES

name = sys.argv[1]
reference = next(r for r in REFERENCES if r.workload == name and r.settings.fill == "same_close")
backtest = reference.backtest(generate(name), reference.faces[0])
seconds = []
for _ in range(6):
    engine, *given = step.prepared(backtest)
    start = perf_counter()
    step.perform(engine, *given)
    seconds.append(perf_counter() - start)
    balances = sha256(engine.journal.books.accounts["balance"].tobytes()).hexdigest()
    engine.journal.abandon()
    del engine, given
    gc.collect()
print(json.dumps([statistics.median(seconds[1:]), balances]))
"""


class Edit(NamedTuple):
    """*old* in *file* becomes *new*, wherever it stands."""

    file: str
    old: str
    new: str


EDITS = (
    Edit("ledger/posting.py", r"txn = books\.txns\[state\.txns\]", "txn = books.txns[0]"),
    Edit(
        "ledger/posting.py",
        r"    state\.txns \+= 1\n",
        "    state.txns += 1\n    state.transfers = state.opened\n",
    ),
    Edit("execution/submission.py", r"    row(\.\w+)? = .*\n", ""),
    Edit("execution/booking.py", r"    row(\.\w+)? = .*\n", ""),
    Edit("execution/admission.py", r"    row(\.\w+)? = .*\n", ""),
    Edit("execution/admission.py", r" +desk\.fills\[state\.fills\]\.basis = basis\n", ""),
    Edit("execution/valuation.py", r" +(row|mark)(\.\w+)? = .*\n", ""),
)


class DoesNotFit(Exception):
    """The sources do not say what is to be left out."""


def without_rows(folder: Path) -> None:
    """Copy the rooms that post into *folder*, without the rows."""
    for room in _ROOMS:
        spec = find_spec(room)
        places = spec.submodule_search_locations if spec is not None else None
        shutil.copytree(next(iter(places or ())), folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in EDITS:
        path = folder / edit.file
        text, count = re.subn(edit.old, edit.new, path.read_text("utf-8"))
        if not count:
            raise DoesNotFit(f"{edit.file} has no line like {edit.old}")
        path.write_text(text, "utf-8")


def measure(folder: Path, rounds: int) -> Table:
    """Both steps in turn, each round in a process of its own."""
    copy = folder / "rowless"
    without_rows(copy)
    rows = []
    for name in WORKLOADS:
        ends: set[str] = set()
        timings = in_turn(
            {
                "with": partial(_seconds, name, ends, folder),
                "without": partial(
                    _seconds,
                    name,
                    ends,
                    folder,
                    PYTHONPATH=str(copy),
                    NUMBA_CACHE_DIR=str(folder / "kernels"),
                ),
            },
            rounds,
        )
        if len(ends) != 1:
            raise DoesNotFit(f"{name}: the two steps end with different balances")
        ratio = timings["without"].ratio(timings["with"])
        met = "yes" if ratio[0] <= MOST else "NO"
        cells = (spread(timings[which]) for which in ("with", "without"))
        rows.append([name, *cells, times(ratio), f"{MOST:g}", met])
    columns = ("workload", "the bar step", "without its rows", "times as long", "at most", "met")
    return Table("What keeping the books costs", columns, rows, " ".join((__doc__ or "").split()))


def _seconds(name: str, ends: set[str], folder: Path, **environment: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, name],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,  # where no room lies: it would be found before those that are meant
        env=os.environ | environment,
    )
    seconds, end = json.loads(done.stdout)
    ends.add(end)
    return float(seconds)

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Self

from tieout.validation.bench.contest import Failed
from tieout.validation.workloads.markdown import Table, spread, times
from tieout.validation.workloads.rounds import in_turn

WORKLOADS = ("W2", "W3")
MOST = 1.5
"""How much longer the step that keeps the books may take."""
_ROOMS = ("ledger", "execution")

_SCRIPT = "import sys; from tieout.validation.bench.clocked import tell_steps; tell_steps(sys.argv[1])"


class Edit(NamedTuple):
    """*old* in *file* becomes *new*, wherever it stands."""

    file: str
    old: str
    new: str


EDITS = (
    Edit("ledger/books/posting.py", r"txn = books\.txns\[state\.txns\]", "txn = books.txns[0]"),
    Edit(
        "ledger/books/posting.py",
        r"    state\.txns \+= 1\n",
        "    state.txns += 1\n    state.transfers = state.opened\n",
    ),
    Edit("execution/kernels/submission.py", r"    row(\.\w+)? = .*\n", ""),
    Edit("execution/kernels/booking.py", r"    row(\.\w+)? = .*\n", ""),
    Edit("execution/kernels/admission.py", r"    row(\.\w+)? = .*\n", ""),
    Edit("execution/kernels/admission.py", r" +desk\.fills\[state\.fills\]\.basis = basis\n", ""),
    Edit("execution/kernels/valuation.py", r" +(row|mark)(\.\w+)? = .*\n", ""),
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


class Apart:
    """The bar step of a run in a process of its own, performed whenever it is asked for."""

    def __init__(self, name: str, folder: Path, ends: set[str], **environment: str) -> None:
        """*folder* has no room in it: it would be found before those that *environment* leads to.

        The digests of the balances that the step ends with go to *ends*.
        """
        self._name, self._ends = name, ends
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=os.environ | environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def seconds(self) -> float:
        """How long it takes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise Failed(f"the bar step of {self._name}: its process ended")
        seconds, end = json.loads(answer)
        self._ends.add(end)
        return float(seconds)


@contextmanager
def steps(name: str, folder: Path, without: Path) -> Iterator[dict[str, Callable[[], float]]]:
    """The bar step of a run, ``with`` its rows and, from the sources in *without*, ``without``.

    Raises `DoesNotFit` if they have ended with different balances.
    """
    ends: set[str] = set()
    kernels = str(without.with_name("kernels"))
    with (
        Apart(name, folder, ends) as kept,
        Apart(name, folder, ends, PYTHONPATH=str(without), NUMBA_CACHE_DIR=kernels) as left_out,
    ):
        yield {"with": kept.seconds, "without": left_out.seconds}
    if len(ends) != 1:
        raise DoesNotFit(f"{name}: the steps with and without rows end with different balances")


def measure(folder: Path, rounds: int) -> Table:
    """Both steps in turn, each in a process of its own."""
    copy = folder / "rowless"
    without_rows(copy)
    rows = []
    for name in WORKLOADS:
        with steps(name, folder, copy) as both:
            timings = in_turn(both, rounds)
        ratio = timings["without"].ratio(timings["with"])
        met = "yes" if ratio[0] <= MOST else "NO"
        cells = (spread(timings[which]) for which in ("with", "without"))
        rows.append([name, *cells, times(ratio), f"{MOST:g}", met])
    columns = ("workload", "the bar step", "without its rows", "times as long", "at most", "met")
    return Table("What keeping the books costs", columns, rows, " ".join((__doc__ or "").split()))

"""All faults, many times each, two at a time; and the table of what came of them."""

import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from rich.table import Table

from tieout.validation.evidence.faults import trials
from tieout.validation.evidence.faults.children import ChildFailed
from tieout.validation.evidence.faults.program import LARGE, SMALL
from tieout.validation.evidence.faults.trials import Fate, Trial

WORKERS = 2


@frozen
class Fault:
    """A function of `trials`, on what, and how often."""

    name: str
    trial: Callable[..., Trial]
    given: Any
    times: int


@define
class Row:
    """What came of one fault."""

    fault: Fault
    trials: list[Trial] = field(factory=list)

    def cells(self) -> list[str]:
        """As the table shows it."""
        fates = [sum(t.fate is fate for t in self.trials) for fate in Fate]
        resumed = [t.same_head for t in self.trials if t.same_head is not None]
        return [
            self.fault.name,
            str(len(self.trials)),
            *map(str, fates),
            str(sum(t.recovered is True for t in self.trials)) if resumed else "-",
            str(sum(t.lost for t in self.trials)),
            str(sum(bool(t.wrong) for t in self.trials)),
            f"{sum(resumed)} of {len(resumed)}" if resumed else "-",
        ]

    def complaints(self) -> Iterator[str]:
        """Every trial that did not end as it has to, with what is wrong."""
        for number, trial in enumerate(self.trials):
            if trial.wrong or trial.lost or trial.same_head is False:
                head = "another head digest, " if trial.same_head is False else ""
                yield f"{self.fault.name}, trial {number}: {head}{trial.lost} lost, {trial.wrong}"


COLUMNS = (
    "fault",
    "trials",
    *(fate.value for fate in Fate),
    "recovered",
    "lost acknowledged blocks",
    "silent errors",
    "head equal after resume",
)


def faults(folder: Path, share: float) -> list[Fault]:
    """The faults with what they need, which is made in *folder*; *share* of the full number of each."""

    def often(times: int) -> int:
        return max(1, round(times * share))

    def place(name: str) -> Path:
        (folder / name).mkdir()
        return folder / name

    small = trials.undisturbed(place("small"), SMALL)
    large = trials.undisturbed(place("large"), LARGE)
    wal, file = trials.with_wal(place("wal")), trials.closed(place("file"))
    disk = "small disk" if trials.can_mount() else "limit on files"
    return [
        Fault("kill -9, small blocks", trials.kill, small, often(140)),
        Fault("kill -9, large blocks", trials.kill, large, often(60)),
        Fault("WAL cut", trials.cut_wal, wal, often(100)),
        Fault("bit flipped in the WAL", trials.flip_wal, wal, often(100)),
        Fault("bit flipped in the file", trials.flip_file, file, often(100)),
        Fault("two blocks swapped", trials.swap_blocks, file, often(40)),
        Fault(f"full disk ({disk}), small blocks", trials.fill_disk, small, often(12)),
        Fault(f"full disk ({disk}), large blocks", trials.fill_disk, large, often(12)),
    ]


def perform(planned: Iterable[Fault], seed: int, progress: Callable[[], None] = lambda: None) -> list[Row]:
    """Perform every trial of every fault, the same ones for the same *seed* as far as time allows."""

    def one(fault: Fault, number: int) -> Trial:
        with tempfile.TemporaryDirectory(prefix="tieout-faults-") as folder:
            choice = random.Random(f"{seed} {fault.name} {number}")
            try:
                return fault.trial(Path(folder), fault.given, number, choice)
            except ChildFailed as error:
                return Trial(Fate.CRASHED, wrong=str(error))
            finally:
                progress()

    with ThreadPoolExecutor(WORKERS) as pool:
        return [
            Row(fault, list(pool.map(one, [fault] * fault.times, range(fault.times)))) for fault in planned
        ]


def table(rows: Iterable[Row], title: str) -> Table:
    """The rows for the terminal."""
    shown = Table(*COLUMNS, title=title)
    for column in shown.columns[1:]:
        column.justify = "right"
    for row in rows:
        shown.add_row(*row.cells())
    return shown

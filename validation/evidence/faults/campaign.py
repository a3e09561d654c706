"""All faults, many times each, two at a time, and the table of their results."""

import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from rich.table import Table

from tieout.validation.evidence.faults import signals, trials
from tieout.validation.evidence.faults.children import ChildFailed
from tieout.validation.evidence.faults.program import LARGE, SMALL
from tieout.validation.evidence.faults.trials import Fate, Trial
from tieout.validation.evidence.sizes import size

WORKERS = 2


@frozen
class Fault:
    """A function of `trials`, the subject that it damages, and the number of trials."""

    name: str
    trial: Callable[..., Trial]
    subject: Any
    times: int


@define
class Row:
    """Results of one fault."""

    fault: Fault
    trials: list[Trial] = field(factory=list)

    def cells(self) -> list[str]:
        """Return the cells of its row."""
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
        """Yield every trial that failed, with the reason."""
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


def faults(folder: Path, share: float = 1.0) -> list[Fault]:
    """Return the faults with their subjects, which are made in *folder*.

    The numbers of trials are those of `sizes`, times *share*.
    """

    def often(name: str) -> int:
        return max(1, round(size(name) * share))

    def place(name: str) -> Path:
        (folder / name).mkdir()
        return folder / name

    small = trials.undisturbed(place("small"), SMALL)
    large = trials.undisturbed(place("large"), LARGE)
    spec = trials.spec_run(place("spec"))
    wal, file = trials.with_wal(place("wal")), trials.closed(place("file"))
    commands = signals.files(place("commands"))
    disk = "small disk" if trials.can_mount() else "limit on files"
    planned: list[tuple[str, Callable[..., Trial], Any]] = [
        ("kill -9, small blocks", trials.kill, small),
        ("kill -9, large blocks", trials.kill, large),
        ("kill -9, a run from its spec", trials.kill_spec, spec),
        ("signal in any command", signals.interrupt, commands),
        ("WAL cut", trials.cut_wal, wal),
        ("bit flipped in the WAL", trials.flip_wal, wal),
        ("bit flipped in the file", trials.flip_file, file),
        ("two blocks swapped", trials.swap_blocks, file),
        ("full disk, small blocks", trials.fill_disk, small),
        ("full disk, large blocks", trials.fill_disk, large),
    ]
    return [
        Fault(name.replace("full disk", f"full disk ({disk})"), trial, subject, often(name))
        for name, trial, subject in planned
    ]


def perform(planned: Iterable[Fault], seed: int, progress: Callable[[], None] = lambda: None) -> list[Row]:
    """Perform every trial of every fault. The *seed* fixes all but the moments of kills."""

    def one(fault: Fault, number: int) -> Trial:
        with tempfile.TemporaryDirectory(prefix="tieout-faults-") as folder:
            choice = random.Random(f"{seed} {fault.name} {number}")
            try:
                return fault.trial(Path(folder), fault.subject, number, choice)
            except ChildFailed as error:
                return Trial(Fate.CRASHED, wrong=str(error))
            finally:
                progress()

    with ThreadPoolExecutor(WORKERS) as pool:
        return [
            Row(fault, list(pool.map(one, [fault] * fault.times, range(fault.times)))) for fault in planned
        ]


def table(rows: Iterable[Row], title: str) -> Table:
    """Return the rows as a table for the terminal."""
    grid = Table(*COLUMNS, title=title)
    for column in grid.columns[1:]:
        column.justify = "right"
    for row in rows:
        grid.add_row(*row.cells())
    return grid


def kinds(rows: Iterable[Row]) -> Table:
    """Return the trials by kind, for faults of several kinds, as a table for the terminal."""
    grid = Table("fault", "kind", "trials", "faulty", title="Trials by kind")
    for row in rows:
        for kind in sorted({trial.kind for trial in row.trials if trial.kind}):
            trials = [trial for trial in row.trials if trial.kind == kind]
            faulty = sum(bool(t.wrong or t.lost or t.same_head is False) for t in trials)
            grid.add_row(row.fault.name, kind, str(len(trials)), str(faulty))
    return grid

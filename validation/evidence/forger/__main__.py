"""The command: alter sound journals, print the outcome by kind, and exit with 1 if a figure was wrong."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence

from rich.console import Console

from tieout.validation.evidence.forger.alteration import KINDS
from tieout.validation.evidence.forger.trials import PAIRS, Outcome, Trial, perform_parts
from tieout.validation.evidence.sizes import size
from tieout.validation.workloads.markdown import Table

COLUMNS = ("kind", "alterations", "no row changed", *(outcome.value for outcome in Outcome))
_WIDTH = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Perform the alterations of the command line, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tieout.validation.evidence.forger", description=__doc__)
    default = size("alterations by a forger")
    parser.add_argument("--count", type=int, default=default, help="number of alterations (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice (%(default)s)")
    parser.add_argument("--only", action="append", default=[], choices=list(KINDS), help="one kind of them")
    options = parser.parse_args(arguments)
    console, start = Console(), time.perf_counter()
    console = console if console.is_terminal else Console(width=_WIDTH)
    trials = perform_parts(options.count, options.seed, options.only)
    title = f"A forger, seed {options.seed}, {time.perf_counter() - start:.0f} s"
    Table(title, COLUMNS, [*rows(trials)]).show(console)
    wrong = [trial for trial in trials if trial.outcome is Outcome.WRONG]
    for trial in wrong:
        console.print(
            f"{trial.base}: {trial.kind}: {trial.name}: {trial.fault}", markup=False, soft_wrap=True
        )
    console.print(f"{len(trials)} alterations, {len(wrong) or 'none'} with a wrong figure")
    return 1 if wrong else 0


def rows(trials: Sequence[Trial]) -> Iterator[Sequence[str]]:
    """Yield the number of trials of each kind by outcome, and the sums."""
    for name in (*KINDS, PAIRS):
        of_kind = [trial for trial in trials if trial.kind == name]
        if of_kind:
            yield _row(name, of_kind)
    yield _row("all", trials)


def _row(name: str, trials: Sequence[Trial]) -> Sequence[str]:
    outcomes = (sum(trial.outcome is outcome for trial in trials) for outcome in Outcome)
    counts = (len(trials), sum(trial.is_quiet for trial in trials), *outcomes)
    return name, *(f"{count:,}" for count in counts)


if __name__ == "__main__":
    sys.exit(main())

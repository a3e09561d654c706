"""The comparisons with VectorBT and Backtrader: `python -m tieout.validation.evidence`.

Random runs, results on which engines agree, a study in which cash binds, real bars, the auditor. Exits 1 if
anything differs, and 2 if a package is not installed. At most two processes work at a time.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from attrs import evolve
from rich.console import Console

from tieout.ledger.process import safe_children
from tieout.validation.evidence import page
from tieout.validation.evidence import real_bars as real
from tieout.validation.evidence.sizes import size
from tieout.validation.workloads.markdown import Part, insert, write

WORKERS = 2
_WIDTH = 140
"""Characters of a line where the output is not a terminal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the parts of the command line, print the tables, and write them to the files."""
    options = _parsed(arguments)
    try:
        for name in page.PACKAGES:
            version(name)
    except PackageNotFoundError as error:
        print(f"{error.name} is not installed: pip install 'tieout[reference]'", file=sys.stderr)
        return 2
    request = page.Request(options.count, options.seed, options.data)
    names = options.only or list(page.PARTS)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    faults: list[str] = []
    for name, part in perform(names, request):
        if not part.tables:
            print(f"{page.TITLES[name]}: skipped, there is no file {request.bars}", file=sys.stderr)
            continue
        console.print(f"\n[bold]{page.TITLES[name]}[/bold]")
        for table in part.tables:
            table.show(console)
        faults += part.faults
        # Part by part, so that a later failure loses no result.
        if options.write is not None:
            write(options.write, {name: Part(page.TITLES[name], part.tables)}, page.TITLES)
        if options.readme is not None and name == "study":
            insert(options.readme, evolve(part.tables[0], note=""), page.BEGIN)
    for fault in faults:
        console.print(fault, markup=False)
    console.print(f"\n{len(faults) or 'no'} difference{'s' * (len(faults) != 1)}")
    return 1 if faults else 0


def perform(names: Sequence[str], request: page.Request) -> Iterator[tuple[str, page.Section]]:
    """Yield the parts as they end, two at a time, the longest first."""
    # Spawned: a process that is forked while a thread holds a lock would wait for the lock for ever.
    context = multiprocessing.get_context("spawn")
    ranked = sorted(names, key=_LONGEST.index)
    with safe_children(), ProcessPoolExecutor(min(WORKERS, len(names)), mp_context=context) as pool:
        started = time.perf_counter()
        waiting = {pool.submit(page.PARTS[name], request): name for name in ranked}
        for future in as_completed(waiting):
            name = waiting[future]
            print(f"{page.TITLES[name]}: done after {time.perf_counter() - started:.0f} s", file=sys.stderr)
            yield name, future.result()


_LONGEST = (
    "vectorbt",
    "backtrader",
    "native",
    "rows",
    "real",
    "audit",
    "study",
    "versions",
    "named",
    "defects",
)
"""The parts from the longest to the shortest, so that both processes end at about the same time."""


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tieout.validation.evidence",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=list(page.PARTS),
        help="compare one part, the others stay in the file",
    )
    parser.add_argument(
        "--count",
        type=_positive,
        default=size("random runs of an imitation"),
        help="random runs against each package (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the random runs (%(default)s)")
    parser.add_argument(
        "--write", type=Path, metavar="FILE.md", help="also write the tables to this file, as Markdown"
    )
    parser.add_argument(
        "--readme", type=Path, metavar="README.md", help="also put the table of the study in this file"
    )
    parser.add_argument(
        "--data", type=Path, default=real.BARS, metavar="FILE.parquet", help="the file of real bars"
    )
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above zero")
    return number


if __name__ == "__main__":
    sys.exit(main())

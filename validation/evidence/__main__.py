"""`python -m tieout.validation.evidence`: every comparison with VectorBT and Backtrader in one command.

Random runs, results that engines agree on, a study in which cash binds, real bars, the auditor. Ends with 1
where anything differs, with 2 where a package is not installed. Two processes at most work at a time.
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

from tieout.validation.evidence import page
from tieout.validation.evidence import real_bars as real
from tieout.validation.workloads.markdown import Part, insert, write

COUNT = 10_000
"""Random runs against each package."""
WORKERS = 2
_WIDTH = 140
"""Characters of a line where the output is no terminal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare what is asked for, print it, and write it where that is wanted."""
    given = _parsed(arguments)
    try:
        for name in page.PACKAGES:
            version(name)
    except PackageNotFoundError as error:
        print(f"{error.name} is not installed: pip install 'tieout[reference]'", file=sys.stderr)
        return 2
    asked = page.Asked(given.count, given.seed, given.data)
    chosen = given.only or list(page.PARTS)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    wrong: list[str] = []
    for name, found in performed(chosen, asked):
        if not found.tables:
            print(f"{page.TITLES[name]}: skipped, there is no file {asked.bars}", file=sys.stderr)
            continue
        console.print(f"\n[bold]{page.TITLES[name]}[/bold]")
        for table in found.tables:
            table.show(console)
        wrong += found.wrong
        # Part by part: what fails later takes nothing away.
        if given.write is not None:
            write(given.write, {name: Part(page.TITLES[name], found.tables)}, page.TITLES)
        if given.readme is not None and name == "study":
            insert(given.readme, evolve(found.tables[0], note=""), page.BEGIN)
    for told in wrong:
        console.print(told, markup=False)
    console.print(f"\n{len(wrong) or 'no'} difference{'s' * (len(wrong) != 1)}")
    return 1 if wrong else 0


def performed(names: Sequence[str], asked: page.Asked) -> Iterator[tuple[str, page.Found]]:
    """The parts as they are done, two at a time, the longest first."""
    # Started afresh: a process that is forked while a thread holds a lock would wait for it for ever.
    context = multiprocessing.get_context("spawn")
    ranked = sorted(names, key=_LONGEST.index)
    with ProcessPoolExecutor(min(WORKERS, len(names)), mp_context=context) as pool:
        started = time.perf_counter()
        waiting = {pool.submit(page.PARTS[name], asked): name for name in ranked}
        for done in as_completed(waiting):
            name = waiting[done]
            print(f"{page.TITLES[name]}: done after {time.perf_counter() - started:.0f} s", file=sys.stderr)
            yield name, done.result()


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
"""The parts by how long they take, so that the two processes end at about the same time."""


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
        help="one part; those not measured stay in the file as they are",
    )
    parser.add_argument(
        "--count", type=_positive, default=COUNT, help="random runs against each package (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="what they are drawn from (%(default)s)")
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

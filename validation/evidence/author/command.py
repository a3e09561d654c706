"""The command that gives every input to every command, and prints the outcomes and violations by kind."""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tieout.ledger.text import line
from tieout.validation.evidence.author.campaign import LIMIT, PROCESSES, Campaign, Outcome, Trial
from tieout.validation.evidence.author.inputs import chosen
from tieout.validation.evidence.sizes import size

OUTCOMES = {0: "ended with 0", 1: "with 1", 2: "with 2"}


def author(
    seed: Annotated[int, typer.Option(help="Choose the same inputs again.")] = 1,
    count: Annotated[int | None, typer.Option(help="Take this number of inputs.")] = None,
    limit: Annotated[
        float, typer.Option(help="Seconds for each call. A crowded machine needs more.")
    ] = LIMIT,
    keep: Annotated[Path | None, typer.Option(help="Keep inputs and logs in this new folder.")] = None,
) -> None:
    """Give hostile inputs to all commands. Exit 1 if one goes beyond what it was asked for."""
    console, start = Console(soft_wrap=True), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tieout-author-") as temporary:
        folder = Path(temporary) if keep is None else keep
        campaign = Campaign(folder / "campaign", limit)
        number = size("inputs of a hostile author") if count is None else count
        trials = campaign.trials(chosen(campaign.kinds(), number, seed))
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("calls", total=len(trials))
            outcomes = campaign.perform(trials, lambda: progress.advance(task))
            outcomes += [campaign.perform_alone(trial) for trial in alone(campaign, seed)]
    console.print(table(outcomes, f"Hostile inputs, seed {seed}, {time.perf_counter() - start:.0f} s"))
    console.print(f"commands: {dict(Counter(one.trial.call.command for one in outcomes))}")
    bad = [outcome for outcome in outcomes if outcome.violations]
    for outcome in bad:
        for text in complaints(outcome):
            console.print(text, markup=False, highlight=False)
    console.print(
        f"{sum(len(one.violations) for one in bad)} violations in {len(bad)} of {len(outcomes)} calls"
    )
    sys.exit(1 if bad else 0)


def alone(campaign: Campaign, seed: int) -> list[Trial]:
    """Choose the calls that are processes: other inputs, and each command in turn."""
    again = Campaign(campaign.folder / "alone", campaign.limit)
    inputs = chosen(again.kinds(), 2 * PROCESSES, seed + 1)
    trials = [t for t in again.trials(inputs) if not any("\x00" in text for text in t.call.arguments)]
    by_command: dict[str, list[Trial]] = {}
    for trial in trials:
        # The demo takes seconds. A comparison would load the other engines where they are installed.
        if trial.call.command not in {"bench", "compare", "demo"}:
            by_command.setdefault(trial.call.command, []).append(trial)
    every = [trial for turn in zip(*by_command.values(), strict=False) for trial in turn]
    return every[:PROCESSES]


def table(outcomes: list[Outcome], title: str) -> Table:
    """Return the outcomes and violations of each kind of input."""
    rows = Table(title=title)
    rows.add_column("kind")
    for name in ("inputs", "calls", *OUTCOMES.values(), "others", "seconds", "violations"):
        rows.add_column(name, justify="right")
    for kind in dict.fromkeys(outcome.trial.item.kind for outcome in outcomes):
        rows.add_row(kind, *_figures([outcome for outcome in outcomes if outcome.trial.item.kind == kind]))
    rows.add_section()
    rows.add_row("all", *_figures(outcomes))
    return rows


def _figures(outcomes: list[Outcome]) -> list[str]:
    ends = Counter(outcome.status for outcome in outcomes)
    return [
        str(len({id(outcome.trial.item) for outcome in outcomes})),
        str(len(outcomes)),
        *(str(ends[status]) for status in OUTCOMES),
        str(sum(ends.values()) - sum(ends[status] for status in OUTCOMES)),
        f"{sum(outcome.seconds for outcome in outcomes):.1f}",
        str(sum(len(outcome.violations) for outcome in outcomes)),
    ]


def complaints(outcome: Outcome) -> list[str]:
    """Return a line for each violation of a call."""
    call, item = outcome.trial.call, outcome.trial.item
    return [line(f"{v.kind}: {call.command}, {item.kind}, {item.name}: {v.text}") for v in outcome.violations]


def main() -> None:
    """Run the command."""
    typer.run(author)

"""A thousand parameter sets of W2 in one process, ours beside VectorBT's: runs/s, and whether memory leaks.

The weights of each set are made within the clock, by the same code for both; of each, the final value is
read, and has to be the same to the cent.
"""

from pathlib import Path

from tieout.validation.bench import market
from tieout.validation.bench.contest import Disagreement, Engines, cores
from tieout.validation.workloads.arrays import kept
from tieout.validation.workloads.markdown import Table, duration

CENT = 0.01


def measure(engines: Engines, folder: Path) -> Table:
    """One sweep each, on one core."""
    rows, values = [], {}
    rules = market.contest("W2", "close", {}).rules
    for engine, name in (("ours", "tieout"), ("vectorbt", "VectorBT rust")):
        child = engines.start(engine, cores()[-1:])
        if child is None:
            continue
        with child:
            child.ask("load", workload="W2", arrays=str(kept("W2")), rules=list(rules), folder=str(folder))
            done = child.ask("sweep")
        values[engine] = done["values"]
        count, seconds = len(done["values"]), done["seconds"]
        rows.append(
            [
                name,
                f"{count:,}",
                duration(seconds),
                f"{count / seconds:,.0f}",
                *(f"{held:,.0f} MB" for held in done["memory"]),
            ]
        )
    if len(values) > 1:
        pairs = zip(values["ours"], values["vectorbt"], strict=True)
        if wrong := sum(abs(ours - theirs) > CENT for ours, theirs in pairs):
            raise Disagreement(
                f"of the sweep, {wrong} of {len(values['ours'])} final values differ by a cent"
            )
    note = (
        "Sets of how many are held, how much of equity, and how often it is rebalanced; one core, one"
        " process. All final values are the same to the cent."
    )
    columns = ("", "runs", "time", "runs/s", "memory at the start", "after 500", "after 1,000")
    return Table("1,000 parameter sets of W2", columns, rows, note)

"""A thousand parameter sets of W2 in one process, tieout beside VectorBT: runs/s, and leaks of memory.

The clock includes making the weights of each set, by the same code for both engines. The final value of each
set is read, and has to be the same to the cent.
"""

from pathlib import Path

from tieout.validation.bench import market
from tieout.validation.bench.contest import Disagreement, Engines, cores
from tieout.validation.workloads.arrays import folder_of
from tieout.validation.workloads.markdown import Table, duration

CENT = 0.01


def measure(engines: Engines, folder: Path) -> Table:
    """Perform one sweep with each engine, on one core."""
    rows, values = [], {}
    rules = market.contest("W2", "close", {}).rules
    for engine, name in (("tieout", "tieout"), ("vectorbt", "VectorBT rust")):
        child = engines.start(engine, cores()[-1:])
        if child is None:
            continue
        with child:
            child.ask(
                "load", workload="W2", arrays=str(folder_of("W2")), rules=list(rules), folder=str(folder)
            )
            answer = child.ask("sweep")
        values[engine] = answer["values"]
        count, seconds = len(answer["values"]), answer["seconds"]
        rows.append(
            [
                name,
                f"{count:,}",
                duration(seconds),
                f"{count / seconds:,.0f}",
                *(f"{megabytes:,.0f} MB" for megabytes in answer["memory"]),
            ]
        )
    if len(values) > 1:
        pairs = zip(values["tieout"], values["vectorbt"], strict=True)
        if wrong := sum(abs(one - other) > CENT for one, other in pairs):
            raise Disagreement(
                f"of the sweep, {wrong} of {len(values['tieout'])} final values differ by a cent"
            )
    note = (
        "Each set is a number of positions, a share of equity and a number of bars between rebalances. One"
        " core, one process. All final values are the same to the cent."
    )
    columns = ("", "runs", "time", "runs/s", "memory at the start", "after 500", "after 1,000")
    return Table("1,000 parameter sets of W2", columns, rows, note)

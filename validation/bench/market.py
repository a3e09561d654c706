"""Speed of backtests beside other engines: the same arrays, the same rules, the same cent."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from tieout.validation.bench import floors
from tieout.validation.bench.contest import Contest, Engines, Key, hold
from tieout.validation.workloads.arrays import folder_of
from tieout.validation.workloads.markdown import Table, spread
from tieout.validation.workloads.references import REFERENCES
from tieout.validation.workloads.rounds import Timing
from tieout.validation.workloads.task import Rules

CLOCKS = """
Medians of {rounds} rounds in turn, after one in which every result was compared with the reference. The
fastest and the slowest round are in brackets. Bars and weights are made before a clock starts, and digested
once for all rounds. *Bars included* times making, checking and digesting them too.
`sim` is the simulation: in tieout `Backtest(...).run()` with every transfer posted, in VectorBT `from_orders`
or `from_signals`. `total` adds reading equity, trades and ratios. A durable run reads them from the closed
and sealed file. A run in memory is sealed, and its inputs are digested, when its head is read: `sealed` adds
that to `total`. For engines that call a strategy, `total` is the feeds from the arrays and the run. In memory
every process is pinned to one core. Durable runs may use all cores.
"""

ELSEWHERE = (
    ("PyBroker 2.0.2", "", "545 ms", "6.1 s", "", "771 MB", "3.5 s (1.6 s cached)"),
    ("bt 1.4.1", "", "850 ms", "7.4 s", "", "598 MB", "2.1 s"),
    ("zipline-reloaded 3.2.1", "", "1.5 s", "56 s", "", "563 MB", "3.3 s"),
    ("NautilusTrader 1.221", "2.6 s", "2.8 s", "32 s", "11.8 s", "1,267 MB", "4.1 s"),
    ("backtesting.py 0.6.6", "", "", "", "2.7 s", "", ""),
)
"""Times of other engines, each pinned to one core of another machine with two. They are not measured here."""

WORKLOADS = ("W1", "W2", "W3", "W4", "W5")
QUICK = ("W1", "W2")

Entries = Mapping[str, Sequence[str]]

IN_MEMORY: Entries = {"tieout": ("program", "program, bars included"), "vectorbt": ("rust", "numba")}
DURABLE: Entries = {
    "tieout": (
        "program in a file",
        "program in a file, bars included",
        "program in a file, a statement a bar",
    ),
    "vectorbt": ("rust",),
}
STRATEGY: Entries = {"tieout": ("strategy", "each"), "ml4t": ("strategy",), "backtrader": ("strategy",)}
STRATEGY_FILE: Entries = {**STRATEGY, "tieout": ("strategy in a file",)}

# 5,768 fills. Both engines of VectorBT give this.
_W5 = (Rules("close", 1e6, 0.001), Decimal("1885616.40"))


def contest(workload: str, fill: str, entries: Entries, *, is_pinned: bool = True) -> Contest:
    """Return a workload under the rules of its reference."""
    if workload == "W5":
        rules, value = _W5
    else:
        timing = {"close": "same_close", "open": "next_open"}[fill]
        reference = next(r for r in REFERENCES if (r.workload, r.settings.fill) == (workload, timing))
        settings, value = reference.settings, reference.value
        rules = Rules(fill, float(settings.cash), float(settings.rate))
    return Contest(workload, rules, value, entries, is_pinned)


def contests(workloads: Iterable[str], *, is_quick: bool) -> Iterator[tuple[str, Contest]]:
    """Yield the contests of these workloads by name. *is_quick* leaves out the slow engines."""
    for name in workloads:
        # The insertion sort of VectorBT takes a minute a run in the slower of its engines.
        entries = {**IN_MEMORY, "vectorbt": ("rust",)} if name == "W5" else IN_MEMORY
        yield "in memory", contest(name, "close", entries)
        yield "durable", contest(name, "close", DURABLE, is_pinned=False)
        if name in {"W2", "W3"}:
            # A minute a run on W3.
            slow: Entries = {"zipline": ("strategy",)} if name == "W2" and not is_quick else {}
            yield "strategy", contest(name, "open", {**STRATEGY, **slow})
            if not is_quick:
                yield "strategy, durable", contest(name, "open", STRATEGY_FILE, is_pinned=False)


def measure(
    chosen: Iterable[tuple[str, Contest]],
    engines: Engines,
    folder: Path,
    rounds: int,
    tell: Callable[[str], None],
) -> dict[tuple[str, str], dict[Key, Timing]]:
    """Hold contests. Return the timings by contest and workload. *tell* receives the name of each contest."""
    timings = {}
    for name, entry in chosen:
        tell(f"{entry.workload} {name}")
        timings[name, entry.workload] = hold(entry, engines, folder_of(entry.workload), folder, rounds)
    return timings


def tables(measured: floors.Measured, rounds: int) -> list[Table]:
    """Return the targets, then every timing."""
    whole = [floors.table(measured, CLOCKS.format(rounds=rounds))]
    workloads = sorted({workload for _, workload in measured})
    for name in dict.fromkeys(name for name, _ in measured):
        contested = {w: measured[name, w] for w in workloads if (name, w) in measured}
        keys = dict.fromkeys(key for timings in contested.values() for key in timings)
        rows = [[floors.label_of(key), *(spread(t.get(key)) for t in contested.values())] for key in keys]
        whole.append(Table(name.capitalize(), ("", *contested), rows))
    return whole


def elsewhere() -> Table:
    """Return the figures of engines that are not run here."""
    columns = ("", "W1 ample", "W2", "W3", "W4", "memory, W3", "fresh process, W2")
    note = (
        "Measured earlier on another machine, each engine pinned to one of two cores."
        " The times include everything."
    )
    return Table("Other engines, measured elsewhere", columns, ELSEWHERE, note)

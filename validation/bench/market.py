"""How fast a backtest is beside other engines: the same arrays, the same rules, the same cent."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from tieout.validation.bench import floors
from tieout.validation.bench.contest import Contest, Engines, Key, hold
from tieout.validation.workloads.arrays import kept
from tieout.validation.workloads.markdown import Table, spread
from tieout.validation.workloads.references import REFERENCES
from tieout.validation.workloads.rounds import Timing
from tieout.validation.workloads.task import Rules

CLOCKS = """
Medians of {rounds} rounds in turn, after one in which every result was compared with the reference; least
and most in brackets. Bars and weights are made before a clock starts, and digested once for all rounds;
where the bars are made within, so are their checks and digests. `sim` is the simulation: of ours,
`Backtest(...).run()` with every transfer posted; of VectorBT, `from_orders` or `from_signals`. `total`
adds what a user reads next: equity, trades and ratios, of a durable run from the closed and sealed file.
A run in memory is sealed, and its inputs are digested, when somebody asks for its head: `sealed` has that
within beside everything else. Of engines that call a strategy, it is the feeds from the arrays and the
run. In memory, everybody is pinned to one core; durable, everybody may use all.
"""

ELSEWHERE = (
    ("PyBroker 2.0.2", "", "545 ms", "6.1 s", "", "771 MB", "3.5 s (1.6 s cached)"),
    ("bt 1.4.1", "", "850 ms", "7.4 s", "", "598 MB", "2.1 s"),
    ("zipline-reloaded 3.2.1", "", "1.5 s", "56 s", "", "563 MB", "3.3 s"),
    ("NautilusTrader 1.221", "2.6 s", "2.8 s", "32 s", "11.8 s", "1,267 MB", "4.1 s"),
    ("backtesting.py 0.6.6", "", "", "", "2.7 s", "", ""),
)
"""What others took, each pinned to one core of another machine with two; not part of any run of this."""

WORKLOADS = ("W1", "W2", "W3", "W4", "W5")
QUICK = ("W1", "W2")

Entries = Mapping[str, Sequence[str]]

IN_MEMORY: Entries = {"ours": ("program", "program, its bars made within"), "vectorbt": ("rust", "numba")}
DURABLE: Entries = {
    "ours": (
        "program in a file",
        "program in a file, its bars made within",
        "program in a file, a statement a bar",
    ),
    "vectorbt": ("rust",),
}
STRATEGY: Entries = {"ours": ("strategy", "each"), "ml4t": ("strategy",), "backtrader": ("strategy",)}
STRATEGY_FILE: Entries = {**STRATEGY, "ours": ("strategy in a file",)}

# 5,768 fills; both engines of VectorBT give this.
_W5 = (Rules("close", 1e6, 0.001), Decimal("1885616.40"))


def contest(workload: str, fill: str, entries: Entries, *, is_pinned: bool = True) -> Contest:
    """A workload under the rules of its reference."""
    if workload == "W5":
        rules, value = _W5
    else:
        named = {"close": "same_close", "open": "next_open"}[fill]
        reference = next(r for r in REFERENCES if (r.workload, r.settings.fill) == (workload, named))
        given, value = reference.settings, reference.value
        rules = Rules(fill, float(given.cash), float(given.rate))
    return Contest(workload, rules, value, entries, is_pinned)


def contests(workloads: Iterable[str], *, is_quick: bool) -> Iterator[tuple[str, Contest]]:
    """All that are held on these workloads, by name; those who take seconds once where it is to be quick."""
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
    """Hold contests; the timings by contest and workload. *tell* is told what is under way."""
    found = {}
    for name, held in chosen:
        tell(f"{held.workload} {name}")
        found[name, held.workload] = hold(held, engines, kept(held.workload), folder, rounds)
    return found


def tables(measured: floors.Measured, rounds: int) -> list[Table]:
    """The floors, then every timing."""
    found = [floors.table(measured, CLOCKS.format(rounds=rounds))]
    workloads = sorted({workload for _, workload in measured})
    for name in dict.fromkeys(name for name, _ in measured):
        held = {w: measured[name, w] for w in workloads if (name, w) in measured}
        keys = dict.fromkeys(key for timings in held.values() for key in timings)
        rows = [[floors.called(key), *(spread(t.get(key)) for t in held.values())] for key in keys]
        found.append(Table(name.capitalize(), ("", *held), rows))
    return found


def elsewhere() -> Table:
    """The engines that are not performed here."""
    columns = ("", "W1 ample", "W2", "W3", "W4", "memory, W3", "fresh process, W2")
    note = "Measured elsewhere and before, each pinned to one of two cores, everything within the clock."
    return Table("Other engines, measured elsewhere", columns, ELSEWHERE, note)

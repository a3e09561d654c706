"""What has to be reached: our time against another's on the same arrays, and by how much at the least."""

from collections.abc import Mapping
from typing import NamedTuple

from tieout.validation.bench.contest import Key
from tieout.validation.workloads.markdown import Ratio, Table, spread, times
from tieout.validation.workloads.rounds import Timing


class Floor(NamedTuple):
    """A row: in which contest, on which workload, what of ours against what of another's, how many times."""

    what: str
    contest: str
    workload: str
    ours: Key
    other: Key
    least: float


RUST_SIM, RUST_TOTAL = ("vectorbt", "rust", "sim"), ("vectorbt", "rust", "total")
ML4T, BACKTRADER = ("ml4t", "strategy", "total"), ("backtrader", "strategy", "total")
_IN_MEMORY = "array program, in memory"
_DURABLE = "array program, durable"
_STRATEGY = "Python strategy, in memory"
_STRATEGY_FILE = "Python strategy, durable"
_EACH = "one call for each instrument, in memory"

FLOORS = (
    *(
        Floor(_IN_MEMORY, "in memory", name, ("ours", "program", "sim"), RUST_SIM, least)
        for name, least in (("W1", 3.0), ("W2", 5.0), ("W3", 5.0), ("W4", 1.3), ("W5", 20.0))
    ),
    *(
        Floor(_DURABLE, "durable", name, ("ours", "program in a file", "total"), RUST_TOTAL, least)
        for name, least in (("W2", 0.8), ("W3", 1.0), ("W4", 1.0), ("W5", 10.0))
    ),
    *(
        Floor(_STRATEGY, "strategy", name, ("ours", "strategy", "total"), other, least)
        for name, other, least in (
            ("W2", ML4T, 8.0),
            ("W2", BACKTRADER, 60.0),
            ("W3", ML4T, 12.0),
            ("W3", BACKTRADER, 100.0),
        )
    ),
    *(
        Floor(
            _STRATEGY_FILE, "strategy, durable", name, ("ours", "strategy in a file", "total"), other, least
        )
        for name, other, least in (
            ("W2", ML4T, 3.0),
            ("W2", BACKTRADER, 25.0),
            ("W3", ML4T, 8.0),
            ("W3", BACKTRADER, 60.0),
        )
    ),
    Floor(_EACH, "strategy", "W2", ("ours", "each", "total"), BACKTRADER, 8.0),
)

NAMES = {"vectorbt": "VectorBT", "backtrader": "Backtrader", "ml4t": "ml4t-backtest", "ours": "tieout"}
NAMES |= {"nautilus": "NautilusTrader", "zipline": "zipline-reloaded"}

Measured = Mapping[tuple[str, str], Mapping[Key, Timing]]
"""Timings by contest and workload."""


def called(key: Key) -> str:
    """An engine, what of it was timed, and what was within the clock."""
    engine, name, what = key
    return f"{NAMES[engine]} {name}, `{what}`" if engine != "ours" else f"{name}, `{what}`"


def verdict(ratio: Ratio, least: float) -> str:
    """Whether a floor is met by the median."""
    return "yes" if ratio[0] >= least else "NO"


COLUMNS = ("", "workload", "ours", "against", "theirs", "times as fast", "at least", "met")


def rows(measured: Measured) -> list[list[str]]:
    """Every floor of which both sides were measured."""
    found = []
    for floor in FLOORS:
        timings = measured.get((floor.contest, floor.workload), {})
        if floor.ours not in timings or floor.other not in timings:
            continue
        ours, other = timings[floor.ours], timings[floor.other]
        ratio = ours.ratio(other)
        found.append(
            [
                floor.what,
                floor.workload,
                spread(ours),
                called(floor.other),
                spread(other),
                times(ratio),
                f"{floor.least:g}",
                verdict(ratio, floor.least),
            ]
        )
    return found


def table(measured: Measured, note: str) -> Table:
    """The floors as a table."""
    return Table("What has to be reached", COLUMNS, rows(measured), note)


def short(whole: Table) -> Table:
    """The same without spreads."""
    chosen = [COLUMNS.index(name) for name in ("", "workload", "ours", "against", "theirs", "times as fast")]
    found = [[row[place].partition(" (")[0] for place in chosen] for row in whole.rows]
    return Table("", [COLUMNS[place] for place in chosen], found)

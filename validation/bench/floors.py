"""Speed targets: our time against that of another engine on the same arrays, and the least ratio."""

from collections.abc import Mapping
from typing import NamedTuple

from tieout.validation.bench.contest import Key
from tieout.validation.workloads.markdown import Ratio, Table, spread, times
from tieout.validation.workloads.rounds import Timing


class Floor(NamedTuple):
    """A target: its contest and workload, our key and the other engine's, and the least ratio."""

    label: str
    contest: str
    workload: str
    tieout: Key
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
        Floor(_IN_MEMORY, "in memory", name, ("tieout", "program", "sim"), RUST_SIM, least)
        for name, least in (("W1", 3.0), ("W2", 5.0), ("W3", 5.0), ("W4", 1.3), ("W5", 20.0))
    ),
    *(
        Floor(_DURABLE, "durable", name, ("tieout", "program in a file", "total"), RUST_TOTAL, least)
        for name, least in (("W2", 0.8), ("W3", 1.0), ("W4", 1.0), ("W5", 10.0))
    ),
    *(
        Floor(_STRATEGY, "strategy", name, ("tieout", "strategy", "total"), other, least)
        for name, other, least in (
            ("W2", ML4T, 8.0),
            ("W2", BACKTRADER, 60.0),
            ("W3", ML4T, 12.0),
            ("W3", BACKTRADER, 100.0),
        )
    ),
    *(
        Floor(
            _STRATEGY_FILE, "strategy, durable", name, ("tieout", "strategy in a file", "total"), other, least
        )
        for name, other, least in (
            ("W2", ML4T, 3.0),
            ("W2", BACKTRADER, 25.0),
            ("W3", ML4T, 8.0),
            ("W3", BACKTRADER, 60.0),
        )
    ),
    Floor(_EACH, "strategy", "W2", ("tieout", "each", "total"), BACKTRADER, 8.0),
)

NAMES = {"vectorbt": "VectorBT", "backtrader": "Backtrader", "ml4t": "ml4t-backtest", "tieout": "tieout"}
NAMES |= {"nautilus": "NautilusTrader", "zipline": "zipline-reloaded"}

Measured = Mapping[tuple[str, str], Mapping[Key, Timing]]
"""Timings by contest and workload."""


def label_of(key: Key) -> str:
    """Describe a key: the engine, the contestant, and the timed section."""
    engine, name, section = key
    return f"{NAMES[engine]} {name}, `{section}`" if engine != "tieout" else f"{name}, `{section}`"


def verdict(ratio: Ratio, least: float) -> str:
    """Say whether the median meets a target."""
    return "yes" if ratio[0] >= least else "NO"


COLUMNS = ("", "workload", "ours", "against", "theirs", "times as fast", "at least", "met")


def rows(measured: Measured) -> list[list[str]]:
    """Return a row for every target whose two sides were measured."""
    cells = []
    for floor in FLOORS:
        timings = measured.get((floor.contest, floor.workload), {})
        if floor.tieout not in timings or floor.other not in timings:
            continue
        timing, other = timings[floor.tieout], timings[floor.other]
        ratio = timing.ratio(other)
        cells.append(
            [
                floor.label,
                floor.workload,
                spread(timing),
                label_of(floor.other),
                spread(other),
                times(ratio),
                f"{floor.least:g}",
                verdict(ratio, floor.least),
            ]
        )
    return cells


def table(measured: Measured, note: str) -> Table:
    """Return the targets as a table."""
    return Table("Speed targets", COLUMNS, rows(measured), note)


def short(whole: Table) -> Table:
    """Return the table without spreads."""
    chosen = [COLUMNS.index(name) for name in ("", "workload", "ours", "against", "theirs", "times as fast")]
    cells = [[row[place].partition(" (")[0] for place in chosen] for row in whole.rows]
    return Table("", [COLUMNS[place] for place in chosen], cells)

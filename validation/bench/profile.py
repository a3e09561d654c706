"""Where the time of a run goes: stage by stage, beside the least that each could take.

The run is a durable one, from arrays to equity, trades and metrics that were read from the closed file.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from attrs import evolve, frozen

from tieout import Bars, Result
from tieout.execution.data.frames import FIELDS
from tieout.execution.engine import Engine, Tags
from tieout.execution.figures import metrics, schedules
from tieout.execution.figures.history import History
from tieout.execution.figures.tables import Column, Tables
from tieout.execution.kernels.state import REQUEST, ROWS, Market, Program
from tieout.execution.records import RECORDS
from tieout.execution.replay.description import fingerprint
from tieout.ledger.books.arrays import TRANSFER, TXN
from tieout.ledger.books.commodity import currency
from tieout.ledger.file.layout import layout_of
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.schema import ledger_schema
from tieout.ledger.file.seal import NOTHING, Columns, digest
from tieout.ledger.journal import Journal
from tieout.validation.bench import ledger
from tieout.validation.bench.clocked import REPEATS, RUNS, Case, perform
from tieout.validation.bench.rowless import steps, without_rows
from tieout.validation.engines.ours.contestant import read
from tieout.validation.workloads.markdown import Table, duration, spread, times
from tieout.validation.workloads.references import bars_of, long
from tieout.validation.workloads.rounds import Timing, in_turn
from tieout.validation.workloads.task import Clock

LINE = 64
"""Bytes of memory that come along with whatever is asked for of them."""
COPIED = 256 * 2**20
"""Bytes that are copied to find the bandwidth: more than any cache holds."""

NOTE = """
Medians of {rounds} rounds in turn after one that does not count; least and most in brackets. A floor is the
bytes moved over the bandwidth of memory, which is that of the fastest of all copies of {copied:,.0f} MB by
numpy between the stages, both directions counted: {pace:.3g} GB/s. The floor of writing is another: the
same rows, as the same Arrow columns, into bare tables of DuckDB in one transaction, to the closing of the
file. Ours can be below that one: its files have smaller groups of rows, which are compressed side by side.
"""

HOW = """
*Bars from arrays*: `Bars.from_arrays` with its checks; each array is read once and written once. *Bars from
Parquet*: `Bars.read` of the same bars; the file is read and the panels are written. It would take the place
of the arrays, and is not in the sum. *Features joined*: the frame is read and the panels are written.
*Digests of the inputs*: SHA-256 of bars, features and program, each read once. *Strategy*: a program made
from its arrays, each read once and written once; of `on_bar` its calls alone, without what the engine does
with what they submit: closes, volumes and features are read, requests are written. *The view of a bar*: a
row of every panel, copied for the strategy.

*The bar step* keeps no rows, as in "The cost of the books". It reads the program's arrays or the requests,
which bars end a session, and a line of memory, {line} bytes, for close and volume of every order and for
the close of every mark, at most both panels; balances, lots and working orders are taken to stay in the
caches. Of `on_bar` it is what the engine does before, in and after the calls. *Posting* is the step with
its rows less that, of each the least of {repeats} in a process of its own; the rows are written. *Taking
the block over*: its rows are checked, refolded and copied into columns. *Sealing*: `seal.digest` of
the block's tables, each column read once; when a block is stored this goes on beside the writing, and is
not in the sum a second time. *Writing*: the block sealed and stored, to the closing of the file. *Reading
back*: the closed file opened again, equity, trades and metrics; the columns that they ask for are read, and
the frames that they give are written.

The whole is a durable run: bars and a program from arrays, `Backtest(...).run(path)`, equity, trades and
metrics. What is not explained is in no stage: the empty file, the accounts, the deposit, what Python does
between the stages. It is below zero where stages go on side by side, as digests of a program and opening
the file may beside the step.
"""

STAGES = ("run", "stage", "time", "MB moved", "floor", "times the floor", "in the sum")
TOTALS = ("run", "sum of the stages", "measured whole", "not explained", "of the whole")


# --- bytes ---------------------------------------------------------------------------------------------


def size(columns: Mapping[str, Column]) -> int:
    """Bytes that columns take; of text, its characters."""
    return sum(
        sum(map(len, values.tolist())) if values.dtype == object else values.nbytes
        for values in columns.values()
    )


class Counted:
    """Tables of which it is counted what they are asked for, in bytes."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.bytes = 0

    def columns(self, table: str, names: Sequence[str], /) -> dict[str, Column]:
        """As the tables have them."""
        found = self._tables.columns(table, names)
        self.bytes += size(found)
        return found


def read_back(tables: Tables, money: str) -> int:
    """Bytes of the columns that equity, trades and metrics ask for, and of the frames that they give."""
    counted = Counted(tables)
    history = History(counted)
    frames = schedules.equity(history), schedules.trades(history)
    metrics.metrics(history, money)
    return counted.bytes + sum(int(frame.estimated_size()) for frame in frames)


def posted(engine: Engine) -> int:
    """Bytes of the rows in the open block."""
    desk, books = engine.desk.state[0], engine.journal.books.state[0]
    rows = sum(int(desk[name]) * dtype.itemsize for name, dtype in ROWS.items())
    return rows + int(books.txns) * TXN.itemsize + int(books.transfers) * TRANSFER.itemsize


def touched(engine: Engine, market: Market) -> int:
    """Bytes of closes and volumes that orders and marks of the open block bring along."""
    state = engine.desk.state[0]
    lines = LINE * (2 * int(state.orders) + int(state.marks))
    return min(lines, market.close.nbytes + market.volume.nbytes)


def block_of(journal: Journal) -> dict[str, Columns]:
    """The tables of a journal in memory whose one block is closed."""
    layout = layout_of([ledger_schema(), *journal.schemas])
    tables = {name: journal.columns(name, list(columns)) for name, columns in layout.items()}
    return {name: columns for name, columns in tables.items() if next(iter(columns.values())).size}


# --- stages --------------------------------------------------------------------------------------------


class Stage(NamedTuple):
    """Seconds round by round, the bytes that it moves, and whether it is one of those that are added up.

    Its floor is the time that moving the bytes takes, unless it has another.
    """

    name: str
    timing: Timing
    bytes: int
    counts: bool = True
    floor: Timing | None = None


class Bench:
    """One run taken apart: what each stage is given, made beforehand, and how it is timed."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.folder = folder
        self.parquet = folder / "bars.parquet"
        self.stored = folder / "stored.duckdb"
        given = case.workload
        frame = long(evolve(given, inputs=given.bars), {name: name for name in given.bars})
        frame.write_parquet(self.parquet, compression="zstd")
        self.bars: Bars = case.backtest.bars
        (self.window,) = self.bars.windows(case.backtest.features)
        self.program = self._program() if case.is_program else None
        done = perform(case.anew())
        self.requests = done.requests
        engine = done.ended()
        self.rows, self.lines = posted(engine), touched(engine, self.window.market)
        engine.journal.close_block()
        self.block = block_of(engine.journal)
        engine.journal.discard()
        self.stored.unlink(missing_ok=True)
        with case.anew().run(self.stored) as result:
            self.read = read_back(result.journal, result.currency)
        self._source, self._target = np.ones(COPIED, np.uint8), np.ones(COPIED, np.uint8)
        self.viewed = done.view

    def contestants(self) -> dict[str, Callable[[], float]]:
        """Every stage, for rounds in turn."""
        found: dict[str, Callable[[], float]] = {
            "copy": self.copy,
            "bars": self.from_arrays,
            "parquet": self.from_parquet,
            "digests": self.digests,
        }
        if self.case.is_program:
            found["strategy"] = self.compile
        else:
            found |= {"features": self.join, "strategy": self.ask, "view": lambda: self.viewed}
        return found | {
            "taking": self.take_over,
            "sealing": self.seal,
            "writing": self.store,
            "bare": self.bare,
            "reading": self.read_back,
            "whole": self.whole,
        }

    def copy(self) -> float:
        """Seconds to copy memory, the least of several."""
        least = float("inf")
        for _ in range(REPEATS):
            with Clock() as clock:
                np.copyto(self._target, self._source)
            least = min(least, clock.seconds)
        return least

    def from_arrays(self) -> float:
        """Seconds to make the bars."""
        with Clock() as clock:
            bars_of(self.case.workload)
        return clock.seconds

    def from_parquet(self) -> float:
        """Seconds to read them from a file."""
        with Clock() as clock:
            Bars.read(self.parquet)
        return clock.seconds

    def join(self) -> float:
        """Seconds to join the features."""
        with Clock() as clock:
            list(self.bars.windows(self.case.backtest.features))
        return clock.seconds

    def digests(self) -> float:
        """Seconds to digest bars that nobody has digested yet, features and program."""
        bars = bars_of(self.case.workload)
        with Clock() as clock:
            bars.fingerprints([self.window])
            if self.program is not None:
                fingerprint(self.program, ())
        return clock.seconds

    def compile(self) -> float:
        """Seconds to make a program from its arrays."""
        with Clock() as clock:
            self._program()
        return clock.seconds

    def ask(self) -> float:
        """Seconds of a strategy's calls alone; those of what it is shown are kept."""
        done = perform(self.case.anew())
        done.engine.journal.discard()
        self.viewed = done.view
        return done.strategy

    def take_over(self) -> float:
        """Seconds to take the open block over as columns."""
        engine = perform(self.case.anew()).ended()
        with Clock() as clock:
            engine.journal.close_block()
        engine.journal.discard()
        return clock.seconds

    def seal(self) -> float:
        """Seconds to digest the block."""
        with Clock() as clock:
            digest(NOTHING, self.block.items())
        return clock.seconds

    def store(self) -> float:
        """Seconds to seal and store the block, to the closing of the file."""
        return ledger.stored(self.folder / "block.duckdb", [ledger_schema(), RECORDS], [self.block])

    def bare(self) -> float:
        """Seconds for the same rows into bare tables."""
        return ledger.bare(AsOne.of_block(self.block), 0, self.folder)

    def read_back(self) -> float:
        """Seconds to open the file, as a run does at its end, and read what a user asks for next."""
        with Clock() as clock, Result(Reader(self.stored), "", self.case.backtest.currency) as result:
            read(result)
        return clock.seconds

    def whole(self) -> float:
        """Seconds of all of it."""
        path = self.folder / "whole.duckdb"
        path.unlink(missing_ok=True)
        with Clock() as clock, self.case.anew(bars_of(self.case.workload)).run(path) as result:
            read(result)
        return clock.seconds

    def _program(self) -> Program:
        backtest = self.case.backtest
        money = currency(backtest.currency)
        strategy = self.case.strategy()
        compiled: Program = strategy.program(self.bars, backtest.instruments, money, Tags())
        return compiled

    def stages(self, timings: Mapping[str, Timing]) -> list[Stage]:
        """What was timed, in the order of a run."""
        market, program = self.window.market, self.program
        bars = market.timestamp.nbytes + sum(getattr(market, name).nbytes for name in FIELDS)
        features = sum(panel.nbytes for panel in self.window.features.values())
        ends, columns = market.closing.nbytes, sum(map(size, self.block.values()))
        asked = self.requests * REQUEST.itemsize
        if program is not None:
            wanted = sum(array.nbytes for array in (program.weights, program.entries, program.exits))
            decided = [Stage("strategy: made from its arrays", timings["strategy"], 2 * wanted)]
        else:
            wanted = 0
            ranked = market.close.nbytes + market.volume.nbytes + features + asked
            decided = [
                Stage("features joined", timings["features"], self._frames() + features),
                Stage("the view of a bar", timings["view"], 2 * (bars - market.timestamp.nbytes + features)),
                Stage("strategy: `on_bar` alone", timings["strategy"], ranked),
            ]
        return [
            Stage("bars from Parquet", timings["parquet"], self.parquet.stat().st_size + bars, counts=False),
            Stage("bars from arrays", timings["bars"], 2 * bars),
            Stage("digests of the inputs", timings["digests"], bars + features + wanted),
            *decided,
            Stage("the bar step, without rows", timings["without"], wanted + asked + ends + self.lines),
            Stage("posting", less(timings["with"], timings["without"]), self.rows),
            Stage("taking the block over", timings["taking"], self.rows + columns),
            Stage("sealing", timings["sealing"], columns, counts=False),
            Stage("writing", timings["writing"], columns, floor=timings["bare"]),
            Stage("reading back", timings["reading"], self.read),
        ]

    def _frames(self) -> int:
        """Bytes of the features as they were given."""
        frames = (feature.named.frame.collect() for feature in self.case.backtest.features)
        return sum(int(frame.estimated_size()) for frame in frames)


@frozen
class AsOne(ledger.Load):
    """All tables of a run, as one block."""

    tables: dict[str, pa.Table]

    @staticmethod
    def of_block(block: Mapping[str, Columns]) -> "AsOne":
        """The same columns in Arrow."""
        tables = {
            name: pa.table({column: pa.array(values) for column, values in columns.items()})
            for name, columns in block.items()
        }
        return AsOne(tables["txn"], tables["transfer"], tables)

    def blocks(self, size: int) -> list[dict[str, pa.Table]]:
        """The one, whatever the *size*."""
        del size
        return [self.tables]


# --- tables --------------------------------------------------------------------------------------------


def measure(folder: Path, rounds: int, workloads: Sequence[str], tell: Callable[[str], None]) -> list[Table]:
    """Take the runs of *workloads* apart. *tell* is told what is under way."""
    chosen = [name for name in RUNS if name.partition(" ")[0] in workloads]
    if not chosen:
        return []
    own = folder / "profile"
    own.mkdir()
    without = own / "rowless"
    without_rows(without)
    found: list[tuple[str, list[Stage], dict[str, Timing]]] = []
    for name in chosen:
        tell(name)
        bench = Bench(Case.of(name), own)
        timings = timed(bench, without, rounds)
        found.append((name, bench.stages(timings), timings))
    pace = 2 * COPIED / min(min(timings["copy"].seconds) for _, _, timings in found)
    note = NOTE.format(rounds=rounds, copied=COPIED / 2**20, pace=pace / 1e9)
    rows = [[name, *cells(stage, pace)] for name, stages, _ in found for stage in stages]
    sums = [[name, *totals(stages, timings["whole"])] for name, stages, timings in found]
    how = HOW.format(line=LINE, repeats=REPEATS)
    return [
        Table("Stage by stage", STAGES, rows, note),
        Table("All stages, and the whole", TOTALS, sums, how),
    ]


def timed(bench: Bench, without: Path, rounds: int) -> dict[str, Timing]:
    """Every stage in turn; the bar step apart, and again from the sources *without* rows."""
    with steps(bench.case.name, bench.folder, without) as apart:
        return in_turn(bench.contestants() | apart, rounds)


def less(timing: Timing, other: Timing) -> Timing:
    """What *timing* has more than *other*, round by round."""
    return Timing(tuple(a - b for a, b in zip(timing.seconds, other.seconds, strict=True)))


def cells(stage: Stage, pace: float) -> list[str]:
    """A stage beside its floor; *pace* is that of memory, in bytes a second."""
    floor = stage.floor or Timing((stage.bytes / pace,) * len(stage.timing.seconds))
    return [
        stage.name,
        spread(stage.timing),
        f"{stage.bytes / 1e6:.3g}",
        duration(floor.median),
        times(floor.ratio(stage.timing)),
        "yes" if stage.counts else "",
    ]


def totals(stages: Sequence[Stage], whole: Timing) -> list[str]:
    """The sum of the stages that count, the whole, and the difference."""
    counted = [stage.timing.seconds for stage in stages if stage.counts]
    total = Timing(tuple(map(sum, zip(*counted, strict=True))))
    rest = less(whole, total)
    return [spread(total), spread(whole), spread(rest), f"{rest.median / whole.median:.0%}"]

"""The time of a run stage by stage, beside the least that each stage could take.

The run is a durable one: from arrays to equity, trades and metrics, read from the closed file.
"""

import gc
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
from tieout.validation.bench.runs import RUNS, Case, perform
from tieout.validation.engines.tieout.contestant import read
from tieout.validation.workloads.markdown import Table, duration, spread, times
from tieout.validation.workloads.references import bars_of, long
from tieout.validation.workloads.rounds import Timing, in_turn
from tieout.validation.workloads.task import Clock

LINE = 64
"""Bytes of a line of memory, the least that is read at once."""
COPIED = 256 * 2**20
"""Bytes that are copied to measure the bandwidth: more than any cache holds."""
REPEATS = 5
"""Repeats of a short stage in one round, of which the fastest counts."""

NOTE = """
Medians of {rounds} rounds in turn after one that does not count. The fastest and the slowest round are in
brackets. A floor is the bytes moved over the bandwidth of memory. The bandwidth is {pace:.3g} GB/s, both
directions counted: the fastest copy of {copied:,.0f} MB by numpy between the stages. Writing has another
floor: the same rows, as the same Arrow columns, written to bare DuckDB tables in one transaction, to the
closing of the file. Ours can be faster than that floor. Its files have smaller groups of rows, which are
compressed in parallel.

- *Bars from arrays*: `Bars.from_arrays` with its checks. Each array is read once and written once.
- *Bars from Parquet*: `Bars.read` of the same bars. The file is read and the panels are written. It would
  replace the arrays, so it is not in the sum.
- *Features joined*: the frame is read and the panels are written.
- *Digests of the inputs*: SHA-256 of bars, features and program, each read once.
- *Strategy*: a program made from its arrays, each read once and written once. For `on_bar` it is the calls
  alone, without the engine's work on their orders. They read closes, volumes, features. They write requests.
- *The view of a bar*: a row of every panel, copied for the strategy.
- *The bar step*: every bar with all its postings, the fastest of {repeats}. It reads the arrays of the
  program or the requests, and which bars end a session. For close and volume of every order, and for the
  close of every mark, it reads a line of memory of {line} bytes, at most both panels. It writes its rows.
  Balances, lots and working orders are taken to stay in the caches. For `on_bar` it is the engine before, in
  and after the calls.
- *Taking the block over*: its rows are checked, refolded and copied into columns.
- *Sealing*: `seal.digest` of the block's tables, each column read once. While a block is stored this runs in
  parallel with the writing, so it is not in the sum a second time.
- *Writing*: the block sealed and stored, to the closing of the file.
- *Reading back*: the closed file opened again, then equity, trades and metrics. Their columns are read and
  their frames are written.

The whole is a durable run: bars and a program from arrays, `Backtest(...).run(path)`, equity, trades and
metrics. The time not explained is in no stage: the empty file, the accounts, the deposit, and Python between
the stages. It is below zero where stages run in parallel. Digests of a program and opening the file can run
beside the bar step.
"""

COLUMNS = ("run", "stage", "time", "MB moved", "floor", "times the floor", "in the sum")


# --- bytes ---------------------------------------------------------------------------------------------


def size(columns: Mapping[str, Column]) -> int:
    """Count the bytes of columns, or the characters where they are text."""
    return sum(
        sum(map(len, values.tolist())) if values.dtype == object else values.nbytes
        for values in columns.values()
    )


class Counted:
    """Tables that count the bytes of the columns that they return."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.bytes = 0

    def columns(self, table: str, names: Sequence[str], /) -> dict[str, Column]:
        """Return the columns of the tables, and count them."""
        columns = self._tables.columns(table, names)
        self.bytes += size(columns)
        return columns


def read_back(tables: Tables, money: str) -> int:
    """Count the bytes of the columns that equity, trades and metrics read, and of their frames."""
    counted = Counted(tables)
    history = History(counted)
    frames = schedules.equity(history), schedules.trades(history)
    metrics.metrics(history, money)
    return counted.bytes + sum(int(frame.estimated_size()) for frame in frames)


def posted(engine: Engine) -> int:
    """Count the bytes of the rows in the open block."""
    desk, books = engine.desk.state[0], engine.journal.books.state[0]
    rows = sum(int(desk[name]) * dtype.itemsize for name, dtype in ROWS.items())
    return rows + int(books.txns) * TXN.itemsize + int(books.transfers) * TRANSFER.itemsize


def touched(engine: Engine, market: Market) -> int:
    """Count the bytes of closes and volumes that orders and marks of the open block read."""
    state = engine.desk.state[0]
    lines = LINE * (2 * int(state.orders) + int(state.marks))
    return min(lines, market.close.nbytes + market.volume.nbytes)


def block_of(journal: Journal) -> dict[str, Columns]:
    """Return the tables of a journal in memory whose one block is closed."""
    layout = layout_of([ledger_schema(), *journal.schemas])
    tables = {name: journal.columns(name, list(columns)) for name, columns in layout.items()}
    return {name: columns for name, columns in tables.items() if next(iter(columns.values())).size}


# --- stages --------------------------------------------------------------------------------------------


class Stage(NamedTuple):
    """Seconds of a stage round by round, the bytes that it moves, and whether the sum includes it.

    Its floor is the time that moving the bytes takes, unless it has another.
    """

    name: str
    timing: Timing
    bytes: int
    counts: bool = True
    floor: Timing | None = None


class Bench:
    """One run divided into stages: the inputs of each stage, prepared beforehand, and its timing."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.folder = folder
        self.parquet = folder / "bars.parquet"
        self.file = folder / "stored.duckdb"
        arrays = case.workload
        frame = long(evolve(arrays, inputs=arrays.bars), {name: name for name in arrays.bars})
        frame.write_parquet(self.parquet, compression="zstd")
        self.bars: Bars = case.backtest.bars
        (self.window,) = self.bars.windows(case.backtest.features)
        self.program = self._program() if case.is_program else None
        performance = perform(case.fresh())
        self.requests = performance.requests
        engine = performance.ended()
        self.rows, self.lines = posted(engine), touched(engine, self.window.market)
        engine.journal.close_block()
        self.block = block_of(engine.journal)
        engine.journal.discard()
        self.file.unlink(missing_ok=True)
        with case.fresh().run(self.file) as result:
            self.read = read_back(result.journal, result.currency)
        self._source, self._target = np.ones(COPIED, np.uint8), np.ones(COPIED, np.uint8)
        self.view = performance.view

    def contestants(self) -> dict[str, Callable[[], float]]:
        """Return every stage, for rounds in turn."""
        contestants: dict[str, Callable[[], float]] = {
            "copy": self.copy,
            "bars": self.from_arrays,
            "parquet": self.from_parquet,
            "digests": self.digests,
        }
        if self.case.is_program:
            contestants["strategy"] = self.compile
        else:
            contestants |= {"features": self.join, "strategy": self.call, "view": lambda: self.view}
        return contestants | {
            "step": self.step,
            "taking": self.take_over,
            "sealing": self.seal,
            "writing": self.store,
            "bare": self.bare,
            "reading": self.read_back,
            "whole": self.whole,
        }

    def copy(self) -> float:
        """Time a copy of memory, the fastest of several."""
        seconds = []
        for _ in range(REPEATS):
            with Clock() as clock:
                np.copyto(self._target, self._source)
            seconds.append(clock.seconds)
        return min(seconds)

    def from_arrays(self) -> float:
        """Time making the bars."""
        with Clock() as clock:
            bars_of(self.case.workload)
        return clock.seconds

    def from_parquet(self) -> float:
        """Time reading them from a file."""
        with Clock() as clock:
            Bars.read(self.parquet)
        return clock.seconds

    def join(self) -> float:
        """Time joining the features."""
        with Clock() as clock:
            list(self.bars.windows(self.case.backtest.features))
        return clock.seconds

    def digests(self) -> float:
        """Time the digests of bars without one, of features and of the program."""
        bars = bars_of(self.case.workload)
        with Clock() as clock:
            bars.fingerprints([self.window])
            if self.program is not None:
                fingerprint(self.program, ())
        return clock.seconds

    def compile(self) -> float:
        """Time making a program from its arrays."""
        with Clock() as clock:
            self._program()
        return clock.seconds

    def call(self) -> float:
        """Time the calls of a strategy alone, and note the time of its views."""
        performance = perform(self.case.fresh())
        performance.engine.journal.discard()
        self.view = performance.view
        return performance.strategy

    def step(self) -> float:
        """Time the bar step with all its postings, the fastest of several."""
        seconds = []
        for _ in range(REPEATS):
            performance = perform(self.case.fresh())
            seconds.append(performance.step)
            performance.engine.journal.discard()
            del performance
            gc.collect()
        return min(seconds)

    def take_over(self) -> float:
        """Time taking the open block over as columns."""
        engine = perform(self.case.fresh()).ended()
        with Clock() as clock:
            engine.journal.close_block()
        engine.journal.discard()
        return clock.seconds

    def seal(self) -> float:
        """Time the digest of the block."""
        with Clock() as clock:
            digest(NOTHING, self.block.items())
        return clock.seconds

    def store(self) -> float:
        """Time sealing and storing the block, to the closing of the file."""
        return ledger.stored(self.folder / "block.duckdb", [ledger_schema(), RECORDS], [self.block])

    def bare(self) -> float:
        """Time the same rows into bare tables."""
        return ledger.bare(AsOne.of_block(self.block), 0, self.folder)

    def read_back(self) -> float:
        """Time opening the file, as a run does at its end, and reading the usual tables."""
        with Clock() as clock, Result(Reader(self.file), "", self.case.backtest.currency) as result:
            read(result)
        return clock.seconds

    def whole(self) -> float:
        """Time the whole run."""
        path = self.folder / "whole.duckdb"
        path.unlink(missing_ok=True)
        with Clock() as clock, self.case.fresh(bars_of(self.case.workload)).run(path) as result:
            read(result)
        return clock.seconds

    def _program(self) -> Program:
        backtest = self.case.backtest
        money = currency(backtest.currency)
        strategy = self.case.strategy()
        program: Program = strategy.program(self.bars, backtest.instruments, money, Tags())
        return program

    def stages(self, timings: Mapping[str, Timing]) -> list[Stage]:
        """Return the stages in the order of a run."""
        market, program = self.window.market, self.program
        bars = market.timestamp.nbytes + sum(getattr(market, name).nbytes for name in FIELDS)
        features = sum(panel.nbytes for panel in self.window.features.values())
        ends, columns = market.closing.nbytes, sum(map(size, self.block.values()))
        requests = self.requests * REQUEST.itemsize
        if program is not None:
            arrays = sum(array.nbytes for array in (program.weights, program.entries, program.exits))
            decisions = [Stage("strategy: made from its arrays", timings["strategy"], 2 * arrays)]
        else:
            arrays = 0
            ranked = market.close.nbytes + market.volume.nbytes + features + requests
            decisions = [
                Stage("features joined", timings["features"], self._frames() + features),
                Stage("the view of a bar", timings["view"], 2 * (bars - market.timestamp.nbytes + features)),
                Stage("strategy: `on_bar` alone", timings["strategy"], ranked),
            ]
        return [
            Stage("bars from Parquet", timings["parquet"], self.parquet.stat().st_size + bars, counts=False),
            Stage("bars from arrays", timings["bars"], 2 * bars),
            Stage("digests of the inputs", timings["digests"], bars + features + arrays),
            *decisions,
            Stage("the bar step", timings["step"], arrays + requests + ends + self.lines + self.rows),
            Stage("taking the block over", timings["taking"], self.rows + columns),
            Stage("sealing", timings["sealing"], columns, counts=False),
            Stage("writing", timings["writing"], columns, floor=timings["bare"]),
            Stage("reading back", timings["reading"], self.read),
        ]

    def _frames(self) -> int:
        """Count the bytes of the feature frames."""
        frames = (feature.source.frame.collect() for feature in self.case.backtest.features)
        return sum(int(frame.estimated_size()) for frame in frames)


@frozen
class AsOne(ledger.Load):
    """All tables of a run, as one block."""

    tables: dict[str, pa.Table]

    @staticmethod
    def of_block(block: Mapping[str, Columns]) -> "AsOne":
        """Return the same columns in Arrow."""
        tables = {
            name: pa.table({column: pa.array(values) for column, values in columns.items()})
            for name, columns in block.items()
        }
        return AsOne(tables["txn"], tables["transfer"], tables)

    def blocks(self, size: int) -> list[dict[str, pa.Table]]:
        """Return the one block, for any *size*."""
        del size
        return [self.tables]


# --- the table -----------------------------------------------------------------------------------------


def measure(folder: Path, rounds: int, workloads: Sequence[str], tell: Callable[[str], None]) -> list[Table]:
    """Time the runs of *workloads* stage by stage. *tell* receives the name of each run."""
    names = [name for name in RUNS if name.partition(" ")[0] in workloads]
    if not names:
        return []
    place = folder / "profile"
    place.mkdir()
    runs: list[tuple[str, list[Stage], dict[str, Timing]]] = []
    for name in names:
        tell(name)
        bench = Bench(Case.of(name), place)
        timings = in_turn(bench.contestants(), rounds)
        runs.append((name, bench.stages(timings), timings))
    pace = 2 * COPIED / min(min(timings["copy"].seconds) for _, _, timings in runs)
    note = NOTE.format(rounds=rounds, copied=COPIED / 2**20, pace=pace / 1e9, line=LINE, repeats=REPEATS)
    rows = []
    for name, stages, timings in runs:
        rows += [[name, *cells(stage, pace)] for stage in stages]
        rows += [[name, *row, "", "", "", ""] for row in totals(stages, timings["whole"])]
    return [Table("Stage by stage", COLUMNS, rows, note)]


def less(timing: Timing, other: Timing) -> Timing:
    """Return the seconds of *timing* less those of *other*, round by round."""
    return Timing(tuple(a - b for a, b in zip(timing.seconds, other.seconds, strict=True)))


def cells(stage: Stage, pace: float) -> list[str]:
    """Return the cells of a stage beside its floor. *pace* is that of memory, in bytes a second."""
    floor = stage.floor or Timing((stage.bytes / pace,) * len(stage.timing.seconds))
    return [
        stage.name,
        spread(stage.timing),
        f"{stage.bytes / 1e6:.3g}",
        duration(floor.median),
        times(floor.ratio(stage.timing)),
        "yes" if stage.counts else "",
    ]


def totals(stages: Sequence[Stage], whole: Timing) -> list[tuple[str, str]]:
    """Return the sum of the stages that count, the whole run, and the difference."""
    counted = [stage.timing.seconds for stage in stages if stage.counts]
    total = Timing(tuple(map(sum, zip(*counted, strict=True))))
    rest = less(whole, total)
    return [
        ("sum of the stages", spread(total)),
        ("measured whole", spread(whole)),
        ("not explained", f"{spread(rest)}, {rest.median / whole.median:.0%} of the whole"),
    ]

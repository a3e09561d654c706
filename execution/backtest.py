"""The backtest: bars, strategy, account and costs in; a journal and what can be read from it out."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from attrs import define, evolve, field, frozen

from tieout.execution.data.bars import Bars, Window, as_bars
from tieout.execution.data.features import FeatureFrame
from tieout.execution.data.frames import FIELDS
from tieout.execution.data.instruments import Instruments
from tieout.execution.data.listing import Listing, shared_listing
from tieout.execution.engine import Engine, Tags
from tieout.execution.errors import BadFeatures, InvalidSetting, StrategyFailed
from tieout.execution.kernels.orders import Reason
from tieout.execution.kernels.state import Program
from tieout.execution.models.accounts.account import Account
from tieout.execution.models.accounts.cash import CashAccount
from tieout.execution.models.costs import Costs
from tieout.execution.records import RECORDS
from tieout.execution.replay.description import described, fingerprint, merged, source_of
from tieout.execution.replay.reperformance import Recorded, Reperformance, differences, explained
from tieout.execution.result import Result
from tieout.execution.strategy.broker import Broker
from tieout.execution.strategy.notices import Notices
from tieout.execution.strategy.programs import Orders, Signals, TargetWeights
from tieout.execution.strategy.strategy import Bar, History, Strategy, fields
from tieout.execution.warmup import compile_once
from tieout.ledger.books.commodity import currency
from tieout.ledger.books.events import deposit
from tieout.ledger.books.kinds import Kind
from tieout.ledger.errors import LedgerError, ReplayDiverged
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal
from tieout.ledger.moment import DAY

SEMANTICS = {"sizing": 1, "matching": 1, "admission": 1, "booking": 1, "step": 1}
"""Versions of this room's rules; part of every genesis."""

Progress = Callable[[int, int], None]
"""Is told how many bars of how many are done."""

_NO_PROGRAM_BLOCKS = 0
_STRATEGY_BLOCK_BARS = 5_000
"""Storing a block costs time whatever is in it, which it takes from the strategy."""
_CHUNKS = 50
_COPY = frozenset([TargetWeights, Signals, Orders])
"""Programs that copy what they are given."""


@define(kw_only=True)
class Backtest:
    """One run, described. Nothing happens until `run`.

    *bars* and *features* are frames, paths or `Bars`; *strategy* is a `Strategy` or a program
    (`TargetWeights`, `Signals`, `Orders`). *fill* is ``next_open``, or ``same_close``, which looks ahead: an
    order then fills at the very close that it was decided on. *statements* are one a ``bar`` or one a
    ``session``; by default one a session where bars are shorter than that. *describe* adds to what is
    recorded of the run.
    """

    bars: Any
    strategy: Any
    features: Any = ()
    account: Account = field(factory=CashAccount)
    costs: Costs = field(factory=Costs)
    instruments: Instruments = field(factory=Instruments)
    fill: str = "next_open"
    statements: str | None = None
    currency: str = "USD"
    relief: str = "fifo"
    seed: int = 0
    block_bars: int | None = None
    block_transfers: int = 2_000_000
    describe: Mapping[str, Any] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for name, given, known in (
            ("fill", self.fill, ("next_open", "same_close")),
            ("statements", self.statements, (None, "bar", "session")),
        ):
            if given not in known:
                raise InvalidSetting(f"{name} is one of {', '.join(map(str, known))}, not {given!r}")
        self._require_kinds()
        self.bars = as_bars(self.bars)
        if self.costs.participation is not None and self.bars.is_without_volume:
            raise InvalidSetting("a participation is a share of volume, which these bars do not have")
        frames = self.features if isinstance(self.features, list | tuple) else [self.features]
        self.features = tuple(
            f if isinstance(f, FeatureFrame) else FeatureFrame.of(f, f"features {n}", {}, self.bars.zone)
            for n, f in enumerate(frames, start=1)
        )

        for given in self.features:
            if given.is_dated and np.any(self.bars.timestamp % DAY):
                raise BadFeatures(
                    f"{given.named.name}: its times are dates, those of the bars have hours; say at what time"
                    " of the day each was known"
                )

    def _require_kinds(self) -> None:
        """Raise `InvalidSetting` where something was given in the place of something else."""
        strategy, is_class = self.strategy, isinstance(self.strategy, type)
        if is_class or not (isinstance(strategy, Strategy) or hasattr(strategy, "program")):
            raise InvalidSetting(f"strategy {strategy!r} is neither a Strategy nor a program; is it a class?")
        for name, given, is_one in (
            ("account", self.account, hasattr(self.account, "may_be_overdrawn")),
            ("costs", self.costs, isinstance(self.costs, Costs)),
            ("instruments", self.instruments, isinstance(self.instruments, Instruments)),
            ("describe", self.describe, isinstance(self.describe, Mapping)),
        ):
            if not is_one or isinstance(given, type):
                raise InvalidSetting(f"{name} {given!r} is none; see what execution offers")
        bars = self.block_bars
        if bars is not None and (type(bars) is not int or bars < 0):
            raise InvalidSetting(f"block_bars is a whole number of zero or more, not {bars!r}")

    def run(self, path: str | Path | None = None, progress: Progress | None = None) -> Result:
        """Perform the run, and store it in *path*, or in memory.

        Where *path* holds a run of the same description already, that run is performed again and compared
        block by block, and continued where it ends: a killed run is resumed in this way. Raises
        `InputChanged`, naming what differs, where it holds another run.
        """
        given = self._given()
        journal = self._journal(Path(path) if path is not None else None, self._described(given))
        try:
            self._fill(journal, given, progress)
        except StrategyFailed as failure:
            raise _closed(journal, failure) from failure.__cause__
        except BaseException:
            # What is sealed stays; the open block is not, or it would end where no other run's does.
            journal.discard()
            raise
        try:
            return Result.of(journal, self.currency)
        except ReplayDiverged as error:
            raise _otherwise(error) from error

    def reperform(self, path: str | Path, progress: Progress | None = None) -> Reperformance:
        """Perform the run that *path* records again, as it is described here, and compare every block.

        The file is only read: this is for whoever checks a run. `run` with the same path resumes it instead.
        """
        held = Recorded.read(Path(path))
        causes = differences(held, self.description())
        failure: StrategyFailed | None = None
        with TemporaryDirectory(prefix="tieout-") as folder:
            # From the recorded genesis, so that what comes out otherwise shows in the block where it begins.
            again = Path(folder) / "again.duckdb"
            journal = Journal.create(again, self._listing(held.run.policies).layout, held.run, [RECORDS])
            try:
                self._fill(journal, self._given(), progress)
            except StrategyFailed as error:
                failure = error
            except BaseException:
                journal.discard()
                raise
            journal.close()
            return Reperformance.of(held, again, causes, str(failure) if failure else "")

    def description(self) -> Run:
        """All that determines the result: the genesis of the journal."""
        run = self._described(self._given())
        found = run.fingerprints
        return evolve(run, fingerprints=found() if callable(found) else found)

    def _described(self, given: "_Given") -> Run:
        """The same, of what is put together already."""
        strategy, program, account = self.strategy, given.program, self.account.spec()
        policies = {
            "execution": SEMANTICS,
            "account": account,
            "block_bars": self._block_bars(),
        }
        spec: dict[str, Any] = {
            "strategy": described(strategy) if program is None else strategy.spec(),
            "account": account,
            "costs": self.costs.spec(),
            "instruments": self.instruments.spec(),
            "fill": self.fill,
            "looks_ahead": self.fill == "same_close",
            "statements": "bar" if self._every_bar() else "session",
            "currency": self.currency,
        }
        names, bars = tuple(given.tags.names), self.bars

        def fingerprints() -> dict[str, Any]:
            found = {"bars": bars.fingerprints(given.windows())}
            return found if program is None else found | {"program": fingerprint(program, names)}

        return Run(
            spec=merged(spec, self.describe),
            # What is streamed, or another's own, may have changed by the end; and a strategy could come by
            # the bars this way.
            fingerprints=fingerprints if given.is_whole and type(strategy) in _COPY else fingerprints(),
            strategy=source_of(type(strategy)) if program is None else "",
            seed=self.seed,
            policies=Policies(
                relief=self.relief,
                may_be_overdrawn=self.account.may_be_overdrawn(self.currency),
                block_transfers=self.block_transfers,
                others=policies,
            ),
        )

    def _given(self) -> "_Given":
        """Put together what a run is performed with."""
        tags = Tags()
        program = self._program(tags)
        is_whole = self.bars.is_in_memory and self.bars.window >= len(self.bars)
        held = list(self.bars.windows(self.features)) if is_whole else []
        return _Given(program, tags, lambda: held or self.bars.windows(self.features), is_whole)

    def _fill(self, journal: Journal, given: "_Given", progress: Progress | None) -> None:
        """Perform the run into an empty journal, up to the rows of its last block."""
        compile_once()
        engine = Engine(
            journal,
            self.bars.symbols,
            self.account,
            self.costs,
            self._listing(journal.run.policies).rows,
            self.currency,
            given.tags,
            same_close=self.fill == "same_close",
            every_bar=self._every_bar(),
            block_bars=self._block_bars(),
        )
        money = journal.commodities.currency(self.currency)
        if cash := journal.commodities[money].units(self.account.cash):
            # As integers, which they are here: to find out what a person means takes longer than a deposit.
            opening = journal.transaction(int(self.bars.timestamp[0]), Kind.DEPOSIT, note="opening capital")
            with opening as transaction:
                transaction.add(deposit, money, cash)
        try:
            if given.program is None:
                _require_fresh(self.strategy)
                _Performance(self, engine, given.windows, progress).perform()
            else:
                self._perform(given.program, engine, given.windows, progress)
            engine.finish(int(Reason.NONE))
        except ReplayDiverged as error:
            raise _otherwise(error) from error

    def _listing(self, policies: Policies) -> Listing:
        return shared_listing(self.bars.symbols, self.instruments, self.currency, policies)

    def _journal(self, path: Path | None, run: Run) -> Journal:
        layout = self._listing(run.policies).layout
        if path is None:
            return Journal.create(None, layout, run, [RECORDS])
        with explained(path, run):
            return Journal.replay(path, layout, run, [RECORDS])

    def _perform(
        self, program: Program, engine: Engine, windows: "_Windows", progress: Progress | None
    ) -> None:
        """Perform a program, window by window."""
        total = len(self.bars)
        # The step writes into the requests, which the run may be fingerprinted by afterwards.
        program = program._replace(requests=program.requests.copy())
        for window in windows():
            engine.enter(window.first)
            bars = len(window.market.timestamp)
            part = _part(program, window.first, bars)
            chunk = bars if progress is None else max(1, total // _CHUNKS)
            for start in range(0, bars, chunk):
                stop = min(bars, start + chunk)
                engine.run(window.market, part, start, stop)
                if progress is not None:
                    progress(window.first + stop, total)

    def _program(self, tags: Tags) -> Program | None:
        """What a program wants at every bar, its reasons in *tags*; None for a strategy that is asked."""
        if isinstance(self.strategy, Strategy):
            return None
        compiled: Program = self.strategy.program(self.bars, self.instruments, currency(self.currency), tags)
        return compiled

    def _every_bar(self) -> bool:
        if self.statements is None:
            return bool(np.all(self.bars.closing))
        return self.statements == "bar"

    def _block_bars(self) -> int:
        if self.block_bars is not None:
            return self.block_bars
        return _STRATEGY_BLOCK_BARS if isinstance(self.strategy, Strategy) else _NO_PROGRAM_BLOCKS


_Windows = Callable[[], Iterable[Window]]


@frozen
class _Given:
    """What a run is performed with: a program, its reasons, and the bars.

    *program* is None for a strategy in Python. Where everything *is_whole*, it is here and nobody else's.
    """

    program: Program | None
    tags: Tags
    windows: _Windows
    is_whole: bool


class _Performance:
    """A Python strategy under way."""

    def __init__(
        self, backtest: Backtest, engine: Engine, windows: _Windows, progress: Progress | None
    ) -> None:
        self.bars: Bars = backtest.bars
        self.windows = windows
        self.strategy: Strategy = backtest.strategy
        self.engine = engine
        self.broker = Broker(engine, backtest.instruments, backtest.seed)
        self.notices = Notices(self.strategy, engine)
        self.progress = progress
        self.history: History | None = None
        self.numbers = {symbol: column for column, symbol in enumerate(self.bars.symbols)}

    def perform(self) -> None:
        """Go through all bars; what the strategy raises ends the run in good order."""
        self.bar = -1
        with self._strategys():
            self.strategy.on_start(self.broker)
        for window in self.windows():
            self._window(window)
        self.broker.open_bar(None)
        with self._strategys():
            self.notices.tell(self.broker)
            self.strategy.on_end(self.broker)

    @contextmanager
    def _strategys(self) -> Iterator[None]:
        """What is raised here is the strategy's, unless it is the journal's."""
        try:
            yield
        except LedgerError:
            raise
        except Exception as error:  # noqa: BLE001  whatever a strategy raises
            self._stop(error)

    def _window(self, window: Window) -> None:
        engine, market = self.engine, window.market
        names = fields(window.features)
        places = {name: place for place, name in enumerate(names)}
        panels = [getattr(market, name) for name in FIELDS] + list(window.features.values())
        if self.history is None and self.strategy.lookback:
            self.history = History(names, len(self.bars.symbols), self.strategy.lookback)
        engine.enter(window.first)
        for t in range(len(market.timestamp)):
            self.bar = window.first + t
            engine.before(market, t)
            self.notices.collect()
            now = np.empty((len(panels), len(self.bars.symbols)))
            for place, panel in enumerate(panels):
                now[place] = panel[t]
            now.flags.writeable = False
            if self.history is not None:
                self.history.add(now)
            context = {name: float(values[t]) for name, values in window.context.items()}
            time = np.datetime64(int(market.timestamp[t]), "ns")
            bar = Bar(self.bar, time, self.bars.symbols, self.numbers, places, now, context, self.history)
            self.broker.open_bar(now[3])
            with self._strategys():
                self.notices.tell(self.broker)
                self.strategy.on_bar(bar, self.broker)
                self.broker.flush()
            engine.after(market, t)
            self.notices.collect()
            if engine.close_full_block():
                self.notices.restart()
            if self.progress is not None:
                self.progress(self.bar + 1, len(self.bars))

    def _stop(self, error: Exception) -> None:
        """End the journal at the bar that the strategy did not survive, and say which it was."""
        if self.bar < 0:
            raise StrategyFailed(f"the strategy failed before the first bar: {error!r}") from error
        time = np.datetime64(int(self.bars.timestamp[self.bar]), "ns")
        self.engine.finish(int(Reason.RUN_STOPPED))
        raise StrategyFailed(
            f"the strategy failed at bar {self.bar}, {str(time).removesuffix('T00:00:00.000000000')}:"
            f" {error!r}"
        ) from error


_PERFORMED: WeakValueDictionary[int, Strategy] = WeakValueDictionary()


def _require_fresh(strategy: Strategy) -> None:
    """Raise `InvalidSetting` for a strategy that was performed before: it may remember."""
    if _PERFORMED.get(id(strategy)) is strategy:
        raise InvalidSetting("this strategy has been performed already and may remember; make a new one")
    _PERFORMED[id(strategy)] = strategy


def _closed(journal: Journal, failure: StrategyFailed) -> StrategyFailed:
    """Close the journal of a run that its strategy ended; the error, with what became of the file."""
    try:
        journal.close()
    except ReplayDiverged:
        return StrategyFailed(f"{failure}; an earlier run came further, and its journal is as it was")
    return StrategyFailed(f"{failure}; the journal is closed there")


def _otherwise(error: ReplayDiverged) -> ReplayDiverged:
    """The error of a run that came out otherwise though nothing that is recorded of it differs."""
    return ReplayDiverged(
        f"{error}, though its description is the same: the strategy depends on more than that, such as the"
        " clock or chance, or the run in the file was ended by an error"
    )


def _part(program: Program, first: int, bars: int) -> Program:
    """The rows of a program for a window."""
    return program._replace(
        weights=program.weights[first : first + bars] if program.weights.size else program.weights,
        entries=program.entries[first : first + bars] if program.entries.size else program.entries,
        exits=program.exits[first : first + bars] if program.exits.size else program.exits,
    )

"""The backtest: a description of a run, and its performance."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, evolve, field, fields, frozen

from tieout.execution.data.bars import Window, as_bars
from tieout.execution.data.features import FeatureFrame
from tieout.execution.data.instruments import Instruments
from tieout.execution.data.listing import Listing, shared_listing
from tieout.execution.engine import Engine, Tags
from tieout.execution.errors import BadFeatures, InvalidSetting
from tieout.execution.kernels.orders import Reason
from tieout.execution.kernels.state import Program
from tieout.execution.models.accounts.account import Account
from tieout.execution.models.accounts.cash import CashAccount
from tieout.execution.models.costs import Costs
from tieout.execution.recording import Recording, record, repeat
from tieout.execution.replay import state
from tieout.execution.replay.description import describe_strategy, fingerprint, merge_specs, source_of
from tieout.execution.replay.reperformance import Reperformance, RunRecord, differences
from tieout.execution.result import Result
from tieout.execution.strategy.broker import Broker
from tieout.execution.strategy.loop import Progress, StrategyLoop
from tieout.execution.strategy.programs import Orders, Signals, TargetWeights
from tieout.execution.strategy.queue import OrderQueue
from tieout.execution.strategy.strategy import Strategy
from tieout.execution.warmup import compile_once
from tieout.ledger.books.commodity import Commodity, currency
from tieout.ledger.books.events import deposit
from tieout.ledger.books.kinds import Kind
from tieout.ledger.file.creation import Consent
from tieout.ledger.file.place import place_of
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal
from tieout.ledger.moment import DAY

SEMANTICS = {"sizing": 1, "matching": 1, "admission": 1, "booking": 1, "step": 1}
"""Versions of the rules of execution. They are part of every genesis."""

_PROGRAM_BLOCK_BARS = 0
_STRATEGY_BLOCK_BARS = 5_000
"""Storing a block takes time, however little is in it. A strategy waits meanwhile."""
_CHUNKS = 50
_COPIES = frozenset([TargetWeights, Signals, Orders])
"""Programs that copy their arrays."""


@define(kw_only=True)
class Backtest:
    """A description of one run. `run` performs it.

    *bars* and *features* are frames, paths or `Bars`. *strategy* is a `Strategy` or a program
    (`TargetWeights`, `Signals`, `Orders`). *fill* is ``next_open``, or ``same_close``, which looks ahead: an
    order then fills at the very close that it was decided on. *statements* come one a ``bar`` or one a
    ``session``, by default one a session where bars are shorter than that. *relief* says which lots a sale
    relieves first. Money is counted to *money_scale* decimals, by default those of the *currency*: 8 for BTC,
    none for JPY, 6 for USD. *recording* has the settings of the journal.
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
    money_scale: int | None = None
    relief: str = "fifo"
    seed: int = 0
    recording: Recording = field(factory=Recording)

    def __attrs_post_init__(self) -> None:
        for name, value, choices in (
            ("fill", self.fill, ("next_open", "same_close")),
            ("statements", self.statements, (None, "bar", "session")),
        ):
            if value not in choices:
                raise InvalidSetting(f"{name} is one of {', '.join(map(str, choices))}, not {value!r}")
        self._require_types()
        self.bars = as_bars(self.bars)
        if self.costs.participation is not None and self.bars.is_without_volume:
            raise InvalidSetting("a participation is a share of volume, which these bars do not have")
        frames = self.features if isinstance(self.features, list | tuple) else [self.features]
        self.features = tuple(
            f if isinstance(f, FeatureFrame) else FeatureFrame.of(f, f"features {n}", {}, self.bars.zone)
            for n, f in enumerate(frames, start=1)
        )
        for frame in self.features:
            if frame.is_dated and np.any(self.bars.timestamp % DAY):
                raise BadFeatures(
                    f"{frame.source.name}: its times are dates, those of the bars have hours; say at what"
                    " time of the day each was known"
                )

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings, for a copy or another process, with the strategy as before its first run."""
        settings = {attribute.name: getattr(self, attribute.name) for attribute in fields(Backtest)}
        if isinstance(self.strategy, Strategy):
            settings["strategy"] = state.first_of(self.strategy)
        return settings

    def __setstate__(self, settings: dict[str, Any]) -> None:
        """Take the settings of another backtest."""
        for name, value in settings.items():
            setattr(self, name, value)

    @property
    def money(self) -> Commodity:
        """The currency of the account, with its decimals."""
        return currency(self.currency, self.money_scale)

    def _require_types(self) -> None:
        """Raise `InvalidSetting` for an argument of a wrong type."""
        currency(self.currency, self.money_scale)
        strategy, is_class = self.strategy, isinstance(self.strategy, type)
        if is_class or not (isinstance(strategy, Strategy) or hasattr(strategy, "program")):
            raise InvalidSetting(f"strategy must be a Strategy object or a program, not {strategy!r}")
        has_account = hasattr(self.account, "may_be_overdrawn") and not isinstance(self.account, type)
        for name, value, is_right, example in (
            ("account", self.account, has_account, "an account such as CashAccount(...)"),
            ("costs", self.costs, isinstance(self.costs, Costs), "a Costs(...)"),
            (
                "instruments",
                self.instruments,
                isinstance(self.instruments, Instruments),
                "an Instruments(...)",
            ),
            ("recording", self.recording, isinstance(self.recording, Recording), "a Recording(...)"),
        ):
            if not is_right:
                raise InvalidSetting(f"{name} must be {example}, not {value!r}")

    def run(
        self,
        path: str | Path | None = None,
        progress: Progress | None = None,
        *,
        overwrite: bool | Consent = False,
    ) -> Result:
        """Perform the run, and store it in *path*, or in memory.

        Where *path* holds a run of the same description already, that run is performed again and compared
        block by block, and continued where it ends: a killed run is resumed in this way. Raises
        `InputChanged`, naming the differences, where it holds another run. With *overwrite* a journal there
        is replaced, once the first block of this run is sealed. It may be a function that decides by the
        spec of the run there.
        """
        file = place_of(path) if path is not None else None  # a program may change the folder
        consent = overwrite if callable(overwrite) else (lambda _: True) if overwrite else None
        inputs = self._inputs()
        perform = partial(self._perform, inputs=inputs, progress=progress)
        run = self._describe(inputs)
        return record(file, self._listing(run.policies).layout, run, perform, self.currency, consent)

    def reperform(self, path: str | Path, progress: Progress | None = None) -> Reperformance:
        """Perform the run that *path* records again, by this description, and compare every block.

        The file is only read, so an auditor can use this. `run` with the same path resumes the run instead.
        """
        return self.reperform_record(RunRecord.read(place_of(path)), progress)

    def reperform_record(self, recorded: RunRecord, progress: Progress | None = None) -> Reperformance:
        """Perform a recorded run again, as `reperform` does."""
        causes = differences(recorded, self.description())
        perform = partial(self._perform, inputs=self._inputs(), progress=progress)
        return repeat(recorded, self._listing(recorded.run.policies).layout, causes, perform)

    def description(self) -> Run:
        """Return all that determines the result: the genesis of the journal."""
        run = self._describe(self._inputs())
        value = run.fingerprints
        return evolve(run, fingerprints=value() if callable(value) else value)

    def _describe(self, inputs: "_Inputs") -> Run:
        """Return the description of a run with *inputs*."""
        strategy, program, account = self.strategy, inputs.program, self.account.spec()
        policies = {
            "execution": SEMANTICS,
            "account": account,
            "block_bars": self._block_bars(),
        }
        spec: dict[str, Any] = {
            "strategy": describe_strategy(strategy) if program is None else strategy.spec(),
            "account": account,
            "costs": self.costs.spec(),
            "instruments": self.instruments.spec(),
            "fill": self.fill,
            "looks_ahead": self.fill == "same_close",
            "statements": "bar" if self._every_bar() else "session",
            "currency": self.currency,
            "money_scale": self.money.scale,
        }
        names, bars = tuple(inputs.tags.names), self.bars

        def fingerprints() -> dict[str, Any]:
            digests = {"bars": bars.fingerprints(inputs.windows())}
            return digests if program is None else digests | {"program": fingerprint(program, names)}

        is_lazy = inputs.is_stable and type(strategy) in _COPIES
        return Run(
            spec=merge_specs(spec, self.recording.describe),
            # Taken later only where nothing can change until then: streamed bars may, and so may arrays that
            # a program of a user's class shares. A Python strategy could reach the bars through the function.
            fingerprints=fingerprints if is_lazy else fingerprints(),
            strategy=source_of(type(strategy)) if program is None else "",
            seed=self.seed,
            policies=Policies(
                relief=self.relief,
                may_be_overdrawn=self.account.may_be_overdrawn(self.currency),
                block_transfers=self.recording.block_transfers,
                others=policies,
            ),
        )

    def _inputs(self) -> "_Inputs":
        """Compile the program, and load bars that fit into memory. A strategy is as before its first run."""
        if isinstance(self.strategy, Strategy):
            state.restore(self.strategy)
        tags = Tags()
        program = self._program(tags)
        is_stable = self.bars.is_in_memory and self.bars.window >= len(self.bars)
        loaded = list(self.bars.windows(self.features)) if is_stable else []
        return _Inputs(program, tags, lambda: loaded or self.bars.windows(self.features), is_stable)

    def _perform(self, journal: Journal, inputs: "_Inputs", progress: Progress | None) -> None:
        """Perform the run into an empty journal, up to the rows of its last block."""
        compile_once()
        engine = Engine(
            journal,
            self.bars.symbols,
            self.account,
            self.costs,
            self._listing(journal.run.policies).rows,
            self.currency,
            inputs.tags,
            same_close=self.fill == "same_close",
            every_bar=self._every_bar(),
            block_bars=self._block_bars(),
            has_endings=self.bars.endings.size > 0,
        )
        money = journal.commodities.currency(self.currency)
        if cash := journal.commodities[money].units(self.account.cash):
            # Added in units: converting a user's amounts takes longer than the deposit itself.
            opening = journal.transaction(int(self.bars.timestamp[0]), Kind.DEPOSIT, note="opening capital")
            with opening as transaction:
                transaction.add(deposit, money, cash)
        engine.open_account()
        if inputs.program is None:
            queue = OrderQueue(engine)
            broker = Broker(engine, queue, self.instruments, self.seed)
            state.begin(self.strategy)
            try:
                StrategyLoop(self.strategy, self.bars, engine, broker, queue).run(inputs.windows(), progress)
            finally:
                state.end(self.strategy)
        else:
            self._perform_program(inputs.program, engine, inputs.windows(), progress)
        engine.finish(int(Reason.NONE))

    def _listing(self, policies: Policies) -> Listing:
        return shared_listing(self.bars.symbols, self.instruments, self.money, policies)

    def _perform_program(
        self, program: Program, engine: Engine, windows: Iterable[Window], progress: Progress | None
    ) -> None:
        """Perform a program, window by window."""
        total = len(self.bars)
        # The step writes into the requests, and the run may be fingerprinted by them afterwards.
        program = program._replace(requests=program.requests.copy())
        for window in windows:
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
        """Compile a program, its tags into *tags*. Return None for a Python strategy."""
        if isinstance(self.strategy, Strategy):
            return None
        compiled: Program = self.strategy.program(self.bars, self.instruments, self.money, tags)
        return compiled

    def _every_bar(self) -> bool:
        if self.statements is None:
            return bool(np.all(self.bars.closing))
        return self.statements == "bar"

    def _block_bars(self) -> int:
        if self.recording.block_bars is not None:
            return self.recording.block_bars
        return _STRATEGY_BLOCK_BARS if isinstance(self.strategy, Strategy) else _PROGRAM_BLOCK_BARS


_Windows = Callable[[], Iterable[Window]]


@frozen
class _Inputs:
    """The inputs of a performance: a program or None, its tags, and the windows of its bars.

    *is_stable* if the windows give the same bars again: bars in memory that are not written.
    """

    program: Program | None
    tags: Tags
    windows: _Windows
    is_stable: bool


def _part(program: Program, first: int, bars: int) -> Program:
    """Return the rows of a program for a window."""
    return program._replace(
        weights=program.weights[first : first + bars] if program.weights.size else program.weights,
        entries=program.entries[first : first + bars] if program.entries.size else program.entries,
        exits=program.exits[first : first + bars] if program.exits.size else program.exits,
    )

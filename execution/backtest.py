"""The backtest: bars, strategy, account and costs in; a journal and what can be read from it out."""

import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from attrs import define, field

from execution.accounts import Account, CashAccount
from execution.bars import Bars, Window, as_bars
from execution.broker import Broker
from execution.costs import Costs
from execution.engine import Engine
from execution.errors import InvalidSetting, StrategyFailed
from execution.features import FeatureFrame
from execution.frames import FIELDS
from execution.instruments import Instruments
from execution.notices import Notices
from execution.orders import Reason
from execution.programs import Compiler
from execution.records import RECORDS
from execution.reperformance import Recorded, Reperformance, differences, explained
from execution.requests import Tags
from execution.result import Result
from execution.state import Program
from execution.strategy import Bar, History, Strategy, fields
from execution.warmup import compile_once
from ledger.commodity import Commodity, currency
from ledger.errors import LedgerError, ReplayDiverged
from ledger.events import deposit
from ledger.journal import Journal
from ledger.run import Policies, Run

SEMANTICS = {"sizing": 1, "matching": 1, "admission": 1, "booking": 1, "step": 1}
"""Versions of this room's rules; part of every genesis."""

Progress = Callable[[int, int], None]
"""Is told how many bars of how many are done."""

_NO_PROGRAM_BLOCKS = 0
_STRATEGY_BLOCK_BARS = 1_000
_CHUNKS = 50


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
        if not isinstance(self.strategy, Strategy) and not hasattr(self.strategy, "program"):
            raise InvalidSetting(f"{self.strategy!r} is neither a Strategy nor a program; is it a class?")
        self.bars = as_bars(self.bars)
        frames = self.features if isinstance(self.features, list | tuple) else [self.features]
        self.features = tuple(
            f if isinstance(f, FeatureFrame) else FeatureFrame.of(f, f"features {n}", {}, self.bars.zone)
            for n, f in enumerate(frames, start=1)
        )

    def run(self, path: str | Path | None = None, progress: Progress | None = None) -> Result:
        """Perform the run, and store it in *path*, or in memory.

        Where *path* holds a run of the same description already, that run is performed again and compared
        block by block, and continued where it ends: a killed run is resumed in this way. Raises
        `InputChanged`, naming what differs, where it holds another run.
        """
        journal = self._journal(Path(path) if path is not None else None)
        try:
            self._fill(journal, progress)
        except StrategyFailed as failure:
            raise _closed(journal, failure) from failure.__cause__
        except BaseException:
            # What is sealed stays; the open block is not, or it would end where no other run's does.
            journal.abandon()
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
            journal = Journal.create(again, self._commodities(), held.run, [RECORDS])
            try:
                self._fill(journal, progress)
            except StrategyFailed as error:
                failure = error
            except BaseException:
                journal.abandon()
                raise
            journal.close()
            return Reperformance.of(held, again, causes, str(failure) if failure else "")

    def description(self) -> Run:
        """All that determines the result: the genesis of the journal."""
        strategy = self.strategy
        is_program = not isinstance(strategy, Strategy)
        policies = {
            "execution": SEMANTICS,
            "account": self.account.spec(),
            "block_bars": self._block_bars(),
        }
        spec: dict[str, Any] = {
            "strategy": strategy.spec() if is_program else _spec(strategy),
            "account": self.account.spec(),
            "costs": self.costs.spec(),
            "instruments": self.instruments.spec(),
            "fill": self.fill,
            "looks_ahead": self.fill == "same_close",
            "statements": "bar" if self._every_bar() else "session",
            "currency": self.currency,
        }
        fingerprints: dict[str, Any] = {"bars": self.bars.fingerprints(self.features)}
        if is_program:
            fingerprints["program"] = _fingerprint(self._program(strategy, Tags()))
        return Run(
            spec=_merged(spec, self.describe),
            fingerprints=fingerprints,
            strategy="" if is_program else _source(type(strategy)),
            seed=self.seed,
            policies=Policies(
                relief=self.relief,
                may_be_overdrawn=self.account.may_be_overdrawn(self.currency),
                block_transfers=self.block_transfers,
                others=policies,
            ),
        )

    def _fill(self, journal: Journal, progress: Progress | None) -> None:
        """Perform the run into an empty journal, up to the rows of its last block."""
        compile_once()
        engine = Engine(
            journal,
            self.bars.symbols,
            self.account,
            self.costs,
            self.instruments,
            self.currency,
            same_close=self.fill == "same_close",
            every_bar=self._every_bar(),
            block_bars=self._block_bars(),
        )
        if self._cash():
            journal.post(int(self.bars.ts[0]), deposit, self.currency, self._cash(), note="opening capital")
        try:
            if isinstance(self.strategy, Strategy):
                _Performance(self, engine, progress).perform()
            else:
                self._perform(self.strategy, engine, progress)
            engine.finish(int(Reason.NONE))
        except ReplayDiverged as error:
            raise _otherwise(error) from error

    def _commodities(self) -> list[Commodity]:
        return [
            currency(self.currency),
            *self.instruments.commodities(self.bars.symbols, self.currency),
        ]

    def _journal(self, path: Path | None) -> Journal:
        run, commodities = self.description(), self._commodities()
        if path is None:
            return Journal.create(None, commodities, run, [RECORDS])
        with explained(path, run):
            return Journal.replay(path, commodities, run, [RECORDS])

    def _perform(self, program: Compiler, engine: Engine, progress: Progress | None) -> None:
        """Perform a program, window by window."""
        compiled = self._program(program, engine.tags)
        total = len(self.bars)
        for window in self.bars.windows(self.features):
            engine.enter(window.first)
            bars = len(window.market.ts)
            part = _part(compiled, window.first, bars)
            chunk = bars if progress is None else max(1, total // _CHUNKS)
            for start in range(0, bars, chunk):
                stop = min(bars, start + chunk)
                engine.run(window.market, part, start, stop)
                if progress is not None:
                    progress(window.first + stop, total)

    def _program(self, program: Compiler, tags: Tags) -> Program:
        return program.program(self.bars, self.instruments, currency(self.currency), tags)

    def _cash(self) -> Any:
        return self.account.cash if currency(self.currency).units(self.account.cash) else 0

    def _every_bar(self) -> bool:
        if self.statements is None:
            return bool(np.all(self.bars.closing))
        return self.statements == "bar"

    def _block_bars(self) -> int:
        if self.block_bars is not None:
            return self.block_bars
        return _STRATEGY_BLOCK_BARS if isinstance(self.strategy, Strategy) else _NO_PROGRAM_BLOCKS


class _Performance:
    """A Python strategy under way."""

    def __init__(self, backtest: Backtest, engine: Engine, progress: Progress | None) -> None:
        self.bars: Bars = backtest.bars
        self.features = backtest.features
        self.strategy: Strategy = backtest.strategy
        self.engine = engine
        self.broker = Broker(engine, backtest.instruments)
        self.notices = Notices(self.strategy, engine)
        self.progress = progress
        self.history: History | None = None
        self.numbers = {symbol: column for column, symbol in enumerate(self.bars.symbols)}

    def perform(self) -> None:
        """Go through all bars; what the strategy raises ends the run in good order."""
        self.bar = -1
        try:
            self.strategy.on_start(self.broker)
            for window in self.bars.windows(self.features):
                self._window(window)
            self.broker.open_bar(None)
            self.notices.tell(self.broker)
            self.strategy.on_end(self.broker)
        except LedgerError:
            raise  # the journal's doing, not the strategy's
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
        for t in range(len(market.ts)):
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
            time = np.datetime64(int(market.ts[t]), "ns")
            bar = Bar(self.bar, time, self.bars.symbols, self.numbers, places, now, context, self.history)
            self.broker.open_bar(now[3])
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
        time = np.datetime64(int(self.bars.ts[self.bar]), "ns")
        self.engine.finish(int(Reason.RUN_STOPPED))
        raise StrategyFailed(
            f"the strategy failed at bar {self.bar}, {str(time).removesuffix('T00:00:00.000000000')}:"
            f" {error!r}"
        ) from error


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


def _merged(found: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """*found* with what is *given* beside and instead of it, down to the last table."""
    merged = dict(found)
    for name, value in given.items():
        have = merged.get(name)
        if isinstance(have, Mapping) and isinstance(value, Mapping):
            merged[name] = _merged(have, value)
        else:
            merged[name] = value
    return merged


def _part(program: Program, first: int, bars: int) -> Program:
    """The rows of a program for a window."""
    return program._replace(
        weights=program.weights[first : first + bars] if program.weights.size else program.weights,
        entries=program.entries[first : first + bars] if program.entries.size else program.entries,
        exits=program.exits[first : first + bars] if program.exits.size else program.exits,
    )


def _fingerprint(program: Program) -> dict[str, str]:
    """The digest of every array of a program."""
    arrays = {
        "weights": program.weights,
        "entries": program.entries,
        "exits": program.exits,
        "requests": program.requests,
    }
    return {
        name: hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
        for name, values in arrays.items()
        if values.size
    }


def _spec(strategy: Strategy) -> dict[str, Any]:
    """The class of a strategy and its public attributes."""
    kind = type(strategy)
    given = {name: getattr(strategy, name) for name in _attributes(strategy)}
    return {
        "class": f"{kind.__module__ if kind.__module__ != '__main__' else ''}:{kind.__qualname__}",
        "parameters": {name: _plain(value) for name, value in sorted(given.items())},
        "lookback": strategy.lookback,
    }


def _attributes(strategy: Strategy) -> Sequence[str]:
    names = set(vars(strategy)) if hasattr(strategy, "__dict__") else set()
    names |= {a.name for a in getattr(type(strategy), "__attrs_attrs__", ())}
    return sorted(name for name in names if not name.startswith("_"))


def _plain(value: Any) -> Any:
    """*value* as JSON can hold it; else its text, which has to be the same in every process."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_plain(v) for v in value]
        case dict():
            return {str(k): _plain(v) for k, v in value.items()}
        case np.ndarray():
            return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        case _:
            text = str(value)
            if " at 0x" in text:
                raise InvalidSetting(
                    f"a strategy's attribute is {text}, whose text differs from run to run; name it with _"
                )
            return text


def _source(kind: type) -> str:
    """The digest of the source of a strategy: of its module where that is a file, else of its class."""
    module = sys.modules.get(kind.__module__)
    try:
        path = inspect.getsourcefile(module) if module is not None else None
        if path is not None and Path(path).is_file():
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()
        return hashlib.sha256(inspect.getsource(kind).encode()).hexdigest()
    except (OSError, TypeError) as error:
        raise InvalidSetting(f"the source of {kind.__qualname__} cannot be read: {error}") from None

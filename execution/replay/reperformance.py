"""A recorded run compared with the same run performed again: its blocks, and the causes of a difference."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any, Self

from attrs import frozen

from tieout.execution.errors import CannotReperform, InputChanged
from tieout.execution.records import RECORDS
from tieout.ledger.errors import ReplayDiverged
from tieout.ledger.file import chain
from tieout.ledger.file.canonical import canonical
from tieout.ledger.file.layout import SealLayout
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Run, run_row, stored_run


@contextmanager
def explain_description(path: Path) -> Iterator[None]:
    """Raise the errors of reading a recorded description as one sentence: it may be anything."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CannotReperform(f"{path}: its description of the run cannot be read: {error!r}") from None


@frozen
class RunRecord:
    """A recorded run: its description, its seals, and the places where its file departs from them."""

    path: Path
    row: Mapping[str, Any]
    layout: SealLayout
    seals: list[chain.Seal]
    seal_faults: list[str]
    head: str

    @classmethod
    def read(cls, path: Path, *, checked: bool = True) -> Self:
        """Read a file. If *checked*, its seals are compared with its rows."""
        with Reader(path) as reader:
            return cls.of(reader, checked=checked)

    @classmethod
    def of(cls, reader: Reader, *, checked: bool = True) -> Self:
        """Read an open file. If *checked*, its seals are compared with its rows."""
        broken = [str(departure) for departure in chain.departures(reader)] if checked else []
        seals = chain.seals(reader)
        head = seals[-1].digest if seals else chain.genesis(reader).hex()
        return cls(reader.path, reader.run, reader.layout, seals, broken, head)

    @property
    def run(self) -> Run:
        """The description of the run. Raises `CannotReperform` for a journal of another origin."""
        with explain_description(self.path):
            policies = json.loads(self.row["policies"])
            if "execution" not in policies["others"]:
                raise CannotReperform(f"{self.path}: this journal was not written by a backtest")
            return stored_run(self.row)


@frozen
class BlockOutcome:
    """One block: its transactions, and its digests as sealed and as performed, "" for a missing block."""

    number: int
    first_txn: int
    last_txn: int
    sealed_digest: str
    performed_digest: str

    @property
    def equal(self) -> bool:
        """True if the performed block is the sealed one."""
        return self.sealed_digest == self.performed_digest

    def __str__(self) -> str:
        posted = f"transactions {self.first_txn} to {self.last_txn}"
        name = f"block {self.number}, {posted if self.last_txn >= self.first_txn else 'no transactions'}"
        seal, digest = self.sealed_digest[:16], self.performed_digest[:16]
        if self.equal:
            return f"{name}: {seal}, equal"
        if not seal:
            return f"{name}: {digest}, and the file ends before it"
        if not digest:
            return f"{name}: {seal}, and the run ends before it"
        return f"{name}: {digest}, NOT EQUAL to the seal, {seal}"


@frozen
class Reperformance:
    """The outcome of performing a run again: its blocks, and the head digests as recorded and as performed.

    *causes* name the inputs that differ from the recorded ones. *broken* lists the places where the file
    departs from its own seals. *failure* is the error with which the strategy ended the run, if it did.
    """

    blocks: list[BlockOutcome]
    recorded_head: str
    performed_head: str
    causes: list[str]
    seal_faults: list[str]
    failure: str

    @classmethod
    def of(cls, record: RunRecord, path: Path, causes: list[str], failure: str) -> Self:
        """Compare a recorded run with the file in *path*, which performing it again has written."""
        rerun = RunRecord.read(path, checked=False)
        blocks = [
            _outcome(number, first, second)
            for number, (first, second) in enumerate(zip_longest(record.seals, rerun.seals))
        ]
        return cls(blocks, record.head, rerun.head, causes, record.seal_faults, failure)

    @property
    def equal(self) -> bool:
        """True if the same inputs gave the same blocks, and the file agrees with its seals."""
        return self.recorded_head == self.performed_head and not self.causes and not self.seal_faults

    @property
    def first_difference(self) -> BlockOutcome | None:
        """The first block that differs, or None."""
        return next((block for block in self.blocks if not block.equal), None)


def _outcome(number: int, first: chain.Seal | None, second: chain.Seal | None) -> BlockOutcome:
    """Compare two blocks of one number, where None stands for a missing block."""
    block = first or second
    assert block is not None
    return BlockOutcome(
        number,
        block.first_txn,
        block.last_txn,
        first.digest if first else "",
        second.digest if second else "",
    )


@contextmanager
def explain_divergence(path: Path, run: Run) -> Iterator[None]:
    """Raise a divergence from the run in *path* as `InputChanged`, with the differences of the two."""
    try:
        yield
    except ReplayDiverged as error:
        record = RunRecord.read(path, checked=False)
        causes = differences(record, run) or ["its description differs"]
        raise InputChanged(f"{path} holds another run: {'; '.join(causes)}") from error


def differences(record: RunRecord, run: Run) -> list[str]:
    """List the differences of *run* from a recorded one, a sentence each."""
    with explain_description(record.path):
        return _differences(record, run)


def _differences(record: RunRecord, run: Run) -> list[str]:
    row = run_row(run, [RECORDS], record.layout)
    was, now = ({name: json.loads(str(side[name])) for name in _JSON} for side in (record.row, row))
    # The spec has the account too, and one sentence about it is enough.
    for policies in (was["policies"], now["policies"]):
        policies["others"].pop("account", None)
    causes = list(_data(was["fingerprints"], now["fingerprints"]))
    causes.extend(_spec(was["spec"], now["spec"]))
    if record.row["strategy"] != run.strategy:
        causes.append("the source of the strategy has changed")
    if record.row["seed"] != run.seed:
        causes.append(f"the seed was {record.row['seed']}, now {run.seed}")
    causes.extend(f"the policies: {change}" for change in _changes(was["policies"], now["policies"]))
    return causes


_JSON = ("spec", "fingerprints", "policies")


def _data(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield the differences of the data: bars added or removed, else the columns that changed."""
    one, other = was.get("bars", {}), now.get("bars", {})
    more = other.get("bars", 0) - one.get("bars", 0)
    if more:
        yield (
            f"the data: {abs(more):,} bars were {'added' if more > 0 else 'removed'};"
            f" there were {_extent(one)}, now {_extent(other)}"
        )
    elif one.get("keys") != other.get("keys"):
        yield f"the data: times or symbols have changed; there were {_extent(one)}, now {_extent(other)}"
    else:
        had, have = one.get("columns", {}), other.get("columns", {})
        for name in sorted({*had, *have}):
            if had.get(name) != have.get(name):
                yield f"the data: column {name} {_change(had, have, name)}"
    if one.get("zone") != other.get("zone"):
        yield f"the data: its zone was {one.get('zone') or 'none'}, now {other.get('zone') or 'none'}"
    had, have = was.get("program", {}), now.get("program", {})
    for name in sorted({*had, *have}):
        if had.get(name) != have.get(name):
            yield f"the program: its {name} {_change(had, have, name)}"


def _extent(bars: Mapping[str, Any]) -> str:
    first, last = (str(bars.get(name, "")).removesuffix("T00:00:00.000000000") for name in ("first", "last"))
    return f"{bars.get('bars', 0):,} from {first} to {last}"


def _change(was: Mapping[str, Any], now: Mapping[str, Any], name: str) -> str:
    return "is missing" if name not in now else "was added" if name not in was else "has changed"


def _spec(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield the differences of the specs. Parameters of the strategy have their own names."""
    prefix = "strategy.parameters."
    for change in _changes(was, now):
        yield (
            f"the parameter {change.removeprefix(prefix)}"
            if change.startswith(prefix)
            else f"the spec: {change}"
        )


def _changes(was: Any, now: Any, name: str = "") -> Iterator[str]:
    """Yield each place where two JSON values differ."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in sorted({*was, *now}):
            inner = f"{name}.{key}" if name else key
            if key not in now:
                yield f"{inner} was {_short(was[key])}, now it is not given"
            elif key not in was:
                yield f"{inner} was not given, now {_short(now[key])}"
            else:
                yield from _changes(was[key], now[key], inner)
    elif was != now:
        yield f"{name} was {_short(was)}, now {_short(now)}"


def _short(value: Any) -> str:
    text = canonical(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  the room in a line

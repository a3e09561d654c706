"""Performing a recorded run again: block against block, and what differs where one comes out otherwise."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from attrs import frozen

from tieout.execution.errors import CannotReperform, InputChanged
from tieout.execution.records import RECORDS
from tieout.ledger.errors import ReplayDiverged
from tieout.ledger.file import chain
from tieout.ledger.file.canonical import canonical
from tieout.ledger.file.layout import Layout
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Run, run_row, stored_policies


@frozen
class Recorded:
    """What a journal's file says of its run: the description, its seals, and where it departs from them."""

    path: Path
    row: Mapping[str, Any]
    layout: Layout
    seals: list[chain.Sealed]
    broken: list[str]
    head: str

    @classmethod
    def read(cls, path: Path, *, checked: bool = True) -> Self:
        """Read a file, its seals *checked* against its rows."""
        with Reader(path) as reader:
            broken = [str(departure) for departure in chain.broken(reader)] if checked else []
            seals = chain.seals(reader)
            head = seals[-1].digest if seals else chain.genesis(reader).hex()
            return cls(path, reader.run, reader.layout, seals, broken, head)

    @property
    def run(self) -> Run:
        """The run as it was described. Raises `CannotReperform` for books that no backtest made."""
        policies = json.loads(self.row["policies"])
        if "execution" not in policies["others"]:
            raise CannotReperform(f"{self.path}: these are books that no backtest made")
        return Run(
            spec=json.loads(self.row["spec"]),
            fingerprints=json.loads(self.row["fingerprints"]),
            strategy=self.row["strategy"],
            seed=int(self.row["seed"]),
            policies=stored_policies(policies),
        )


@frozen
class BlockOutcome:
    """One block: its transactions, and its digest as it was sealed and as it came out; "" for no block."""

    number: int
    first_txn: int
    last_txn: int
    sealed: str
    performed: str

    @property
    def equal(self) -> bool:
        """Whether it came out as it was sealed."""
        return self.sealed == self.performed

    def __str__(self) -> str:
        posted = f"transactions {self.first_txn} to {self.last_txn}"
        name = f"block {self.number}, {posted if self.last_txn >= self.first_txn else 'no transactions'}"
        if self.equal:
            return f"{name}: {self.sealed[:16]}, equal"
        if not self.sealed:
            return f"{name}: {self.performed[:16]}, and the file ends before it"
        if not self.performed:
            return f"{name}: {self.sealed[:16]}, and the run ends before it"
        return f"{name}: {self.performed[:16]}, NOT EQUAL to what is sealed, {self.sealed[:16]}"


@frozen
class Reperformance:
    """What came of performing a run again.

    *causes* say which inputs are not those that are recorded; *broken*, where the file departs from its own
    seals; *failure*, how the strategy ended the run, if it did.
    """

    blocks: list[BlockOutcome]
    recorded: str
    performed: str
    causes: list[str]
    broken: list[str]
    failure: str

    @classmethod
    def of(cls, held: Recorded, again: Path, causes: list[str], failure: str) -> Self:
        """Compare the file *held* with the one that performing its run again made."""
        made = Recorded.read(again, checked=False)
        blocks = []
        for number in range(max(len(held.seals), len(made.seals))):
            sealed = held.seals[number] if number < len(held.seals) else None
            performed = made.seals[number] if number < len(made.seals) else None
            known = sealed or performed
            assert known is not None
            blocks.append(
                BlockOutcome(
                    number,
                    known.first_txn,
                    known.last_txn,
                    sealed.digest if sealed else "",
                    performed.digest if performed else "",
                )
            )
        return cls(blocks, held.head, made.head, causes, held.broken, failure)

    @property
    def equal(self) -> bool:
        """Whether the same inputs gave the same blocks, and the file holds what was sealed."""
        return self.recorded == self.performed and not self.causes and not self.broken

    @property
    def first_difference(self) -> BlockOutcome | None:
        """The block from which on the two differ."""
        return next((block for block in self.blocks if not block.equal), None)


@contextmanager
def explained(path: Path, run: Run) -> Iterator[None]:
    """Turn a divergence from the run that *path* holds into what differs between the two."""
    try:
        yield
    except ReplayDiverged as error:
        held = Recorded.read(path, checked=False)
        found = differences(held, run) or ["it was described in another way"]
        raise InputChanged(f"{path} holds another run: {'; '.join(found)}") from error


def differences(held: Recorded, run: Run) -> list[str]:
    """What in *run* is not as a journal records it, a sentence each."""
    row = run_row(run, [RECORDS], held.layout)
    was, now = ({name: json.loads(str(given[name])) for name in _JSON} for given in (held.row, row))
    # The account is among the policies too, which is said once.
    for policies in (was["policies"], now["policies"]):
        policies["others"].pop("account", None)
    found = list(_data(was["fingerprints"], now["fingerprints"]))
    found.extend(_spec(was["spec"], now["spec"]))
    if held.row["strategy"] != run.strategy:
        found.append("the source of the strategy has changed")
    if held.row["seed"] != run.seed:
        found.append(f"the seed was {held.row['seed']}, now {run.seed}")
    found.extend(f"the policies: {change}" for change in _changes(was["policies"], now["policies"]))
    return found


_JSON = ("spec", "fingerprints", "policies")


def _data(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """How the data differ: bars that came or went, else which columns."""
    one, other = was.get("bars", {}), now.get("bars", {})
    more = other.get("bars", 0) - one.get("bars", 0)
    if more:
        yield (
            f"the data: {abs(more):,} bars were {'added' if more > 0 else 'taken away'};"
            f" there were {_extent(one)}, now {_extent(other)}"
        )
    elif one.get("keys") != other.get("keys"):
        yield f"the data: times or symbols have changed; there were {_extent(one)}, now {_extent(other)}"
    else:
        had, have = one.get("columns", {}), other.get("columns", {})
        for name in sorted({*had, *have}):
            if had.get(name) != have.get(name):
                yield f"the data: column {name} {_fate(had, have, name)}"
    if one.get("zone") != other.get("zone"):
        yield f"the data: its zone was {one.get('zone') or 'none'}, now {other.get('zone') or 'none'}"
    had, have = was.get("program", {}), now.get("program", {})
    for name in sorted({*had, *have}):
        if had.get(name) != have.get(name):
            yield f"the program: its {name} {_fate(had, have, name)}"


def _extent(bars: Mapping[str, Any]) -> str:
    first, last = (str(bars.get(name, "")).removesuffix("T00:00:00.000000000") for name in ("first", "last"))
    return f"{bars.get('bars', 0):,} from {first} to {last}"


def _fate(was: Mapping[str, Any], now: Mapping[str, Any], name: str) -> str:
    return "is missing" if name not in now else "was added" if name not in was else "has changed"


def _spec(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """How the specs differ, parameters of the strategy by their own names."""
    prefix = "strategy.parameters."
    for change in _changes(was, now):
        yield (
            f"the parameter {change.removeprefix(prefix)}"
            if change.startswith(prefix)
            else f"the spec: {change}"
        )


def _changes(was: Any, given: Any, name: str = "") -> Iterator[str]:
    """Each place where two JSON values differ."""
    if isinstance(was, Mapping) and isinstance(given, Mapping):
        for key in sorted({*was, *given}):
            inner = f"{name}.{key}" if name else key
            if key not in given:
                yield f"{inner} was {_short(was[key])}, now it is not given"
            elif key not in was:
                yield f"{inner} was not given, now {_short(given[key])}"
            else:
                yield from _changes(was[key], given[key], inner)
    elif was != given:
        yield f"{name} was {_short(was)}, now {_short(given)}"


def _short(value: Any) -> str:
    text = canonical(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  what a line can bear

"""The inputs that determine a result, and therefore the genesis of its chain of seals."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from tieout.ledger.books.bounds import MAX_AMOUNT
from tieout.ledger.books.commodity import Commodity
from tieout.ledger.books.layout import Layout
from tieout.ledger.errors import InvalidPolicy
from tieout.ledger.file.canonical import canonical
from tieout.ledger.file.layout import SealLayout
from tieout.ledger.file.schema import Schema, ledger_schema
from tieout.ledger.file.seal import genesis

LARGEST_BLOCK = 100_000_000
RELIEFS = ("fifo", "lifo", "hifo", "average", "specific")
SEMANTICS = {"posting": 1, "lots": 1, "rounding": "half-even/1", "seal": 1}
"""Versions of the rules that the result depends on. They are part of every genesis."""


def _path_set(paths: Iterable[str]) -> frozenset[str]:
    """Convert one path or several to a set. A text is one path, not its letters."""
    return frozenset([paths] if isinstance(paths, str) else paths)


@frozen
class Policies:
    """Choices that determine the result and the seals.

    *relief* names the order in which a sale relieves lots: ``fifo``, ``lifo``, ``hifo``, ``average`` or
    ``specific``. *may_be_overdrawn* are paths of accounts without a floor, for studies with unlimited cash.
    A block closes once it holds *block_transfers*. *others* are policies of a simulator, by name.
    """

    relief: str = field(default="fifo")
    may_be_overdrawn: frozenset[str] = field(default=frozenset(), converter=_path_set)
    block_transfers: int = field(default=2_000_000)
    others: Mapping[str, Any] = field(factory=dict)

    @relief.validator
    def _is_known(self, _: object, relief: str) -> None:
        if relief not in RELIEFS:
            raise InvalidPolicy(f"relief is one of {', '.join(RELIEFS)}, not {relief!r}")

    @block_transfers.validator
    def _holds_something(self, _: object, size: int) -> None:
        if type(size) is not int or not 1 <= size <= LARGEST_BLOCK:
            raise InvalidPolicy(f"a block holds 1 to {LARGEST_BLOCK:,} transfers, not {size!r}")


@frozen
class Run:
    """The inputs that determine the result, and its policies.

    *spec* and *fingerprints* are values that JSON can express. *strategy* is a digest of source text.
    *fingerprints* may be a function. It is called when the genesis is first needed, and the inputs that it
    reads may not change before.
    """

    spec: Mapping[str, Any] = field(factory=dict)
    fingerprints: Mapping[str, Any] | Callable[[], Mapping[str, Any]] = field(factory=dict)
    strategy: str = ""
    seed: int = field(default=0)
    policies: Policies = field(factory=Policies)

    @seed.validator
    def _fits(self, _: object, seed: object) -> None:
        if type(seed) is not int or abs(seed) > MAX_AMOUNT:
            raise InvalidPolicy(f"a seed is a whole number of 64 bits, not {seed!r}")


def copy_run(run: Run) -> Run:
    """Copy a run, so that later changes to its dictionaries do not reach the journal.

    Raises `InvalidPolicy` where it holds a value that JSON cannot express.
    """
    inputs, policies = run.fingerprints, run.policies
    values = [run.spec, policies.others, None if callable(inputs) else inputs]
    spec, others, fingerprints = json.loads(canonical(values))
    return Run(
        spec,
        inputs if callable(inputs) else fingerprints,
        run.strategy,
        run.seed,
        Policies(policies.relief, policies.may_be_overdrawn, policies.block_transfers, others),
    )


def run_row(run: Run, schemas: Sequence[Schema], layout: SealLayout) -> dict[str, str | int]:
    """Return the row of the table run, in the order of its columns."""
    policies = {
        "block_transfers": run.policies.block_transfers,
        "may_be_overdrawn": sorted(run.policies.may_be_overdrawn),
        "others": run.policies.others,
        "records": [[s.name, s.version] for s in (ledger_schema(), *schemas)],
        "relief": run.policies.relief,
        "semantics": SEMANTICS,
    }
    row: dict[str, str | int] = {
        "id": "",
        "spec": canonical(run.spec),
        "fingerprints": canonical(run.fingerprints() if callable(run.fingerprints) else run.fingerprints),
        "strategy": run.strategy,
        "seed": run.seed,
        "policies": canonical(policies),
        "layout": canonical([[table, list(map(list, c.items()))] for table, c in layout.items()]),
    }
    row["id"] = genesis(row).hex()[:16]
    return row


def stored_policies(document: Mapping[str, Any]) -> Policies:
    """Return the policies that the run row of a file records."""
    return Policies(
        relief=document["relief"],
        may_be_overdrawn=document["may_be_overdrawn"],
        block_transfers=document["block_transfers"],
        others=document["others"],
    )


def stored_run(row: Mapping[str, Any]) -> Run:
    """Return the run that the run row of a file records."""
    return Run(
        spec=json.loads(row["spec"]),
        fingerprints=json.loads(row["fingerprints"]),
        strategy=row["strategy"],
        seed=int(row["seed"]),
        policies=stored_policies(json.loads(row["policies"])),
    )


def layout_for(commodities: Iterable[Commodity] | Layout, policies: Policies) -> Layout:
    """Return a layout for books of *policies*, or raise `InvalidPolicy` where it is for others."""
    relief, overdrawn = policies.relief, policies.may_be_overdrawn
    if not isinstance(commodities, Layout):
        return Layout.of(commodities, relief, overdrawn)
    if (commodities.relief, commodities.may_be_overdrawn) != (relief, overdrawn):
        raise InvalidPolicy(
            f"the layout is for relief {commodities.relief!r} and {_listed(commodities.may_be_overdrawn)},"
            f" the run has relief {relief!r} and {_listed(overdrawn)};"
            " make the layout with the policies of the run"
        )
    return commodities


def _listed(paths: Iterable[str]) -> str:
    """Name the accounts that may be overdrawn, for an error."""
    return f"overdrafts on {', '.join(sorted(paths)) or 'no account'}"

"""What determines a result, and therefore the genesis of its chain of seals."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from tieout.ledger.books.bounds import MAX_AMOUNT
from tieout.ledger.errors import InvalidPolicy
from tieout.ledger.file.schema import Schema
from tieout.ledger.file.seal import genesis
from tieout.ledger.file.store import Layout, canonical

LARGEST_BLOCK = 100_000_000
RELIEFS = ("fifo", "lifo", "hifo", "average", "specific")
SEMANTICS = {"posting": 1, "lots": 1, "rounding": "half-even/1", "seal": 1}
"""Versions of the rules that the result depends on; part of every genesis."""


def _paths(given: Iterable[str]) -> frozenset[str]:
    """One path or several; a text is one and not its letters."""
    return frozenset([given] if isinstance(given, str) else given)


@frozen
class Policies:
    """Choices that determine the result and the seals.

    *relief* names the lot that a sale gives up first: ``fifo``, ``lifo``, ``hifo``, ``average`` or
    ``specific``. *may_be_overdrawn* are paths of accounts without a floor, for studies with unlimited cash.
    A block closes once it holds *block_transfers*. *others* are a simulator's own, by name.
    """

    relief: str = field(default="fifo")
    may_be_overdrawn: frozenset[str] = field(default=frozenset(), converter=_paths)
    block_transfers: int = field(default=2_000_000)
    others: Mapping[str, Any] = field(factory=dict)

    @relief.validator
    def _is_known(self, _: object, relief: str) -> None:
        if relief not in RELIEFS:
            raise InvalidPolicy(f"relief {relief!r} is none of {', '.join(RELIEFS)}")

    @block_transfers.validator
    def _holds_something(self, _: object, size: int) -> None:
        if type(size) is not int or not 1 <= size <= LARGEST_BLOCK:
            raise InvalidPolicy(f"a block holds 1 to {LARGEST_BLOCK:,} transfers, not {size!r}")


@frozen
class Run:
    """What determines the result beside the policies.

    *spec* and *fingerprints* are anything that JSON can hold; *strategy* is a digest of source text. Where
    *fingerprints* are a function, it is called when the genesis is first asked for; what it reads may not
    change before.
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


def own(run: Run) -> Run:
    """The same run, which nothing that is done to what it was made of changes.

    Raises `InvalidPolicy` where it holds what JSON cannot.
    """
    found, policies = run.fingerprints, run.policies
    given = [run.spec, policies.others, None if callable(found) else found]
    spec, others, fingerprints = json.loads(canonical(given))
    return Run(
        spec,
        found if callable(found) else fingerprints,
        run.strategy,
        run.seed,
        Policies(policies.relief, policies.may_be_overdrawn, policies.block_transfers, others),
    )


def run_row(run: Run, schemas: Sequence[Schema], layout: Layout) -> dict[str, str | int]:
    """The row of the table run, in the order of its columns."""
    policies = {
        "block_transfers": run.policies.block_transfers,
        "may_be_overdrawn": sorted(run.policies.may_be_overdrawn),
        "others": run.policies.others,
        "records": [[s.name, s.version] for s in schemas],
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


def stored_policies(stored: Mapping[str, Any]) -> Policies:
    """The policies that a file records."""
    return Policies(
        relief=stored["relief"],
        may_be_overdrawn=stored["may_be_overdrawn"],
        block_transfers=stored["block_transfers"],
        others=stored["others"],
    )

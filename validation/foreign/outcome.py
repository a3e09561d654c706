"""The outcome of a scenario, in one form for all engines, and the differences of two outcomes."""

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from attrs import evolve, frozen

from tieout.ledger.numeric import Floats

Row = TypeVar("Row", "Fill", "Refusal")
Kind = TypeVar("Kind", bound="Outcome")

RELATIVE = 1e-9
"""Relative tolerance for quantities, prices and fees of two engines that compute in floats."""
HALF_A_CENT = 0.005
"""Tolerance for cash and value at a bar."""


@frozen
class Fill:
    """One execution. *quantity* is below zero for a sale. *order* counts orders from 0."""

    bar: int
    column: int
    order: int
    quantity: float
    price: float
    fee: float


@frozen
class Refusal:
    """An order that was refused, in whole or in part, and the reason in the engine's own word."""

    bar: int
    column: int
    order: int
    reason: str


@frozen(eq=False)
class Outcome:
    """Fills and refusals in the sequence of events, cash and value at every bar, float64[bars]."""

    fills: Sequence[Fill]
    refusals: Sequence[Refusal]
    cash: Floats
    value: Floats

    def position(self, column: int, until: int) -> float:
        """Return the position in an instrument after the first *until* fills."""
        return math.fsum(fill.quantity for fill in self.fills[:until] if fill.column == column)


def renumbered(outcome: Kind, numbers: Sequence[int]) -> Kind:
    """Return a copy of an outcome in which order *n* has the number ``numbers[n]``."""

    def renumber(rows: Sequence[Row]) -> list[Row]:
        return [evolve(row, order=numbers[row.order]) for row in rows]

    return evolve(outcome, fills=renumber(outcome.fills), refusals=renumber(outcome.refusals))


@frozen
class Difference:
    """A difference of two outcomes: bar, column (-1 for the account), its kind, and both values in words."""

    bar: int
    column: int
    what: str
    value: str
    expected: str

    def __str__(self) -> str:
        where = f"bar {self.bar}" + (f", column {self.column}" if self.column >= 0 else "")
        return f"{where}: {self.what}: {self.value} here, {self.expected} there"


def differences(outcome: Outcome, expected: Outcome) -> list[Difference]:
    """List every difference by time. Within a bar fills come first, then refusals, cash and value.

    Cash and value that are NaN in both are equal.
    """
    every = [
        *_rows(outcome.fills, expected.fills),
        *_rows(outcome.refusals, expected.refusals),
        *_curve("cash", outcome.cash, expected.cash),
        *_curve("value", outcome.value, expected.value),
    ]
    return sorted(every, key=lambda difference: difference.bar)


def _rows(rows: Sequence[Row], expected: Sequence[Row]) -> Iterator[Difference]:
    """Compare rows in pairs, and stop at the first that one side lacks."""
    for here, there in zip(rows, expected, strict=False):
        if _key(here) != _key(there):
            bar = min(here.bar, there.bar)
            yield Difference(bar, here.column, _name(here), describe(here), describe(there))
            return
        if isinstance(here, Fill) and isinstance(there, Fill):
            for name in ("quantity", "price", "fee"):
                one, other = getattr(here, name), getattr(there, name)
                if not is_close(one, other):
                    yield Difference(here.bar, here.column, f"{name} of a fill", repr(one), repr(other))
    shorter = min(len(rows), len(expected))
    for one in rows[shorter : shorter + 1]:
        yield Difference(one.bar, one.column, _name(one), describe(one), "none")
    for one in expected[shorter : shorter + 1]:
        yield Difference(one.bar, one.column, _name(one), "none", describe(one))


def is_close(here: float, there: float) -> bool:
    """Check whether two figures are equal but for the last digits. NaN equals NaN."""
    return (
        here == there
        or (math.isnan(here) and math.isnan(there))
        or math.isclose(here, there, rel_tol=RELATIVE)
    )


def _curve(what: str, curve: Floats, expected: Floats) -> Iterator[Difference]:
    """Yield the first bar at which two curves differ."""
    if curve.shape != expected.shape:
        yield Difference(0, -1, f"bars of {what}", str(curve.size), str(expected.size))
        return
    with np.errstate(invalid="ignore"):  # infinity less infinity is NaN, yet equal
        is_near = np.abs(curve - expected) <= HALF_A_CENT
    is_different = ~(is_near | (np.isnan(curve) & np.isnan(expected)) | (curve == expected))
    for bar in np.flatnonzero(is_different)[:1].tolist():
        yield Difference(bar, -1, what, f"{curve[bar]:,.6f}", f"{expected[bar]:,.6f}")


def _name(row: Fill | Refusal) -> str:
    return "fill" if isinstance(row, Fill) else "refusal"


def _key(row: Fill | Refusal) -> tuple[object, ...]:
    if isinstance(row, Fill):
        return row.bar, row.column, row.order, row.quantity > 0
    return row.bar, row.column, row.order, row.reason


def describe(row: Fill | Refusal) -> str:
    """Describe a fill or a refusal in words."""
    if isinstance(row, Refusal):
        return f"order {row.order} {row.reason} at bar {row.bar}"
    verb = "buys" if row.quantity > 0 else "sells"
    what = f"{abs(row.quantity):.10g} at {row.price:.10g}, fee {row.fee:.10g}"
    return f"order {row.order} {verb} {what}, at bar {row.bar}"

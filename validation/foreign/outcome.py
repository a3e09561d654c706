"""What an engine made of a scenario, in one form for all of them; and where two of them differ."""

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Row = TypeVar("Row", bound="Fill | Refusal")

RELATIVE = 1e-9
"""How far sizes, prices and fees of two engines that compute in floats may lie apart."""
HALF_A_CENT = 0.005
"""How far cash and value may lie apart at a bar."""


@frozen
class Fill:
    """One execution. *quantity* is below zero for a sale; *order* counts from 0 as orders were given."""

    bar: int
    column: int
    order: int
    quantity: float
    price: float
    fee: float


@frozen
class Refusal:
    """What did not happen, or not wholly, and why, in the engine's own word."""

    bar: int
    column: int
    order: int
    reason: str


@frozen(eq=False)
class Outcome:
    """Fills and refusals in the order in which they happened; cash and value at every bar, float64[bars]."""

    fills: Sequence[Fill]
    refusals: Sequence[Refusal]
    cash: Floats
    value: Floats

    def position(self, column: int, until: int) -> float:
        """What the first *until* fills left of an instrument."""
        return math.fsum(fill.quantity for fill in self.fills[:until] if fill.column == column)


@frozen
class Difference:
    """Where two outcomes part: the bar, the instrument (-1 for the account), what, and what each has."""

    bar: int
    column: int
    what: str
    ours: str
    theirs: str

    def __str__(self) -> str:
        where = f"bar {self.bar}" + (f", column {self.column}" if self.column >= 0 else "")
        return f"{where}: {self.what}: {self.ours} here, {self.theirs} there"


def differences(ours: Outcome, theirs: Outcome) -> list[Difference]:
    """Every difference, in the order of time; of one bar fills first, then refusals, cash and value.

    Cash and value that are NaN in both are equal.
    """
    found = [
        *_rows(ours.fills, theirs.fills),
        *_rows(ours.refusals, theirs.refusals),
        *_curve("cash", ours.cash, theirs.cash),
        *_curve("value", ours.value, theirs.value),
    ]
    return sorted(found, key=lambda difference: difference.bar)


def _rows(ours: Sequence[Row], theirs: Sequence[Row]) -> Iterator[Difference]:
    """Rows that differ, paired as they come; of what follows one that is missing nothing is said."""
    for here, there in zip(ours, theirs, strict=False):
        if _key(here) != _key(there):
            bar = min(here.bar, there.bar)
            yield Difference(bar, here.column, _name(here), told(here), told(there))
            return
        if isinstance(here, Fill) and isinstance(there, Fill):
            for name in ("quantity", "price", "fee"):
                one, other = getattr(here, name), getattr(there, name)
                if not is_close(one, other):
                    yield Difference(here.bar, here.column, f"{name} of a fill", repr(one), repr(other))
    shorter = min(len(ours), len(theirs))
    for one in ours[shorter : shorter + 1]:
        yield Difference(one.bar, one.column, _name(one), told(one), "none")
    for one in theirs[shorter : shorter + 1]:
        yield Difference(one.bar, one.column, _name(one), "none", told(one))


def is_close(here: float, there: float) -> bool:
    """Whether two figures are the same but for the last digits; NaN is NaN."""
    return (
        here == there
        or (math.isnan(here) and math.isnan(there))
        or math.isclose(here, there, rel_tol=RELATIVE)
    )


def _curve(what: str, ours: Floats, theirs: Floats) -> Iterator[Difference]:
    """The first bar at which two curves lie apart."""
    if ours.shape != theirs.shape:
        yield Difference(0, -1, f"bars of {what}", str(ours.size), str(theirs.size))
        return
    with np.errstate(invalid="ignore"):  # infinity less itself is no number, and alike
        is_near = np.abs(ours - theirs) <= HALF_A_CENT
    apart = ~(is_near | (np.isnan(ours) & np.isnan(theirs)) | (ours == theirs))
    for bar in np.flatnonzero(apart)[:1].tolist():
        yield Difference(bar, -1, what, f"{ours[bar]:,.6f}", f"{theirs[bar]:,.6f}")


def _name(row: Fill | Refusal) -> str:
    return "fill" if isinstance(row, Fill) else "refusal"


def _key(row: Fill | Refusal) -> tuple[object, ...]:
    if isinstance(row, Fill):
        return row.bar, row.column, row.order, row.quantity > 0
    return row.bar, row.column, row.order, row.reason


def told(row: Fill | Refusal) -> str:
    """A row in words."""
    if isinstance(row, Refusal):
        return f"order {row.order} {row.reason} at bar {row.bar}"
    way = "buys" if row.quantity > 0 else "sells"
    what = f"{abs(row.quantity):.10g} at {row.price:.10g}, fee {row.fee:.10g}"
    return f"order {row.order} {way} {what}, at bar {row.bar}"

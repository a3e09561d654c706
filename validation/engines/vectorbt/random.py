"""Scenarios for VectorBT at random, from a seed or from Hypothesis.

Figures come from short lists, so that they meet: prices that return to a level, targets that are met already,
cash that is spent to the cent. Half of the prices are such levels, half are products of steps, which no
decimal is. Cash is small beside what is asked for; a fee below zero is a rebate. What VectorBT raises an
error on is not drawn: a position on the wrong side of its direction, a share of resources to reverse by
signals, a share of exactly zero.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from attrs import frozen
from hypothesis import strategies
from numpy.typing import NDArray

from tieout.validation.engines.vectorbt import signals as words
from tieout.validation.engines.vectorbt.rules import DIRECTIONS, SIZE_TYPES
from tieout.validation.engines.vectorbt.scenario import Array, Floats, Scenario, Value

NAN, INF = np.nan, np.inf
NEVER, SELDOM, OFTEN = (False,), (False,) * 9 + (True,), (False, True)


class Source(Protocol):
    """Where chance comes from: a seed for many scenarios, Hypothesis for one that is to become small."""

    def whole(self, low: int, high: int) -> int:
        """A whole number between the two, both included."""

    def one(self, options: Sequence[Any]) -> Any:
        """One of several, the simplest first."""

    def cells(self, options: Sequence[Any], shape: tuple[int, int]) -> Array:
        """One of several for each bar and column."""

    def orders(self, bars: int, columns: int) -> NDArray[np.int64]:
        """The columns of each bar in some order."""


@frozen
class Seeded:
    """Chance from a generator."""

    rng: np.random.Generator

    def whole(self, low: int, high: int) -> int:
        """As `Source` says."""
        return int(self.rng.integers(low, high + 1))

    def one(self, options: Sequence[Any]) -> Any:
        """As `Source` says."""
        return options[int(self.rng.integers(len(options)))]

    def cells(self, options: Sequence[Any], shape: tuple[int, int]) -> Array:
        """As `Source` says."""
        found: Array = np.array(options)[self.rng.integers(len(options), size=shape)]
        return found

    def orders(self, bars: int, columns: int) -> NDArray[np.int64]:
        """As `Source` says."""
        return self.rng.permuted(np.tile(np.arange(columns), (bars, 1)), axis=1)


@frozen
class Drawn:
    """Chance from Hypothesis, which makes what fails small."""

    draw: Callable[[Any], Any]

    def whole(self, low: int, high: int) -> int:
        """As `Source` says."""
        return int(self.draw(strategies.integers(low, high)))

    def one(self, options: Sequence[Any]) -> Any:
        """As `Source` says."""
        return self.draw(strategies.sampled_from(options))

    def cells(self, options: Sequence[Any], shape: tuple[int, int]) -> Array:
        """As `Source` says."""
        size = shape[0] * shape[1]
        places = self.draw(
            strategies.lists(strategies.integers(0, len(options) - 1), min_size=size, max_size=size)
        )
        found: Array = np.array(options)[np.reshape(np.array(places, np.int64), shape)]
        return found

    def orders(self, bars: int, columns: int) -> NDArray[np.int64]:
        """As `Source` says."""
        rows = [self.draw(strategies.permutations(range(columns))) for _ in range(bars)]
        return np.array(rows, np.int64)


LEVELS = (10.0, 8.0, 5.0, 4.0, 12.5, 20.0, 10.1, 9.99)
STEPS = (1.0, 1.01, 0.97, 1.1, 0.85, 1.37, 0.62)
SIZES: dict[str, tuple[float, ...]] = {
    "amount": (1.0, -1.0, 5.0, -5.0, 10.0, -10.0, 2.5, -0.3, 0.3, 100.0, -100.0, 0.0, INF, -INF, NAN),
    "value": (10.0, -10.0, 50.0, -50.0, 333.33, -333.33, 1000.0, -1000.0, 0.0, NAN),
    "percent": (0.5, -0.5, 0.1, -0.1, 1.0, -1.0, 0.333, 1.5, NAN),
    "targetamount": (0.0, 1.0, -1.0, 5.0, -5.0, 10.0, -20.0, 7.7, NAN),
    "targetvalue": (0.0, 10.0, -10.0, 50.0, -50.0, 200.0, -300.0, NAN),
    "targetpercent": (0.0, 0.25, 0.5, -0.5, 0.333, 0.95, 1.0, -1.0, 1.5, NAN),
}
TERMS: dict[str, tuple[float, ...]] = {
    "fees": (0.0, 0.001, 0.01, 0.1, -0.002),
    "fixed_fees": (0.0, 1.0, 0.5, 7.0),
    "slippage": (0.0, 0.01, 0.001, 0.05),
    "lock_cash": OFTEN,
    "min_size": (1e-8, 0.0, 0.5, 2.0),
    "max_size": (INF, 8.0, 3.0),
    "size_granularity": (NAN, 1.0, 0.1, 0.01, 3.0),
    "allow_partial": (True, False),
}
CASH = (100.0, 1000.0, 99.99, 33.0, 250.0, 10_000.0)
STOPS = (NAN, 0.1, 0.05, 0.2, 0.37)


def drawn(source: Source) -> Scenario:
    """A scenario of 1 to 6 columns and 5 to 40 bars; three in ten give signals, the others orders."""
    shape = source.whole(5, 40), source.whole(1, 6)
    is_signals = source.one((False,) * 7 + (True,) * 3)
    close = _prices(source, shape)
    given = _common(source, close)
    given |= _signals(source, close) if is_signals else _orders(source, shape)
    sequence = source.one(("default", "auto", "reversed", "random"))
    return Scenario(
        kind="signals" if is_signals else "orders",
        close=close,
        cash=source.one(CASH),
        given=given,
        cash_sharing=source.one((True, True, True, False)),
        call_seq=source.orders(*shape) if sequence == "random" else sequence,
    )


def seeded(seed: int, number: int) -> Scenario:
    """Scenario *number* of those of a seed."""
    return drawn(Seeded(np.random.default_rng((seed, number))))


@strategies.composite
def scenarios(draw: Callable[[Any], Any]) -> Scenario:
    """A strategy of scenarios."""
    return drawn(Drawn(draw))


def _prices(source: Source, shape: tuple[int, int]) -> Floats:
    """Closes, of which some are missing in one scenario of three."""
    if source.one(OFTEN):
        close = 10.0 * np.cumprod(source.cells(STEPS, shape), axis=0)
    else:
        close = source.cells(LEVELS, shape)
    missing = source.cells(source.one((NEVER, NEVER, SELDOM)), shape)
    return np.where(missing, NAN, close)


def _near(source: Source, close: Floats, options: Sequence[float]) -> Floats:
    """Prices beside the closes."""
    near: Floats = close * source.cells(options, close.shape)
    return near


def _some(source: Source, options: Sequence[Any], shape: tuple[int, int]) -> Value:
    """The same everywhere, as in most scenarios, or one for each column or cell."""
    rows = source.one(("one", "one", "columns", "cells"))
    if rows == "one":
        return source.one(options)  # type: ignore[no-any-return]  # one of the options
    return source.cells(options, (1, shape[1]) if rows == "columns" else shape)


def _common(source: Source, close: Floats) -> dict[str, Value]:
    """What orders and signals have in common; most of it is left out in most scenarios."""
    shape = close.shape
    given: dict[str, Value] = {}
    for name in ("fees", "fixed_fees", "slippage", "lock_cash"):
        if source.one(OFTEN):
            given[name] = _some(source, TERMS[name], shape)
    for name in ("min_size", "max_size", "size_granularity", "allow_partial"):
        if source.one((False, False, False, True)):
            given[name] = _some(source, TERMS[name], shape)
    for name in ("update_value", "ffill_val_price"):
        if source.one((False, False, False, True)):
            given[name] = source.one(OFTEN)
    for name in ("price", "val_price"):
        how = source.one(("left out", "left out", "left out", "before", "near", "mixed"))
        if how == "before":
            given[name] = -INF
        elif how == "near":
            given[name] = _near(source, close, (1.0, 0.99, 1.03))
        elif how == "mixed":
            infinite = source.cells((INF, -INF), shape)
            near = _near(source, close, (1.0, 0.99, 1.03))
            given[name] = np.where(source.cells(OFTEN, shape), infinite, near)
    return given


def _orders(source: Source, shape: tuple[int, int]) -> dict[str, Value]:
    """Sizes and their types, and a direction for each column: it cannot change under a position."""
    direction = source.one(("both", "longonly", "shortonly", "columns"))
    given: dict[str, Value] = {
        "direction": source.cells(DIRECTIONS, (1, shape[1])) if direction == "columns" else direction
    }
    kinds = np.broadcast_to(_some(source, SIZE_TYPES, shape), shape)
    size = np.full(shape, NAN)
    for kind in sorted(set(kinds.ravel().tolist())):
        size = np.where(kinds == kind, source.cells(SIZES[kind], shape), size)
    is_one = (kinds == kinds[0, 0]).all()
    return given | {"size": size, "size_type": str(kinds[0, 0]) if is_one else kinds}


def _signals(source: Source, close: Floats) -> dict[str, Value]:
    """Flags, what becomes of them, and stops."""
    shape = close.shape
    flags = (False, False, False, True)
    given: dict[str, Value] = {name: source.cells(flags, shape) for name in ("entries", "exits")}
    if source.one(OFTEN):
        given |= {name: source.cells(flags, shape) for name in ("short_entries", "short_exits")}
    else:
        given["direction"] = _some(source, DIRECTIONS, shape)
    kind = source.one(("amount", "amount", "value", "percent"))
    given["size_type"] = kind
    sizes = tuple(size for size in SIZES[kind] if not size <= 0) + ((0.0,) if kind != "percent" else ())
    given["size"] = _some(source, sizes, shape)
    for name, options in (
        ("accumulate", words.ACCUMULATION),
        ("upon_long_conflict", words.CONFLICTS),
        ("upon_short_conflict", words.CONFLICTS),
        ("upon_dir_conflict", words.DIRECTION_CONFLICTS),
        ("upon_opposite_entry", words.OPPOSITE_ENTRIES),
    ):
        if source.one(OFTEN):
            given[name] = _some(source, options, shape)
    if source.one((True, True, True, False)):
        given |= _stops(source, close)
    if kind == "percent":
        given["upon_opposite_entry"] = _some(source, ("ignore", "close", "closereduce"), shape)
        given["upon_stop_exit"] = _some(source, ("close", "closereduce"), shape)
    return given


def _stops(source: Source, close: Floats) -> dict[str, Value]:
    """Stops, and the bars' range, of which there may be none or not all."""
    shape = close.shape
    given: dict[str, Value] = {
        "sl_stop": _some(source, STOPS, shape),
        "tp_stop": _some(source, STOPS, shape),
        "sl_trail": _some(source, OFTEN, shape),
    }
    for name, options in (
        ("stop_entry_price", words.STOP_ENTRY_PRICES),
        ("stop_exit_price", words.STOP_EXIT_PRICES),
        ("upon_stop_exit", words.STOP_EXITS),
        ("upon_stop_update", words.STOP_UPDATES),
    ):
        if source.one(OFTEN):
            given[name] = _some(source, options, shape)
    if source.one((True, True, False)):
        opened = _near(source, close, (1.0, 0.95, 1.08, 0.8))
        top, bottom = np.fmax(opened, close), np.fmin(opened, close)
        ranges = {
            "open": opened,
            "high": _near(source, top, (1.0, 1.02, 1.15)),
            "low": _near(source, bottom, (1.0, 0.98, 0.85)),
        }
        missing = source.one((NEVER, SELDOM))
        for name, prices in ranges.items():
            given[name] = np.where(source.cells(missing, shape), NAN, prices)
    return given

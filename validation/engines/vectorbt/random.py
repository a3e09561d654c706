"""Scenarios for VectorBT at random, from a seed or from Hypothesis.

Figures come from short lists, so that they coincide: prices return to a level, targets are met already, cash
is spent to the cent. Half of the prices are such levels, half are products of steps, which are no short
decimals. Cash is small relative to the orders. A fee below zero is a rebate. Scenarios avoid the errors of
VectorBT: a position on the wrong side of its direction, a share of resources to flip by signals, a share of
exactly zero.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from attrs import frozen
from hypothesis import strategies
from numpy.typing import NDArray

from tieout.ledger.numeric import Floats
from tieout.validation.engines.vectorbt import signals as words
from tieout.validation.engines.vectorbt.rules import DIRECTIONS, SIZE_TYPES
from tieout.validation.engines.vectorbt.scenario import Array, Scenario, Value

NAN, INF = np.nan, np.inf
NEVER, SELDOM, OFTEN = (False,), (False,) * 9 + (True,), (False, True)


class Source(Protocol):
    """A source of chance: a seed for many scenarios, Hypothesis for one that it can shrink."""

    def whole(self, low: int, high: int) -> int:
        """Draw a whole number between the two, both included."""

    def one(self, options: Sequence[Any]) -> Any:
        """Draw one of several options. The simplest comes first."""

    def cells(self, options: Sequence[Any], shape: tuple[int, int]) -> Array:
        """Draw one of several options for each bar and column."""

    def orders(self, bars: int, columns: int) -> NDArray[np.int64]:
        """Draw a sequence of columns for each bar."""


@frozen
class Seeded:
    """Chance from a random generator."""

    rng: np.random.Generator

    def whole(self, low: int, high: int) -> int:
        """Implement `Source`."""
        return int(self.rng.integers(low, high + 1))

    def one(self, options: Sequence[Any]) -> Any:
        """Implement `Source`."""
        return options[int(self.rng.integers(len(options)))]

    def cells(self, options: Sequence[Any], shape: tuple[int, int]) -> Array:
        """Implement `Source`."""
        values: Array = np.array(options)[self.rng.integers(len(options), size=shape)]
        return values

    def orders(self, bars: int, columns: int) -> NDArray[np.int64]:
        """Implement `Source`."""
        return self.rng.permuted(np.tile(np.arange(columns), (bars, 1)), axis=1)


@frozen
class Drawn:
    """Chance from Hypothesis, which shrinks a failing scenario."""

    draw: Callable[[Any], Any]

    def whole(self, low: int, high: int) -> int:
        """Implement `Source`."""
        return int(self.draw(strategies.integers(low, high)))

    def one(self, options: Sequence[Any]) -> Any:
        """Implement `Source`."""
        return self.draw(strategies.sampled_from(options))

    def cells(self, options: Sequence[Any], shape: tuple[int, int]) -> Array:
        """Implement `Source`."""
        size = shape[0] * shape[1]
        places = self.draw(
            strategies.lists(strategies.integers(0, len(options) - 1), min_size=size, max_size=size)
        )
        values: Array = np.array(options)[np.reshape(np.array(places, np.int64), shape)]
        return values

    def orders(self, bars: int, columns: int) -> NDArray[np.int64]:
        """Implement `Source`."""
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
    """Draw a scenario of 1 to 6 columns and 5 to 40 bars. Three in ten have signals, the others orders."""
    shape = source.whole(5, 40), source.whole(1, 6)
    is_signals = source.one((False,) * 7 + (True,) * 3)
    close = _prices(source, shape)
    arguments = _common(source, close)
    arguments |= _signals(source, close) if is_signals else _orders(source, shape)
    sequence = source.one(("default", "auto", "reversed", "random"))
    return Scenario(
        kind="signals" if is_signals else "orders",
        close=close,
        cash=source.one(CASH),
        arguments=arguments,
        cash_sharing=source.one((True, True, True, False)),
        call_seq=source.orders(*shape) if sequence == "random" else sequence,
    )


def seeded(seed: int, number: int) -> Scenario:
    """Return scenario *number* of a seed."""
    return drawn(Seeded(np.random.default_rng((seed, number))))


@strategies.composite
def scenarios(draw: Callable[[Any], Any]) -> Scenario:
    """Draw scenarios from Hypothesis."""
    return drawn(Drawn(draw))


def _prices(source: Source, shape: tuple[int, int]) -> Floats:
    """Draw closes. In one of three scenarios some are missing."""
    if source.one(OFTEN):
        close = 10.0 * np.cumprod(source.cells(STEPS, shape), axis=0)
    else:
        close = source.cells(LEVELS, shape)
    missing = source.cells(source.one((NEVER, NEVER, SELDOM)), shape)
    return np.where(missing, NAN, close)


def _near(source: Source, close: Floats, options: Sequence[float]) -> Floats:
    """Draw prices near the closes."""
    near: Floats = close * source.cells(options, close.shape)
    return near


def _some(source: Source, options: Sequence[Any], shape: tuple[int, int]) -> Value:
    """Draw one value for all, as in most scenarios, or one per column or cell."""
    rows = source.one(("one", "one", "columns", "cells"))
    if rows == "one":
        return source.one(options)  # type: ignore[no-any-return]  # one of the options
    return source.cells(options, (1, shape[1]) if rows == "columns" else shape)


def _common(source: Source, close: Floats) -> dict[str, Value]:
    """Draw the arguments common to orders and signals. Most scenarios leave most of them out."""
    shape = close.shape
    arguments: dict[str, Value] = {}
    for name in ("fees", "fixed_fees", "slippage", "lock_cash"):
        if source.one(OFTEN):
            arguments[name] = _some(source, TERMS[name], shape)
    for name in ("min_size", "max_size", "size_granularity", "allow_partial"):
        if source.one((False, False, False, True)):
            arguments[name] = _some(source, TERMS[name], shape)
    for name in ("update_value", "ffill_val_price"):
        if source.one((False, False, False, True)):
            arguments[name] = source.one(OFTEN)
    for name in ("price", "val_price"):
        how = source.one(("left out", "left out", "left out", "before", "near", "mixed"))
        if how == "before":
            arguments[name] = -INF
        elif how == "near":
            arguments[name] = _near(source, close, (1.0, 0.99, 1.03))
        elif how == "mixed":
            infinite = source.cells((INF, -INF), shape)
            near = _near(source, close, (1.0, 0.99, 1.03))
            arguments[name] = np.where(source.cells(OFTEN, shape), infinite, near)
    return arguments


def _orders(source: Source, shape: tuple[int, int]) -> dict[str, Value]:
    """Draw sizes, their types, and a direction per column, which cannot change during a position."""
    direction = source.one(("both", "longonly", "shortonly", "columns"))
    arguments: dict[str, Value] = {
        "direction": source.cells(DIRECTIONS, (1, shape[1])) if direction == "columns" else direction
    }
    kinds = np.broadcast_to(_some(source, SIZE_TYPES, shape), shape)
    size = np.full(shape, NAN)
    for kind in sorted(set(kinds.ravel().tolist())):
        size = np.where(kinds == kind, source.cells(SIZES[kind], shape), size)
    is_one = (kinds == kinds[0, 0]).all()
    return arguments | {"size": size, "size_type": str(kinds[0, 0]) if is_one else kinds}


def _signals(source: Source, close: Floats) -> dict[str, Value]:
    """Draw flags, their rules, and stops."""
    shape = close.shape
    flags = (False, False, False, True)
    arguments: dict[str, Value] = {name: source.cells(flags, shape) for name in ("entries", "exits")}
    if source.one(OFTEN):
        arguments |= {name: source.cells(flags, shape) for name in ("short_entries", "short_exits")}
    else:
        arguments["direction"] = _some(source, DIRECTIONS, shape)
    kind = source.one(("amount", "amount", "value", "percent"))
    arguments["size_type"] = kind
    sizes = tuple(size for size in SIZES[kind] if not size <= 0) + ((0.0,) if kind != "percent" else ())
    arguments["size"] = _some(source, sizes, shape)
    for name, options in (
        ("accumulate", words.ACCUMULATION),
        ("upon_long_conflict", words.CONFLICTS),
        ("upon_short_conflict", words.CONFLICTS),
        ("upon_dir_conflict", words.DIRECTION_CONFLICTS),
        ("upon_opposite_entry", words.OPPOSITE_ENTRIES),
    ):
        if source.one(OFTEN):
            arguments[name] = _some(source, options, shape)
    if source.one((True, True, True, False)):
        arguments |= _stops(source, close)
    if kind == "percent":
        arguments["upon_opposite_entry"] = _some(source, ("ignore", "close", "closereduce"), shape)
        arguments["upon_stop_exit"] = _some(source, ("close", "closereduce"), shape)
    return arguments


def _stops(source: Source, close: Floats) -> dict[str, Value]:
    """Draw stops, and the ranges of bars, which may be missing in whole or in part."""
    shape = close.shape
    arguments: dict[str, Value] = {
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
            arguments[name] = _some(source, options, shape)
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
            arguments[name] = np.where(source.cells(missing, shape), NAN, prices)
    return arguments

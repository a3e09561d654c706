"""The classic faults of an account, and those that fills and prices show by themselves."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from tieout.validation.audit.books import ONE, Books

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

CLOSE = 1e-9
"""How far, for its size, a price may lie outside of a bar as floats are written."""


class Fault(StrEnum):
    """What is wrong, as a person would say it."""

    BEFORE = "a fill before there are prices"
    AFTER = "a fill after prices end"
    NO_BAR = "a fill where there is no bar"
    RANGE = "a fill outside of the bar's range"
    TWICE = "a fill that is there twice"
    ALTERED = "a fill of another size or price"
    MOVED = "a fill at another time"
    MISSING = "a fill is missing"
    UNCLAIMED = "a fill that the claims know nothing of"
    NEGATIVE_CASH = "cash below zero"
    OVERSOLD = "more sold than was held"
    POSITION = "a position that the fills do not support"
    COMMISSION_TWICE = "commission counted twice"
    COMMISSION_LEFT_OUT = "commission not taken from cash"
    COMMISSION_REVERSED = "commission with the other sign"
    COMMISSION_UNTOLD = "commission that the fills do not say"
    CASH = "cash that moved without a fill"
    EQUITY = "equity is not cash and holdings at the close"
    PNL = "P&L is not the change of equity"
    TRADES = "P&L of trades that the fills do not give"


@frozen
class Finding:
    """A fault: where it begins, how often it is there, what it comes to in money, which fills it is about.

    *column* is -1 where it is of the account, *amount* NaN where no money can be told. *fills* are numbers of
    placed fills, and *others* tell of the same fault elsewhere.
    """

    fault: Fault
    bar: int
    column: int
    text: str
    amount: float
    fills: tuple[int, ...]
    times: int = 1
    others: tuple[str, ...] = ()


@frozen
class Rules:
    """What an account is allowed. *slippage* is the share by which a price may lie outside of its bar."""

    allow_short: bool = True
    allow_negative_cash: bool = False
    slippage: float = 0.0


def of_fills(books: Books, rules: Rules, tolerance: float) -> Iterator[Finding]:
    """What needs no claims to be seen."""
    yield from _without_bars(books)
    yield from _outside_of_range(books, rules.slippage)
    if not rules.allow_negative_cash:
        yield from _below_zero(books, tolerance)
    if not rules.allow_short:
        yield from _oversold(books)


def named_twice(books: Books) -> dict[int, int]:
    """Fills alike in every column of their file, by number, with the number of the first of them."""
    fills = books.placed.fills
    first: dict[tuple[object, ...], int] = {}
    found: dict[int, int] = {}
    columns = (fills.timestamp, fills.symbol, fills.quantity, fills.content)
    for number, key in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        if key in first:
            found[number] = first[key]
        else:
            first[key] = number
    return found


def twice(books: Books, pairs: dict[int, int]) -> Finding:
    """The finding of fills that are there twice."""
    numbers = sorted({*pairs, *pairs.values()})
    again = min(pairs)
    there = books.placed
    flow = float(books.flow[list(pairs)].sum())
    rows = f"rows {there.fills.row[pairs[again]]} and {there.fills.row[again]} are alike in every column"
    return Finding(
        Fault.TWICE, int(there.bar[again]), int(there.column[again]), rows, flow, tuple(numbers), len(pairs)
    )


def _without_bars(books: Books) -> Iterator[Finding]:
    there, close = books.placed, books.prices.close
    last = close.shape[0] - 1
    has = ~np.isnan(close)
    begins = np.argmax(has, axis=0)
    ends = last - np.argmax(has[::-1], axis=0)
    before = there.meant < begins[there.column]
    after = there.meant > ends[there.column]
    inside = np.clip(there.meant, 0, last)
    own = books.prices.moments(there.fills.timestamp, there.fills.day)
    none = (~has[inside, there.column] | _of_no_day(books)) & ~before & ~after
    for fault, wrong, text in (
        (Fault.BEFORE, before, "row {} is of {}, the first bar of {} of {}"),
        (Fault.AFTER, after, "row {} is of {}, the last bar of {} of {}"),
        (Fault.NO_BAR, none, "row {} is of {}, of which {} has none"),
    ):
        rows = np.flatnonzero(wrong)
        if rows.size:
            column = int(there.column[rows[0]])
            bar = {Fault.BEFORE: begins, Fault.AFTER: ends}.get(fault)
            ends = "" if bar is None else moment(books, int(bar[column]))
            row, at = there.fills.row[rows[0]], written(int(own[rows[0]]))
            told = text.format(row, at, books.prices.symbols[column], ends)
            yield _finding(books, fault, rows, told)


def _of_no_day(books: Books) -> Flags:
    """Which fills are of a day that has no bar at all, where bars are of days."""
    there, prices = books.placed, books.prices
    own = prices.moments(there.fills.timestamp, there.fills.day)
    found: Flags = np.bool_(prices.is_every_day) & (own != prices.ends[there.bar])
    return found


def _outside_of_range(books: Books, slippage: float) -> Iterator[Finding]:
    prices, there = books.prices, books.placed
    if np.array_equal(prices.low, prices.high, equal_nan=True):
        return  # a close alone says nothing of a range
    low, high = (panel[there.bar, there.column] for panel in (prices.low, prices.high))
    price = there.fills.price
    away = np.fmax(low * (1 - slippage) * (1 - CLOSE) - price, price - high * (1 + slippage) * (1 + CLOSE))
    outside = (away > 0) & (there.meant == there.bar) & ~_of_no_day(books)
    rows = np.flatnonzero(outside)
    if rows.size:
        first = rows[0]
        text = f"{price[first]:,.6g} is not within {low[first]:,.6g} to {high[first]:,.6g}"
        yield _finding(books, Fault.RANGE, rows, text)


def _below_zero(books: Books, tolerance: float) -> Iterator[Finding]:
    there, cash = books.placed, books.cash.copy()
    if len(there):
        # Of fills at one time nobody knows which was first; what they leave together is what there was.
        at_once = np.append(np.diff(there.fills.timestamp) == 0, False)
        np.fmin.at(cash, there.bar[~at_once], books.left[~at_once])
    below = np.flatnonzero(cash < -tolerance)
    if below.size:
        bar, lowest = int(below[0]), int(np.argmin(cash))
        fills = books.between(bar - 1, bar)
        text = f"{money(cash[bar])}; the lowest is {money(cash[lowest])}, at {moment(books, lowest)}"
        yield Finding(Fault.NEGATIVE_CASH, bar, -1, text, math.nan, tuple(fills.tolist()), below.size)


def _oversold(books: Books) -> Iterator[Finding]:
    there, seen = books.placed, list[tuple[int, int, float]]()
    for column in np.unique(there.column).tolist():
        own = np.flatnonzero(there.column == column)
        held = there.fills.quantity[own].cumsum()
        at_once = np.append(np.diff(there.fills.timestamp[own]) == 0, False)
        short = np.flatnonzero((np.rint(held * ONE) < 0) & ~at_once)
        if short.size:
            seen.append((int(there.bar[own[short[0]]]), column, float(held[short[0]])))
    if seen:
        bar, column, held_then = min(seen)
        fills = books.between(bar - 1, bar, column)
        text = f"{held_then:,.8g} of {books.prices.symbols[column]} after it"
        yield Finding(Fault.OVERSOLD, bar, column, text, math.nan, tuple(fills.tolist()), len(seen))


def _finding(books: Books, fault: Fault, rows: Int64s, text: str) -> Finding:
    """A fault of single fills."""
    first, flow = int(rows[0]), books.flow[rows]
    there = books.placed
    return Finding(
        fault,
        int(there.bar[first]),
        int(there.column[first]),
        text,
        float(flow.sum()),
        tuple(rows.tolist()),
        rows.size,
    )


def moment(books: Books, bar: int) -> str:
    """The time of a bar; -1 is what was before the first."""
    return "the opening" if bar < 0 else written(int(books.prices.ends[bar]))


def written(ns: int) -> str:
    """A time in nanoseconds, without an hour where there is none."""
    told = str(np.datetime64(ns, "ns").astype("M8[s]"))
    return told.removesuffix("T00:00:00").replace("T", " ")


def money(amount: float) -> str:
    """An amount to the cent, and finer where it is less than one; what sums of floats leave is nothing."""
    if abs(amount) < 5e-7:
        return "0.00"
    return f"{amount:,.2f}" if abs(amount) >= 0.005 else f"{amount:,.6f}"


def merged(books: Books, findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each fault, the first of it, which tells of all; in the order of time."""
    by_fault: dict[Fault, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_fault[finding.fault].append(finding)
    found = []
    for group in by_fault.values():
        first, *others = sorted(group, key=lambda finding: finding.bar)
        fills = tuple(dict.fromkeys(number for finding in group for number in finding.fills))
        amounts = [finding.amount for finding in group if not np.isnan(finding.amount)]
        found.append(
            evolve(
                first,
                amount=sum(amounts) if amounts else math.nan,
                fills=fills,
                times=sum(finding.times for finding in group),
                others=tuple(f"{moment(books, other.bar)}: {other.text}" for other in others),
            )
        )
    return sorted(found, key=lambda finding: (finding.bar, list(Fault).index(finding.fault)))

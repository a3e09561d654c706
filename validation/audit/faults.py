"""The classic faults of an account, and a search for those that fills and prices show without claims."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum

import numpy as np
from attrs import evolve, frozen

from tieout.ledger.numeric import Flags, Int64s
from tieout.validation.audit.books import ONE, Books

CLOSE = 1e-9
"""Relative tolerance for a price outside of its bar, because of how floats are written."""


class Fault(StrEnum):
    """Kinds of faults, in words."""

    BEFORE = "a fill before the first price"
    AFTER = "a fill after the last price"
    NO_BAR = "a fill without a bar"
    RANGE = "a fill outside of the bar's range"
    TWICE = "a duplicated fill"
    ALTERED = "a fill of another size or price"
    MOVED = "a fill at another time"
    MISSING = "a missing fill"
    UNCLAIMED = "a fill that the claims do not contain"
    NEGATIVE_CASH = "cash below zero"
    OVERSOLD = "more sold than held"
    POSITION = "a position that the fills do not support"
    COMMISSION_TWICE = "commission counted twice"
    COMMISSION_LEFT_OUT = "commission not taken from cash"
    COMMISSION_REVERSED = "commission of the wrong sign"
    COMMISSION_MISSING = "commission missing from the fills"
    CASH = "cash that moved without a fill"
    EQUITY = "equity is not cash and holdings at the close"
    PNL = "P&L is not the change of equity"
    TRADES = "P&L of trades that does not follow from the fills"


@frozen
class Finding:
    """A fault: its first bar, how many *times* it occurs, its *amount* of money, and the fills involved.

    *column* is -1 for the account, *amount* NaN if no amount is known. *fills* are numbers of placed fills.
    *others* describe the same fault elsewhere.
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
    """Limits of an account. *slippage* is the share by which a price may lie outside of its bar."""

    allow_short: bool = True
    allow_negative_cash: bool = False
    slippage: float = 0.0


def of_fills(books: Books, rules: Rules, tolerance: float) -> Iterator[Finding]:
    """Find the faults that need no claims."""
    yield from _without_bars(books)
    yield from _outside_of_range(books, rules.slippage)
    if not rules.allow_negative_cash:
        yield from _below_zero(books, tolerance)
    if not rules.allow_short:
        yield from _oversold(books)


def duplicates(books: Books) -> dict[int, int]:
    """Map each fill that repeats an earlier one in every column of the file to the first such fill."""
    fills = books.placed.fills
    first: dict[tuple[object, ...], int] = {}
    repeats: dict[int, int] = {}
    columns = (fills.timestamp, fills.symbol, fills.quantity, fills.content)
    for number, key in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        if key in first:
            repeats[number] = first[key]
        else:
            first[key] = number
    return repeats


def duplicate_finding(books: Books, pairs: dict[int, int]) -> Finding:
    """Make the finding for duplicated fills."""
    numbers = sorted({*pairs, *pairs.values()})
    again = min(pairs)
    placed = books.placed
    flow = float(books.flow[list(pairs)].sum())
    rows = f"rows {placed.fills.row[pairs[again]]} and {placed.fills.row[again]} are alike in every column"
    return Finding(
        Fault.TWICE, int(placed.bar[again]), int(placed.column[again]), rows, flow, tuple(numbers), len(pairs)
    )


def _without_bars(books: Books) -> Iterator[Finding]:
    placed, close = books.placed, books.prices.close
    last = close.shape[0] - 1
    has = ~np.isnan(close)
    begins = np.argmax(has, axis=0)
    ends = last - np.argmax(has[::-1], axis=0)
    before = placed.true_bar < begins[placed.column]
    is_closing = closings(books)
    after = (placed.true_bar > ends[placed.column]) & ~is_closing
    inside = np.clip(placed.true_bar, 0, last)
    times = books.prices.moments(placed.fills.timestamp, placed.fills.day)
    is_without = (~has[inside, placed.column] | _without_day(books)) & ~before & ~after & ~is_closing
    for fault, is_wrong, text in (
        (Fault.BEFORE, before, "row {} is at {}, the first bar of {} at {}"),
        (Fault.AFTER, after, "row {} is at {}, the last bar of {} at {}"),
        (Fault.NO_BAR, is_without, "row {} is at {}, where {} has no bar"),
    ):
        rows = np.flatnonzero(is_wrong)
        if rows.size:
            column = int(placed.column[rows[0]])
            bar = {Fault.BEFORE: begins, Fault.AFTER: ends}.get(fault)
            ends = "" if bar is None else moment(books, int(bar[column]))
            row, at = placed.fills.row[rows[0]], time_text(int(times[rows[0]]))
            description = text.format(row, at, books.prices.symbols[column], ends)
            yield _finding(books, fault, rows, description)


def closings(books: Books) -> Flags:
    """Mark fills that close a position after the last bar of an instrument, at its last close.

    A simulator closes so what is held of an instrument that ended. The bars end later.
    """
    placed, close = books.placed, books.prices.close
    last = close.shape[0] - 1
    ends = last - np.argmax(~np.isnan(close)[::-1], axis=0)
    is_closing = np.zeros(len(placed), bool)
    position = np.zeros(close.shape[1])
    moves = zip(placed.column.tolist(), placed.fills.quantity.tolist(), strict=True)
    for number, (column, quantity) in enumerate(moves):
        position[column] += quantity
        is_next = ends[column] < placed.true_bar[number] <= last
        at_close = placed.fills.price[number] == close[ends[column], column]
        is_closing[number] = is_next and at_close and position[column] == 0
    return is_closing


def _without_day(books: Books) -> Flags:
    """Mark fills on a day without any bar, if bars are daily."""
    placed, prices = books.placed, books.prices
    times = prices.moments(placed.fills.timestamp, placed.fills.day)
    is_without: Flags = np.bool_(prices.is_every_day) & (times != prices.ends[placed.bar])
    return is_without


def _outside_of_range(books: Books, slippage: float) -> Iterator[Finding]:
    prices, placed = books.prices, books.placed
    if np.array_equal(prices.low, prices.high, equal_nan=True):
        return  # closes alone have no range
    low, high = (panel[placed.bar, placed.column] for panel in (prices.low, prices.high))
    price = placed.fills.price
    away = np.fmax(low * (1 - slippage) * (1 - CLOSE) - price, price - high * (1 + slippage) * (1 + CLOSE))
    outside = (away > 0) & (placed.true_bar == placed.bar) & ~_without_day(books)
    rows = np.flatnonzero(outside)
    if rows.size:
        first = rows[0]
        text = f"{price[first]:,.6g} is not within {low[first]:,.6g} to {high[first]:,.6g}"
        yield _finding(books, Fault.RANGE, rows, text)


def _below_zero(books: Books, tolerance: float) -> Iterator[Finding]:
    placed, cash = books.placed, books.cash.copy()
    if len(placed):
        # The sequence of fills at one time is unknown, so only their sum counts.
        at_once = np.append(np.diff(placed.fills.timestamp) == 0, False)
        np.fmin.at(cash, placed.bar[~at_once], books.cash_after_fill[~at_once])
    bars = np.flatnonzero(cash < -tolerance)
    if bars.size:
        bar, lowest = int(bars[0]), int(np.argmin(cash))
        fills = books.between(bar - 1, bar)
        text = f"{money(cash[bar])}, the lowest is {money(cash[lowest])}, at {moment(books, lowest)}"
        yield Finding(Fault.NEGATIVE_CASH, bar, -1, text, math.nan, tuple(fills.tolist()), bars.size)


def _oversold(books: Books) -> Iterator[Finding]:
    placed, shorts = books.placed, list[tuple[int, int, float]]()
    for column in np.unique(placed.column).tolist():
        of_column = np.flatnonzero(placed.column == column)
        position = placed.fills.quantity[of_column].cumsum()
        at_once = np.append(np.diff(placed.fills.timestamp[of_column]) == 0, False)
        short = np.flatnonzero((np.rint(position * ONE) < 0) & ~at_once)
        if short.size:
            shorts.append((int(placed.bar[of_column[short[0]]]), column, float(position[short[0]])))
    if shorts:
        bar, column, position_then = min(shorts)
        fills = books.between(bar - 1, bar, column)
        text = f"position of {position_then:,.8g} in {books.prices.symbols[column]} after it"
        yield Finding(Fault.OVERSOLD, bar, column, text, math.nan, tuple(fills.tolist()), len(shorts))


def _finding(books: Books, fault: Fault, rows: Int64s, text: str) -> Finding:
    """Make a finding about single fills."""
    first, flow = int(rows[0]), books.flow[rows]
    placed = books.placed
    return Finding(
        fault,
        int(placed.bar[first]),
        int(placed.column[first]),
        text,
        float(flow.sum()),
        tuple(rows.tolist()),
        rows.size,
    )


def moment(books: Books, bar: int) -> str:
    """Return the time of a bar as text. -1 is the opening."""
    return "the opening" if bar < 0 else time_text(int(books.prices.ends[bar]))


def time_text(ns: int) -> str:
    """Return a time in nanoseconds as text, without an hour if it is midnight."""
    text = str(np.datetime64(ns, "ns").astype("M8[s]"))
    return text.removesuffix("T00:00:00").replace("T", " ")


def money(amount: float) -> str:
    """Return an amount to the cent, or finer below one cent. The noise of float sums counts as zero."""
    if abs(amount) < 5e-7:
        return "0.00"
    return f"{amount:,.2f}" if abs(amount) >= 0.005 else f"{amount:,.6f}"


def merge(books: Books, findings: Iterable[Finding]) -> list[Finding]:
    """Merge findings into one per fault, the first, which lists the others. Sorted by time."""
    by_fault: dict[Fault, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_fault[finding.fault].append(finding)
    merged = []
    for group in by_fault.values():
        first, *others = sorted(group, key=lambda finding: finding.bar)
        fills = tuple(dict.fromkeys(number for finding in group for number in finding.fills))
        amounts = [finding.amount for finding in group if not np.isnan(finding.amount)]
        merged.append(
            evolve(
                first,
                amount=sum(amounts) if amounts else math.nan,
                fills=fills,
                times=sum(finding.times for finding in group),
                others=tuple(f"{moment(books, other.bar)}: {other.text}" for other in others),
            )
        )
    return sorted(merged, key=lambda finding: (finding.bar, list(Fault).index(finding.fault)))

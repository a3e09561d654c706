"""The imitation of VectorBT 1.2.0: `imitate` performs a scenario, `booked` books the result too."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout.ledger.numeric import Floats, Records
from tieout.validation.engines.vectorbt.loop import REFUSAL, RULES, TERMS, Desk, Sheet, perform
from tieout.validation.engines.vectorbt.rules import (
    ACCOUNT,
    FILL,
    FILLED,
    HOLDING,
    LONG_ONLY,
    NO_QUOTIENT,
    ORDER,
    REASONS,
    SHORT_ONLY,
)
from tieout.validation.engines.vectorbt.scenario import WORDS, Scenario, Value
from tieout.validation.engines.vectorbt.signals import BAR, LONG_ENTRY, LONG_EXIT, SHORT_ENTRY, SHORT_EXIT
from tieout.validation.foreign.booking import Booked, book, trades_of
from tieout.validation.foreign.outcome import Fill, Outcome, Refusal

T = TypeVar("T", Fill, Refusal)

CELLS = ("open", "high", "low", "size", "price", "val_price")

FIRST_DAY = np.datetime64("2020-01-01")
"""The date of the first bar. Scenarios have no dates, so their bars are days from this one on."""


class WouldRaise(ValueError):
    """VectorBT would raise an error at a bar and a column. *is_division* marks a division by zero."""

    def __init__(self, bar: int, column: int, *, is_division: bool) -> None:
        super().__init__(
            f"bar {bar}, column {column}: {'a division by zero' if is_division else 'a bad value'}"
        )
        self.is_division = is_division


@frozen(eq=False)
class Rows(Sequence[T]):
    """Records of a structured array, converted to objects on access."""

    rows: NDArray[np.void]
    columns: int
    make: Callable[[Any, int], T]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return Rows(self.rows[place], self.columns, self.make)
        return self.make(self.rows[place].item(), self.columns)

    def __iter__(self) -> Iterator[T]:
        return (self.make(row, self.columns) for row in self.rows.tolist())


def _fill(row: tuple[Any, ...], columns: int) -> Fill:
    bar, column, quantity, price, fee = row[:5]
    return Fill(bar, column, bar * columns + column, quantity, price, fee)


def _refusal(row: tuple[Any, ...], columns: int) -> Refusal:
    bar, column, reason = row
    return Refusal(bar, column, bar * columns + column, REASONS[reason])


@frozen(eq=False)
class Simulation:
    """The result of a scenario: rows of `FILL` and `REFUSAL`, cash and value, by account."""

    scenario: Scenario
    desks: Sequence[Desk]

    @property
    def accounts(self) -> list[Outcome]:
        """An outcome per account. Without shared cash every column is an account."""
        return [
            self._outcome(self._fills(desk), self._refusals(desk), desk.cash, desk.value)
            for desk in self.desks
        ]

    @property
    def outcome(self) -> Outcome:
        """The outcome of all accounts together, bar by bar."""
        cash, value = (sum(getattr(desk, name) for desk in self.desks) for name in ("cash", "value"))
        return self._outcome(self.fills, self.refusals, np.asarray(cash), np.asarray(value))

    @property
    def fills(self) -> NDArray[np.void]:
        """The fills of all accounts, bar by bar."""
        return _by_bar([self._fills(desk) for desk in self.desks])

    @property
    def refusals(self) -> NDArray[np.void]:
        """The refusals of all accounts, bar by bar."""
        return _by_bar([self._refusals(desk) for desk in self.desks])

    @staticmethod
    def _fills(desk: Desk) -> NDArray[np.void]:
        return desk.fills[: desk.counts[0]]

    @staticmethod
    def _refusals(desk: Desk) -> NDArray[np.void]:
        return desk.refusals[: desk.counts[1]]

    def _outcome(
        self, fills: NDArray[np.void], refusals: NDArray[np.void], cash: Floats, value: Floats
    ) -> Outcome:
        columns = self.scenario.shape[1]
        return Outcome(Rows(fills, columns, _fill), Rows(refusals, columns, _refusal), cash, value)


def _by_bar(parts: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    if len(parts) == 1:
        return parts[0]
    rows: NDArray[np.void] = np.concatenate(parts)
    by_time: NDArray[np.void] = rows[np.argsort(rows["bar"], kind="stable")]
    return by_time


def imitate(scenario: Scenario) -> Outcome:
    """Perform a scenario. Raises `WouldRaise` where VectorBT raises an error.

    An order has the number of its cell, row by row. A size of NaN is no order and no refusal. Without shared
    cash, cash and value are sums of all columns.
    """
    return simulate(scenario).outcome


def imitate_and_book(scenario: Scenario, *, has_refusals: bool = True) -> tuple[Outcome, Booked]:
    """Perform a scenario and book the result. Without *has_refusals* the journal has no rows of refusals."""
    performed = simulate(scenario)
    refusals = performed.outcome.refusals if has_refusals else ()
    return performed.outcome, book_trades(scenario, trades_from(performed), refusals)


def trades_from(performed: Simulation) -> Records:
    """Convert the fills to `TRADE` rows: states before and after."""
    fills, columns = performed.fills, performed.scenario.shape[1]
    trades = trades_of(len(fills))
    for name in ("bar", "column", "price", "fee", "cash_before", "cash_after"):
        trades[name] = fills[name]
    trades["order"] = fills["bar"] * columns + fills["column"]
    for when in ("before", "after"):
        trades[f"quantity_{when}"] = fills[f"position_{when}"]
    return trades


def book_trades(
    scenario: Scenario,
    trades: Records,
    refusals: Sequence[Refusal] = (),
    *,
    has_statements: bool = False,
    path: Path | None = None,
) -> Booked:
    """Book trades of a scenario, one bar per day, with marks and statements only if *has_statements*."""
    bars, columns = scenario.shape
    return book(
        FIRST_DAY + np.arange(bars),
        [f"A{column:03d}" for column in range(columns)],
        scenario.cash if scenario.cash_sharing else np.full(columns, scenario.cash),
        trades,
        filled(scenario.close),
        refusals=refusals,
        has_statements=has_statements,
        path=path,
    )


def simulate(scenario: Scenario) -> Simulation:
    """Perform a scenario, account by account. Raises `WouldRaise` where VectorBT raises an error."""
    sheet, columns = _sheet(scenario), scenario.shape[1]
    ranges = [(0, columns)] if scenario.cash_sharing else [(column, column + 1) for column in range(columns)]
    desks = []
    for first, last in ranges:
        desk = _desk(scenario, last - first)
        with np.errstate(all="ignore"):  # infinite sizes are valid
            status = perform(sheet, desk, first, last)
        if status != FILLED:
            bar, column = divmod(int(desk.counts[2]), columns)
            raise WouldRaise(bar, column, is_division=status == NO_QUOTIENT)
        desks.append(desk)
    return Simulation(scenario, desks)


def _desk(scenario: Scenario, account_columns: int) -> Desk:
    """Make an empty desk with room for an order of each of *account_columns* columns at each bar."""
    bars, columns = scenario.shape
    account, holdings = np.zeros(1, ACCOUNT), np.zeros(columns, HOLDING)
    account["cash"] = account["free"] = scenario.cash
    for name in ("mark", "loss", "gain"):
        holdings[name] = np.nan
    return Desk(
        account,
        holdings,
        np.zeros(columns, ORDER),
        np.zeros(columns),
        np.zeros(columns, np.int64),
        np.zeros(1, BAR),
        # One extra row: a decision without a fill writes to it too.
        np.empty(bars * account_columns + 1, FILL),
        np.empty(bars * account_columns, REFUSAL),
        np.zeros(3, np.int64),
        np.empty(bars),
        np.empty(bars),
    )


def _sheet(scenario: Scenario) -> Sheet:
    """Convert the scenario to arrays of one type each, so that one compilation serves all scenarios."""
    sequence, is_auto = _sequence(scenario)
    is_signals = scenario.kind == "signals"
    rules = is_signals, is_auto, scenario.of("ffill_val_price"), scenario.of("update_value")
    return Sheet(
        close=_readonly(scenario.close),
        worth=_readonly(filled(scenario.close)),
        flags=_readonly(_flags(scenario) if is_signals else 0, np.int64),
        sequence=_readonly(sequence, np.int64),
        terms=_terms(scenario),
        rules=np.array([rules], RULES),
        **{name: _readonly(scenario.of(name)) for name in CELLS},
    )


def _readonly(value: Value, dtype: type[np.generic] = np.float64) -> NDArray[Any]:
    """Convert a value to a contiguous, read-only array of two dimensions."""
    array = np.ascontiguousarray(np.atleast_2d(value), dtype).view()
    array.flags.writeable = False
    return array


def _terms(scenario: Scenario) -> NDArray[np.void]:
    """Fill the array of terms, with as few rows and columns as possible."""
    values = {
        name: scenario.codes(name) if name in WORDS else scenario.of(name) for name in TERMS.names or ()
    }
    terms = np.zeros(np.broadcast_shapes((1, 1), *(np.shape(value) for value in values.values())), TERMS)
    for name, value in values.items():
        terms[name] = value
    return terms


def _flags(scenario: Scenario) -> NDArray[np.int64]:
    """Convert signals to flags. Without signals for shorts, the direction decides the side."""
    enter, leave = scenario.cells("entries"), scenario.cells("exits")
    if "short_entries" in scenario.arguments or "short_exits" in scenario.arguments:
        sides = enter, leave, scenario.cells("short_entries"), scenario.cells("short_exits")
    else:
        direction = np.broadcast_to(scenario.codes("direction"), scenario.shape)
        long, short = direction == LONG_ONLY, direction == SHORT_ONLY
        sides = enter & ~short, leave & long, np.where(short, enter, leave & ~long), leave & short
    flags = np.zeros(scenario.shape, np.int64)
    for flag, side in zip((LONG_ENTRY, LONG_EXIT, SHORT_ENTRY, SHORT_EXIT), sides, strict=True):
        flags |= np.where(side, flag, 0)
    return flags


def _sequence(scenario: Scenario) -> tuple[NDArray[np.int64], bool]:
    """Return the sequence of columns at each bar, and True if each bar sorts its own."""
    columns, call_seq = scenario.shape[1], scenario.call_seq
    if not scenario.cash_sharing or columns == 1:
        return np.zeros((1, columns), np.int64), False
    if not isinstance(call_seq, str):
        return call_seq, False
    return np.arange(columns)[None, :: -1 if call_seq == "reversed" else 1], call_seq == "auto"


def filled(close: Floats) -> Floats:
    """Fill a missing close with the one before it, or else with the one after it."""
    if not np.isnan(close).any():
        return close
    is_there = ~np.isnan(close)
    bars = np.arange(len(close))[:, None]
    before = np.maximum.accumulate(np.where(is_there, bars, -1), axis=0)
    after = np.minimum.accumulate(np.where(is_there, bars, len(close))[::-1], axis=0)[::-1]
    rows = np.where(before >= 0, before, np.minimum(after, len(close) - 1))
    whole: Floats = np.take_along_axis(close, rows, axis=0)
    return whole

"""The chart of accounts.

An account is a path in one commodity: ``Assets:Positions:ACME`` exists in USD, where it carries cost, and in
ACME, where it carries units. Accounts are numbered as they are opened. Each commodity owns one run of
consecutive numbers. The run has one order for all currencies and one for all instruments. Compiled code
therefore finds an account as *first number of the commodity + offset* and needs no dictionary.
"""

import re
from collections.abc import Iterator
from copy import copy
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tieout.ledger.books.commodity import Commodities, text
from tieout.ledger.errors import InvalidAccount, UnknownAccount

Type = Literal["asset", "liability", "equity", "income", "expense", "contra", "memo"]
Side = Literal["debit", "credit"]

TYPES: dict[str, tuple[Type, Side]] = {
    "Assets": ("asset", "debit"),
    "Liabilities": ("liability", "credit"),
    "Equity": ("equity", "credit"),
    "Income": ("income", "credit"),
    "Expenses": ("expense", "debit"),
    "Market": ("contra", "credit"),
    "Trading": ("contra", "credit"),
    "Memo": ("memo", "debit"),
}

CONTRA: dict[str, Side] = {"Memo:Margin:Contra": "credit"}
"""Accounts whose normal side is not that of their type."""

# The run of a currency. A trailing * marks an account that may not be overdrawn.
CURRENCY_RUN = (
    "Assets:Cash:{}*",
    "Assets:Receivable:Trades",
    "Assets:Receivable:Dividends*",
    "Assets:Receivable:Interest*",
    "Liabilities:Payable:Trades*",
    "Liabilities:Payable:Dividends*",
    "Liabilities:MarginLoan:{}*",
    "Liabilities:Accrued:BorrowFees*",
    "Liabilities:Accrued:Interest*",
    "Equity:Contributions",
    "Equity:RetainedEarnings",
    "Income:Dividends",
    "Income:Interest",
    "Income:Rebates",
    "Income:Futures:VariationMargin",
    "Income:Funding",
    "Expenses:Commissions",
    "Expenses:BorrowFees",
    "Expenses:MarginInterest",
    "Expenses:DividendsOnShorts",
    "Expenses:WithholdingTax",
    "Expenses:Funding",
    "Expenses:Rounding",
    "Trading:FX:{}",
    "Memo:Margin:Required*",
    "Memo:Margin:Contra",
)
# Offsets into that run.
(
    CASH,
    RECEIVABLE_TRADES,
    RECEIVABLE_DIVIDENDS,
    RECEIVABLE_INTEREST,
    PAYABLE_TRADES,
    PAYABLE_DIVIDENDS,
    MARGIN_LOAN,
    ACCRUED_BORROW_FEES,
    ACCRUED_INTEREST,
    CONTRIBUTIONS,
    RETAINED_EARNINGS,
    DIVIDENDS,
    INTEREST,
    REBATES,
    VARIATION_MARGIN,
    FUNDING_RECEIVED,
    COMMISSIONS,
    BORROW_FEES,
    MARGIN_INTEREST,
    DIVIDENDS_ON_SHORTS,
    WITHHOLDING_TAX,
    FUNDING_PAID,
    ROUNDING,
    FX,
    MARGIN_REQUIRED,
    MARGIN_CONTRA,
) = range(len(CURRENCY_RUN))

# The run of an instrument: the first two in units, the rest in the currency that it is priced in.
INSTRUMENT_RUN = (
    "Assets:Positions:{}",
    "Market:{}",
    "Assets:Positions:{}*",
    "Assets:Positions:{}:Valuation",
    "Liabilities:Short:{}*",
    "Liabilities:Short:{}:Valuation",
    "Income:Realised:{}",
    "Income:Unrealised:{}",
    "Assets:Margin:ShortProceeds:{}*",
    "Assets:Margin:Futures:{}*",
)
IN_UNITS = 2
# Offsets into that run.
(
    UNITS,
    MARKET,
    COST,
    VALUATION,
    SHORT,
    SHORT_VALUATION,
    REALIZED,
    UNREALIZED,
    SHORT_PROCEEDS,
    FUTURES_MARGIN,
) = range(len(INSTRUMENT_RUN))

# The accounts that lots are shares of, and the street on the other side.
MOVED_WITH_LOTS = frozenset({UNITS, MARKET, COST, SHORT})
# The accounts that carry positions. Equity counts the market value in their place.
CARRYING = frozenset({COST, VALUATION, SHORT, SHORT_VALUATION})

# Paths that are reserved for commodities, those declared later included.
RESERVED = re.compile(
    "(Assets:(Cash|Positions|Margin)|Liabilities:(Short|MarginLoan)|Income:(Realised|Unrealised)|Market|Trading:FX):"
)


class Account(NamedTuple):
    """One line of the chart. *commodity* and *instrument* are commodity numbers, the latter -1 for none."""

    path: str
    type: Type
    commodity: int
    normal_side: Side
    instrument: int
    floored: bool

    @property
    def floor(self) -> int:
        """+1 if the balance may not fall below zero, -1 if it may not rise above, 0 if there is no limit."""
        return 0 if not self.floored else 1 if self.normal_side == "debit" else -1


def _parsed(pattern: str) -> tuple[str, str | None, Type, Side, bool]:
    """Split the path of an account around its symbol (None without one), and add its type, side and floor."""
    path = pattern.removesuffix("*")
    before, name, after = path.partition("{}")
    kind, side = TYPES[path.partition(":")[0]]
    return before, after if name else None, kind, CONTRA.get(path, side), pattern.endswith("*")


def _path(before: str, after: str | None, symbol: str) -> str:
    return before if after is None else before + symbol + after


_RUNS = {run is CURRENCY_RUN: [_parsed(p) for p in run] for run in (CURRENCY_RUN, INSTRUMENT_RUN)}
"""The accounts of the run of a currency (true) and of an instrument (false)."""
_FLOORS = {
    is_currency: np.array(
        [is_floored * (1 if side == "debit" else -1) for *_, side, is_floored in run], np.int32
    )
    for is_currency, run in _RUNS.items()
}


class Chart:
    """The accounts of one set of books by number and by (path, commodity).

    The accounts of a commodity are numbered when it is declared. Their paths are written out when the first
    name is asked for, because a simulator with thousands of instruments needs the numbers alone.
    """

    def __init__(self, commodities: Commodities, may_be_overdrawn: frozenset[str]) -> None:
        self.first: list[int] = []  # replaced and never changed in place, because copies share it
        self.commodities = commodities
        self._size = 0
        self._unwritten = range(0)  # commodities, in the order of their runs
        self._accounts: list[Account] = []
        self._numbers: dict[tuple[str, int], int] = {}
        self.may_be_overdrawn = may_be_overdrawn

    def copy(self) -> Self:
        """Return the same chart for other books. A new account of one is not in the other."""
        chart = copy(self)
        chart.commodities = self.commodities.copy()
        chart._accounts, chart._numbers = self._accounts.copy(), self._numbers.copy()  # noqa: SLF001  its own
        return chart

    def __len__(self) -> int:
        return self._size

    def __contains__(self, key: tuple[str, int]) -> bool:
        self._write_out()
        return key in self._numbers

    @property
    def accounts(self) -> list[Account]:
        """Every account, by its number."""
        self._write_out()
        return self._accounts

    def open_commodities(self) -> None:
        """Open the runs of accounts of the commodities declared since the last time."""
        have, size = len(self.first), self._size
        start = self._unwritten.start if self._unwritten else have
        self._unwritten = range(start, len(self.commodities))
        first = []
        for number, money in enumerate(self.commodities.moneys[have:], start=have):
            first.append(size)
            size += len(CURRENCY_RUN) if number == money else len(INSTRUMENT_RUN)
        self.first, self._size = self.first + first, size

    def commodities_and_floors(self, have: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return commodity and floor of every account from number *have* on, int32[accounts]."""
        parts = [np.array([(a.commodity, a.floor) for a in self._accounts], np.int32).reshape(-1, 2)]
        for is_currency, numbers in self._unwritten_runs():
            floors = _FLOORS[is_currency]
            part = np.empty((len(numbers), floors.size, 2), np.int32)
            money = np.array(self.commodities.moneys[numbers.start : numbers.stop], np.int32)
            part[:, :, 0], part[:, :, 1] = money[:, np.newaxis], floors
            if not is_currency:
                part[:, :IN_UNITS, 0] = np.arange(numbers.start, numbers.stop)[:, np.newaxis]
            parts.append(part.reshape(-1, 2))
        accounts = np.concatenate(parts)
        accounts[list(self._without_floor()), 1] = 0
        return accounts[have:, 0], accounts[have:, 1]

    def columns(self, have: int) -> dict[str, Any]:
        """Return the accounts from number *have* on, field by field as in `Account`.

        Accounts that are not written out yet stay so.
        """
        rows = self._accounts[have:]
        paths = [account.path for account in rows]
        types = [account.type for account in rows]
        sides = [account.normal_side for account in rows]
        instruments = [account.instrument for account in rows]
        for is_currency, numbers in self._unwritten_runs():
            run = _RUNS[is_currency]
            paths += [
                _path(before, after, self.commodities[number].symbol)
                for number in numbers
                for before, after, *_ in run
            ]
            types += [kind for _, _, kind, _, _ in run] * len(numbers)
            sides += [side for _, _, _, side, _ in run] * len(numbers)
            instruments += [-1 if is_currency else number for number in numbers for _ in run]
        skipped = max(have - len(self._accounts), 0)
        commodity, floor = self.commodities_and_floors(have)
        return {
            "path": paths[skipped:],
            "type": types[skipped:],
            "commodity": commodity,
            "normal_side": sides[skipped:],
            "instrument": instruments[skipped:],
            "floored": floor != 0,
        }

    def _unwritten_runs(self) -> Iterator[tuple[bool, range]]:
        """Group the commodities whose runs are not written out: true for currencies, and their numbers."""
        if not self._unwritten:
            return
        first, end = self._unwritten.start, self._unwritten.stop
        moneys = np.array(self.commodities.moneys[first:end])
        is_currency = moneys == np.arange(first, end)
        changes = (np.flatnonzero(is_currency[1:] != is_currency[:-1]) + first + 1).tolist()
        for start, stop in pairwise([first, *changes, end]):
            yield bool(is_currency[start - first]), range(start, stop)

    def _without_floor(self) -> Iterator[int]:
        """List the numbers of the accounts that *may_be_overdrawn* names."""
        for path in self.may_be_overdrawn:
            for is_currency, run in _RUNS.items():
                for offset, (before, after, *_) in enumerate(run):
                    symbol = path[len(before) : len(path) - len(after or "")]
                    if path != before + (symbol + after if after is not None else ""):
                        continue
                    for number, first in enumerate(self.first):
                        commodity = self.commodities[number]
                        is_named = after is None or symbol == commodity.symbol
                        if commodity.is_currency == is_currency and is_named:
                            yield first + offset

    def open(self, path: str, commodity: int, *, floored: bool) -> int:
        """Open an account such as ``Expenses:Fees:Data`` and return its number. Its root gives its type."""
        if RESERVED.match(text(path, InvalidAccount)):
            raise InvalidAccount(
                f"{path} is an account of a commodity; declare the commodity, which opens its accounts"
            )
        self._write_out()
        number = self._open(path, commodity, -1, floored=floored)
        self._size += 1
        return number

    def number(self, path: str, commodity: int) -> int:
        """Return the number of the account at *path* in *commodity*."""
        try:
            self._write_out()
            return self._numbers[path, commodity]
        except (KeyError, TypeError):
            raise UnknownAccount(self._explain(path, commodity)) from None

    def restore(self, account: Account) -> None:
        """Add an account that was read from a file."""
        self._numbers[account.path, account.commodity] = len(self._accounts)
        self._accounts.append(account)
        self._size += 1

    def name(self, number: int) -> str:
        """Return path and commodity of an account, for a message."""
        if not 0 <= number < self._size:
            return f"account {number}"
        account = self.accounts[number]
        return f"{account.path} in {self.commodities[account.commodity].symbol}"

    def _open(self, path: str, commodity: int, instrument: int, *, floored: bool) -> int:
        if (path, commodity) in self._numbers:
            raise InvalidAccount(f"{path} in {self.commodities[commodity].symbol} is open already")
        root, *parts = path.split(":")
        is_path = path.isprintable() and all(part.strip() == part != "" for part in parts)
        if root not in TYPES or not parts or not is_path:
            raise InvalidAccount(f"{path!r}: give {', '.join(TYPES)}, a colon and a name")
        kind, side = TYPES[root]
        side = CONTRA.get(path, side)
        floored = floored and path not in self.may_be_overdrawn
        number = self._numbers[path, commodity] = len(self._accounts)
        self._accounts.append(Account(path, kind, commodity, side, instrument, floored))
        return number

    def _write_out(self) -> None:
        """Write out the runs of the commodities declared since the last time."""
        unwritten, self._unwritten = self._unwritten, range(0)
        for number in unwritten:
            commodity = self.commodities[number]
            instrument = -1 if commodity.is_currency else number
            money = self.commodities.currency(commodity.currency)
            for offset, (before, after, kind, side, is_floored) in enumerate(_RUNS[commodity.is_currency]):
                unit = number if instrument >= 0 and offset < IN_UNITS else money
                path = _path(before, after, commodity.symbol)
                floored = is_floored and path not in self.may_be_overdrawn
                self._numbers[path, unit] = len(self._accounts)
                self._accounts.append(Account(path, kind, unit, side, instrument, floored))

    def _explain(self, path: str, commodity: int) -> str:
        symbol = self.commodities[commodity].symbol
        others = [self.commodities[c].symbol for p, c in self._numbers if p == path]
        if others:
            return f"{path!r} exists in {', '.join(others)}, not in {symbol}"
        return f"{path!r} is not in the chart of accounts; open it first"

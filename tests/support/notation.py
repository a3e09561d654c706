"""Tests in the trade's own notation.

    check('''
        deposit 10000              | cash +10000  contributions +10000
        buy 10 ACME @ 100 fee 1    | cash -1001   holding +10   cost +1000   commissions +1
        sell 11 ACME @ 130         ! insufficient_lots
    ''')

A row is an event, then its changes or, after an exclamation mark, the reason why it is refused. Events are
named as in `ledger/books/events.py`. Symbols and numbers follow in the order of its parameters, ``@`` gives
a total as quantity times price, ``for`` the total itself, a name gives that parameter. Effects are on the
normal side of the account: liabilities and income grow above zero. All of them are listed but the mirror of
another (Market, Memo:Margin:Contra). A refused row is also tested for changing nothing. Several events with
a semicolon between them are one transaction. Each row is a day later.
"""

import inspect
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any, get_type_hints

import numpy as np
import pytest

from tests.support import naive
from tieout.ledger import errors
from tieout.ledger.books import events
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.kinds import CurrencyNo, InstrumentNo, LotNo
from tieout.ledger.books.transaction import Transaction
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal

COMMODITIES = (
    currency("USD", 6),
    currency("EUR", 2),
    instrument("ACME"),
    instrument("BETA", currency="EUR", scale=0),
    instrument("ES", multiplier=50),
)
INSTRUMENTS = {commodity.symbol for commodity in COMMODITIES if not commodity.is_currency}
# Short names of accounts. {} is the symbol after the slash, else USD or the instrument that is traded.
NAMES = {
    "cash": "Assets:Cash:{}",
    "receivable": "Assets:Receivable:Trades",
    "dividends-due": "Assets:Receivable:Dividends",
    "interest-due": "Assets:Receivable:Interest",
    "payable": "Liabilities:Payable:Trades",
    "dividends-owed": "Liabilities:Payable:Dividends",
    "loan": "Liabilities:MarginLoan:{}",
    "fees-accrued": "Liabilities:Accrued:BorrowFees",
    "interest-accrued": "Liabilities:Accrued:Interest",
    "contributions": "Equity:Contributions",
    "retained": "Equity:RetainedEarnings",
    "dividends": "Income:Dividends",
    "interest": "Income:Interest",
    "rebates": "Income:Rebates",
    "variation": "Income:Futures:VariationMargin",
    "funding-received": "Income:Funding",
    "commissions": "Expenses:Commissions",
    "borrow-fees": "Expenses:BorrowFees",
    "margin-interest": "Expenses:MarginInterest",
    "dividends-on-shorts": "Expenses:DividendsOnShorts",
    "tax": "Expenses:WithholdingTax",
    "funding-paid": "Expenses:Funding",
    "data": "Expenses:Fees:Data",
    "fx": "Trading:FX:{}",
    "required": "Memo:Margin:Required",
}
INSTRUMENT_NAMES = {
    "holding": "Assets:Positions:{}",
    "cost": "Assets:Positions:{}",
    "valuation": "Assets:Positions:{}:Valuation",
    "owed": "Liabilities:Short:{}",
    "short-valuation": "Liabilities:Short:{}:Valuation",
    "gain": "Income:Realised:{}",
    "unrealised": "Income:Unrealised:{}",
    "restricted": "Assets:Margin:ShortProceeds:{}",
    "margin": "Assets:Margin:Futures:{}",
}
CREDIT_SIDE = ("Liabilities:", "Equity:", "Income:", "Trading:")
MIRRORS = ("Market:", "Memo:Margin:Contra")
FLAGS = {"unsettled": ("settled", False), "unrestricted": ("restricted", False)}
DAY = np.timedelta64(1, "D")


class Bench:
    """A journal in memory, to which rows of notation are posted."""

    def __init__(self, relief: str = "fifo") -> None:
        self.journal = Journal.create(None, COMMODITIES, Run(policies=Policies(relief)))
        self.journal.open_account("Expenses:Fees:Data")
        self.now = np.datetime64("2024-01-01", "ns")

    def check(self, rows: str) -> None:
        """Post each row. Assert its changes, or the reason of its refusal and that it changed nothing."""
        for row in filter(None, map(str.strip, rows.splitlines())):
            self.now += DAY
            if "!" in row:
                text, reason = map(str.strip, row.split("!"))
                before = naive.contents(self.journal)
                with pytest.raises(getattr(errors, reason.title().replace("_", ""))):
                    self.perform(text)
                assert before == naive.contents(self.journal), row
            else:
                text, effects = map(str.strip, row.split("|"))
                had = Counter(naive.balances(self.journal))
                self.perform(text)
                has = Counter(naive.balances(self.journal))
                assert self._expected(text, effects) == self._changed(had, has), row

    def perform(self, text: str) -> None:
        """Post the events of one row as one transaction."""
        words = text.split()
        if words[0] == "reverse":
            self.journal.reverse(int(words[1]), self.now)
        elif words[0] == "close_year":
            self.journal.close_year(self.now)
        else:
            with self.journal.transaction(self.now) as transaction:
                for part in text.split(";"):
                    book(transaction, part.split())

    def _expected(self, text: str, effects: str) -> dict[naive.Key, Decimal]:
        pairs = effects.split()
        traded = next((word for word in text.split() if word in INSTRUMENTS), "ACME")
        return {
            self._account(name, traded): Decimal(amount)
            for name, amount in zip(pairs[::2], pairs[1::2], strict=True)
            if Decimal(amount)
        }

    def _account(self, name: str, traded: str) -> naive.Key:
        short, _, symbol = name.partition("/")
        if short in INSTRUMENT_NAMES:
            symbol = symbol or traded
            commodities = self.journal.commodities
            money = commodities[commodities.number(symbol)].currency
            return INSTRUMENT_NAMES[short].format(symbol), symbol if short == "holding" else money
        symbol = symbol or "USD"
        return NAMES[short].format(symbol), symbol

    def _changed(self, had: Counter[naive.Key], has: Counter[naive.Key]) -> dict[naive.Key, Decimal]:
        commodities = self.journal.commodities
        return {
            (path, symbol): commodities[commodities.number(symbol)].decimal(
                (has[path, symbol] - had[path, symbol]) * (-1 if path.startswith(CREDIT_SIDE) else 1)
            )
            for path, symbol in sorted(had.keys() | has.keys())
            if has[path, symbol] != had[path, symbol] and not path.startswith(MIRRORS)
        }


def check(rows: str, relief: str = "fifo") -> Bench:
    """Post *rows* to new books and compare. Return the books."""
    bench = Bench(relief)
    bench.check(rows)
    return bench


def book(transaction: Transaction, words: list[str]) -> None:
    """Add the event that *words* describe."""
    name, *rest = words
    if name == "transfer":
        transaction.transfer(rest[0], rest[1], *rest[2:])
        return
    event: Callable[..., None] = getattr(events, name)
    function = getattr(event, "py_func", event)
    hints = get_type_hints(function, include_extras=True)
    names = list(inspect.signature(function).parameters)[1:]
    symbols = [n for n in names if hints[n] in {CurrencyNo, InstrumentNo}]
    numbers = [n for n in names if n not in symbols and hints[n] is not bool]
    arguments: dict[str, Any] = {}
    quantity = Decimal(0)
    while rest:
        word = rest.pop(0)
        if word == "@":
            arguments[numbers.pop(0)] = abs(quantity) * Decimal(rest.pop(0))
        elif word == "for":
            arguments[numbers.pop(0)] = rest.pop(0)
        elif word in FLAGS:
            flag, value = FLAGS[word]
            arguments[flag] = value
        elif word in names:
            arguments[word] = rest.pop(0)
        elif re.fullmatch(r"\d+:\d+", word):
            arguments |= dict(zip(numbers, map(int, word.split(":")), strict=False))
        elif re.fullmatch(r"[+-]?[\d.]+", word):
            quantity = Decimal(word)
            arguments[numbers.pop(0)] = word
        else:
            arguments[symbols.pop(0)] = word
    if symbols and hints[symbols[0]] is CurrencyNo:
        arguments.setdefault(symbols[0], "USD")
    for name in names:
        if hints[name] is LotNo and name in arguments:
            arguments[name] = int(arguments[name])
    transaction.book(event, **arguments)

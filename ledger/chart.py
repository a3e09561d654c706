"""The chart of accounts.

An account is a path in one commodity: ``Assets:Positions:ACME`` exists in USD, where it carries cost, and in
ACME, where it carries units. Accounts are numbered as they are opened. Each commodity owns one run of
consecutive numbers, laid out alike for every currency and alike for every instrument, so that compiled code
finds an account as *first number of the commodity + offset* and needs no dictionary.
"""

import re
from typing import Literal, NamedTuple

from ledger.commodity import Commodities, text
from ledger.errors import InvalidAccount, UnknownAccount

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

# Offsets into a currency's run. A trailing * marks an account that may not be overdrawn.
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

# Offsets into an instrument's run: the first two in units, the rest in the money it is priced in.
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
(
    UNITS,
    MARKET,
    COST,
    VALUATION,
    SHORT,
    SHORT_VALUATION,
    REALISED,
    UNREALISED,
    SHORT_PROCEEDS,
    FUTURES_MARGIN,
) = range(len(INSTRUMENT_RUN))

# What lots are shares of, and the street on the other side.
MOVED_WITH_LOTS = frozenset({UNITS, MARKET, COST, SHORT})
# What positions are carried at: equity has their market value in its place.
CARRYING = frozenset({COST, VALUATION, SHORT, SHORT_VALUATION})


# Paths that a commodity declared later would want.
OWNED = re.compile(
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
        """+1 if the balance may not go below zero, -1 if not above, 0 if it may do either."""
        return 0 if not self.floored else 1 if self.normal_side == "debit" else -1


class Chart:
    """The accounts of one set of books by number and by (path, commodity)."""

    def __init__(self, commodities: Commodities, may_be_overdrawn: frozenset[str]) -> None:
        self.accounts: list[Account] = []
        self.first: list[int] = []
        self._numbers: dict[tuple[str, int], int] = {}
        self.commodities = commodities
        self._may_be_overdrawn = may_be_overdrawn

    def __len__(self) -> int:
        return len(self.accounts)

    def __contains__(self, key: tuple[str, int]) -> bool:
        return key in self._numbers

    def open_commodity(self, number: int) -> None:
        """Open the run of accounts of a commodity just declared."""
        commodity = self.commodities[number]
        self.first.append(len(self.accounts))
        instrument = -1 if commodity.is_currency else number
        money = self.commodities.number(commodity.currency)
        for offset, pattern in enumerate(CURRENCY_RUN if commodity.is_currency else INSTRUMENT_RUN):
            counted = number if instrument >= 0 and offset < IN_UNITS else money
            path = pattern.removesuffix("*").format(commodity.symbol)
            self._open(path, counted, instrument, floored=pattern.endswith("*"))

    def open(self, path: str, commodity: int, *, floored: bool) -> int:
        """Open an account of one's own, ``Expenses:Fees:Data`` say; its type follows from its first part."""
        if OWNED.match(text(path, InvalidAccount)):
            raise InvalidAccount(f"{path}: declare the commodity, which opens its accounts")
        return self._open(path, commodity, -1, floored=floored)

    def number(self, path: str, commodity: int) -> int:
        """The number of the account at *path* in *commodity*."""
        try:
            return self._numbers[path, commodity]
        except (KeyError, TypeError):
            raise UnknownAccount(self._explain(path, commodity)) from None

    def restore(self, account: Account) -> None:
        """Take back an account read from a file."""
        self._numbers[account.path, account.commodity] = len(self.accounts)
        self.accounts.append(account)

    def name(self, number: int) -> str:
        """Path and commodity of an account, for a message."""
        if not 0 <= number < len(self.accounts):
            return f"account {number}"
        account = self.accounts[number]
        return f"{account.path} in {self.commodities[account.commodity].symbol}"

    def _open(self, path: str, commodity: int, instrument: int, *, floored: bool) -> int:
        if (path, commodity) in self._numbers:
            raise InvalidAccount(f"{path} in {self.commodities[commodity].symbol} is open already")
        root, *parts = path.split(":")
        named = path.isprintable() and all(part.strip() == part != "" for part in parts)
        if root not in TYPES or not parts or not named:
            raise InvalidAccount(f"{path!r}: give {', '.join(TYPES)}, a colon and a name")
        kind, side = TYPES[root]
        if path == "Memo:Margin:Contra":
            side = "credit"
        floored = floored and path not in self._may_be_overdrawn
        number = self._numbers[path, commodity] = len(self.accounts)
        self.accounts.append(Account(path, kind, commodity, side, instrument, floored))
        return number

    def _explain(self, path: str, commodity: int) -> str:
        symbol = self.commodities[commodity].symbol
        others = [self.commodities[c].symbol for p, c in self._numbers if p == path]
        if others:
            return f"{path!r} exists in {', '.join(others)}, not in {symbol}"
        return f"{path!r} is not in the chart of accounts; open it first"

"""A double-entry ledger that stands on its own, from commodities and accounts to sealed statements.

    from ledger import Journal, buy, currency, deposit, instrument

Names are imported when they are first used: to read a journal, nothing is compiled.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "Commodity",
    "Journal",
    "Kind",
    "LedgerError",
    "Policies",
    "Query",
    "Reader",
    "Run",
    "Schema",
    "borrow",
    "borrow_fee",
    "borrow_fee_payment",
    "buy",
    "cash_in_lieu",
    "cover",
    "currency",
    "delisting",
    "deposit",
    "dividend",
    "dividend_on_short",
    "dividend_on_short_payment",
    "dividend_payment",
    "errors",
    "exchange",
    "funding",
    "futures_close",
    "futures_open",
    "instrument",
    "interest",
    "interest_payment",
    "margin_interest",
    "margin_interest_payment",
    "pay_trades",
    "receive_trades",
    "repay",
    "requirement",
    "restrict_proceeds",
    "reversal",
    "sell",
    "short_sale",
    "split",
    "valuation",
    "variation_margin",
    "withdrawal",
]

_HOMES = {
    "Commodity": "commodity",
    "Journal": "journal",
    "Kind": "kinds",
    "LedgerError": "errors",
    "Policies": "run",
    "Query": "query",
    "Reader": "reader",
    "Run": "run",
    "Schema": "schema",
    "currency": "commodity",
    "instrument": "commodity",
}
"""The modules of the names above. What is not here is an event, or a module itself."""

if TYPE_CHECKING:
    from ledger import errors
    from ledger.commodity import Commodity, currency, instrument
    from ledger.errors import LedgerError
    from ledger.events import (
        borrow,
        borrow_fee,
        borrow_fee_payment,
        buy,
        cash_in_lieu,
        cover,
        delisting,
        deposit,
        dividend,
        dividend_on_short,
        dividend_on_short_payment,
        dividend_payment,
        exchange,
        funding,
        futures_close,
        futures_open,
        interest,
        interest_payment,
        margin_interest,
        margin_interest_payment,
        pay_trades,
        receive_trades,
        repay,
        requirement,
        restrict_proceeds,
        reversal,
        sell,
        short_sale,
        split,
        valuation,
        variation_margin,
        withdrawal,
    )
    from ledger.journal import Journal
    from ledger.kinds import Kind
    from ledger.query import Query
    from ledger.reader import Reader
    from ledger.run import Policies, Run
    from ledger.schema import Schema
else:
    # Out of sight of a type checker, which would otherwise take any name to be there.
    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "errors":
            return import_module("ledger.errors")
        value = getattr(import_module(f"ledger.{_HOMES.get(name, 'events')}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

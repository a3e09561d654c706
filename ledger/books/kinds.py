"""What a transaction records, and the kinds of argument that an event takes."""

from collections.abc import Callable
from enum import IntEnum
from typing import Annotated, Any

from tieout.ledger.numeric import constants

CurrencyNo = Annotated[int, "CurrencyNo"]
"""A currency's commodity number; a symbol at the prompt."""
InstrumentNo = Annotated[int, "InstrumentNo"]
"""An instrument's commodity number; a symbol at the prompt."""
Units = Annotated[int, "Units"]
"""Units of the instrument named before it, at its scale."""
Money = Annotated[int, "Money"]
"""Units of the currency named before it, or of the one that the instrument named before it is priced in."""
LotNo = Annotated[int, "LotNo"]
"""The number of an open lot, as the view `lot` shows it."""


class Kind(IntEnum):
    """What a transaction records. The view `kind` gives these names in SQL."""

    GENERAL = 0
    DEPOSIT = 1
    WITHDRAWAL = 2
    BUY = 3
    SELL = 4
    SHORT_SALE = 5
    COVER = 6
    FLIP = 7
    PAY_TRADES = 8
    RECEIVE_TRADES = 9
    RESTRICTION = 10
    DELISTING = 11
    BORROW = 12
    REPAY = 13
    MARGIN_REQUIREMENT = 14
    DIVIDEND = 15
    DIVIDEND_PAYMENT = 16
    DIVIDEND_ON_SHORT = 17
    DIVIDEND_ON_SHORT_PAYMENT = 18
    SPLIT = 19
    CASH_IN_LIEU = 20
    BORROW_FEE = 21
    BORROW_FEE_PAYMENT = 22
    MARGIN_INTEREST = 23
    MARGIN_INTEREST_PAYMENT = 24
    INTEREST = 25
    INTEREST_PAYMENT = 26
    FUTURES_OPEN = 27
    VARIATION_MARGIN = 28
    FUTURES_CLOSE = 29
    PERPETUAL_FUNDING = 30
    FX_TRADE = 31
    VALUATION = 32
    CORRECTION = 33
    CLOSE = 34


KIND = constants(Kind)


KINDS: dict[Callable[..., Any], Kind] = {}
"""The kind of transaction that each event makes."""

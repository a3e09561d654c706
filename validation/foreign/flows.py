"""Money that moves without a fill, booked as the ledger event of its kind."""

from tieout.ledger.books.arrays import Books
from tieout.ledger.books.chart import CASH, WITHHOLDING_TAX
from tieout.ledger.books.events import (
    borrow_fee,
    borrow_fee_payment,
    deposit,
    dividend,
    dividend_on_short,
    dividend_on_short_payment,
    dividend_payment,
    interest,
    interest_payment,
    margin_interest,
    margin_interest_payment,
    perpetual_funding,
    withdrawal,
)
from tieout.ledger.books.kinds import KIND, Kind
from tieout.ledger.books.posting import move
from tieout.validation.foreign.compiled import inlined

FEE, TAX, OTHER = 1001, 1002, 1003
"""Kinds without a ledger event: a fee apart from fills, a tax, and money of unspecified kind."""
EXTRA_ACCOUNTS = ("Expenses:Fees", "Income:Unspecified", "Expenses:Unspecified")
"""Accounts for fees and unspecified money. For taxes every chart has an account."""

_GENERAL, _DEPOSIT, _WITHDRAWAL = int(Kind.GENERAL), int(Kind.DEPOSIT), int(Kind.WITHDRAWAL)
_DIVIDEND, _ON_SHORT = int(Kind.DIVIDEND), int(Kind.DIVIDEND_ON_SHORT)
_INTEREST, _MARGIN_INTEREST = int(Kind.INTEREST), int(Kind.MARGIN_INTEREST)


@inlined
def kind_booked(kind: int, payment: int) -> int:
    """Return the transaction kind of a charge. *payment* is below zero if money is received."""
    if kind >= FEE:
        return _GENERAL
    if kind in (_DEPOSIT, _WITHDRAWAL):
        return _DEPOSIT if payment < 0 else _WITHDRAWAL
    if kind in (_DIVIDEND, _ON_SHORT):
        return _DIVIDEND if payment < 0 else _ON_SHORT
    if kind == KIND.PERPETUAL_FUNDING:
        return KIND.PERPETUAL_FUNDING
    if payment < 0:
        return _INTEREST
    return _MARGIN_INTEREST if kind == _INTEREST else kind


@inlined
def book_charge(
    books: Books, extra_accounts: tuple[int, int, int], kind: int, commodity: int, payment: int
) -> None:
    """Post a charge of *kind*, accrued and paid at once. *extra_accounts* are the `EXTRA_ACCOUNTS`."""
    money = 0
    cash = books.commodities[money].first + CASH
    event = kind_booked(kind, payment)
    if kind == FEE:
        move(books, extra_accounts[0], cash, payment)
    elif kind == TAX:
        move(books, books.commodities[money].first + WITHHOLDING_TAX, cash, payment)
    elif kind == OTHER:
        move(books, extra_accounts[1] if payment < 0 else extra_accounts[2], cash, payment)
    elif event == _DEPOSIT:
        deposit(books, money, -payment)
    elif event == _WITHDRAWAL:
        withdrawal(books, money, payment)
    elif event == _DIVIDEND:
        dividend(books, max(commodity, 0), -payment)
        dividend_payment(books, money, -payment, 0)
    elif event == _ON_SHORT:
        dividend_on_short(books, max(commodity, 0), payment)
        dividend_on_short_payment(books, money, payment)
    elif event == KIND.PERPETUAL_FUNDING:
        perpetual_funding(books, money, -payment)
    elif event == _INTEREST:
        interest(books, money, -payment)
        interest_payment(books, money, -payment)
    elif event == _MARGIN_INTEREST:
        margin_interest(books, money, payment)
        margin_interest_payment(books, money, payment)
    else:
        borrow_fee(books, money, payment)
        borrow_fee_payment(books, money, payment)

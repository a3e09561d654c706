"""Money that moves without a fill, as the events of the ledger that say why."""

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
from tieout.ledger.books.kinds import Kind
from tieout.ledger.books.posting import move
from tieout.validation.foreign.compiled import leaf

FEE, TAX, OTHER = 1001, 1002, 1003
"""What the ledger has no event for: a fee that is of no fill, a tax, and what nobody says the kind of."""
OWN_ACCOUNTS = ("Expenses:Fees", "Income:Unspecified", "Expenses:Unspecified")
"""Where that goes, but for a tax, which has an account in every chart."""

_GENERAL, _DEPOSIT, _WITHDRAWAL = int(Kind.GENERAL), int(Kind.DEPOSIT), int(Kind.WITHDRAWAL)
_DIVIDEND, _ON_SHORT = int(Kind.DIVIDEND), int(Kind.DIVIDEND_ON_SHORT)
_INTEREST, _MARGIN_INTEREST = int(Kind.INTEREST), int(Kind.MARGIN_INTEREST)
_FUNDING = int(Kind.PERPETUAL_FUNDING)


@leaf
def kind_booked(kind: int, paid: int) -> int:
    """The kind of transaction of a charge; *paid* is below zero where money is received."""
    if kind >= FEE:
        return _GENERAL
    if kind in (_DEPOSIT, _WITHDRAWAL):
        return _DEPOSIT if paid < 0 else _WITHDRAWAL
    if kind in (_DIVIDEND, _ON_SHORT):
        return _DIVIDEND if paid < 0 else _ON_SHORT
    if kind == _FUNDING:
        return _FUNDING
    if paid < 0:
        return _INTEREST
    return _MARGIN_INTEREST if kind == _INTEREST else kind


@leaf
def book_charge(books: Books, own: tuple[int, int, int], kind: int, commodity: int, paid: int) -> None:
    """The transfers of a charge of *kind*, accrued and paid at once; *own* are the `OWN_ACCOUNTS`."""
    money = 0
    cash = books.commodities[money].first + CASH
    booked = kind_booked(kind, paid)
    if kind == FEE:
        move(books, own[0], cash, paid)
    elif kind == TAX:
        move(books, books.commodities[money].first + WITHHOLDING_TAX, cash, paid)
    elif kind == OTHER:
        move(books, own[1] if paid < 0 else own[2], cash, paid)
    elif booked == _DEPOSIT:
        deposit(books, money, -paid)
    elif booked == _WITHDRAWAL:
        withdrawal(books, money, paid)
    elif booked == _DIVIDEND:
        dividend(books, max(commodity, 0), -paid)
        dividend_payment(books, money, -paid, 0)
    elif booked == _ON_SHORT:
        dividend_on_short(books, max(commodity, 0), paid)
        dividend_on_short_payment(books, money, paid)
    elif booked == _FUNDING:
        perpetual_funding(books, money, -paid)
    elif booked == _INTEREST:
        interest(books, money, -paid)
        interest_payment(books, money, -paid)
    elif booked == _MARGIN_INTEREST:
        margin_interest(books, money, paid)
        margin_interest_payment(books, money, paid)
    else:
        borrow_fee(books, money, paid)
        borrow_fee_payment(books, money, paid)

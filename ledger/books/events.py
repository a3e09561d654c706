"""The events of an investment account, each as the transfers that it causes.

`A <- B 10` reads: debit A, credit B, 10. Every function here is compiled and takes the books and integers. A
simulator calls it from its own loop, between `begin` and `commit`. From Python the same function is passed to
`Journal.post`, which turns symbols and decimals into those integers:

    journal.post("2024-01-03", buy, "ACME", quantity="10", gross="1000", fee="1")

The examples use an instrument ACME priced in USD. Where a fee is below zero it is a rebate: `Cash <-
Income:Rebates`. An event of a trade takes `settled`. If true, cash moves at once. If false (T+N),
`Payable:Trades` or `Receivable:Trades` moves in its place, until `pay_trades` or `receive_trades`.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tieout.ledger.books import chart
from tieout.ledger.books.arithmetic import less, share
from tieout.ledger.books.arrays import LONG, SHORT_SIDE, STATUS, Books
from tieout.ledger.books.bounds import MAX_AMOUNT
from tieout.ledger.books.compiled import entry
from tieout.ledger.books.kinds import KINDS, CurrencyNo, InstrumentNo, Kind, LotNo, Money, Units
from tieout.ledger.books.lots import (
    acquire,
    charge,
    give_up,
    move_in_lot,
    refuse_size,
    relieve,
    restrict,
    write_off,
)
from tieout.ledger.books.posting import held, move, refuse, transfer

P = ParamSpec("P")
R = TypeVar("R")


def event(kind: Kind) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile an event and register its kind."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        compiled = entry(function)
        KINDS[compiled] = kind
        return compiled

    return decorate


TRANSFERS_A_VALUATION = 2
"""Most transfers of a valuation: the allowances of a long and of a short position."""


# --- money in and out --------------------------------------------------------------------------------


@event(Kind.DEPOSIT)
def deposit(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Pay in money of the owner.

    Deposit 10,000: `Assets:Cash:USD <- Equity:Contributions` 10,000.
    """
    first = books.commodities[currency].first
    transfer(books, first + chart.CASH, first + chart.CONTRIBUTIONS, amount, -1)


@event(Kind.WITHDRAWAL)
def withdrawal(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Pay out money to the owner.

    Withdraw 500: `Equity:Contributions <- Assets:Cash:USD` 500.
    """
    first = books.commodities[currency].first
    transfer(books, first + chart.CONTRIBUTIONS, first + chart.CASH, amount, -1)


# --- trades ------------------------------------------------------------------------------------------


@event(Kind.BUY)
def buy(
    books: Books,
    instrument: InstrumentNo,
    quantity: Units,
    gross: Money,
    fee: Money = 0,
    settled: bool = True,
) -> None:
    """Acquire a lot of *quantity* for *gross*, and expense the fee. Refused while short.

    Buy 10 at 100, fee 1: `Assets:Positions:ACME <- Market:ACME` 10 ACME, `Assets:Positions:ACME <-
    Assets:Cash:USD` 1,000, `Expenses:Commissions <- Assets:Cash:USD` 1.
    """
    money = books.commodities[instrument].money
    paying = money + (chart.CASH if settled else chart.PAYABLE_TRADES)
    acquire(books, instrument, LONG, quantity, gross, paying)
    charge(books, money, fee, paying)


@event(Kind.SELL)
def sell(
    books: Books,
    instrument: InstrumentNo,
    quantity: Units,
    proceeds: Money,
    fee: Money = 0,
    settled: bool = True,
    lot: LotNo = -1,
) -> None:
    """Relieve lots in their order, or *lot* alone, and realize proceeds less cost, lot by lot.

    Sell 4 of a lot of 10 that cost 1,000, at 120, fee 1: `Market:ACME <- Assets:Positions:ACME` 4 ACME,
    `Assets:Cash:USD <- Assets:Positions:ACME` 480, `Assets:Positions:ACME <- Income:Realised:ACME` 80,
    `Expenses:Commissions <- Assets:Cash:USD` 1. At a loss the third is `Income:Realised:ACME <-
    Assets:Positions:ACME`. Either way the cost of the lot falls by 400. Several lots share the proceeds by
    units. The last takes the remainder.
    """
    money = books.commodities[instrument].money
    receiving = money + (chart.CASH if settled else chart.RECEIVABLE_TRADES)
    relieve(books, instrument, LONG, quantity, proceeds, receiving, lot)
    charge(books, money, fee, receiving)


@event(Kind.SHORT_SALE)
def short_sale(
    books: Books,
    instrument: InstrumentNo,
    quantity: Units,
    proceeds: Money,
    fee: Money = 0,
    settled: bool = True,
    restricted: bool = True,
) -> None:
    """Sell borrowed units, as a lot below zero. Its proceeds are restricted once they are cash.

    Short 10 at 100, fee 1: `Market:ACME <- Assets:Positions:ACME` 10 ACME, `Assets:Cash:USD <-
    Liabilities:Short:ACME` 1,000, `Assets:Margin:ShortProceeds:ACME <- Assets:Cash:USD` 1,000,
    `Expenses:Commissions <- Assets:Cash:USD` 1. Refused while long. With *settled* false the proceeds are
    `Assets:Receivable:Trades`, and `restrict_proceeds` follows `receive_trades`.
    """
    money = books.commodities[instrument].money
    receiving = money + (chart.CASH if settled else chart.RECEIVABLE_TRADES)
    acquire(books, instrument, SHORT_SIDE, quantity, proceeds, receiving)
    if settled and restricted:
        restrict(books, instrument, proceeds)
    charge(books, money, fee, receiving)


@event(Kind.COVER)
def cover(
    books: Books,
    instrument: InstrumentNo,
    quantity: Units,
    gross: Money,
    fee: Money = 0,
    settled: bool = True,
    lot: LotNo = -1,
) -> None:
    """Buy back units sold short, in the order of relief or *lot* alone. Releases their proceeds first.

    Cover 4 of a lot shorted as 10 for 1,000, at 90, fee 1: `Assets:Cash:USD <-
    Assets:Margin:ShortProceeds:ACME` 400, `Assets:Positions:ACME <- Market:ACME` 4 ACME,
    `Liabilities:Short:ACME <- Assets:Cash:USD` 360, `Liabilities:Short:ACME <- Income:Realised:ACME` 40,
    `Expenses:Commissions <- Assets:Cash:USD` 1. At a loss the fourth is the other way round.
    """
    money = books.commodities[instrument].money
    paying = money + (chart.CASH if settled else chart.PAYABLE_TRADES)
    relieve(books, instrument, SHORT_SIDE, quantity, gross, paying, lot)
    charge(books, money, fee, paying)


@event(Kind.FLIP)
def flip(
    books: Books,
    instrument: InstrumentNo,
    quantity: Units,
    gross: Money,
    fee: Money = 0,
    settled: bool = True,
) -> None:
    """Trade through zero: close all of one side and open the rest on the other, in one transaction.

    *quantity* is the whole trade, below zero for a sale. *gross* is shared by units, and the opening part
    takes the remainder. Long 10, sell 15 for 1,500 (`quantity` -15): the sale of 10 for 1,000, then the
    short sale of 5 for 500. A trade that does not pass through zero only closes or only opens.
    """
    money = books.commodities[instrument].money
    have = books.accounts[books.commodities[instrument].first + chart.UNITS].balance
    size = abs(quantity)
    side = LONG if quantity > 0 else SHORT_SIDE
    closing = min(abs(have), size) if have * side < 0 else 0
    due = chart.PAYABLE_TRADES if side == LONG else chart.RECEIVABLE_TRADES
    account = money + (chart.CASH if settled else due)
    if size == 0 or gross < 0:
        refuse_size(books, instrument, size, gross)
        return
    part = share(gross, closing, size)
    if closing > 0:
        relieve(books, instrument, -side, closing, part, account, -1)
    if size > closing:
        acquire(books, instrument, side, size - closing, gross - part, account)
        if side != LONG and settled:
            restrict(books, instrument, gross - part)
    charge(books, money, fee, account)


@event(Kind.PAY_TRADES)
def pay_trades(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Settle purchases.

    Pay 1,001 due: `Liabilities:Payable:Trades <- Assets:Cash:USD` 1,001.
    """
    first = books.commodities[currency].first
    transfer(books, first + chart.PAYABLE_TRADES, first + chart.CASH, amount, -1)


@event(Kind.RECEIVE_TRADES)
def receive_trades(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Settle sales. *amount* is below zero where fees exceeded the proceeds.

    Receive 479 due: `Assets:Cash:USD <- Assets:Receivable:Trades` 479.
    """
    first = books.commodities[currency].first
    move(books, first + chart.CASH, first + chart.RECEIVABLE_TRADES, amount)


@event(Kind.RESTRICTION)
def restrict_proceeds(books: Books, instrument: InstrumentNo, amount: Money) -> None:
    """Restrict the settled proceeds of a short sale, up to the part that is still open.

    Of 1,000 received, nothing covered yet: `Assets:Margin:ShortProceeds:ACME <- Assets:Cash:USD` 1,000.
    """
    first = books.commodities[instrument].first
    if amount <= 0:
        refuse(books.state[0], STATUS.NOT_POSITIVE, first + chart.SHORT_PROCEEDS, amount)
        return
    unrestricted = (
        -books.accounts[first + chart.SHORT].balance - books.accounts[first + chart.SHORT_PROCEEDS].balance
    )
    restrict(books, instrument, min(amount, unrestricted))


@event(Kind.DELISTING)
def delisting(books: Books, instrument: InstrumentNo, amount: Money) -> None:
    """Close the whole position for *amount*, which may be 0, without a fee.

    10 held at a cost of 1,000, delisted at 3: as a sale of 10 for 30, at a loss of 970. As after any sale,
    a valuation allowance stays until the next `valuation`, which is to 0 once the position is flat.
    """
    have = books.accounts[books.commodities[instrument].first + chart.UNITS].balance
    give_up(books, instrument, abs(have), amount)


# --- borrowing and margin ------------------------------------------------------------------------------


@event(Kind.BORROW)
def borrow(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Draw on the margin loan.

    Borrow 2,000: `Assets:Cash:USD <- Liabilities:MarginLoan:USD` 2,000.
    """
    first = books.commodities[currency].first
    transfer(books, first + chart.CASH, first + chart.MARGIN_LOAN, amount, -1)


@event(Kind.REPAY)
def repay(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Repay the margin loan.

    Repay 2,000: `Liabilities:MarginLoan:USD <- Assets:Cash:USD` 2,000.
    """
    first = books.commodities[currency].first
    transfer(books, first + chart.MARGIN_LOAN, first + chart.CASH, amount, -1)


@event(Kind.MARGIN_REQUIREMENT)
def margin_requirement(books: Books, currency: CurrencyNo, requirement: Money) -> None:
    """Set the margin requirement to *requirement*. A memo: no cash moves.

    From 500 to 800: `Memo:Margin:Required <- Memo:Margin:Contra` 300.
    """
    first = books.commodities[currency].first
    change = less(requirement, books.accounts[first + chart.MARGIN_REQUIRED].balance)
    move(books, first + chart.MARGIN_REQUIRED, first + chart.MARGIN_CONTRA, change)


# --- corporate actions -------------------------------------------------------------------------------


@event(Kind.DIVIDEND)
def dividend(books: Books, instrument: InstrumentNo, amount: Money) -> None:
    """Earn a dividend on the ex date. It is not paid yet.

    0.50 on 10 held: `Assets:Receivable:Dividends <- Income:Dividends` 5.
    """
    money = books.commodities[instrument].money
    transfer(books, money + chart.RECEIVABLE_DIVIDENDS, money + chart.DIVIDENDS, amount, -1)


@event(Kind.DIVIDEND_PAYMENT)
def dividend_payment(books: Books, currency: CurrencyNo, amount: Money, tax: Money = 0) -> None:
    """Receive a dividend on its pay date: *amount* before the *tax* withheld from it.

    5 due, 0.75 withheld: `Assets:Cash:USD <- Assets:Receivable:Dividends` 4.25, `Expenses:WithholdingTax <-
    Assets:Receivable:Dividends` 0.75.
    """
    first = books.commodities[currency].first
    if tax < 0 or amount <= 0:
        refuse(books.state[0], STATUS.NOT_POSITIVE, first + chart.RECEIVABLE_DIVIDENDS, min(amount, tax))
        return
    move(books, first + chart.CASH, first + chart.RECEIVABLE_DIVIDENDS, amount - tax)
    move(books, first + chart.WITHHOLDING_TAX, first + chart.RECEIVABLE_DIVIDENDS, tax)


@event(Kind.DIVIDEND_ON_SHORT)
def dividend_on_short(books: Books, instrument: InstrumentNo, amount: Money) -> None:
    """Owe a dividend to the lender of units sold short, on the ex date.

    0.50 on 10 short: `Expenses:DividendsOnShorts <- Liabilities:Payable:Dividends` 5.
    """
    money = books.commodities[instrument].money
    transfer(books, money + chart.DIVIDENDS_ON_SHORTS, money + chart.PAYABLE_DIVIDENDS, amount, -1)


@event(Kind.DIVIDEND_ON_SHORT_PAYMENT)
def dividend_on_short_payment(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Pay a dividend to the lender of units sold short, on the pay date.

    5 due: `Liabilities:Payable:Dividends <- Assets:Cash:USD` 5.
    """
    first = books.commodities[currency].first
    transfer(books, first + chart.PAYABLE_DIVIDENDS, first + chart.CASH, amount, -1)


@event(Kind.SPLIT)
def split(books: Books, instrument: InstrumentNo, numerator: int, denominator: int) -> None:
    """Split into *numerator* new units for each *denominator* old ones, lot by lot. Cost stays.

    2:1 on a lot of 10: `Assets:Positions:ACME <- Market:ACME` 10 ACME. 1:2 is the other way round, 5 ACME.
    Only the position is rounded down at the commodity's scale: with its first k lots in the order of relief a
    position has the units that they make together. A lot left without a unit realizes its cost. To arrive at
    whole shares, give up the fraction with `cash_in_lieu` after it in the same transaction.
    """
    first = books.commodities[instrument].first
    if numerator <= 0 or denominator <= 0:
        refuse(books.state[0], STATUS.NOT_POSITIVE, first + chart.UNITS, min(numerator, denominator))
        return
    for side in (LONG, SHORT_SIDE):
        slot = books.queues[2 * instrument + (side != LONG)].head
        total, before = 0, 0  # of the lots so far: the old units, and the new ones
        while slot >= 0:
            lot = books.lots[slot]
            have = abs(lot.quantity)
            total += have  # within the position, and so within 64 bits
            whole = total // denominator
            if whole > MAX_AMOUNT // numerator - 1:
                refuse(books.state[0], STATUS.OUT_OF_RANGE, first + chart.UNITS, have)
                return
            # total * n / d without overflow, as total = whole * d + rest and rest * n / d < n.
            rest = total - whole * denominator
            after = whole * numerator + share(numerator, rest, denominator)
            units = after - before
            before = after
            move_in_lot(books, slot, first + chart.UNITS, first + chart.MARKET, side * (units - have))
            if units == 0:
                write_off(books, instrument, slot)
            slot = lot.next


@event(Kind.CASH_IN_LIEU)
def cash_in_lieu(books: Books, instrument: InstrumentNo, quantity: Units, amount: Money) -> None:
    """Give up a fraction of a unit for cash, from the lot that relief takes first, without a fee.

    0.5 for 25: as a sale of 0.5 for 25, or its cover where the position is short.
    """
    give_up(books, instrument, quantity, amount)


# --- financing ---------------------------------------------------------------------------------------


@event(Kind.BORROW_FEE)
def borrow_fee(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Accrue a day's fee for borrowed units.

    0.12: `Expenses:BorrowFees <- Liabilities:Accrued:BorrowFees` 0.12.
    """
    first = books.commodities[currency].first
    transfer(books, first + chart.BORROW_FEES, first + chart.ACCRUED_BORROW_FEES, amount, -1)


@event(Kind.BORROW_FEE_PAYMENT)
def borrow_fee_payment(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Pay accrued borrow fees.

    3.60: `Liabilities:Accrued:BorrowFees <- Assets:Cash:USD` 3.60.
    """
    first = books.commodities[currency].first
    transfer(books, first + chart.ACCRUED_BORROW_FEES, first + chart.CASH, amount, -1)


@event(Kind.MARGIN_INTEREST)
def margin_interest(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Accrue interest on the margin loan.

    0.30: `Expenses:MarginInterest <- Liabilities:Accrued:Interest` 0.30.
    """
    first = books.commodities[currency].first
    transfer(books, first + chart.MARGIN_INTEREST, first + chart.ACCRUED_INTEREST, amount, -1)


@event(Kind.MARGIN_INTEREST_PAYMENT)
def margin_interest_payment(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Pay accrued margin interest.

    9: `Liabilities:Accrued:Interest <- Assets:Cash:USD` 9.
    """
    first = books.commodities[currency].first
    transfer(books, first + chart.ACCRUED_INTEREST, first + chart.CASH, amount, -1)


@event(Kind.INTEREST)
def interest(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Accrue interest earned on cash.

    0.20: `Assets:Receivable:Interest <- Income:Interest` 0.20.
    """
    first = books.commodities[currency].first
    transfer(books, first + chart.RECEIVABLE_INTEREST, first + chart.INTEREST, amount, -1)


@event(Kind.INTEREST_PAYMENT)
def interest_payment(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Receive accrued interest.

    6: `Assets:Cash:USD <- Assets:Receivable:Interest` 6.
    """
    first = books.commodities[currency].first
    transfer(books, first + chart.CASH, first + chart.RECEIVABLE_INTEREST, amount, -1)


@event(Kind.PERPETUAL_FUNDING)
def perpetual_funding(books: Books, currency: CurrencyNo, amount: Money) -> None:
    """Settle the funding of a perpetual future: received above zero, paid below.

    Pay 2 (`amount` -2): `Expenses:Funding <- Assets:Cash:USD` 2. Receive 2: `Assets:Cash:USD <-
    Income:Funding` 2.
    """
    first = books.commodities[currency].first
    if amount > 0:
        transfer(books, first + chart.CASH, first + chart.FUNDING_RECEIVED, amount, -1)
    else:
        transfer(books, first + chart.FUNDING_PAID, first + chart.CASH, -amount, -1)


# --- futures -----------------------------------------------------------------------------------------


@event(Kind.FUTURES_OPEN)
def futures_open(
    books: Books,
    instrument: InstrumentNo,
    quantity: Units,
    margin: Money,
    fee: Money = 0,
) -> None:
    """Open or add to a futures position, below zero for short, and set its initial margin aside.

    A contract has no cost and therefore no lot. Its gain is variation margin. Buy 2, margin 1,000 each, fee
    4: `Assets:Positions:ES <- Market:ES` 2 ES, `Expenses:Commissions <- Assets:Cash:USD` 4,
    `Assets:Margin:Futures:ES <- Assets:Cash:USD` 2,000.
    """
    first = books.commodities[instrument].first
    money = books.commodities[instrument].money
    have = books.accounts[first + chart.UNITS].balance
    if quantity == 0:
        refuse(books.state[0], STATUS.NOT_POSITIVE, first + chart.UNITS, quantity)
        return
    if margin < 0:
        refuse(books.state[0], STATUS.NOT_POSITIVE, first + chart.FUTURES_MARGIN, margin)
        return
    in_lots = held(books, instrument, LONG) or held(books, instrument, SHORT_SIDE)
    if in_lots or (have < 0 < quantity) or (quantity < 0 < have):
        refuse(books.state[0], STATUS.OPPOSITE_POSITION, first + chart.UNITS, have)
        return
    move(books, first + chart.UNITS, first + chart.MARKET, quantity)
    charge(books, money, fee, money + chart.CASH)
    move(books, first + chart.FUTURES_MARGIN, money + chart.CASH, margin)


@event(Kind.VARIATION_MARGIN)
def variation_margin(books: Books, instrument: InstrumentNo, gain: Money) -> None:
    """Settle a change in the value of a futures position in cash. A loss is below zero.

    Gain 150: `Assets:Cash:USD <- Income:Futures:VariationMargin` 150. A loss is the other way round.
    """
    money = books.commodities[instrument].money
    move(books, money + chart.CASH, money + chart.VARIATION_MARGIN, gain)


@event(Kind.FUTURES_CLOSE)
def futures_close(
    books: Books,
    instrument: InstrumentNo,
    quantity: Units,
    gain: Money,
    fee: Money = 0,
) -> None:
    """Close *quantity* (without sign) of a futures position: last variation margin, then release of margin.

    Close 1 of 2 with a last gain of 30, fee 2: `Assets:Cash:USD <- Income:Futures:VariationMargin` 30,
    `Market:ES <- Assets:Positions:ES` 1 ES, `Expenses:Commissions <- Assets:Cash:USD` 2,
    `Assets:Cash:USD <- Assets:Margin:Futures:ES` 1,000.
    """
    first = books.commodities[instrument].first
    money = books.commodities[instrument].money
    have = books.accounts[first + chart.UNITS].balance
    if quantity <= 0:
        refuse(books.state[0], STATUS.NOT_POSITIVE, first + chart.UNITS, quantity)
        return
    if quantity > abs(have) or held(books, instrument, LONG) or held(books, instrument, SHORT_SIDE):
        refuse(books.state[0], STATUS.INSUFFICIENT_LOTS, first + chart.UNITS, abs(have))
        return
    move(books, money + chart.CASH, money + chart.VARIATION_MARGIN, gain)
    move(books, first + chart.MARKET, first + chart.UNITS, quantity if have > 0 else -quantity)
    charge(books, money, fee, money + chart.CASH)
    release = share(books.accounts[first + chart.FUTURES_MARGIN].balance, quantity, abs(have))
    move(books, money + chart.CASH, first + chart.FUTURES_MARGIN, release)


# --- the rest ----------------------------------------------------------------------------------------


@event(Kind.FX_TRADE)
def fx_trade(
    books: Books, buy_currency: CurrencyNo, amount: Money, sell_currency: CurrencyNo, price: Money
) -> None:
    """Buy *amount* of one currency for *price* in another. Each side is balanced in its own commodity.

    Buy 100 EUR for 110 USD: `Assets:Cash:EUR <- Trading:FX:EUR` 100 EUR, `Trading:FX:USD <-
    Assets:Cash:USD` 110 USD.
    """
    to, of = books.commodities[buy_currency].first, books.commodities[sell_currency].first
    if to == of:
        refuse(books.state[0], STATUS.SAME_ACCOUNT, to + chart.CASH, amount)
        return
    transfer(books, to + chart.CASH, to + chart.FX, amount, -1)
    transfer(books, of + chart.FX, of + chart.CASH, price, -1)


@event(Kind.VALUATION)
def valuation(books: Books, instrument: InstrumentNo, market_value: Money) -> None:
    """Carry the position at *market_value* (below zero when short) through its valuation allowance.

    Cost 1,000, worth 1,150, allowance 100 so far: `Assets:Positions:ACME:Valuation <-
    Income:Unrealised:ACME` 50.
    """
    first = books.commodities[instrument].first
    cost = books.accounts[first + chart.COST].balance
    liability = books.accounts[first + chart.SHORT].balance
    short = books.accounts[first + chart.UNITS].balance < 0
    gain_long = less(
        0 if short else less(market_value, cost), books.accounts[first + chart.VALUATION].balance
    )
    gain_short = less(
        less(market_value, liability) if short else 0, books.accounts[first + chart.SHORT_VALUATION].balance
    )
    move(books, first + chart.VALUATION, first + chart.UNREALIZED, gain_long)
    move(books, first + chart.SHORT_VALUATION, first + chart.UNREALIZED, gain_short)

"""A journal with every event of the ledger, drawn at random. The same seed gives the same journal.

The account and its prices are fictitious. Every event occurs, on long and short lots, in two currencies, on
instruments whose names are hard for other programs.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import (
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
    flip,
    futures_close,
    futures_open,
    fx_trade,
    interest,
    interest_payment,
    margin_interest,
    margin_interest_payment,
    margin_requirement,
    pay_trades,
    perpetual_funding,
    receive_trades,
    repay,
    restrict_proceeds,
    sell,
    short_sale,
    split,
    valuation,
    variation_margin,
    withdrawal,
)
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal

FUTURE = instrument("ES", scale=0, multiplier=50)
SHARES = (
    instrument("ACME"),
    instrument("BRK.B", scale=0),
    instrument("brk.b", scale=3),
    instrument("BTC-USD"),
    instrument("BTC--USD"),
    instrument("V", scale=0),
    instrument("E", scale=2),
    instrument("e5", scale=2),
    instrument("1INCH", scale=12),
    instrument("TRUE", scale=4),
    instrument("X'ZTRUE", scale=4),
    instrument("X-Zbrk-2EZb", scale=3),
    instrument("BRK B", scale=1),
    instrument("BTC/USDT:USDT", scale=8),
    instrument("%;\\2EZ'", scale=4),
    instrument("Müller&Söhne", currency="EUR", scale=0),
    instrument("7203.T", currency="EUR", scale=3),
    instrument("A-VERY-LONG-NAME-OF-A-STRUCTURED-NOTE-DUE-2049/12.5%", currency="EUR"),
)
SPLITS = ((2, 1), (3, 2), (7, 5), (1, 3), (1, 10))
NOTES = ("", "", "", 'said "now"', "half; the rest later", "a \\ b | c", "zwei\nZeilen", " 100 % ")
TRADES = ("add",) * 6 + ("reduce",) * 5 + ("flip",)
CENT = Decimal("0.01")


def sample(path: Path, transactions: int, seed: int = 1, relief: str = "fifo") -> None:
    """Write a journal of at least *transactions* transactions to *path*."""
    run = Run(seed=seed, policies=Policies(relief=relief, block_transfers=20_000))
    with Journal.create(path, [currency("USD"), currency("EUR", 2), FUTURE, *SHARES], run) as journal:
        year = Year(journal, Random(seed))
        while year.count < transactions:
            year.advance()
        year.end()


class Year:
    """An account through the years: its next actions, and the payments that fall due."""

    def __init__(self, journal: Journal, random: Random) -> None:
        self.journal = journal
        self.random = random
        self.now = datetime(2019, 12, 27, 9)  # noqa: DTZ001  the journal takes it as UTC
        self.count = 0
        self.due: list[tuple[datetime, Callable[[], None]]] = []
        journal.open_account("Expenses:Fees:data feed")
        journal.open_account("Equity:Market:ours")
        for money in ("USD", "EUR"):
            self.post(deposit, money, 100_000_000)
        self.actions: dict[Callable[[], None], int] = {
            self.trade: 60,
            self.correct: 2,
            self.pay_dividend: 6,
            self.split: 2,
            self.delist: 1,
            self.change_money: 4,
            self.trade_futures: 8,
            self.finance: 8,
            self.deposit_or_withdraw: 2,
            self.transfer: 2,
        }

    # --- time --------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Let some time pass, settle the payments that are due, and perform one action."""
        before = self.now
        self.now += timedelta(minutes=self.random.choice((0, 1, 30, 300, 1_000)))
        if self.now.month != before.month:
            self.value()
        if self.now.year != before.year:
            self.journal.close_year(self.now)
            self.count += 1
        for item in [item for item in self.due if item[0] <= self.now]:
            self.due.remove(item)
            item[1]()
        self.random.choices(list(self.actions), list(self.actions.values()))[0]()

    def end(self) -> None:
        """Value every position. Unsettled trades stay payable and receivable."""
        self.now += timedelta(days=1)
        self.value()

    def later(self, event: Callable[..., None], *args: object) -> None:
        """Post an event some days from now."""
        when = self.now + timedelta(days=self.random.randint(1, 3))
        self.due.append((when, lambda: self.post(event, *args)))

    def post(self, event: Callable[..., None], *args: object, **kwargs: object) -> None:
        """Post an event now, with or without a note."""
        self.journal.post(self.now, event, *args, note=self.random.choice(NOTES), **kwargs)
        self.count += 1

    # --- amounts and quantities -----------------------------------------------------------------------

    def money(self, most: int) -> Decimal:
        """Draw an amount in cents, which both currencies have."""
        return self.random.randint(1, 100 * most) * CENT

    def share(self) -> str:
        """Draw an instrument with lots."""
        return self.random.choice(SHARES).symbol

    def quantity(self, symbol: str) -> Decimal:
        """Draw a quantity, sometimes at the finest scale."""
        commodity = self.journal.commodities[self.journal.commodities.instrument(symbol)]
        finest = self.random.randint(1, 10 ** min(commodity.scale + 2, 14))
        return max(
            self.random.choice((Decimal(self.random.randint(1, 90)), commodity.decimal(finest))),
            Decimal("0.5").quantize(commodity.decimal(1), "ROUND_UP"),
        )

    def position(self, symbol: str) -> Decimal:
        """Return the position, below zero when short."""
        return self.journal.balance(f"Assets:Positions:{symbol}", symbol)

    def part(self, whole: Decimal) -> Decimal:
        """Draw a part of *whole*, all of it one time in five."""
        share = self.random.choice((1, 5, 9, 20, 50))
        return (whole / share).quantize(whole, "ROUND_UP")

    def worth(self, symbol: str, quantity: Decimal) -> Decimal:
        """Return the market value of *quantity* at a new random price, without sign."""
        return abs(self.journal.notional(symbol, quantity, 5 + 200 * self.random.random()))

    def currency(self, symbol: str) -> str:
        """Return the currency in which an instrument is priced."""
        return self.journal.commodities[self.journal.commodities.instrument(symbol)].currency

    # --- trades --------------------------------------------------------------------------------------

    def trade(self) -> None:
        """Buy, sell, short, cover or flip, settled at once or some days later."""
        symbol = self.share()
        have, wish = self.position(symbol), self.quantity(symbol)
        action = self.random.choice(TRADES if have else ("buy", "short"))
        settled, fee = self.random.random() < 0.7, self.random.choice((Decimal(0), self.money(5), -CENT))
        buying = (have > 0) == (action == "add") if have else action == "buy"
        if action == "flip":
            size = abs(have) + wish
            gross = self.worth(symbol, size)
            self.post(flip, symbol, size if buying else -size, gross, fee, settled)
        elif action == "reduce":
            size = self.part(abs(have))
            gross = self.worth(symbol, size)
            self.post(cover if buying else sell, symbol, size, gross, fee, settled)
        else:
            gross = self.worth(symbol, wish)
            self.post(buy if buying else short_sale, symbol, wish, gross, fee, settled)
        if not settled:
            self.settle_later(symbol, buying=buying, amount=gross + fee if buying else gross - fee)

    def settle_later(self, symbol: str, *, buying: bool, amount: Decimal) -> None:
        """Pay or receive some days from now, and restrict the proceeds of a short that is still open then."""
        money = self.currency(symbol)
        self.later(pay_trades if buying else receive_trades, money, amount)
        when, receive = self.due.pop()

        def then() -> None:
            receive()
            owed = -self.journal.balance(f"Liabilities:Short:{symbol}", money)
            free = owed - self.journal.balance(f"Assets:Margin:ShortProceeds:{symbol}", money)
            if not buying and free > 0:
                self.post(restrict_proceeds, symbol, free)

        self.due.append((when, then))

    def correct(self) -> None:
        """Buy at a wrong price, reverse the transaction, and buy at the right price."""
        symbol = self.share()
        if self.position(symbol) >= 0:
            size = self.quantity(symbol)
            wrong, right = self.worth(symbol, size), self.worth(symbol, size)
            number = self.journal.post(self.now, buy, symbol, size, wrong, CENT)
            self.journal.reverse(number, self.now)
            self.post(buy, symbol, size, right, CENT)
            self.count += 2

    # --- corporate actions -----------------------------------------------------------------------------

    def pay_dividend(self) -> None:
        """Book a dividend on a long position, or one owed on a short position, to be paid some days later."""
        symbol, amount = self.share(), self.money(500)
        money = self.currency(symbol)
        if self.position(symbol) > 0:
            self.post(dividend, symbol, amount)
            self.later(dividend_payment, money, amount, (amount / 7).quantize(CENT))
        elif self.position(symbol) < 0:
            self.post(dividend_on_short, symbol, amount)
            self.later(dividend_on_short_payment, money, amount)

    def split(self) -> None:
        """Split a position, and exchange the fraction of a unit for cash in the same transaction."""
        symbol, (new, old) = self.share(), self.random.choice(SPLITS)
        books, number = self.journal.books, self.journal.commodities.instrument(symbol)
        is_its_lot = (books.lots["id"] >= 0) & (books.lots["queue"] // 2 == number)
        lots = [abs(int(quantity)) * new // old for quantity in books.lots["quantity"][is_its_lot]]
        commodity = self.journal.commodities[number]
        after = commodity.decimal(sum(lots))
        if lots and 1 <= after < 1_000_000:
            with self.journal.transaction(self.now, note=f"{new}:{old}") as transaction:
                transaction.book(split, symbol, new, old)
                if fraction := after % 1:
                    transaction.book(cash_in_lieu, symbol, fraction, self.worth(symbol, fraction))
            self.count += 1

    def delist(self) -> None:
        """End a position, at a price or worthless."""
        symbol = self.share()
        if have := self.position(symbol):
            self.post(delisting, symbol, self.random.choice((Decimal(0), self.worth(symbol, have))))

    # --- money ---------------------------------------------------------------------------------------

    def change_money(self) -> None:
        """Exchange one currency for the other."""
        bought, sold = self.random.sample(("USD", "EUR"), 2)
        self.post(fx_trade, bought, self.money(10_000), sold, self.money(10_000))

    def trade_futures(self) -> None:
        """Open a position, settle the variation margin, or close it."""
        have = self.position("ES")
        contracts, gain = self.random.randint(1, 9), self.money(2_000) - 1_000
        action = self.random.choice(("open", "gain", "close"))
        if action == "close" and have:
            self.post(futures_close, "ES", min(abs(have), contracts), gain, fee=2)
        elif action == "gain" and have and gain:
            self.post(variation_margin, "ES", gain)
        else:
            sign = (1 if have > 0 else -1) if have else self.random.choice((1, -1))
            self.post(futures_open, "ES", sign * contracts, margin=1_000 * contracts, fee=2)

    def finance(self) -> None:
        """Book loans, interest, borrow fees, funding and the margin requirement."""
        money, amount = self.random.choice(("USD", "EUR")), self.money(300)
        owed = -self.journal.balance(f"Liabilities:MarginLoan:{money}", money)
        accruals = (
            (borrow_fee, borrow_fee_payment),
            (margin_interest, margin_interest_payment),
            (interest, interest_payment),
        )
        match self.random.randrange(5):
            case 0 if owed > 0:
                self.post(repay, money, self.part(owed))
            case 0 | 1:
                self.post(borrow, money, amount)
            case 2:
                self.post(perpetual_funding, money, self.random.choice((1, -1)) * amount)
            case 3 if amount != self.journal.balance("Memo:Margin:Required", money):
                self.post(margin_requirement, money, amount)
            case _:
                accrue, pay = self.random.choice(accruals)
                self.post(accrue, money, amount)
                self.later(pay, money, amount)

    def deposit_or_withdraw(self) -> None:
        """Deposit or withdraw cash."""
        event = self.random.choice((deposit, withdrawal))
        self.post(event, self.random.choice(("USD", "EUR")), self.money(5_000))

    def transfer(self) -> None:
        """Transfer between accounts that the user opened."""
        with self.journal.transaction(self.now, order_id=7, fill_id=8) as transaction:
            transaction.transfer("Expenses:Fees:data feed", "Assets:Cash:USD", self.money(90))
            transaction.transfer("Equity:Market:ours", "Equity:Contributions", self.money(9))
        self.count += 1

    def value(self) -> None:
        """Carry every position at its market value."""
        for share in SHARES:
            symbol = share.symbol
            if have := self.position(symbol):
                worth = self.worth(symbol, have)
                self.post(valuation, symbol, worth if have > 0 else -worth)

"""Commodities, and the precision to which each is counted: Decimal at the door, integers inside.

Every commodity keeps a fixed number of decimals, its *scale*. Inside the books an amount is a whole number
of units of ``10**-scale``. Nothing is rounded on the way in: an amount with more decimals is refused.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from copy import copy
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from numbers import Integral, Real
from typing import Literal, Self

from attrs import frozen

from tieout.ledger.books.bounds import MAX_AMOUNT
from tieout.ledger.errors import (
    AmountOutOfRange,
    FloatAmount,
    InexactAmount,
    InvalidCommodity,
    NotAnAmount,
    TieoutError,
    UnknownCommodity,
    UnknownInstrument,
)

MAX_SCALE = 12
LISTED = 8
"""Symbols that an error lists."""
DIGITS = 19
"""Digits of the largest amount."""
# Decimal rounds to the precision of the context that is set. This one rounds nothing.
EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
UNSTORABLE = re.compile("[\ud800-\udfff]")
AROUND = 20
"""Characters on either side of an unstorable one that an error quotes."""
SYMBOL = re.compile(r'[^\s"\x00-\x1f]+( [^\s"\x00-\x1f]+)*')
VALUATION = ":Valuation"
"""The end of the paths that carry the difference of market value and cost."""

COINS = frozenset(
    ["BTC", "XBT", "ETH", "BCH", "LTC", "BNB", "SOL", "XRP", "ADA", "DOT", "XMR", "ZEC", "AVAX"]
)
"""Currencies that are counted to eight decimals, the satoshi of bitcoin."""
# fmt: off
WITHOUT_MINOR_UNIT = frozenset([
    "BIF", "CLP", "DJF", "GNF", "IDR", "IRR", "ISK", "JPY", "KMF", "KRW", "LAK", "PYG", "RWF", "UGX", "UYI",
    "VND", "VUV", "XAF", "XOF", "XPF",
])
# fmt: on
"""Currencies without a minor unit, by ISO 4217, and three whose minor unit is not in use."""

Kind = Literal["currency", "instrument"]
Amount = Decimal | int | str
"""Money or a quantity as an argument: whole units or exact decimals, never a float."""


@frozen
class Commodity:
    """Something that is counted: money, or an instrument priced in money.

    *symbol* is any printable text without quotation marks, and without white space but single spaces between
    its words. Its parts between colons are not empty. An instrument may have the symbol of a currency.
    *multiplier* is the money that one unit is worth for each point of its price: 1 for shares, 50 for an
    E-mini future.
    """

    symbol: str
    kind: Kind
    scale: int
    currency: str
    multiplier: float = 1.0

    def __attrs_post_init__(self) -> None:
        # A symbol is a part of the paths of accounts, in which colons separate the parts.
        is_text = SYMBOL.fullmatch(text(self.symbol, InvalidCommodity)) and self.symbol.isprintable()
        if not is_text or not all(part.strip() == part != "" for part in self.symbol.split(":")):
            raise InvalidCommodity(
                f"symbol {self.symbol!r}: give a printable text without quotation marks, with colons and"
                " single spaces only between other characters"
            )
        if self.symbol.endswith(VALUATION):
            raise InvalidCommodity(
                f"symbol {self.symbol!r} ends like the account of an instrument's valuation; rename it"
            )
        if type(self.scale) is not int or not 0 <= self.scale <= MAX_SCALE:
            raise InvalidCommodity(f"{self.symbol}: scale {self.scale!r} is not in 0..{MAX_SCALE}")
        if not isinstance(self.multiplier, int | float) or not 0 < self.multiplier < float("inf"):
            raise InvalidCommodity(f"{self.symbol}: multiplier {self.multiplier!r} is not above zero")

    @property
    def is_currency(self) -> bool:
        """Check whether this is money."""
        return self.kind == "currency"

    def units(self, amount: Amount) -> int:
        """Return *amount* in whole units.

        Floats, too many decimals and amounts that int64 cannot hold are refused.
        """
        value = _exact(amount, self.symbol)
        scaled = value.scaleb(self.scale, EXACT)
        is_large = scaled.adjusted() >= DIGITS  # checked before it becomes an int of a million digits
        if is_large or abs(whole := int(scaled)) > MAX_AMOUNT:
            raise AmountOutOfRange(f"{amount} {self.symbol} does not fit into 64 bits at scale {self.scale}")
        if whole != scaled:
            raise InexactAmount(f"{amount} {self.symbol}: more than {self.scale} decimals")
        return whole

    def decimal(self, units: int) -> Decimal:
        """Return the exact amount of *units*, with all decimals of the scale."""
        return Decimal(int(units)).scaleb(-self.scale, EXACT)


def text(value: object, error: type[TieoutError]) -> str:
    """Return *value* if it is text that can be stored as UTF-8, or raise *error*."""
    if not isinstance(value, str):
        raise error(f"{value!r} is not text")
    if match := UNSTORABLE.search(value):
        around = value[max(0, match.start() - AROUND) : match.end() + AROUND]
        raise error(f"{around!r} holds the character {match[0]!r}, which cannot be stored")
    return value


def currency(symbol: str, scale: int | None = None) -> Commodity:
    """Return money with *scale* decimals.

    By default these are 8 for coins such as BTC, none for currencies without a minor unit such as JPY (ISO
    4217), and else 6, micro-dollars for USD.
    """
    usual = 8 if symbol in COINS else 0 if symbol in WITHOUT_MINOR_UNIT else 6
    return Commodity(symbol, "currency", usual if scale is None else scale, symbol)


def instrument(symbol: str, *, currency: str = "USD", scale: int = 8, multiplier: float = 1.0) -> Commodity:
    """Return an instrument that trades in *currency*, counted to *scale* decimals (default 8)."""
    return Commodity(symbol, "instrument", scale, currency, multiplier)


class Commodities:
    """The commodities of one set of books, numbered in the order in which they were declared."""

    def __init__(self, commodities: Iterable[Commodity] = ()) -> None:
        self._numbers: dict[Kind, dict[str, int]] = {"currency": {}, "instrument": {}}
        self._all: list[Commodity] = []
        self.moneys: list[int] = []
        """The number of the currency that each is priced in. A currency has its own number."""
        self._is_shared = False
        self.declare(*commodities)

    def copy(self) -> Self:
        """Return the same commodities for other books. A declaration to one does not reach the other."""
        self._is_shared = True  # of thousands, none is copied until one of the two declares another
        return copy(self)

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, number: int) -> Commodity:
        return self._all[number]

    def __iter__(self) -> Iterator[Commodity]:
        return iter(self._all)

    def since(self, number: int) -> Iterable[tuple[int, Commodity]]:
        """Number and commodity of each declared from *number* on."""
        return enumerate(self._all[number:], start=number)

    def declare(self, *commodities: Commodity) -> None:
        """Number further commodities. An instrument's currency comes before it."""
        if self._is_shared:
            self._numbers = {kind: dict(numbers) for kind, numbers in self._numbers.items()}
            self._all, self.moneys = list(self._all), list(self.moneys)
            self._is_shared = False
        declared, moneys = self._all, self.moneys
        money, priced_in = "", -1  # the latest currency: of thousands of instruments in a row
        for number, commodity in enumerate(commodities, start=len(declared)):
            if not isinstance(commodity, Commodity):
                raise InvalidCommodity(f"{commodity!r}: give currency(...) or instrument(...)")
            symbol, numbers = commodity.symbol, self._numbers[commodity.kind]
            if symbol in numbers:
                raise InvalidCommodity(f"{symbol} is declared already")
            if commodity.kind == "currency":
                money, priced_in = symbol, number
            elif commodity.currency != money:
                money, priced_in = commodity.currency, self.currency(commodity.currency)
            numbers[symbol] = number
            declared.append(commodity)
            moneys.append(priced_in)

    def numbers(self, symbols: Iterable[str]) -> list[int]:
        """Return the numbers of several instruments."""
        instruments = self._numbers["instrument"]
        try:
            return [instruments[symbol] for symbol in symbols]
        except (KeyError, TypeError):
            return [self.instrument(symbol) for symbol in symbols]  # raises, and names the symbol

    def number(self, symbol: str) -> int:
        """Return the number of *symbol*, of the currency where an instrument has the same symbol."""
        for numbers in self._numbers.values():
            with suppress(KeyError, TypeError):
                return numbers[symbol]
        raise UnknownCommodity(f"{symbol!r} is not declared; {self._declared()}")

    def instrument(self, symbol: str) -> int:
        """Return the number of *symbol*, which has to be an instrument."""
        with suppress(KeyError, TypeError):
            return self._numbers["instrument"][symbol]
        try:
            self.number(symbol)
        except UnknownCommodity as error:
            raise UnknownInstrument(str(error)) from None
        raise UnknownInstrument(f"{symbol!r} is a currency, not an instrument")

    def currency(self, symbol: str) -> int:
        """Return the number of *symbol*, which has to be a currency."""
        return self.money(self.number(symbol))

    def money(self, number: int) -> int:
        """Return *number*, which has to be that of a currency."""
        if not self._all[number].is_currency:
            raise UnknownCommodity(f"{self._all[number].symbol!r} is an instrument, not a currency")
        return number

    def _declared(self) -> str:
        """Return the first symbols, for an error."""
        if not self._all:
            return "none is"
        names, more = [c.symbol for c in self._all[:LISTED]], " ..." * (len(self._all) > LISTED)
        return f"known: {', '.join(names)}{more}"


def _exact(amount: object, symbol: str) -> Decimal:
    match amount:
        case bool():
            raise NotAnAmount(f"{amount!r} is not an amount of {symbol}")
        case Decimal():
            value = amount
        case str():
            try:
                # A comma separates thousands. Elsewhere it may be meant as the decimal point.
                value = Decimal(amount.replace(",", "") if GROUPED.fullmatch(amount.strip()) else amount)
            except InvalidOperation:
                raise NotAnAmount(f"{amount!r} is not an amount of {symbol}") from None
        case Integral():
            value = Decimal(int(amount))
        case Real():
            raise FloatAmount(f"{amount!r} {symbol} is a float; give text, a whole number or a Decimal")
        case _:
            raise NotAnAmount(f"{amount!r} is not an amount of {symbol}")
    if not value.is_finite():
        raise NotAnAmount(f"{amount!r} is not an amount of {symbol}")
    return value

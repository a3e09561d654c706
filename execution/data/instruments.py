"""What is traded, and in which quantities."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from attrs import field, frozen

from tieout.execution.errors import InvalidSetting
from tieout.ledger.books.commodity import DIGITS, MAX_SCALE, Commodity, instrument


def _positive(name: str, given: object) -> Decimal:
    try:
        size = Decimal(str(given))
    except InvalidOperation:
        size = Decimal(0)
    if not size.is_finite() or size <= 0:
        raise InvalidSetting(f"{name} {given!r} is not a quantity above zero")
    return size


def _step(given: str | int | Decimal) -> Decimal:
    return _positive("step", given)


def _lot(given: str | int | Decimal) -> Decimal:
    return _positive("lot", given)


@frozen
class Terms:
    """How one instrument is traded.

    Orders are multiples of *step*: ``"1"`` for whole shares, ``"0.00000001"`` for fractions. *lot* is what
    cutting to whole lots leaves. *multiplier* is money per unit and point of price. Quantities are kept to
    *scale* decimals.
    """

    step: Decimal = field(default=Decimal(1), converter=_step)
    lot: Decimal = field(default=Decimal(1), converter=_lot)
    scale: int = 8
    multiplier: float = 1.0

    def __attrs_post_init__(self) -> None:
        if type(self.scale) is not int or not 0 <= self.scale <= MAX_SCALE:
            raise InvalidSetting(f"scale {self.scale!r} is not a whole number in 0..{MAX_SCALE}")
        for name, size in (("step", self.step), ("lot", self.lot)):
            if size.adjusted() >= DIGITS:  # more than 64 bits hold, even without decimals
                raise InvalidSetting(f"{name} {size:e} is more than there can be of an instrument")
            if size.scaleb(self.scale) % 1:
                raise InvalidSetting(f"{name} {size} has more than {self.scale} decimals; raise the scale")
        if self.lot % self.step:
            raise InvalidSetting(f"a lot of {self.lot} is not a whole number of steps of {self.step}")

    @property
    def step_units(self) -> int:
        """The units of one step."""
        return int(self.step.scaleb(self.scale))

    @property
    def lot_units(self) -> int:
        """The units of one lot."""
        return int(self.lot.scaleb(self.scale))


WHOLE = Terms()
FRACTIONAL = Terms(step="0.00000001")


@frozen
class Instruments:
    """The terms of every instrument: *default* for all but those in *by_symbol*."""

    default: Terms = WHOLE
    by_symbol: Mapping[str, Terms] = field(factory=dict)

    def of(self, symbol: str) -> Terms:
        """The terms of one instrument."""
        return self.by_symbol.get(symbol, self.default)

    def columns(self, symbols: Sequence[str]) -> Iterator[tuple[Terms, slice | list[int]]]:
        """Terms, and the places in *symbols* of the instruments that they are of; later ones hold."""
        yield self.default, slice(None)
        if self.by_symbol:
            places: dict[Terms, list[int]] = {}
            for place, symbol in enumerate(symbols):
                if symbol in self.by_symbol:
                    places.setdefault(self.by_symbol[symbol], []).append(place)
            yield from places.items()

    def commodities(self, symbols: Iterable[str], currency: str) -> Iterator[Commodity]:
        """The instruments as the ledger declares them, in the order of *symbols*."""
        if unknown := self.by_symbol.keys() - set(symbols):
            raise InvalidSetting(f"terms for {', '.join(sorted(unknown))}, which the bars do not have")
        for symbol in symbols:
            terms = self.of(symbol)
            yield instrument(symbol, currency=currency, scale=terms.scale, multiplier=terms.multiplier)

    def spec(self) -> dict[str, Any]:
        """What is recorded of them."""
        return {
            "default": _spec(self.default),
            "by_symbol": {symbol: _spec(terms) for symbol, terms in sorted(self.by_symbol.items())},
        }


def _spec(terms: Terms) -> dict[str, Any]:
    return {
        "step": format(terms.step.normalize(), "f"),
        "lot": format(terms.lot.normalize(), "f"),
        "scale": terms.scale,
        "multiplier": terms.multiplier,
    }

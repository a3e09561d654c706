"""The instruments of a run: the quantities that each is traded in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any, Self

from attrs import field, frozen

from tieout.execution.errors import InvalidSetting
from tieout.ledger.books.commodity import DIGITS, MAX_SCALE, Commodity, instrument


def _positive(name: str, value: object) -> Decimal:
    try:
        size = Decimal(str(value))
    except InvalidOperation:
        size = Decimal(0)
    if not size.is_finite() or size <= 0:
        raise InvalidSetting(f"{name} {value!r} is not a quantity above zero")
    return size


def _step(value: str | int | Decimal) -> Decimal:
    return _positive("step", value)


_OF_STEP = -99
"""A lot or a scale that was not set, and follows from the step."""


def _lot(value: str | int | Decimal | None) -> Decimal:
    return Decimal(_OF_STEP) if value is None else _positive("lot", value)


def _scale(value: int | None) -> int:
    return _OF_STEP if value is None else value


@frozen
class InstrumentSpec:
    """The terms on which one instrument is traded.

    Orders are multiples of *step*: ``"1"`` for whole shares, ``"0.00000001"`` for fractions. An order that is
    cut to whole lots is cut to a multiple of *lot*, by default a whole unit, or a step that is larger.
    *multiplier* is money per unit and point of price. Quantities are kept to *scale* decimals, by default
    those of step and lot: none for whole shares.
    """

    step: Decimal = field(default=Decimal(1), converter=_step)
    lot: Decimal = field(default=None, converter=_lot)
    scale: int = field(default=None, converter=_scale)
    multiplier: float = 1.0

    def __attrs_post_init__(self) -> None:
        if self.lot == _OF_STEP:
            whole = (1 / self.step).to_integral_value(ROUND_CEILING) * self.step
            object.__setattr__(self, "lot", whole)
        if self.scale == _OF_STEP:
            sizes = (size.normalize().as_tuple().exponent for size in (self.step, self.lot))
            object.__setattr__(self, "scale", max(0, *(-int(exponent) for exponent in sizes)))
        if type(self.scale) is not int or not 0 <= self.scale <= MAX_SCALE:
            raise InvalidSetting(f"scale {self.scale!r} is not a whole number in 0..{MAX_SCALE}")
        for name, size in (("step", self.step), ("lot", self.lot)):
            if size.adjusted() >= DIGITS:  # more than 64 bits hold, even without decimals
                raise InvalidSetting(
                    f"{name} {size:e} is larger than any quantity can be; give a smaller one"
                )
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


@frozen
class Instruments:
    """The spec of every instrument: *default* for all but those in *by_symbol*."""

    default: InstrumentSpec = field(factory=InstrumentSpec)
    by_symbol: Mapping[str, InstrumentSpec] = field(factory=dict)

    @classmethod
    def whole(cls) -> Self:
        """Trade every instrument in whole units, as the default does."""
        return cls()

    @classmethod
    def fractional(cls) -> Self:
        """Trade every instrument in fractions, to eight decimals."""
        return cls(InstrumentSpec(step="0.00000001"))

    def of(self, symbol: str) -> InstrumentSpec:
        """Return the spec of one instrument."""
        return self.by_symbol.get(symbol, self.default)

    def columns(self, symbols: Sequence[str]) -> Iterator[tuple[InstrumentSpec, slice | list[int]]]:
        """Yield each spec with its places in *symbols*. A later one replaces an earlier one."""
        yield self.default, slice(None)
        if self.by_symbol:
            places: dict[InstrumentSpec, list[int]] = {}
            for place, symbol in enumerate(symbols):
                if symbol in self.by_symbol:
                    places.setdefault(self.by_symbol[symbol], []).append(place)
            yield from places.items()

    def commodities(self, symbols: Iterable[str], currency: str) -> Iterator[Commodity]:
        """Yield the instruments as the ledger declares them, in the order of *symbols*."""
        if unknown := self.by_symbol.keys() - set(symbols):
            raise InvalidSetting(
                f"by_symbol names {', '.join(sorted(unknown))}, which the bars do not have; leave it out"
            )
        for symbol in symbols:
            spec = self.of(symbol)
            yield instrument(symbol, currency=currency, scale=spec.scale, multiplier=spec.multiplier)

    def spec(self) -> dict[str, Any]:
        """Return the description that the journal records."""
        return {
            "default": _recorded(self.default),
            "by_symbol": {symbol: _recorded(spec) for symbol, spec in sorted(self.by_symbol.items())},
        }


def _recorded(spec: InstrumentSpec) -> dict[str, Any]:
    return {
        "step": format(spec.step.normalize(), "f"),
        "lot": format(spec.lot.normalize(), "f"),
        "scale": spec.scale,
        "multiplier": spec.multiplier,
    }

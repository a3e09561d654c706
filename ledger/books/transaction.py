"""A transaction before it is posted, and the conversion of its arguments into the integers of the books."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import numpy as np
from attrs import define, field

from tieout.ledger.books.bounds import MAX_AMOUNT
from tieout.ledger.books.chart import MOVED_WITH_LOTS, Chart
from tieout.ledger.books.commodity import Amount, Commodities, text
from tieout.ledger.books.kinds import KINDS, CurrencyNo, InstrumentNo, Kind, LotNo, Money, Units
from tieout.ledger.books.posting import transfer
from tieout.ledger.errors import InvalidEvent, UnknownAccount

Event = Callable[..., None]
"""A compiled function of `tieout.ledger.books.events`, or one like it: books first, then integers."""


@define
class Transaction:
    """Events that are posted together, whole or not at all. `Journal.transaction` makes one."""

    timestamp: int
    kind: Kind | None = None
    instrument: int = -1
    order_id: int = -1
    fill_id: int = -1
    reverses: int = -1
    note: str = ""
    number: int = -1
    """The number in the journal, -1 until it is posted."""
    _chart: Chart = field(kw_only=True, repr=False)
    _calls: list[tuple[Event, tuple[Any, ...]]] = field(factory=list, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        text(self.note, InvalidEvent)
        for name, number in (("order_id", self.order_id), ("fill_id", self.fill_id)):
            if isinstance(number, bool) or not isinstance(number, int) or abs(number) > MAX_AMOUNT:
                raise InvalidEvent(f"{name} {number!r} is not a whole number of 64 bits")
        if self.kind is not None and self.kind not in list(Kind):
            raise InvalidEvent(f"{self.kind!r} is not a kind of transaction")

    def book(self, event: Event, *args: Any, **kwargs: Any) -> None:
        """Add an event of `ledger.books.events`, with symbols for commodities and decimals for amounts."""
        numbers, instrument = arguments(self._chart.commodities, event, args, kwargs)
        if KINDS.get(event) is Kind.SPLIT and (self._calls or self.kind not in (None, Kind.SPLIT)):
            raise InvalidEvent("a split comes first in its transaction, which is of its kind")
        self.add(event, *numbers)
        if self.kind is None:
            self.kind = KINDS.get(event, Kind.GENERAL)
        if self.instrument < 0:
            self.instrument = instrument

    def transfer(self, debit: str, credit: str, amount: Amount, commodity: str = "USD") -> None:
        """Add a transfer between two accounts of one commodity."""
        number = self._chart.commodities.number(commodity)
        units = self._chart.commodities[number].units(amount)
        to, of = (self._account(path, number) for path in (debit, credit))
        self._require_free(to, of)
        self.add(transfer, to, of, units, -1)

    def add(self, event: Event, *args: Any) -> None:
        """Add an event whose arguments are integers already."""
        self._calls.append((event, args))

    def __iter__(self) -> Iterator[tuple[Event, tuple[Any, ...]]]:
        return iter(self._calls)

    def _require_free(self, debit: int, credit: int) -> None:
        """Raise `InvalidEvent` for accounts that move with lots, and for a memo against another account."""
        for number in (debit, credit):
            account = self._chart.accounts[number]
            if account.instrument >= 0:
                offset = number - self._chart.first[account.instrument]
                if offset in MOVED_WITH_LOTS:
                    raise InvalidEvent(f"{self._chart.name(number)} moves with lots; book an event instead")
        if (self._chart.accounts[debit].type == "memo") != (self._chart.accounts[credit].type == "memo"):
            raise InvalidEvent(
                f"{self._chart.name(debit)} and {self._chart.name(credit)}: a memo account moves against"
                " another memo account alone"
            )

    def _account(self, path: str, commodity: int) -> int:
        """Return the account, or the one of that path in another commodity.

        Posting then refuses the transfer with the right reason: its commodities differ.
        """
        try:
            return self._chart.number(path, commodity)
        except UnknownAccount:
            for other in range(len(self._chart.commodities)):
                if (path, other) in self._chart:
                    return self._chart.number(path, other)
            raise


def arguments(
    commodities: Commodities, event: Event, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[Any], int]:
    """Convert the arguments of an event to integers, and find the number of its instrument (-1 for none)."""
    function = getattr(event, "py_func", event)
    if not callable(function):
        raise InvalidEvent(f"{event!r} is not an event; give a function of tieout.ledger.books.events")
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    try:
        bound = signature.bind(None, *args, **kwargs)
    except TypeError as error:
        parameters = ", ".join(list(signature.parameters)[1:])
        raise InvalidEvent(f"{function.__name__}({parameters}): {error}") from None
    explicit = set(bound.arguments)
    bound.apply_defaults()
    units = money = instrument = -1
    numbers: list[Any] = []
    for name, value in list(bound.arguments.items())[1:]:
        hint = hints[name]
        if name not in explicit:  # a default is in units already
            numbers.append(value)
        elif hint is CurrencyNo:
            money = commodities.currency(value)
            numbers.append(money)
        elif hint is InstrumentNo:
            instrument = units = commodities.instrument(value)
            money = commodities.currency(commodities[units].currency)
            numbers.append(units)
        elif hint is Units:
            numbers.append(commodities[units].units(value))
        elif hint is Money:
            numbers.append(commodities[money].units(value))
        elif hint in (LotNo, int):
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise InvalidEvent(f"{function.__name__}: {name} {value!r} is not a whole number")
            if abs(int(value)) > MAX_AMOUNT:
                raise InvalidEvent(f"{function.__name__}: {name} {value!r} does not fit into 64 bits")
            numbers.append(int(value))
        else:
            if not isinstance(value, bool | np.bool_):
                raise InvalidEvent(f"{function.__name__}: {name} {value!r} is neither true nor false")
            numbers.append(bool(value))
    return numbers, instrument

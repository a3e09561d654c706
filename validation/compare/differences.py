"""Where a run of ours and the same run in another engine part, and which difference of rules explains it.

Orders are compared one by one: what each was filled for, when, at which price and commission, and whether it
was refused; then cash and value at every bar. Ours are whole units, theirs floats, so that equal means:
within one unit in quantity (what half a cent buys, where orders are cut) and half a cent in money.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from attrs import evolve, field, frozen

from tieout.execution.kernels.orders import OrderType, Reason
from tieout.execution.models.slippage.percent import PercentSlippage
from tieout.validation.compare.ours import Order, Performed
from tieout.validation.foreign.orders import ENDS, REASONS
from tieout.validation.foreign.outcome import HALF_A_CENT, Fill, Floats, Outcome, Refusal, is_close

UNIT = 1e-8
"""The finest that a quantity may differ by."""
NONE = "none"
_DUST = Reason.DUST.name.lower()


@frozen
class Fate:
    """What became of one order: its fills, those at one bar and price together, and why it was refused."""

    fills: Sequence[Fill] = ()
    refusal: Refusal | None = None

    @property
    def quantity(self) -> float:
        """What was filled of it in all."""
        return sum(fill.quantity for fill in self.fills)

    @property
    def reason(self) -> str:
        """Why it was refused, in the engine's word; nothing where it was not."""
        return self.refusal.reason if self.refusal else ""


@frozen
class Departure:
    """One difference: the bar, the column and the order, -1 for the account; what, and what each has.

    *rule* names the difference of rules that it follows from, where one is known.
    """

    bar: int
    column: int
    order: int
    what: str
    ours: str
    theirs: str
    rule: str = ""


@frozen
class Gap:
    """How far two curves lie apart at most, and at which bar that is; -1 where they never do."""

    size: float
    bar: int


@frozen(eq=False)
class Comparison:
    """A run of ours beside *theirs*: the same orders, given to *engine*."""

    engine: str
    run: Performed
    theirs: Outcome
    departures: Sequence[Departure] = field(init=False)

    @departures.default
    def _found(self) -> Sequence[Departure]:
        return departures(self.engine, self.run, self.theirs)

    @property
    def cash(self) -> Gap:
        """The largest difference in cash."""
        return gap(self.run.outcome.cash, self.theirs.cash)

    @property
    def value(self) -> Gap:
        """The largest difference in value."""
        return gap(self.run.outcome.value, self.theirs.value)


def gap(ours: Floats, theirs: Floats) -> Gap:
    """The largest difference of two curves; where one of them is no number, that is the largest."""
    apart = np.abs(ours - theirs)
    apart[np.isnan(ours) & np.isnan(theirs)] = 0.0
    bar = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    return Gap(float(apart[bar]), bar if apart[bar] != 0 else -1)


def fates(outcome: Outcome) -> dict[int, Fate]:
    """What became of every order that anything became of, by its number."""
    fills: defaultdict[int, list[Fill]] = defaultdict(list)
    for fill in outcome.fills:
        own = fills[fill.order]
        if own and (own[-1].bar, own[-1].price) == (fill.bar, fill.price):
            last = own.pop()
            fill = evolve(last, quantity=last.quantity + fill.quantity, fee=last.fee + fill.fee)  # noqa: PLW2901
        own.append(fill)
    # What ends an order by agreement, such as its expiry, is no refusal.
    refusals = {r.order: r for r in outcome.refusals if r.reason not in ENDS}
    return {order: Fate(fills[order], refusals.get(order)) for order in fills.keys() | refusals.keys()}


def departures(engine: str, run: Performed, theirs: Outcome) -> list[Departure]:
    """Every difference, in the order of time; of cash and of value the first bar alone."""
    ours, others = fates(run.outcome), fates(theirs)
    found: list[Departure] = []
    for number in sorted(ours.keys() | others.keys()):
        case = Case(run, run.orders[number], ours.get(number, Fate()), others.get(number, Fate()))
        found += [evolve(departure, rule=named(engine, case)) for departure in _of_order(case)]
    explained = min((d.bar for d in found), default=-1)
    for name, here, there in (
        ("cash", run.outcome.cash, theirs.cash),
        ("value", run.outcome.value, theirs.value),
    ):
        found += _of_curve(name, here, there, run, explained)
    return sorted(found, key=lambda departure: (departure.bar, departure.order < 0, departure.order))


@frozen
class Case:
    """An order of a run with what became of it on either side."""

    run: Performed
    order: Order
    ours: Fate
    theirs: Fate


def _of_order(case: Case) -> Iterator[Departure]:
    order = case.order

    def departure(bar: int, what: str, ours: str, theirs: str) -> Departure:
        return Departure(bar, order.column, order.number, what, ours, theirs)

    for place in range(max(len(case.ours.fills), len(case.theirs.fills))):
        here = case.ours.fills[place] if place < len(case.ours.fills) else None
        there = case.theirs.fills[place] if place < len(case.theirs.fills) else None
        if here is None or there is None:
            one = here or there
            assert one is not None
            if abs(one.quantity) > UNIT or case.ours.reason == _DUST:
                ours, theirs = (told(side, reason) for side, reason in _sides(case, here, there))
                yield departure(one.bar, "fill", ours, theirs)
            return
        if here.bar != there.bar:
            yield departure(min(here.bar, there.bar), "fill", told(here), told(there))
            return
        is_alike_in_size = abs(here.quantity - there.quantity) <= _room(case, here)
        if not is_alike_in_size:
            yield departure(here.bar, "quantity", told(here), told(there))
        if not is_close(here.price, there.price):
            yield departure(here.bar, "price", repr(here.price), repr(there.price))
        elif abs(here.fee - there.fee) > HALF_A_CENT and is_alike_in_size:
            yield departure(here.bar, "commission", f"{here.fee:,.6f}", f"{there.fee:,.6f}")
    # Of what is left of an order that was cut, VectorBT says nothing.
    is_cut = case.run.cuts and case.ours.fills and case.theirs.fills
    if not is_cut and not is_alike(case.ours.reason, case.theirs.reason):
        refusal = case.ours.refusal or case.theirs.refusal
        assert refusal is not None
        yield departure(refusal.bar, "refusal", case.ours.reason or NONE, case.theirs.reason or NONE)


def _room(case: Case, fill: Fill) -> float:
    """How far quantities may lie apart: a unit, or where orders are cut what half a cent buys.

    Of an order that is cut the money is the fact, and the quantity follows.
    """
    if case.run.cuts:
        return HALF_A_CENT / fill.price
    return max(UNIT, 1e-12 * abs(fill.quantity))


def _sides(case: Case, here: Fill | None, there: Fill | None) -> list[tuple[Fill | None, str]]:
    return [(here, case.ours.reason), (there, case.theirs.reason)]


def is_alike(ours: str, theirs: str) -> bool:
    """Whether two reasons, each in its engine's word, mean the same."""
    if not ours or not theirs or theirs == "PartialFill":
        # That not all of it could be filled is VectorBT's word for more than is held, too.
        return bool(ours) == bool(theirs)
    return theirs in REASONS and REASONS[theirs] is Reason[ours.upper()]


def told(fill: Fill | None, reason: str = "") -> str:
    """A fill in words, or why there is none."""
    if fill is None:
        return f"none ({reason})" if reason else NONE
    way = "buys" if fill.quantity > 0 else "sells"
    return f"{way} {abs(fill.quantity):.10g} at {fill.price:.10g}, commission {fill.fee:,.6f}"


def _of_curve(what: str, ours: Floats, theirs: Floats, run: Performed, explained: int) -> Iterator[Departure]:
    """The first bar at which two curves lie apart."""
    if ours.shape != theirs.shape:
        yield Departure(0, -1, -1, f"bars of {what}", str(ours.size), str(theirs.size))
        return
    alike = (np.abs(ours - theirs) <= HALF_A_CENT) | (np.isnan(ours) & np.isnan(theirs))
    for bar in np.flatnonzero(~alike)[:1].tolist():
        closed = what == "cash" and bar in run.endings.values()
        rule = ENDED.name if closed and not 0 <= explained < bar else ""
        yield Departure(bar, -1, -1, what, f"{ours[bar]:,.6f}", f"{theirs[bar]:,.6f}", rule)


# --- known differences of rules --------------------------------------------------------------------


@frozen
class Rule:
    """A difference of rules: its name, what it says, and which orders it tells apart."""

    name: str
    says: str
    applies: Callable[[Case], bool]


def _never(_: Case) -> bool:
    return False


def _trades_without_volume(case: Case) -> bool:
    """Whether the other side filled the order on a bar that traded nothing, and ours did not."""
    ours = {fill.bar for fill in case.ours.fills}
    volume = case.run.panels["volume"][:, case.order.column]
    return any(volume[fill.bar] == 0.0 and fill.bar not in ours for fill in case.theirs.fills)


def _is_short_of(reason: Reason) -> Callable[[Case], bool]:
    return lambda case: case.ours.reason == reason.name.lower()


def _fills_less(case: Case) -> bool:
    return abs(case.ours.quantity) < abs(case.theirs.quantity) - UNIT


def _fills_more(case: Case) -> bool:
    return abs(case.ours.quantity) > abs(case.theirs.quantity) + UNIT


def _borrows(case: Case) -> bool:
    """Whether ours, with an account that has no floor, filled the order with cash that it did not have."""
    cash = case.run.outcome.cash
    return not case.run.is_limited and _fills_more(case) and any(cash[f.bar] < 0 for f in case.ours.fills)


def _is_margin(case: Case) -> bool:
    return case.theirs.reason == "Margin"


def _slips_at_a_limit(case: Case) -> bool:
    """Whether both sides filled a limit order at the same bar, the other at a worse price, by slippage."""
    ours = {fill.bar: fill for fill in case.ours.fills}
    is_worse = any(
        fill.bar in ours and (fill.price - ours[fill.bar].price) * fill.quantity > 0
        for fill in case.theirs.fills
    )
    return (
        case.order.type is OrderType.LIMIT
        and case.run.backtest.costs.slippage != PercentSlippage()
        and is_worse
    )


def _is_refused_at_once(case: Case) -> bool:
    """Whether the other side refused the order for want of cash when the bar after its own came."""
    refusal = case.theirs.refusal
    return _is_margin(case) and refusal is not None and refusal.bar <= case.order.bar + 1


def _is_on_no_bar(run: Performed, fate: Fate) -> bool:
    """Whether something was filled of an instrument that had no bar then."""
    return any(not run.panels.is_there[fill.bar, fill.column] for fill in fate.fills)


ENDED = Rule(
    "the end of an instrument",
    "tieout closes what is held of an instrument that has no later bar at its last close; the others keep it",
    _never,
)
_NO_VOLUME = Rule(
    "no volume",
    "tieout fills nothing on a bar that traded nothing unless told to; the others do not look at volume",
    _trades_without_volume,
)
_WITHOUT_A_BAR = Rule(
    "no bar",
    "tieout refuses an order that is given when its instrument has no bar; the others, which would fill it at"
    " a price of the past or at a later one, are not given it",
    _is_short_of(Reason.NO_BAR),
)
_TINY = Rule(
    "dust",
    "tieout refuses what is worth less than half of the smallest unit of money; the others fill it",
    lambda case: case.ours.reason == _DUST,
)
_UNLIMITED = Rule(
    "an unlimited account",
    "an unlimited account of tieout buys whatever it costs; here cash is the limit",
    _borrows,
)
RULES: Mapping[str, Sequence[Rule]] = {
    "vectorbt": (
        ENDED,
        _WITHOUT_A_BAR,
        _NO_VOLUME,
        _TINY,
        Rule(
            "the last fraction",
            "tieout cuts an order to whole steps of the instrument, or to lots; VectorBT to the last fraction"
            " that cash pays for",
            lambda case: case.run.cuts and _is_short_of(Reason.INSUFFICIENT_CASH)(case) and _fills_less(case),
        ),
        _UNLIMITED,
    ),
    "backtrader": (
        ENDED,
        _WITHOUT_A_BAR,
        _NO_VOLUME,
        _TINY,
        Rule(
            "the closing leg of a reversal",
            "Backtrader closes what is held and refuses only the opening leg where cash does not suffice",
            lambda case: _is_margin(case) and bool(case.theirs.fills) and case.order.reduces,
        ),
        _UNLIMITED,
        Rule(
            "the submission check",
            "Backtrader pays for all orders of a bar beforehand, one after the other, at the closes that they"
            " were given at or at their own limits and stops; from the one on that takes cash below zero all"
            " are refused, sales among them, until sales bring it back",
            lambda case: _is_refused_at_once(case) and not case.theirs.fills and not case.ours.reason,
        ),
        Rule(
            "cut or refused",
            "tieout cuts an order to what cash pays for where the account says so; Backtrader refuses it",
            lambda case: _is_margin(case) and case.run.cuts and bool(case.ours.fills),
        ),
        Rule(
            "selling what is not held",
            "a cash account of tieout sells what is held and no more; Backtrader goes short",
            lambda case: _is_short_of(Reason.INSUFFICIENT_POSITION)(case) and _fills_less(case),
        ),
        Rule(
            "limits and stops at the same close",
            "at the same close tieout tries a limit or a stop on the close that it was given at; Backtrader,"
            " which cheats on the close with market orders alone, on the next bar",
            lambda case: case.run.is_same_close and case.order.type is not OrderType.MARKET,
        ),
        Rule(
            "slippage of a limit order",
            "Backtrader's limit order that the open satisfies has slippage; tieout's limit orders have none",
            _slips_at_a_limit,
        ),
        Rule(
            "an old bar",
            "Backtrader tries an order that is not a market order on an instrument's last bar for as long as"
            " that has no later one, also on the bar at whose close it was given; tieout waits for the next",
            lambda case: _is_on_no_bar(case.run, case.theirs),
        ),
        Rule(
            "the path within a bar",
            "tieout fills what a bar touches in the order in which its path comes by, and first what reduces;"
            " Backtrader in the order of submission",
            lambda case: (
                case.order.type is not OrderType.MARKET and bool(case.ours.reason or _is_margin(case))
            ),
        ),
    ),
}


def named(engine: str, case: Case) -> str:
    """The name of the rule that explains an order's difference; nothing where none is known."""
    return next((rule.name for rule in RULES[engine] if rule.applies(case)), "")


def rule_of(engine: str, name: str) -> Rule | None:
    """A rule by its name."""
    return next((rule for rule in RULES[engine] if rule.name == name), None)

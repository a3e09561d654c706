"""Known differences of rules between tieout and other engines, and the orders that each of them explains."""

from collections.abc import Callable, Sequence

import numpy as np
from attrs import frozen

from tieout.execution.kernels.orders import Reason
from tieout.validation.foreign.native import NativeRun, Order
from tieout.validation.foreign.outcome import Fill, Refusal

UNIT = 1e-8
"""The smallest difference of quantities that counts."""
DUST = Reason.DUST.name.lower()


@frozen
class OrderResult:
    """The result of one order: its fills, those at one bar and price added up, and its refusal."""

    fills: Sequence[Fill] = ()
    refusal: Refusal | None = None

    @property
    def quantity(self) -> float:
        """Quantity of all its fills together."""
        return sum(fill.quantity for fill in self.fills)

    @property
    def reason(self) -> str:
        """Reason of its refusal in the engine's own word, empty without one."""
        return self.refusal.reason if self.refusal else ""


@frozen
class Case:
    """An order of a run with its result in tieout (*result*) and in the other engine (*engine_result*)."""

    run: NativeRun
    order: Order
    result: OrderResult
    engine_result: OrderResult


@frozen
class Rule:
    """A known difference of rules: its name, a sentence that states it, and a test for an order."""

    name: str
    statement: str
    applies: Callable[[Case], bool]


def is_refused_for(reason: Reason) -> Callable[[Case], bool]:
    """Return a test for orders that tieout refused for *reason*."""
    return lambda case: case.result.reason == reason.name.lower()


def fills_less(case: Case) -> bool:
    """Check whether tieout filled less than the other engine."""
    return abs(case.result.quantity) < abs(case.engine_result.quantity) - UNIT


def fills_more(case: Case) -> bool:
    """Check whether tieout filled more than the other engine."""
    return abs(case.result.quantity) > abs(case.engine_result.quantity) + UNIT


def _never(_: Case) -> bool:
    return False


def _trades_without_volume(case: Case) -> bool:
    """Check whether only the other engine filled the order on a bar without volume."""
    bars = {fill.bar for fill in case.result.fills}
    volume = case.run.panels["volume"][:, case.order.column]
    return any(volume[fill.bar] == 0.0 and fill.bar not in bars for fill in case.engine_result.fills)


def _borrows(case: Case) -> bool:
    """Check whether tieout, with an unlimited account, filled the order with cash that it did not have."""
    cash = case.run.outcome.cash
    return not case.run.is_limited and fills_more(case) and any(cash[f.bar] < 0 for f in case.result.fills)


def _is_without_a_bar(case: Case) -> bool:
    """Check whether the instrument had no bar when the order was placed."""
    close = case.run.panels["close"]
    return bool(np.isnan(close[case.order.bar, case.order.column]))


ENDED = Rule(
    "the end of an instrument",
    "tieout closes a position at its last close when its instrument has no later bar, while the others"
    " keep it",
    _never,
)
NO_VOLUME = Rule(
    "no volume",
    "by default tieout fills nothing on a bar without volume, while the others ignore volume",
    _trades_without_volume,
)
WITHOUT_A_BAR = Rule(
    "no bar",
    "an order placed while its instrument has no bar waits for the next one in tieout. The others do not get"
    " it, because they would fill it at a past price",
    _is_without_a_bar,
)
TINY = Rule(
    "dust",
    "tieout refuses an order worth less than half of the smallest unit of money, while the others fill it",
    lambda case: case.result.reason == DUST,
)
UNLIMITED = Rule(
    "an unlimited account",
    "an unlimited account of tieout buys at any cost, while in the other engine cash is the limit",
    _borrows,
)
SHARED_RULES = (ENDED, WITHOUT_A_BAR, NO_VOLUME, TINY, UNLIMITED)
"""Rules that hold for every engine. They are tried in order."""

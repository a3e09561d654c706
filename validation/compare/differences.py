"""Differences between a tieout run and the same orders in another engine, and the rules that explain them.

Orders are compared one by one: bar, quantity, price and commission of each fill, then the refusal. Cash and
value are compared at every bar. tieout counts in whole units and other engines in floats, so equal means
within one unit of quantity and half a cent of money. Where orders are cut, quantities may differ by what half
a cent buys.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from attrs import evolve, field, frozen

from tieout.execution.kernels.orders import Reason
from tieout.ledger.numeric import Floats
from tieout.validation.engines import registry
from tieout.validation.engines.interface import Adapter
from tieout.validation.foreign.explanations import DUST, ENDED, UNIT, Case, OrderResult
from tieout.validation.foreign.native import NativeRun
from tieout.validation.foreign.orders import ENDS
from tieout.validation.foreign.outcome import HALF_A_CENT, Fill, Outcome, is_close

NONE = "none"


@frozen
class Difference:
    """One difference: its bar, column and order (-1 for the account), its kind, and both values in words.

    *rule* names the known difference of rules behind it, empty without one.
    """

    bar: int
    column: int
    order: int
    what: str
    value: str
    engine_value: str
    rule: str = ""


@frozen
class MaxDifference:
    """The largest difference of two curves and its bar, -1 if they are equal."""

    size: float
    bar: int


@frozen(eq=False)
class Comparison:
    """A tieout run beside *engine_outcome*, the outcome of the same orders in *engine*."""

    engine: str
    run: NativeRun
    engine_outcome: Outcome
    differences: Sequence[Difference] = field(init=False)

    @differences.default
    def _all_differences(self) -> Sequence[Difference]:
        return differences(self.adapter, self.run, self.engine_outcome)

    @property
    def adapter(self) -> Adapter:
        """The adapter of the engine."""
        return registry.adapter(self.engine)

    @property
    def cash(self) -> MaxDifference:
        """The largest difference in cash."""
        return max_difference(self.run.outcome.cash, self.engine_outcome.cash)

    @property
    def value(self) -> MaxDifference:
        """The largest difference in value."""
        return max_difference(self.run.outcome.value, self.engine_outcome.value)


def max_difference(curve: Floats, engine_curve: Floats) -> MaxDifference:
    """Find the largest difference of two curves. A NaN on one side alone counts as the largest."""
    sizes = np.abs(curve - engine_curve)
    sizes[np.isnan(curve) & np.isnan(engine_curve)] = 0.0
    bar = int(np.argmax(np.where(np.isnan(sizes), np.inf, sizes)))
    return MaxDifference(float(sizes[bar]), bar if sizes[bar] != 0 else -1)


def order_results(outcome: Outcome) -> dict[int, OrderResult]:
    """Return the result of every order that has a fill or a refusal, by its number."""
    fills: defaultdict[int, list[Fill]] = defaultdict(list)
    for fill in outcome.fills:
        of_order = fills[fill.order]
        if of_order and (of_order[-1].bar, of_order[-1].price) == (fill.bar, fill.price):
            last = of_order.pop()
            fill = evolve(last, quantity=last.quantity + fill.quantity, fee=last.fee + fill.fee)  # noqa: PLW2901
        of_order.append(fill)
    # An end by agreement, such as an expiry, is no refusal.
    refusals = {r.order: r for r in outcome.refusals if r.reason not in ENDS}
    return {order: OrderResult(fills[order], refusals.get(order)) for order in fills.keys() | refusals.keys()}


def differences(adapter: Adapter, run: NativeRun, engine_outcome: Outcome) -> list[Difference]:
    """List every difference of orders, and the first bar of a difference in cash and in value, by time."""
    results, engine_results = order_results(run.outcome), order_results(engine_outcome)
    every: list[Difference] = []
    for number in sorted(results.keys() | engine_results.keys()):
        case = Case(
            run,
            run.orders[number],
            results.get(number, OrderResult()),
            engine_results.get(number, OrderResult()),
        )
        rule = explain(adapter, case)
        every += [evolve(difference, rule=rule) for difference in _of_order(adapter, case)]
    explained = min((difference.bar for difference in every), default=-1)
    for name, here, there in (
        ("cash", run.outcome.cash, engine_outcome.cash),
        ("value", run.outcome.value, engine_outcome.value),
    ):
        every += _of_curve(name, here, there, run, explained)
    return sorted(every, key=lambda difference: (difference.bar, difference.order < 0, difference.order))


def explain(adapter: Adapter, case: Case) -> str:
    """Return the name of the first rule that explains an order's difference, empty if none does."""
    return next((rule.name for rule in adapter.rules if rule.applies(case)), "")


def _of_order(adapter: Adapter, case: Case) -> Iterator[Difference]:
    order = case.order

    def difference(bar: int, what: str, value: str, engine_value: str) -> Difference:
        return Difference(bar, order.column, order.number, what, value, engine_value)

    for here, there in pair_fills(case):
        if here is None or there is None:
            one = here or there
            assert one is not None
            if abs(one.quantity) > UNIT or case.result.reason == DUST:
                value, engine_value = (
                    describe(here, case.result.reason),
                    describe(there, case.engine_result.reason),
                )
                yield difference(one.bar, "fill", value, engine_value)
            return
        if here.bar != there.bar:
            yield difference(min(here.bar, there.bar), "fill", describe(here), describe(there))
            return
        is_alike_in_size = abs(here.quantity - there.quantity) <= _tolerance(case, here)
        if not is_alike_in_size:
            yield difference(here.bar, "quantity", describe(here), describe(there))
        if not is_close(here.price, there.price):
            yield difference(here.bar, "price", repr(here.price), repr(there.price))
        elif abs(here.fee - there.fee) > HALF_A_CENT and is_alike_in_size:
            yield difference(here.bar, "commission", f"{here.fee:,.6f}", f"{there.fee:,.6f}")
    # Other engines do not report the rest of an order that they cut.
    is_cut = case.run.cuts and case.result.fills and case.engine_result.fills
    if not is_cut and not is_alike(adapter, case.result.reason, case.engine_result.reason):
        refusal = case.result.refusal or case.engine_result.refusal
        assert refusal is not None
        yield difference(
            refusal.bar, "refusal", case.result.reason or NONE, case.engine_result.reason or NONE
        )


def pair_fills(case: Case) -> Iterator[tuple[Fill | None, Fill | None]]:
    """Pair the fills of both sides in sequence, with None where one side has no more."""
    fills, engine_fills = case.result.fills, case.engine_result.fills
    for place in range(max(len(fills), len(engine_fills))):
        yield (
            fills[place] if place < len(fills) else None,
            engine_fills[place] if place < len(engine_fills) else None,
        )


def _tolerance(case: Case, fill: Fill) -> float:
    """Return the tolerance of quantities: one unit, or what half a cent buys where orders are cut.

    The money limits an order that is cut, and its quantity follows from the money.
    """
    if case.run.cuts:
        return HALF_A_CENT / fill.price
    return max(UNIT, 1e-12 * abs(fill.quantity))


def is_alike(adapter: Adapter, reason: str, engine_reason: str) -> bool:
    """Check whether two reasons, each in its engine's word, mean the same."""
    if not reason or not engine_reason or engine_reason in adapter.catch_all:
        return bool(reason) == bool(engine_reason)
    return engine_reason in adapter.reasons and adapter.reasons[engine_reason] is Reason[reason.upper()]


def describe(fill: Fill | None, reason: str = "") -> str:
    """Describe a fill, or the reason why there is none."""
    if fill is None:
        return f"{NONE} ({reason})" if reason else NONE
    verb = "buys" if fill.quantity > 0 else "sells"
    return f"{verb} {abs(fill.quantity):.10g} at {fill.price:.10g}, commission {fill.fee:,.6f}"


def _of_curve(
    what: str, curve: Floats, engine_curve: Floats, run: NativeRun, explained: int
) -> Iterator[Difference]:
    """Yield the first bar at which two curves differ."""
    if curve.shape != engine_curve.shape:
        yield Difference(0, -1, -1, f"bars of {what}", str(curve.size), str(engine_curve.size))
        return
    alike = (np.abs(curve - engine_curve) <= HALF_A_CENT) | (np.isnan(curve) & np.isnan(engine_curve))
    for bar in np.flatnonzero(~alike)[:1].tolist():
        is_ending = what == "cash" and bar in run.endings.values()
        rule = ENDED.name if is_ending and not 0 <= explained < bar else ""
        yield Difference(bar, -1, -1, what, f"{curve[bar]:,.6f}", f"{engine_curve[bar]:,.6f}", rule)


def statements(adapter: Adapter) -> Mapping[str, str]:
    """Return the sentence of each rule of an engine, by the rule's name."""
    return {rule.name: rule.statement for rule in adapter.rules}

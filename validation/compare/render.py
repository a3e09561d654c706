"""A comparison on the terminal: what differs in the order of time, the first of it explained, and totals."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from tieout.execution.kernels.orders import OrderType, TimeInForce
from tieout.ledger.show import tables as present
from tieout.ledger.show.tables import Column, Grid
from tieout.validation.compare.differences import NONE, Comparison, Departure, Fate, Gap, fates, rule_of, told
from tieout.validation.compare.orders import NAMES
from tieout.validation.compare.ours import Order, Performed
from tieout.validation.foreign.orders import ENDS
from tieout.validation.foreign.outcome import Outcome

SHOWN = 20
"""How many differences are listed."""
OURS = "tieout"

Row = tuple[str, str, str]


def show(compared: Comparison, title: str) -> None:
    """Print it."""
    run, found = compared.run, compared.departures
    when = "the same close" if run.is_same_close else "the next open"
    bars, columns = run.panels["close"].shape
    present.show(
        title,
        f"{bars:,} bars of {columns:,} instruments, {len(run.orders):,} orders, filled at {when}",
        "",
    )
    if found:
        present.show(_listed(compared), "")
        if (more := len(found) - SHOWN) > 0:
            present.show(f"and {more:,} more", "")
        present.show(_explained(compared, found[0]), "")
        present.show(*_rules(compared), "")
    present.show(_totals(compared), "")
    count = len(found)
    present.show(f"{count:,} difference{'s' * (count != 1)}" if count else "no difference")


def _grid(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], right: int) -> Grid:
    """A table; from column *right* on they are numbers."""
    columns = [
        Column(heading, [row[place] for row in rows], place >= right)
        for place, heading in enumerate(headings)
    ]
    return Grid(title, columns, set(), set())


def _listed(compared: Comparison) -> Grid:
    """The differences in the order of time."""
    panels = compared.run.panels
    rows = [
        (
            panels.when(departure.bar),
            panels.symbols[departure.column] if departure.column >= 0 else "",
            str(departure.order) if departure.order >= 0 else "",
            departure.what,
            departure.ours,
            departure.theirs,
            departure.rule,
        )
        for departure in compared.departures[:SHOWN]
    ]
    headings = ("at", "instrument", "order", "what", OURS, NAMES[compared.engine], "rule")
    return _grid("Differences, in the order of time", headings, rows, len(headings))


def _rules(compared: Comparison) -> Iterator[str]:
    """What the rules that were named say."""
    for name in dict.fromkeys(departure.rule for departure in compared.departures):
        if rule := rule_of(compared.engine, name):
            yield f"{rule.name}: {rule.says}."
    if any(not departure.rule for departure in compared.departures):
        yield "Where no rule is named, what came before it explains it, or nothing that is known does."


# --- the first one ---------------------------------------------------------------------------------


def _explained(compared: Comparison, first: Departure) -> Grid:
    """Cash, position, price and reason of both sides, before and after the first difference."""
    run = compared.run
    sides = [_side(run, outcome, first) for outcome in (run.outcome, compared.theirs)]
    rows = [(name, one, other) for (name, one), (_, other) in zip(*sides, strict=True)]
    when = run.panels.when(first.bar)
    title = f"The first of them: {first.what} at {when}"
    if first.order >= 0:
        title += f"\n{_described(run, run.orders[first.order])}"
    return _grid(title, ("", OURS, NAMES[compared.engine]), rows, 1)


def _described(run: Performed, order: Order) -> str:
    """An order in words."""
    way = "buy" if order.quantity > 0 else "sell"
    terms = order.type.name.lower()
    for name in ("limit", "stop"):
        if not np.isnan(price := getattr(order, name)):
            terms += f" {price:.10g}"
    good = "" if order.tif is TimeInForce.GTC or order.type is OrderType.MARKET else f", {order.tif.name}"
    return (
        f"order {order.number}, given at {run.panels.when(order.bar)}: {way} {abs(order.quantity):.10g}"
        f" {run.panels.symbols[order.column]}, {terms}{good}"
    )


def _side(run: Performed, outcome: Outcome, first: Departure) -> list[tuple[str, str]]:
    """One side at the bar of a difference, and at the bar before it."""
    bar = first.bar
    rows = [
        ("cash before", _money(outcome.cash[bar - 1] if bar else run.opening)),
        ("value before", _money(outcome.value[bar - 1] if bar else run.opening)),
    ]
    if first.column >= 0:
        fate = fates(outcome).get(first.order, Fate())
        at_it = [fill for fill in fate.fills if fill.bar == bar]
        rows += [
            ("position before", _position(outcome, first.column, bar)),
            ("fill", "; ".join(told(fill) for fill in at_it) or NONE),
            ("reason", fate.reason or NONE),
            ("position after", _position(outcome, first.column, bar + 1)),
            ("close", f"{run.panels.valuation[bar, first.column]:.10g}"),
        ]
    return [
        *rows,
        ("fills at this bar", f"{sum(fill.bar == bar for fill in outcome.fills):,}"),
        ("refusals at this bar", f"{sum(refusal.bar == bar for refusal in outcome.refusals):,}"),
        ("cash after", _money(outcome.cash[bar])),
        ("value after", _money(outcome.value[bar])),
    ]


def _position(outcome: Outcome, column: int, until: int) -> str:
    """What is held of an instrument before bar *until*."""
    held = sum(f.quantity for f in outcome.fills if f.column == column and f.bar < until)
    return f"{held:.10g}" if abs(held) >= 1e-9 else "0"


def _money(amount: float) -> str:
    return f"{amount:,.6f}"


# --- totals ----------------------------------------------------------------------------------------


def _totals(compared: Comparison) -> Grid:
    """Fills, refusals by reason, cash and value at the end, and how far the curves lie apart."""
    ours, theirs = compared.run.outcome, compared.theirs
    rows: list[Row] = [("fills", _count(_fills(ours)), _count(_fills(theirs)))]
    rows += _refusals(ours, theirs)
    for name in ("cash", "value"):
        one, other = getattr(ours, name), getattr(theirs, name)
        rows.append((f"{name} at the end", f"{one[-1]:,.2f}", f"{other[-1]:,.2f}"))
    for name in ("cash", "value"):
        apart: Gap = getattr(compared, name)
        size = f"{apart.size:,.6f}"
        at = f"at {compared.run.panels.when(apart.bar)}" if size != _money(0.0) else ""
        rows.append((f"largest difference in {name}", size, at))
    return _grid("Totals", ("", OURS, NAMES[compared.engine]), rows, 1)


def _fills(outcome: Outcome) -> int:
    """Executions, those of one order at one bar and price counted once."""
    return sum(len(fate.fills) for fate in fates(outcome).values())


def _refusals(ours: Outcome, theirs: Outcome) -> Iterator[Row]:
    """Refusals, and each reason in the word of whose it is."""
    one, other = (
        Counter(refusal.reason for refusal in outcome.refusals if refusal.reason not in ENDS)
        for outcome in (ours, theirs)
    )
    yield ("refusals", _count(one.total()), _count(other.total()))
    for reason in sorted(one.keys() | other.keys()):
        yield (
            f"  {reason}",
            _count(one[reason]) if reason in one else "",
            _count(other[reason]) if reason in other else "",
        )


def _count(number: int) -> str:
    return f"{number:,}"

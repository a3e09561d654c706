"""A comparison on the terminal: the differences by time, the first one in detail, and totals."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from tieout.execution.kernels.orders import OrderType, TimeInForce
from tieout.ledger.show import tables as present
from tieout.ledger.show.tables import Column, Grid
from tieout.validation.compare.differences import (
    NONE,
    Comparison,
    Difference,
    MaxDifference,
    describe,
    order_results,
    statements,
)
from tieout.validation.foreign.explanations import OrderResult
from tieout.validation.foreign.native import NativeRun, Order
from tieout.validation.foreign.orders import ENDS
from tieout.validation.foreign.outcome import Outcome

ROWS = 20
"""Largest number of differences that are listed."""
TIEOUT = "tieout"

Row = tuple[str, str, str]


def show(compared: Comparison, title: str, *notes: str) -> None:
    """Print a comparison under its title and *notes*."""
    run, every = compared.run, compared.differences
    when = "the same close" if run.is_same_close else "the next open"
    bars, columns = run.panels["close"].shape
    present.show(
        title,
        *notes,
        f"{bars:,} bars of {columns:,} instruments, {len(run.orders):,} orders, filled at {when}",
        "",
    )
    if every:
        present.show(_list(compared), "")
        if (more := len(every) - ROWS) > 0:
            present.show(f"and {more:,} more", "")
        present.show(*_detail(compared, every[0]), "")
        present.show(*_rules(compared), "")
    present.show(_totals(compared), "")
    count = len(every)
    present.show(f"{count:,} difference{'s' * (count != 1)}" if count else "no difference")


def _grid(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], right: int) -> Grid:
    """Make a table. The columns from *right* on are aligned to the right."""
    columns = [
        Column(heading, [row[place] for row in rows], place >= right)
        for place, heading in enumerate(headings)
    ]
    return Grid(title, columns, set(), set())


def _list(compared: Comparison) -> Grid:
    """List the differences by time."""
    panels = compared.run.panels
    rows = [
        (
            panels.when(difference.bar),
            panels.symbols[difference.column] if difference.column >= 0 else "",
            str(difference.order) if difference.order >= 0 else "",
            difference.what,
            difference.value,
            difference.engine_value,
            difference.rule,
        )
        for difference in compared.differences[:ROWS]
    ]
    headings = ("timestamp", "symbol", "order", "what", TIEOUT, compared.adapter.name, "rule")
    return _grid("Differences by time", headings, rows, len(headings))


def _rules(compared: Comparison) -> Iterator[str]:
    """State the rules that the list names."""
    sentences = statements(compared.adapter)
    for name in dict.fromkeys(difference.rule for difference in compared.differences):
        if name in sentences:
            yield f"{name}: {sentences[name]}."
    if not all(difference.rule for difference in compared.differences):
        yield "A difference without a rule follows from an earlier difference, or from no known rule."


# --- the first difference ---------------------------------------------------------------------------------


def _detail(compared: Comparison, first: Difference) -> list[str | Grid]:
    """Show cash, position, price and reason on both sides, before and after the first difference."""
    run = compared.run
    sides = [_side(run, outcome, first) for outcome in (run.outcome, compared.engine_outcome)]
    rows = [(name, one, other) for (name, one), (_, other) in zip(*sides, strict=True)]
    when = run.panels.when(first.bar)
    title = f"The first difference: {first.what} at {when}"
    order = [_describe_order(run, run.orders[first.order])] if first.order >= 0 else []
    return [title, *order, _grid("", ("", TIEOUT, compared.adapter.name), rows, 1)]


def _describe_order(run: NativeRun, order: Order) -> str:
    """Describe an order in words."""
    verb = "buy" if order.quantity > 0 else "sell"
    terms = order.type.name.lower()
    for name in ("limit", "stop"):
        if not np.isnan(price := getattr(order, name)):
            terms += f" {price:.10g}"
    tif = "" if order.tif is TimeInForce.GTC or order.type is OrderType.MARKET else f", {order.tif.name}"
    return (
        f"order {order.number}, placed at {run.panels.when(order.bar)}: {verb} {abs(order.quantity):.10g}"
        f" {run.panels.symbols[order.column]}, {terms}{tif}"
    )


def _side(run: NativeRun, outcome: Outcome, first: Difference) -> list[tuple[str, str]]:
    """Describe one side at the bar of a difference and at the bar before it."""
    bar = first.bar
    rows = [
        ("cash before", _money(outcome.cash[bar - 1] if bar else run.opening)),
        ("value before", _money(outcome.value[bar - 1] if bar else run.opening)),
    ]
    if first.column >= 0:
        result = order_results(outcome).get(first.order, OrderResult())
        fills = [fill for fill in result.fills if fill.bar == bar]
        rows += [
            ("position before", _position(outcome, first.column, bar)),
            ("fill", "; ".join(describe(fill) for fill in fills) or NONE),
            ("reason", result.reason or NONE),
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
    """Return the position in an instrument before bar *until*."""
    quantity = sum(f.quantity for f in outcome.fills if f.column == column and f.bar < until)
    return f"{quantity:.10g}" if abs(quantity) >= 1e-9 else "0"


def _money(amount: float) -> str:
    return f"{amount:,.6f}"


# --- totals ----------------------------------------------------------------------------------------


def _totals(compared: Comparison) -> Grid:
    """Count fills and refusals by reason. Show final cash and value and the largest differences."""
    outcome, engine_outcome = compared.run.outcome, compared.engine_outcome
    rows: list[Row] = [("fills", _count(_fills(outcome)), _count(_fills(engine_outcome)))]
    rows += _refusals(outcome, engine_outcome)
    for name in ("cash", "value"):
        one, other = getattr(outcome, name), getattr(engine_outcome, name)
        rows.append((f"{name} at the end", f"{one[-1]:,.2f}", f"{other[-1]:,.2f}"))
    for name in ("cash", "value"):
        largest: MaxDifference = getattr(compared, name)
        size = _money(largest.size)
        at = f"at {compared.run.panels.when(largest.bar)}" if size != _money(0.0) else ""
        rows.append((f"largest difference in {name}", size, at))
    return _grid("Totals", ("", TIEOUT, compared.adapter.name), rows, 1)


def _fills(outcome: Outcome) -> int:
    """Count executions. Those of one order at one bar and price count once."""
    return sum(len(result.fills) for result in order_results(outcome).values())


def _refusals(tieout_outcome: Outcome, engine_outcome: Outcome) -> Iterator[Row]:
    """Count refusals, in all and by reason. Each engine has words of its own for reasons."""
    one, other = (
        Counter(refusal.reason for refusal in outcome.refusals if refusal.reason not in ENDS)
        for outcome in (tieout_outcome, engine_outcome)
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

"""A notation for VectorBT's rules by hand, one bar per line.

    10 20  | 5 -    | buy 5 of 0 at 10; NoCashLong of 1 | 50
    9 -    | entry  | PriceNaN                          | 50 value 100

The prices of the columns (close, or open/high/low/close, ``-`` where there is none), what is asked for
(sizes, or signals), the fills and then the refusals that come of it (of which column, where there are
several), and the cash that is left, with the value where that is worth saying. Figures are rounded to six
decimals.
All other arguments have VectorBT's own names.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen

from tieout.validation.engines.vectorbt.scenario import Scenario
from tieout.validation.foreign.outcome import Fill, Outcome, Refusal

SIGNALS = {"entry": "entries", "exit": "exits", "short": "short_entries", "cover": "short_exits"}


@frozen
class Case:
    """Lines as above, and the other arguments of VectorBT."""

    lines: str
    arguments: Mapping[str, Any]

    @property
    def rows(self) -> list[list[str]]:
        return [[part.strip() for part in line.split("|")] for line in self.lines.strip().splitlines()]

    @property
    def scenario(self) -> Scenario:
        prices = np.array([[bar(text) for text in row[0].split()] for row in self.rows])
        cells = [row[1].split() for row in self.rows]
        arguments: dict[str, Any] = {
            name: np.array(v) if isinstance(v, list) else v for name, v in self.arguments.items()
        }
        about: dict[str, Any] = {
            name: arguments.pop(name) for name in ("cash_sharing", "call_seq") if name in arguments
        }
        cash = arguments.pop("cash", 100.0)
        if not SIGNALS.keys() & {word for row in cells for cell in row for word in cell.split("+")}:
            arguments.setdefault("size", np.array([[number(cell) for cell in row] for row in cells]))
            return Scenario("orders", prices[..., 3], cash, arguments, **about)
        arguments |= {name: prices[..., i] for i, name in enumerate(("open", "high", "low"))}
        words = ("entry", "exit") if "direction" in arguments else tuple(SIGNALS)
        for word in words:
            arguments[SIGNALS[word]] = np.array([[word in cell.split("+") for cell in row] for row in cells])
        return Scenario("signals", prices[..., 3], cash, arguments, **about)

    def performed(self, outcome: Outcome) -> list[list[str]]:
        """The rows with what came of them."""
        return [[*row[:2], *results(outcome, i, row)] for i, row in enumerate(self.rows)]


def case(lines: str, **arguments: Any) -> Case:
    return Case(lines, arguments)


def bar(text: str) -> list[float]:
    """Open, high, low and close, or the close alone."""
    prices = [number(part) for part in text.split("/")]
    return prices if len(prices) == 4 else [np.nan] * 3 + prices


def number(text: str) -> float:
    return np.nan if text == "-" else float(text)


def format_figure(figure: float) -> str:
    return f"{round(figure, 6) + 0.0:.12g}"


def results(outcome: Outcome, at: int, row: list[str]) -> tuple[str, str]:
    is_one = len(row[0].split()) == 1
    events: list[Fill | Refusal] = [*outcome.fills, *outcome.refusals]
    descriptions = [
        in_words(event, "" if is_one else f" of {event.column}") for event in events if event.bar == at
    ]
    value = f" value {format_figure(outcome.value[at])}" if "value" in row[3] else ""
    return "; ".join(descriptions) or "-", format_figure(outcome.cash[at]) + value


def in_words(event: Fill | Refusal, which: str) -> str:
    if isinstance(event, Refusal):
        return event.reason + which
    fee = f" fee {format_figure(event.fee)}" if event.fee else ""
    way = "buy" if event.quantity > 0 else "sell"
    return f"{way} {format_figure(abs(event.quantity))}{which} at {format_figure(event.price)}{fee}"

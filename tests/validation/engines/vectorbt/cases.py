"""A notation for VectorBT's rules by hand, one bar per line.

    10 20  | 5 -    | buy 5 of 0 at 10; NoCashLong of 1 | 50
    9 -    | entry  | PriceNaN                          | 50 value 100

The prices of the columns (close, or open/high/low/close, ``-`` where there is none), what is asked for
(sizes, or signals), the fills and then the refusals that come of it (of which column, where there are
several), and the cash that is left, with the value where that is worth saying. Figures are rounded to six
decimals.
Everything else is given under VectorBT's own names.
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
    """Lines as above, and what is given."""

    lines: str
    given: Mapping[str, Any]

    @property
    def rows(self) -> list[list[str]]:
        return [[part.strip() for part in line.split("|")] for line in self.lines.strip().splitlines()]

    @property
    def scenario(self) -> Scenario:
        prices = np.array([[bar(text) for text in row[0].split()] for row in self.rows])
        asked = [row[1].split() for row in self.rows]
        given: dict[str, Any] = {
            name: np.array(v) if isinstance(v, list) else v for name, v in self.given.items()
        }
        about: dict[str, Any] = {
            name: given.pop(name) for name in ("cash_sharing", "call_seq") if name in given
        }
        cash = given.pop("cash", 100.0)
        if not SIGNALS.keys() & {word for row in asked for cell in row for word in cell.split("+")}:
            given.setdefault("size", np.array([[number(cell) for cell in row] for row in asked]))
            return Scenario("orders", prices[..., 3], cash, given, **about)
        given |= {name: prices[..., i] for i, name in enumerate(("open", "high", "low"))}
        words = ("entry", "exit") if "direction" in given else tuple(SIGNALS)
        for word in words:
            given[SIGNALS[word]] = np.array([[word in cell.split("+") for cell in row] for row in asked])
        return Scenario("signals", prices[..., 3], cash, given, **about)

    def performed(self, outcome: Outcome) -> list[list[str]]:
        """The rows with what came of them."""
        return [[*row[:2], *results(outcome, i, row)] for i, row in enumerate(self.rows)]


def case(lines: str, **given: Any) -> Case:
    return Case(lines, given)


def bar(text: str) -> list[float]:
    """Open, high, low and close; only the last where no more is said."""
    prices = [number(part) for part in text.split("/")]
    return prices if len(prices) == 4 else [np.nan] * 3 + prices


def number(text: str) -> float:
    return np.nan if text == "-" else float(text)


def shown(figure: float) -> str:
    return f"{round(figure, 6) + 0.0:.12g}"


def results(outcome: Outcome, at: int, row: list[str]) -> tuple[str, str]:
    is_one = len(row[0].split()) == 1
    events: list[Fill | Refusal] = [*outcome.fills, *outcome.refusals]
    told = [in_words(event, "" if is_one else f" of {event.column}") for event in events if event.bar == at]
    value = f" value {shown(outcome.value[at])}" if "value" in row[3] else ""
    return "; ".join(told) or "-", shown(outcome.cash[at]) + value


def in_words(event: Fill | Refusal, which: str) -> str:
    if isinstance(event, Refusal):
        return event.reason + which
    fee = f" fee {shown(event.fee)}" if event.fee else ""
    way = "buy" if event.quantity > 0 else "sell"
    return f"{way} {shown(abs(event.quantity))}{which} at {shown(event.price)}{fee}"

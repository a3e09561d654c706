"""A run of VectorBT as data, in that package's own words, and its text.

A `Scenario` holds the arguments of ``Portfolio.from_orders`` or ``Portfolio.from_signals``. A figure may be a
single value, a row with a value per column, or a value per bar and column. Defaults are those of the package,
except for cash, which columns share by default.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from tieout.ledger.numeric import Floats
from tieout.validation.engines.vectorbt import signals
from tieout.validation.engines.vectorbt.rules import DIRECTIONS, PERCENT, SIZE_TYPES

Array = NDArray[Any]
Value = float | bool | str | Array
Engine = Literal["numba", "rust"]
ENGINES: tuple[Engine, ...] = ("numba", "rust")
"""VectorBT's own two engines."""

WORDS: dict[str, tuple[str, ...]] = {
    "size_type": SIZE_TYPES,
    "direction": DIRECTIONS,
    "accumulate": signals.ACCUMULATION,
    "upon_long_conflict": signals.CONFLICTS,
    "upon_short_conflict": signals.CONFLICTS,
    "upon_dir_conflict": signals.DIRECTION_CONFLICTS,
    "upon_opposite_entry": signals.OPPOSITE_ENTRIES,
    "stop_entry_price": signals.STOP_ENTRY_PRICES,
    "stop_exit_price": signals.STOP_EXIT_PRICES,
    "upon_stop_exit": signals.STOP_EXITS,
    "upon_stop_update": signals.STOP_UPDATES,
}
"""Arguments that are words, with their words by VectorBT's number."""
OF_ORDERS: dict[str, Value] = {
    "size": np.inf,
    "size_type": "amount",
    "direction": "both",
    "price": np.inf,
    "val_price": np.inf,
    "fees": 0.0,
    "fixed_fees": 0.0,
    "slippage": 0.0,
    "min_size": 1e-8,
    "max_size": np.inf,
    "size_granularity": np.nan,
    "lock_cash": False,
    "allow_partial": True,
    "ffill_val_price": True,
    "update_value": False,
}
"""Arguments of ``from_orders``, with their defaults."""
OF_SIGNALS: dict[str, Value] = {
    **OF_ORDERS,
    "direction": "longonly",
    "open": np.nan,
    "high": np.nan,
    "low": np.nan,
    "entries": False,
    "exits": False,
    "short_entries": False,
    "short_exits": False,
    "accumulate": "disabled",
    "upon_long_conflict": "ignore",
    "upon_short_conflict": "ignore",
    "upon_dir_conflict": "ignore",
    "upon_opposite_entry": "reversereduce",
    "sl_stop": np.nan,
    "sl_trail": False,
    "tp_stop": np.nan,
    "stop_entry_price": "close",
    "stop_exit_price": "stoplimit",
    "upon_stop_exit": "close",
    "upon_stop_update": "override",
}
"""Arguments of ``from_signals``, with their defaults. With signals for shorts, *direction* has no effect."""
DEFAULTS = {"orders": OF_ORDERS, "signals": OF_SIGNALS}
BOUNDS: dict[str, tuple[float, float]] = {
    "fees": (-0.99, np.inf),
    "fixed_fees": (-np.inf, np.inf),
    "slippage": (0.0, 1.0),
    "min_size": (0.0, np.inf),
    "max_size": (0.0, np.inf),
    "size_granularity": (0.0, np.inf),
    "sl_stop": (0.0, np.inf),
    "tp_stop": (0.0, np.inf),
}
"""Bounds of figures. Outside of them VectorBT raises, or sells below zero."""


@frozen(eq=False)
class Scenario:
    """A run of VectorBT: *close* is [bars, columns], *cash* opens each account, *arguments* is the rest.

    *call_seq* is ``default``, ``reversed``, ``auto``, or the sequence of columns at each bar.
    """

    kind: Literal["orders", "signals"]
    close: Floats
    cash: float
    arguments: Mapping[str, Value] = field(factory=dict)
    cash_sharing: bool = True
    call_seq: str | NDArray[np.int64] = "default"

    def __attrs_post_init__(self) -> None:
        if unknown := set(self.arguments) - set(DEFAULTS[self.kind]):
            raise ValueError(f"{self.kind} take no {', '.join(sorted(unknown))}")
        for name, (low, high) in BOUNDS.items():
            values = np.asarray(self.of(name), np.float64)
            if np.any((values < low) | (values > high)):
                raise ValueError(f"{name} lies between {low} and {high}")
        if self.kind == "signals":
            if np.any(np.asarray(self.of("size")) < 0):
                raise ValueError("a signal has a side, so its size is not below zero")
            if np.any(self.codes("size_type") > SIZE_TYPES.index("percent")):
                raise ValueError("a signal has no target")

    @property
    def shape(self) -> tuple[int, int]:
        """Bars and columns."""
        bars, columns = self.close.shape
        return bars, columns

    def of(self, name: str) -> Value:
        """Return an argument or its default."""
        return self.arguments[name] if name in self.arguments else {**OF_SIGNALS, **DEFAULTS[self.kind]}[name]

    def codes(self, name: str) -> NDArray[np.int64]:
        """Return an argument in words as VectorBT's numbers."""
        codes: NDArray[np.int64] = np.vectorize(WORDS[name].index, otypes=[np.int64])(self.of(name))
        return codes

    def cells(self, name: str) -> Array:
        """Return an argument for each bar and column, as a read-only array."""
        return np.broadcast_to(self.of(name), self.shape)

    @property
    def text(self) -> str:
        """The scenario as JSON, one name per line. NaN and infinity are as Python writes them."""
        lines = {
            "kind": self.kind,
            "cash": self.cash,
            "cash_sharing": self.cash_sharing,
            "call_seq": _json_value(self.call_seq),
            "close": _json_value(self.close),
            **{f"arguments.{name}": _json_value(value) for name, value in self.arguments.items()},
        }
        return "{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in lines.items()) + "\n}\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse the text of a scenario."""
        fields: dict[str, Any] = {name: _from_json(value) for name, value in json.loads(text).items()}
        arguments = {
            name.removeprefix("arguments."): fields.pop(name) for name in list(fields) if "." in name
        }
        return cls(arguments=arguments, **fields)


def _json_value(value: Value) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _from_json(value: Any) -> Value:
    array: Value = np.array(value) if isinstance(value, list) else value
    return array


GRANULARITY = "steps of a granularity"
NOTHING = "a percent of zero"
UNMARKED = "a percent without a valuation price in an automatic sequence"


def where_engines_differ(scenario: Scenario) -> Sequence[str]:
    """List the features of a scenario on which VectorBT's numba and Rust engines disagree, by name.

    Steps: a size of 1 in steps of 0.1 is 0.9 in numba, which takes the floor of a quotient, and 1 in Rust. A
    percent of zero: numba fills NaN, and raises at the next order. Rust refuses it. A percent to sell where
    there is no valuation price: in an automatic sequence it counts as NaN in numba, as a number in Rust.
    """
    is_auto = isinstance(scenario.call_seq, str) and scenario.call_seq == "auto"
    is_shared = scenario.cash_sharing and scenario.shape[1] > 1
    percent = np.broadcast_to(scenario.codes("size_type") == PERCENT, scenario.shape)
    features = {
        GRANULARITY: not np.all(np.isnan(np.asarray(scenario.of("size_granularity")))),
        NOTHING: np.any(percent & (scenario.cells("size") == 0)),
        UNMARKED: is_auto and is_shared and np.any(percent) and _may_lack_marks(scenario),
    }
    return [name for name, differs in features.items() if differs]


def _may_lack_marks(scenario: Scenario) -> bool:
    """Check whether a column may lack a valuation price: a price of its first bar, or of any bar, is NaN."""
    bars = slice(None, 1) if scenario.of("ffill_val_price") else slice(None)
    prices = [scenario.close[bars]]
    for name in ("price", "val_price"):
        cells = scenario.cells(name)[bars]
        prices.append(np.where(cells == -np.inf, np.nan, cells))
    return bool(np.any(np.isnan(prices)))

"""Programs: strategies whose decisions for all bars are computed beforehand. They run without Python.

Each takes an array[bars, instruments] in the order of the bars' timestamps and symbols, or a long frame with
the columns timestamp and symbol (`placement`). An array is copied and checked when the program is made, so
later changes to it have no effect.
"""

from typing import Any

import numpy as np
import polars as pl
from attrs import field, frozen

from tieout.execution.data.bars import Bars
from tieout.execution.data.frames import lazy, require_columns
from tieout.execution.data.instruments import Instruments, InstrumentSpec
from tieout.execution.engine import Tags
from tieout.execution.errors import InvalidSetting, MalformedOrder
from tieout.execution.kernels.orders import OrderType, Sizing, TimeInForce
from tieout.execution.kernels.state import EMPTY_PROGRAM, Program, private_copy, read_only
from tieout.execution.kernels.submission import ORDERS, SIGNALS, WEIGHTS
from tieout.execution.strategy.placement import flags, numbers, places, targets, within
from tieout.execution.strategy.requests import all_in_steps, blanks, in_steps, set_types
from tieout.ledger.books.commodity import Commodity
from tieout.ledger.numeric import Floats, Records


def _copy_weights(value: Any) -> Any:
    """Copy an array. Return a frame unchanged."""
    if not isinstance(value, np.ndarray):
        return value
    weights = private_copy(value, np.float64)
    _require_finite(weights)
    return read_only(weights)


def _require_finite(weights: Floats) -> None:
    if np.isinf(weights).any():
        raise MalformedOrder("weights: a weight is infinite")


@frozen(eq=False)
class TargetWeights:
    """Target weights at each bar: the share of equity for each instrument. NaN, or no row, gives no order."""

    weights: Any = field(converter=_copy_weights)
    tag: str = "rebalance"

    def program(self, bars: Bars, instruments: Instruments, currency: Commodity, tags: Tags) -> Program:
        """Compile the program over all bars."""
        del instruments, currency
        weights = targets(self.weights, "weight", bars)
        if weights is not self.weights:
            _require_finite(weights)
        requests = blanks(1)
        requests["tag"] = tags.number(self.tag)
        requests["sizing"] = int(Sizing.TARGET_PERCENT)
        requests["tif"] = int(TimeInForce.TARGET)
        return EMPTY_PROGRAM._replace(kind=WEIGHTS, weights=read_only(weights), requests=requests)

    def spec(self) -> dict[str, Any]:
        """Describe the program for the journal, beside the digest of its arrays."""
        return {"program": "target_weights", "tag": self.tag}


def _copy_flags(value: Any, name: str) -> Any:
    """Copy an array or a list to bool[bars, instruments]. Return a frame unchanged."""
    if not isinstance(value, np.ndarray | list):
        return value
    array = np.asarray(value)
    if array.dtype != np.bool_:
        if array.dtype.kind not in "iuf" or np.any(~np.isin(array, (0, 1)) & ~np.isnan(array)):
            raise MalformedOrder(f"{name}: flags are true and false, or one and zero; NaN is false")
        array = array == 1
    return read_only(private_copy(array, np.bool_))


def _copy_entries(value: Any) -> Any:
    return _copy_flags(value, "entry")


def _copy_exits(value: Any) -> Any:
    return _copy_flags(value, "exit")


@frozen(eq=False)
class Signals:
    """Entries and exits of long positions.

    An instrument without a position is bought where *entries* is true. A position is sold whole where *exits*
    is true. The size of an entry is one of *quantity* (whole units), *value* (money) and *percent* (a share
    of equity). Where both flags are true there is no order, nor while an order for the instrument is working.
    """

    entries: Any = field(converter=_copy_entries)
    exits: Any = field(converter=_copy_exits)
    quantity: Any = None
    value: Any = None
    percent: Any = None
    tag: str = "signal"

    def program(self, bars: Bars, instruments: Instruments, currency: Commodity, tags: Tags) -> Program:
        """Compile the program over all bars."""
        entries, exits = flags(self.entries, "entry", bars), flags(self.exits, "exit", bars)
        sizes = {n: v for n in ("quantity", "value", "percent") if (v := getattr(self, n)) is not None}
        if len(sizes) != 1:
            raise InvalidSetting("the size of an entry is one of quantity, value and percent")
        ((name, size),) = sizes.items()
        requests = blanks(2)
        requests["tag"] = tags.number(self.tag)
        if not 0 < float(size) < float("inf"):
            raise MalformedOrder(f"{name} {size!r} is not a number above zero")
        if name == "quantity":
            usual = [s for s in bars.symbols if s not in instruments.by_symbol][:1]
            steps = {_in_steps(instruments.of(s), float(size), s) for s in [*usual, *instruments.by_symbol]}
            if len(steps) > 1:
                raise InvalidSetting("a quantity for all entries needs instruments of one scale")
            requests["units"][0] = steps.pop()
        else:
            requests["sizing"][0] = int(Sizing.VALUE if name == "value" else Sizing.PERCENT)
            requests["amount"][0] = float(size) * (10.0**currency.scale if name == "value" else 1.0)
        return EMPTY_PROGRAM._replace(
            kind=SIGNALS, entries=read_only(entries), exits=read_only(exits), requests=requests
        )

    def spec(self) -> dict[str, Any]:
        """Describe the program for the journal, beside the digest of its arrays."""
        sizes = {n: str(v) for n in ("quantity", "value", "percent") if (v := getattr(self, n)) is not None}
        return {"program": "signals", "tag": self.tag} | sizes


_SIZINGS = {
    "quantity": Sizing.QUANTITY,
    "value": Sizing.VALUE,
    "percent": Sizing.PERCENT,
    "target_quantity": Sizing.TARGET_QUANTITY,
    "target_value": Sizing.TARGET_VALUE,
    "target_percent": Sizing.TARGET_PERCENT,
}


_COLUMNS = ("timestamp", "symbol", *_SIZINGS, "limit", "stop", "tif", "tag", "signal")


@frozen(eq=False)
class Orders:
    """Orders as a long frame.

    Its columns are timestamp, symbol and one of quantity, value, percent, target_quantity, target_value and
    target_percent. An amount below zero sells. The columns limit, stop, tif, tag and signal are optional.

    The orders of one bar are submitted in the order of the rows. *columns* maps these names to the frame's.
    """

    frame: Any
    columns: dict[str, str] = field(factory=dict)

    def program(self, bars: Bars, instruments: Instruments, currency: Commodity, tags: Tags) -> Program:
        """Compile the program over all bars."""
        source = lazy(self.frame, "orders", self.columns, MalformedOrder)
        require_columns(source, ("timestamp", "symbol"))
        rows = within(source, bars)
        place, column = places(rows, bars)
        sizes = [name for name in _SIZINGS if name in rows.columns]
        if len(sizes) != 1:
            raise MalformedOrder(f"{source.name}: give one column of {', '.join(_SIZINGS)}")
        if unknown := [name for name in rows.columns if name not in _COLUMNS]:
            raise MalformedOrder(
                f"{source.name}: an order has no {', '.join(unknown)}; there are {', '.join(_COLUMNS)}"
            )
        if sizes[0].startswith("target") and "tif" in rows.columns:
            raise MalformedOrder(f"{source.name}: a target is good for the next bar; leave tif out")
        requests = blanks(rows.height)
        order = np.argsort(place, kind="stable")
        requests["bar"], requests["column"] = place[order], column[order]
        self._fill(requests, rows[order], sizes[0], bars, instruments, currency, tags)
        first = np.searchsorted(requests["bar"], np.arange(len(bars) + 1)).astype(np.int64)
        return EMPTY_PROGRAM._replace(kind=ORDERS, requests=requests, first=read_only(first))

    def _fill(
        self,
        requests: Records,
        rows: pl.DataFrame,
        name: str,
        bars: Bars,
        instruments: Instruments,
        currency: Commodity,
        tags: Tags,
    ) -> None:
        sizing = _SIZINGS[name]
        requests["sizing"] = int(sizing)
        amounts = numbers(rows, name)
        if np.any(~np.isfinite(amounts)):
            bad = int(np.argmax(~np.isfinite(amounts)))
            raise MalformedOrder(f"orders: {name} is missing:\n{rows[bad : bad + 1]}")
        if sizing in (Sizing.QUANTITY, Sizing.TARGET_QUANTITY):
            symbols = [bars.symbols[c] for c in requests["column"]]
            steps = np.array([float(instruments.of(s).step) for s in bars.symbols])
            units = np.array([instruments.of(s).step_units for s in bars.symbols], np.int64)
            columns = requests["column"]
            requests["units"] = all_in_steps(amounts, steps[columns], units[columns], symbols)
        else:
            is_money = sizing in (Sizing.VALUE, Sizing.TARGET_VALUE)
            requests["amount"] = amounts * (10.0**currency.scale if is_money else 1.0)
        is_zero = (requests["units"] == 0) & (requests["amount"] == 0)
        if sizing in (Sizing.QUANTITY, Sizing.VALUE, Sizing.PERCENT) and np.any(is_zero):
            bad = int(np.argmax(is_zero))
            raise MalformedOrder(f"orders: {name} is zero:\n{rows[bad : bad + 1]}")
        for price in ("limit", "stop", "signal"):
            if price in rows.columns:
                requests[price] = numbers(rows, price)
        set_types(requests)
        is_target = sizing in (Sizing.TARGET_QUANTITY, Sizing.TARGET_VALUE, Sizing.TARGET_PERCENT)
        if is_target and np.any(requests["type"] != int(OrderType.MARKET)):
            raise MalformedOrder("orders: a target is a market order, good for the next bar")
        requests["tif"] = int(TimeInForce.TARGET if is_target else TimeInForce.GTC)
        if "tif" in rows.columns and not is_target:
            requests["tif"] = [int(_tif(name)) for name in rows["tif"]]
        names = rows["tag"].fill_null("") if "tag" in rows.columns else [""] * rows.height
        requests["tag"] = [tags.number(tag) for tag in names]

    def spec(self) -> dict[str, Any]:
        """Describe the program for the journal, beside the digest of its arrays."""
        return {"program": "orders"}


def _in_steps(terms: InstrumentSpec, quantity: float, symbol: str) -> int:
    return in_steps(quantity, float(terms.step), terms.step_units, symbol)


def _tif(name: str | None) -> TimeInForce:
    tif = (name or "GTC").upper()
    if tif not in {"GTC", "DAY"}:
        raise MalformedOrder(f"orders: tif {name!r} is neither GTC nor DAY")
    return TimeInForce[tif]

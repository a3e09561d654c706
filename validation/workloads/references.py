"""Results on which other engines agree, reached natively.

    python -m tieout.validation.workloads.references [WORKLOAD ...]

Two independent engines that give the same fills and the same final value to the cent are a reference for
their rules. These are the references whose rules tieout has itself. Each is performed from the arrays of its
workload. The command prints our result beside theirs, and exits 1 if one differs.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import polars as pl
from attrs import evolve, frozen

from tieout import (
    Backtest,
    Bar,
    Bars,
    Broker,
    CashAccount,
    Costs,
    Instrument,
    Instruments,
    PercentCommission,
    Result,
    Signals,
    Sizing,
    Strategy,
    TargetWeights,
)
from tieout.strategies.top import Top
from tieout.validation.workloads.workloads import BEST, WARMUP, Workload, generate

CENT = Decimal("0.01")


class Flags(Strategy):
    """Enter with *quantity* where flat and the feature `entry` is set. Exit where `exit` is set."""

    def __init__(self, quantity: float) -> None:
        self.quantity = quantity

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Order by the flags of each instrument."""
        quantities = broker.quantities
        entry, leave = bar.feature("entry") > 0, bar.feature("exit") > 0
        orders = np.where(entry & ~leave & (quantities == 0), self.quantity, np.nan)
        orders = np.where(leave & ~entry & (quantities > 0), -quantities, orders)
        broker.order_vector(Sizing.QUANTITY, orders, tag="signal")


class CheapestFirst(Strategy):
    """The rules of `Flags` with exits ordered first, then entries, the smallest amount of money first.

    VectorBT does the same with ``call_seq='auto'``.
    """

    def __init__(self, quantity: float) -> None:
        self.quantity = quantity

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Sell, then buy."""
        quantities = broker.quantities
        entry, leave = bar.feature("entry") > 0, bar.feature("exit") > 0
        exits = leave & ~entry & (quantities > 0)
        broker.order_vector(Sizing.QUANTITY, np.where(exits, -quantities, np.nan))
        entries = np.flatnonzero(entry & ~leave & (quantities == 0))
        for place in entries[np.argsort(bar.close[entries], kind="stable")]:
            broker.buy(bar.symbols[place], self.quantity)


class OneByOne(Strategy):
    """Hold *share* of equity where the feature `target` is set. One call for each instrument."""

    def __init__(self, share: float) -> None:
        self.share = share

    def on_instrument(self, instrument: Instrument, broker: Broker) -> None:
        """Order the target of one instrument."""
        target = instrument.feature("target")
        if target > 0:
            broker.target_percent(instrument.symbol, self.share)
        elif target == 0 and broker.position(instrument.symbol):
            broker.target_quantity(instrument.symbol, 0)


@frozen
class Face:
    """A program or a strategy, and the features that it reads."""

    strategy: Any
    features: Sequence[pl.DataFrame] = ()


def weights(workload: Workload) -> Face:
    """Return the best by score as an array program."""
    return Face(TargetWeights(workload.weights))


def best(workload: Workload) -> Face:
    """Return the best by score as a Python strategy."""
    return Face(Top(count=BEST, invested=0.95), [long(workload, {"score": "score"}, WARMUP)])


def one_by_one(workload: Workload) -> Face:
    """Return the best by score as a Python strategy that is called for each instrument."""
    targets = evolve(workload, inputs={"target": np.sign(workload.weights)})
    return Face(OneByOne(0.95 / BEST), [long(targets, {"target": "target"}, WARMUP)])


def flags(workload: Workload) -> Face:
    """Return the flags as an array program, 100 units an entry."""
    return Face(Signals(workload.inputs["entries"], workload.inputs["exits"], quantity=100))


def flags_strategy(workload: Workload) -> Face:
    """Return the flags as a Python strategy."""
    return Face(Flags(100), [long(workload, {"entry": "entries", "exit": "exits"})])


def cheapest_first(workload: Workload) -> Face:
    """Return the flags as a Python strategy that orders the cheapest entries first."""
    return Face(CheapestFirst(100), [long(workload, {"entry": "entries", "exit": "exits"})])


def all_in(workload: Workload) -> Face:
    """Return the flags as an array program, all of equity for each entry."""
    return Face(Signals(workload.inputs["entries"], workload.inputs["exits"], percent=1.0))


@frozen
class Reference:
    """A result, the engines that agree on it, and its rules.

    Each of *faces* reaches it.
    """

    workload: str
    rules: str
    fills: int
    value: Decimal
    agreed: str
    settings: "Settings"
    faces: Sequence[Callable[[Workload], Face]]

    def backtest(self, workload: Workload, face: Callable[[Workload], Face]) -> Backtest:
        """Return the run."""
        settings, traded = self.settings, face(workload)
        return Backtest(
            bars=bars_of(workload),
            strategy=traded.strategy,
            features=traded.features,
            account=CashAccount(settings.cash, insufficient=settings.insufficient),
            costs=Costs(commission=PercentCommission(settings.rate)),
            instruments=Instruments.fractional() if settings.is_fractional else Instruments.whole(),
            fill=settings.fill,
        )


@frozen
class Settings:
    """Cash, the commission rate, when orders fill, and whether fractions are traded."""

    fill: str
    cash: str = "1000000"
    rate: str = "0.001"
    is_fractional: bool = False
    insufficient: Literal["reject", "cut"] = "reject"


_AMPLE = "10000000"
_AT_CLOSE = Settings("same_close", is_fractional=True)
_AT_OPEN = Settings("next_open")
_CLOSE, _OPEN = "g95, close, fractional", "g95, nextopen, whole shares"
_TWO, _THREE = "VectorBT, ml4t", "VectorBT, Backtrader, ml4t"
_FIVE = "VectorBT, Backtrader, ml4t, zipline, PyBroker"
REFERENCES = tuple(
    Reference(workload, rules, fills, Decimal(value), agreed, settings, faces)
    for workload, rules, fills, value, agreed, settings, faces in (
        (
            "W1",
            "ample, close",
            10_929,
            "10008935.10",
            _THREE,
            Settings("same_close", cash=_AMPLE),
            (flags, flags_strategy),
        ),
        (
            "W1",
            "ample, nextopen",
            10_929,
            "9999434.74",
            _THREE,
            Settings("next_open", cash=_AMPLE),
            (flags, flags_strategy),
        ),
        (
            "W1",
            "tight, close, sells first, partial",
            5_847,
            "1000094.83",
            "VectorBT, both its engines",
            Settings("same_close", is_fractional=True, insufficient="cut"),
            (cheapest_first,),
        ),
        ("W2", _CLOSE, 9_046, "1263044.75", _TWO, _AT_CLOSE, (weights, best, one_by_one)),
        ("W2", _OPEN, 8_040, "1273638.82", _FIVE, _AT_OPEN, (weights, best, one_by_one)),
        ("W3", _CLOSE, 94_857, "16228265.55", _TWO, _AT_CLOSE, (weights, best)),
        ("W3", _OPEN, 89_978, "16334425.11", _FIVE, _AT_OPEN, (weights, best)),
        (
            "W4",
            "close",
            13_732,
            "1274836.41",
            _TWO,
            Settings("same_close", rate="0.00001", is_fractional=True, insufficient="cut"),
            (all_in,),
        ),
    )
)


def bars_of(workload: Workload) -> Bars:
    """Return the workload's bars, not copied."""
    return Bars.from_arrays(workload.timestamp, workload.symbols, **workload.bars)


def long(workload: Workload, columns: dict[str, str], first: int = 0) -> pl.DataFrame:
    """Return inputs as a long frame from bar *first* on. *columns* maps a column to its input."""
    bars, instruments = workload.bars["close"].shape
    return pl.DataFrame(
        {
            "timestamp": np.repeat(workload.timestamp[first:], instruments).astype("M8[ns]"),
            "symbol": pl.Series(workload.symbols * (bars - first), dtype=pl.Categorical),
            **{name: workload.inputs[key][first:].ravel() for name, key in columns.items()},
        }
    )


def outcome(result: Result) -> tuple[int, Decimal]:
    """Return the number of fills, and the final value to the cent."""
    fills = result.journal.sql("select count(*) as n from fill").rows()[0]["n"]
    return int(fills), Decimal(result.equity["equity"][-1]).quantize(CENT)


def posted(result: Result) -> str:
    """Digest all transfers, transactions and fills, which do not depend on the kind of order."""
    digest = hashlib.sha256()
    for table, key in (("txn", "id"), ("transfer", "seq"), ("fill", "id")):
        columns = result.journal.sql(f"from {table} order by {key}").arrow()
        for column in columns.column_names:
            digest.update(columns[column].to_numpy().tobytes())
    return digest.hexdigest()


def main() -> None:
    """Perform the references, and print our results beside theirs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = sorted({reference.workload for reference in REFERENCES})
    parser.add_argument("workload", nargs="*", metavar="WORKLOAD", help=", ".join(names))
    chosen = parser.parse_args().workload or names
    if unknown := set(chosen) - set(names):
        parser.error(f"there is no workload {', '.join(sorted(unknown))}")
    print(f"{'workload and rules':<38}{'fills':>18}{'final value':>32}  agreed by")
    wrong = 0
    for name in chosen:
        workload = generate(name)
        for reference in REFERENCES:
            if reference.workload == name:
                wrong += not _agrees(reference, workload)
    print(f"\n{wrong or 'no'} reference{'s' * (wrong != 1)} missed")
    sys.exit(1 if wrong else 0)


def _agrees(reference: Reference, workload: Workload) -> bool:
    """Print one row, our result beside theirs, and check whether they are equal."""
    with reference.backtest(workload, reference.faces[0]).run() as result:
        fills, value = outcome(result)
    agrees = (fills, value) == (reference.fills, reference.value)
    print(
        f"{reference.workload + ' ' + reference.rules:<38}{fills:>9,}{reference.fills:>9,}"
        f"{value:>16,}{reference.value:>16,}  {reference.agreed}{'' if agrees else '  DIFFERS'}"
    )
    return agrees


if __name__ == "__main__":
    main()

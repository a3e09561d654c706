"""Results that other engines agree on, reached natively.

    python -m tieout.validation.workloads.references [WORKLOAD ...]

Where two engines of different make give the same fills and the same final value to the cent, that is a
reference for whoever claims the same rules. These are the ones whose rules tieout has by itself; each is
performed from the arrays of its workload. Prints ours beside theirs and ends with 1 where they differ.
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
    """Enter with *quantity* where flat and the feature `entry` is set; leave where `exit` is."""

    def __init__(self, quantity: float) -> None:
        self.quantity = quantity

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Order what the flags say, instrument by instrument."""
        held = broker.quantities
        entry, leave = bar.feature("entry") > 0, bar.feature("exit") > 0
        asked = np.where(entry & ~leave & (held == 0), self.quantity, np.nan)
        asked = np.where(leave & ~entry & (held > 0), -held, asked)
        broker.order_vector(Sizing.QUANTITY, asked, tag="signal")


class AllIn(Strategy):
    """All of equity where flat and the feature `entry` is set; none where `exit` is."""

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Order what the flags of the one instrument say."""
        (symbol,) = bar.symbols
        entry, leave = bar["entry"][0] > 0, bar["exit"][0] > 0
        held = broker.position(symbol)
        if entry and not leave and not held:
            broker.order_percent(symbol, 1.0)
        elif leave and not entry and held:
            broker.sell(symbol, held)


class CheapestFirst(Strategy):
    """As `Flags`, but the exits are asked for first and then the entries, the smallest amount of money first.

    So does VectorBT with ``call_seq='auto'``.
    """

    def __init__(self, quantity: float) -> None:
        self.quantity = quantity

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Sell, then buy."""
        held = broker.quantities
        entry, leave = bar.feature("entry") > 0, bar.feature("exit") > 0
        broker.order_vector(Sizing.QUANTITY, np.where(leave & ~entry & (held > 0), -held, np.nan))
        wanted = np.flatnonzero(entry & ~leave & (held == 0))
        for place in wanted[np.argsort(bar.close[wanted], kind="stable")]:
            broker.buy(bar.symbols[place], self.quantity)


class OneByOne(Strategy):
    """Hold *share* of equity in each instrument whose feature `wanted` is set; one call for each of them."""

    def __init__(self, share: float) -> None:
        self.share = share

    def on_instrument(self, instrument: Instrument, broker: Broker) -> None:
        """Ask for the target of one."""
        wanted = instrument.feature("wanted")
        if wanted > 0:
            broker.target_percent(instrument.symbol, self.share)
        elif wanted == 0 and broker.position(instrument.symbol):
            broker.target_quantity(instrument.symbol, 0)


@frozen
class Face:
    """What is traded on: a program or a strategy, and the features that it reads."""

    strategy: Any
    features: Sequence[pl.DataFrame] = ()


def weights(workload: Workload) -> Face:
    """The best by score as an array program."""
    return Face(TargetWeights(workload.weights))


def best(workload: Workload) -> Face:
    """The best by score as a Python strategy."""
    return Face(Top(count=BEST, invested=0.95), [long(workload, {"score": "score"}, WARMUP)])


def one_by_one(workload: Workload) -> Face:
    """The best by score as a Python strategy that is called for each instrument."""
    wanted = evolve(workload, inputs={"wanted": np.sign(workload.weights)})
    return Face(OneByOne(0.95 / BEST), [long(wanted, {"wanted": "wanted"}, WARMUP)])


def flags(workload: Workload) -> Face:
    """The flags as an array program, 100 units an entry."""
    return Face(Signals(workload.inputs["entries"], workload.inputs["exits"], quantity=100))


def flags_by_hand(workload: Workload) -> Face:
    """The flags as a Python strategy."""
    return Face(Flags(100), [long(workload, {"entry": "entries", "exit": "exits"})])


def cheapest_first(workload: Workload) -> Face:
    """The flags as a Python strategy that has an order of its own."""
    return Face(CheapestFirst(100), [long(workload, {"entry": "entries", "exit": "exits"})])


def all_in(workload: Workload) -> Face:
    """The flags as an array program, all of equity an entry."""
    return Face(Signals(workload.inputs["entries"], workload.inputs["exits"], percent=1.0))


def all_in_by_hand(workload: Workload) -> Face:
    """The flags as a Python strategy, all of equity an entry."""
    return Face(AllIn(), [long(workload, {"entry": "entries", "exit": "exits"})])


@frozen
class Reference:
    """A result, who agrees on it, and the rules under which it comes out.

    It comes out from each of *faces*.
    """

    workload: str
    rules: str
    fills: int
    value: Decimal
    agreed: str
    settings: "Settings"
    faces: Sequence[Callable[[Workload], Face]]

    def backtest(self, workload: Workload, face: Callable[[Workload], Face]) -> Backtest:
        """The run."""
        given, traded = self.settings, face(workload)
        return Backtest(
            bars=bars_of(workload),
            strategy=traded.strategy,
            features=traded.features,
            account=CashAccount(given.cash, insufficient=given.insufficient),
            costs=Costs(commission=PercentCommission(given.rate)),
            instruments=Instruments.fractional() if given.is_fractional else Instruments.whole(),
            fill=given.fill,
        )


@frozen
class Settings:
    """Cash, the commission's rate, when orders fill, and what may be traded of an instrument."""

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
            (flags, flags_by_hand),
        ),
        (
            "W1",
            "ample, nextopen",
            10_929,
            "9999434.74",
            _THREE,
            Settings("next_open", cash=_AMPLE),
            (flags, flags_by_hand),
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
    """The workload's bars, not copied."""
    return Bars.from_arrays(workload.timestamp, workload.symbols, **workload.bars)


def long(workload: Workload, columns: dict[str, str], first: int = 0) -> pl.DataFrame:
    """Inputs of a workload as a long frame from bar *first* on; *columns* maps a column to its input."""
    bars, instruments = workload.bars["close"].shape
    return pl.DataFrame(
        {
            "timestamp": np.repeat(workload.timestamp[first:], instruments).astype("M8[ns]"),
            "symbol": pl.Series(workload.symbols * (bars - first), dtype=pl.Categorical),
            **{name: workload.inputs[key][first:].ravel() for name, key in columns.items()},
        }
    )


def outcome(result: Result) -> tuple[int, Decimal]:
    """The number of fills, and the final value to the cent."""
    fills = result.journal.sql("select count(*) as n from fill").rows()[0]["n"]
    return int(fills), Decimal(result.equity["equity"][-1]).quantize(CENT)


def posted(result: Result) -> str:
    """SHA-256 over all transfers, transactions and fills, which do not tell how they were asked for."""
    digest = hashlib.sha256()
    for table, key in (("txn", "id"), ("transfer", "seq"), ("fill", "id")):
        columns = result.journal.sql(f"from {table} order by {key}").arrow()
        for column in columns.column_names:
            digest.update(columns[column].to_numpy().tobytes())
    return digest.hexdigest()


def main() -> None:
    """Perform the references, and print ours beside theirs."""
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
                wrong += not _shown(reference, workload)
    print(f"\n{wrong or 'no'} reference{'s' * (wrong != 1)} missed")
    sys.exit(1 if wrong else 0)


def _shown(reference: Reference, workload: Workload) -> bool:
    """Print one row, ours and theirs; whether they are equal."""
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

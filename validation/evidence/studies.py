"""Whole workloads in the packages and in the imitations, side by side.

The rows are results on which independent engines agree. Each package that has the rules reaches them. The
study is the hardest comparison: flags of 250 instruments over a year, with entries for 20,000 from 1,000,000.
Cash binds all the time there, so one different fill changes all later ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from tieout import (
    Backtest,
    Bar,
    Broker,
    CashAccount,
    Costs,
    Instruments,
    PercentCommission,
    Sizing,
    Strategy,
)
from tieout.ledger.numeric import Floats
from tieout.validation.compare.differences import Comparison
from tieout.validation.engines.backtrader import imitation as backtrader_imitation
from tieout.validation.engines.backtrader import scenario as of_backtrader
from tieout.validation.engines.backtrader.adapter import by_package as by_backtrader
from tieout.validation.engines.backtrader.tables import ENTER
from tieout.validation.engines.vectorbt import imitation as vectorbt_imitation
from tieout.validation.engines.vectorbt import scenario as of_vectorbt
from tieout.validation.engines.vectorbt.adapter import by_package as by_vectorbt
from tieout.validation.engines.vectorbt.adapter import scenario_of as given_to_vectorbt
from tieout.validation.foreign.native import NativeRun
from tieout.validation.foreign.outcome import Difference, Outcome, differences
from tieout.validation.workloads.references import REFERENCES, Reference, bars_of, long, outcome, weights
from tieout.validation.workloads.task import BEST, QUANTITY
from tieout.validation.workloads.workloads import Workload, generate

RATE = 0.001
AMPLE, TIGHT = 10_000_000.0, 1_000_000.0
ENTRY = 20_000.0
"""Amount of an entry in the study."""
CENT = Decimal("0.01")

NUMBA, RUST, BACKTRADER = "VectorBT, numba", "VectorBT, Rust", "Backtrader"
ALL = (NUMBA, RUST, BACKTRADER)
Scenario = of_vectorbt.Scenario | of_backtrader.Scenario


def package(engine: str, scenario: Any) -> Outcome:
    """Perform a scenario in the package."""
    if engine == BACKTRADER:
        from tieout.validation.engines.backtrader import package as backtrader

        return backtrader.run(scenario)
    from tieout.validation.engines.vectorbt import package as vectorbt

    return vectorbt.run(scenario, "numba" if engine == NUMBA else "rust")


def imitation(scenario: Scenario) -> Outcome:
    """Perform a scenario in the imitation of its engine."""
    if isinstance(scenario, of_backtrader.Scenario):
        return backtrader_imitation.imitate(scenario)
    return vectorbt_imitation.imitate(scenario)


@frozen(eq=False)
class Pair:
    """The outcomes of one scenario in a package and in its imitation, and their differences."""

    name: str
    engine: str
    package: Outcome
    imitation: Outcome
    differences: Sequence[Difference] = field(init=False)

    @differences.default
    def _differences(self) -> Sequence[Difference]:
        return differences(self.imitation, self.package)

    @property
    def value(self) -> Decimal:
        """Return the package's final value, to the cent."""
        return cents(self.package.value[-1])

    @property
    def differing_fills(self) -> int:
        """Count the fills that only one side has, or that are not the same on both."""
        there = {(fill.bar, fill.column, fill.order): fill for fill in self.package.fills}
        here = {(fill.bar, fill.column, fill.order): fill for fill in self.imitation.fills}
        return sum(not is_same(here.get(key), there.get(key)) for key in here.keys() | there.keys())


def is_same(one: Any, other: Any) -> bool:
    """Check whether two fills are equal but for the last digits of a float."""
    if one is None or other is None:
        return False
    names = ("quantity", "price", "fee")
    return all(np.isclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=0.0) for name in names)


def cents(value: float) -> Decimal:
    """Round an amount to the cent."""
    return Decimal(float(value)).quantize(CENT)


def pair(name: str, engine: str, scenario: Scenario) -> Pair:
    """Perform a scenario in the package and in the imitation."""
    return Pair(name, engine, package(engine, scenario), imitation(scenario))


# --- scenarios -------------------------------------------------------------------------------------


def signals(
    workload: Workload, cash: float, *, is_next: bool = False, size: Any = float(QUANTITY), **options: Any
) -> of_vectorbt.Scenario:
    """Make flags for VectorBT, filled at the close or, a bar later, at the open. *options* are passed on."""
    sequence = options.pop("call_seq", "default")
    flags = {name: workload.inputs[name] for name in ("entries", "exits")}
    if is_next:
        flags = {name: np.vstack([np.zeros_like(one[:1]), one[:-1]]) for name, one in flags.items()}
        options["price"] = workload.bars["open"]
    return of_vectorbt.Scenario(
        "signals",
        workload.bars["close"],
        cash,
        {**flags, "size": size, "fees": RATE, **options},
        call_seq=sequence,
    )


def shares(workload: Workload, invested: float) -> of_vectorbt.Scenario:
    """Make shares of the account for VectorBT, at the close."""
    return of_vectorbt.Scenario(
        "orders",
        workload.bars["close"],
        TIGHT,
        {
            "size": target_shares(workload, invested),
            "size_type": "targetpercent",
            "direction": "longonly",
            "fees": RATE,
        },
        call_seq="auto",
    )


def target_shares(workload: Workload, invested: float) -> Floats:
    """Return float64[bars, columns]: the share of the account of each, NaN on bars without a decision."""
    weights = workload.weights
    targets: Floats = np.where(weights > 0, invested / BEST, weights)
    return targets


def rules(cash: float, **options: Any) -> of_backtrader.Rules:
    """Return Backtrader's rules with the commission of the workloads."""
    return of_backtrader.Rules(cash=cash, commission=RATE, **options)


def flagged(
    workload: Workload, account: of_backtrader.Rules, size: Floats | None = None
) -> of_backtrader.Scenario:
    """Make flags for Backtrader. *size* is the size of each entry, float64[bars, columns]."""
    actions = of_backtrader.flags(workload.inputs["entries"], workload.inputs["exits"], float(QUANTITY))
    if size is not None:
        enters = actions["kind"] == ENTER
        actions["amount"][enters] = size[actions["bar"][enters], actions["column"][enters]]
    return of_backtrader.of_bars(workload.timestamp, workload.bars, actions, account)


def targets(workload: Workload, invested: float, *, sells_first: bool = False) -> of_backtrader.Scenario:
    """Make shares of the account for Backtrader, at the next open. With *sells_first*, sales come first."""
    actions = of_backtrader.targets(target_shares(workload, invested), sells_first=sells_first)
    return of_backtrader.of_bars(workload.timestamp, workload.bars, actions, rules(TIGHT))


def whole(workload: Workload) -> of_vectorbt.Scenario:
    """Make whole shares for VectorBT at the next open: a bar later, sized at the previous close."""
    size = target_shares(workload, 0.95)
    return of_vectorbt.Scenario(
        "orders",
        workload.bars["close"],
        TIGHT,
        {
            "size": np.vstack([np.full_like(size[:1], np.nan), size[:-1]]),
            "size_type": "targetpercent",
            "direction": "longonly",
            "fees": RATE,
            "price": workload.bars["open"],
            "val_price": -np.inf,
            "size_granularity": 1.0,
        },
        call_seq="auto",
    )


def ordered(workload: Workload) -> of_vectorbt.Scenario:
    """Make our own orders for the same. Rust needs them, because its granularity is not that of numba."""
    reference = next(
        r for r in REFERENCES if r.workload == workload.name and "nextopen" in r.rules and weights in r.faces
    )
    return given_to_vectorbt(native(reference.backtest(workload, weights)))[0]


def native(backtest: Backtest) -> NativeRun:
    """Perform a run in tieout."""
    with backtest.run() as result:
        return NativeRun.of(backtest, result.journal)


# --- results that engines agree on -----------------------------------------------------------------


@frozen
class Row:
    """A result, its rules, and the scenarios in which the packages reach it."""

    workload: str
    rules: str
    fills: int
    value: Decimal
    ways: Mapping[str, Callable[[Workload], Scenario]]

    @property
    def reference(self) -> Reference | None:
        """Return the native reference with the same result, where tieout has the rules."""
        return next(
            (
                r
                for r in REFERENCES
                if r.workload == self.workload and (r.fills, r.value) == (self.fills, self.value)
            ),
            None,
        )


def _both(make: Callable[[Workload], Scenario]) -> dict[str, Callable[[Workload], Scenario]]:
    return {NUMBA: make, RUST: make}


_NO_CHECK = {"checksubmit": False}
_WHOLE: dict[str, Callable[[Workload], Scenario]] = {
    NUMBA: whole,
    RUST: ordered,
    BACKTRADER: partial(targets, invested=0.95),
}
ROWS = tuple(
    Row(workload, label, fills, Decimal(value), ways)
    for workload, label, fills, value, ways in (
        (
            "W1",
            "ample, close",
            10_929,
            "10008935.10",
            _both(partial(signals, cash=AMPLE)) | {BACKTRADER: lambda w: flagged(w, rules(AMPLE, coc=True))},
        ),
        (
            "W1",
            "ample, next open",
            10_929,
            "9999434.74",
            _both(partial(signals, cash=AMPLE, is_next=True))
            | {BACKTRADER: lambda w: flagged(w, rules(AMPLE))},
        ),
        (
            "W1",
            "tight, close, first come first served, no partial fills",
            4_706,
            "987216.85",
            _both(partial(signals, cash=TIGHT, allow_partial=False))
            | {BACKTRADER: lambda w: flagged(w, rules(TIGHT, coc=True, **_NO_CHECK))},
        ),
        (
            "W1",
            "tight, close, sells first, partial fills",
            5_847,
            "1000094.83",
            _both(partial(signals, cash=TIGHT, call_seq="auto")),
        ),
        (
            "W1",
            "tight, next open, first come first served, no partial fills",
            4_656,
            "953799.69",
            _both(partial(signals, cash=TIGHT, is_next=True, allow_partial=False))
            | {BACKTRADER: lambda w: flagged(w, rules(TIGHT, **_NO_CHECK))},
        ),
        (
            "W1",
            "tight, next open, Backtrader's submission check",
            281,
            "1076994.39",
            {BACKTRADER: lambda w: flagged(w, rules(TIGHT))},
        ),
        ("W2", "0.95, close, fractional", 9_046, "1263044.75", _both(partial(shares, invested=0.95))),
        (
            "W2",
            "0.95, next open, whole shares",
            8_040,
            "1273638.82",
            _WHOLE,
        ),
        ("W2", "1.00, close, fractional", 9_046, "1278108.63", _both(partial(shares, invested=1.0))),
        (
            "W2",
            "1.00, next open, whole shares, Backtrader's rules",
            7_996,
            "1277952.88",
            {BACKTRADER: partial(targets, invested=1.0, sells_first=True)},
        ),
        ("W3", "0.95, close, fractional", 94_857, "16228265.55", _both(partial(shares, invested=0.95))),
        (
            "W3",
            "0.95, next open, whole shares",
            89_978,
            "16334425.11",
            _WHOLE,
        ),
        (
            "W4",
            "close",
            13_732,
            "1274836.41",
            _both(partial(signals, cash=TIGHT, size=np.inf, fees=0.00001)),
        ),
    )
)


@frozen(eq=False)
class RowResult:
    """A row with the outcomes of each engine and its imitation, and the native result."""

    row: Row
    pairs: Sequence[Pair]
    native: tuple[int, Decimal] | None

    @property
    def faults(self) -> list[str]:
        """Describe every result that is not that of the row."""
        differences = [
            f"{self.row.workload} {self.row.rules}, {one.engine}: {one.differences[0]}"
            for one in self.pairs
            if one.differences
        ]
        expected = self.row.fills, self.row.value
        results = {one.engine: (len(one.package.fills), one.value) for one in self.pairs}
        if self.native is not None:
            results["tieout"] = self.native
        return differences + [
            f"{self.row.workload} {self.row.rules}: {fills:,} fills and {value:,} by {engine}"
            for engine, (fills, value) in results.items()
            if (fills, value) != expected
        ]


def row_results(names: Sequence[str], engines: Sequence[str] = ALL) -> Iterator[RowResult]:
    """Yield the rows of the workloads *names*, each by all of *engines* that have its rules."""
    for name in names:
        workload = generate(name)
        for row in ROWS:
            if row.workload == name:
                yield _row_result(row, workload, engines)


def _row_result(row: Row, workload: Workload, engines: Sequence[str]) -> RowResult:
    native = None
    if row.reference is not None:
        with row.reference.backtest(workload, row.reference.faces[0]).run() as result:
            native = outcome(result)
    pairs = [
        pair(row.rules, engine, make(workload)) for engine, make in row.ways.items() if engine in engines
    ]
    return RowResult(row, pairs, native)


# --- the study -------------------------------------------------------------------------------------


@frozen(eq=False)
class Study:
    """The study in one setting, in the package and in the imitation.

    The flags have *signals*, which led to *orders*.
    """

    name: str
    engine: str
    signals: int
    orders: int
    pair: Pair


def study(engines: Sequence[str] = ALL) -> Iterator[Study]:
    """Perform the study: at the next bar in Backtrader, at the same bar in VectorBT."""
    workload = generate("W1")
    flags = int(np.count_nonzero(workload.inputs["entries"] ^ workload.inputs["exits"]))
    close = workload.bars["close"]
    money = _value_signals(workload)
    count = np.floor(ENTRY / close)
    for name, engine, scenario in (
        ("next bar", BACKTRADER, flagged(workload, rules(TIGHT, **_NO_CHECK), count)),
        ("next bar, its submission check", BACKTRADER, flagged(workload, rules(TIGHT), count)),
        ("same bar", NUMBA, money),
        ("same bar", RUST, money),
        ("same bar, sells first", NUMBA, evolve(money, call_seq="auto")),
    ):
        if engine in engines:
            outcomes = pair(name, engine, scenario)
            result = outcomes.package
            orders = len({(fill.bar, fill.order) for fill in result.fills}) + len(result.refusals)
            yield Study(name, engine, flags, orders, outcomes)


def _value_signals(workload: Workload) -> of_vectorbt.Scenario:
    return signals(workload, TIGHT, size=ENTRY, size_type="value")


def own_study(engines: Sequence[str] = ALL) -> Iterator[tuple[str, str, Comparison]]:
    """Perform the study natively, and its orders in the packages."""
    workload = generate("W1")
    for fill, instruments, against in (
        ("next_open", Instruments.whole(), {BACKTRADER: partial(by_backtrader, checks_submission=False)}),
        ("same_close", Instruments.fractional(), {NUMBA: partial(by_vectorbt, engine="numba")}),
    ):
        run = native(
            Backtest(
                bars=bars_of(workload),
                strategy=Entries(ENTRY),
                features=[long(workload, {"entry": "entries", "exit": "exits"})],
                account=CashAccount("1000000"),
                costs=Costs(PercentCommission("0.001")),
                instruments=instruments,
                fill=fill,
            )
        )
        for engine, perform in against.items():
            if engine in engines:
                yield fill, engine, Comparison(engine.partition(",")[0].lower(), run, perform(run))


class Entries(Strategy):
    """Enter for *money* where flat and the feature `entry` is set. Exit where `exit` is set."""

    def __init__(self, money: float) -> None:
        self.money = money

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Order by the flags of each instrument."""
        quantities = broker.quantities
        entry, leave = bar.feature("entry") > 0, bar.feature("exit") > 0
        money = np.where(entry & ~leave & (quantities == 0), self.money, np.nan)
        money = np.where(leave & ~entry & (quantities > 0), 0.0, money)
        broker.order_vector(Sizing.TARGET_VALUE, money, tag="signal")

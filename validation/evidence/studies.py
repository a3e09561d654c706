"""Whole workloads in the packages and in the imitations, side by side in one run.

The rows are results on which engines of different make agree, reached by each of these two that can be given
the rules. The study is the one with which a comparison of engines is worth anything: flags of 250 instruments
over a year, 20,000 an entry out of 1,000,000, so that cash binds all the time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from tieout import (
    FRACTIONAL,
    WHOLE,
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
from tieout.validation.compare.differences import Comparison
from tieout.validation.engines.backtrader import imitation as backtrader_imitation
from tieout.validation.engines.backtrader import scenario as of_backtrader
from tieout.validation.engines.backtrader.adapter import by_package as by_backtrader
from tieout.validation.engines.backtrader.tables import ENTER
from tieout.validation.engines.vectorbt import imitation as vectorbt_imitation
from tieout.validation.engines.vectorbt import scenario as of_vectorbt
from tieout.validation.engines.vectorbt.adapter import by_package as by_vectorbt
from tieout.validation.engines.vectorbt.adapter import scenario_of as given_to_vectorbt
from tieout.validation.foreign.native import Performed
from tieout.validation.foreign.outcome import Difference, Floats, Outcome, differences
from tieout.validation.workloads.references import REFERENCES, Reference, bars_of, long, outcome, weights
from tieout.validation.workloads.task import BEST, QUANTITY
from tieout.validation.workloads.workloads import Workload, generate

RATE = 0.001
AMPLE, TIGHT = 10_000_000.0, 1_000_000.0
A_TRADE = 20_000.0
"""What an entry of the study is for."""
CENT = Decimal("0.01")

NUMBA, RUST, BACKTRADER = "VectorBT, numba", "VectorBT, Rust", "Backtrader"
ALL = (NUMBA, RUST, BACKTRADER)
Scenario = of_vectorbt.Scenario | of_backtrader.Scenario


def package(engine: str, scenario: Any) -> Outcome:
    """What the package makes of a scenario."""
    if engine == BACKTRADER:
        from tieout.validation.engines.backtrader import package as backtrader

        return backtrader.run(scenario)
    from tieout.validation.engines.vectorbt import package as vectorbt

    return vectorbt.run(scenario, "numba" if engine == NUMBA else "rust")


def imitation(scenario: Scenario) -> Outcome:
    """What our rules for that engine make of it."""
    if isinstance(scenario, of_backtrader.Scenario):
        return backtrader_imitation.imitate(scenario)
    return vectorbt_imitation.imitate(scenario)


@frozen(eq=False)
class Tried:
    """One scenario in a package and in the imitation: what each came to, and where they differ."""

    name: str
    engine: str
    theirs: Outcome
    ours: Outcome
    differences: Sequence[Difference] = field(init=False)

    @differences.default
    def _found(self) -> Sequence[Difference]:
        return differences(self.ours, self.theirs)

    @property
    def value(self) -> Decimal:
        """The package's final value, to the cent."""
        return cents(self.theirs.value[-1])

    @property
    def other_fills(self) -> int:
        """Fills that only one side has, or that are not the same on both."""
        theirs = {(fill.bar, fill.column, fill.order): fill for fill in self.theirs.fills}
        ours = {(fill.bar, fill.column, fill.order): fill for fill in self.ours.fills}
        return sum(not is_same(ours.get(key), theirs.get(key)) for key in ours.keys() | theirs.keys())


def is_same(one: Any, other: Any) -> bool:
    """Whether two fills are one but for the last digits of a float."""
    if one is None or other is None:
        return False
    names = ("quantity", "price", "fee")
    return all(np.isclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=0.0) for name in names)


def cents(value: float) -> Decimal:
    """Money to the cent."""
    return Decimal(float(value)).quantize(CENT)


def tried(name: str, engine: str, scenario: Scenario) -> Tried:
    """Perform a scenario twice."""
    return Tried(name, engine, package(engine, scenario), imitation(scenario))


# --- scenarios -------------------------------------------------------------------------------------


def signals(
    workload: Workload, cash: float, *, is_next: bool = False, size: Any = float(QUANTITY), **given: Any
) -> of_vectorbt.Scenario:
    """Flags for VectorBT, filled at the close or, a bar later, at the open. *given* is passed on."""
    sequence = given.pop("call_seq", "default")
    flagged = {name: workload.inputs[name] for name in ("entries", "exits")}
    if is_next:
        flagged = {name: np.vstack([np.zeros_like(one[:1]), one[:-1]]) for name, one in flagged.items()}
        given["price"] = workload.bars["open"]
    return of_vectorbt.Scenario(
        "signals",
        workload.bars["close"],
        cash,
        {**flagged, "size": size, "fees": RATE, **given},
        call_seq=sequence,
    )


def shares(workload: Workload, invested: float) -> of_vectorbt.Scenario:
    """Shares of the account for VectorBT, at the close."""
    return of_vectorbt.Scenario(
        "orders",
        workload.bars["close"],
        TIGHT,
        {
            "size": held(workload, invested),
            "size_type": "targetpercent",
            "direction": "longonly",
            "fees": RATE,
        },
        call_seq="auto",
    )


def held(workload: Workload, invested: float) -> Floats:
    """float64[bars, columns]: the share of the account of each, NaN where nothing is decided."""
    given = workload.weights
    found: Floats = np.where(given > 0, invested / BEST, given)
    return found


def rules(cash: float, **given: Any) -> of_backtrader.Rules:
    """Backtrader's rules with the commission of the workloads."""
    return of_backtrader.Rules(cash=cash, commission=RATE, **given)


def flagged(
    workload: Workload, given: of_backtrader.Rules, size: Floats | None = None
) -> of_backtrader.Scenario:
    """Flags for Backtrader; *size* is what is bought on each entry, float64[bars, columns]."""
    actions = of_backtrader.flags(workload.inputs["entries"], workload.inputs["exits"], float(QUANTITY))
    if size is not None:
        enters = actions["kind"] == ENTER
        actions["amount"][enters] = size[actions["bar"][enters], actions["column"][enters]]
    return of_backtrader.of_bars(workload.timestamp, workload.bars, actions, given)


def targets(workload: Workload, invested: float, *, sells_first: bool = False) -> of_backtrader.Scenario:
    """Shares of the account for Backtrader, at the next open; *sells_first*: what has to be sold, first."""
    actions = of_backtrader.targets(held(workload, invested), sells_first=sells_first)
    return of_backtrader.of_bars(workload.timestamp, workload.bars, actions, rules(TIGHT))


def whole(workload: Workload) -> of_vectorbt.Scenario:
    """Whole shares for VectorBT at the next open: a bar later, valued and sized at the close before it."""
    size = held(workload, 0.95)
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
    """Our own orders for the same, for Rust, whose steps of a granularity are others than numba's."""
    reference = next(
        r for r in REFERENCES if r.workload == workload.name and "nextopen" in r.rules and weights in r.faces
    )
    return given_to_vectorbt(native(reference.backtest(workload, weights)))[0]


def native(backtest: Backtest) -> Performed:
    """A run of ours."""
    with backtest.run() as result:
        return Performed.of(backtest, result.journal)


# --- results that engines agree on -----------------------------------------------------------------


@frozen
class Row:
    """A result: under which rules, and how each of our two reach it."""

    workload: str
    rules: str
    fills: int
    value: Decimal
    ways: Mapping[str, Callable[[Workload], Scenario]]

    @property
    def reference(self) -> Reference | None:
        """The same result reached natively, where our own rules lead to it."""
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
    Row(workload, told, fills, Decimal(value), ways)
    for workload, told, fills, value, ways in (
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
class Reached:
    """A row with what each engine and its imitation came to, and what we came to natively."""

    row: Row
    tried: Sequence[Tried]
    native: tuple[int, Decimal] | None

    @property
    def wrong(self) -> list[str]:
        """Whatever is not as the row says, in words."""
        found = [
            f"{self.row.workload} {self.row.rules}, {one.engine}: {one.differences[0]}"
            for one in self.tried
            if one.differences
        ]
        wanted = self.row.fills, self.row.value
        reached = {one.engine: (len(one.theirs.fills), one.value) for one in self.tried}
        if self.native is not None:
            reached["tieout"] = self.native
        return found + [
            f"{self.row.workload} {self.row.rules}: {fills:,} fills and {value:,} by {who}"
            for who, (fills, value) in reached.items()
            if (fills, value) != wanted
        ]


def reached(names: Sequence[str], engines: Sequence[str] = ALL) -> Iterator[Reached]:
    """The rows of the workloads named, each by all of *engines* that can be given its rules."""
    for name in names:
        workload = generate(name)
        for row in ROWS:
            if row.workload == name:
                yield _reached(row, workload, engines)


def _reached(row: Row, workload: Workload, engines: Sequence[str]) -> Reached:
    ours = None
    if row.reference is not None:
        with row.reference.backtest(workload, row.reference.faces[0]).run() as result:
            ours = outcome(result)
    done = [
        tried(row.rules, engine, make(workload)) for engine, make in row.ways.items() if engine in engines
    ]
    return Reached(row, done, ours)


# --- the study -------------------------------------------------------------------------------------


@frozen(eq=False)
class Study:
    """The study in one setting, in the package and in the imitation.

    Of *signals* that the flags give, *orders* were given. *was* says how far off the engine before this one
    was.
    """

    name: str
    engine: str
    signals: int
    orders: int
    tried: Tried
    was: str = ""


def study(engines: Sequence[str] = ALL) -> Iterator[Study]:
    """Flags of W1 with 20,000 an entry from 1,000,000: next bar in Backtrader, same bar in VectorBT."""
    workload = generate("W1")
    flags = int(np.count_nonzero(workload.inputs["entries"] ^ workload.inputs["exits"]))
    close = workload.bars["close"]
    money = _value_signals(workload)
    count = np.floor(A_TRADE / close)
    for name, engine, scenario, was in (
        ("next bar", BACKTRADER, flagged(workload, rules(TIGHT, **_NO_CHECK), count), "0.39 %"),
        ("next bar, its submission check", BACKTRADER, flagged(workload, rules(TIGHT), count), ""),
        ("same bar", NUMBA, money, "99.4 %"),
        ("same bar", RUST, money, ""),
        ("same bar, sells first", NUMBA, evolve(money, call_seq="auto"), ""),
    ):
        if engine in engines:
            done = tried(name, engine, scenario)
            asked = len({(f.bar, f.order) for f in done.theirs.fills}) + len(done.theirs.refusals)
            yield Study(name, engine, flags, asked, done, was)


def _value_signals(workload: Workload) -> of_vectorbt.Scenario:
    return signals(workload, TIGHT, size=A_TRADE, size_type="value")


def own_study(engines: Sequence[str] = ALL) -> Iterator[tuple[str, str, Comparison]]:
    """Our own run of the study, natively, and its orders in the packages."""
    workload = generate("W1")
    for fill, terms, against in (
        ("next_open", WHOLE, {BACKTRADER: partial(by_backtrader, checks_submission=False)}),
        ("same_close", FRACTIONAL, {NUMBA: partial(by_vectorbt, engine="numba")}),
    ):
        ours = native(
            Backtest(
                bars=bars_of(workload),
                strategy=Entries(A_TRADE),
                features=[long(workload, {"entry": "entries", "exit": "exits"})],
                account=CashAccount("1000000"),
                costs=Costs(PercentCommission("0.001")),
                instruments=Instruments(terms),
                fill=fill,
            )
        )
        for engine, perform in against.items():
            if engine in engines:
                yield fill, engine, Comparison(engine.partition(",")[0].lower(), ours, perform(ours))


class Entries(Strategy):
    """Enter for so much money where flat and the feature `entry` is set; leave where `exit` is."""

    def __init__(self, money: float) -> None:
        self.money = money

    def on_bar(self, bar: Bar, broker: Broker) -> None:
        """Ask for what the flags say, instrument by instrument."""
        held = broker.quantities
        entry, leave = bar.feature("entry") > 0, bar.feature("exit") > 0
        money = np.where(entry & ~leave & (held == 0), self.money, np.nan)
        money = np.where(leave & ~entry & (held > 0), 0.0, money)
        broker.order_vector(Sizing.TARGET_VALUE, money, tag="signal")

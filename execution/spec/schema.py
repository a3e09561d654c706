"""The keys of a spec: a backtest described in a TOML file.

    [bars]
    path = "prices.parquet"              # Parquet or CSV. Paths are relative to this file
    columns = { timestamp = "date" }     # names of the file, where they differ
    repair = true                        # drop or mend bad bars, and list them
    from = 2018-01-01                    # first and last date, both included
    to = 2019-12-31
    window = 250                         # bars in memory at a time, by default by size

    [[features]]                         # one table for each frame
    path = "scores.parquet"
    columns = { score = "model_7" }

    [strategy]
    name = "tieout.strategies.top:Top"          # or "file.py:Class"
    parameters = { count = 25 }

    [account]
    kind = "cash"                        # or "unlimited"
    cash = "1000000"
    insufficient = "cut"                 # or "reject", "cut_to_lots"

    [costs]
    commission = { percent = "0.001", minimum = "1" }   # or per_share, minimum, maximum, or per_order
    slippage = "0.0005"                  # a share of the price, or a table: { percent = "0.0005" }
    participation = "0.1"
    fill_without_volume = false

    [instruments]
    step = "1"                           # also lot, scale, multiplier
    [instruments.by_symbol.BTC]
    step = "0.00000001"

    [run]
    fill = "next_open"                   # or "same_close", which looks ahead
    statements = "session"               # or "bar"
    currency = "USD"
    money_scale = 6                      # decimals of money, by default those of the currency
    relief = "fifo"
    seed = 7
    block_bars = 500
    journal = "run.duckdb"

Instead of a path, bars may be ``generated = "tieout.strategies.universe:generate"`` with `parameters`. That
is a function annotated to return `Bars`, or a tuple of `Bars` and feature frames. Instead of a strategy there
may be a program:

    [program]
    kind = "target_weights"              # or "signals", "orders"
    path = "weights.parquet"             # timestamp, symbol and: weight | entry, exit | as `Orders` says
    percent = "0.02"                     # the size of an entry, for signals only: or quantity, value

Every table may be left out but ``[bars]`` and one of ``[strategy]`` and ``[program]``. An account, a
commission and a slippage take the keys of their models, which are in `tieout.execution.models`. docs/spec.md
says more.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar, Literal, NewType

from attrs import field, frozen

from tieout.execution.models.accounts.cash import CashAccount
from tieout.execution.models.commissions.percent import PercentCommission
from tieout.execution.models.model import Model, models_in
from tieout.execution.models.slippage.percent import PercentSlippage
from tieout.execution.spec.code import Code
from tieout.execution.spec.folders import DataFolder, SpecFolder
from tieout.execution.spec.sources import Document, Place

Rate = NewType("Rate", str)
"""A number of zero or more, stored as written: text, a whole number or a float."""
Plain = NewType("Plain", object)
"""The value of a parameter: text, a number, true or false, or a list or table of these."""


@frozen
class BarsSpec:
    """The source of the bars: a file, or a function."""

    path: str | None = None
    columns: Mapping[str, str] = field(factory=dict)
    repair: bool = False
    window: int | None = None
    first: date | None = None
    last: date | None = None
    generated: str | None = None
    parameters: Mapping[str, Plain] = field(factory=dict)


@frozen
class FeaturesSpec:
    """One feature frame."""

    path: str
    columns: Mapping[str, str] = field(factory=dict)


@frozen
class StrategySpec:
    """A class and its parameters."""

    name: str
    parameters: Mapping[str, Plain] = field(factory=dict)


@frozen
class ProgramSpec:
    """A whole-array strategy in a file."""

    kind: Literal["target_weights", "signals", "orders"]
    path: str
    columns: Mapping[str, str] = field(factory=dict)
    tag: str | None = None
    quantity: Rate | None = None
    value: Rate | None = None
    percent: Rate | None = None


@frozen
class ModelSpec:
    """A model, and the values of its keys as written. *models* are those that there are, by name."""

    models: ClassVar[Mapping[str, type[Model]]]

    model: type[Model]
    values: Mapping[str, Any] = field(factory=dict)

    def build(self) -> Any:
        """Build the model. Raises `InvalidSetting` where it refuses a value."""
        return self.model.from_spec(self.values)


@frozen
class AccountSpec(ModelSpec):
    """An account, chosen by ``kind``."""

    models = models_in("tieout.execution.models.accounts")


@frozen
class CommissionSpec(ModelSpec):
    """A commission, chosen by the key of its rate."""

    models = models_in("tieout.execution.models.commissions")


@frozen
class SlippageSpec(ModelSpec):
    """A slippage model, chosen by the key of its rate, or a share of the price."""

    models = models_in("tieout.execution.models.slippage")


@frozen
class CostsSpec:
    """The costs of trading."""

    commission: CommissionSpec = CommissionSpec(PercentCommission)
    slippage: SlippageSpec = SlippageSpec(PercentSlippage)
    participation: Rate | None = None
    fill_without_volume: bool = False


@frozen
class SizesSpec:
    """The sizes in which an instrument is traded."""

    step: Rate | None = None
    lot: Rate | None = None
    scale: int | None = None
    multiplier: Rate | None = None


@frozen
class InstrumentsSpec(SizesSpec):
    """The sizes of all instruments, except for those in *by_symbol*."""

    by_symbol: Mapping[str, SizesSpec] = field(factory=dict)


@frozen
class RunSpec:
    """The settings of the run, and the path of its journal."""

    fill: Literal["next_open", "same_close"] = "next_open"
    statements: Literal["bar", "session"] | None = None
    currency: str = "USD"
    money_scale: int | None = None
    relief: Literal["fifo", "lifo", "hifo", "average"] = "fifo"
    seed: int = 0
    block_bars: int | None = None
    block_transfers: int = 2_000_000
    journal: str | None = None


@frozen
class Spec:
    """The description of a backtest."""

    bars: BarsSpec
    features: tuple[FeaturesSpec, ...] = ()
    strategy: StrategySpec | None = None
    program: ProgramSpec | None = None
    account: AccountSpec = AccountSpec(CashAccount)
    costs: CostsSpec = CostsSpec()
    instruments: InstrumentsSpec = InstrumentsSpec()
    run: RunSpec = RunSpec()

    @property
    def code(self) -> list[tuple[Place, str]]:
        """The name of every object that is imported for the run, with its place."""
        names: list[tuple[Place, str]] = []
        if self.strategy is not None:
            names.append((("strategy", "name"), self.strategy.name))
        if self.bars.generated is not None:
            names.append((("bars", "generated"), self.bars.generated))
        return names


@frozen
class SpecSource:
    """A spec with its document, its files and code, and the other entries that a journal records."""

    spec: Spec
    document: Document
    folder: SpecFolder | DataFolder
    code: Code
    others: Mapping[str, Any] = field(factory=dict)


RENAMED = {"first": "from", "last": "to"}
"""Keys of a spec that are keywords of Python, or that mean something else in code."""

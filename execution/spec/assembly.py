"""A backtest built from its spec."""

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import time
from pathlib import Path
from typing import Any

import attrs
import polars as pl

from tieout.execution.backtest import Backtest
from tieout.execution.data.bars import Bars
from tieout.execution.data.frames import NamedFrame, lazy
from tieout.execution.data.instruments import Instruments, InstrumentSpec
from tieout.execution.errors import CannotReperform, ExecutionError, InvalidSetting
from tieout.execution.models.accounts.account import Account
from tieout.execution.models.costs import Costs
from tieout.execution.recording import Recording
from tieout.execution.spec.folders import Unavailable
from tieout.execution.spec.reading import part
from tieout.execution.spec.schema import BarsSpec, ProgramSpec, SizesSpec, Spec, SpecSource, StrategySpec
from tieout.execution.spec.sources import Document, Place
from tieout.execution.strategy.placement import flags
from tieout.execution.strategy.programs import Orders, Signals, TargetWeights
from tieout.execution.strategy.strategy import Strategy
from tieout.ledger.books.commodity import currency
from tieout.ledger.errors import LedgerError, nearest
from tieout.ledger.file.run import Policies, Run


def assemble(source: SpecSource) -> Backtest:
    """Build the backtest that a spec describes. Raises an error that names the line of the first fault.

    Code is imported only when all code of the spec may be.
    """
    spec, document = source.spec, source.document
    for place, name in spec.code:
        with _looked_up(document, place):
            source.code.require(name)
    bars, features = _bars(source)
    features += [
        _frame(frame.path, frame.columns, ("features", n), source) for n, frame in enumerate(spec.features)
    ]
    with _located(document, ("run",)):
        return Backtest(
            bars=bars,
            features=features,
            strategy=_strategy(source) if spec.strategy else _program(source, bars),
            account=_account(source),
            costs=_costs(source),
            instruments=_instruments(source),
            recording=_recording(source),
            **_settings(source),
        )


def _description(spec: Spec) -> dict[str, Any]:
    """Return what a backtest cannot say of itself: the source of each input, as written."""
    # The number of bars in memory at a time changes no result.
    description: dict[str, Any] = {"bars": part(attrs.evolve(spec.bars, window=None))}
    if spec.features:
        description["features"] = [part(frame) for frame in spec.features]
    if spec.strategy is not None:
        description["strategy"] = {
            "class": spec.strategy.name,
            "parameters": dict(spec.strategy.parameters),
        }
    if spec.program is not None:
        program = part(spec.program)
        description["strategy"] = {"path": program["path"]} | (
            {"columns": program["columns"]} if "columns" in program else {}
        )
    return description


# --- data ------------------------------------------------------------------------------------------


def _bars(source: SpecSource) -> tuple[Bars, list[Any]]:
    """Read or generate the bars, with the feature frames that a function returns beside them."""
    spec = source.spec.bars
    if spec.generated is not None:
        return _generated(spec, spec.generated, source)
    assert spec.path is not None
    bars: Any = _path(spec.path, ("bars", "path"), source)
    columns = dict(spec.columns)
    if spec.first is not None or spec.last is not None:
        with _located(source.document, ("bars",)):
            bars = _between(lazy(bars, "bars", columns), spec)
        columns = {}
    if spec.window is not None and spec.window < 1:
        raise source.document.wrong(("bars", "window"), f"window must be one bar or more, not {spec.window}")
    return Bars.read(bars, columns=columns, repair=spec.repair, window=spec.window), []


def _between(source: NamedFrame, spec: BarsSpec) -> pl.LazyFrame:
    """Filter the rows from the first to the last date. Rows without a time stay: `Bars.read` handles them."""
    frame = source.frame
    schema = frame.collect_schema()
    if "timestamp" not in schema or not schema["timestamp"].is_temporal():
        return frame  # Bars.read refuses it
    # As bars are dated: of intraday bars, one that ends at midnight is of the day before.
    end = pl.col("timestamp").cast(pl.Datetime("ns", getattr(schema["timestamp"], "time_zone", None)))
    is_dated = source.collect(frame.select((end.dt.time() == time()).all())).item()
    day = (end if is_dated else end.dt.offset_by("-1ns")).dt.date()
    for bound in (
        day >= spec.first if spec.first is not None else None,
        day <= spec.last if spec.last is not None else None,
    ):
        if bound is not None:
            frame = frame.filter(bound | pl.col("timestamp").is_null())
    return frame


def _generated(spec: BarsSpec, name: str, source: SpecSource) -> tuple[Bars, list[Any]]:
    """Generate bars by calling a function. Only a function that is annotated to return bars is called."""
    place = ("bars", "generated")
    function = _load(name, place, source)
    returned = typing.get_type_hints(function).get("return") if inspect.isfunction(function) else None
    if returned is not Bars and typing.get_args(returned)[:1] != (Bars,):
        raise source.document.wrong(
            place, f"{name} is not a function annotated to return Bars, or a tuple that begins with them"
        )
    _require_parameters(function, spec.parameters, ("bars", "parameters"), source.document)
    parameters = ("bars", "parameters")
    with _located(source.document, parameters):
        try:
            value = function(**spec.parameters)
        except (ExecutionError, LedgerError):
            raise
        except Exception as error:
            raise source.document.wrong(parameters, f"{name} fails: {error!r}") from error
    bars, *features = value if isinstance(value, tuple) else (value,)
    return bars, features


def _frame(path: str, columns: Mapping[str, str], place: Place, source: SpecSource) -> pl.LazyFrame:
    """Open a file as a frame with its columns renamed."""
    file = _path(path, (*place, "path"), source)
    with _located(source.document, (*place, "columns")):
        return lazy(file, path, dict(columns)).frame


def _path(path: str, place: Place, source: SpecSource) -> Path:
    with _looked_up(source.document, place):
        return source.folder.find(path)


# --- strategies ------------------------------------------------------------------------------------


def _strategy(source: SpecSource) -> Strategy:
    spec, document = source.spec.strategy, source.document
    assert isinstance(spec, StrategySpec)
    kind = _load(spec.name, ("strategy", "name"), source)
    if not (isinstance(kind, type) and issubclass(kind, Strategy)):
        raise document.wrong(("strategy", "name"), f"{spec.name} is not a subclass of Strategy")
    parameters = dict(spec.parameters)
    if document.error is CannotReperform:
        # A journal records every public attribute, and some are no parameters.
        allowed = inspect.signature(kind).parameters
        parameters = {name: value for name, value in parameters.items() if name in allowed}
    place = ("strategy", "parameters")
    _require_parameters(kind, parameters, place, document)
    try:
        strategy: Strategy = kind(**parameters)
    except Exception as error:
        raise document.wrong(place, f"{spec.name} cannot be created: {error!r}") from error
    return strategy


def _program(source: SpecSource, bars: Bars) -> Any:
    spec = source.spec.program
    assert isinstance(spec, ProgramSpec)
    frame = _frame(spec.path, spec.columns, ("program",), source)
    tag = {} if spec.tag is None else {"tag": spec.tag}
    with _located(source.document, ("program",)):
        match spec.kind:
            case "target_weights":
                return TargetWeights(frame, **tag)
            case "orders":
                if tag:
                    raise InvalidSetting("orders have a column tag in their frame; leave out the key tag")
                return Orders(frame)
            case "signals":
                sizes: dict[str, Any] = {
                    name: size
                    for name in ("quantity", "value", "percent")
                    if (size := getattr(spec, name)) is not None
                }
                entries, exits = (flags(frame, name, bars) for name in ("entry", "exit"))
                return Signals(entries, exits, **sizes, **tag)


def _load(name: str, place: Place, source: SpecSource) -> Any:
    with _looked_up(source.document, place):
        try:
            return source.code.load(name)
        except Unavailable:
            raise
        except Exception as error:
            raise source.document.wrong(place, f"{name} cannot be imported: {error!r}") from error


def _require_parameters(
    function: Callable[..., Any], arguments: Mapping[str, Any], place: Place, document: Document
) -> None:
    """Raise the error of the document for a parameter that is unknown, or missing."""
    parameters = inspect.signature(function).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in arguments:
        if name not in parameters and not open_ended:
            raise document.wrong(
                (*place, name),
                f"{function.__qualname__} has no parameter {name!r}{nearest(name, parameters)}",
            )
    for name, parameter in parameters.items():
        is_needed = parameter.default is parameter.empty and parameter.kind not in {
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        }
        if is_needed and name not in arguments:
            raise document.wrong(place, f"{function.__qualname__} needs the parameter {name}")


# --- policies --------------------------------------------------------------------------------------


def _account(source: SpecSource) -> Account:
    with _located(source.document, ("account",)):
        account: Account = source.spec.account.build()
    with _located(source.document, ("account", "cash")):
        currency(source.spec.run.currency, source.spec.run.money_scale).units(account.cash)
    return account


def _costs(source: SpecSource) -> Costs:
    spec = source.spec.costs
    with _located(source.document, ("costs",)):
        return Costs(
            commission=spec.commission.build(),
            slippage=spec.slippage.build(),
            participation=spec.participation,
            fill_without_volume=spec.fill_without_volume,
        )


def _instruments(source: SpecSource) -> Instruments:
    spec, document = source.spec.instruments, source.document
    sizes = _sizes(spec)
    with _located(document, ("instruments",)):
        default = InstrumentSpec(**sizes)
    by_symbol = {}
    for symbol, table in spec.by_symbol.items():
        with _located(document, ("instruments", "by_symbol", symbol)):
            by_symbol[symbol] = InstrumentSpec(**sizes | _sizes(table))
    return Instruments(default, by_symbol)


def _sizes(spec: SizesSpec) -> dict[str, Any]:
    """Return the sizes that a table states. A symbol takes the others from the table for all."""
    sizes = {
        name: value
        for name in ("step", "lot", "scale", "multiplier")
        if (value := getattr(spec, name)) is not None
    }
    return sizes | ({"multiplier": float(sizes["multiplier"])} if "multiplier" in sizes else {})


def _settings(source: SpecSource) -> dict[str, Any]:
    spec = source.spec.run
    names = ("fill", "statements", "currency", "money_scale", "relief", "seed")
    return {name: getattr(spec, name) for name in names}


def _recording(source: SpecSource) -> Recording:
    spec = source.spec.run
    if spec.block_bars is not None and spec.block_bars < 0:
        raise source.document.wrong(
            ("run", "block_bars"),
            f"block_bars must be a number of bars, or 0 for no limit, not {spec.block_bars}",
        )
    with _located(source.document, ("run", "block_transfers")):
        Policies(block_transfers=spec.block_transfers)
    with _located(source.document, ("run", "seed")):
        Run(seed=spec.seed)
    return Recording(
        block_bars=spec.block_bars,
        block_transfers=spec.block_transfers,
        describe=dict(source.others) | _description(source.spec),
    )


@contextmanager
def _looked_up(document: Document, place: Place) -> Iterator[None]:
    """Raise the sentence of a file or object that is missing, or refused, as an error of the document."""
    try:
        yield
    except Unavailable as error:
        raise document.wrong(place, str(error)) from None


@contextmanager
def _located(document: Document, place: Place) -> Iterator[None]:
    """Raise an error of a part of the run as one of the document, with its line."""
    try:
        yield
    except (ExecutionError, LedgerError) as error:
        if type(error) is document.error:
            raise
        raise document.wrong(place, str(error)) from None

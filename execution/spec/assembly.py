"""From a spec to a backtest; and from a journal back to the spec that it records.

What a run is described with goes into its journal: paths as they are written, names and parameters. So a
journal is as good a spec as a file is, as long as its bars came from a file or a function.
"""

import inspect
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import polars as pl

from tieout.execution.backtest import Backtest
from tieout.execution.data.bars import Bars
from tieout.execution.data.frames import lazy
from tieout.execution.data.instruments import Instruments, Terms
from tieout.execution.errors import CannotReperform, ExecutionError, InvalidSetting
from tieout.execution.models.accounts import Account, CashAccount, UnlimitedAccount
from tieout.execution.models.costs import (
    Commission,
    Costs,
    PercentCommission,
    PerOrderCommission,
    PerShareCommission,
)
from tieout.execution.recording import Recording
from tieout.execution.spec.schema import (
    BarsSpec,
    CommissionSpec,
    ProgramSpec,
    Spec,
    StrategySpec,
    TermsSpec,
    Written,
    part,
    structured,
)
from tieout.execution.spec.sources import Document, Folders, Place, load
from tieout.execution.strategy.programs import Orders, Signals, TargetWeights, flags
from tieout.execution.strategy.strategy import Strategy
from tieout.ledger.books.commodity import currency
from tieout.ledger.errors import LedgerError, nearest
from tieout.ledger.file.reader import Reader

_IN_PYTHON = "describe it again in Python as it was, and call Backtest(...).reperform(PATH)"


def assemble(written: Written) -> Backtest:
    """The backtest that a spec describes. Raises an error that names the line of what is wrong."""
    spec, document = written.spec, written.document
    bars, features = _bars(written)
    features += [
        _frame(frame.path, frame.columns, ("features", n), written) for n, frame in enumerate(spec.features)
    ]
    with _told(document, ("run",)):
        return Backtest(
            bars=bars,
            features=features,
            strategy=_strategy(written, bars) if spec.strategy else _program(written, bars),
            account=_account(written),
            costs=_costs(written),
            instruments=_instruments(written),
            recording=_recording(written),
            **_settings(written),
        )


def recorded(reader: Reader, folders: Folders) -> Written:
    """The spec that a journal records. Raises `CannotReperform` where it says too little."""
    document = Document(str(reader.path), error=CannotReperform)
    spec, policies = json.loads(reader.run["spec"]), reader.policies
    if "execution" not in policies["others"]:
        raise document.wrong((), "these are books that no backtest made")
    if "bars" not in spec:
        raise document.wrong((), f"the bars of this run were given in memory; {_IN_PYTHON}")
    try:
        data = _as_written(spec, policies, reader.run["seed"], document)
    except (KeyError, TypeError, AttributeError) as error:
        raise document.wrong((), f"what it records of its run cannot be read: {error!r}") from None
    others = {name: value for name, value in spec.items() if name not in _FOUND_AGAIN}
    return Written(structured(data, document), document, folders, others)


def _as_written(
    spec: Mapping[str, Any], policies: Mapping[str, Any], seed: int, document: Document
) -> dict[str, Any]:
    """What a journal records, as a file would say it."""
    strategy = spec["strategy"]
    data: dict[str, Any] = {
        "bars": spec["bars"],
        "features": spec.get("features", []),
        "account": spec["account"],
        "costs": _written_costs(spec["costs"], document),
        "instruments": spec["instruments"]["default"] | {"by_symbol": spec["instruments"]["by_symbol"]},
        "run": {
            "fill": spec["fill"],
            "statements": spec["statements"],
            "currency": spec["currency"],
            "relief": policies["relief"],
            "seed": seed,
            "block_bars": policies["others"]["block_bars"],
            "block_transfers": policies["block_transfers"],
        },
    }
    if "program" in strategy:
        if "path" not in strategy:
            raise document.wrong((), f"the program of this run was given in memory; {_IN_PYTHON}")
        data["program"] = {"kind": strategy["program"]} | {
            name: value for name, value in strategy.items() if name != "program"
        }
    else:
        if strategy["class"].startswith(":"):
            raise document.wrong((), f"the strategy of this run was in a script; {_IN_PYTHON}")
        data["strategy"] = {"name": strategy["class"], "parameters": strategy["parameters"]}
    return data


_FOUND_AGAIN = frozenset(["bars", "features", "strategy", "account", "costs", "instruments"])
_FOUND_AGAIN |= {"fill", "looks_ahead", "statements", "currency"}
"""What of a recorded spec is found again by assembling it."""


def _written_costs(costs: Mapping[str, Any], document: Document) -> dict[str, Any]:
    commission = costs["commission"]
    if "function" in commission:
        raise document.wrong((), f"the commission {commission['function']} is a function; {_IN_PYTHON}")
    given = {"commission": {name: value for name, value in commission.items() if value is not None}}
    return given | {
        name: value for name, value in costs.items() if value is not None and name != "commission"
    }


def _described(spec: Spec) -> dict[str, Any]:
    """What a backtest cannot say of itself: where everything came from, as it is written."""
    # How much is in memory at a time changes nothing.
    described: dict[str, Any] = {"bars": part(attrs.evolve(spec.bars, window=None))}
    if spec.features:
        described["features"] = [part(frame) for frame in spec.features]
    if spec.strategy is not None:
        described["strategy"] = {
            "class": spec.strategy.name,
            "parameters": dict(spec.strategy.parameters),
        }
    if spec.program is not None:
        program = part(spec.program)
        described["strategy"] = {"path": program["path"]} | (
            {"columns": program["columns"]} if "columns" in program else {}
        )
    return described


# --- data ------------------------------------------------------------------------------------------


def _bars(written: Written) -> tuple[Bars, list[Any]]:
    """The bars, and the feature frames that a function gives with them."""
    spec = written.spec.bars
    if spec.generated is not None:
        return _generated(spec, spec.generated, written)
    assert spec.path is not None
    given: Any = _found(spec.path, ("bars", "path"), written)
    columns = dict(spec.columns)
    if spec.first is not None or spec.last is not None:
        with _told(written.document, ("bars",)):
            given = _between(lazy(given, "bars", columns).frame, spec)
        columns = {}
    if spec.window is not None and spec.window < 1:
        raise written.document.wrong(("bars", "window"), f"window is one bar or more, not {spec.window}")
    return Bars.read(given, columns=columns, repair=spec.repair, window=spec.window), []


def _between(frame: pl.LazyFrame, spec: BarsSpec) -> pl.LazyFrame:
    """The rows from the first to the last date, and those without a time, which are refused or repaired."""
    schema = frame.collect_schema()
    if "timestamp" not in schema or not schema["timestamp"].is_temporal():
        return frame  # refused for that in a moment
    day = pl.col("timestamp").dt.date()
    for bound in (
        day >= spec.first if spec.first is not None else None,
        day <= spec.last if spec.last is not None else None,
    ):
        if bound is not None:
            frame = frame.filter(bound | pl.col("timestamp").is_null())
    return frame


def _generated(spec: BarsSpec, name: str, written: Written) -> tuple[Bars, list[Any]]:
    """The bars that a function makes. Its annotation is asked for first: not just anything is called."""
    place = ("bars", "generated")
    function = _loaded(name, place, written)
    returned = typing.get_type_hints(function).get("return") if inspect.isfunction(function) else None
    if returned is not Bars and typing.get_args(returned)[:1] != (Bars,):
        raise written.document.wrong(
            place, f"{name} is not a function annotated to return Bars, or a tuple that begins with them"
        )
    _require_parameters(function, spec.parameters, ("bars", "parameters"), written.document)
    made = function(**spec.parameters)
    bars, *features = made if isinstance(made, tuple) else (made,)
    return bars, features


def _frame(path: str, columns: Mapping[str, str], place: Place, written: Written) -> pl.LazyFrame:
    """A file as a frame with its columns renamed."""
    found = _found(path, (*place, "path"), written)
    with _told(written.document, (*place, "columns")):
        return lazy(found, path, dict(columns)).frame


def _found(path: str, place: Place, written: Written) -> Path:
    found = written.folders.find(path)
    if found is None:
        remedy = "; name the folder with --folder" if written.document.error is CannotReperform else ""
        raise written.document.wrong(place, f"there is no file {path} in {written.folders}{remedy}")
    return found


# --- strategies ------------------------------------------------------------------------------------


def _strategy(written: Written, bars: Bars) -> Strategy:
    del bars
    spec, document = written.spec.strategy, written.document
    assert isinstance(spec, StrategySpec)
    kind = _loaded(spec.name, ("strategy", "name"), written)
    if not (isinstance(kind, type) and issubclass(kind, Strategy)):
        raise document.wrong(("strategy", "name"), f"{spec.name} is not a class of strategies")
    parameters = dict(spec.parameters)
    if document.error is CannotReperform:
        # Recorded is every public attribute, and not all need be parameters.
        known = inspect.signature(kind).parameters
        parameters = {name: value for name, value in parameters.items() if name in known}
    place = ("strategy", "parameters")
    _require_parameters(kind, parameters, place, document)
    try:
        strategy: Strategy = kind(**parameters)
    except Exception as error:
        raise document.wrong(place, f"{spec.name} cannot be made: {error!r}") from error
    return strategy


def _program(written: Written, bars: Bars) -> Any:
    spec = written.spec.program
    assert isinstance(spec, ProgramSpec)
    frame = _frame(spec.path, spec.columns, ("program",), written)
    tag = {} if spec.tag is None else {"tag": spec.tag}
    with _told(written.document, ("program",)):
        match spec.kind:
            case "target_weights":
                return TargetWeights(frame, **tag)
            case "orders":
                if tag:
                    raise InvalidSetting("the orders of a frame have a column tag, each its own")
                return Orders(frame)
            case "signals":
                sizes: dict[str, Any] = {
                    name: size
                    for name in ("quantity", "value", "percent")
                    if (size := getattr(spec, name)) is not None
                }
                entries, exits = (flags(frame, name, bars) for name in ("entry", "exit"))
                return Signals(entries, exits, **sizes, **tag)


def _loaded(name: str, place: Place, written: Written) -> Any:
    try:
        return load(name, written.folders)
    except LookupError as error:
        raise written.document.wrong(place, str(error.args[0])) from None
    except Exception as error:
        raise written.document.wrong(place, f"{name} cannot be imported: {error!r}") from error


def _require_parameters(
    function: Callable[..., Any], given: Mapping[str, Any], place: Place, document: Document
) -> None:
    """Raise what a function or class does not take, or does not get."""
    known = inspect.signature(function).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in known.values())
    for name in given:
        if name not in known and not open_ended:
            raise document.wrong(
                (*place, name), f"{function.__qualname__} has no parameter {name!r}{nearest(name, known)}"
            )
    for name, parameter in known.items():
        needed = parameter.default is parameter.empty and parameter.kind not in {
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        }
        if needed and name not in given:
            raise document.wrong(place, f"{function.__qualname__} needs the parameter {name}")


# --- policies --------------------------------------------------------------------------------------


def _account(written: Written) -> Account:
    spec = written.spec.account
    with _told(written.document, ("account", "cash")):
        currency(written.spec.run.currency).units(spec.cash)
    if spec.kind == "unlimited":
        return UnlimitedAccount(spec.cash)
    return CashAccount(spec.cash, spec.insufficient)


def _costs(written: Written) -> Costs:
    spec = written.spec.costs
    with _told(written.document, ("costs",)):
        return Costs(
            commission=_commission(spec.commission),
            slippage=spec.slippage,
            participation=spec.participation,
            fill_without_volume=spec.fill_without_volume,
        )


def _commission(spec: CommissionSpec) -> Commission:
    minimum = spec.minimum if spec.minimum is not None else "0"
    if spec.per_order is not None:
        return PerOrderCommission(spec.per_order)
    if spec.per_share is not None:
        return PerShareCommission(spec.per_share, minimum, spec.maximum)
    return PercentCommission(spec.percent if spec.percent is not None else "0", minimum)


def _instruments(written: Written) -> Instruments:
    spec, document = written.spec.instruments, written.document
    given = _terms(spec)
    with _told(document, ("instruments",)):
        default = Terms(**given)
    by_symbol = {}
    for symbol, terms in spec.by_symbol.items():
        with _told(document, ("instruments", "by_symbol", symbol)):
            by_symbol[symbol] = Terms(**given | _terms(terms))
    return Instruments(default, by_symbol)


def _terms(spec: TermsSpec) -> dict[str, Any]:
    """What is given of an instrument's terms; what a symbol leaves out is as for all."""
    given = {
        name: value
        for name in ("step", "lot", "scale", "multiplier")
        if (value := getattr(spec, name)) is not None
    }
    return given | ({"multiplier": float(given["multiplier"])} if "multiplier" in given else {})


def _settings(written: Written) -> dict[str, Any]:
    spec = written.spec.run
    return {name: getattr(spec, name) for name in ("fill", "statements", "currency", "relief", "seed")}


def _recording(written: Written) -> Recording:
    spec = written.spec.run
    if spec.block_bars is not None and spec.block_bars < 0:
        raise written.document.wrong(
            ("run", "block_bars"), f"block_bars is a number of bars, or 0 for no limit, not {spec.block_bars}"
        )
    return Recording(
        block_bars=spec.block_bars,
        block_transfers=spec.block_transfers,
        describe=dict(written.others) | _described(written.spec),
    )


@contextmanager
def _told(document: Document, place: Place) -> Iterator[None]:
    """Say where it is written what a part of a run refuses."""
    try:
        yield
    except (ExecutionError, LedgerError) as error:
        if type(error) is document.error:
            raise
        raise document.wrong(place, str(error)) from None

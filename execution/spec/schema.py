"""A backtest described in a TOML file, and the same read back from the journal that it made.

    [bars]
    path = "prices.parquet"              # Parquet or CSV; paths are relative to this file
    columns = { timestamp = "date" }     # what is called otherwise there
    repair = true                        # drop or mend bad bars, and list what was done
    from = 2018-01-01                    # first and last date, both included
    to = 2019-12-31
    window = 250                         # bars in memory at a time; by size if not given

    [[features]]                         # as many as there are
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
    commission = { percent = "0.001", minimum = "1" }   # or per_share, minimum, maximum; or per_order
    slippage = "0.0005"
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
    relief = "fifo"
    seed = 7
    block_bars = 500
    journal = "run.duckdb"

Instead of a path, bars may be ``generated = "tieout.strategies.universe:generate"`` with `parameters`: a
function annotated to return `Bars`, or them and feature frames. Instead of a strategy there may be a program:

    [program]
    kind = "target_weights"              # or "signals", "orders"
    path = "weights.parquet"             # timestamp, symbol and: weight | entry, exit | as `Orders` says
    percent = "0.02"                     # the size of an entry: or quantity, value; signals alone

All but ``[bars]`` and one of ``[strategy]`` and ``[program]`` may be left out. docs/spec.md says more.
"""

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any, Literal, NewType, get_args, get_origin

import attrs
import cattrs
from attrs import field, frozen
from cattrs.errors import AttributeValidationNote, IterableValidationNote
from cattrs.gen import (
    make_dict_structure_fn,
    make_dict_unstructure_fn,
    mapping_structure_factory,
    override,
)

from tieout.execution.spec.sources import Document, Folders, Place, parse
from tieout.ledger.errors import nearest

Rate = NewType("Rate", str)
"""A number of zero or more, kept as it is written: text, a whole number or a float."""
Money = NewType("Money", str)
"""An amount of the run's currency, as text."""
Plain = NewType("Plain", object)
"""What a parameter may be."""


@frozen
class BarsSpec:
    """Where the bars come from: a file, or a function."""

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
    """A class and what it is made with."""

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
class AccountSpec:
    """An account policy."""

    kind: Literal["cash", "unlimited"] = "cash"
    cash: Money = Money("100000")
    insufficient: Literal["reject", "cut", "cut_to_lots"] = "reject"


@frozen
class CommissionSpec:
    """One of three models."""

    percent: Rate | None = None
    per_share: Rate | None = None
    per_order: Rate | None = None
    minimum: Rate | None = None
    maximum: Rate | None = None


@frozen
class CostsSpec:
    """What trading costs."""

    commission: CommissionSpec = CommissionSpec()
    slippage: Rate = Rate("0")
    participation: Rate | None = None
    fill_without_volume: bool = False


@frozen
class TermsSpec:
    """How one instrument is traded."""

    step: Rate | None = None
    lot: Rate | None = None
    scale: int | None = None
    multiplier: Rate | None = None


@frozen
class InstrumentsSpec(TermsSpec):
    """How all instruments are traded but those named."""

    by_symbol: Mapping[str, TermsSpec] = field(factory=dict)


@frozen
class RunSpec:
    """How it is run and where its journal goes."""

    fill: Literal["next_open", "same_close"] = "next_open"
    statements: Literal["bar", "session"] | None = None
    currency: str = "USD"
    relief: Literal["fifo", "lifo", "hifo", "average"] = "fifo"
    seed: int = 0
    block_bars: int | None = None
    block_transfers: int = 2_000_000
    journal: str | None = None


@frozen
class Spec:
    """A backtest, described."""

    bars: BarsSpec
    features: tuple[FeaturesSpec, ...] = ()
    strategy: StrategySpec | None = None
    program: ProgramSpec | None = None
    account: AccountSpec = AccountSpec()
    costs: CostsSpec = CostsSpec()
    instruments: InstrumentsSpec = InstrumentsSpec()
    run: RunSpec = RunSpec()


@frozen
class Written:
    """A spec with where it is written, where its paths lead and what else was recorded of the run."""

    spec: Spec
    document: Document
    folders: Folders
    others: Mapping[str, Any] = field(factory=dict)


_RENAMED = {"first": "from", "last": "to"}
"""Keys of a spec that Python has for itself, or that mean something else in code."""


class _Refused(ValueError):
    """A value that is not allowed; says what is."""


# --- reading ---------------------------------------------------------------------------------------


def read(path: Path) -> Written:
    """The spec in a file. Raises `InvalidSpec` with the line of what is wrong."""
    data, document = parse(path)
    return Written(structured(data, document), document, Folders((path.parent,)))


def structured(data: Mapping[str, Any], document: Document) -> Spec:
    """*data* as a spec. Raises what is wrong with it, the first by line."""
    try:
        spec = _CONVERTER.structure(data, Spec)
    except (cattrs.BaseValidationError, cattrs.ForbiddenExtraKeysError, _Refused) as error:
        # A key that is missing last: it may just be misspelt.
        _, place, text = min(
            _findings(error, ()), key=lambda found: (found[0], document.line(found[1]) or math.inf)
        )
        raise document.wrong(place, text) from None
    _require_whole(spec, document)
    return spec


def part(value: Any) -> dict[str, Any]:
    """A part of a spec as JSON holds it, without what is as if it were left out."""
    plain: dict[str, Any] = _CONVERTER.unstructure(value)
    return plain


def _require_whole(spec: Spec, document: Document) -> None:
    """Raise `InvalidSpec` where the parts of a spec do not go together."""
    bars, program = spec.bars, spec.program
    if (bars.path is None) == (bars.generated is None):
        raise document.wrong(("bars",), "[bars] has a path, or is generated; one of the two")
    if bars.generated is not None:
        given = part(bars).keys() - {"generated", "parameters"}
        if given:
            raise document.wrong(("bars", min(given)), f"bars that are generated have no {min(given)}")
    elif bars.parameters:
        raise document.wrong(("bars", "parameters"), "parameters are for bars that are generated")
    if (spec.strategy is None) == (program is None):
        raise document.wrong((), "there is one of [strategy] and [program]")
    if spec.account.kind == "unlimited" and spec.account != attrs.evolve(spec.account, insufficient="reject"):
        raise document.wrong(("account", "insufficient"), "an unlimited account is never short of cash")
    if program is not None and program.kind != "signals":
        for name in ("quantity", "value", "percent"):
            if getattr(program, name) is not None:
                raise document.wrong(("program", name), f"{name} is for signals; {program.kind} have sizes")
    _require_one_commission(spec.costs.commission, document)


def _require_one_commission(commission: CommissionSpec, document: Document) -> None:
    place = ("costs", "commission")
    given = part(commission).keys()
    models = given & {"percent", "per_share", "per_order"}
    if len(models) > 1 or (given and not models):
        raise document.wrong(place, "a commission is one of percent, per_share and per_order")
    allowed = {
        "percent": {"percent", "minimum"},
        "per_share": {"per_share", "minimum", "maximum"},
        "per_order": {"per_order"},
    }
    for model in models:
        if extra := sorted(given - allowed[model]):
            raise document.wrong((*place, extra[0]), f"a commission {model} has no {extra[0]}")


# --- what a key may hold ---------------------------------------------------------------------------


def _findings(error: BaseException, place: Place) -> list[tuple[bool, Place, str]]:
    """Each thing that is wrong: whether it is that a key is missing, its place, and what."""
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        known = [_RENAMED.get(a.name, a.name) for a in attrs.fields(error.cl)]
        return [
            (False, (*place, key), f"there is no key {key!r}{_in(place)}{nearest(key, known)}")
            for key in sorted(error.extra_fields)
        ]
    if isinstance(error, cattrs.BaseValidationError):
        found = []
        for inner in error.exceptions:
            step = [_step(note) for note in getattr(inner, "__notes__", ()) if type(note) is not str]
            if isinstance(inner, KeyError):
                found.append((True, place, f"{_table(place) or 'the spec'} needs {step[-1]}"))
            else:
                found.extend(_findings(inner, (*place, *step[-1:])))
        return found
    return [(False, place, f"{_name(place)} {error}")]


def _step(note: AttributeValidationNote | IterableValidationNote) -> str | int:
    """The key or number that a note of cattrs names."""
    if isinstance(note, AttributeValidationNote):
        return _RENAMED.get(note.name, note.name)
    step: str | int = note.index
    return step


def _name(place: Place) -> str:
    """A key as it is called in a sentence."""
    names = [str(step) for step in place if not isinstance(step, int)]
    return names[-1] if names else "the spec"


def _table(place: Place) -> str:
    names = ".".join(str(step) for step in place if not isinstance(step, int))
    return f"[{names}]" if names else ""


def _in(place: Place) -> str:
    return f" in {_table(place)}" if _table(place) else ""


def _require(given: object, kind: type | tuple[type, ...], allowed: str) -> Any:
    if not isinstance(given, kind) or (isinstance(given, bool) and kind is not bool):
        raise _Refused(f"is {allowed}, not {given!r}")
    return given


def _literal(given: object, kind: Any) -> Any:
    known = get_args(kind)
    if given not in known:
        raise _Refused(f"is one of {', '.join(known)}, not {given!r}")
    return given


def _rate(given: object, _: Any) -> Any:
    try:
        number = Decimal(str(given))
    except InvalidOperation:
        number = Decimal("NaN")
    if (
        isinstance(given, bool)
        or not isinstance(given, str | int | float)
        or not number.is_finite()
        or number < 0
    ):
        raise _Refused(f'is a number of zero or more, such as "0.001", not {given!r}')
    return given


def _money(given: object, _: Any) -> str:
    if isinstance(given, float):
        raise _Refused(f'is text or a whole number, "{given}" and not {given}: a float is not exact')
    _rate(given, _)
    return str(given)


def _date(given: object, _: Any) -> date:
    try:
        if isinstance(given, str):
            return date.fromisoformat(given)
    except ValueError:
        given = str(given)
    if not isinstance(given, date) or isinstance(given, datetime):
        raise _Refused(f"is a date such as 2018-01-31, not {given!s}")
    return given


def _plain(given: object, kind: Any) -> Any:
    match given:
        case float() if not math.isfinite(given):
            raise _Refused(f"is a number that there is, not {given}")
        case None | bool() | int() | float() | str():
            return given
        case list():
            return [_plain(value, kind) for value in given]
        case dict():
            return {key: _plain(value, kind) for key, value in given.items()}
        case _:
            raise _Refused(f"is text, a number, true or false, or several of these, not {given}")


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()

    def section(kind: type) -> Any:
        renamed = {name: override(rename=key) for name, key in _RENAMED.items() if name in _fields(kind)}
        inner: Any = make_dict_structure_fn(
            kind,
            converter,
            _cattrs_forbid_extra_keys=True,
            **renamed,  # type: ignore[arg-type]  # the others have names that no key has
        )

        def structure(given: Any, _: Any) -> Any:
            return inner(_require(given, dict, "a table"), kind)

        return structure

    def unstructure(kind: type) -> Any:
        renamed = {name: override(rename=key) for name, key in _RENAMED.items() if name in _fields(kind)}
        return make_dict_unstructure_fn(
            kind,
            converter,
            _cattrs_omit_if_default=True,
            **renamed,  # type: ignore[arg-type]  # as above
        )

    def features(given: Any, _: Any) -> tuple[FeaturesSpec, ...]:
        if isinstance(given, dict):
            raise _Refused("is written with double brackets, [[features]], each time")
        return tuple(converter.structure(_require(given, list, "a list of tables"), list[FeaturesSpec]))

    def table(kind: Any) -> Any:
        inner: Any = mapping_structure_factory(kind, converter, structure_to=dict)
        return lambda given, kind: inner(_require(given, dict, "a table"), kind)

    converter.register_structure_hook_factory(attrs.has, section)
    converter.register_structure_hook_factory(_has_origin(Mapping), table)
    converter.register_unstructure_hook_factory(attrs.has, unstructure)
    converter.register_structure_hook_func(_has_origin(Literal), _literal)
    converter.register_structure_hook(bool, lambda given, _: _require(given, bool, "true or false"))
    converter.register_structure_hook(int, lambda given, _: _require(given, int, "a whole number"))
    converter.register_structure_hook(str, lambda given, _: _require(given, str, "text"))
    converter.register_structure_hook(date, _date)
    converter.register_unstructure_hook(date, date.isoformat)
    kinds: dict[Any, Any] = {Rate: _rate, Money: _money, Plain: _plain, tuple[FeaturesSpec, ...]: features}
    for kind, hook in kinds.items():
        converter.register_structure_hook_func(partial(eq, kind), hook)
    return converter


def _has_origin(origin: Any) -> Callable[[Any], bool]:
    """Whether a type is a generic of *origin*."""
    return lambda kind: get_origin(kind) is origin


def _fields(kind: type) -> set[str]:
    return {a.name for a in attrs.fields(kind)}


_CONVERTER = _converter()

"""A spec, read from a file or from what a journal records, with the line of each fault."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any, Literal, TypeVar, get_origin

import attrs
import cattrs
from cattrs.errors import AttributeValidationNote, IterableValidationNote
from cattrs.gen import (
    make_dict_structure_fn,
    make_dict_unstructure_fn,
    mapping_structure_factory,
    override,
)

from tieout.execution.spec.code import SpecCode
from tieout.execution.spec.folders import SpecFolder
from tieout.execution.spec.schema import (
    RENAMED,
    AccountSpec,
    CommissionSpec,
    FeaturesSpec,
    ModelSpec,
    Plain,
    Rate,
    SlippageSpec,
    Spec,
    SpecSource,
)
from tieout.execution.spec.sources import Document, Place, parse
from tieout.execution.spec.values import (
    Refused,
    RefusedKey,
    UnknownKeys,
    day,
    literal,
    money,
    plain,
    rate,
    require,
    whole,
)
from tieout.ledger.books.commodity import Amount
from tieout.ledger.errors import nearest

M = TypeVar("M", bound=ModelSpec)


def read(path: Path) -> SpecSource:
    """Read the spec in a file. Raises `InvalidSpec` with the line of the first fault."""
    data, document = parse(path)
    folder = SpecFolder(path.parent)
    return SpecSource(structure(data, document), document, folder, SpecCode(folder))


def structure(data: Mapping[str, Any], document: Document) -> Spec:
    """Convert *data* to a spec. Raises the error of the document for the first fault by line."""
    try:
        spec = _CONVERTER.structure(data, Spec)
    except (cattrs.BaseValidationError, cattrs.ForbiddenExtraKeysError, Refused) as error:
        # A missing key comes last: it may just be misspelt.
        _, place, text = min(
            _faults(error, ()), key=lambda fault: (fault[0], document.line(fault[1]) or math.inf)
        )
        raise document.wrong(place, text) from None
    _require_consistent(spec, document)
    return spec


def part(table: Any) -> dict[str, Any]:
    """Convert a table of a spec to plain data, without the values that equal their defaults."""
    data: dict[str, Any] = _CONVERTER.unstructure(table)
    return data


def _require_consistent(spec: Spec, document: Document) -> None:
    """Raise `InvalidSpec` where two keys or tables contradict each other."""
    bars, program = spec.bars, spec.program
    if (bars.path is None) == (bars.generated is None):
        raise document.wrong(("bars",), "[bars] needs either a path or generated")
    if bars.generated is not None:
        extra = part(bars).keys() - {"generated", "parameters"}
        if extra:
            raise document.wrong(("bars", min(extra)), f"bars that are generated have no {min(extra)}")
    elif bars.parameters:
        raise document.wrong(("bars", "parameters"), "parameters are for bars that are generated")
    if (spec.strategy is None) == (program is None):
        raise document.wrong((), "the spec needs either [strategy] or [program]")
    if program is not None and program.kind != "signals":
        for name in ("quantity", "value", "percent"):
            if getattr(program, name) is not None:
                raise document.wrong(
                    ("program", name), f"{name} is for signals; {program.kind} have their own sizes"
                )


# --- models ----------------------------------------------------------------------------------------


def _account(data: Any, kind: type[AccountSpec]) -> AccountSpec:
    """Read ``{ kind = "cash", cash = "1000" }``. The default for ``kind`` is ``cash``."""
    table = dict(require(data, dict, "a table"))
    _require_keys(table, ["kind", *_keys(kind)])
    name = table.pop("kind", "cash")
    if not isinstance(name, str) or name not in kind.models:
        raise RefusedKey("kind", f"kind is one of {', '.join(kind.models)}, not {name!r}")
    return _model(kind, name, table)


def _costs(data: Any, kind: type[M]) -> M:
    """Read ``{ percent = "0.001", minimum = "1" }``, where one key names the model. Default: percent."""
    table = require(data, dict, "a table")
    _require_keys(table, _keys(kind))
    names = [name for name in kind.models if name in table] if table else ["percent"]
    if len(names) != 1:
        raise Refused(f"needs exactly one of the keys {', '.join(kind.models)}")
    return _model(kind, names[0], table)


def _slippage(data: Any, kind: type[SlippageSpec]) -> SlippageSpec:
    """Read a slippage model, or the rate of the model ``percent``."""
    return _costs(data if isinstance(data, dict) else {"percent": rate(data, Rate)}, kind)


def _model(kind: type[M], name: str, table: Mapping[str, Any]) -> M:
    """Read the values of the keys of one model, each by the type of its attribute."""
    model = kind.models[name]
    attributes: Any = attrs.fields_dict(model)  # type: ignore[arg-type]  # every model is an attrs class
    values = {}
    for key, value in table.items():
        if key not in model.keys:
            raise RefusedKey(key, f"the model {name} has no {key}; it takes {', '.join(model.keys)}")
        try:
            values[key] = _CONVERTER.structure(value, attributes[model.keys[key]].type)
        except Refused as error:
            raise RefusedKey(key, f"{key} {error}") from None
    return kind(model, values)


def _keys(kind: type[ModelSpec]) -> list[str]:
    return list(dict.fromkeys(key for model in kind.models.values() for key in model.keys))


def _require_keys(table: Iterable[str], allowed: list[str]) -> None:
    if unknown := [key for key in table if key not in allowed]:
        raise UnknownKeys(unknown, allowed)


# --- faults ----------------------------------------------------------------------------------------


def _faults(error: BaseException, place: Place) -> list[tuple[bool, Place, str]]:
    """List every fault: true if a key is missing, the place of the fault, and its sentence."""
    match error:
        case cattrs.ForbiddenExtraKeysError():
            allowed = [RENAMED.get(a.name, a.name) for a in attrs.fields(error.cl)]
            return _unknown(sorted(error.extra_fields), allowed, place)
        case UnknownKeys():
            return _unknown(error.keys, error.allowed, place)
        case RefusedKey():
            return [(False, (*place, error.key), str(error))]
        case cattrs.BaseValidationError():
            faults = []
            for inner in error.exceptions:
                step = [_step(note) for note in getattr(inner, "__notes__", ()) if type(note) is not str]
                if isinstance(inner, KeyError):
                    faults.append((True, place, f"{_table(place) or 'the spec'} needs {step[-1]}"))
                else:
                    faults.extend(_faults(inner, (*place, *step[-1:])))
            return faults
    return [(False, place, f"{_name(place)} {error}")]


def _unknown(keys: Iterable[str], allowed: Iterable[str], place: Place) -> list[tuple[bool, Place, str]]:
    names = list(allowed)
    return [
        (False, (*place, key), f"there is no key {key!r}{_in(place)}{nearest(key, names)}") for key in keys
    ]


def _step(note: AttributeValidationNote | IterableValidationNote) -> str | int:
    """Return the key or number that a note of cattrs names."""
    if isinstance(note, AttributeValidationNote):
        return RENAMED.get(note.name, note.name)
    step: str | int = note.index
    return step


def _name(place: Place) -> str:
    """Return the name of a key in a sentence."""
    names = [str(step) for step in place if not isinstance(step, int)]
    return names[-1] if names else "the spec"


def _table(place: Place) -> str:
    names = ".".join(str(step) for step in place if not isinstance(step, int))
    return f"[{names}]" if names else ""


def _in(place: Place) -> str:
    return f" in {_table(place)}" if _table(place) else ""


# --- conversion ------------------------------------------------------------------------------------


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()

    def section(kind: type) -> Any:
        inner: Any = make_dict_structure_fn(
            kind,
            converter,
            _cattrs_forbid_extra_keys=True,
            **_overrides(kind),
        )

        def read_table(data: Any, _: Any) -> Any:
            return inner(require(data, dict, "a table"), kind)

        return read_table

    def unstructure(kind: type) -> Any:
        return make_dict_unstructure_fn(
            kind,
            converter,
            _cattrs_omit_if_default=True,
            **_overrides(kind),
        )

    def features(data: Any, _: Any) -> tuple[FeaturesSpec, ...]:
        if isinstance(data, dict):
            raise Refused("is written with double brackets, [[features]], each time")
        return tuple(converter.structure(require(data, list, "a list of tables"), list[FeaturesSpec]))

    def table(kind: Any) -> Any:
        inner: Any = mapping_structure_factory(kind, converter, structure_to=dict)
        return lambda data, kind: inner(require(data, dict, "a table"), kind)

    converter.register_structure_hook_factory(attrs.has, section)
    converter.register_structure_hook_factory(_has_origin(Mapping), table)
    converter.register_unstructure_hook_factory(attrs.has, unstructure)
    converter.register_structure_hook_func(_has_origin(Literal), literal)
    converter.register_structure_hook(bool, lambda data, _: require(data, bool, "true or false"))
    converter.register_structure_hook(int, whole)
    converter.register_structure_hook(str, lambda data, _: require(data, str, "text"))
    converter.register_structure_hook(float, rate)
    converter.register_structure_hook(date, day)
    converter.register_unstructure_hook(date, date.isoformat)
    converter.register_structure_hook(AccountSpec, _account)
    converter.register_structure_hook(CommissionSpec, _costs)
    converter.register_structure_hook(SlippageSpec, _slippage)
    converter.register_unstructure_hook(AccountSpec, lambda spec: {"kind": spec.model.name, **spec.values})
    converter.register_unstructure_hook(CommissionSpec, lambda spec: dict(spec.values))
    converter.register_unstructure_hook(SlippageSpec, lambda spec: dict(spec.values))
    kinds: dict[Any, Any] = {Rate: rate, Amount: money, Plain: plain, tuple[FeaturesSpec, ...]: features}
    for kind, hook in kinds.items():
        converter.register_structure_hook_func(partial(eq, kind), hook)
    return converter


def _overrides(kind: type) -> dict[str, Any]:
    """Return the keys of a table that differ from the names of its attributes."""
    return {a.name: override(rename=RENAMED[a.name]) for a in attrs.fields(kind) if a.name in RENAMED}


def _has_origin(origin: Any) -> Callable[[Any], bool]:
    """Return a test for types that are generics of *origin*."""
    return lambda kind: get_origin(kind) is origin


_CONVERTER = _converter()

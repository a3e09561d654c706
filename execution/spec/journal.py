"""A spec read back from the journal that records it.

The journal holds the description of its run: paths as written, names and parameters. It is as good a
spec as a file, provided that the bars came from a file or a function.
"""

import json
from collections.abc import Mapping
from typing import Any

from tieout.execution.errors import CannotReperform
from tieout.execution.spec.reading import structure
from tieout.execution.spec.schema import SpecSource
from tieout.execution.spec.sources import Document, Folders
from tieout.ledger.file.reader import Reader

_REMEDY = "build the same Backtest in Python and call its reperform(PATH)"


def spec_of(reader: Reader, folders: Folders) -> SpecSource:
    """Read the spec that a journal records. Raises `CannotReperform` where the record is incomplete."""
    document = Document(str(reader.path), error=CannotReperform)
    spec, policies = json.loads(reader.run["spec"]), reader.policies
    if "execution" not in policies["others"]:
        raise document.wrong((), "this journal was not written by a backtest")
    if "bars" not in spec:
        raise document.wrong((), f"the bars of this run were given in memory; {_REMEDY}")
    try:
        data = _tables(spec, policies, reader.run["seed"], document)
    except (KeyError, TypeError, AttributeError) as error:
        raise document.wrong((), f"its description of the run cannot be read: {error!r}") from None
    others = {name: value for name, value in spec.items() if name not in _ASSEMBLED}
    return SpecSource(structure(data, document), document, folders, others)


def _tables(
    spec: Mapping[str, Any], policies: Mapping[str, Any], seed: int, document: Document
) -> dict[str, Any]:
    """Return the record of a run in the form of a spec file."""
    strategy = spec["strategy"]
    data: dict[str, Any] = {
        "bars": spec["bars"],
        "features": spec.get("features", []),
        "account": spec["account"],
        "costs": _costs(spec["costs"], document),
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
            raise document.wrong((), f"the program of this run was given in memory; {_REMEDY}")
        data["program"] = {"kind": strategy["program"]} | {
            name: value for name, value in strategy.items() if name != "program"
        }
    else:
        if strategy["class"].startswith(":"):
            raise document.wrong((), f"the strategy of this run was in a script; {_REMEDY}")
        data["strategy"] = {"name": strategy["class"], "parameters": strategy["parameters"]}
    return data


_ASSEMBLED = frozenset(["bars", "features", "strategy", "account", "costs", "instruments"])
_ASSEMBLED |= {"fill", "looks_ahead", "statements", "currency"}
"""Entries of a recorded spec that assembling it produces again."""


def _costs(costs: Mapping[str, Any], document: Document) -> dict[str, Any]:
    commission = costs["commission"]
    if "function" in commission:
        raise document.wrong((), f"the commission {commission['function']} is a function; {_REMEDY}")
    models = {"commission": {name: value for name, value in commission.items() if value is not None}}
    return {name: value for name, value in costs.items() if value is not None} | models

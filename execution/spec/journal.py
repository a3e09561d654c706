"""A spec read back from the journal that records it.

The journal holds the description of its run: paths as written, names and parameters. It is as good a
spec as a file, provided that the bars came from a file or a function.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tieout.execution.errors import CannotReperform
from tieout.execution.replay.reperformance import explain_description
from tieout.execution.spec.code import JournalCode, split
from tieout.execution.spec.folders import IN_PYTHON, DataFolder, Unavailable
from tieout.execution.spec.reading import structure
from tieout.execution.spec.schema import SpecSource
from tieout.execution.spec.sources import Document, require_shape
from tieout.ledger.file.reader import Reader


def spec_of(
    reader: Reader, data_dir: Path | None, remedy: str = IN_PYTHON, *, may_run_other: bool = False
) -> SpecSource:
    """Read the spec that a journal records. Nothing that it names is imported.

    Its files are looked up in *data_dir*. *may_run_other* allows code that is not the recorded one, or that
    lies elsewhere. Raises `CannotReperform`, with *remedy* where the record is incomplete.
    """
    document = Document(str(reader.path), error=CannotReperform)
    description, policies = _description(reader, document), reader.policies
    if "bars" not in description:
        raise document.wrong((), f"the bars of this run were given in memory; {remedy}")
    with explain_description(reader.path):
        data = _tables(description, policies, reader.run["seed"], document, remedy)
    others = {name: value for name, value in description.items() if name not in _ASSEMBLED}
    spec, folder = structure(data, document), DataFolder(data_dir, remedy)
    names = [name for _, name in spec.code]
    try:
        digests = {split(spec.strategy.name)[0]: reader.run["strategy"]} if spec.strategy else {}
        code = JournalCode.of(names, digests, folder, may_run_other=may_run_other)
    except Unavailable as error:
        raise document.wrong((), str(error)) from None
    return SpecSource(spec, document, folder, code, others)


def _description(reader: Reader, document: Document) -> dict[str, Any]:
    """Return the description of the run. Raises `CannotReperform` if no backtest wrote it."""
    policies: Any = reader.policies
    others = policies.get("others") if isinstance(policies, dict) else None
    if not isinstance(others, dict) or "execution" not in others:
        raise document.wrong((), "this journal was not written by a backtest")
    try:
        description = json.loads(reader.run["spec"])
    except (ValueError, TypeError, RecursionError) as error:
        raise document.wrong((), f"its description of the run is not JSON: {error}") from None
    if not isinstance(description, dict):
        raise document.wrong((), "its description of the run is not a JSON object")
    require_shape([description, policies], document)
    return description


def _tables(
    spec: Mapping[str, Any], policies: Mapping[str, Any], seed: int, document: Document, remedy: str
) -> dict[str, Any]:
    """Return the record of a run in the form of a spec file."""
    strategy = spec["strategy"]
    data: dict[str, Any] = {
        "bars": spec["bars"],
        "features": spec.get("features", []),
        "account": spec["account"],
        "costs": _costs(spec["costs"], document, remedy),
        "instruments": spec["instruments"]["default"] | {"by_symbol": spec["instruments"]["by_symbol"]},
        "run": {
            "fill": spec["fill"],
            "statements": spec["statements"],
            "currency": spec["currency"],
            "money_scale": spec.get("money_scale", 6),  # that of every currency before it was recorded
            "relief": policies["relief"],
            "seed": seed,
            "block_bars": policies["others"]["block_bars"],
            "block_transfers": policies["block_transfers"],
        },
    }
    if "program" in strategy:
        if "path" not in strategy:
            raise document.wrong((), f"the program of this run was given in memory; {remedy}")
        data["program"] = {"kind": strategy["program"]} | {
            name: value for name, value in strategy.items() if name != "program"
        }
    else:
        if strategy["class"].startswith(":"):
            raise document.wrong((), f"the strategy of this run was in a script; {remedy}")
        data["strategy"] = {"name": strategy["class"], "parameters": strategy["parameters"]}
    return data


_ASSEMBLED = frozenset(["bars", "features", "strategy", "account", "costs", "instruments"])
_ASSEMBLED |= {"fill", "looks_ahead", "statements", "currency", "money_scale"}
"""Entries of a recorded spec that assembling it produces again."""


def _costs(costs: Mapping[str, Any], document: Document, remedy: str) -> dict[str, Any]:
    commission = costs["commission"]
    if "function" in commission:
        raise document.wrong((), f"the commission {commission['function']} is a function; {remedy}")
    models = {"commission": {name: value for name, value in commission.items() if value is not None}}
    return {name: value for name, value in costs.items() if value is not None} | models

"""Models and their keys in a spec: found by their files, built from a table, and recorded as one."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tieout.execution.models import commissions
from tieout.execution.models.model import models_in
from tieout.execution.spec.reading import structure
from tieout.execution.spec.schema import AccountSpec, CommissionSpec, ModelSpec, SlippageSpec
from tieout.execution.spec.sources import Document

NEW = """\
from attrs import field, frozen

from tieout.execution.models.model import Model, as_rate


@frozen
class FlatFee(Model):
    name = "flat_fee"
    keys = {"flat_fee": "amount"}

    amount: float = field(default=0.0, converter=as_rate)
"""
KINDS: list[type[ModelSpec]] = [AccountSpec, CommissionSpec, SlippageSpec]
ALL = [(kind, name) for kind in KINDS for name in kind.models]


def test_a_model_is_found_by_its_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flat_fee.py").write_text(NEW)
    monkeypatch.setattr(commissions, "__path__", [*commissions.__path__, str(tmp_path)])

    models = models_in(commissions.__name__)
    del sys.modules["tieout.execution.models.commissions.flat_fee"]

    assert ["flat_fee", "per_order", "per_share", "percent"] == sorted(models)
    assert {"flat_fee": 2.0} == models["flat_fee"].from_spec({"flat_fee": "2"}).spec()


def tables(kind: type[ModelSpec], record: Any) -> dict[str, Any]:
    """A spec with the record of one model in its place."""
    costs = {CommissionSpec: {"commission": record}, SlippageSpec: {"slippage": record}}.get(kind, {})
    account = record if kind is AccountSpec else {}
    return {"bars": {"path": "a.csv"}, "strategy": {"name": "a:B"}, "costs": costs, "account": account}


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_the_record_of_a_model_describes_it(kind: type[ModelSpec], name: str) -> None:
    model = kind.models[name]()
    record = model.spec()
    if isinstance(record, dict):
        record = {key: value for key, value in record.items() if value is not None}

    spec = structure(tables(kind, record), Document("a.toml"))

    places = {
        AccountSpec: spec.account,
        CommissionSpec: spec.costs.commission,
        SlippageSpec: spec.costs.slippage,
    }
    assert model == places[kind].build()

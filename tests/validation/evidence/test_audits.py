"""The auditor on what VectorBT and Backtrader export: clean as they are, and each planted fault named."""

from functools import cache
from importlib.util import find_spec

import pytest

from tieout.validation.evidence.audits import AGREES, PLANTS, WRONG, Sample, audit_samples

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(
        not all(map(find_spec, ("backtrader", "vectorbt", "vectorbt_rust"))),
        reason="VectorBT and Backtrader are not installed",
    ),
]


@cache
def samples() -> dict[str, Sample]:
    return {sample.name: sample for sample in audit_samples()}


@pytest.mark.parametrize("package", ["VectorBT, numba", "VectorBT, Rust", "Backtrader"])
@pytest.mark.filterwarnings("ignore")  # of the packages' own
def test_what_a_package_exports_ties(package: str) -> None:
    assert Sample(package, AGREES, []) == samples()[package]


@pytest.mark.parametrize("fault", PLANTS, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_a_fault_planted_in_it_is_named(fault: str) -> None:
    found = samples()[f"planted: {fault}"]

    assert WRONG == found.verdict
    assert fault in found.faults

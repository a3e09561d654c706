"""The auditor on exports of VectorBT and Backtrader: they agree, and each planted fault is named."""

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
@pytest.mark.filterwarnings("ignore")  # the packages raise their own
def test_the_exports_of_a_package_agree(package: str) -> None:
    assert Sample(package, AGREES, []) == samples()[package]


@pytest.mark.parametrize("fault", PLANTS, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_a_planted_fault_is_named(fault: str) -> None:
    sample = samples()[f"planted: {fault}"]

    assert WRONG == sample.verdict
    assert fault in sample.faults

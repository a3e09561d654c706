"""Results on which engines of different make agree: the same fills, and the same value to the cent."""

from functools import cache

import pytest

from tieout.validation.workloads.references import REFERENCES, Reference, best, outcome, posted, weights
from tieout.validation.workloads.workloads import DIGESTS, Workload, generate

workload = cache(generate)

LARGE = {"W3", "W4", "W5"}


def cases(*, large: bool) -> list[Reference]:
    return [reference for reference in REFERENCES if (reference.workload in LARGE) == large]


def name(reference: Reference) -> str:
    return f"{reference.workload} {reference.rules}"


def results_of(reference: Reference) -> list[tuple[int, str]]:
    """Return fills and value of every face, after checking that all post the same transfers."""
    arrays = workload(reference.workload)
    results = [reference.backtest(arrays, face).run() for face in reference.faces]
    assert 1 == len({posted(result) for result in results})
    return [(fills, str(value)) for fills, value in map(outcome, results)]


@pytest.mark.parametrize("name", [pytest.param(w, marks=[pytest.mark.long] * (w in LARGE)) for w in DIGESTS])
def test_a_workload_is_the_same_on_every_machine(name: str) -> None:
    assert DIGESTS[name] == workload(name).digest


@pytest.mark.parametrize("reference", cases(large=False), ids=name)
def test_a_program_and_a_strategy_reach_the_result_of_other_engines(reference: Reference) -> None:
    assert [(reference.fills, str(reference.value))] * len(reference.faces) == results_of(reference)


@pytest.mark.long
@pytest.mark.parametrize("reference", cases(large=True), ids=name)
def test_so_they_do_at_full_size(reference: Reference) -> None:
    assert [(reference.fills, str(reference.value))] * len(reference.faces) == results_of(reference)


def test_another_fee_gives_another_result() -> None:
    """The comparison would see a difference."""
    ranked = next(reference for reference in REFERENCES if weights in reference.faces)
    arrays: Workload = workload(ranked.workload)
    with_fee = ranked.backtest(arrays, weights)
    without = ranked.backtest(arrays, best)
    without.costs = type(without.costs)()

    assert posted(with_fee.run()) != posted(without.run())

"""Every planted fault fits its source, and the tests that kill it exist."""

from collections import Counter

import pytest

from tieout.validation.evidence.mutants import MUTANTS, ROOT, Mutant, select


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_has_one_place_and_killers(mutant: Mutant) -> None:
    source = (ROOT / mutant.file).read_text("utf-8")
    tests = [killer.partition("[")[0].split("::") for killer in mutant.killers]

    assert 1 == source.count(mutant.old)
    assert mutant.old != mutant.new
    assert tests
    assert all(f"def {name}(" in (ROOT / path).read_text("utf-8") for path, name in tests)


def test_no_two_faults_have_one_name() -> None:
    assert 1 == max(Counter(mutant.name for mutant in MUTANTS).values())


def test_faults_are_selected_by_a_part_of_their_name_or_file() -> None:
    assert [*MUTANTS] == select([])
    assert {"execution/kernels/charges.py"} == {mutant.file for mutant in select(["charges"])}
    assert ["limit slips"] == [mutant.name for mutant in select(["limit slips"])]

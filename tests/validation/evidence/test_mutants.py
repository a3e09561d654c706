"""The planted faults fit the sources that they are planted in, and the tests that kill them are there."""

import pytest

from tieout.validation.evidence.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_has_one_place_and_tests_that_look_for_it(mutant: Mutant) -> None:
    source = (ROOT / mutant.file).read_text("utf-8")
    tests = [killer.partition("[")[0].split("::") for killer in mutant.killers]

    assert 1 == source.count(mutant.old)
    assert mutant.old != mutant.new
    assert all(f"def {name}(" in (ROOT / path).read_text("utf-8") for path, name in tests)

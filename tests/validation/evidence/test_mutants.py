"""Every planted fault fits its source, and the tests that kill it exist."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tieout.validation.evidence.mutants import (
    FAILED,
    MUTANTS,
    PASSED,
    ROOT,
    Mutant,
    NotAsDescribed,
    Nursery,
    select,
)


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


# --- runs of tests in processes that were forked -------------------------------------------------------


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.end()


def tree(folder: Path, value: int) -> Path:
    (folder / "tieout").mkdir(parents=True)
    (folder / "tieout" / "__init__.py").write_text(f"VALUE = {value}\n")
    test = "import tieout\n\ndef test_value():\n    assert tieout.VALUE == 1\n"
    (folder / "test_value.py").write_text(test)
    return folder


def test_each_run_imports_the_copy_that_it_is_for(nursery: Nursery, tmp_path: Path) -> None:
    runs = [nursery.run_tests(tree(tmp_path / str(n), n % 2), ["test_value.py"]) for n in (1, 2, 3)]

    assert [PASSED, FAILED, PASSED] == [run.status for run in runs]
    assert "FAILED test_value.py::test_value - assert 0 == 1" == runs[1].lines[0]


def test_a_run_that_imports_another_copy_is_refused(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "test_value.py").write_text("import tieout.ledger\n\ndef test_value():\n    pass\n")

    with pytest.raises(NotAsDescribed, match=f"instead of the copy at {tmp_path}"):
        nursery.run_tests(tmp_path, ["test_value.py"])


def test_a_process_that_dies_is_no_failed_test(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "test_value.py").write_text("import os\n\ndef test_value():\n    os._exit(3)\n")

    with pytest.raises(NotAsDescribed, match="pytest ended with 3"):
        nursery.run_tests(tmp_path, ["test_value.py"])

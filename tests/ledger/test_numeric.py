"""Enumerations as compiled code reads them, and the sizes of arrays that grow."""

from enum import IntEnum

import pytest

from tieout.ledger import numeric


class Side(IntEnum):
    LONG = 1
    SHORT = -1


def test_the_members_of_an_enumeration_are_plain_integers() -> None:
    constants = numeric.constants(Side)

    assert [(1, int), (-1, int)] == [(member, type(member)) for member in (constants.LONG, constants.SHORT)]


@pytest.mark.parametrize(("is_checked", "sizes"), [(False, (100, 200)), (True, (1, 101))])
def test_arrays_begin_with_one_row_and_grow_by_one_only_in_the_checked_build(
    monkeypatch: pytest.MonkeyPatch,
    is_checked: bool,  # noqa: FBT001  a parameter of the test
    sizes: tuple[int, int],
) -> None:
    monkeypatch.setattr(numeric, "CHECKED", is_checked)

    assert sizes == (numeric.first_size(100), numeric.next_size(100))

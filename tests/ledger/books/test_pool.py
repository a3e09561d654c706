"""Memory that the pool reuses, and never while an array refers to it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tieout.ledger.books import pool

LARGE = 2**20


@pytest.fixture(autouse=True)
def _pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_memory", [])


def place_of(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def test_memory_without_references_is_reused() -> None:
    array = pool.take(LARGE, np.dtype("f8"))
    before = place_of(array)
    del array

    again = pool.take(LARGE, np.dtype("i8"))

    assert before == place_of(again)


@pytest.mark.parametrize(
    "look",
    [
        lambda array: array,
        lambda array: array["a"][5:6],
        lambda array: array.view(np.recarray)[9],
        memoryview,
    ],
    ids=["array", "view", "record", "memoryview"],
)
def test_memory_with_a_reference_is_not_reused(look: Callable[[Any], Any]) -> None:
    array = pool.take(LARGE, np.dtype([("a", "i8"), ("b", "i4")]))
    array["a"] = 7
    reference = look(array)
    del array

    other = pool.take(LARGE, np.dtype([("a", "i8"), ("b", "i4")]))
    other["a"] = 8

    values = np.asarray(reference)
    assert {7} == set(np.ravel(values["a"] if values.dtype.names else values).tolist())


def test_an_array_is_as_large_as_requested_and_not_much_larger() -> None:
    small = pool.take(10, np.dtype("i8"))
    assert 10 == small.size

    large = pool.take(32 * LARGE, np.dtype("i1"))
    before = place_of(large)
    del large
    assert before != place_of(pool.take(LARGE, np.dtype("i1")))
    fitting = pool.take(2 * LARGE, np.dtype("i1"))
    assert (before, 32 * LARGE) == (place_of(fitting), fitting.size)


def test_free_memory_beyond_the_limit_is_returned_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MAX_FREE", 20 * LARGE)
    reference = [pool.take(LARGE, np.dtype("f8")) for _ in range(5)]
    reference.clear()

    pool.take(8 * LARGE, np.dtype("f8"))

    assert [8 * LARGE, 8 * LARGE, 64 * LARGE] == [memory.size for memory in pool._memory]

"""Compilation of kernels: once for whole numbers of every width, and of every type that holds them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import types
from numba.core import config
from numba.core.errors import TypingError

from tieout.ledger.books import compiled


def compile_here(function: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Compile a kernel, also where the suite runs without compilation."""
    monkeypatch.setattr(config, "DISABLE_JIT", 0)
    return compiled.entry(function)


def test_a_kernel_is_compiled_once_for_whole_numbers_of_every_width(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(amount: int) -> int:
        return 2 * amount

    kernel = compile_here(twice, monkeypatch)

    assert [6, -6, 2**33] == [kernel(3), kernel(np.int32(-3)), kernel(np.int64(2**32))]
    kernel.compile((types.literal(3),))  # type: ignore[no-untyped-call]  # numba has no types of its own
    assert [(types.int64,)] == kernel.signatures


def test_what_is_not_a_whole_number_with_a_sign_keeps_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def same(value: Any) -> Any:
        return value

    kernel = compile_here(same, monkeypatch)

    values = (np.uint64(2**63), 0.5, True)
    assert values == tuple(map(kernel, values))
    assert [(types.uint64,), (types.float64,), (types.boolean,)] == kernel.signatures


def test_a_specialised_kernel_is_compiled_for_the_types_of_the_arguments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def first(numbers: Any, place: int) -> Any:
        return numbers[place]

    kernel = compile_here(first, monkeypatch)
    numbers = np.array([2.5, 3.5])

    code = compiled.specialised(kernel, numbers, 0)

    assert [2.5, 3.5] == [code(numbers, place) for place in range(2)]
    assert [(types.float64[::1], types.int64)] == kernel.signatures
    monkeypatch.setattr(config, "DISABLE_JIT", 1)
    assert first is compiled.specialised(first, numbers, 0)


def from_the_end(numbers: Any, place: int) -> int:
    number: int = numbers[numbers.size - 1 - place]
    return number


def one_more(numbers: Any, place: int) -> int:
    return from_the_end(numbers, place) + 1


def twice_one_more(numbers: Any, place: int) -> int:
    return 2 * one_more(numbers, place) + 0 * from_the_end(numbers, place)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Compile `twice_one_more`, `one_more` and, separate from both, `from_the_end`, in every suite."""
    monkeypatch.setattr(config, "DISABLE_JIT", 0)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    compiling = compiled.compiler("tieout.ledger", forceinline=True)
    module = globals()
    monkeypatch.setitem(
        module, "from_the_end", compiled.separate(compiling, lambda: (np.zeros(1, np.int64), 0))(from_the_end)
    )
    monkeypatch.setitem(module, "one_more", compiling(one_more))
    kernel: Any = compiling(twice_one_more)
    return [kernel, module["one_more"], compiled._separate[-1].kernel]


def test_a_separate_kernel_is_loaded_before_a_call_and_only_for_its_types(kernels: list[Any]) -> None:
    twice, _, last = kernels

    assert [16, 6] == [twice(np.array([2, 7]), place) for place in range(2)]
    assert [(types.int64[::1], types.int64)] == last.signatures
    with pytest.raises(TypingError, match="is called with"):
        twice(np.array([2.0, 7.0]), 0)


def test_a_kernel_that_is_never_called_is_compiled_without_the_separate_one(kernels: list[Any]) -> None:
    signature = types.int64[::1], types.int64
    with compiled.without_separate():
        kernels[1].compile(signature)

    assert [[signature], []] == [kernel.signatures for kernel in kernels[1:]]
    with pytest.raises(SystemError):
        kernels[1](np.array([2, 7]), 0)


def test_no_kernel_is_separate_where_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "DISABLE_JIT", 1)

    assert one_more is compiled.separate(compiled.entry, lambda: (np.zeros(1, np.int64), 0))(one_more)

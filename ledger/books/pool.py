"""A pool of large arrays, whose memory is reused once nothing refers to it.

The first touch of fresh memory costs several times what writing to it does, so the arrays of a block, of a
desk and of a run's inputs come from here. An array is a view of its memory. numpy keeps that memory alive as
long as any view of it exists, so memory to which only the pool refers is free.
"""

import sys
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_FREE = 512 * 2**20
"""The most bytes of free memory that stay in the pool."""
_SMALL = 2**16  # bytes: below this, malloc does not ask the system
_SPARE = 16  # times the request: a larger array is left for a larger request

_memory: list[NDArray[np.uint8]] = []
_lock = Lock()


def take(size: int, dtype: "np.dtype[Any]") -> NDArray[Any]:
    """Return an array of *size* values or somewhat more. Its values are undefined."""
    size_in_bytes = max(size, 1) * dtype.itemsize
    if size_in_bytes < _SMALL:
        return np.empty(size, dtype)
    with _lock:
        places = range(len(_memory))
        fitting = [
            p for p in places if size_in_bytes <= _memory[p].size <= _SPARE * size_in_bytes and _is_free(p)
        ]
        if fitting:
            memory = _memory[min(fitting, key=lambda place: _memory[place].size)]
        else:
            _forget([place for place in places if _is_free(place)])
            memory = np.empty(size_in_bytes, np.uint8)
            _memory.append(memory)
    return memory[: memory.size // dtype.itemsize * dtype.itemsize].view(dtype)


def _is_free(place: int) -> bool:
    """Check whether only the pool refers to the memory: its list, and the call that counts references."""
    return sys.getrefcount(_memory[place]) <= 2  # noqa: PLR2004  these two references


def _forget(free: list[int]) -> None:
    """Return free memory beyond `MAX_FREE` to the system, the oldest first."""
    total = sum(_memory[place].size for place in free)
    for place in free:
        if total <= MAX_FREE:
            break
        total -= _memory[place].size
        _memory[place] = np.empty(0, np.uint8)
    _memory[:] = [memory for memory in _memory if memory.size]

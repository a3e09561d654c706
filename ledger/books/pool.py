"""Large arrays that are used again once nobody looks at them.

The first touch of fresh memory costs several times what writing to it does, so the arrays of a block, of a
desk and of a run's inputs come from here. An array is given out as a view of its memory, and numpy keeps
that memory alive for as long as any view of it is: what nobody but the pool refers to is free.
"""

import sys
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT = 512 * 2**20
"""Bytes of free memory that are kept for later at most."""
_SMALL = 2**16  # what malloc gives without asking the system
_SPARE = 16  # times what is wanted: more would be taken from somebody who needs it

_memory: list[NDArray[np.uint8]] = []
_lock = Lock()


def take(size: int, dtype: "np.dtype[Any]") -> NDArray[Any]:
    """An array of *size* or somewhat more; its values are whatever was there."""
    wanted = max(size, 1) * dtype.itemsize
    if wanted < _SMALL:
        return np.empty(size, dtype)
    with _lock:
        places = range(len(_memory))
        fitting = [p for p in places if wanted <= _memory[p].size <= _SPARE * wanted and _is_free(p)]
        if fitting:
            memory = _memory[min(fitting, key=lambda place: _memory[place].size)]
        else:
            _forget([place for place in places if _is_free(place)])
            memory = np.empty(wanted, np.uint8)
            _memory.append(memory)
    return memory[: memory.size // dtype.itemsize * dtype.itemsize].view(dtype)


def _is_free(place: int) -> bool:
    """Whether nobody but the pool refers to the memory: the list, and the call that counts."""
    return sys.getrefcount(_memory[place]) <= 2  # noqa: PLR2004  these two


def _forget(free: list[int]) -> None:
    """Give back the free memory beyond what is kept, the oldest first."""
    kept = sum(_memory[place].size for place in free)
    for place in free:
        if kept <= KEPT:
            break
        kept -= _memory[place].size
        _memory[place] = np.empty(0, np.uint8)
    _memory[:] = [memory for memory in _memory if memory.size]

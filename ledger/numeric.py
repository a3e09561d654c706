"""Array types, enumerations as compiled code reads them, and the switch of the checked build.

This module imports nothing heavy, so a reader of a journal compiles nothing.
"""

import os
from collections import namedtuple
from enum import IntEnum
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
Records = Any
"""A numpy recarray: `records[i].field` reads the same compiled and interpreted, and mypy knows neither."""
Record = Any
"""One row of a recarray, by reference."""

E = TypeVar("E", bound=IntEnum)

ROUNDING = 2.0**-53
"""Largest relative error of one operation in float64."""
CHECKED = os.environ.get("TIEOUT_CHECKED") == "1"
"""True if kernels assert the room of every array that they append to, and arrays grow row by row."""


def constants(enumeration: type[E]) -> type[E]:
    """Return the members of *enumeration* as a named tuple of plain integers.

    numba freezes a global tuple of integers, but not the members of an enumeration. A type checker sees the
    enumeration itself, because its members are read in the same way.
    """
    members = {name: int(member) for name, member in enumeration.__members__.items()}
    return cast("type[E]", namedtuple(enumeration.__name__, members)(**members))  # noqa: PYI024  made of names


def first_size(size: int) -> int:
    """Return the number of rows that an array begins with: *size*, or one in the checked build."""
    return 1 if CHECKED else size


def next_size(size: int) -> int:
    """Return the number of rows that a full array of *size* rows grows to: twice, or one more if checked."""
    return size + 1 if CHECKED else 2 * size

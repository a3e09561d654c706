"""The rows of a journal as columns: what figures are computed from."""

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

Column = NDArray[Any]


class Tables(Protocol):
    """A journal that hands out the columns of its tables."""

    def columns(self, table: str, names: Sequence[str], /) -> dict[str, Column]:
        """The columns *names* of *table*, its rows in the order of its dense first column: 0, 1, 2, ...

        Arrays of equal length, not to be written to: numbers as they are stored, times datetime64[ns], text
        as objects.
        """
        ...

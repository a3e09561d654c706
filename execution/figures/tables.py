"""The rows of a journal as columns, the input of all figures."""

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

Column = NDArray[Any]


class Tables(Protocol):
    """A journal whose tables can be read by column."""

    def columns(self, table: str, names: Sequence[str], /) -> dict[str, Column]:
        """Return the columns *names* of *table*, in the order of its dense first column: 0, 1, 2, ...

        They are read-only arrays of equal length: numbers as stored, timestamps as datetime64[ns], text as
        objects.
        """
        ...

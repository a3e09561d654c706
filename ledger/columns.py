"""The rows of a journal as columns, in the order of their tables' dense first column."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.errors import DamagedFile
from ledger.query import Query


def queried(ask: Callable[[str], Query], table: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The columns *names* of *table*. Raises `DamagedFile` where rows are missing or there twice."""
    dense = "seq" if table == "transfer" else "id"
    listed = ", ".join(f'"{name}"' for name in (dense, *names))
    # By way of Polars: pyarrow's own way to numpy imports pandas wherever that is installed.
    found = ask(f'select {listed} from "{table}"').pl()  # noqa: S608  a table of ours, not a user's text
    numbers, *columns = (column.to_numpy() for column in found)
    wanted = np.arange(numbers.size)
    # Rows come as they were stored, which is nearly always in order; sorting them in SQL costs more than
    # reading them.
    if not np.array_equal(numbers, wanted):
        order = np.argsort(numbers, kind="stable")
        if not np.array_equal(numbers[order], wanted):
            raise DamagedFile(f"rows of the table {table} are missing or there twice; verify the journal")
        columns = [column[order] for column in columns]
    return dict(zip(names, columns, strict=True))

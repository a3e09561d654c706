"""The rows of a journal as columns, in the order of their tables' dense first column."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tieout.ledger.errors import DamagedFile
from tieout.ledger.file.query import Query

Columns = Mapping[str, NDArray[Any]]


def read_columns(ask: Callable[[str], Columns], table: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return read-only columns *names* of *table*.

    *ask* answers a query with columns, which are masked arrays where they have nulls. Raises `DamagedFile`
    where rows are missing or doubled, or a value is NULL.
    """
    dense = "seq" if table == "transfer" else "id"
    selection = ", ".join(f'"{name}"' for name in (dense, *names))
    numbers, *columns = ask(f'select {selection} from "{table}"').values()  # noqa: S608  names from the code
    for name, column in zip((dense, *names), (numbers, *columns), strict=True):
        if np.ma.is_masked(column):
            raise DamagedFile(f"the table {table} has NULL in {name}; verify the journal")
    numbers, columns = np.ma.getdata(numbers), [np.ma.getdata(column) for column in columns]
    sequence = np.arange(numbers.size)
    # Rows come in the order of storage, which is nearly always right. Sorting them in SQL costs more than
    # reading them.
    if not np.array_equal(numbers, sequence):
        order = np.argsort(numbers, kind="stable")
        if not np.array_equal(numbers[order], sequence):
            raise DamagedFile(f"rows of the table {table} are missing or doubled; verify the journal")
        columns = [column[order] for column in columns]
    views = {name: column.view() for name, column in zip(names, columns, strict=True)}
    for view in views.values():
        view.flags.writeable = False
    return views


def columns_of(query: Query) -> dict[str, NDArray[Any]]:
    """Convert the answer to a query to columns, which are masked arrays where they have nulls."""
    # Polars converts, because pyarrow imports pandas for this wherever pandas is installed.
    return {
        series.name: np.ma.masked_array(series.to_numpy(), series.is_null().to_numpy())
        if series.null_count()
        else series.to_numpy()
        for series in query.pl()
    }

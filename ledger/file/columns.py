"""The rows of a journal as columns, in the order of their tables' dense first column."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tieout.ledger.errors import DamagedFile
from tieout.ledger.file.query import Query

Columns = Mapping[str, NDArray[Any]]


def queried(ask: Callable[[str], Columns], table: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The columns *names* of *table*. Raises `DamagedFile` where rows are missing or there twice, or NULL.

    *ask* answers a query with columns: masked where there are nulls, or objects with None in them.
    """
    dense = "seq" if table == "transfer" else "id"
    listed = ", ".join(f'"{name}"' for name in (dense, *names))
    numbers, *columns = ask(f'select {listed} from "{table}"').values()  # noqa: S608  a table of ours
    for name, column in zip((dense, *names), (numbers, *columns), strict=True):
        if np.ma.is_masked(column):
            raise DamagedFile(f"the table {table} has NULL in {name}; verify the journal")
    numbers, columns = np.ma.getdata(numbers), [np.ma.getdata(column) for column in columns]
    wanted = np.arange(numbers.size)
    # Rows come as they were stored, which is nearly always in order; sorting them in SQL costs more than
    # reading them.
    if not np.array_equal(numbers, wanted):
        order = np.argsort(numbers, kind="stable")
        if not np.array_equal(numbers[order], wanted):
            raise DamagedFile(f"rows of the table {table} are missing or there twice; verify the journal")
        columns = [column[order] for column in columns]
    found = {name: column.view() for name, column in zip(names, columns, strict=True)}
    for column in found.values():
        column.flags.writeable = False
    return found


def columns_of(query: Query) -> dict[str, NDArray[Any]]:
    """The answer to a query as columns, masked where there are nulls."""
    # By way of Polars: pyarrow's own way to numpy imports pandas wherever that is installed.
    return {
        series.name: np.ma.masked_array(series.to_numpy(), series.is_null().to_numpy())
        if series.null_count()
        else series.to_numpy()
        for series in query.pl()
    }

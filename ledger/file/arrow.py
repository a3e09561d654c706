"""Rows on their way into DuckDB, as Arrow tables."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tieout.ledger.file.instances import ROW_GROUP
from tieout.ledger.file.seal import Columns

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_NAME = "block_rows"
"""Name of an Arrow table while it is inserted."""


def insert_rows(cursor: "duckdb.DuckDBPyConnection", tables: Iterable[tuple[str, Columns]]) -> None:
    """Append rows to tables, which are given by name. Names of columns do not matter, their order does."""
    import pyarrow as pa  # imported here to spare runs that are never queried the memory it takes

    for table, columns in tables:
        arrays = [_arrow_array(values) for values in columns.values()]
        whole = pa.Table.from_arrays(arrays, names=list(columns))
        # In batches of one row group each, which DuckDB compresses in parallel. One batch goes to one core.
        cursor.register(_NAME, pa.Table.from_batches(whole.to_batches(ROW_GROUP), whole.schema))
        cursor.execute(f'insert into "{table}" select * from {_NAME}')  # noqa: S608  from the layout
    cursor.unregister(_NAME)


def _arrow_array(values: NDArray[Any]) -> "pa.Array":
    """Build an array without nulls from the bytes of a column.

    `pyarrow.array` is not used, because it imports pandas wherever pandas is installed.
    """
    import pyarrow as pa

    if values.dtype == object:
        texts = [value.encode() for value in values.tolist()]
        ends = np.zeros(values.size + 1, np.int32)
        np.cumsum([len(text) for text in texts], out=ends[1:])
        return _from_bytes(pa.string(), values.size, ends, b"".join(texts))
    if values.dtype == bool:
        return _from_bytes(pa.bool_(), values.size, np.packbits(values, bitorder="little"))
    return _from_bytes(pa.from_numpy_dtype(values.dtype), values.size, np.ascontiguousarray(values))


def _from_bytes(kind: "pa.DataType", size: int, *buffers: NDArray[Any] | bytes) -> "pa.Array":
    import pyarrow as pa

    return pa.Array.from_buffers(kind, size, [None, *map(pa.py_buffer, buffers)])

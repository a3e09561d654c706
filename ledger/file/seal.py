"""Seals: a SHA-256 chain over everything stored, which reveals a change to a closed file.

The digest of a block covers

    the previous digest (32 bytes, for block 0 the genesis)
    for each table that has rows in the block, in the order of the run's layout:
        the table's name, the number of its rows, and its columns one after another

A name or text is its length in bytes (8 bytes, little-endian), followed by its UTF-8. The numbers of a column
are their little-endian values in the order of the table's dense first column, which are the bytes of
``fetchnumpy()[column].tobytes()``. A number of rows has 8 bytes. The genesis is the digest of the `run` row
under this scheme with 32 zero bytes before it. It leaves out the row's id, which is the first 16 hex digits
of the genesis.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]
"""The columns of one table's rows by name: arrays of equal length, text as objects."""

NOTHING = bytes(32)

DTYPES: dict[str, np.dtype[Any]] = {
    "BIGINT": np.dtype("<i8"),
    "INTEGER": np.dtype("<i4"),
    "SMALLINT": np.dtype("<i2"),
    "TINYINT": np.dtype("<i1"),
    "UTINYINT": np.dtype("<u1"),
    "DOUBLE": np.dtype("<f8"),
    "BOOLEAN": np.dtype("?"),
    "TIMESTAMP_NS": np.dtype("<M8[ns]"),
    "VARCHAR": np.dtype("O"),
}
"""The SQL types that a sealed table may have, and the dtypes of their columns in memory."""


def digest(previous: bytes, tables: Iterable[tuple[str, Columns]]) -> bytes:
    """Return the digest of a block that follows *previous*."""
    sha = hashlib.sha256(previous)
    for name, columns in tables:
        sha.update(_text(name))
        sha.update(len(next(iter(columns.values()))).to_bytes(8, "little"))
        for values in columns.values():
            if values.dtype == object:
                sha.update(b"".join(map(_text, values)))
            else:
                sha.update(np.ascontiguousarray(values).view(np.uint8).data)
    return sha.digest()


def genesis(run: Mapping[str, str | int]) -> bytes:
    """Return the digest that the chain starts from: of the run's row without its id."""
    columns: dict[str, NDArray[Any]] = {}
    for name, value in run.items():
        if name != "id":
            dtype = np.dtype("<i8") if isinstance(value, int) else np.dtype("O")
            columns[name] = np.array([value], dtype)
    return digest(NOTHING, [("run", columns)])


def _text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(8, "little") + data

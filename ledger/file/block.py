"""The open block as columns, ready to be sealed and stored."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tieout.ledger.books import pool
from tieout.ledger.books.arrays import Books
from tieout.ledger.books.chart import Chart
from tieout.ledger.books.posting import unload
from tieout.ledger.errors import InvalidRows, OutOfBalance
from tieout.ledger.file.seal import DTYPES, Columns
from tieout.ledger.file.store import Layout


class Source(Protocol):
    """Where rows of other tables collect while a block is open, as in the arrays of a simulator."""

    def rows(self) -> Mapping[str, Mapping[str, Any]]:
        """The rows of the open block by table, as `Journal.add` takes them."""

    def restart(self) -> None:
        """The open block was closed, and its rows with it: collect those of the next one."""


def posted(books: Books, opening: NDArray[np.int64], first_seq: int) -> dict[str, Columns]:
    """The block's transactions and transfers.

    *opening* are the balances at the start of the block. Raises `OutOfBalance` unless every transaction is
    whole and the opening balances and all transfers refold to the running ones.
    """
    state = books.state[0]
    txns, transfers, first = int(state.txns), int(state.transfers), int(state.base_txn)
    if not txns:
        return {}
    rows = books.txns[:txns]
    txn = {"id": _counted(first, txns)}
    for name, dtype in (
        ("timestamp", np.dtype("M8[ns]")),
        ("kind", np.dtype("u1")),
        ("instrument", np.dtype("i4")),
        ("order_id", np.dtype("i8")),
        ("fill_id", np.dtype("i8")),
        ("reverses", np.dtype("i8")),
    ):
        txn[name] = _room(txns, dtype)
        txn[name][:] = rows[name].view(dtype) if name == "timestamp" else rows[name]
    numbers, amounts, lots = (_room(transfers, np.dtype("i8")) for _ in range(3))
    debits, credits_ = (_room(transfers, np.dtype("i4")) for _ in range(2))
    if not unload(books, opening.copy(), numbers, debits, credits_, amounts, lots):
        raise OutOfBalance("the open block does not refold to the running balances; nothing of it is stored")
    transfer = {
        "seq": _counted(first_seq, transfers),
        "txn": numbers,
        "debit": debits,
        "credit": credits_,
        "amount": amounts,
        "lot": lots,
    }
    return {"txn": txn, "transfer": transfer}


def charted(chart: Chart, layout: Layout, commodities: int, accounts: int) -> dict[str, Columns]:
    """The commodities and accounts added since there were so many of each."""
    tables: dict[str, Columns] = {}
    if fresh := list(chart.commodities.since(commodities)):
        rows = [
            (n, c.symbol, c.kind, c.scale, chart.commodities.number(c.currency), c.multiplier)
            for n, c in fresh
        ]
        tables["commodity"] = {
            name: np.array(values, DTYPES[kind])
            for (name, kind), values in zip(layout["commodity"].items(), zip(*rows, strict=True), strict=True)
        }
    if accounts < len(chart):
        columns = {"id": np.arange(accounts, len(chart))} | chart.columns(accounts)
        tables["account"] = {
            name: np.array(columns[name], DTYPES[kind]) for name, kind in layout["account"].items()
        }
    return tables


def noted(notes: Sequence[tuple[int, str]], first: int) -> dict[str, Columns]:
    """What was written beside transactions, numbered from *first*."""
    if not notes:
        return {}
    numbers, texts = zip(*notes, strict=True)
    ids = np.arange(first, first + len(notes), dtype=np.int64)
    return {"note": {"id": ids, "txn": np.array(numbers, np.int64), "text": np.array(texts, object)}}


def added(table: str, columns: Mapping[str, Any], layout: Layout, first: int) -> Columns:
    """Rows of another table as its columns, numbered from *first*; refuses what does not fit."""
    dense, *names = layout[table]
    if set(columns) != set(names):
        raise InvalidRows(f"{table} has the columns {', '.join(names)}, not {', '.join(columns)}")
    arrays = {name: _column(table, name, layout[table][name], columns[name]) for name in names}
    if len({len(array) for array in arrays.values()}) > 1:
        raise InvalidRows(f"{table}: the columns differ in length")
    count = len(next(iter(arrays.values())))
    return {dense: np.arange(first, first + count, dtype=DTYPES[layout[table][dense]])} | arrays


def length(columns: Columns) -> int:
    """How many rows *columns* hold."""
    return len(next(iter(columns.values())))


def _counted(first: int, count: int) -> NDArray[np.int64]:
    """The numbers from *first* on."""
    array = _room(count, np.dtype("i8"))
    array[:] = 1
    array[:1] = first
    return np.cumsum(array, out=array)


def _room(size: int, dtype: "np.dtype[Any]") -> Any:
    return pool.take(size, dtype)[:size]


def _column(table: str, name: str, kind: str, values: ArrayLike) -> NDArray[Any]:
    """*values* as the column's type, refusing what would change them."""
    try:
        array = np.asarray(values, dtype=object if kind == "VARCHAR" else None)
        if array.ndim == 1 and array.dtype == DTYPES[kind] and array.dtype.kind in "biuf":
            same: NDArray[Any] = _room(array.size, array.dtype)
            same[:] = array
            return same
        if array.ndim != 1:
            raise InvalidRows(f"{table}.{name} is not one row of values: {values!r}")
        if array.size == 0:
            return np.zeros(0, DTYPES[kind])
        if kind == "VARCHAR":
            wrong = [value for value in array.tolist() if not isinstance(value, str)]
            "".join(array.tolist() if not wrong else []).encode()  # a lone surrogate is no text
        else:
            with np.errstate(invalid="ignore"):
                cast = array.astype(DTYPES[kind])
            differs = cast != array
            if kind == "DOUBLE":
                differs &= array == array  # noqa: PLR0124  NaN is not itself, and a double may be NaN
            wrong, array = array[differs].tolist(), cast
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidRows(f"{table}.{name}: {error}") from None
    if wrong:
        raise InvalidRows(f"{table}.{name} is {kind} and cannot hold {wrong[0]!r}")
    return array

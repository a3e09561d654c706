"""The open block as columns, ready for the seal and the file."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tieout.ledger.books import pool
from tieout.ledger.books.arrays import Books
from tieout.ledger.books.chart import Chart
from tieout.ledger.books.posting import unload
from tieout.ledger.books.valuation import Statement
from tieout.ledger.errors import InvalidRows, OutOfBalance
from tieout.ledger.file.layout import SealLayout
from tieout.ledger.file.seal import DTYPES, Columns
from tieout.ledger.moment import DAY


class Source(Protocol):
    """A collector of rows of other tables while a block is open, such as the arrays of a simulator."""

    def rows(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the rows of the open block by table, as `Journal.add` takes them."""

    def restart(self) -> None:
        """Drop the rows and collect those of the next block. It is called after the open block was closed."""


def transaction_tables(books: Books, opening: NDArray[np.int64], first_seq: int) -> dict[str, Columns]:
    """Return the block's transactions and transfers.

    *opening* are the balances at the start of the block. Raises `OutOfBalance` unless every transaction is
    whole and the opening balances and all transfers add up to the running balances.
    """
    state = books.state[0]
    txns, transfers, first = int(state.txns), int(state.transfers), int(state.base_txn)
    if not txns:
        return {}
    rows = books.txns[:txns]
    txn = {"id": _numbers_from(first, txns)}
    for name, dtype in (
        ("timestamp", np.dtype("M8[ns]")),
        ("kind", np.dtype("u1")),
        ("instrument", np.dtype("i4")),
        ("order_id", np.dtype("i8")),
        ("fill_id", np.dtype("i8")),
        ("reverses", np.dtype("i8")),
    ):
        txn[name] = _empty(txns, dtype)
        txn[name][:] = rows[name].view(dtype) if name == "timestamp" else rows[name]
    numbers, amounts, lots = (_empty(transfers, np.dtype("i8")) for _ in range(3))
    debits, credits_ = (_empty(transfers, np.dtype("i4")) for _ in range(2))
    if not unload(books, opening.copy(), numbers, debits, credits_, amounts, lots):
        raise OutOfBalance(
            "the transfers of the open block do not add up to the running balances; the block is not stored"
        )
    transfer = {
        "seq": _numbers_from(first_seq, transfers),
        "txn": numbers,
        "debit": debits,
        "credit": credits_,
        "amount": amounts,
        "lot": lots,
    }
    return {"txn": txn, "transfer": transfer}


def chart_tables(chart: Chart, layout: SealLayout, commodities: int, accounts: int) -> dict[str, Columns]:
    """Return the commodities and accounts that follow the first *commodities* and *accounts*."""
    tables: dict[str, Columns] = {}
    if fresh := list(chart.commodities.since(commodities)):
        rows = [
            (n, c.symbol, c.kind, c.scale, chart.commodities.currency(c.currency), c.multiplier)
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


def note_table(notes: Sequence[tuple[int, str]], first: int) -> dict[str, Columns]:
    """Return the notes on transactions, numbered from *first*."""
    if not notes:
        return {}
    numbers, texts = zip(*notes, strict=True)
    ids = np.arange(first, first + len(notes), dtype=np.int64)
    return {"note": {"id": ids, "txn": np.array(numbers, np.int64), "text": np.array(texts, object)}}


def table_columns(table: str, columns: Mapping[str, Any], layout: SealLayout, first: int) -> Columns:
    """Return rows of another table as its columns, numbered from *first*.

    Raises `InvalidRows` where names, types or lengths do not fit the table.
    """
    dense, *names = layout[table]
    if set(columns) != set(names):
        raise InvalidRows(f"{table} has the columns {', '.join(names)}, not {', '.join(columns)}")
    arrays = {name: _column(table, name, layout[table][name], columns[name]) for name in names}
    if len({len(array) for array in arrays.values()}) > 1:
        raise InvalidRows(f"{table}: the columns differ in length")
    count = len(next(iter(arrays.values())))
    return {dense: np.arange(first, first + count, dtype=DTYPES[layout[table][dense]])} | arrays


def length(columns: Columns) -> int:
    """Count the rows of *columns*."""
    return len(next(iter(columns.values())))


def _numbers_from(first: int, count: int) -> NDArray[np.int64]:
    """Return *count* numbers from *first* on."""
    array = _empty(count, np.dtype("i8"))
    array[:] = 1
    array[:1] = first
    return np.cumsum(array, out=array)


def _empty(size: int, dtype: "np.dtype[Any]") -> Any:
    return pool.take(size, dtype)[:size]


def _column(table: str, name: str, kind: str, values: ArrayLike) -> NDArray[Any]:
    """Convert *values* to the column's type. Raises `InvalidRows` where that would change a value."""
    try:
        array = np.asarray(values, dtype=object if kind == "VARCHAR" else None)
        if array.ndim == 1 and array.dtype == DTYPES[kind] and array.dtype.kind in "biuf":
            copy: NDArray[Any] = _empty(array.size, array.dtype)
            copy[:] = array
            return copy
        if array.ndim != 1:
            raise InvalidRows(f"{table}.{name} is a one-dimensional array, not {values!r}")
        if array.size == 0:
            return np.zeros(0, DTYPES[kind])
        if kind == "VARCHAR":
            wrong = [value for value in array.tolist() if not isinstance(value, str)]
            "".join(array.tolist() if not wrong else []).encode()  # raises for a lone surrogate
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


def mark_rows(timestamp: int, prices: Mapping[int, float], *, stale: bool) -> dict[str, Any]:
    """Return the rows that mark instruments with *prices*."""
    return {
        "timestamp": _times(timestamp, len(prices)),
        "instrument": list(prices),
        "price": list(prices.values()),
        "stale": [stale] * len(prices),
    }


def statement_rows(timestamp: int, txn: int, totals: Mapping[int, Statement]) -> dict[str, Any]:
    """Return the rows of a statement, one for each currency, after transaction *txn*."""
    return {
        "timestamp": _times(timestamp, len(totals)),
        "session": _times(timestamp - timestamp % DAY, len(totals)),
        "txn": [txn] * len(totals),
        "currency": list(totals),
        **{
            name: [getattr(parts, name) for parts in totals.values()]
            for name in (*Statement._fields, "equity")
        },
    }


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the rows of several parts of a table in one."""
    if len(parts) == 1:
        return dict(parts[0])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _times(timestamp: int, count: int) -> NDArray[np.datetime64]:
    return np.full(count, timestamp, np.int64).view("M8[ns]")

"""Readers of the files of an audit. An error names file, row and remedy in one sentence."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from attrs import frozen
from numpy.typing import NDArray

from tieout.execution.data import frames
from tieout.execution.data.bars import Bars
from tieout.execution.errors import ExecutionError
from tieout.ledger.books.commodity import instrument
from tieout.ledger.books.kinds import Kind
from tieout.ledger.errors import InvalidCommodity, nearest
from tieout.ledger.moment import DAY
from tieout.ledger.numeric import Floats, Int64s
from tieout.validation.audit.formats import (
    CURVE,
    FIGURES,
    FILLS,
    FLOWS,
    POSITIONS,
    REQUIRED,
    TRADES,
    ambiguous_columns,
    detect,
    is_index,
    match_columns,
    option,
    readable,
)
from tieout.validation.audit.times import moments
from tieout.validation.foreign.flows import FEE, OTHER, TAX

Texts = NDArray[Any]

_BUY = ("buy", "b", "long", "bot", "bought", "cover", "1", "+1")
_SELL = ("sell", "s", "short", "sld", "sold", "-1", "ss")
SIDES = {
    **dict.fromkeys((*_BUY, "buy_to_cover", "buy_to_open", "buy_to_close"), 1),
    **dict.fromkeys((*_SELL, "sell_short", "sell_to_open", "sell_to_close"), -1),
}
"""Names of sides."""
_EITHER, _RECEIVED, _PAID = 0, 1, -1
FLOW_KINDS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("deposit", "contribution"), (int(Kind.DEPOSIT), _RECEIVED)),
    **dict.fromkeys(("withdrawal", "withdraw", "disbursement"), (int(Kind.WITHDRAWAL), _PAID)),
    **dict.fromkeys(
        ("transfer", "ach", "wire", "deposit_withdrawal", "deposits_withdrawals"),
        (int(Kind.DEPOSIT), _EITHER),
    ),
    **dict.fromkeys(
        ("dividend", "dividends", "cash_dividend", "div", "distribution", "payment_in_lieu"),
        (int(Kind.DIVIDEND), _EITHER),
    ),
    **dict.fromkeys(
        ("interest", "int", "margin_interest", "credit_interest", "debit_interest"),
        (int(Kind.INTEREST), _EITHER),
    ),
    **dict.fromkeys(
        ("borrow_fee", "borrow_fees", "stock_loan_fee", "short_interest"), (int(Kind.BORROW_FEE), _PAID)
    ),
    "funding": (int(Kind.PERPETUAL_FUNDING), _EITHER),
    **dict.fromkeys(("fee", "fees", "service_fee", "other_fee", "other_fees"), (FEE, _PAID)),
    **dict.fromkeys(("refund", "rebate", "fee_refund"), (FEE, _RECEIVED)),
    **dict.fromkeys(("tax", "taxes", "withholding", "withholding_tax"), (TAX, _PAID)),
    "tax_refund": (TAX, _RECEIVED),
    **dict.fromkeys(("other", "adjustment", ""), (OTHER, _EITHER)),
}
"""Brokers' names for money that moves without a fill, with its kind in the books and its sign."""
_IN_BRACKETS = r"^\w+\(\d+ \[(.+)\]\)$"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_FILES = ("fills", "flows", "claims", "prices")


class AuditRefused(ExecutionError):
    """A file cannot be audited: something in it is missing or invalid."""


@frozen(eq=False)
class Fills:
    """Executions in the sequence of their file. *row* counts from 1. *order* is None without such a column.

    *timestamp* are nanoseconds since 1970, *day* days since 1970 in the zone of the file. *content* is equal
    for rows with equal columns, including columns that are not read. *has_fee* is true with a column of
    commissions.
    """

    name: str
    form: str | None
    timestamp: Int64s
    day: Int64s
    symbol: Texts
    quantity: Floats
    price: Floats
    fee: Floats
    order: Texts | None
    row: Int64s
    content: NDArray[np.uint64]
    has_fee: bool


@frozen(eq=False)
class Flows:
    """Money that moved without a fill, in the sequence of its file. *amount* is above zero if received.

    *kind* is as in the table of charges. *symbol* is empty without an instrument.
    """

    name: str
    timestamp: Int64s
    day: Int64s
    amount: Floats
    kind: Int64s
    symbol: Texts
    row: Int64s


@frozen(eq=False)
class Claims:
    """One file of claims of a *kind*: *columns* by our names, and the time of each row (trades: exit)."""

    name: str
    kind: str
    timestamp: Int64s
    day: Int64s
    columns: Mapping[str, NDArray[Any]]


@frozen(eq=False)
class Prices:
    """Bars as panels float64[bars, symbols], NaN without a bar.

    *timestamp* are nanoseconds since 1970, *day* days since 1970 in the zone of the file.
    """

    name: str
    timestamp: Int64s
    day: Int64s
    symbols: tuple[str, ...]
    open: Floats
    high: Floats
    low: Floats
    close: Floats

    @property
    def is_daily(self) -> bool:
        """True if every day has at most one bar, so that hours carry no information."""
        if self.timestamp.size == 1:
            return not np.any(self.timestamp % DAY)
        return bool(np.all(np.diff(self.day) > 0) and np.diff(self.timestamp).min() > DAY // 2)

    @property
    def is_every_day(self) -> bool:
        """True if bars are daily, and not weekly or longer."""
        return self.is_daily and (self.timestamp.size == 1 or int(np.diff(self.day).min()) == 1)

    @cached_property
    def ends(self) -> Int64s:
        """The times that `moments` are compared with."""
        return self.moments(self.timestamp, self.day)

    def moments(self, timestamp: Int64s, day: Int64s) -> Int64s:
        """Convert times to those of the bars: dates for daily bars."""
        return day * DAY if self.is_daily else timestamp

    def place(self, timestamp: Int64s, day: Int64s) -> Int64s:
        """Return the bar that contains each time: -1 before the first, the number of bars after the last.

        The timestamp of a bar is its end. Among bars within a day, the first counts as long as the shortest.
        """
        moments, ends = self.moments(timestamp, day), self.ends
        bars: Int64s = np.searchsorted(ends, moments)
        is_short = self.timestamp.size > 1 and not self.is_every_day
        length = int(np.diff(ends).min()) if is_short else 1
        bars[moments <= ends[0] - length] = -1
        return bars

    def has_other_times(self, timestamp: Int64s) -> bool:
        """Check whether *timestamp* are dates without an hour while no bar ends at midnight."""
        return not self.is_daily and not np.any(timestamp % DAY) and bool(np.all(self.timestamp % DAY))

    def last_bars(self, claim: Claims) -> Int64s:
        """Return the last bar at or before each row, -1 before the first.

        A date means the end of its day, even if bars are within the day. Raises `AuditRefused` for a row
        after the last bar.
        """
        moments, ends = self.moments(claim.timestamp, claim.day), self.ends
        if self.has_other_times(claim.timestamp):
            moments, ends = claim.day, self.day
        late = np.flatnonzero(moments > ends[-1])
        if late.size:
            when = np.datetime64(int(claim.timestamp[late[0]]), "ns").astype("M8[s]")
            raise AuditRefused(
                f"{claim.name}, row {late[0] + 1}: the claim at {when} is after the last bar of"
                f" {self.name}; add the bars, or leave out the claims"
            )
        bars: Int64s = np.searchsorted(ends, moments, "right") - 1
        if bars.size and bars.max() < 0:
            raise AuditRefused(
                f"{claim.name}: every claim is before the first bar of {self.name}; check the bars"
            )
        return bars


def mapping(options: Sequence[str]) -> dict[str, dict[str, str]]:
    """Parse options like ``fills.price=px`` into column names, by file and by our name of the column."""
    names_by_file: dict[str, dict[str, str]] = {of: {} for of in _FILES}
    for text in options:
        name, _, column = text.partition("=")
        of, _, field = name.partition(".")
        if of not in names_by_file or not field or not column:
            raise AuditRefused(
                f"--columns {text}: use FILE.OURS=THEIRS, e.g. fills.price=px; FILE is one of"
                f" {', '.join(_FILES)}"
            )
        names = {
            "fills": readable(FILLS),
            "flows": readable(FLOWS),
            "claims": tuple(dict.fromkeys((*readable(CURVE), *readable(POSITIONS), *readable(TRADES)))),
        }.get(of)
        if names is not None and field not in names:
            raise AuditRefused(f"--columns {text}: {field!r} is not a column of {of}{nearest(field, names)}")
        names_by_file[of][field] = column
    return names_by_file


def read_prices(path: Path, columns: Mapping[str, str]) -> Prices:
    """Read the bars of a long file, with the checks of a backtest."""
    bars = Bars.read(path, columns=columns)
    _require_symbols(path, bars.symbols, columns)
    markets = [window.market for window in bars.windows()]
    panels = {
        field: np.concatenate([getattr(market, field) for market in markets]) for field in frames.PRICES
    }
    timestamp, day = np.asarray(bars.timestamp), np.asarray(bars.date)
    if _is_text(path):
        column = columns.get("timestamp", "timestamp")
        times, days = _moments(_texts(path, {"timestamp": column}), "timestamp", str(path))
        timestamp, first = np.unique(times, return_index=True)
        day = days[first]
        if not np.array_equal(timestamp, bars.timestamp):
            raise AuditRefused(f"{path}: its times are ambiguous; write them as 2024-03-31T16:00:00")
    return Prices(str(path), timestamp, day, bars.symbols, **panels)


def _require_symbols(path: Path, symbols: Sequence[str], columns: Mapping[str, str]) -> None:
    """Refuse a symbol that a journal cannot have, with its first row."""
    for symbol in symbols:
        try:
            instrument(symbol)
        except InvalidCommodity:
            what = "cannot be a part of an account's name: a quotation mark, white space or a colon at an end"
            names = {"symbol": columns.get("symbol", "symbol")}
            file = frames.lazy(path, "prices", names, AuditRefused)
            rows = _texts(path, names) if _is_text(path) else file.collect(file.frame.select("symbol"))
            is_symbol = (rows["symbol"].cast(pl.String) == symbol).to_numpy()
            _refuse(str(path), is_symbol, f"symbol {symbol!r} {what}", "rename it in every file")


def read_fills(path: Path, form: str | None, columns: Mapping[str, str]) -> Fills:
    """Read the fills of a file. Without *form* the format is detected from the columns."""
    there = _names(path)
    form = form or detect(there)
    _require_one_of_each(path, FILLS, ambiguous_columns(there, FILLS, form, columns))
    rows, names = _rows(path, FILLS, match_columns(there, FILLS, form, columns), there)
    name, count = str(path), rows.height
    timestamp, day = _moments(rows, "timestamp", name)
    quantity = _numbers(rows, "quantity", name)
    if "side" in names:
        side = _sides(rows, name)
        what = "side is buy and quantity is negative"
        _refuse(
            name, (side > 0) & (quantity < 0), what, "correct one of them, or leave out the column of sides"
        )
        quantity = np.abs(quantity) * side
    price = _numbers(rows, "price", name)
    fee = _numbers(rows, "fee", name, missing=0.0) if "fee" in names else np.zeros(count)
    has_fee = "fee" in names and rows["fee"].null_count() < max(count, 1)
    for what, wrong in (("quantity is zero", quantity == 0), ("price is negative", price < 0)):
        _refuse(name, wrong, what, "leave out the row, or correct it")
    symbol = _symbols(rows, name)
    order = rows["order"].cast(pl.String).to_numpy() if "order" in names else None
    row, content = np.arange(1, count + 1), _contents(path)
    return Fills(
        name, form, timestamp, day, symbol, quantity, price, fee, order, row, content, has_fee=has_fee
    )


def read_flows(path: Path, columns: Mapping[str, str]) -> Flows:
    """Read money that moved without a fill."""
    there = _names(path)
    _require_one_of_each(path, FLOWS, ambiguous_columns(there, FLOWS, None, columns))
    rows, names = _rows(path, FLOWS, match_columns(there, FLOWS, None, columns), there)
    name, count = str(path), rows.height
    timestamp, day = _moments(rows, "timestamp", name)
    amount = _numbers(rows, "amount", name)
    _refuse(name, amount == 0, "amount is zero", "leave out the row, or correct it")
    words = _words(rows["kind"]) if "kind" in names else [""] * count
    if unknown := next((word for word in words if word not in FLOW_KINDS), None):
        kinds = "deposit, withdrawal, dividend, interest, borrow fee, fee, tax, funding, refund or other"
        wrong = np.array([word not in FLOW_KINDS for word in words], bool)
        _refuse(name, wrong, f"unknown kind {unknown!r}", f"write {kinds}")
    kind, sign = np.array([FLOW_KINDS[word] for word in words], np.int64).reshape(-1, 2).T
    for what, wrong in (
        ("money is received, but its kind is a payment", (sign < 0) & (amount > 0)),
        ("money is paid, but its kind is a receipt", (sign > 0) & (amount < 0)),
    ):
        remedy = "correct its sign (a positive amount is a receipt), or use refund or transfer"
        _refuse(name, wrong, what, remedy)
    symbol = np.full(count, "", object)
    if "symbol" in names:
        symbol = _symbols(rows.with_columns(pl.col("symbol").cast(pl.String).fill_null("")), name)
    return Flows(name, timestamp, day, amount, kind, symbol, np.arange(1, count + 1))


def require_claimed(paths: Sequence[Path], columns: Mapping[str, str]) -> None:
    """Refuse a column that no file of claims has. Each of several files may have some of the columns."""
    there = [name for path in paths for name in _names(path)]
    for field, name in columns.items():
        if name not in there:
            near = nearest(name, there) if there else ""
            raise AuditRefused(f"--columns claims.{field}={name}: no file of claims has this column{near}")


def read_claims(path: Path, form: str | None, columns: Mapping[str, str]) -> Claims:
    """Read a file of claims. Its columns decide its kind: trades, positions, or figures of the account."""
    there = _names(path)
    for kind in (TRADES, POSITIONS, CURVE):
        names = {field: name for field, name in columns.items() if field in readable(kind) and name in there}
        matches = match_columns(there, kind, form, names)
        is_complete = set(REQUIRED[kind]) <= matches.keys()
        if is_complete and (kind != CURVE or matches.keys() & set(FIGURES)):
            _require_one_of_each(path, kind, ambiguous_columns(there, kind, form, names))
            return _claims(path, kind, matches, there)
    raise AuditRefused(
        f"{path}: columns {', '.join(there)} are not claims; give timestamp with cash, equity or pnl, or"
        " timestamp, symbol and quantity, or symbol, closed and pnl; rename columns with --columns"
    )


def _claims(path: Path, kind: str, matches: dict[str, str], there: list[str]) -> Claims:
    # A curve of tieout has parts of cash in columns of their own. Other engines count them as cash.
    parts = PARTS_OF_CASH if kind == CURVE and "cash" in matches and set(PARTS_OF_CASH) <= set(there) else ()
    rows, names = _rows(path, kind, matches | {part: part for part in parts}, there)
    name = str(path)
    if kind == CURVE and rows.is_empty():
        raise AuditRefused(f"{name}: the file has no rows; leave it out, or export the claims again")
    timestamp, day = _moments(rows, "closed" if kind == TRADES else "timestamp", name)
    columns: dict[str, NDArray[Any]] = {}
    for field in names:
        if field == "symbol":
            columns[field] = _symbols(rows, name)
        elif field == "status":
            columns[field] = rows[field].cast(pl.String).str.to_lowercase().to_numpy()
        elif field not in ("timestamp", "opened", "closed"):
            columns[field] = _numbers(rows, field, name, missing=np.nan if kind == CURVE else None)
    if parts:
        columns["cash"] = sum((columns.pop(part) for part in parts), columns["cash"])
        name += ", its cash with restricted, receivable and liabilities"
    if kind == CURVE:
        for field, figures in columns.items():
            if not np.any(np.isfinite(figures)):
                raise AuditRefused(
                    f"{name}: every row of {field} is empty; leave out the column, or complete it"
                )
        back = np.append(False, np.diff(timestamp) < 0)
        _refuse(name, back, "its time is before that of the row above", "sort the claims by time")
    return Claims(name, kind, timestamp, day, columns)


PARTS_OF_CASH = ("restricted", "receivable", "liabilities")


def _is_text(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _names(path: Path) -> list[str]:
    names = frames.lazy(path, "audit", {}, AuditRefused).frame.collect_schema().names()
    separators = [word for mark, word in _SEPARATORS.items() if len(names) == 1 and mark in names[0]]
    if separators:
        raise AuditRefused(f"{path}: its columns are separated by {separators[0]}; save it with commas")
    twice = [name.removesuffix("_duplicated_0") for name in names if name.endswith("_duplicated_0")]
    if twice and twice[0] in names:
        raise AuditRefused(f"{path}: there are two columns {twice[0]!r}; leave one out")
    return names


def _require_one_of_each(path: Path, kind: str, ambiguous: Mapping[str, Sequence[str]]) -> None:
    """Refuse to choose between columns with the same meaning, because the other would be lost."""
    for field, names in ambiguous.items():
        every = " and ".join(map(repr, names))
        remedy = ", or add them up in one" if field == "fee" else ""
        raise AuditRefused(
            f"{path}: columns {every} may both be {field!r}; choose one with --columns"
            f" {option(kind)}.{field}=THEIRS{remedy}"
        )


def _texts(path: Path, names: Mapping[str, str]) -> pl.DataFrame:
    """Read columns of a CSV file as text under our names. No type is inferred."""
    file = frames.lazy(pl.scan_csv(path, infer_schema=False, glob=False), str(path), names, AuditRefused)
    return file.collect(file.frame.select(list(names)))


def _rows(path: Path, kind: str, names: dict[str, str], there: list[str]) -> tuple[pl.DataFrame, list[str]]:
    """Read the rows of a file under our names, and list the names that it has."""
    for field in REQUIRED[kind]:
        if field not in names:
            near = nearest(field, there)
            raise AuditRefused(
                f"{path}: there is no column for {field!r}{near}; name it with --columns"
                f" {option(kind)}.{field}=THEIRS"
            )
    if _is_text(path):
        return _texts(path, names), list(names)
    file = frames.lazy(path, kind, names, AuditRefused)
    rows = file.collect(file.frame.select(list(names)))
    for field, dtype in rows.schema.items():
        if dtype.is_nested() or dtype == pl.Object:
            raise AuditRefused(
                f"{path}, row 1: {field} is {dtype}, not one value; give a column of numbers or text"
            )
    return rows, list(names)


def _contents(path: Path) -> NDArray[np.uint64]:
    """Compute digests of whole rows, without the row number of an index."""
    file = frames.lazy(path, "audit", {}, AuditRefused)
    if _is_text(path):
        file = frames.lazy(pl.scan_csv(path, infer_schema=False, glob=False), str(path), {}, AuditRefused)
    rows = file.collect()
    names = [column.name for column in rows if not (is_index(column.name) or column.dtype.is_nested())]
    return rows.select(names).hash_rows().to_numpy()


def _moments(rows: pl.DataFrame, column: str, name: str) -> tuple[Int64s, Int64s]:
    """Read a column of times: nanoseconds since 1970, and the days in its own zone."""
    values = rows[column]
    if values.is_empty():
        values = values.cast(pl.Date)  # no rows have no type
    if not isinstance(values.dtype, pl.Date | pl.Datetime | pl.String):
        raise AuditRefused(
            f"{name}, row 1: {column} is {values.dtype}, not a date or a time; write it as ISO text"
        )
    ns, day = moments(values)
    first = values.filter(ns.is_null()).head(1).to_list()
    what = f"{column} is {first[0]}, not an ISO time" if first and first[0] else f"{column} is missing"
    _refuse(name, ns.is_null().to_numpy(), what, "write it as 2024-03-31T16:00:00")
    return ns.fill_null(0).to_numpy().astype(np.int64), day


def _numbers(rows: pl.DataFrame, column: str, name: str, *, missing: float | None = None) -> Floats:
    """Read a column of finite numbers, with *missing* in place of empty cells."""
    numbers = rows[column].cast(pl.Float64, strict=False)
    unread = (numbers.is_null() & rows[column].is_not_null()).to_numpy()
    _refuse(name, unread, f"{column} is not a number", "write it without separators and currency")
    values = numbers.fill_null(np.nan).to_numpy().copy()
    if missing is None:
        _refuse(
            name,
            ~np.isfinite(values),
            f"{column} is missing or not finite",
            "complete the row or leave it out",
        )
    else:
        values[np.isnan(values)] = missing
        _refuse(name, np.isinf(values), f"{column} is not finite", "complete the row or leave it out")
    return values


def _words(texts: pl.Series) -> list[str]:
    """Convert each row to a word in lower case, empty for an empty cell."""
    last = [str(word or "").strip().rpartition(".")[2].lower() for word in texts.cast(pl.String).to_list()]
    return [re.sub(r"(?<=\w)[\s/-]+(?=\w)", "_", word) for word in last]


def _sides(rows: pl.DataFrame, name: str) -> Floats:
    """Read sides: +1 to buy, -1 to sell. An enumeration's `OrderSide.BUY` counts as its last part."""
    words = _words(rows["side"])
    wrong = np.array([word not in SIDES for word in words], bool)
    _refuse(
        name, wrong, "side is neither buy nor sell", "write one of these, or a negative quantity for a sale"
    )
    return np.array([SIDES[word] for word in words], np.float64)


def _symbols(rows: pl.DataFrame, name: str) -> Texts:
    """Read a column of symbols. `Equity(3 [ACME])` becomes the text in brackets."""
    symbols = rows["symbol"].cast(pl.String)
    _refuse(name, symbols.is_null().to_numpy(), "symbol is missing", "complete the row or leave it out")
    words = symbols.to_list()
    return np.array(
        [match[1] if (match := re.search(_IN_BRACKETS, word)) else word for word in words], object
    )


def _refuse(name: str, is_wrong: NDArray[Any], what: str, remedy: str) -> None:
    """Raise an error about the first row that is wrong, if there is one."""
    rows = np.flatnonzero(is_wrong)
    if rows.size:
        others = f" (and in {rows.size - 1} more)" if rows.size > 1 else ""
        raise AuditRefused(f"{name}, row {rows[0] + 1}: {what}{others}; {remedy}")

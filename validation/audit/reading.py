"""Files at the door: what is refused is told in one sentence that names file, row and remedy."""

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
from tieout.validation.foreign.booking import MONEY
from tieout.validation.foreign.flows import FEE, OTHER, TAX

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]
Texts = NDArray[Any]

_BUY = ("buy", "b", "long", "bot", "bought", "cover", "1", "+1")
_SELL = ("sell", "s", "short", "sld", "sold", "-1", "ss")
SIDES = {
    **dict.fromkeys((*_BUY, "buy_to_cover", "buy_to_open", "buy_to_close"), 1),
    **dict.fromkeys((*_SELL, "sell_short", "sell_to_open", "sell_to_close"), -1),
}
"""What a side is called."""
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
"""What brokers call money that moves without a fill: how it is booked, and the sign that its amount has."""
_IN_BRACKETS = r"^\w+\(\d+ \[(.+)\]\)$"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_OWNERS = ("fills", "flows", "claims", "prices")


class AuditRefused(ExecutionError):
    """A file cannot be audited: something in it is missing, or is not what it has to be."""


@frozen(eq=False)
class Fills:
    """Executions in the order of their file. *row* counts from 1; *order* is None where no column says it.

    *timestamp* are nanoseconds since 1970, *day* days since 1970 in the zone of the file. *content* is
    alike where all columns are, those too that are not read. *has_fee* if a column says what they cost.
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
    """Money that moved without a fill, in the order of its file: *amount* is above zero where received.

    *kind* is as in the table of charges; *symbol* is empty where there is none.
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
    """One file of claims of a *kind*: *columns* by our names, *timestamp* and *day* by row (of the exit)."""

    name: str
    kind: str
    timestamp: Int64s
    day: Int64s
    columns: Mapping[str, NDArray[Any]]


@frozen(eq=False)
class Prices:
    """Bars as panels float64[bars, symbols], NaN where there is none.

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
        """Whether every bar is alone on its day, and no hour of it tells anything."""
        if self.timestamp.size == 1:
            return not np.any(self.timestamp % DAY)
        return bool(np.all(np.diff(self.day) > 0) and np.diff(self.timestamp).min() > DAY // 2)

    @property
    def is_every_day(self) -> bool:
        """Whether bars are of days, not of weeks or more."""
        return self.is_daily and (self.timestamp.size == 1 or int(np.diff(self.day).min()) == 1)

    @cached_property
    def ends(self) -> Int64s:
        """The times that `moments` are compared with."""
        return self.moments(self.timestamp, self.day)

    def moments(self, timestamp: Int64s, day: Int64s) -> Int64s:
        """Times as the bars have them: the date alone where that is all that they have."""
        return day * DAY if self.is_daily else timestamp

    def place(self, timestamp: Int64s, day: Int64s) -> Int64s:
        """The bar in which each time falls; -1 before the first begins, how many there are after the last.

        Bars are dated by their end: of those within a day, the first is taken to be as long as the shortest.
        """
        moments, ends = self.moments(timestamp, day), self.ends
        found: Int64s = np.searchsorted(ends, moments)
        is_short = self.timestamp.size > 1 and not self.is_every_day
        length = int(np.diff(ends).min()) if is_short else 1
        found[moments <= ends[0] - length] = -1
        return found

    def has_other_times(self, timestamp: Int64s) -> bool:
        """Whether *timestamp* are dates without an hour, and no bar ends at a midnight."""
        return not self.is_daily and not np.any(timestamp % DAY) and bool(np.all(self.timestamp % DAY))

    def claimed(self, claim: Claims) -> Int64s:
        """The last bar at or before each row; -1 before the first. Raises `AuditRefused` after the last.

        A date is the end of its day, also where bars are within the day.
        """
        moments, ends = self.moments(claim.timestamp, claim.day), self.ends
        if self.has_other_times(claim.timestamp):
            moments, ends = claim.day, self.day
        late = np.flatnonzero(moments > ends[-1])
        if late.size:
            when = np.datetime64(int(claim.timestamp[late[0]]), "ns").astype("M8[s]")
            raise AuditRefused(
                f"{claim.name}, row {late[0] + 1}: it claims something at {when}, after the last bar of"
                f" {self.name}; add the bars, or leave out the claims"
            )
        found: Int64s = np.searchsorted(ends, moments, "right") - 1
        if found.size and found.max() < 0:
            raise AuditRefused(
                f"{claim.name}: all that it claims is of before {self.name} begins; are these its bars?"
            )
        return found


def mapping(given: Sequence[str]) -> dict[str, dict[str, str]]:
    """What options like ``fills.price=px`` say, by file and our name of the column."""
    found: dict[str, dict[str, str]] = {of: {} for of in _OWNERS}
    for text in given:
        name, _, column = text.partition("=")
        of, _, ours = name.partition(".")
        if of not in found or not ours or not column:
            raise AuditRefused(
                f"--columns {text}: say FILE.OURS=THEIRS, fills.price=px; FILE is of {', '.join(_OWNERS)}"
            )
        names = {
            "fills": readable(FILLS),
            "flows": readable(FLOWS),
            "claims": tuple(dict.fromkeys((*readable(CURVE), *readable(POSITIONS), *readable(TRADES)))),
        }.get(of)
        if names is not None and ours not in names:
            raise AuditRefused(f"--columns {text}: {ours!r} is not a column of {of}{nearest(ours, names)}")
        found[of][ours] = column
    return found


def read_prices(path: Path, columns: Mapping[str, str]) -> Prices:
    """The bars of a long file, checked as those of a backtest."""
    bars = Bars.read(path, columns=columns)
    _require_symbols(path, bars.symbols, columns)
    markets = [window.market for window in bars.windows()]
    panels = {
        field: np.concatenate([getattr(market, field) for market in markets]) for field in frames.PRICES
    }
    timestamp, day = np.asarray(bars.timestamp), np.asarray(bars.date)
    if _is_text(path):
        column = columns.get("timestamp", "timestamp")
        written, days = _moments(_texts(path, {"timestamp": column}), "timestamp", str(path))
        timestamp, first = np.unique(written, return_index=True)
        day = days[first]
        if not np.array_equal(timestamp, bars.timestamp):
            raise AuditRefused(
                f"{path}: its times can be read in two ways; write them as 2024-03-31T16:00:00"
            )
    return Prices(str(path), timestamp, day, bars.symbols, **panels)


def _require_symbols(path: Path, symbols: Sequence[str], columns: Mapping[str, str]) -> None:
    """Refuse what no instrument of a journal can be called, with the first row of it."""
    for symbol in symbols:
        what = "is what money is called in the books" if symbol == MONEY else ""
        try:
            instrument(symbol)
        except InvalidCommodity:
            what = "has white space, a colon or a quotation mark in it"
        if what:
            found = {"symbol": columns.get("symbol", "symbol")}
            named = frames.lazy(path, "prices", found, AuditRefused)
            rows = _texts(path, found) if _is_text(path) else named.collect(named.frame.select("symbol"))
            is_it = (rows["symbol"].cast(pl.String) == symbol).to_numpy()
            _refuse(str(path), is_it, f"symbol {symbol!r} {what}", "name it otherwise in every file")


def read_fills(path: Path, form: str | None, columns: Mapping[str, str]) -> Fills:
    """The fills of a file, with its format where none is given and its columns tell."""
    there = _names(path)
    form = form or detect(there)
    _require_one_of_each(path, FILLS, ambiguous_columns(there, FILLS, form, columns))
    rows, names = _rows(path, FILLS, match_columns(there, FILLS, form, columns), there)
    name, count = str(path), rows.height
    timestamp, day = _moments(rows, "timestamp", name)
    quantity = _numbers(rows, "quantity", name)
    if "side" in names:
        side = _sides(rows, name)
        what = "side is a purchase and quantity is below zero"
        _refuse(
            name, (side > 0) & (quantity < 0), what, "correct one of them, or leave out the column of sides"
        )
        quantity = np.abs(quantity) * side
    price = _numbers(rows, "price", name)
    fee = _numbers(rows, "fee", name, missing=0.0) if "fee" in names else np.zeros(count)
    has_fee = "fee" in names and rows["fee"].null_count() < max(count, 1)
    for what, wrong in (("quantity is zero", quantity == 0), ("price is below zero", price < 0)):
        _refuse(name, wrong, what, "leave out what did not happen, and correct the rest")
    symbol = _symbols(rows, name)
    order = rows["order"].cast(pl.String).to_numpy() if "order" in names else None
    row, content = np.arange(1, count + 1), _contents(path)
    return Fills(
        name, form, timestamp, day, symbol, quantity, price, fee, order, row, content, has_fee=has_fee
    )


def read_flows(path: Path, columns: Mapping[str, str]) -> Flows:
    """Money that moved without a fill."""
    there = _names(path)
    _require_one_of_each(path, FLOWS, ambiguous_columns(there, FLOWS, None, columns))
    rows, names = _rows(path, FLOWS, match_columns(there, FLOWS, None, columns), there)
    name, count = str(path), rows.height
    timestamp, day = _moments(rows, "timestamp", name)
    amount = _numbers(rows, "amount", name)
    _refuse(name, amount == 0, "amount is zero", "leave out what did not happen, and correct the rest")
    words = _words(rows["kind"]) if "kind" in names else [""] * count
    if unknown := next((word for word in words if word not in FLOW_KINDS), None):
        listed = "deposit, withdrawal, dividend, interest, borrow fee, fee, tax, funding, refund or other"
        wrong = np.array([word not in FLOW_KINDS for word in words], bool)
        _refuse(name, wrong, f"nothing is known of the kind {unknown!r}", f"write {listed}")
    kind, sign = np.array([FLOW_KINDS[word] for word in words], np.int64).reshape(-1, 2).T
    for what, wrong in (
        ("money is received, and its kind is one of what is paid", (sign < 0) & (amount > 0)),
        ("money is paid, and its kind is one of what is received", (sign > 0) & (amount < 0)),
    ):
        remedy = "amounts are above zero where money is received; correct the row, or say refund or transfer"
        _refuse(name, wrong, what, remedy)
    symbol = np.full(count, "", object)
    if "symbol" in names:
        symbol = _symbols(rows.with_columns(pl.col("symbol").cast(pl.String).fill_null("")), name)
    return Flows(name, timestamp, day, amount, kind, symbol, np.arange(1, count + 1))


def require_claimed(paths: Sequence[Path], columns: Mapping[str, str]) -> None:
    """Refuse a column that no file of claims has; of several files each may have some."""
    there = [name for path in paths for name in _names(path)]
    for ours, name in columns.items():
        if name not in there:
            near = nearest(name, there) if there else ""
            raise AuditRefused(f"--columns claims.{ours}={name}: no file of claims has this column{near}")


def read_claims(path: Path, form: str | None, columns: Mapping[str, str]) -> Claims:
    """A file of claims, of the kind that its columns tell: trades, positions, or figures of an account."""
    there = _names(path)
    for kind in (TRADES, POSITIONS, CURVE):
        own = {ours: name for ours, name in columns.items() if ours in readable(kind) and name in there}
        found = match_columns(there, kind, form, own)
        is_one = set(REQUIRED[kind]) <= found.keys()
        if is_one and (kind != CURVE or found.keys() & set(FIGURES)):
            _require_one_of_each(path, kind, ambiguous_columns(there, kind, form, own))
            return _claims(path, kind, found, there)
    raise AuditRefused(
        f"{path}: columns {', '.join(there)} are no claims; give timestamp with cash, equity or pnl, or"
        " timestamp, symbol and quantity, or symbol, closed and pnl, and name those that are called otherwise"
        " with --columns"
    )


def _claims(path: Path, kind: str, found: dict[str, str], there: list[str]) -> Claims:
    rows, names = _rows(path, kind, found, there)
    name = str(path)
    if kind == CURVE and rows.is_empty():
        raise AuditRefused(f"{name}: there is no row in it; leave it out, or export what it claims")
    timestamp, day = _moments(rows, "closed" if kind == TRADES else "timestamp", name)
    columns: dict[str, NDArray[Any]] = {}
    for ours in names:
        if ours == "symbol":
            columns[ours] = _symbols(rows, name)
        elif ours == "status":
            columns[ours] = rows[ours].cast(pl.String).str.to_lowercase().to_numpy()
        elif ours not in ("timestamp", "opened", "closed"):
            columns[ours] = _numbers(rows, ours, name, missing=np.nan if kind == CURVE else None)
    if kind == CURVE:
        for ours, figures in columns.items():
            if not np.any(np.isfinite(figures)):
                raise AuditRefused(f"{name}: no row says {ours}; leave out the column, or complete it")
        back = np.append(False, np.diff(timestamp) < 0)
        _refuse(name, back, "its time goes back", "sort the claims by time")
    return Claims(name, kind, timestamp, day, columns)


def _is_text(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _names(path: Path) -> list[str]:
    names = frames.lazy(path, "audit", {}, AuditRefused).frame.collect_schema().names()
    separators = [word for mark, word in _SEPARATORS.items() if len(names) == 1 and mark in names[0]]
    if separators:
        raise AuditRefused(f"{path}: its columns are separated by {separators[0]}; save it with commas")
    again = [name.removesuffix("_duplicated_0") for name in names if name.endswith("_duplicated_0")]
    if again and again[0] in names:
        raise AuditRefused(f"{path}: there are two columns {again[0]!r}; leave one out")
    return names


def _require_one_of_each(path: Path, kind: str, rivals: Mapping[str, Sequence[str]]) -> None:
    """Refuse to choose between columns that may be the same thing: what is not read would be lost."""
    for ours, names in rivals.items():
        every = " and ".join(map(repr, names))
        remedy = ", or add them up in one" if ours == "fee" else ""
        raise AuditRefused(
            f"{path}: columns {every} may both be {ours!r}; say which with --columns"
            f" {option(kind)}.{ours}=THEIRS{remedy}"
        )


def _texts(path: Path, found: Mapping[str, str]) -> pl.DataFrame:
    """Columns of a CSV file under our names, as they are written: nothing is guessed of their types."""
    named = frames.lazy(pl.scan_csv(path, infer_schema=False, glob=False), str(path), found, AuditRefused)
    return named.collect(named.frame.select(list(found)))


def _rows(path: Path, kind: str, found: dict[str, str], there: list[str]) -> tuple[pl.DataFrame, list[str]]:
    """The rows of a file under our names, and which of these it has."""
    for ours in REQUIRED[kind]:
        if ours not in found:
            near = nearest(ours, there)
            raise AuditRefused(
                f"{path}: there is no column for {ours!r}{near}; name it with --columns"
                f" {option(kind)}.{ours}=THEIRS"
            )
    if _is_text(path):
        return _texts(path, found), list(found)
    named = frames.lazy(path, kind, found, AuditRefused)
    rows = named.collect(named.frame.select(list(found)))
    for ours, dtype in rows.schema.items():
        if dtype.is_nested() or dtype == pl.Object:
            raise AuditRefused(
                f"{path}, row 1: {ours} is {dtype}, not one value; give a column of numbers or text"
            )
    return rows, list(found)


def _contents(path: Path) -> NDArray[np.uint64]:
    """Digests of whole rows, but for the number that an index gives to each."""
    named = frames.lazy(path, "audit", {}, AuditRefused)
    if _is_text(path):
        named = frames.lazy(pl.scan_csv(path, infer_schema=False, glob=False), str(path), {}, AuditRefused)
    rows = named.collect()
    told = [column.name for column in rows if not (is_index(column.name) or column.dtype.is_nested())]
    return rows.select(told).hash_rows().to_numpy()


def _moments(rows: pl.DataFrame, column: str, name: str) -> tuple[Int64s, Int64s]:
    """A column of times: nanoseconds since 1970, and the days in its own zone."""
    given = rows[column]
    if given.is_empty():
        given = given.cast(pl.Date)  # nothing is known of the type of no rows
    if not isinstance(given.dtype, pl.Date | pl.Datetime | pl.String):
        raise AuditRefused(
            f"{name}, row 1: {column} is {given.dtype}, not a date or a time; write it as ISO text"
        )
    ns, day = moments(given)
    wrong = ns.is_null().to_numpy()
    said = given.filter(ns.is_null()).head(1).to_list()
    what = f"{column} is {said[0]}, no ISO time" if said and said[0] else f"{column} is missing"
    _refuse(name, wrong, what, "write it as 2024-03-31T16:00:00")
    return ns.fill_null(0).to_numpy().astype(np.int64), day


def _numbers(rows: pl.DataFrame, column: str, name: str, *, missing: float | None = None) -> Floats:
    """A column of finite numbers, *missing* in the place of those that are not there."""
    given = rows[column].cast(pl.Float64, strict=False)
    unread = (given.is_null() & rows[column].is_not_null()).to_numpy()
    _refuse(name, unread, f"{column} is not a number", "write it without separators and currency")
    values = given.fill_null(np.nan).to_numpy().copy()
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


def _words(given: pl.Series) -> list[str]:
    """Words in small letters, one for each row; what is missing is empty."""
    last = [str(word or "").strip().rpartition(".")[2].lower() for word in given.cast(pl.String).to_list()]
    return [re.sub(r"(?<=\w)[\s/-]+(?=\w)", "_", word) for word in last]


def _sides(rows: pl.DataFrame, name: str) -> Floats:
    """+1 for a purchase, -1 for a sale; an enumeration's `OrderSide.BUY` counts as its last part."""
    words = _words(rows["side"])
    wrong = np.array([word not in SIDES for word in words], bool)
    _refuse(
        name, wrong, "side is neither buy nor sell", "write one of these, or a quantity below zero for a sale"
    )
    return np.array([SIDES[word] for word in words], np.float64)


def _symbols(rows: pl.DataFrame, name: str) -> Texts:
    """A column of symbols; of `Equity(3 [ACME])` what stands in the brackets."""
    given = rows["symbol"].cast(pl.String)
    _refuse(name, given.is_null().to_numpy(), "symbol is missing", "complete the row or leave it out")
    words = given.to_list()
    return np.array(
        [found[1] if (found := re.search(_IN_BRACKETS, word)) else word for word in words], object
    )


def _refuse(name: str, wrong: NDArray[Any], what: str, remedy: str) -> None:
    """Raise what is wrong with the first row that has it."""
    rows = np.flatnonzero(wrong)
    if rows.size:
        others = f" (and in {rows.size - 1} more)" if rows.size > 1 else ""
        raise AuditRefused(f"{name}, row {rows[0] + 1}: {what}{others}; {remedy}")

"""What the columns of an export are called, by who writes it.

    vectorbt    fills: `portfolio.orders.records_readable`; trades: `portfolio.trades.records_readable`
    backtrader  fills: the rows of the analyzer Transactions, one for each date and instrument
    zipline     fills: the dictionaries of the column `transactions`; curve: the frame of results
    ml4t        fills: the fields of `result.fills`; trades and curve: `trades.parquet` and `equity.parquet`

A mapping is from our name of a column to theirs. Backtrader's transactions and zipline's have no commission.
"""

from collections.abc import Iterable, Mapping, Sequence

Columns = Mapping[str, str]

FILLS, FLOWS = "fills", "flows"
CURVE, POSITIONS, TRADES = "curve", "positions", "trades"

REQUIRED: dict[str, tuple[str, ...]] = {
    FILLS: ("timestamp", "symbol", "quantity", "price"),
    FLOWS: ("timestamp", "amount"),
    TRADES: ("symbol", "closed", "pnl"),
    POSITIONS: ("timestamp", "symbol", "quantity"),
    CURVE: ("timestamp",),
}
"""Without which a file is none of its kind. A curve has one of `FIGURES` as well."""
FIGURES = ("cash", "equity", "pnl", "total_pnl")
"""What may be claimed of an account at a time."""

_INDEX = ("index", "", "unnamed: 0", "__index_level_0__")
"""What the index of a frame is called in a file: the time, or a number of the row."""
OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "timestamp": ("date", "datetime", "time", "dt", *_INDEX),
    "symbol": ("instrument", "ticker", "asset"),
    "quantity": ("size", "amount", "shares", "qty"),
    "price": ("fill_price", "px"),
    "amount": ("net_amount", "net amount", "cash"),
    "kind": ("type", "activity", "transaction_type", "transaction type"),
    "fee": ("fees", "commission", "commissions"),
    "order": ("order_id", "order id"),
    "equity": ("value", "portfolio_value", "nav"),
    "total_pnl": ("total pnl", "cumulative_pnl"),
    "pnl": ("p&l", "profit"),
    "opened": ("entry_time", "entry_timestamp", "entry timestamp"),
    "closed": ("exit_time", "exit_timestamp", "exit timestamp"),
}
"""What else our columns are called, in small letters."""

_VECTORBT_TRADES = {
    "symbol": "Column",
    "opened": "Entry Timestamp",
    "closed": "Exit Timestamp",
    "pnl": "PnL",
    "status": "Status",
}
_ML4T_TRADES = {
    "symbol": "symbol",
    "opened": "entry_time",
    "closed": "exit_time",
    "pnl": "pnl",
    "status": "status",
}
FORMATS: dict[str, dict[str, Columns]] = {
    "vectorbt": {
        FILLS: {
            "timestamp": "Timestamp",
            "symbol": "Column",
            "side": "Side",
            "quantity": "Size",
            "price": "Price",
            "fee": "Fees",
            "order": "Order Id",
        },
        TRADES: _VECTORBT_TRADES,
    },
    "backtrader": {
        FILLS: {"timestamp": "date", "symbol": "symbol", "quantity": "amount", "price": "price"},
    },
    "zipline": {
        FILLS: {
            "timestamp": "dt",
            "symbol": "sid",
            "quantity": "amount",
            "price": "price",
            "order": "order_id",
        },
        CURVE: {
            "timestamp": "period_close",
            "cash": "ending_cash",
            "equity": "portfolio_value",
            "pnl": "pnl",
        },
    },
    "ml4t": {
        FILLS: {
            "timestamp": "timestamp",
            "symbol": "asset",
            "side": "side",
            "quantity": "quantity",
            "price": "price",
            "fee": "commission",
            "order": "order_id",
        },
        TRADES: _ML4T_TRADES,
        CURVE: {"timestamp": "timestamp", "equity": "equity"},
    },
}
_TELLING = {"backtrader": {"sid", "value"}, "zipline": {"commission"}}
"""Columns that are not read, by which a format is told from others."""


def recognised(there: Iterable[str]) -> str | None:
    """The format of fills whose columns are all *there*."""
    names = set(there)
    for name, kinds in FORMATS.items():
        if {*kinds[FILLS].values(), *_TELLING.get(name, ())} <= names:
            return name
    return None


def columns_of(there: Sequence[str], kind: str, form: str | None, given: Columns) -> dict[str, str]:
    """Our names of the columns that are *there*: those *given*, the format's, then their other names."""
    found = _settled(there, kind, form, given)
    for ours in known(kind):
        if ours not in found and (names := _called(there, ours)):
            found[ours] = names[0]
    return found


def rivals_of(there: Sequence[str], kind: str, form: str | None, given: Columns) -> dict[str, list[str]]:
    """Our names that several columns may stand for, without a word that says which.

    A column of our own name is meant, whatever else there is; but commission in two columns may be two sums.
    """
    settled = _settled(there, kind, form, given)
    found = {}
    for ours in known(kind):
        names = [name for name in _called(there, ours) if not is_index(name)]
        if ours not in settled and len(names) > 1 and (ours == "fee" or _plain(names[0]) != ours):
            found[ours] = names
    return found


def _settled(there: Sequence[str], kind: str, form: str | None, given: Columns) -> dict[str, str]:
    """The columns that options or a format name."""
    theirs = FORMATS.get(form or "", {}).get(kind, {})
    return {ours: name for ours, name in theirs.items() if name in there} | dict(given)


def _called(there: Sequence[str], ours: str) -> list[str]:
    """The columns that are called by our name or another for it, ours first."""
    by_plain = {_plain(name): name for name in reversed(there)}
    return [by_plain[name] for name in (ours, *OTHER_NAMES.get(ours, ())) if name in by_plain]


def is_index(name: str) -> bool:
    """Whether a column may be the number of the row."""
    return _plain(name) in _INDEX


def _plain(name: str) -> str:
    return name.strip().lower()


_OPTIONAL: dict[str, tuple[str, ...]] = {
    FILLS: ("side", "fee", "order"),
    FLOWS: ("kind", "symbol"),
    TRADES: ("opened", "status"),
    POSITIONS: (),
    CURVE: FIGURES,
}


def known(kind: str) -> tuple[str, ...]:
    """Every column that is read of a kind of file."""
    return (*REQUIRED[kind], *_OPTIONAL[kind])


def owner(kind: str) -> str:
    """The option that files of a kind are given by."""
    return kind if kind in {FILLS, FLOWS} else "claims"

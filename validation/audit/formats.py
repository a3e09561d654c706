"""Column names of the files that an audit reads. An engine's own names are in `export.py` of its folder."""

from collections.abc import Iterable, Mapping, Sequence

from tieout.validation.engines import registry

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
"""Required columns of each kind of file. A curve needs one of `FIGURES` as well."""
FIGURES = ("cash", "equity", "pnl", "total_pnl")
"""Figures that a curve may claim of the account."""

_INDEX = ("index", "", "unnamed: 0", "__index_level_0__")
"""Names of a frame's index in a file: the time, or a row number."""
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
"""Other names of our columns, in lower case."""

_EXPORTS = registry.exports()
FORMATS: Mapping[str, Mapping[str, Columns]] = {
    name: {FILLS: export.fills, TRADES: export.trades, CURVE: export.curve}
    for name, export in _EXPORTS.items()
}
"""Columns of each engine's files, by kind: our name to its name."""


def detect(columns: Iterable[str]) -> str | None:
    """Return the format of a file of fills with these columns, or None if no format fits."""
    names = set(columns)
    for name, export in _EXPORTS.items():
        if {*export.fills.values(), *export.marks} <= names:
            return name
    return None


def match_columns(columns: Sequence[str], kind: str, form: str | None, mapping: Columns) -> dict[str, str]:
    """Match our names to the *columns* of a file: by the user's *mapping*, the format, then other names."""
    matches = _fixed(columns, kind, form, mapping)
    for name in readable(kind):
        if name not in matches and (candidates := _candidates(columns, name)):
            matches[name] = candidates[0]
    return matches


def ambiguous_columns(
    columns: Sequence[str], kind: str, form: str | None, mapping: Columns
) -> dict[str, list[str]]:
    """Return our names that several columns may stand for, with those columns.

    A column with exactly our name wins over the others. Two columns of commission may be two sums, so they
    are always ambiguous.
    """
    fixed = _fixed(columns, kind, form, mapping)
    ambiguous = {}
    for name in readable(kind):
        candidates = [column for column in _candidates(columns, name) if not is_index(column)]
        if (
            name not in fixed
            and len(candidates) > 1
            and (name == "fee" or _column_key(candidates[0]) != name)
        ):
            ambiguous[name] = candidates
    return ambiguous


def _fixed(columns: Sequence[str], kind: str, form: str | None, mapping: Columns) -> dict[str, str]:
    """Return the columns that the format or the user's mapping names."""
    of_format = FORMATS.get(form or "", {}).get(kind, {})
    return {name: column for name, column in of_format.items() if column in columns} | dict(mapping)


def _candidates(columns: Sequence[str], name: str) -> list[str]:
    """List the columns that have our name or another name for it, ours first."""
    by_key = {_column_key(column): column for column in reversed(columns)}
    return [by_key[key] for key in (name, *OTHER_NAMES.get(name, ())) if key in by_key]


def is_index(name: str) -> bool:
    """Check whether a column may be the row number."""
    return _column_key(name) in _INDEX


def _column_key(name: str) -> str:
    return name.strip().lower()


_OPTIONAL: dict[str, tuple[str, ...]] = {
    FILLS: ("side", "fee", "order"),
    FLOWS: ("kind", "symbol"),
    TRADES: ("opened", "status"),
    POSITIONS: (),
    CURVE: FIGURES,
}


def readable(kind: str) -> tuple[str, ...]:
    """List every column that is read from a kind of file."""
    return (*REQUIRED[kind], *_OPTIONAL[kind])


def option(kind: str) -> str:
    """Return the command line option for a kind of file."""
    return kind if kind in {FILLS, FLOWS} else "claims"

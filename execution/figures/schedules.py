"""The equity curve and the round trips of a `History` as frames, in exact decimals.

Their columns and types are those of the views `equity` and `trade`.
"""

from decimal import Decimal

import numpy as np
import polars as pl

from tieout.execution.figures.folding import Rows
from tieout.execution.figures.history import History
from tieout.execution.figures.tables import Column
from tieout.ledger.books.commodity import MAX_SCALE
from tieout.ledger.numeric import Floats, Int64s
from tieout.ledger.threads import require_threads

MONEY = pl.Decimal(37, MAX_SCALE)
"""SQL type of a whole number of 64 bits times a unit."""
_WHOLE = pl.Decimal(38, 0)
_UNITS = pl.Series(
    [Decimal(1).scaleb(-scale) for scale in range(MAX_SCALE + 1)], dtype=pl.Decimal(MAX_SCALE + 1, MAX_SCALE)
)
_DAY = 86_400_000_000_000
_PARTS = ("cash", "restricted", "receivable", "liabilities", "market_value", "equity")


def equity(history: History) -> pl.DataFrame:
    """Return equity at every statement, and the five amounts that sum to it."""
    require_threads("the equity curve")
    statements, commodities = history.statements, history.commodities
    plain = pl.DataFrame(
        {
            "timestamp": statements.timestamp,
            "session": statements.session,
            "currency": statements.currency,
            **{name: getattr(statements, name) for name in _PARTS},
            "scale": commodities.scale[statements.currency],
        }
    )
    return plain.select(
        pl.col("timestamp"),
        pl.col("session").cast(pl.Date),
        _symbols(commodities.symbol, "currency"),
        *(_decimals(name, "scale") for name in _PARTS),
    )


def trades(history: History) -> pl.DataFrame:
    """Return the round trips, from flat to flat."""
    require_threads("the table of trades")
    trips, commodities = history.round_trips, history.commodities
    instrument, currency = trips["instrument"], commodities.currency[trips["instrument"]]
    limbs = {name: _limbs(trips, name) for name in ("bought", "sold", "units_bought", "units_sold")}
    # The entry of a short trade is its sales.
    prices = [
        np.divide(
            as_floats(limbs[way]) / commodities.one[currency],
            as_floats(limbs[f"units_{way}"])
            / commodities.one[instrument]
            * commodities.multiplier[instrument],
            where=limbs[f"units_{way}"].any(axis=1),
            out=np.full(trips.size, np.nan),
        )
        for way in ("bought", "sold")
    ]
    is_long = trips["side"] > 0
    plain = pl.DataFrame(
        {
            name: trips[name]
            for name in ("instrument", "quantity", "realized_pnl", "commission", "position", "marks")
        }
        | {name: trips[name].view("M8[ns]") for name in ("opened", "last_move")}
        | {
            "number": np.arange(trips.size),
            "currency": currency,
            "is_long": is_long,
            "has_cost": trips["has_cost"] > 0,
            "bought": _wide(limbs["bought"]),
            "sold": _wide(limbs["sold"]),
            "entry_price": np.where(is_long, *prices),
            "exit_price": np.where(is_long, *prices[::-1]),
            "pnl": history.pnl,
            "best_mark": np.where(is_long, trips["highest"], trips["lowest"]),
            "worst_mark": np.where(is_long, trips["lowest"], trips["highest"]),
            "days": (trips["last_move"] - trips["opened"]).view(np.uint64) / _DAY,
            "of_units": commodities.scale[instrument],
            "of_money": commodities.scale[currency],
        }
    )
    is_open, has_cost, is_marked = pl.col("position") != 0, pl.col("has_cost"), pl.col("marks") > 0
    return plain.select(
        pl.col("number"),
        _symbols(commodities.symbol, "instrument").alias("symbol"),
        _symbols(commodities.symbol, "currency"),
        pl.when("is_long").then(pl.lit("long")).otherwise(pl.lit("short")).alias("side"),
        pl.col("opened"),
        pl.when(~is_open).then("last_move").alias("closed"),
        is_open.alias("is_open"),
        _decimals("quantity", "of_units"),
        *(pl.when(has_cost).then(_decimals(name, "of_money")).alias(name) for name in ("bought", "sold")),
        *(
            pl.when(has_cost & pl.col(name).is_not_nan()).then(name).alias(name)
            for name in ("entry_price", "exit_price")
        ),
        *(_decimals(name, "of_money") for name in ("realized_pnl", "commission", "pnl")),
        *(pl.when(is_marked).then(name).alias(name) for name in ("best_mark", "worst_mark")),
        pl.when(~is_open).then("days").alias("days"),
    )


def _decimals(name: str, scale: str) -> pl.Expr:
    """Convert units to decimals, each at its scale."""
    return (pl.col(name).cast(_WHOLE) * pl.lit(_UNITS).gather(pl.col(scale))).cast(MONEY).alias(name)


def _symbols(names: Column, numbers: str) -> pl.Expr:
    return pl.lit(pl.Series(names, dtype=pl.String)).gather(pl.col(numbers)).alias(numbers)


def _limbs(trips: Rows, name: str) -> Int64s:
    """Combine the two parts of a sum into its lower and upper 64 bits: int64[trips, 2]."""
    high = trips[f"{name}_high"] + (trips[f"{name}_low"] >> 31)
    limbs = np.empty((trips.size, 2), np.int64)
    limbs[:, 0] = (high << 31) | (trips[f"{name}_low"] & ((1 << 31) - 1))
    limbs[:, 1] = high >> 33
    return limbs


def as_floats(limbs: Int64s) -> Floats:
    """Convert whole numbers of 128 bits to float64 as DuckDB does."""
    upper, lower = limbs[:, 1].astype(np.float64), limbs[:, 0].view(np.uint64).astype(np.float64)
    return upper * 2.0**64 + lower


def _wide(limbs: Int64s) -> pl.Series:
    """Convert whole numbers of 128 bits to decimals."""
    halves = pl.DataFrame({"upper": limbs[:, 1], "lower": limbs[:, 0].view(np.uint64)})
    whole = pl.col("upper").cast(pl.Int128) * pl.lit(2**64, pl.Int128) + pl.col("lower").cast(pl.Int128)
    return halves.select(whole.cast(_WHOLE)).to_series()

"""The equity curve and the round trips as frames: what `History` has in units, in exact decimals.

Column for column and type for type what the views `equity` and `trade` give.
"""

from decimal import Decimal

import numpy as np
import polars as pl

from tieout.execution.figures.folding import Int64s, Rows
from tieout.execution.figures.record import Floats, History
from tieout.execution.figures.tables import Column
from tieout.ledger.books.commodity import MAX_SCALE

MONEY = pl.Decimal(37, MAX_SCALE)
"""What the product of a whole number of 64 bits and a unit is in SQL."""
_WHOLE = pl.Decimal(38, 0)
_UNITS = pl.Series(
    [Decimal(1).scaleb(-scale) for scale in range(MAX_SCALE + 1)], dtype=pl.Decimal(MAX_SCALE + 1, MAX_SCALE)
)
_A_DAY = 86_400_000_000_000


def equity(history: History) -> pl.DataFrame:
    """Cash, market value and equity at every statement."""
    statements, things = history.statements, history.commodities
    plain = pl.DataFrame(
        {
            "timestamp": statements.timestamp,
            "currency": statements.currency,
            "cash": statements.cash,
            "market_value": statements.market_value,
            "equity": statements.equity,
            "scale": things.scale[statements.currency],
        }
    )
    return plain.select(
        pl.col("timestamp"),
        _named(things.symbol, "currency"),
        *(_decimals(name, "scale") for name in ("cash", "market_value", "equity")),
    )


def trades(history: History) -> pl.DataFrame:
    """Round trips, from flat to flat."""
    trips, things = history.trips, history.commodities
    instrument, currency = trips["instrument"], things.currency[trips["instrument"]]
    limbs = {name: _limbs(trips, name) for name in ("bought", "sold", "units_bought", "units_sold")}
    # Of a short trade what was sold is the entry.
    prices = [
        np.divide(
            as_floats(limbs[way]) / things.one[currency],
            as_floats(limbs[f"units_{way}"]) / things.one[instrument] * things.multiplier[instrument],
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
        | {name: trips[name].view("M8[ns]") for name in ("opened", "moved")}
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
            "days": (trips["moved"] - trips["opened"]) / _A_DAY,
            "of_units": things.scale[instrument],
            "of_money": things.scale[currency],
        }
    )
    is_open, has_cost, is_marked = pl.col("position") != 0, pl.col("has_cost"), pl.col("marks") > 0
    return plain.select(
        pl.col("number"),
        _named(things.symbol, "instrument").alias("symbol"),
        _named(things.symbol, "currency"),
        pl.when("is_long").then(pl.lit("long")).otherwise(pl.lit("short")).alias("side"),
        pl.col("opened"),
        pl.when(~is_open).then("moved").alias("closed"),
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
    """Whole numbers as the decimals that they stand for, each at its scale."""
    return (pl.col(name).cast(_WHOLE) * pl.lit(_UNITS).gather(pl.col(scale))).cast(MONEY).alias(name)


def _named(names: Column, numbers: str) -> pl.Expr:
    return pl.lit(pl.Series(names, dtype=pl.String)).gather(pl.col(numbers)).alias(numbers)


def _limbs(trips: Rows, name: str) -> Int64s:
    """A sum that is kept as two, as the lower and the upper half of its 128 bits: shape (trips, 2)."""
    high = trips[f"{name}_high"] + (trips[f"{name}_low"] >> 31)
    limbs = np.empty((trips.size, 2), np.int64)
    limbs[:, 0] = (high << 31) | (trips[f"{name}_low"] & ((1 << 31) - 1))
    limbs[:, 1] = high >> 33
    return limbs


def as_floats(limbs: Int64s) -> Floats:
    """Whole numbers of 128 bits as DuckDB turns them into doubles."""
    upper, lower = limbs[:, 1].astype(np.float64), limbs[:, 0].view(np.uint64).astype(np.float64)
    return upper * 2.0**64 + lower


def _wide(limbs: Int64s) -> pl.Series:
    """Whole numbers of 128 bits as decimals."""
    halves = pl.DataFrame({"upper": limbs[:, 1], "lower": limbs[:, 0].view(np.uint64)})
    whole = pl.col("upper").cast(pl.Int128) * pl.lit(2**64, pl.Int128) + pl.col("lower").cast(pl.Int128)
    return halves.select(whole.cast(_WHOLE)).to_series()

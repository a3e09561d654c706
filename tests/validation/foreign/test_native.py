"""A run read from tables whose seals hold, though no run can have written them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tieout import Backtest, Bars, CashAccount, TargetWeights
from tieout.execution.figures.tables import Column, Tables
from tieout.ledger.errors import DamagedFile, UnknownCommodity
from tieout.validation.foreign.native import NativeRun

DAYS = 5
PRICES = np.full((DAYS, 1), 8.0)


class Altered:
    """Tables with one column altered."""

    def __init__(self, tables: Tables, place: str, change: Callable[[NDArray[Any]], Any]) -> None:
        self._tables, self._change = tables, change
        self._table, self._column = place.split(".")

    def columns(self, table: str, names: Sequence[str], /) -> dict[str, Column]:
        columns = self._tables.columns(table, names)
        if table == self._table and self._column in columns:
            columns[self._column] = np.asarray(self._change(columns[self._column].copy()))
        return columns


def backtest() -> Backtest:
    timestamp = (np.datetime64("2024-05-06") + np.arange(DAYS)).astype("M8[ns]")
    bars = Bars.from_arrays(timestamp, ["KELP"], open=PRICES, high=PRICES, low=PRICES, close=PRICES)
    return Backtest(bars=bars, strategy=TargetWeights(np.full((DAYS, 1), 0.5)), account=CashAccount("900"))


@pytest.mark.parametrize(
    ("place", "change", "error", "words"),
    [
        (
            "commodity.symbol",
            lambda symbol: np.where(symbol == "USD", "*.csv", symbol),
            UnknownCommodity,
            "USD",
        ),
        ("fill.instrument", lambda instrument: instrument + 7, DamagedFile, "verify the journal"),
        ("orders.instrument", lambda instrument: instrument + 7, DamagedFile, "verify the journal"),
        ("fill.instrument", lambda instrument: instrument - 2, DamagedFile, "names no row of commodity"),
        ("fill.instrument", lambda instrument: instrument * 0, DamagedFile, "what the bars do not have"),
        ("fill.order_id", lambda number: number - 9, DamagedFile, "names no row of orders"),
        ("transfer.credit", lambda credit: credit - 500, DamagedFile, "names no row of account"),
        ("orders.type", lambda kind: kind + 90, DamagedFile, "verify the journal"),
        ("transfer.debit", lambda debit: debit + 500, DamagedFile, "verify the journal"),
        ("transfer.txn", lambda txn: txn + 500, DamagedFile, "verify the journal"),
    ],
)
def test_tables_that_do_not_fit_together_are_one_sentence(
    place: str, change: Callable[[NDArray[Any]], Any], error: type[Exception], words: str
) -> None:
    run = backtest()
    with run.run() as result:
        assert 1 == len(NativeRun.of(run, result.journal).outcome.fills)

        with pytest.raises(error, match=words):
            NativeRun.of(run, Altered(result.journal, place, change))

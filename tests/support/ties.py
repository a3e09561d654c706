"""Figures of a journal by its history and by its views: two computations, equal to the last bit."""

from typing import Any, Protocol

import polars as pl
from polars.testing import assert_frame_equal

from tieout.execution.figures import schedules
from tieout.execution.figures.history import History
from tieout.ledger.file.query import Query
from tieout.ledger.moment import Moment


class Books(Protocol):
    """A journal that is posted to, or one that is read."""

    def sql(self, query: str, /, *, at: Moment | None = None) -> Query: ...


def history_of(books: Any, at: Moment | None = None) -> History:
    return History(books, at)


def assert_tied(books: Books, at: Moment | None = None) -> None:
    """Assert that every figure of a history is the view's: frames with their names, types and order."""
    history = history_of(books, at)
    exposure, period = frame(books, "exposure", at), frame(books, "period", at)

    assert_frame_equal(frame(books, "equity", at), schedules.equity(history), check_exact=True)
    assert_frame_equal(frame(books, "trade", at), schedules.trades(history), check_exact=True)
    assert in_units(exposure, "long", history) == history.exposure.long.tolist()
    assert in_units(exposure, "short", history) == history.exposure.short.tolist()
    assert exposure["positions"].to_list() == history.exposure.positions.tolist()
    assert in_units(period, "net_flow", history) == history.net_flows.tolist()
    for number, symbol in enumerate(history.commodities.symbol):
        if history.commodities.is_currency[number]:
            assert ends(books, symbol, at) == history.order_counts(number)


def ends(books: Books, currency: str, at: Moment | None = None) -> tuple[dict[str, int], int]:
    orders = frame(books, "order_history", at).filter(currency=currency)
    return dict(orders["status"].value_counts().iter_rows()), int(orders["fills"].sum())


def in_units(view: pl.DataFrame, column: str, history: History) -> list[int]:
    """Return the amounts of a view by statement as whole units of the currency of each."""
    scales = history.commodities.scale[history.statements.currency].tolist()
    return [int(amount.scaleb(scale)) for amount, scale in zip(view[column], scales, strict=True)]


def frame(books: Books, view: str, at: Moment | None = None) -> pl.DataFrame:
    return books.sql(f"from {view}", at=at).pl()

"""The layout of new books: the chart of accounts and the tables that posting begins with.

A layout follows from commodities and policies alone. With thousands of instruments, computing it takes longer
than a short run. A caller with many books of the same kind makes one layout and passes it to each
`Journal.create`. A layout is never changed: books take copies.
"""

from collections.abc import Iterable
from typing import Self

import numpy as np
from attrs import frozen

from tieout.ledger.books.arrays import Books, Relief, copied, empty_books, grown
from tieout.ledger.books.chart import Chart
from tieout.ledger.books.commodity import Commodities, Commodity
from tieout.ledger.numeric import Records

_TABLES = ("accounts", "commodities", "queues")
"""The tables of books that depend on the chart."""


@frozen(eq=False)
class Layout:
    """The accounts of a set of commodities, and the order in which lots are relieved.

    Make one with `of`. It serves books whose policies have the same *relief* and *may_be_overdrawn*.
    """

    relief: str
    may_be_overdrawn: frozenset[str]
    _chart: Chart
    _tables: dict[str, Records]

    @classmethod
    def of(
        cls,
        commodities: Iterable[Commodity],
        relief: str = "fifo",
        may_be_overdrawn: frozenset[str] = frozenset(),
    ) -> Self:
        """Lay out the books of *commodities*."""
        chart = Chart(Commodities(commodities), may_be_overdrawn)
        chart.open_commodities()
        books = extended(empty_books(1), chart, relief)
        return cls(relief, may_be_overdrawn, chart, {name: getattr(books, name) for name in _TABLES})

    @property
    def commodities(self) -> Commodities:
        """The commodities, read-only."""
        return self._chart.commodities

    @property
    def first(self) -> list[int]:
        """The first account number of each commodity, not to be changed."""
        return self._chart.first

    def chart(self) -> Chart:
        """Return a chart for new books."""
        return self._chart.copy()

    def begin(self, books: Books) -> Books:
        """Return *books*, which have no accounts yet, with the accounts and commodities of this layout."""
        return books._replace(**{name: copied(table) for name, table in self._tables.items()})


def extended(books: Books, chart: Chart, relief: str) -> Books:
    """Return *books* with a place for every account and commodity of *chart*."""
    commodities = chart.commodities
    have, declared = books.accounts.size, books.commodities.size
    accounts = grown(books.accounts, len(chart))
    accounts["commodity"][have:], accounts["floor"][have:] = chart.commodities_and_floors(have)
    rows = grown(books.commodities, len(commodities))
    first = np.array(chart.first, np.int32)
    money = np.array(commodities.moneys[declared:], np.int32)
    rows["first"][declared:], rows["money"][declared:] = first[declared:], first[money]
    rows["currency"][declared:] = money
    rows["relief"][declared:] = Relief[relief.upper()]
    queues = grown(books.queues, 2 * len(commodities))
    queues["head"][2 * declared :] = -1
    queues["tail"][2 * declared :] = -1
    queues["root"][2 * declared :] = -1
    return books._replace(accounts=accounts, commodities=rows, queues=queues)

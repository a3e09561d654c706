"""The listing of a run: its instruments as the books declare them and as compiled code reads them."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen

from tieout.execution.data.instruments import Instruments
from tieout.execution.kernels.state import empty_desk
from tieout.ledger.books.commodity import Commodity
from tieout.ledger.books.layout import Layout
from tieout.ledger.file.run import Policies
from tieout.ledger.numeric import Records


@frozen(eq=False)
class Listing:
    """A currency and the instruments traded in it. Never changed: the runs that share it take copies."""

    layout: Layout
    """The layout of the books, for `Journal.create`."""
    rows: Records
    """The terms of each instrument in the order of the symbols, for `Engine`."""

    @classmethod
    def of(
        cls, symbols: Sequence[str], terms: Instruments, money: Commodity, policies: Policies
    ) -> "Listing":
        """List the instruments *symbols*, priced in the currency *money*."""
        commodities = [money, *terms.commodities(symbols, money.symbol)]
        layout = Layout.of(commodities, policies.relief, policies.may_be_overdrawn)
        return cls(layout, _rows(symbols, terms, 10.0**money.scale, layout))


def shared_listing(
    symbols: tuple[str, ...], terms: Instruments, money: Commodity, policies: Policies
) -> Listing:
    """Return the listing that earlier runs on the same bars, terms and policies had, or a new one."""
    by_symbol = tuple(terms.by_symbol.items())
    key = money, policies.relief, policies.may_be_overdrawn, terms.default, by_symbol, symbols
    for other, listing in tuple(_SHARED):  # another thread may add to it
        # Runs on the same bars have the same tuple of symbols, which is equal without a look at them.
        if other == key:
            return listing
    listing = Listing.of(symbols, terms, money, policies)
    _SHARED.appendleft((key, listing))
    return listing


_SHARED: deque[tuple[tuple[Any, ...], Listing]] = deque(maxlen=16)
"""The newest listings, each with what it was made of."""


def _rows(symbols: Sequence[str], terms: Instruments, money_scale: float, layout: Layout) -> Records:
    table = empty_desk(len(symbols), orders=1).instruments
    rows = np.asarray(table)
    numbers = layout.commodities.numbers(symbols)
    rows["commodity"] = numbers
    rows["units"] = [layout.first[number] for number in numbers]
    for term, columns in terms.columns(symbols):
        rows["step"][columns] = term.step_units
        rows["lot"][columns] = term.lot_units
        rows["multiplier"][columns] = term.multiplier
        rows["ratio"][columns] = money_scale / 10.0**term.scale
        rows["scale"][columns] = 10.0**term.scale
    return table

"""The interface of a commission."""

from typing import Any, Protocol

from tieout.ledger.books.commodity import Commodity
from tieout.ledger.numeric import Record


class Commission(Protocol):
    """The charge for an order.

    Fills of one order are charged together: the amount due for all fills so far, less the amount charged
    already.
    """

    def fill_in(self, policy: Record, currency: Commodity) -> None:
        """Write the model into the policy that compiled code reads."""

    def spec(self) -> dict[str, Any]:
        """Return the description that the journal records."""

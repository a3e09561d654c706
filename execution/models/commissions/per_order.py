"""Commission as an amount for each order."""

from typing import ClassVar

from attrs import field, frozen

from tieout.execution.models.model import Model, as_rate
from tieout.ledger.books.commodity import Commodity
from tieout.ledger.numeric import Record


@frozen
class PerOrderCommission(Model):
    """The same amount for every order that trades, however many fills it takes."""

    name = "per_order"
    keys: ClassVar = {"per_order": "amount"}

    amount: float = field(default=0.0, converter=as_rate)

    def fill_in(self, policy: Record, currency: Commodity) -> None:
        """Write the model into the policy that compiled code reads."""
        policy.per_order = self.amount * 10.0**currency.scale

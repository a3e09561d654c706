"""Commission as an amount for each unit."""

from typing import ClassVar

from attrs import field, frozen

from tieout.execution.models.model import Model, as_optional_rate, as_rate
from tieout.ledger.books.commodity import Commodity
from tieout.ledger.numeric import Record


@frozen
class PerShareCommission(Model):
    """Money for each unit, at least *minimum* an order and at most the share *maximum* of its notional."""

    name = "per_share"
    keys: ClassVar = {"per_share": "rate", "minimum": "minimum", "maximum": "maximum"}

    rate: float = field(default=0.0, converter=as_rate)
    minimum: float = field(default=0.0, converter=as_rate)
    maximum: float | None = field(default=None, converter=as_optional_rate)

    def fill_in(self, policy: Record, currency: Commodity) -> None:
        """Write the model into the policy that compiled code reads."""
        money = 10.0**currency.scale
        policy.per_share = self.rate * money
        policy.minimum = self.minimum * money
        if self.maximum is not None:
            policy.maximum = self.maximum

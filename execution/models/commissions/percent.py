"""Commission as a share of the notional."""

from typing import ClassVar

from attrs import field, frozen

from tieout.execution.models.model import Model, as_rate
from tieout.ledger.books.commodity import Commodity
from tieout.ledger.numeric import Record


@frozen
class PercentCommission(Model):
    """A share of the notional, ``"0.001"`` for 0.1 %, never less than *minimum* an order."""

    name = "percent"
    keys: ClassVar = {"percent": "rate", "minimum": "minimum"}

    rate: float = field(default=0.0, converter=as_rate)
    minimum: float = field(default=0.0, converter=as_rate)

    def fill_in(self, policy: Record, currency: Commodity) -> None:
        """Write the model into the policy that compiled code reads."""
        policy.percent = self.rate
        policy.minimum = self.minimum * 10.0**currency.scale

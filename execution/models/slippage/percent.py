"""Slippage as a share of the price."""

from typing import Any, ClassVar

from attrs import field, frozen

from tieout.execution.errors import InvalidSetting
from tieout.execution.models.model import Model, as_rate
from tieout.ledger.numeric import Record


@frozen
class PercentSlippage(Model):
    """A share of the price, ``"0.0005"`` for five basis points."""

    name = "percent"
    keys: ClassVar = {"percent": "rate"}

    rate: float = field(default=0.0, converter=as_rate)

    def __attrs_post_init__(self) -> None:
        if self.rate >= 1:
            raise InvalidSetting(f"slippage {self.rate} is the whole price or more; give a share of it")

    def fill_in(self, policy: Record) -> None:
        """Write the model into the policy that compiled code reads."""
        policy.slippage = self.rate

    def spec(self) -> Any:
        """Return the rate alone, as a spec may write it."""
        return self.rate

"""The costs of trading: commission, slippage, and the share of a bar's volume that orders may take."""

from typing import Any

from attrs import field, frozen

from tieout.execution.errors import InvalidSetting
from tieout.execution.models.commissions.commission import Commission
from tieout.execution.models.commissions.percent import PercentCommission
from tieout.execution.models.model import Rate, as_optional_rate
from tieout.execution.models.slippage.percent import PercentSlippage
from tieout.execution.models.slippage.slippage import Slippage
from tieout.ledger.books.commodity import Commodity
from tieout.ledger.numeric import Record


def _slippage(value: Rate | Slippage) -> Slippage:
    """Return a slippage model. A number is a share of the price."""
    return PercentSlippage(value) if isinstance(value, Rate) else value


@frozen
class Costs:
    """All costs of a fill.

    *slippage* is a model, or a share of the price, against the trader. Limit orders have none.
    *participation* is the largest share of a bar's volume that all orders for an instrument take together.
    The rest is carried over. A bar without volume fills nothing unless *fill_without_volume*.
    """

    commission: Commission = field(factory=PercentCommission)
    slippage: Slippage = field(factory=PercentSlippage, converter=_slippage)
    participation: float | None = field(default=None, converter=as_optional_rate)
    fill_without_volume: bool = False

    def __attrs_post_init__(self) -> None:
        if self.participation == 0:
            raise InvalidSetting("a participation of 0 fills nothing; leave it out for no limit")
        if self.participation is not None and self.participation > 1:
            raise InvalidSetting(
                f"participation {self.participation} is not a share of volume; give 1 or less, or None for no"
                " limit"
            )
        for name, model, example in (
            ("commission", self.commission, "PercentCommission(...)"),
            ("slippage", self.slippage, "PercentSlippage(...)"),
        ):
            if not hasattr(model, "fill_in") or isinstance(model, Costs | type):
                raise InvalidSetting(f"{name} must be a model such as {example}, not {model!r}")

    def fill_in(self, policy: Record, currency: Commodity) -> None:
        """Write the costs into the policy that compiled code reads."""
        infinite = float("inf")
        policy.maximum = infinite
        policy.participation = infinite if self.participation is None else self.participation
        policy.without_volume = self.fill_without_volume
        self.slippage.fill_in(policy)
        self.commission.fill_in(policy, currency)

    def spec(self) -> dict[str, Any]:
        """Return the description that the journal records."""
        return {
            "commission": self.commission.spec(),
            "slippage": self.slippage.spec(),
            "participation": self.participation,
            "fill_without_volume": self.fill_without_volume,
        }

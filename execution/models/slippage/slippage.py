"""The interface of a slippage model."""

from typing import Any, Protocol

from tieout.ledger.numeric import Record


class Slippage(Protocol):
    """The distance of a fill price from its reference price, against the trader. Limit orders have none."""

    def fill_in(self, policy: Record) -> None:
        """Write the model into the policy that compiled code reads."""

    def spec(self) -> Any:
        """Return the description that the journal records."""

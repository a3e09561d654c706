"""An account without limits."""

from typing import Any, ClassVar

from attrs import field, frozen

from tieout.execution.models.accounts.account import opening_cash
from tieout.execution.models.model import Model
from tieout.ledger.books.commodity import Amount
from tieout.ledger.numeric import Record


@frozen
class UnlimitedAccount(Model):
    """For studies: every order fills at any cost, and cash and positions may fall below zero.

    The journal records this: its cash account has no floor.
    """

    name = "unlimited"
    keys: ClassVar = {"cash": "cash"}

    cash: Amount = field(default="100000", converter=opening_cash)

    def fill_in(self, policy: Record) -> None:
        """Write the policy into the one that compiled code reads."""
        policy.unlimited = 1

    def may_be_overdrawn(self, currency: str) -> frozenset[str]:
        """Paths of the accounts that have no floor: cash."""
        return frozenset([f"Assets:Cash:{currency}"])

    def spec(self) -> dict[str, Any]:
        """Return the description that the journal records."""
        return {"kind": self.name, "cash": str(self.cash)}

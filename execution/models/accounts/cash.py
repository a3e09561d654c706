"""An account without borrowing and shorting."""

from typing import Any, ClassVar, Literal

from attrs import field, frozen

from tieout.execution.errors import InvalidSetting
from tieout.execution.kernels.admission import Insufficient
from tieout.execution.models.accounts.account import opening_cash
from tieout.execution.models.model import Model
from tieout.ledger.books.commodity import Amount
from tieout.ledger.numeric import Record

_INSUFFICIENT = {
    "reject": Insufficient.REJECT,
    "cut": Insufficient.CUT,
    "cut_to_lots": Insufficient.CUT_TO_LOTS,
}


@frozen
class CashAccount(Model):
    """No borrowing and no shorting: cash and positions are never below zero.

    An order for more than the cash or the position allows is refused, or cut to it. *insufficient* is
    ``reject``, ``cut``, or ``cut_to_lots`` for a purchase cut to whole lots.
    """

    name = "cash"
    keys: ClassVar = {"cash": "cash", "insufficient": "insufficient"}

    cash: Amount = field(default="100000", converter=opening_cash)
    insufficient: Literal["reject", "cut", "cut_to_lots"] = field(default="reject")

    @insufficient.validator
    def _require_policy(self, _: object, value: str) -> None:
        if value not in _INSUFFICIENT:
            raise InvalidSetting(f"insufficient is one of {', '.join(_INSUFFICIENT)}, not {value!r}")

    def fill_in(self, policy: Record) -> None:
        """Write the policy into the one that compiled code reads."""
        policy.unlimited = 0
        policy.insufficient = int(_INSUFFICIENT[self.insufficient])

    def may_be_overdrawn(self, currency: str) -> frozenset[str]:
        """Paths of the accounts that have no floor: none."""
        del currency
        return frozenset()

    def spec(self) -> dict[str, Any]:
        """Return the description that the journal records."""
        return {"kind": self.name, "cash": str(self.cash), "insufficient": self.insufficient}

"""Account policies: whether a fill may happen, and for how much. The rules are in admission.py."""

from typing import Any, Literal, Protocol

from attrs import field, frozen

from tieout.execution.errors import InvalidSetting
from tieout.execution.kernels.admission import Insufficient
from tieout.ledger.books.arrays import Record
from tieout.ledger.books.commodity import Amount

_INSUFFICIENT = {
    "reject": Insufficient.REJECT,
    "cut": Insufficient.CUT,
    "cut_to_lots": Insufficient.CUT_TO_LOTS,
}


class Account(Protocol):
    """An account policy with its opening cash."""

    @property
    def cash(self) -> Amount:
        """Opening cash."""

    def fill_in(self, policy: Record) -> None:
        """Write the policy into the one that compiled code reads."""

    def may_be_overdrawn(self, currency: str) -> frozenset[str]:
        """Paths of the accounts that have no floor."""

    def spec(self) -> dict[str, Any]:
        """What is recorded of it."""


@frozen
class CashAccount:
    """No borrowing and no shorting: cash and positions are never below zero.

    An order for more than there is of either is refused, or cut to it: *insufficient* is ``reject``,
    ``cut``, or ``cut_to_lots`` for a purchase cut to whole lots.
    """

    cash: Amount = "100000"
    insufficient: Literal["reject", "cut", "cut_to_lots"] = field(default="reject")

    @insufficient.validator
    def _is_known(self, _: object, given: str) -> None:
        if given not in _INSUFFICIENT:
            raise InvalidSetting(f"insufficient is one of {', '.join(_INSUFFICIENT)}, not {given!r}")

    def fill_in(self, policy: Record) -> None:
        """Write the policy into the one that compiled code reads."""
        policy.unlimited = 0
        policy.insufficient = int(_INSUFFICIENT[self.insufficient])

    def may_be_overdrawn(self, currency: str) -> frozenset[str]:
        """Paths of the accounts that have no floor: none."""
        del currency
        return frozenset()

    def spec(self) -> dict[str, Any]:
        """What is recorded of it."""
        return {"kind": "cash", "cash": str(self.cash), "insufficient": self.insufficient}


@frozen
class UnlimitedAccount:
    """For studies: every order fills, whatever it costs; cash and positions may fall below zero.

    The journal says so: its account of cash has no floor.
    """

    cash: Amount = "100000"

    def fill_in(self, policy: Record) -> None:
        """Write the policy into the one that compiled code reads."""
        policy.unlimited = 1

    def may_be_overdrawn(self, currency: str) -> frozenset[str]:
        """Paths of the accounts that have no floor: cash."""
        return frozenset([f"Assets:Cash:{currency}"])

    def spec(self) -> dict[str, Any]:
        """What is recorded of it."""
        return {"kind": "unlimited", "cash": str(self.cash)}

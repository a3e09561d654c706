"""The interface of an account. The rules that its policy selects are in kernels/admission.py."""

from typing import Any, Protocol

from tieout.execution.errors import InvalidSetting
from tieout.ledger.books.commodity import Amount
from tieout.ledger.numeric import Record


class Account(Protocol):
    """An account policy with its opening cash: whether a fill may happen, and for how much."""

    @property
    def cash(self) -> Amount:
        """Opening cash."""

    def fill_in(self, policy: Record) -> None:
        """Write the policy into the one that compiled code reads."""

    def may_be_overdrawn(self, currency: str) -> frozenset[str]:
        """Paths of the accounts that have no floor."""

    def spec(self) -> dict[str, Any]:
        """Return the description that the journal records."""


def opening_cash(cash: Amount | float) -> Amount:
    """Convert opening cash: a float that is a whole number becomes one.

    Raises `InvalidSetting` for any other float, which is not exact.
    """
    if not isinstance(cash, float):
        return cash
    if not cash.is_integer():
        raise InvalidSetting(
            f'cash {cash!r} is a float and not exact; give text, such as "{cash}", or a Decimal'
        )
    return int(cash)

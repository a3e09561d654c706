"""The market on top of the books: bars, orders, fills, costs, accounts, and the backtest.

    from execution import Backtest, CashAccount, Costs, PercentCommission, Strategy

Names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

_HOMES = {
    "Backtest": "backtest",
    "Bar": "strategy",
    "Bars": "bars",
    "Broker": "broker",
    "CashAccount": "accounts",
    "Costs": "costs",
    "CustomCommission": "costs",
    "ExecutionError": "errors",
    "FRACTIONAL": "instruments",
    "Fill": "strategy",
    "Instrument": "strategy",
    "Instruments": "instruments",
    "Orders": "programs",
    "PerOrderCommission": "costs",
    "PerShareCommission": "costs",
    "PercentCommission": "costs",
    "Rejection": "strategy",
    "Result": "result",
    "Signals": "programs",
    "Sizing": "orders",
    "Strategy": "strategy",
    "TargetWeights": "programs",
    "Terms": "instruments",
    "UnlimitedAccount": "accounts",
    "WHOLE": "instruments",
    "perform": "summary",
}
"""The modules of the names that this room offers."""

__all__ = [
    "FRACTIONAL",
    "WHOLE",
    "Backtest",
    "Bar",
    "Bars",
    "Broker",
    "CashAccount",
    "Costs",
    "CustomCommission",
    "ExecutionError",
    "Fill",
    "Instrument",
    "Instruments",
    "Orders",
    "PerOrderCommission",
    "PerShareCommission",
    "PercentCommission",
    "Rejection",
    "Result",
    "Signals",
    "Sizing",
    "Strategy",
    "TargetWeights",
    "Terms",
    "UnlimitedAccount",
    "perform",
]

if TYPE_CHECKING:
    from execution.accounts import CashAccount, UnlimitedAccount
    from execution.backtest import Backtest
    from execution.bars import Bars
    from execution.broker import Broker
    from execution.costs import (
        Costs,
        CustomCommission,
        PercentCommission,
        PerOrderCommission,
        PerShareCommission,
    )
    from execution.errors import ExecutionError
    from execution.instruments import FRACTIONAL, WHOLE, Instruments, Terms
    from execution.orders import Sizing
    from execution.programs import Orders, Signals, TargetWeights
    from execution.result import Result
    from execution.strategy import Bar, Fill, Instrument, Rejection, Strategy
    from execution.summary import perform
else:
    # Out of sight of a type checker, which would otherwise take any name to be there.
    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"execution.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

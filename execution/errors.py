"""The errors of execution, one class a reason.

A refusal by a market or an account is no error: it is recorded (kernels/orders.py, `Reason`).
"""

from tieout.ledger.errors import TieoutError


class ExecutionError(TieoutError):
    """The base of every error of execution."""


class BadBars(ExecutionError):
    """Bars break a rule. Shows the first rows that break it, and the remedy."""


class BadFeatures(ExecutionError):
    """A feature frame cannot be joined to the bars."""


class MalformedOrder(ExecutionError):
    """An order that no market could execute: an unknown instrument, no quantity, a limit of zero."""


class InvalidSetting(ExecutionError):
    """A policy, cost model or program has a value that is not allowed."""


class UnknownFeature(ExecutionError):
    """A strategy asks for a feature or for history that the run does not have."""


class InvalidSpec(ExecutionError):
    """A spec has a key or a value that is not allowed. Names the line and the most similar key."""


class InputChanged(ExecutionError):
    """The journal records another run: its data, parameters or strategy differ."""


class CannotReperform(ExecutionError):
    """The journal does not record enough to perform the run again."""


class StrategyFailed(ExecutionError):
    """A strategy raised an error. The journal is closed, and valid up to the bar that is named."""

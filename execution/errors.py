"""Everything that execution refuses outright, one class a reason.

What a market or an account refuses is recorded instead (orders.Reason).
"""

from tieout.ledger.errors import TieoutError


class ExecutionError(TieoutError):
    """Base of every error of this room."""


class BadBars(ExecutionError):
    """Bars break a rule. Shows the first rows that do, and says how to go on."""


class BadFeatures(ExecutionError):
    """A feature frame cannot be joined to the bars."""


class MalformedOrder(ExecutionError):
    """An order that no market could mean: an unknown instrument, no quantity, a limit of zero."""


class InvalidSetting(ExecutionError):
    """A policy, cost model or program is given a value that it cannot have."""


class UnknownFeature(ExecutionError):
    """A strategy asks for a feature or for history that the run does not have."""


class InvalidSpec(ExecutionError):
    """A spec has a key or a value that it cannot have. Names the line and the nearest good one."""


class InputChanged(ExecutionError):
    """The run that a journal records was another: its data, parameters or strategy differ."""


class CannotReperform(ExecutionError):
    """The journal does not say enough for the run to be performed again."""


class StrategyFailed(ExecutionError):
    """A strategy raised an error. The journal is closed, and sound up to the bar that is named."""

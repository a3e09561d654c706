"""Interfaces that an engine's folder implements: `ADAPTER` in `adapter.py`, `EXPORT` in `export.py`."""

from collections.abc import Callable, Mapping, Sequence

from attrs import field, frozen

from tieout.execution.kernels.orders import Reason
from tieout.validation.foreign.explanations import SHARED_RULES, Rule
from tieout.validation.foreign.native import NativeRun
from tieout.validation.foreign.orders import REASONS
from tieout.validation.foreign.outcome import Outcome


@frozen
class Adapter:
    """Everything that `tieout compare` needs to know of an engine.

    *name* is spelled as its authors spell it. *version* returns the version of the installed package and
    raises `PackageNotFoundError` without one. *imitation_version* is the version that the imitation
    reproduces. *by_package* and *by_imitation* give the orders of a run to the engine and return its outcome.
    They raise `CannotCompare` or `ValueError` for a run that the engine cannot take. *rules* are the known
    differences of rules, tried in order. *reasons* translates the engine's refusals. A refusal in *catch_all*
    matches any reason.
    """

    name: str
    version: Callable[[], str]
    imitation_version: str
    by_package: Callable[[NativeRun], Outcome]
    by_imitation: Callable[[NativeRun], Outcome]
    commissions: Sequence[type] = ()
    rules: Sequence[Rule] = SHARED_RULES
    reasons: Mapping[str, Reason] = REASONS
    catch_all: frozenset[str] = frozenset()


@frozen
class Export:
    """Columns of the files that an engine exports: our name to its name, by kind of file.

    *marks* are columns that are not read. They tell fills of this engine from those of others.
    """

    fills: Mapping[str, str]
    trades: Mapping[str, str] = field(factory=dict)
    curve: Mapping[str, str] = field(factory=dict)
    marks: frozenset[str] = frozenset()
